"""Which documents come in: recognised by `$schema`, canaries and private wikis before all else."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import inputs
from sinks.cloudevent import NO_DATA
from sinks.errors import InvalidEvent, MalformedEvent
from tests.factories import page_change, prediction_classification, revision_create

READERS = inputs.load_readers()
PRIVATE = "mediawiki.page_change.private.v1"
CHANGE, CREATION = "mediawiki/page/change", "mediawiki/revision/create"
PREDICTED = "mediawiki/page/prediction_classification_change"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("/mediawiki/page/change/1.0.0", ("mediawiki/page/change", 1)),
        ("/mediawiki/page/change/1.12.0", ("mediawiki/page/change", 1)),
        ("/mediawiki/page/change/10.0.0", ("mediawiki/page/change", 10)),
        ("/mediawiki/revision/create/2.0.0", ("mediawiki/revision/create", 2)),
        ("/test_9/x/9999.9999.9999", ("test_9/x", 9999)),
    ],
)
def test_schema_of_title_and_version_are_told(schema: str, expected: tuple[str, int]) -> None:
    """Title and major version are read as numbers, never by prefix."""
    seen = inputs.schema_of({"$schema": schema})

    assert seen == expected


NOT_READ = [
    pytest.param("/mediawiki/page/change/2.0.0", id="page-change-2"),
    pytest.param("/mediawiki/page/change/10.0.0", id="page-change-10"),
    pytest.param("/mediawiki/page/change/11.2.0", id="page-change-11"),
    pytest.param("/mediawiki/page/change/0.9.0", id="page-change-0"),
    pytest.param("/mediawiki/revision/create/3.0.0", id="revision-create-3"),
    pytest.param("/mediawiki/revision/create/20.0.0", id="revision-create-20"),
    pytest.param("/mediawiki/revision/score/3.0.0", id="our-own-output"),
    pytest.param("/mediawiki/page/prediction_classification_change/1.3.0", id="our-predictions"),
    pytest.param("/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0", id="our-tags"),
    pytest.param("/mediawiki/page/change/1.2", id="two-numbers"),
    pytest.param("/mediawiki/page/change/1", id="one-number"),
    pytest.param("/mediawiki/page/change/latest", id="latest"),
    pytest.param("/mediawiki/page/change/v1.2.0", id="v-before-number"),
    pytest.param("/mediawiki/page/change/1.2.0-rc1", id="pre-release"),
    pytest.param("/mediawiki/page/change/1.2.0/", id="trailing-slash"),
    pytest.param("/mediawiki/page/change/1.2.0\n", id="trailing-newline"),
    pytest.param("/mediawiki/page/change/1.2.0.json", id="file-name"),
    pytest.param("/mediawiki/page/change/1.2.99999", id="five-digits"),
    pytest.param("/mediawiki/page/change/\u0661.2.0", id="arabic-digit"),
    pytest.param("/mediawiki/page/change/+1.2.0", id="sign"),
    pytest.param("/mediawiki/page/change/-1.2.0", id="minus"),
    pytest.param("/mediawiki//page/change/1.2.0", id="double-slash"),
    pytest.param("/mediawiki/page/../page/change/1.2.0", id="parent-directory"),
    pytest.param("mediawiki/page/change/1.2.0", id="no-slash"),
    pytest.param("https://schema.example.org/mediawiki/page/change/1.2.0", id="absolute"),
    pytest.param("/MediaWiki/page/change/1.2.0", id="upper-case"),
    pytest.param("", id="empty"),
    pytest.param("/" + "a/" * 5000 + "1.0.0", id="ten-kilobytes"),
    pytest.param(None, id="null"),
    pytest.param(1.2, id="number"),
    pytest.param(["/mediawiki/page/change/1.2.0"], id="list"),
]


@pytest.mark.parametrize("schema", NOT_READ)
def test_parse_other_schema_is_unsupported(schema: object) -> None:
    """Any other schema, and any other major version, is refused for good, saying what is read."""
    document = {**page_change(), "$schema": schema}

    with pytest.raises(InvalidEvent) as refused:
        inputs.parse(document, READERS)

    assert (refused.value.status, refused.value.reason) == (422, "unsupported_schema")
    assert refused.value.detail.startswith("$schema")
    assert len(refused.value.detail) < 300


@pytest.mark.parametrize("version", ["01.2.0", "0001.2.0", "1.02.0", "1.2.00"])
def test_parse_version_with_leading_zero_is_unsupported(version: str) -> None:
    """A version with leading zeros is no version, and its URI names no schema."""
    document = page_change(**{"$schema": f"/mediawiki/page/change/{version}"})

    with pytest.raises(InvalidEvent) as refused:
        inputs.parse(document, READERS)

    assert refused.value.reason == "unsupported_schema"


def test_parse_schema_absent_is_unsupported() -> None:
    """A document that does not say its schema is not guessed at."""
    with pytest.raises(InvalidEvent) as refused:
        inputs.parse(page_change(**{"$schema": None}), READERS)

    assert refused.value.reason == "unsupported_schema"


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.12.0", "1.100.7"])
def test_parse_page_change_any_minor_version_is_read(version: str) -> None:
    """Minor versions only add, so any 1.x is read, and the version is kept."""
    schema = f"/mediawiki/page/change/{version}"

    change = inputs.parse(page_change(**{"$schema": schema}), READERS)

    assert change.schema == schema


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.7.1"])
def test_parse_revision_create_both_major_versions_are_read(version: str) -> None:
    """Both major versions of revision-create are read."""
    schema = f"/mediawiki/revision/create/{version}"

    change = inputs.parse(revision_create(**{"$schema": schema}), READERS)

    assert change.schema == schema


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        pytest.param((), [], id="none"),
        pytest.param((CHANGE,), [(CHANGE, 1)], id="page-change"),
        pytest.param((CREATION,), [(CREATION, 1), (CREATION, 2)], id="both-majors"),
        pytest.param((PREDICTED,), [(PREDICTED, 1)], id="prediction"),
        pytest.param((PREDICTED, CHANGE), [(CHANGE, 1), (PREDICTED, 1)], id="two"),
        pytest.param(("mediawiki/revision/score",), [], id="nothing-that-is-read"),
        pytest.param((CHANGE[:-1],), [], id="not-by-prefix"),
    ],
)
def test_load_readers_titles_given_are_all_that_is_read(
    titles: tuple[str, ...], expected: list[tuple[str, int]]
) -> None:
    """A row reads what it names, in all its major versions, and nothing else."""
    readers = inputs.load_readers(titles)

    assert list(readers) == expected


def test_load_readers_without_titles_reads_what_others_send() -> None:
    """From outside come changes; predictions are our own, and no change."""
    readers = inputs.load_readers()

    assert list(readers) == [(CHANGE, 1), (CREATION, 1), (CREATION, 2)]


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.3.0", "1.99.0"])
def test_parse_prediction_any_minor_version_is_read_by_who_names_it(version: str) -> None:
    """Published predictions of any 1.x are read, with what was predicted."""
    document = prediction_classification(**{"$schema": f"/{PREDICTED}/{version}"})

    change = inputs.parse(document, inputs.load_readers((PREDICTED,)))

    assert change.schema == f"/{PREDICTED}/{version}"
    assert change.prediction is not None
    assert change.prediction.model_name == "article-country"
    assert (change.wiki_id, change.revision.rev_id) == ("enwiki", 1300200300)


@pytest.mark.parametrize(
    ("document", "titles", "known"),
    [
        pytest.param(page_change(), (PREDICTED,), f"/{PREDICTED}/1.x", id="page-change"),
        pytest.param(revision_create(), (CHANGE,), f"/{CHANGE}/1.x", id="revision-create"),
        pytest.param(
            prediction_classification(),
            (CHANGE, CREATION),
            f"/{CHANGE}/1.x, /{CREATION}/1.x, /{CREATION}/2.x",
            id="prediction",
        ),
        pytest.param(
            prediction_classification(**{"$schema": f"/{PREDICTED}/2.0.0"}),
            (PREDICTED,),
            f"/{PREDICTED}/1.x",
            id="prediction-2",
        ),
    ],
)
def test_parse_document_of_a_kind_not_named_is_unsupported(
    document: dict[str, Any], titles: tuple[str, ...], known: str
) -> None:
    """What a row has no reader for is refused for good, saying what it reads."""
    with pytest.raises(InvalidEvent) as refused:
        inputs.parse(document, inputs.load_readers(titles))

    assert (refused.value.status, refused.value.reason) == (422, "unsupported_schema")
    assert refused.value.detail == f"$schema has to be one of {known}"


@pytest.mark.parametrize("titles", [inputs.CHANGES, (PREDICTED,)], ids=["changes", "predictions"])
def test_load_readers_titles_are_those_of_their_schemas(titles: tuple[str, ...]) -> None:
    """Each reader checks against the schema that it is listed under."""
    readers = inputs.load_readers(titles)

    assert [(r.schema.title, int(r.schema.version)) for r in readers.values()] == list(readers)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(page_change(), None, id="page-change"),
        pytest.param(page_change(meta={"domain": "canary"}), "canary", id="canary"),
        pytest.param(
            page_change(meta={"domain": "canary", "stream": PRIVATE}), "canary", id="canary-first"
        ),
        pytest.param({"meta": {"domain": "canary"}}, "canary", id="canary-and-nothing-else"),
        pytest.param(
            {
                "$schema": 5,
                "meta": {"domain": "canary", "id": "a b", "stream": []},
                "page": [],
                "dt": "",
            },
            "canary",
            id="canary-all-else-broken",
        ),
        pytest.param(page_change(meta={"stream": PRIVATE}), "private_stream", id="private"),
        pytest.param({"meta": {"stream": PRIVATE}}, "private_stream", id="private-and-no-more"),
        pytest.param(
            {"$schema": "/mediawiki/page/change/9.0.0", "meta": {"stream": PRIVATE}},
            "private_stream",
            id="private-before-schema",
        ),
        pytest.param(page_change(meta={"domain": "Canary"}), None, id="not-upper-case"),
        pytest.param(page_change(meta={"domain": "canary.wikipedia.org"}), None, id="not-prefix"),
        pytest.param(page_change(meta={"domain": ["canary"]}), None, id="not-in-a-list"),
        pytest.param(page_change(page={"page_title": "canary"}), None, id="not-by-title"),
        pytest.param(page_change(meta={"stream": f"{PRIVATE}.x"}), None, id="not-stream-prefix"),
        pytest.param(prediction_classification(), None, id="prediction"),
        pytest.param(
            prediction_classification(meta={"domain": "canary"}), "canary", id="canary-prediction"
        ),
        pytest.param({"meta": []}, None, id="meta-is-an-array"),
        pytest.param({"meta": None}, None, id="meta-is-null"),
        pytest.param({}, None, id="empty-object"),
    ],
)
def test_unwanted_canary_and_private_before_all_else(
    document: dict[str, Any], expected: str | None
) -> None:
    """Canaries, then private wikis, are recognised in any document, however broken."""
    reason = inputs.unwanted(document)

    assert reason == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([], id="row13-array"),
        pytest.param([page_change()], id="row13-array-of-documents"),
        pytest.param("x", id="row13-string"),
        pytest.param(1, id="row13-number"),
        pytest.param(1.5, id="fraction"),
        pytest.param(True, id="boolean"),
        pytest.param(None, id="null"),
        pytest.param(b"{}", id="bytes"),
        pytest.param(NO_DATA, id="no-data"),
    ],
)
def test_unwanted_data_that_is_no_object_is_malformed(data: object) -> None:
    """Only one JSON object is a document: all else is 400, never a crash."""
    with pytest.raises(MalformedEvent) as refused:
        inputs.unwanted(data)

    assert (refused.value.status, refused.value.reason) == (400, "malformed_data")


def test_parse_invalid_document_names_the_member_not_its_value() -> None:
    """A document that its schema refuses is told where, without repeating what stands there."""
    document = page_change(page={"page_title": ["Zq7"]})

    with pytest.raises(InvalidEvent) as refused:
        inputs.parse(document, READERS)

    assert refused.value.reason == "invalid_document"
    assert refused.value.detail.startswith("/page/page_title")
    assert "Zq7" not in refused.value.detail
