"""What our schemas accept, and what is said of a document that they refuse."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

import orjson
import pytest

from sinks import schema
from sinks.schema import DocumentSchema, InvalidDocument, output_schema, reader_schema

FILES = sorted((Path(schema.__file__).parent / "schemas").rglob("*.json"))
READERS = [path for path in FILES if "readers" in path.parts]
# Complete schemas of inputs, which other tests make documents from.
INPUTS = Path(__file__).parents[1] / "data" / "schemas"
INPUT_FILES = sorted(INPUTS.rglob("*.json"))
# All that a reader of these files has to know: no reference, no combination of schemas.
PLAIN_KEYWORDS = set(
    "$schema $id title description type format enum pattern required properties items "
    "additionalProperties minimum maximum minLength maxLength minProperties".split()
)
MAX_INTEGER = 2**53 - 1
DT = "2026-01-02T03:04:05Z"
META = {"stream": "a", "id": "b", "domain": "c", "request_id": "d", "uri": "/wiki/E"}
SCORE: dict[str, Any] = {
    "$schema": "/mediawiki/revision/score/3.0.0",
    "meta": {**META, "dt": DT},
    "dt": DT,
    "database": "enwiki",
    "page_id": 1,
    "page_title": "A",
    "page_namespace": 0,
    "page_is_redirect": False,
    "rev_id": 2,
    "rev_parent_id": 0,
    "rev_timestamp": DT,
    "performer": {
        "user_text": "B",
        "user_id": 3,
        "user_groups": ["*"],
        "user_is_bot": False,
        "user_edit_count": 4,
        "user_registration_dt": DT,
    },
    "scores": {
        "damaging": {
            "model_name": "damaging",
            "model_version": "0.5.1",
            "prediction": ["false"],
            "probability": {"true": 0.25, "false": 0.75},
        }
    },
    "errors": {
        "goodfaith": {
            "model_name": "goodfaith",
            "model_version": "0.5.1",
            "type": "RevisionNotFound",
            "message": "C",
        }
    },
}
PAGE_CHANGE: dict[str, Any] = {
    "$schema": "/mediawiki/page/change/1.12.0",
    "meta": META,
    "dt": DT,
    "wiki_id": "enwiki",
    "page_change_kind": "edit",
    "page": {"page_id": 1, "page_title": "A", "namespace_id": 0, "is_redirect": False},
    "performer": {
        "user_text": "B",
        "user_id": 3,
        "groups": ["*"],
        "is_bot": False,
        "edit_count": 4,
        "registration_dt": DT,
    },
    "revision": {
        "rev_id": 2,
        "rev_dt": DT,
        "rev_parent_id": 0,
        "is_content_visible": True,
        "is_editor_visible": True,
        "is_comment_visible": True,
    },
}
USER: dict[str, Any] = {
    "user_text": "B",
    "user_id": 3,
    "user_central_id": 4,
    "wiki_id": "enwiki",
    "groups": ["*"],
    "is_bot": False,
    "is_system": False,
    "is_temp": False,
    "edit_count": 5,
    "registration_dt": DT,
}
PAGE: dict[str, Any] = {
    "page_id": 1,
    "page_title": "A",
    "namespace_id": 0,
    "namespace_is_content": True,
    "is_redirect": True,
    "revision_count": 6,
}
REVISION: dict[str, Any] = {
    "rev_id": 2,
    "rev_dt": DT,
    "rev_parent_id": 0,
    "rev_sha1": "C",
    "rev_size": 7,
    "is_minor_edit": False,
    "is_content_visible": True,
    "is_editor_visible": True,
    "is_comment_visible": True,
    "comment": "D",
    "editor": USER,
    "revert": {},
}
PREDICTED: dict[str, Any] = {
    "model_name": "outlink-topic-model",
    "model_version": "alloutlinks_202209",
    "predictions": ["STEM.STEM*"],
    "probabilities": {"STEM.STEM*": 0.75, "Geography.Geographical": 0.25},
}
PREDICTION: dict[str, Any] = {
    "$schema": "/mediawiki/page/prediction_classification_change/1.3.0",
    "meta": {**META, "dt": DT},
    "dt": DT,
    "changelog_kind": "update",
    "page_change_kind": "move",
    "wiki_id": "enwiki",
    "comment": "E",
    "page": {
        **PAGE,
        "redirect_page_link": {
            "interwiki_prefix": "de",
            "page_id": 8,
            "page_title": "F",
            "namespace_id": 0,
            "is_redirect": False,
        },
    },
    "performer": USER,
    "revision": REVISION,
    "prior_state": {"page": PAGE, "revision": REVISION},
    "created_redirect_page": PAGE,
    "predicted_classification": PREDICTED,
}
TAGS: dict[str, Any] = {
    "$schema": "/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0",
    "meta": {**META, "dt": DT},
    "dt": DT,
    "wiki_id": "enwiki",
    "page": {"page_id": 1, "page_title": "A", "namespace_id": 0, "is_redirect": False},
    "rev_based": True,
    "weighted_tags": {
        "set": {"classification.prediction.articlecountry": [{"tag": "Norway", "score": 0.75}]},
        "clear": ["recommendation.tone"],
    },
}
TAG_SCORE = "/weighted_tags/set/classification.prediction.articlecountry/0/score"
REVISION_CREATE: dict[str, Any] = {
    name: value for name, value in SCORE.items() if name not in ("scores", "errors")
}
OUTPUTS = {
    "score": (output_schema("mediawiki/revision/score", "3.0.0"), SCORE),
    "prediction": (
        output_schema("mediawiki/page/prediction_classification_change", "1.3.0"),
        PREDICTION,
    ),
    "tags": (output_schema("mediawiki/cirrussearch/page_weighted_tags_change", "1.0.0"), TAGS),
}
CASES = OUTPUTS | {
    "page_change": (reader_schema("mediawiki/page/change", 1), PAGE_CHANGE),
    "revision_create_1": (reader_schema("mediawiki/revision/create", 1), REVISION_CREATE),
    "revision_create_2": (reader_schema("mediawiki/revision/create", 2), REVISION_CREATE),
    "prediction_as_read": (
        reader_schema("mediawiki/page/prediction_classification_change", 1),
        {**PAGE_CHANGE, "predicted_classification": PREDICTED},
    ),
}
# The members that may not be missing, where what holds them is there. Tags are at least one set or
# cleared prefix.
REQUIRED = {
    "score": """
        /$schema /meta /meta/stream /dt
        /scores/damaging/model_name /scores/damaging/model_version
        /scores/damaging/prediction /scores/damaging/probability
        /errors/goodfaith/model_name /errors/goodfaith/model_version
        /errors/goodfaith/type /errors/goodfaith/message
    """,
    "prediction": """
        /$schema /meta /meta/stream /dt /changelog_kind /page_change_kind /wiki_id
        /page /page/page_id /page/page_title /revision /revision/rev_id /revision/rev_dt
        /created_redirect_page/page_id /created_redirect_page/page_title
        /predicted_classification/model_name /predicted_classification/model_version
        /predicted_classification/predictions /predicted_classification/probabilities
    """,
    "tags": """
        /$schema /meta /meta/stream /dt /wiki_id
        /page /page/page_id /page/page_title /page/namespace_id /weighted_tags
        /weighted_tags/set/classification.prediction.articlecountry/0/tag
        /weighted_tags/set/classification.prediction.articlecountry
    """,
    "page_change": """
        /$schema /meta /meta/stream /dt /wiki_id /page_change_kind
        /page /page/page_id /page/page_title /revision /revision/rev_id /revision/rev_dt
    """,
    "revision_create_1": """
        /$schema /meta /meta/stream /database /page_id /page_title /page_namespace
        /page_is_redirect /rev_id /rev_timestamp
    """,
    "revision_create_2": """
        /$schema /meta /meta/stream /dt /database /page_id /page_title /page_namespace
        /page_is_redirect /rev_id /rev_timestamp
    """,
    "prediction_as_read": """
        /$schema /meta /meta/stream /dt /wiki_id /page_change_kind
        /page /page/page_id /page/page_title /revision /revision/rev_id /revision/rev_dt
        /predicted_classification
        /predicted_classification/model_name /predicted_classification/model_version
        /predicted_classification/predictions /predicted_classification/probabilities
    """,
}
# Members of the documents above that a reader does not read.
UNREAD = {"revision_create_1": {"/dt", "/meta/dt"}, "revision_create_2": {"/meta/dt"}}
# Of each output: the objects that may have no other members, the document itself apart.
CLOSED = {
    "score": "",
    "prediction": """
        /page /page/redirect_page_link /performer /revision /revision/editor /prior_state/page
        /prior_state/revision /prior_state/revision/editor /created_redirect_page
    """,
    "tags": """
        /page /weighted_tags /weighted_tags/set/classification.prediction.articlecountry/0
    """,
}
MISSING = object()


def changed(document: dict[str, Any], pointer: str, value: object) -> dict[str, Any]:
    """Return a copy of `document` with `value` at `pointer`, or nothing there if MISSING."""
    # Not a deepcopy: that would change all places that hold the same object.
    result: dict[str, Any] = orjson.loads(orjson.dumps(document))
    *way, name = pointer.removeprefix("/").split("/")
    holder: Any = result
    for step in way:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    key = int(name) if isinstance(holder, list) else name
    if value is MISSING:
        del holder[key]
    else:
        holder[key] = value
    return result


def pointers(value: Any, at: str = "") -> list[str]:
    """Return the pointers of everything inside `value`."""
    items = enumerate(value) if isinstance(value, list) else value.items()
    found = []
    for name, inner in items:
        found.append(f"{at}/{name}")
        if isinstance(inner, dict | list):
            found += pointers(inner, found[-1])
    return found


def objects(value: Any, at: str = "") -> list[str]:
    """Return the pointers of all objects in `value`, itself first."""
    items = enumerate(value) if isinstance(value, list) else value.items()
    found = [at] if isinstance(value, dict) else []
    for name, inner in items:
        if isinstance(inner, dict | list):
            found += objects(inner, f"{at}/{name}")
    return found


def nested(levels: int) -> list[Any]:
    """Return an array in an array in an array ..."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def refusal(of: DocumentSchema, document: object) -> str:
    """Return what `of` says of a document that it must refuse."""
    with pytest.raises(InvalidDocument) as refused:
        of.validate(document)
    return refused.value.detail


@pytest.mark.parametrize("case", CASES)
def test_validate_complete_document_is_accepted_unmodified(case: str) -> None:
    """A document with every member that the schema knows is valid, and left as it is."""
    of, document = CASES[case]
    before = orjson.dumps(document)

    of.validate(document)

    assert orjson.dumps(document) == before


@pytest.mark.parametrize("case", CASES)
def test_validate_any_member_removed_is_refused_only_if_it_is_required(case: str) -> None:
    """Each required member is missed, wherever it belongs; any other may be left out."""
    of, document = CASES[case]

    missed = {
        pointer
        for pointer in pointers(document)
        if of.first_problem(changed(document, pointer, MISSING)) is not None
    }

    assert missed == set(REQUIRED[case].split())


@pytest.mark.parametrize("case", CASES)
def test_validate_any_known_member_of_another_type_is_refused(case: str) -> None:
    """Everything that a schema names has a type, and nowhere is it an array of arrays."""
    of, document = CASES[case]

    accepted = {
        pointer
        for pointer in pointers(document)
        if of.first_problem(changed(document, pointer, [[]])) is None
    }

    assert accepted == UNREAD.get(case, set())


@pytest.mark.parametrize("case", OUTPUTS)
def test_output_unknown_member_is_refused_exactly_in_closed_objects(case: str) -> None:
    """What newer inputs have must not get into a closed object; the open ones may have more."""
    of, document = OUTPUTS[case]

    problems = [
        of.first_problem(changed(document, f"{pointer}/newer", 5)) for pointer in objects(document)
    ]

    refusing = [
        problem.pointer for problem in problems if problem and problem.text.startswith("newer is")
    ]
    assert sorted(refusing) == sorted(["", *CLOSED[case].split()])


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/rev_id", 2.0, id="integer-written-as-float"),
        pytest.param("/rev_id", MAX_INTEGER, id="largest-integer"),
        pytest.param("/page_namespace", -MAX_INTEGER, id="smallest-namespace"),
        pytest.param("/dt", "2026-01-02t03:04:05.123456789z", id="lower-case-and-fraction"),
        pytest.param("/dt", "2026-01-02T03:04:05+05:30", id="offset"),
        pytest.param("/dt", f"2026-01-02T03:04:05.{'0' * 107}Z", id="date-of-128-characters"),
        pytest.param("/meta/uri", "a" * 8192, id="uri-of-8192-characters"),
        pytest.param("/meta/topic", "eqiad.a", id="unknown-member-of-meta"),
        pytest.param("/performer/user_central_id", 5, id="unknown-member-of-performer"),
        pytest.param("/performer", {}, id="empty-performer"),
        pytest.param("/scores/damaging/probability/true", -1, id="any-number-as-probability"),
        pytest.param("/scores", {}, id="no-score"),
    ],
)
def test_score_unusual_value_is_accepted(pointer: str, value: object) -> None:
    """What upstream's schema allows is valid, however unusual."""
    of, document = CASES["score"]

    of.validate(changed(document, pointer, value))


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/meta", MISSING, "/meta: is missing, must be present"),
        ("/meta/stream", MISSING, "/meta/stream: is missing, must be present"),
        ("/meta/stream", "", "/meta/stream: must satisfy minLength 1"),
        ("/meta/uri", "a b", "/meta/uri: must satisfy format uri-reference"),
        ("/meta/uri", "a" * 8193, "/meta/uri: must satisfy maxLength 8192"),
        ("/dt", "2026-01-02", "/dt: must satisfy format date-time"),
        ("/dt", "2026-02-30T00:00:00Z", "/dt: must satisfy format date-time"),
        ("/dt", f"{DT[:-1]}.{'0' * 108}Z", "/dt: must satisfy maxLength 128"),
        ("/page_id", 0, "/page_id: must satisfy minimum 1"),
        ("/rev_id", "2", "/rev_id: is string, must be integer"),
        ("/rev_id", 1.5, "/rev_id: is number, must be integer"),
        ("/rev_id", True, "/rev_id: is boolean, must be integer"),
        ("/rev_id", MAX_INTEGER + 1, "/rev_id: must satisfy maximum 9007199254740991"),
        ("/rev_id", 1e300, "/rev_id: must satisfy maximum 9007199254740991"),
        ("/performer", None, "/performer: is null, must be object"),
        ("/performer/user_groups/0", "", "/performer/user_groups/0: must satisfy minLength 1"),
        ("/scores", [], "/scores: is array, must be object"),
        (
            "/scores/damaging/prediction",
            [True],
            "/scores/damaging/prediction/0: is boolean, must be string",
        ),
        (
            "/scores/damaging/probability/true",
            None,
            "/scores/damaging/probability/true: is null, must be number",
        ),
        (
            "/errors/goodfaith/type",
            MISSING,
            "/errors/goodfaith/type: is missing, must be present",
        ),
        ("/wiki_id", "enwiki", "the document: wiki_id is unknown to the schema, must be left out"),
    ],
)
def test_score_invalid_member_is_named_with_what_is_right(
    pointer: str, value: object, detail: str
) -> None:
    """The detail is a JSON pointer, what is wrong and what would be right."""
    of, document = CASES["score"]

    assert refusal(of, changed(document, pointer, value)) == detail


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/page/page_id", 0, id="page-id-0"),
        pytest.param("/page/redirect_page_link/namespace_id", -1, id="link-to-a-special-page"),
        pytest.param("/page/redirect_page_link/namespace_id", -MAX_INTEGER, id="lowest-namespace"),
        pytest.param("/page/redirect_page_link", {}, id="link-of-which-nothing-is-known"),
        pytest.param("/performer", {}, id="empty-performer"),
        pytest.param("/revision/revert", {"newer": {"a": [None]}}, id="any-revert"),
        pytest.param("/revision/comment", "", id="empty-edit-summary"),
        pytest.param("/prior_state", {}, id="nothing-known-of-before"),
        pytest.param("/prior_state/page", {"page_title": "G"}, id="moved-so-only-the-title"),
        pytest.param(
            "/prior_state/revision", {"is_editor_visible": True}, id="hidden-so-only-the-flag"
        ),
        pytest.param("/prior_state/newer", 5, id="unknown-member-of-the-open-prior-state"),
        pytest.param("/predicted_classification/predictions", [], id="no-class"),
        pytest.param("/predicted_classification/probabilities", {"A": -1}, id="any-number"),
        pytest.param("/predicted_classification/newer", None, id="unknown-member-of-it"),
        pytest.param("/changelog_kind", "insert", id="insert"),
        pytest.param("/changelog_kind", "delete", id="delete-of-a-log"),
        *(
            pytest.param("/page_change_kind", kind, id=kind)
            for kind in ("create", "edit", "delete", "undelete", "visibility_change")
        ),
    ],
)
def test_prediction_unusual_value_is_accepted(pointer: str, value: object) -> None:
    """What a page change may say, and what a model may, is valid, however unusual."""
    of, document = CASES["prediction"]

    of.validate(changed(document, pointer, value))


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/page_change_kind", "import", "/page_change_kind: must satisfy enum"),
        ("/changelog_kind", "upsert", "/changelog_kind: must satisfy enum"),
        ("/page/namespace_id", -1, "/page/namespace_id: must satisfy minimum 0"),
        ("/page/namespace_is_content", 1, "/page/namespace_is_content: is integer, must be bool"),
        ("/page/wikibase_item_id", "Q1", "/page: wikibase_item_id is unknown to the schema"),
        (
            "/page/redirect_page_link/namespace_id",
            -MAX_INTEGER - 1,
            "/page/redirect_page_link/namespace_id: must satisfy minimum -9007199254740991",
        ),
        ("/performer/user_id", -1, "/performer/user_id: must satisfy minimum 0"),
        ("/performer/user_central_id", -1, "/performer/user_central_id: must satisfy minimum 0"),
        ("/performer/wiki_id", "", "/performer/wiki_id: must satisfy minLength 1"),
        ("/performer/first_edit_dt", DT, "/performer: first_edit_dt is unknown to the schema"),
        ("/revision/rev_id", 0, "/revision/rev_id: must satisfy minimum 1"),
        ("/revision/content_slots", {}, "/revision: content_slots is unknown to the schema"),
        ("/revision/editor/user_text", "", "/revision/editor/user_text: must satisfy minLength 1"),
        ("/prior_state/revision/rev_id", 0, "/prior_state/revision/rev_id: must satisfy minimum 1"),
        (
            "/prior_state/page/redirect_page_link",
            {},
            "/prior_state/page: redirect_page_link is unknown to the schema",
        ),
        (
            "/created_redirect_page/redirect_page_link",
            {},
            "/created_redirect_page: redirect_page_link is unknown to the schema",
        ),
        (
            "/predicted_classification/predictions/0",
            True,
            "/predicted_classification/predictions/0: is boolean, must be string",
        ),
        (
            "/predicted_classification/probabilities/A",
            None,
            "/predicted_classification/probabilities/A: is null, must be number",
        ),
        (
            "/predicted_classification/probabilities/A",
            1e300,
            "/predicted_classification/probabilities/A: must satisfy maximum 9007199254740991",
        ),
    ],
)
def test_prediction_invalid_member_is_named_with_what_is_right(
    pointer: str, value: object, detail: str
) -> None:
    """Of a page change only what the schema names can be copied, in the schema's bounds."""
    of, document = CASES["prediction"]

    assert refusal(of, changed(document, pointer, value)).startswith(detail)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/weighted_tags/set", MISSING, id="only-clear"),
        pytest.param("/weighted_tags/clear", MISSING, id="only-set"),
        pytest.param("/weighted_tags/clear/0", "a" * 100, id="prefix-of-100-characters"),
        pytest.param("/weighted_tags/set/recommendation.tone", [{"tag": "exists"}], id="no-score"),
        pytest.param("/weighted_tags/set/recommendation.tone", [], id="no-tag-of-a-prefix"),
        pytest.param("/page/page_id", 0, id="page-id-0"),
    ],
)
def test_tags_unusual_value_is_accepted(pointer: str, value: object) -> None:
    """Tags are set or cleared, or both; they need no score."""
    of, document = CASES["tags"]

    of.validate(changed(document, pointer, value))


@pytest.mark.parametrize("score", [0, 0.0, 0.5, 1, 1.0])
def test_tags_score_from_0_to_1_is_accepted(score: float) -> None:
    """Both ends of the range of a score belong to it."""
    of, document = CASES["tags"]

    of.validate(changed(document, TAG_SCORE, score))


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/weighted_tags", {}, "/weighted_tags: must satisfy minProperties 1"),
        ("/weighted_tags/set", {}, "/weighted_tags/set: must satisfy minProperties 1"),
        ("/weighted_tags/clear/0", "a/b", "/weighted_tags/clear/0: must satisfy pattern ^[^/]+$"),
        ("/weighted_tags/clear/0", "a/", "/weighted_tags/clear/0: must satisfy pattern ^[^/]+$"),
        ("/weighted_tags/clear/0", "", "/weighted_tags/clear/0: must satisfy pattern ^[^/]+$"),
        ("/weighted_tags/clear/0", "a" * 101, "/weighted_tags/clear/0: must satisfy maxLength 100"),
        (TAG_SCORE, -0.01, f"{TAG_SCORE}: must satisfy minimum 0"),
        (TAG_SCORE, 1.01, f"{TAG_SCORE}: must satisfy maximum 1"),
        (TAG_SCORE, None, f"{TAG_SCORE}: is null, must be number"),
        ("/page/namespace_id", -1, "/page/namespace_id: must satisfy minimum 0"),
        ("/rev_based", None, "/rev_based: is null, must be boolean"),
        ("/rev_id", 2, "the document: rev_id is unknown to the schema, must be left out"),
    ],
)
def test_tags_invalid_member_is_named_with_what_is_right(
    pointer: str, value: object, detail: str
) -> None:
    """At least one prefix, none with a slash, and scores from 0 to 1."""
    of, document = CASES["tags"]

    assert refusal(of, changed(document, pointer, value)) == detail


@pytest.mark.parametrize("document", [None, True, 1, "text", [], [{}]], ids=repr)
@pytest.mark.parametrize("case", CASES)
def test_validate_not_an_object_is_refused(case: str, document: object) -> None:
    """Only a JSON object is a document."""
    assert refusal(CASES[case][0], document).endswith("must be object")


@pytest.mark.parametrize("case", CASES)
def test_detail_any_bad_value_anywhere_is_not_quoted(case: str) -> None:
    """Neither the detail nor a traceback contains a value, or a name that is not plain."""
    of, document = CASES[case]
    text = "Secret page text"
    refused = 0
    for pointer in pointers(document):
        for value in (text, [text], {text: text}, [[text]], {"x": [text]}):
            try:
                of.validate(changed(document, pointer, value))
            except InvalidDocument as error:
                refused += 1
                assert "Secret" not in "".join(traceback.format_exception(error))
                assert "Secret" not in error.detail

    assert refused > 3 * len(pointers(document))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("$id-1.x_Y", "$id-1.x_Y", id="plain"),
        pytest.param("a" * 64, "a" * 64, id="64-characters"),
        pytest.param("a" * 65, "a member", id="65-characters"),
        pytest.param("", "a member", id="empty"),
        pytest.param("a b", "a member", id="space"),
        pytest.param("a\nb", "a member", id="line-break"),
        pytest.param("a\n", "a member", id="line-break-at-the-end"),
        pytest.param("\u4e2d", "a member", id="not-ascii"),
        pytest.param('dt"', "a member", id="quotation-mark"),
    ],
)
def test_detail_unknown_member_is_named_only_if_plain(name: str, shown: str) -> None:
    """Names come from the document as well, so only short plain words are repeated."""
    of, document = CASES["score"]

    detail = refusal(of, {**document, name: "x"})

    assert detail == f"the document: {shown} is unknown to the schema, must be left out"


def test_detail_map_key_that_is_not_plain_is_a_star() -> None:
    """In a pointer, a name that is not plain is `*`."""
    of, document = CASES["score"]

    detail = refusal(of, {**document, "scores": {"Secret text": {}}})

    assert detail == "/scores/*/model_name: is missing, must be present"


def test_detail_longest_names_stay_one_bounded_line() -> None:
    """However long the names of a document, the detail has at most 300 characters."""
    of, document = CASES["score"]
    score = {"model_name": "", "model_version": "", "prediction": [], "probability": {"b" * 64: ""}}

    detail = refusal(of, {**document, "scores": {"a" * 64: score}})

    assert len(detail) <= 300
    assert detail.isprintable()
    assert detail.endswith("is string, must be number")


def test_invalid_document_overlong_detail_is_cut() -> None:
    """An InvalidDocument bounds its own text."""
    assert str(InvalidDocument("x" * 1000)) == InvalidDocument("x" * 1000).detail == "x" * 300


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("levels", [300, 100_000])
def test_validate_deep_value_at_a_known_member_is_refused(case: str, levels: int) -> None:
    """Nesting that no stack could hold is refused like any other wrong value."""
    of, document = CASES[case]

    assert "nested too deeply" in refusal(of, changed(document, "/meta", nested(levels)))


def test_validate_deep_value_at_an_unknown_member_is_accepted() -> None:
    """What the reader does not read is not walked, so its depth does not matter."""
    of, document = CASES["page_change"]

    of.validate({**document, "prior_state": nested(100_000)})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"x", id="bytes"),
        pytest.param(object(), id="object"),
        pytest.param("\ud800", id="lone-surrogate"),
        pytest.param({1: 2}, id="key-that-is-no-text"),
    ],
)
def test_validate_not_json_is_refused(value: object) -> None:
    """What JSON has no word for is refused, and raises nothing else."""
    of, document = CASES["score"]

    assert "what JSON has no word for" in refusal(of, {**document, "rev_id": value})


def test_validate_many_errors_stops_at_the_first() -> None:
    """A hostile document of half a million errors costs no seconds."""
    of, document = CASES["page_change"]
    hostile = changed(document, "/performer/groups", [1] * 500_000)
    start = time.perf_counter()

    detail = refusal(of, hostile)

    assert detail == "/performer/groups/0: is integer, must be string"
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(lambda: output_schema("mediawiki/revision/score", "9.0.0"), id="version"),
        pytest.param(lambda: output_schema("mediawiki/no/such", "1.0.0"), id="title"),
        pytest.param(lambda: output_schema("mediawiki/page/change", "1"), id="input-as-output"),
        pytest.param(lambda: output_schema("readers/mediawiki/page/change", "1"), id="folder"),
        pytest.param(
            lambda: output_schema("../schemas/mediawiki/revision/score", "3.0.0"), id=".."
        ),
        pytest.param(lambda: reader_schema("mediawiki/page/change", 2), id="major"),
        pytest.param(lambda: reader_schema("mediawiki/revision/score", 3), id="output-as-reader"),
    ],
)
def test_schema_unknown_is_a_lookup_error(load: Any) -> None:
    """Only the schema files that we have can be asked for, by title and version."""
    with pytest.raises(LookupError):
        load()


def test_schema_asked_twice_is_compiled_once() -> None:
    """Whoever asks for the same schema gets the same immutable object."""
    first = output_schema("mediawiki/revision/score", "3.0.0")

    assert (first.title, first.version) == ("mediawiki/revision/score", "3.0.0")
    assert output_schema("mediawiki/revision/score", "3.0.0") is first
    assert reader_schema("mediawiki/page/change", 1).version == "1"
    with pytest.raises(AttributeError):
        first.title = "x"  # type: ignore[misc]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.stem)
def test_schema_file_names_itself_by_its_place(path: Path) -> None:
    """`$id` is the place in the directory, and the title is `$id` without folder and version."""
    content = orjson.loads(path.read_bytes())
    name = path.relative_to(Path(schema.__file__).parent / "schemas").with_suffix("").as_posix()

    assert content["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert content["$id"] == f"/{name}"
    assert content["title"] == name.removeprefix("readers/").rpartition("/")[0]


@pytest.mark.parametrize("path", INPUT_FILES, ids=lambda path: path.parent.name + "/" + path.stem)
def test_input_schema_file_names_itself_by_its_place(path: Path) -> None:
    """`$id` is the place in the directory; what is newer than the published ones has a version."""
    content = orjson.loads(path.read_bytes())
    name = path.relative_to(INPUTS).with_suffix("").as_posix().replace("newer", "1.12.0")

    assert content["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert content["$id"] == f"/{name}"
    assert content["title"] == name.rpartition("/")[0]


@pytest.mark.parametrize(
    "path", [*FILES, *INPUT_FILES], ids=lambda path: "/".join(path.with_suffix("").parts[-4:])
)
def test_schema_file_is_a_plain_tree(path: Path) -> None:
    """Documents are copied and generated by walking these files: each says all of itself, once."""
    todo = [orjson.loads(path.read_bytes())]
    seen = 0
    while todo:
        content = todo.pop()
        seen += 1
        assert set(content) <= PLAIN_KEYWORDS
        assert isinstance(content["type"], str)
        todo += content.get("properties", {}).values()
        todo += [content["items"]] if content["type"] == "array" else []
        todo += [content["additionalProperties"]] if content.get("additionalProperties") else []

    assert seen > 10


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.parent.name + "/" + path.stem)
def test_reader_file_is_open_everywhere(path: Path) -> None:
    """No reader refuses a member for being unknown: producers are versions ahead."""
    assert b'"additionalProperties": false' not in path.read_bytes()


@pytest.mark.parametrize("case", [case for case in CASES if case not in OUTPUTS])
def test_reader_unknown_members_and_no_performer_are_accepted(case: str) -> None:
    """Newer members are no reason to refuse an event, nor is a hidden performer."""
    of, document = CASES[case]
    holders = {"/meta", "/page", "/performer", "/revision", "/predicted_classification"}

    for pointer in ("", *holders & {*pointers(document)}):
        of.validate(changed(document, f"{pointer}/newer", {"a": [None]}))
    of.validate(changed(document, "/performer", MISSING))


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/page_change_kind", "newer_kind", id="newer-kind"),
        pytest.param("/page/page_id", 0, id="page-id-0"),
        pytest.param("/page/namespace_id", -1, id="negative-namespace"),
        pytest.param("/performer/user_id", -MAX_INTEGER, id="negative-user-id"),
        pytest.param("/performer/groups", [], id="no-groups"),
        pytest.param("/performer/is_bot", MISSING, id="user-of-another-wiki"),
        pytest.param("/revision/rev_parent_id", MISSING, id="parent-unknown"),
        pytest.param("/meta/uri", "not a uri %", id="bad-uri"),
        pytest.param("/meta/uri", "a" * 9000, id="long-uri"),
        pytest.param("/prior_state", {"revision": {"rev_id": "x"}}, id="prior-state-unread"),
    ],
)
def test_page_change_reader_tolerates(pointer: str, value: object) -> None:
    """The reader refuses nothing that a valid score can still be built from."""
    of, document = CASES["page_change"]

    of.validate(changed(document, pointer, value))


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/meta/stream", MISSING, "/meta/stream: is missing, must be present"),
        ("/meta/uri", 5, "/meta/uri: is integer, must be string"),
        ("/wiki_id", "", "/wiki_id: must satisfy minLength 1"),
        ("/page_change_kind", MISSING, "/page_change_kind: is missing, must be present"),
        ("/page", MISSING, "/page: is missing, must be present"),
        ("/page/page_id", -1, "/page/page_id: must satisfy minimum 0"),
        ("/page/page_title", "", "/page/page_title: must satisfy minLength 1"),
        ("/performer/groups", ["a", ""], "/performer/groups/1: must satisfy minLength 1"),
        ("/performer/registration_dt", "2020", "/performer/registration_dt: must satisfy format"),
        ("/revision/rev_id", MISSING, "/revision/rev_id: is missing, must be present"),
        ("/revision/rev_dt", None, "/revision/rev_dt: is null, must be string"),
        ("/revision/rev_parent_id", -1, "/revision/rev_parent_id: must satisfy minimum 0"),
        ("/revision/is_content_visible", "no", "/revision/is_content_visible: is string, must be"),
        ("/revision/is_editor_visible", None, "/revision/is_editor_visible: is null, must be"),
        ("/revision/is_comment_visible", 0, "/revision/is_comment_visible: is integer, must be"),
    ],
)
def test_page_change_reader_refuses(pointer: str, value: object, detail: str) -> None:
    """What is read must be there and fit into a score."""
    of, document = CASES["page_change"]

    assert refusal(of, changed(document, pointer, value)).startswith(detail)


def test_revision_create_reader_dt_is_required_and_judged_only_in_version_2() -> None:
    """Version 1 has no `dt`: a member of that name is unknown there, whatever it holds."""
    first, second = CASES["revision_create_1"][0], CASES["revision_create_2"][0]

    first.validate(changed(REVISION_CREATE, "/dt", MISSING))
    first.validate(changed(REVISION_CREATE, "/dt", 5))

    without = changed(REVISION_CREATE, "/dt", MISSING)
    assert refusal(second, without) == "/dt: is missing, must be present"
    assert refusal(second, {**without, "dt": 5}) == "/dt: is integer, must be string"


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/page/namespace_id", MISSING, id="namespace-unknown"),
        pytest.param("/page/redirect_page_link", 5, id="link-unread"),
        pytest.param("/prior_state", [], id="prior-state-unread"),
        pytest.param("/revision/editor", None, id="editor-unread"),
        pytest.param("/predicted_classification/predictions", [], id="no-class"),
        pytest.param("/predicted_classification/probabilities", {}, id="no-probability"),
        pytest.param("/predicted_classification/newer", [None], id="newer-member-of-it"),
    ],
)
def test_prediction_reader_tolerates(pointer: str, value: object) -> None:
    """The reader of our own events refuses nothing that tags can still be made from."""
    of, document = CASES["prediction_as_read"]

    of.validate(changed(document, pointer, value))


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/dt", MISSING, "/dt: is missing, must be present"),
        ("/wiki_id", "", "/wiki_id: must satisfy minLength 1"),
        ("/page/page_title", MISSING, "/page/page_title: is missing, must be present"),
        ("/page/namespace_id", -1, "/page/namespace_id: must satisfy minimum 0"),
        ("/revision/rev_dt", MISSING, "/revision/rev_dt: is missing, must be present"),
        (
            "/predicted_classification",
            MISSING,
            "/predicted_classification: is missing, must be present",
        ),
        (
            "/predicted_classification/model_version",
            MISSING,
            "/predicted_classification/model_version: is missing, must be present",
        ),
        (
            "/predicted_classification/predictions",
            "STEM",
            "/predicted_classification/predictions: is string, must be array",
        ),
        (
            "/predicted_classification/probabilities/A",
            None,
            "/predicted_classification/probabilities/A: is null, must be number",
        ),
        (
            "/predicted_classification/probabilities/A",
            -1e300,
            "/predicted_classification/probabilities/A: must satisfy minimum -9007199254740991",
        ),
    ],
)
def test_prediction_reader_refuses(pointer: str, value: object, detail: str) -> None:
    """A prediction event is read for its prediction, so that one is there, and is complete."""
    of, document = CASES["prediction_as_read"]

    assert refusal(of, changed(document, pointer, value)) == detail
