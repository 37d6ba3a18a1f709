"""Reading page changes and revision creations: what is kept, what is left out, what is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from sinks import inputs
from sinks.errors import InvalidEvent
from sinks.page_change import Page, PageChange, Performer, Revision
from sinks.schema import InvalidDocument, output_schema
from tests.factories import DATA, page_change, revision_create, revision_score

READERS = inputs.load_readers()
SAMPLES = sorted((DATA / "events").glob("*.json"))
KINDS = ("create", "edit", "move", "delete", "undelete", "visibility_change")
DT = "2026-09-23T10:00:00Z"


def parse(document: dict[str, Any]) -> PageChange:
    """The values of a document, read as it would come over the wire."""
    return inputs.parse(json.loads(json.dumps(document)), READERS)


def refused(document: dict[str, Any]) -> InvalidEvent:
    """The error that a document is refused with."""
    with pytest.raises(InvalidEvent) as error:
        parse(document)
    return error.value


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_parse_sample_event_is_read(path: Path) -> None:
    """Every sample is read, and its values are those of the document."""
    document = json.loads(path.read_bytes())

    change = inputs.parse(document, READERS)

    assert change.schema == document["$schema"]
    assert change.wiki_id == document.get("wiki_id", document.get("database"))
    assert change.page_change_kind == document.get("page_change_kind")
    assert change.meta.id == document["meta"]["id"]
    assert (change.performer is None) == ("performer" not in document)
    assert change.page.page_title == document.get("page", document)["page_title"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_unwanted_sample_event_only_canary_is_ignored(path: Path) -> None:
    """Of the samples only the canary is nobody's business."""
    document = json.loads(path.read_bytes())

    reason = inputs.unwanted(document)

    assert reason == ("canary" if path.stem == "page_change_canary" else None)


def test_samples_hold_every_kind() -> None:
    """There is a sample of each kind of change, and of both major versions of the older input."""
    documents = [json.loads(path.read_bytes()) for path in SAMPLES]

    kinds = {document.get("page_change_kind") for document in documents}
    schemas = {inputs.schema_of(document) for document in documents}

    assert kinds == {*KINDS, None}
    assert schemas == set(READERS)


@pytest.mark.parametrize("kind", [*KINDS, "merge", "caf\u00e9 \n", ""])
def test_parse_page_change_kind_any_text_is_kept(kind: str) -> None:
    """A kind is kept as it is: a newer one is for the rows to decide on."""
    change = parse(page_change(page_change_kind=kind))

    assert change.page_change_kind == kind


FULL_PERFORMER = {
    "user_text": "E",
    "user_id": 7,
    "groups": ["*", "bot"],
    "is_bot": True,
    "edit_count": 3,
    "registration_dt": "2020-01-01T02:00:00+02:00",
    "user_central_id": 8,
    "is_temp": False,
}


def test_parse_page_change_with_everything_keeps_all_read_members() -> None:
    """All members that we read arrive, times in UTC."""
    document = page_change(
        dt="2026-09-23t12:00:00.123456789+02:00",
        page={"namespace_id": -1, "is_redirect": True},
        revision={
            "rev_parent_id": 5,
            "is_content_visible": False,
            "is_editor_visible": True,
            "is_comment_visible": False,
        },
        performer=FULL_PERFORMER,
        meta={"request_id": "r-1", "uri": "https://en.wikipedia.org/wiki/Example"},
    )

    change = parse(document)

    assert change.dt == "2026-09-23T10:00:00.123456789Z"
    assert change.page == Page(123, "Example", -1, True)
    assert change.revision == Revision(
        1300200300, DT, 5, is_content_visible=False, is_editor_visible=True
    )
    assert change.performer == Performer("E", 7, ("*", "bot"), True, 3, "2020-01-01T00:00:00Z")
    assert change.meta.request_id == "r-1"
    assert change.meta.uri == "https://en.wikipedia.org/wiki/Example"


def test_parse_page_change_with_required_only_has_none_elsewhere() -> None:
    """What is optional and absent is None, never a default."""
    document = page_change(
        meta={"id": None, "domain": None},
        page={"namespace_id": None, "is_redirect": None},
        changelog_kind=None,
    )

    change = parse(document)

    assert (change.meta.id, change.meta.domain, change.meta.request_id) == (None, None, None)
    assert change.meta.uri is None
    assert change.page == Page(123, "Example", None, None)
    assert change.revision == Revision(1300200300, DT, None, None, None)
    assert change.performer is None


@pytest.mark.parametrize("visible", [True, False, None], ids=["visible", "hidden", "not-known"])
@pytest.mark.parametrize("name", ["is_content_visible", "is_editor_visible"])
def test_parse_visibility_flag_is_kept(name: str, visible: bool | None) -> None:
    """What is hidden, what is not, and what is not known are three different things."""
    other = {"is_content_visible", "is_editor_visible"} - {name}

    revision = parse(page_change(revision={name: visible})).revision

    assert getattr(revision, name) is visible
    assert [getattr(revision, flag) for flag in other] == [None]


@pytest.mark.parametrize("name", ["is_content_visible", "is_editor_visible", "is_comment_visible"])
@pytest.mark.parametrize("value", ["false", 0, None, {}], ids=repr)
def test_parse_visibility_flag_of_another_type_is_invalid_document(name: str, value: Any) -> None:
    """A flag that cannot be read might hide something, so it is not passed over."""
    document = page_change()
    document["revision"][name] = value

    error = refused(document)

    assert error.reason == "invalid_document"
    assert error.detail.startswith(f"/revision/{name}")


@pytest.mark.parametrize("document", [page_change(newer={"a": 1}), revision_create(newer=1)])
def test_parse_document_itself_goes_along_unchanged(document: dict[str, Any]) -> None:
    """The document is there for who copies more of it; nobody has predicted anything on it yet."""
    before = json.dumps(document)

    change = inputs.parse(document, READERS)

    assert change.document is document
    assert json.dumps(document) == before
    assert change.prediction is None


def test_parse_empty_performer_has_no_members() -> None:
    """A performer of whom nothing is known is not the same as no performer."""
    change = parse(page_change(performer={}))

    assert change.performer == Performer(None, None, None, None, None, None)


def test_parse_rev_parent_id_zero_is_not_absent() -> None:
    """A parent of 0 says that the page was created; an absent one that it is not known."""
    change = parse(page_change(revision={"rev_parent_id": 0}))

    assert change.revision.rev_parent_id == 0


def test_parse_revision_create_reads_its_own_member_names() -> None:
    """The older input has other names, no kind and no visibility."""
    performer = {f"user_{name}": value for name, value in FULL_PERFORMER.items()}
    document = revision_create(
        dt="2026-09-23T11:11:11Z",
        rev_parent_id=9,
        performer={**performer, "user_text": "E", "user_id": -1},
    )

    change = parse(document)

    assert change.dt == DT
    assert change.page_change_kind is None
    assert change.page == Page(123, "Example", 0, False)
    assert change.revision == Revision(1300200300, DT, 9, None, None)
    assert change.performer == Performer("E", -1, ("*", "bot"), True, 3, "2020-01-01T00:00:00Z")


def test_parse_revision_create_v1_without_dt_takes_rev_timestamp() -> None:
    """Version 1 has no `dt`, so the time is that of the revision."""
    document = revision_create(**{"$schema": "/mediawiki/revision/create/1.1.0"}, dt=None)

    change = parse(document)

    assert (change.dt, change.revision.rev_dt) == (DT, DT)


@pytest.mark.parametrize("wiki", ["enwiki", "be_x_oldwiki", "test2wiki", "a", "e" * 64])
def test_parse_wiki_id_database_name_is_kept(wiki: str) -> None:
    """A database name of up to 64 characters is kept."""
    changes = [parse(page_change(wiki_id=wiki)), parse(revision_create(database=wiki))]

    assert [change.wiki_id for change in changes] == [wiki, wiki]


@pytest.mark.parametrize(
    "wiki",
    [
        pytest.param("Enwiki", id="upper-case"),
        pytest.param("1wiki", id="digit-first"),
        pytest.param("_wiki", id="underscore-first"),
        pytest.param("en wiki", id="space"),
        pytest.param("enwiki\n", id="trailing-newline"),
        pytest.param("\nenwiki", id="leading-newline"),
        pytest.param("enwiki\x00", id="nul"),
        pytest.param("../enwiki", id="parent-directory"),
        pytest.param("en/../wiki", id="parent-inside"),
        pytest.param("en/wiki", id="slash"),
        pytest.param("en\\wiki", id="backslash"),
        pytest.param("en@wiki", id="at-sign"),
        pytest.param("en%2fwiki", id="percent"),
        pytest.param("en.wiki", id="dot"),
        pytest.param("en-wiki", id="dash"),
        pytest.param("en:8080", id="port"),
        pytest.param("en?x", id="query"),
        pytest.param("en#x", id="fragment"),
        pytest.param("{isvc}", id="placeholder"),
        pytest.param("en\u0661wiki", id="arabic-digit"),
        pytest.param("en\uff11wiki", id="full-width-digit"),
        pytest.param("\u00e9nwiki", id="accent"),
        pytest.param("en\u0131wiki", id="dotless-i"),
        pytest.param("\u212anwiki", id="kelvin-sign"),
        pytest.param("e" * 65, id="too-long"),
        pytest.param("e" * 10_000, id="ten-kilobytes"),
    ],
)
def test_parse_wiki_id_no_database_name_is_invalid_event(wiki: str) -> None:
    """A wiki becomes part of host names and paths, so nothing else than a database name passes."""
    errors = [refused(page_change(wiki_id=wiki)), refused(revision_create(database=wiki))]

    assert [(error.status, error.reason) for error in errors] == [(422, "invalid_event")] * 2
    assert [error.detail.split()[0] for error in errors] == ["/wiki_id", "/database"]
    assert not any(wiki in error.detail for error in errors)


UNSAFE_IDS = [
    pytest.param("", id="empty"),
    pytest.param("a b", id="space"),
    pytest.param("a\n", id="trailing-newline"),
    pytest.param("a\r\nx: y", id="header-injection"),
    pytest.param('a"b', id="quote"),
    pytest.param("a%0Ab", id="percent"),
    pytest.param("\u0661", id="unicode-digit"),
    pytest.param("caf\u00e9", id="accent"),
    pytest.param("a\x7f", id="delete"),
    pytest.param("i" * 129, id="too-long"),
    pytest.param("i" * 10_000, id="ten-kilobytes"),
]


@pytest.mark.parametrize("name", ["id", "stream"])
@pytest.mark.parametrize("value", UNSAFE_IDS)
@pytest.mark.parametrize("make", [page_change, revision_create])
def test_parse_meta_unsafe_id_or_stream_is_refused(make: Any, value: str, name: str) -> None:
    """An id or a stream that cannot stand in a header is refused, its value not repeated."""
    error = refused(make(meta={name: value}))

    assert (error.status, error.reason) in ((422, "invalid_id"), (422, "invalid_document"))
    assert error.detail.startswith(f"/meta/{name}")
    assert not value or value not in error.detail


@pytest.mark.parametrize("value", ["a", "../x", "a@b/c:d", "~`\\'<>", "i" * 128])
def test_parse_meta_safe_id_and_stream_are_kept(value: str) -> None:
    """Printable ASCII without space, quote and percent is kept as it is."""
    change = parse(page_change(meta={"id": value, "stream": value}))

    assert (change.meta.id, change.meta.stream) == (value, value)


@pytest.mark.parametrize("value", UNSAFE_IDS)
def test_parse_meta_unsafe_request_id_is_left_out(value: str) -> None:
    """A request id is a courtesy: an unsafe one is left out, the event is not refused."""
    change = parse(page_change(meta={"request_id": value}))

    assert change.meta.request_id is None


@pytest.mark.parametrize(
    "uri",
    [
        "https://en.wikipedia.org/wiki/Caf%C3%A9",
        "https://en.wikipedia.org:443/w/index.php?title=A&oldid=1#top",
        "//en.wikipedia.org/wiki/A:B",
        "/wiki/A",
        "wiki/A:B",
        "?title=A",
        "#top",
        "../A",
        "urn:uuid:b0a9f5b2-6a1f-4b43-9a63-1f0b3b3c7d11",
        "https://user@host/%25",
        "/" + "a" * 8191,
    ],
    ids=lambda uri: uri[:30],
)
def test_parse_meta_uri_reference_is_kept(uri: str) -> None:
    """A URI reference of at most 8192 characters is kept as it is."""
    change = parse(page_change(meta={"uri": uri}))

    assert change.meta.uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("", id="empty"),
        pytest.param("https://en.wikipedia.org/wiki/Caf\u00e9", id="non-ascii"),
        pytest.param("https://en.wikipedia.org/wiki/\u0661", id="unicode-digit"),
        pytest.param("https://en.wikipedia.org/a b", id="space"),
        pytest.param("https://en.wikipedia.org/a\n", id="trailing-newline"),
        pytest.param("/wiki/A%", id="lone-percent"),
        pytest.param("/wiki/A%zz", id="percent-without-hexadecimal"),
        pytest.param("/wiki/A%4", id="one-digit"),
        pytest.param("/wiki/A#b#c", id="two-fragments"),
        pytest.param("/wiki/A[b]", id="brackets"),
        pytest.param('/wiki/"A"', id="quotes"),
        pytest.param("/wiki/<A>", id="angle-brackets"),
        pytest.param("/wiki/A|B", id="pipe"),
        pytest.param("/wiki\\A", id="backslash"),
        pytest.param("1a:b", id="colon-in-first-segment"),
        pytest.param(":b", id="no-scheme"),
        pytest.param("https://host:port/", id="port-that-is-no-number"),
        pytest.param("//a:b:1/", id="two-colons-in-host"),
        pytest.param("https://a@b@c/", id="two-at-signs"),
        pytest.param("/" + "a" * 8192, id="too-long"),
        pytest.param("%41" * 10_000, id="thirty-kilobytes"),
    ],
)
def test_parse_meta_uri_that_is_none_is_left_out(uri: str) -> None:
    """What is no URI reference is left out: it would make the output invalid."""
    change = parse(page_change(meta={"uri": uri}))

    assert change.meta.uri is None


def test_parse_meta_random_uri_kept_is_valid_in_output() -> None:
    """Whatever `uri` is kept, the schema of the output accepts; a score is never lost for it."""
    chance = random.Random(3986)  # noqa: S311
    schema = output_schema("mediawiki/revision/score", "3.0.0")
    starts = ("", "", "//", "http://", "http://a", "/", "a:", "http://a/")
    uris = [
        chance.choice(starts)
        + "".join(chance.choices("aA0:/?#@!$&'()*+,;=-._~% ", k=chance.randint(1, 9)))
        for _ in range(3000)
    ]

    kept = [uri for uri in uris if parse(page_change(meta={"uri": uri})).meta.uri is not None]
    refused_later = []
    for uri in kept:
        try:
            schema.validate(revision_score(meta={"uri": uri}))
        except InvalidDocument:
            refused_later.append(uri)

    assert len(kept) > 300
    assert sorted(refused_later)[:10] == []


@pytest.mark.parametrize(
    "domain",
    [
        "en.wikipedia.org",
        "EN.Wikipedia.Org",
        "../x",
        "a@b",
        "a%20b",
        "caf\u00e9",
        "d\n",
        "d" * 10_000,
    ],
    ids=lambda domain: repr(domain[:20]),
)
def test_parse_meta_domain_any_text_is_kept(domain: str) -> None:
    """The domain is only copied from data to data, where any text may stand."""
    change = parse(page_change(meta={"domain": domain}))

    assert change.meta.domain == domain


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            page_change(
                page={"page_id": 1.0, "namespace_id": -2.0},
                revision={"rev_id": 2.0, "rev_parent_id": 0.0},
                performer={"user_id": 3.0, "edit_count": 4.0},
            ),
            id="page-change",
        ),
        pytest.param(
            revision_create(
                page_id=1.0,
                page_namespace=-2.0,
                rev_id=2.0,
                rev_parent_id=0.0,
                performer={"user_id": 3.0, "user_edit_count": 4.0},
            ),
            id="revision-create",
        ),
    ],
)
def test_parse_whole_floats_become_integers(document: dict[str, Any]) -> None:
    """JSON Schema takes 1.0 for an integer; what we write says 1."""
    change = parse(document)
    performer = change.performer or Performer(None, None, None, None, None, None)

    numbers = [
        change.page.page_id,
        change.page.namespace_id,
        change.revision.rev_id,
        change.revision.rev_parent_id,
        performer.user_id,
        performer.edit_count,
    ]

    assert json.dumps(numbers) == "[1, -2, 2, 0, 3, 4]"


@pytest.mark.parametrize("number", [1.5, "1", True, None, [], 2**53, -1, 1e300])
def test_parse_page_id_other_value_is_invalid_document(number: object) -> None:
    """A page id is a whole number from 0 to 2^53-1, and nothing else is read as one."""
    document = page_change()
    document["page"]["page_id"] = number

    error = refused(document)

    assert (error.status, error.reason) == (422, "invalid_document")
    assert error.detail.startswith("/page/page_id")


def test_parse_largest_integers_stay_exact() -> None:
    """Integers up to 2^53-1 pass unchanged."""
    largest = 2**53 - 1

    change = parse(page_change(page={"page_id": largest}, revision={"rev_id": largest}))

    assert (change.page.page_id, change.revision.rev_id) == (largest, largest)


TIMES = {
    "/dt": lambda time: page_change(dt=time),
    "/revision/rev_dt": lambda time: page_change(revision={"rev_dt": time}),
    "/performer/registration_dt": lambda time: page_change(performer={"registration_dt": time}),
    "/rev_timestamp": lambda time: revision_create(rev_timestamp=time),
    "/performer/user_registration_dt": lambda time: revision_create(
        performer={"user_registration_dt": time}
    ),
}


@pytest.mark.parametrize("pointer", TIMES)
@pytest.mark.parametrize(
    "time",
    [
        pytest.param("0001-01-01T00:00:00+01:00", id="before-year-1"),
        pytest.param("9999-12-31T23:59:59-01:00", id="after-year-9999"),
        pytest.param("0000-01-01T00:00:00Z", id="year-0"),
        pytest.param("2031-13-01T00:00:00Z", id="month-13"),
        pytest.param("2031-02-30T00:00:00Z", id="day-30-of-february"),
        pytest.param("2031-01-01T00:00:00", id="no-zone"),
        pytest.param("2031-01-01", id="day-only"),
        pytest.param("2031-01-01T00:00:00Z\n", id="trailing-newline"),
        pytest.param("\u0662\u0660\u0663\u0661-01-01T00:00:00Z", id="unicode-digits"),
        pytest.param("2031-01-01T00:00:00." + "1" * 10_000 + "Z", id="ten-kilobytes"),
        pytest.param("", id="empty"),
    ],
)
def test_parse_time_that_cannot_be_converted_is_refused(pointer: str, time: str) -> None:
    """A time that cannot be written in UTC is refused for good, naming where it stands."""
    error = refused(TIMES[pointer](time))

    assert error.status == 422
    assert error.reason in ("invalid_time", "invalid_document")
    assert error.detail.startswith(pointer)
    assert not time or time not in error.detail


@pytest.mark.parametrize("pointer", TIMES)
def test_parse_time_as_rfc3339_allows_is_read(pointer: str) -> None:
    """Lower case, offsets and nine digits are read at every place where a time can stand."""
    document = TIMES[pointer]("2026-09-23t12:00:00.123456789+02:00")

    change = parse(document)

    written = "2026-09-23T10:00:00.123456789Z"
    registered = change.performer.registration_dt if change.performer else None
    assert written in (change.dt, change.revision.rev_dt, registered)


@pytest.mark.parametrize("name", ["page", "revision", "performer", "meta"])
@pytest.mark.parametrize("value", [None, [], "x", 1], ids=["null", "array", "string", "number"])
def test_parse_part_that_is_no_object_is_invalid_document(name: str, value: object) -> None:
    """A part that is not an object is refused with its place, not a crash."""
    document = {**page_change(), name: value}

    error = refused(document)

    assert (error.status, error.reason) == (422, "invalid_document")
    assert error.detail.startswith(f"/{name}")


@pytest.mark.parametrize("name", ["meta", "dt", "wiki_id", "page_change_kind", "page", "revision"])
def test_parse_required_member_absent_is_invalid_document(name: str) -> None:
    """Each member that every event needs is missed by name."""
    error = refused(page_change(**{name: None}))

    assert (error.status, error.reason) == (422, "invalid_document")
    assert error.detail.startswith(f"/{name}")


def test_parse_unknown_members_everywhere_are_ignored() -> None:
    """Producers are minor versions ahead, so what we do not know is no error."""
    document = page_change(
        newer=[{}],
        meta={"topic": "t", "offset": 1},
        page={"wikibase_item_id": "Q1"},
        revision={"revert": {"a": 1}, "content_slots": {}},
        performer={"first_edit_dt": 5},
    )

    change = parse(document)

    assert change.page == Page(123, "Example", 0, False)
