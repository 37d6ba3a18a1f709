"""The prediction document: a copy of the change without what is hidden, and how it is read back."""

from __future__ import annotations

import copy
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from sinks import inputs, page_change, prediction_classification
from sinks.errors import InvalidEvent
from sinks.page_change import PageChange
from sinks.prediction import Prediction
from sinks.schema import InvalidDocument, output_schema
from tests import factories
from tests.factories import DATA, merged

TITLE = "mediawiki/page/prediction_classification_change"
READERS = inputs.load_readers((page_change.TITLE, TITLE))
SCHEMA = output_schema(TITLE, "1.3.0")
PREDICTION = Prediction("article-country", "1", ("Kenya", "Mali"), {"Kenya": 0.75, "Mali": 0.5})
DT = "2026-09-23T10:00:00Z"
OTHER_DT = "2026-09-23T12:00:00+02:00"  # the same instant
SAMPLES = sorted((DATA / "events").glob("page_change_*.json"))


def read(document: dict[str, Any]) -> PageChange:
    """The values of a document, read as it would come over the wire."""
    return inputs.parse(json.loads(json.dumps(document)), READERS)


def made(**over: Any) -> dict[str, Any]:
    """What comes from a page change with members replaced."""
    return prediction_classification.from_change(read(factories.page_change(**over)))


def whole(members: dict[str, Any]) -> dict[str, Any]:
    """The document that a row makes with these members."""
    return {
        "$schema": prediction_classification.OUTPUT.schema,
        "meta": {"stream": "mediawiki.article_country_prediction_change.v1", "id": "id-1"},
        **members,
        **prediction_classification.predicted_classification(PREDICTION),
    }


def refused(document: dict[str, Any]) -> InvalidEvent:
    """The error that a document is refused with when it is to be copied."""
    change = read(document)
    with pytest.raises(InvalidEvent) as error:
        prediction_classification.from_change(change)
    return error.value


USER = {
    "edit_count": 3,
    "groups": ["*", "user"],
    "is_bot": False,
    "is_system": False,
    "is_temp": True,
    "registration_dt": OTHER_DT,
    "user_central_id": 9,
    "user_id": 7,
    "user_text": "E",
    "wiki_id": "frwiki",
}
COPIED_USER = {**USER, "registration_dt": DT}
NEWER_USER = {**USER, "first_edit_dt": OTHER_DT, "edit_global_count": 5, "newer": {"a": 1}}
LINK = {
    "interwiki_prefix": "fr",
    "is_redirect": False,
    "namespace_id": -1,
    "page_id": 4,
    "page_title": "Special:Diff",
}
PAGE = {
    "is_redirect": False,
    "namespace_id": 0,
    "namespace_is_content": True,
    "page_id": 123,
    "page_title": "Example",
    "revision_count": 8,
}
REVISION = {
    "comment": "why",
    "is_comment_visible": True,
    "is_content_visible": True,
    "is_editor_visible": True,
    "is_minor_edit": False,
    "rev_dt": OTHER_DT,
    "rev_id": 1300200300,
    "rev_parent_id": 0,
    "rev_sha1": "abc",
    "rev_size": 17,
}
COPIED_REVISION = {**REVISION, "rev_dt": DT, "editor": COPIED_USER}
NEWER_REVISION = {
    **REVISION,
    "editor": NEWER_USER,
    "content_slots": {"main": {"slot_role": "main", "content_model": "wikitext"}},
    "revert": {"rev_revert_method": "undo"},
    "newer": 1,
}
EVERYTHING = {
    "$schema": "/mediawiki/page/change/1.12.0",
    "meta": {"stream": "mediawiki.page_change.v1", "id": "in-1", "dt": DT, "newer": 1},
    "newer": {"a": 1},
    "changelog_kind": "update",
    "page_change_kind": "move",
    "dt": OTHER_DT,
    "wiki_id": "enwiki",
    "comment": "moved",
    "page": {**PAGE, "wikibase_item_id": "Q1", "redirect_page_link": {**LINK, "newer": 1}},
    "performer": NEWER_USER,
    "revision": NEWER_REVISION,
    "prior_state": {
        "page": {**PAGE, "page_title": "Old", "redirect_page_link": LINK, "newer": 1},
        "revision": {**NEWER_REVISION, "rev_id": 1300200299},
        "newer": {"a": 1},
    },
    "created_redirect_page": {**PAGE, "page_id": 5, "redirect_page_link": LINK, "newer": 1},
    "predicted_classification": {"model_name": "x"},
}


def test_output_is_the_inferred_version() -> None:
    """The documents say that they are of version 1.3.0."""
    schema = prediction_classification.OUTPUT.schema

    assert schema == "/mediawiki/page/prediction_classification_change/1.3.0"


def test_from_change_newest_input_keeps_exactly_what_the_schema_names() -> None:
    """What the document has place for is copied, times in UTC; what is newer is not."""
    seen = prediction_classification.from_change(read(EVERYTHING))

    assert seen == {
        "changelog_kind": "update",
        "page_change_kind": "move",
        "dt": DT,
        "wiki_id": "enwiki",
        "comment": "moved",
        "page": {**PAGE, "redirect_page_link": LINK},
        "performer": COPIED_USER,
        "revision": COPIED_REVISION,
        "prior_state": {
            "page": {**PAGE, "page_title": "Old"},
            "revision": {**COPIED_REVISION, "rev_id": 1300200299},
        },
        "created_redirect_page": {**PAGE, "page_id": 5},
    }
    SCHEMA.validate(whole(seen))


def test_from_change_smallest_input_has_nothing_made_up() -> None:
    """What the change has not got stays absent, the performer too."""
    seen = made(page={"namespace_id": None, "is_redirect": None})

    assert seen == {
        "changelog_kind": "update",
        "page_change_kind": "edit",
        "dt": DT,
        "wiki_id": "enwiki",
        "page": {"page_id": 123, "page_title": "Example"},
        "revision": {"rev_id": 1300200300, "rev_dt": DT},
    }
    SCHEMA.validate(whole(seen))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_from_change_sample_event_is_valid(path: Path) -> None:
    """Every sample, of whatever kind, makes a valid document, partial prior states too."""
    change = read(json.loads(path.read_bytes()))

    seen = prediction_classification.from_change(change)

    SCHEMA.validate(whole(seen))


def test_from_change_whole_floats_become_integers() -> None:
    """JSON Schema takes 1.0 for an integer; what we write says 1, at every depth."""
    seen = made(
        page={"page_id": 5.0, "revision_count": 2.0, "redirect_page_link": {"namespace_id": -1.0}},
        revision={"rev_id": 6.0, "rev_size": 0.0},
        prior_state={"revision": {"rev_id": 7.0, "editor": {"user_id": 8.0}}},
    )

    assert ".0" not in json.dumps(seen)
    assert seen["prior_state"] == {"revision": {"rev_id": 7, "editor": {"user_id": 8}}}


def test_from_change_document_of_the_change_is_not_changed() -> None:
    """The input goes on unchanged, however much of it is hidden or left out."""
    hidden = {"revision": {"is_editor_visible": False, "is_comment_visible": False}}
    change = read(merged(EVERYTHING, hidden))
    before = copy.deepcopy(change.document)

    seen = [prediction_classification.from_change(change) for _ in range(2)]

    assert change.document == before
    assert seen[0] == seen[1]
    assert seen[0]["page"] is not change.document["page"]


SECRETS = {
    "comment": "a",
    "performer": {"user_text": "b"},
    "revision": {"comment": "c", "editor": {"user_text": "d"}},
    "prior_state": {"revision": {"rev_id": 9, "comment": "e", "editor": {"user_text": "f"}}},
}
PLACES = {
    "performer": ("performer",),
    "comment": ("comment",),
    "revision.editor": ("revision", "editor"),
    "revision.comment": ("revision", "comment"),
    "prior.editor": ("prior_state", "revision", "editor"),
    "prior.comment": ("prior_state", "revision", "comment"),
}
ALL = "performer comment revision.editor revision.comment prior.editor prior.comment"
# (hidden of the revision, hidden of the prior one: Editor, Comment) -> what is left to be seen.
LEFT = {
    ("", ""): ALL,
    ("", "E"): "performer comment revision.editor revision.comment prior.comment",
    ("", "C"): "performer comment revision.editor revision.comment prior.editor",
    ("", "EC"): "performer comment revision.editor revision.comment",
    ("E", ""): "comment revision.comment prior.comment",
    ("E", "E"): "comment revision.comment prior.comment",
    ("E", "C"): "comment revision.comment",
    ("E", "EC"): "comment revision.comment",
    ("C", ""): "performer revision.editor prior.editor",
    ("C", "E"): "performer revision.editor",
    ("C", "C"): "performer revision.editor prior.editor",
    ("C", "EC"): "performer revision.editor",
    ("EC", ""): "",
    ("EC", "E"): "",
    ("EC", "C"): "",
    ("EC", "EC"): "",
}


def has(document: dict[str, Any], path: tuple[str, ...]) -> bool:
    """Whether a document has the member at the end of the path."""
    for name in path:
        if name not in document:
            return False
        document = document[name]
    return True


@pytest.mark.parametrize("shown", [True, None], ids=["shown", "not-known"])
@pytest.mark.parametrize(("hidden", "hidden_before"), LEFT, ids=lambda value: value or "-")
def test_from_change_hidden_editor_and_comment_are_left_out(
    hidden: str, hidden_before: str, shown: bool | None
) -> None:
    """What a flag hides is published nowhere; a flag that is true or absent hides nothing."""
    flags, before = (
        {
            "is_editor_visible": False if "E" in letters else shown,
            "is_comment_visible": False if "C" in letters else shown,
        }
        for letters in (hidden, hidden_before)
    )
    over = merged(SECRETS, {"revision": flags, "prior_state": {"revision": before}})

    seen = made(**over)

    left = [name for name, path in PLACES.items() if has(seen, path)]
    assert left == LEFT[hidden, hidden_before].split()
    assert {name: seen["revision"].get(name) for name in flags} == flags
    assert seen["prior_state"]["revision"]["rev_id"] == 9
    SCHEMA.validate(whole(seen))


@pytest.mark.parametrize("prior", [None, {}, {"page": {"page_title": "Old"}}], ids=json.dumps)
def test_from_change_hidden_editor_without_prior_revision_is_left_out(prior: Any) -> None:
    """A hidden editor needs no prior revision to be left out, and none is made up."""
    seen = made(
        performer={"user_text": "b"},
        revision={"is_editor_visible": False, "editor": {"user_text": "d"}},
        prior_state=prior,
    )

    assert "performer" not in seen
    assert seen["revision"] == {"rev_id": 1300200300, "rev_dt": DT, "is_editor_visible": False}
    assert seen.get("prior_state") == prior


PRIOR = {"page": PAGE, "revision": {**REVISION, "editor": USER}}


@pytest.mark.parametrize("part", PRIOR)
def test_from_change_prior_state_of_any_members_is_kept(part: str) -> None:
    """A change may name only what differs, so nothing in a prior state can be counted on."""
    members = PRIOR[part]
    sizes = (0, 1, 2, len(members) - 1, len(members))
    subsets = [names for size in sizes for names in combinations(members, size)]
    copied = {"page": PAGE, "revision": COPIED_REVISION}[part]

    for names in subsets:
        seen = made(prior_state={part: {name: members[name] for name in names}})

        assert seen["prior_state"] == {part: {name: copied[name] for name in names}}
        SCHEMA.validate(whole(seen))


@pytest.mark.parametrize("prior", [{}, {"newer": {"a": 1}}], ids=["empty", "unknown-only"])
def test_from_change_prior_state_of_nothing_known_is_empty(prior: dict[str, Any]) -> None:
    """A prior state of which nothing is known stays an object."""
    seen = made(prior_state=prior)

    assert seen["prior_state"] == {}
    SCHEMA.validate(whole(seen))


REDIRECT = {"page_id": 5, "page_title": "Old"}


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        pytest.param({"changelog_kind": None}, "/changelog_kind", id="changelog-kind-absent"),
        pytest.param({"changelog_kind": "upsert"}, "/changelog_kind", id="changelog-kind-other"),
        pytest.param({"page_change_kind": "merge"}, "/page_change_kind", id="kind-other"),
        pytest.param(
            {"created_redirect_page": {"page_id": 5}},
            "/created_redirect_page/page_title",
            id="redirect-title-absent",
        ),
        pytest.param(
            {"created_redirect_page": {"page_title": "Old"}},
            "/created_redirect_page/page_id",
            id="redirect-id-absent",
        ),
        pytest.param(
            {"created_redirect_page": {**REDIRECT, "namespace_id": -1}},
            "/created_redirect_page/namespace_id",
            id="redirect-namespace-negative",
        ),
        pytest.param({"created_redirect_page": "Old"}, "/created_redirect_page", id="redirect"),
        pytest.param({"comment": 5}, "/comment", id="comment-number"),
        pytest.param({"page": {"namespace_id": -1}}, "/page/namespace_id", id="namespace"),
        pytest.param({"page": {"revision_count": "8"}}, "/page/revision_count", id="count-text"),
        pytest.param({"page": {"revision_count": 1e300}}, "/page/revision_count", id="count-huge"),
        pytest.param({"page": {"revision_count": 1.5}}, "/page/revision_count", id="count-part"),
        pytest.param({"revision": {"rev_id": 0}}, "/revision/rev_id", id="revision-0"),
        pytest.param({"revision": {"editor": "E"}}, "/revision/editor", id="editor-text"),
        pytest.param(
            {"revision": {"editor": {"groups": [1]}}}, "/revision/editor/groups/0", id="group"
        ),
        pytest.param({"performer": {"user_id": -1}}, "/performer/user_id", id="user-negative"),
        pytest.param({"performer": {"wiki_id": ""}}, "/performer/wiki_id", id="user-wiki-empty"),
        pytest.param({"prior_state": []}, "/prior_state", id="prior-state-list"),
        pytest.param({"prior_state": {"page": []}}, "/prior_state/page", id="prior-page-list"),
        pytest.param({"prior_state": {"revision": 1}}, "/prior_state/revision", id="prior-number"),
        pytest.param(
            {"prior_state": {"revision": {"rev_dt": 5}}},
            "/prior_state/revision/rev_dt",
            id="prior-time-number",
        ),
    ],
)
def test_from_change_member_that_cannot_be_published_is_invalid_document(
    over: dict[str, Any], pointer: str
) -> None:
    """What may be read but not be published is refused for good, naming the member."""
    error = refused(factories.page_change(**over))

    assert (error.status, error.reason) == (422, "invalid_document")
    assert error.detail.startswith(f"{pointer}: ")


@pytest.mark.parametrize("name", ["comment", "prior_state", "created_redirect_page"])
def test_from_change_null_is_invalid_document(name: str) -> None:
    """A null is not the same as an absent member."""
    error = refused({**factories.page_change(), name: None})

    assert (error.reason, error.detail.split(":")[0]) == ("invalid_document", f"/{name}")


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"revision": {"editor": {"registration_dt": "x"}}}, "/revision/editor/registration_dt"),
        (
            {"revision": {"editor": {"registration_dt": "2016-12-31T23:59:60Z"}}},
            "/revision/editor/registration_dt",
        ),
        ({"prior_state": {"revision": {"rev_dt": "2026"}}}, "/prior_state/revision/rev_dt"),
        (
            {"prior_state": {"revision": {"editor": {"registration_dt": ""}}}},
            "/prior_state/revision/editor/registration_dt",
        ),
    ],
    ids=["editor", "leap-second", "prior-revision", "prior-editor"],
)
def test_from_change_text_that_is_no_time_is_invalid_time(
    over: dict[str, Any], pointer: str
) -> None:
    """A time that cannot be converted is refused, wherever it stands."""
    error = refused(factories.page_change(**over))

    assert (error.status, error.reason) == (422, "invalid_time")
    assert error.detail.startswith(f"{pointer} ")


def test_from_change_detail_never_quotes_the_document() -> None:
    """The error names the place, not what stands there."""
    error = refused(factories.page_change(comment=["Zq7"], changelog_kind="Zq7"))

    assert "Zq7" not in error.detail


def test_predicted_classification_has_labels_and_all_probabilities() -> None:
    """The prediction becomes one member, its labels a list."""
    seen = prediction_classification.predicted_classification(
        Prediction("m", "3", ("b", "a"), {"b": 0.9, "a": 0.6, "c": 0.1})
    )

    assert seen == {
        "predicted_classification": {
            "model_name": "m",
            "model_version": "3",
            "predictions": ["b", "a"],
            "probabilities": {"b": 0.9, "a": 0.6, "c": 0.1},
        }
    }


def test_predicted_classification_without_a_version_is_a_mistake_of_ours() -> None:
    """No event may be made that egress would refuse for good because of our own settings."""
    with pytest.raises(LookupError, match="some-model has no version"):
        prediction_classification.predicted_classification(Prediction("some-model", None, (), {}))


def test_predicted_classification_of_nothing_is_valid() -> None:
    """A model may decide for nothing at all."""
    member = prediction_classification.predicted_classification(Prediction("m", "3", (), {}))

    SCHEMA.validate({**whole(made()), **member})


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(factories.page_change(), id="smallest"),
        pytest.param(merged(EVERYTHING, {"$schema": "/mediawiki/page/change/1.2.0"}), id="all"),
        *(pytest.param(json.loads(path.read_bytes()), id=path.stem) for path in SAMPLES),
    ],
)
def test_parse_reads_back_the_change_and_its_prediction(document: dict[str, Any]) -> None:
    """Who reads a published document has the change that it was made from, as far as it shows."""
    change = read(document)
    published = whole(prediction_classification.from_change(change))

    seen = read(published)

    performer = None if change.revision.is_editor_visible is False else change.performer
    assert seen == change._replace(
        schema=prediction_classification.OUTPUT.schema,
        meta=seen.meta,
        performer=performer,
        document=published,
        prediction=PREDICTION,
    )
    assert (seen.meta.stream, seen.meta.id) == (published["meta"]["stream"], "id-1")


def test_parse_number_of_a_probability_is_not_judged() -> None:
    """A score a little over 1 is read as it was published: who feeds on it has to judge."""
    document = factories.prediction_classification(
        predicted_classification={"probabilities": {"Kenya": 1.00001}}
    )

    seen = read(document)

    assert seen.prediction is not None
    assert seen.prediction.probability == {"Kenya": 1.00001, "Mali": 0.5}


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        pytest.param({"predicted_classification": None}, "", id="absent"),
        *(
            pytest.param({"predicted_classification": {name: None}}, f"/{name}", id=name)
            for name in ("model_name", "model_version", "predictions", "probabilities")
        ),
        *(
            pytest.param({"predicted_classification": {name: value}}, place, id=f"{name}-{value!r}")
            for name, value, place in (
                ("model_name", 1, "/model_name"),
                ("model_version", 1, "/model_version"),
                ("predictions", "Kenya", "/predictions"),
                ("predictions", [1], "/predictions/0"),
                ("probabilities", [0.5], "/probabilities"),
                ("probabilities", {"Kenya": "1"}, "/probabilities/Kenya"),
                ("probabilities", {"Kenya": True}, "/probabilities/Kenya"),
                ("probabilities", {"Kenya": 2**60}, "/probabilities/Kenya"),
            )
        ),
    ],
)
def test_parse_prediction_of_other_shape_is_invalid_document(
    over: dict[str, Any], pointer: str
) -> None:
    """A prediction is needed whole, and is refused by name if it is not."""
    with pytest.raises(InvalidEvent) as error:
        read(factories.prediction_classification(**over))

    assert error.value.reason == "invalid_document"
    assert error.value.detail.startswith(f"/predicted_classification{pointer}: ")


def test_factory_document_is_valid() -> None:
    """The document that other tests start from is one that is published."""
    SCHEMA.validate(factories.prediction_classification())

    for name in ("changelog_kind", "page_change_kind", "dt", "wiki_id", "page", "revision"):
        with pytest.raises(InvalidDocument):
            SCHEMA.validate(factories.prediction_classification(**{name: None}))
