"""From an event to a reply: what is asked, what comes of each answer, and what asks nobody."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sinks import decision, page_change
from sinks.answer import Answer
from sinks.cloudevent import NO_DATA, Event
from sinks.deadline import Deadline
from sinks.envelope import made_id
from sinks.errors import (
    BadAnswer,
    InvalidEvent,
    MalformedEvent,
    Rejected,
    SinkError,
    Unavailable,
    UnsupportedMediaType,
)
from sinks.http_client import HttpClient
from sinks.http_message import HttpRequest, HttpResponse
from sinks.model_row import ModelRow
from sinks.models import MODELS, ROWS
from sinks.predictor import Predictor
from sinks.schema import output_schema
from sinks.scoring import Scoring, score
from tests import factories
from tests.sixteen import NAMES

BASE = "https://schema.example.org/primary"
CREATED = datetime(2026, 9, 23, 10, 0, 0, tzinfo=UTC)  # the factories' documents
PRIVATE = "mediawiki.page_change.private.v1"
TAGS = "article-country-tags"
RISK = "revertrisk-language-agnostic"


@dataclass
class Upstream:
    """In place of the transport to predictors; answers one thing, keeps what it is asked.

    answer: JSON; None: whoever asks has made a mistake.
    """

    answer: Any = None
    status: int = 200
    asked: list[HttpRequest] = field(default_factory=list)

    def send(self, request: HttpRequest, deadline: Deadline, sends: None) -> HttpResponse:
        self.asked.append(request)
        assert self.answer is not None, "asked, though nobody is to be asked"
        return HttpResponse(self.status, {}, json.dumps(self.answer).encode())


def scoring(upstream: Upstream, max_event_age_seconds: float = 0, **over: Any) -> Scoring:
    """What the score sink of production scores with, but for the network."""
    deciding = decision.load("production", "production", BASE, max_event_age_seconds)
    made = Scoring(
        deciding=deciding,
        model_versions={"outlink-topic-model": "links_1"},
        young_revision_seconds=300,
        predictor=Predictor(
            HttpClient("predictor", upstream),  # type: ignore[arg-type]
            "http://predictors",
            "{isvc}.{namespace}.example.org",
        ),
    )
    return replace(made, **over)


def event(data: Any, **attributes: str) -> Event:
    known = {"id": "event-1", "source": "/mediawiki/enwiki", "type": factories.PAGE_CHANGE_TYPE}
    return Event({**known, **attributes}, data)


def scored(name: str, data: Any, upstream: Upstream, *, age: float = 0, **over: Any) -> Answer:
    """What comes of an event that is so many seconds old."""
    now = CREATED + timedelta(seconds=age)
    made = scoring(upstream, **over)
    return score(event(data), MODELS[name], made, Deadline.after(60), {}, now)


def failed(name: str, data: Any, upstream: Upstream, *, age: float = 0) -> SinkError:
    """The error that comes of an event."""
    with pytest.raises(SinkError) as error:
        scored(name, data, upstream, age=age)
    return error.value


def document_of(answer: Answer) -> Any:
    """The document that was replied."""
    assert (answer.outcome, answer.reason) == ("replied", None)
    assert answer.reply is not None
    return answer.reply.data


def refusal(text: str, status: int = 400, member: str = "detail") -> Upstream:
    """A predictor that refuses with this text."""
    return Upstream({member: text}, status)


# --- what is replied --------------------------------------------------------------------------

PAGE = {"page_id": 123, "page_title": "Example", "namespace_id": 0, "is_redirect": False}
REVISION = {"rev_id": 1300200300, "rev_dt": "2026-09-23T10:00:00Z"}
CLASSIFIED = {
    "$schema": "/mediawiki/page/prediction_classification_change/1.3.0",
    "dt": "2026-09-23T10:00:00Z",
    "changelog_kind": "update",
    "page_change_kind": "edit",
    "wiki_id": "enwiki",
    "page": PAGE,
    "revision": REVISION,
}
TAGGED = {
    "$schema": "/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0",
    "dt": "2026-09-23T10:00:00Z",
    "wiki_id": "enwiki",
    "page": {"page_id": 123, "page_title": "Example", "namespace_id": 0},
    "rev_based": True,
}
TONE_STREAM = "mediawiki.cirrussearch.page_weighted_tags_change.v1"
# Row -> answer of its predictor, stream, and the document but for `meta`.
REPLIES: Mapping[str, tuple[Any, str, dict[str, Any]]] = {
    "drafttopic": (
        factories.drafttopic_answer(),
        "mediawiki.revision_score_drafttopic",
        {
            "$schema": "/mediawiki/revision/score/3.0.0",
            "dt": "2026-09-23T10:00:00Z",
            "database": "enwiki",
            "page_id": 123,
            "page_title": "Example",
            "page_namespace": 0,
            "page_is_redirect": False,
            "rev_id": 1300200300,
            "rev_timestamp": "2026-09-23T10:00:00Z",
            "scores": factories.revision_score()["scores"],
        },
    ),
    "outlink-topic-model": (
        factories.outlink_answer(("Culture.Sports", 1.00001), ("STEM.STEM*", 0.5)),
        "mediawiki.page_outlink_topic_prediction_change.v1",
        {
            **CLASSIFIED,
            "predicted_classification": {
                "model_name": "outlink-topic-model",
                "model_version": "links_1",
                "predictions": ["Culture.Sports"],
                "probabilities": {"Culture.Sports": 1.00001, "STEM.STEM*": 0.5},
            },
        },
    ),
    "article-country": (
        factories.article_country_answer(("Mali", 1.0), ("Kenya", 0.25)),
        "mediawiki.article_country_prediction_change.v1",
        {
            **CLASSIFIED,
            "predicted_classification": {
                "model_name": "article-country",
                "model_version": "1",
                "predictions": ["Mali", "Kenya"],
                "probabilities": {"Mali": 1.0, "Kenya": 0.25},
            },
        },
    ),
    RISK: (
        factories.revertrisk_answer(RISK),
        "mediawiki.page_revert_risk_prediction_change.v1",
        {
            **CLASSIFIED,
            "predicted_classification": {
                "model_name": RISK,
                "model_version": "3",
                "predictions": ["false"],
                "probabilities": {"true": 0.25, "false": 0.75},
            },
        },
    ),
    "revise-tone-task-generator": (
        factories.revise_tone_answer(0.5, 0.75),
        TONE_STREAM,
        {
            **TAGGED,
            "weighted_tags": {"set": {"recommendation.tone": [{"tag": "exists", "score": 0.75}]}},
        },
    ),
}


@pytest.mark.parametrize("name", REPLIES)
def test_score_page_change_is_replied_as_the_rows_document(name: str) -> None:
    """One question to the predictor makes one event, whose document is complete and valid."""
    answer, stream, expected = REPLIES[name]
    upstream = Upstream(answer)
    output_type = MODELS[name].output_type

    seen = document_of(scored(name, factories.page_change(), upstream))

    made = made_id("/mediawiki/enwiki", "event-1", name, output_type)
    meta = {"stream": stream, "id": made, "domain": "en.wikipedia.org"}
    assert seen == {**expected, "meta": meta}
    assert len(upstream.asked) == 1
    title, _, version = seen["$schema"][1:].rpartition("/")
    output_schema(title, version).validate(seen)


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param(
            {},
            {
                "set": {
                    "classification.prediction.articlecountry": [
                        {"tag": "Kenya", "score": 0.75},
                        {"tag": "Mali", "score": 0.5},
                    ]
                }
            },
            id="countries",
        ),
        pytest.param(
            {"predictions": []},
            {"clear": ["classification.prediction.articlecountry"]},
            id="no-country",
        ),
    ],
)
def test_score_tags_row_makes_tags_without_asking_anybody(
    over: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What article-country predicted becomes tags, and no predictor is asked again."""
    upstream = Upstream()
    document = factories.prediction_classification(predicted_classification=over)

    seen = document_of(scored(TAGS, document, upstream))

    made = made_id("/mediawiki/enwiki", "event-1", TAGS, factories.TAGS_TYPE)
    meta = {"stream": TONE_STREAM, "id": made, "domain": "en.wikipedia.org"}
    assert seen == {**TAGGED, "weighted_tags": expected, "meta": meta}
    assert upstream.asked == []
    output_schema("mediawiki/cirrussearch/page_weighted_tags_change", "1.0.0").validate(seen)


def test_score_reply_of_article_country_is_what_the_tags_row_takes() -> None:
    """The two rows make a chain: the reply of one, sent on, is replied to by the other."""
    upstream = Upstream(factories.article_country_answer(("Mali", 1)))
    first = scored("article-country", factories.page_change(), upstream)
    assert first.reply is not None

    second = score(first.reply, MODELS[TAGS], scoring(Upstream()), Deadline.after(60), {}, CREATED)

    assert document_of(second)["weighted_tags"] == {
        "set": {"classification.prediction.articlecountry": [{"tag": "Mali", "score": 1}]}
    }
    assert second.reply is not None
    assert second.reply.get("causationid") == first.reply.id


def test_score_predictor_is_asked_by_name_host_and_request_id() -> None:
    """The request goes to the row's InferenceService, and carries the id of the edit's request."""
    upstream = Upstream(factories.outlink_answer())
    document = factories.page_change(meta={"request_id": "r-1"})

    scored("outlink-topic-model", document, upstream)

    (asked,) = upstream.asked
    assert asked.url == "http://predictors/v1/models/outlink-topic-model:predict"
    assert asked.headers["Host"] == "outlink-topic-model.articletopic-outlink.example.org"
    assert asked.headers["x-request-id"] == "r-1"
    assert asked.body == (
        b'{"page_id":123,"wiki_id":"enwiki","revision_id":1300200300,"threshold":0.0}'
    )


def test_score_redelivery_makes_the_same_reply_whatever_model_answers() -> None:
    """A repeated delivery is the same event, even if the model's version is another by now."""
    versions = ("3", "4")

    seen = [
        scored(
            RISK,
            factories.page_change(),
            Upstream(factories.revertrisk_answer(RISK, model_version=version)),
        )
        for version in versions
    ]

    documents = [document_of(answer) for answer in seen]
    assert documents[0]["meta"] == documents[1]["meta"]
    assert [
        document["predicted_classification"]["model_version"] for document in documents
    ] == list(versions)


def test_score_input_is_not_changed() -> None:
    """The data of an event stays as it came."""
    document = factories.page_change(
        revision={"is_editor_visible": False, "editor": {"user_text": "E"}}
    )
    before = copy.deepcopy(document)

    scored("article-country", document, Upstream(factories.article_country_answer()))

    assert document == before


@pytest.mark.parametrize(
    "name", ["drafttopic", "article-country", TAGS, "revise-tone-task-generator"]
)
def test_score_hidden_editor_and_comment_are_in_no_reply(name: str) -> None:
    """Who may not be seen is not published, in whatever kind of document."""
    secret = {"user_text": "Zq7", "groups": ["Zq7"]}
    hidden: dict[str, Any] = {
        "comment": "Zq7",
        "performer": secret,
        "revision": {
            "is_editor_visible": False,
            "is_comment_visible": False,
            "comment": "Zq7",
            "editor": secret,
        },
        "prior_state": {"revision": {"comment": "Zq7", "editor": secret}},
    }
    make = factories.prediction_classification if name == TAGS else factories.page_change
    answers = {
        "drafttopic": factories.drafttopic_answer(),
        "article-country": factories.article_country_answer(),
        "revise-tone-task-generator": factories.revise_tone_answer(),
    }

    seen = scored(name, make(**hidden), Upstream(answers.get(name)))

    assert seen.reply is not None
    assert "Zq7" not in json.dumps([seen.reply.data, dict(seen.reply.attributes)])


# --- versions of models -----------------------------------------------------------------------


def test_score_version_of_the_answer_wins_over_the_setting() -> None:
    """A setting tells the version only where the predictor does not."""
    upstream = Upstream(factories.revertrisk_answer(RISK))

    seen = document_of(
        scored(RISK, factories.page_change(), upstream, model_versions={RISK: "set"})
    )

    assert seen["predicted_classification"]["model_version"] == "3"


@pytest.mark.parametrize(
    ("name", "answer", "path"),
    [
        pytest.param(
            "drafttopic",
            factories.merged(
                factories.drafttopic_answer(),
                {"enwiki": {"models": {"drafttopic": {"version": ""}}}},
            ),
            ("scores", "drafttopic"),
            id="revscoring",
        ),
        pytest.param(
            RISK,
            factories.revertrisk_answer(RISK, model_version=""),
            ("predicted_classification",),
            id="revertrisk",
        ),
        pytest.param(
            "article-country",
            {**factories.article_country_answer(), "model_version": ""},
            ("predicted_classification",),
            id="article-country",
        ),
    ],
)
def test_score_empty_version_of_the_answer_is_a_version(
    name: str, answer: Any, path: tuple[str, ...]
) -> None:
    """An empty version is a text, as the schemas want one; it does not turn into null."""
    seen = document_of(scored(name, factories.page_change(), Upstream(answer)))

    for member in path:
        seen = seen[member]
    assert seen["model_version"] == ""


# --- who asks nobody --------------------------------------------------------------------------


def taken_by(name: str, **over: Any) -> dict[str, Any]:
    """A document that the row would take on enwiki, with members replaced."""
    make = factories.prediction_classification if name == TAGS else factories.page_change
    return make(**over)


BROKEN: dict[str, Any] = {"$schema": "/mediawiki/page/change/9.0.0", "page": None, "dt": "x"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("over", "reason"),
    [
        pytest.param({"meta": {"domain": "canary"}}, "canary", id="canary"),
        pytest.param({"meta": {"stream": PRIVATE}}, "private_stream", id="private"),
        pytest.param(
            {"meta": {"domain": "canary", "stream": PRIVATE}}, "canary", id="canary-before-private"
        ),
        pytest.param({**BROKEN, "meta": {"domain": "canary"}}, "canary", id="before-schema"),
        pytest.param(
            {**BROKEN, "meta": {"stream": PRIVATE}}, "private_stream", id="private-before-schema"
        ),
        pytest.param(
            {"wiki_id": "xxwiki", "page_change_kind": "delete", "meta": {"domain": "canary"}},
            "canary",
            id="before-what-the-row-wants",
        ),
    ],
)
def test_score_canary_or_private_is_ignored_before_all_else(
    row: ModelRow, over: dict[str, Any], reason: str
) -> None:
    """No row looks at a canary or at a private wiki, and no predictor hears of it."""
    document = taken_by(row.name, **over)

    seen = scored(row.name, document, Upstream())

    assert (seen.outcome, seen.reason, seen.reply) == ("ignored", reason, None)
    assert seen.stream == document["meta"].get("stream")


def test_score_schema_is_judged_before_what_the_row_wants() -> None:
    """A document that cannot be read is refused, though the row would not have wanted it."""
    document = factories.page_change(
        **{"$schema": "/mediawiki/page/change/2.0.0"}, page_change_kind="delete", wiki_id="xxwiki"
    )

    error = failed("outlink-topic-model", document, Upstream())

    assert (type(error), error.reason) == (InvalidEvent, "unsupported_schema")


@pytest.mark.parametrize(
    ("name", "over", "reason"),
    [
        pytest.param(TAGS, {"model_name": "outlink-topic-model"}, "model_name", id="other-model"),
        pytest.param(TAGS, {"page_change_kind": "delete"}, "page_change_kind", id="kind"),
        pytest.param(TAGS, {"wiki_id": "wikidatawiki"}, "wiki_not_supported", id="wiki"),
        pytest.param(RISK, {"wiki_id": "roa_rupwiki"}, "predictor_cannot", id="unable"),
        pytest.param("damaging", {"wiki_id": "xxwiki"}, "wiki_not_deployed", id="deployed"),
        pytest.param(
            "drafttopic", {"revision": {"is_content_visible": False}}, "hidden_content", id="hidden"
        ),
        pytest.param(RISK, {"page": {"namespace_id": 1}}, "namespace", id="namespace"),
        pytest.param(RISK, {"page": {"is_redirect": True}}, "redirect", id="redirect"),
    ],
)
def test_score_unwanted_change_is_ignored_and_asks_nobody(
    name: str, over: dict[str, Any], reason: str
) -> None:
    """What the row does not want costs no predictor anything."""
    if "model_name" in over:
        over = {"predicted_classification": over}

    seen = scored(name, taken_by(name, **over), Upstream())

    assert seen == Answer("ignored", reason)  # type: ignore[arg-type]


def test_score_old_event_is_ignored_and_asks_nobody() -> None:
    """What is older than the limit is not scored any more."""
    seen = scored(RISK, factories.page_change(), Upstream(), age=61, max_event_age_seconds=60)

    assert seen == Answer("ignored", "too_old")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        pytest.param(TAGS, factories.page_change(), id="page-change-to-tags"),
        pytest.param(TAGS, factories.revision_create(), id="revision-create-to-tags"),
        pytest.param(TAGS, factories.weighted_tags(), id="its-own-output-to-tags"),
        pytest.param(
            "drafttopic", factories.prediction_classification(), id="prediction-to-drafttopic"
        ),
        pytest.param("drafttopic", factories.revision_score(), id="its-own-output-to-drafttopic"),
        pytest.param(
            "article-country", factories.prediction_classification(), id="own-output-to-country"
        ),
        pytest.param(
            "outlink-topic-model", factories.revision_create(), id="revision-create-to-outlink"
        ),
        pytest.param("revise-tone-task-generator", factories.revision_create(), id="to-tone"),
    ],
)
def test_score_document_that_the_row_does_not_read_is_unsupported_schema(
    name: str, document: dict[str, Any]
) -> None:
    """A Trigger that sends a row what it does not read is told so for good."""
    error = failed(name, document, Upstream())

    assert (type(error), error.status, error.reason) == (InvalidEvent, 422, "unsupported_schema")


@pytest.mark.parametrize(
    ("name", "over", "reason", "place"),
    [
        pytest.param(
            "outlink-topic-model",
            {"changelog_kind": None},
            "invalid_document",
            "/changelog_kind",
            id="changelog-kind",
        ),
        pytest.param(
            RISK,
            {"page_change_kind": "move", "created_redirect_page": {"page_id": 5}},
            "invalid_document",
            "/created_redirect_page/page_title",
            id="redirect-title",
        ),
        pytest.param(
            "article-country",
            {"revision": {"editor": {"registration_dt": "x"}}},
            "invalid_time",
            "/revision/editor/registration_dt",
            id="time-of-the-editor",
        ),
        pytest.param(
            "drafttopic", {"page": {"page_id": 0}}, "invalid_event", "page_id", id="page-0"
        ),
    ],
)
def test_score_change_that_cannot_be_published_asks_nobody(
    name: str, over: dict[str, Any], reason: str, place: str
) -> None:
    """Whether a document can be made is known before a predictor works in vain."""
    error = failed(name, factories.page_change(**over), Upstream())

    assert (type(error), error.status, error.reason) == (InvalidEvent, 422, reason)
    assert error.detail.startswith(place)


@pytest.mark.parametrize(
    ("predicted", "place"),
    [
        pytest.param({"predictions": [""]}, "predictions", id="label-empty"),
        pytest.param({"predictions": ["Chad"]}, "predictions", id="probability-absent"),
        pytest.param({"probabilities": {"Mali": 1.00001}}, "predictions", id="over-one"),
        pytest.param({"model_version": None}, "/predicted_classification/model_version", id="cut"),
    ],
)
def test_score_prediction_that_cannot_be_tags_is_invalid_document(
    predicted: dict[str, Any], place: str
) -> None:
    """Whoever has published it, a prediction that makes no valid tags is refused for good."""
    document = factories.prediction_classification(predicted_classification=predicted)

    error = failed(TAGS, document, Upstream())

    assert (type(error), error.reason) == (InvalidEvent, "invalid_document")
    assert error.detail.startswith(place)


def test_score_row_without_question_that_reads_changes_is_a_bug() -> None:
    """A row that asks nobody and is fed with changes is a mistake of ours: LookupError, no 4xx."""
    country = MODELS["article-country"]
    mistaken = replace(country, question=None)

    with pytest.raises(LookupError):
        score(
            event(factories.page_change()),
            mistaken,
            scoring(Upstream()),
            Deadline.after(60),
            {},
            CREATED,
        )


@pytest.mark.parametrize(
    ("data", "error", "status"),
    [
        pytest.param(b"{}", UnsupportedMediaType, 415, id="bytes"),
        pytest.param([], MalformedEvent, 400, id="array"),
        pytest.param(None, MalformedEvent, 400, id="null"),
        pytest.param(NO_DATA, MalformedEvent, 400, id="no-data"),
    ],
)
@pytest.mark.parametrize("name", ["drafttopic", "outlink-topic-model", TAGS])
def test_score_data_that_is_no_document_is_refused(
    name: str, data: Any, error: type[SinkError], status: int
) -> None:
    """Only a JSON object is a document, for every row."""
    seen = failed(name, data, Upstream())

    assert (type(seen), seen.status) == (error, status)


# --- what comes of a refusal ------------------------------------------------------------------

NO_SUCH = "MediaWiki API error 'nosuchrevid': There is no revision with ID 1300200300."
NO_INFO = "The MW API does not have any info related to the rev-id 1300200300"


@pytest.mark.parametrize(
    ("name", "upstream"),
    [
        pytest.param("outlink-topic-model", refusal(NO_SUCH), id="outlink-nosuchrevid"),
        pytest.param(
            "outlink-topic-model", refusal("MediaWiki API error 'missingtitle'"), id="missingtitle"
        ),
        pytest.param("drafttopic", refusal(NO_INFO, member="error"), id="drafttopic"),
    ],
)
@pytest.mark.parametrize(
    ("age", "status", "reason"),
    [
        pytest.param(0, 503, "revision_not_yet_known", id="new"),
        pytest.param(299.999, 503, "revision_not_yet_known", id="young"),
        pytest.param(-60, 503, "revision_not_yet_known", id="from-the-future"),
        pytest.param(300, 422, "unscorable_revision", id="exactly-the-limit"),
        pytest.param(86400, 422, "unscorable_revision", id="old"),
    ],
)
def test_score_revision_that_is_not_known_is_deferred_while_young(
    name: str, upstream: Upstream, age: float, status: int, reason: str
) -> None:
    """A replica may lag behind a new revision; later, what it does not know is gone."""
    error = failed(name, factories.page_change(), upstream, age=age)

    assert (error.status, error.reason, error.stage) == (status, reason, "predictor")
    assert isinstance(error, Rejected if status == 422 else Unavailable)
    assert "1300200300" in error.upstream_text or "missingtitle" in error.upstream_text
    assert "1300200300" not in error.detail


@pytest.mark.parametrize(
    ("name", "upstream"),
    [
        pytest.param(
            "outlink-topic-model",
            refusal("MediaWiki API error 'permissiondenied': no"),
            id="outlink-hidden",
        ),
        pytest.param(
            "outlink-topic-model",
            refusal("MediaWiki API error 'invalidtitle': no"),
            id="outlink-title",
        ),
        pytest.param("outlink-topic-model", refusal(NO_INFO), id="words-of-another-family"),
        pytest.param("drafttopic", refusal(NO_SUCH), id="words-of-yet-another"),
        pytest.param(
            RISK,
            refusal("Could not make prediction. Reason: ['parent_revision_missing']", 422),
            id="revertrisk-422",
        ),
        pytest.param(RISK, refusal(NO_SUCH, 422), id="revertrisk-whatever-it-says"),
        pytest.param(RISK, refusal("lang 'xx' does not exist"), id="revertrisk-400"),
        pytest.param("article-country", refusal("x", member="error"), id="article-country-400"),
        pytest.param(
            "revise-tone-task-generator", refusal("Unsupported lang."), id="revise-tone-400"
        ),
    ],
)
def test_score_other_refusal_is_final_even_when_young(name: str, upstream: Upstream) -> None:
    """What no waiting can mend is rejected at once."""
    error = failed(name, factories.page_change(), upstream)

    assert (type(error), error.status, error.reason) == (Rejected, 422, "unscorable_revision")


@pytest.mark.parametrize("name", [*REPLIES, "revertrisk-wikidata"])
@pytest.mark.parametrize("status", [500, 502, 503, 429, 404])
def test_score_predictor_that_fails_is_deferred(name: str, status: int) -> None:
    """Whatever a predictor fails with, for every family, the event is repeated."""
    wiki = {"wiki_id": "wikidatawiki"} if name == "revertrisk-wikidata" else {}

    error = failed(name, factories.page_change(**wiki), refusal("x", status))

    assert (type(error), error.status) == (Unavailable, 503)


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("answer", [{}, {"error": "x"}, {"predictions": 1}, []], ids=json.dumps)
def test_score_answer_of_another_shape_is_a_bad_answer(name: str, answer: Any) -> None:
    """A 200 that is no prediction of this family is deferred, never published."""
    error = failed(name, factories.page_change(), Upstream(answer))

    assert (type(error), error.status, error.reason) == (BadAnswer, 502, "upstream_bad_answer")
    assert error.stage == "predictor"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("drafttopic", factories.drafttopic_answer(rev_id=1300200301)),
        ("drafttopic", factories.drafttopic_answer(wiki="frwiki")),
        (RISK, factories.revertrisk_answer(RISK, revision_id=1300200301)),
        (RISK, factories.revertrisk_answer("revertrisk-multilingual")),
        ("revise-tone-task-generator", factories.revise_tone_answer(0.5, revision_id=1300200301)),
        ("article-country", {**factories.article_country_answer(), "model_name": RISK}),
    ],
    ids=["revision", "wiki", "risk-revision", "risk-model", "tone-revision", "country-model"],
)
def test_score_answer_about_something_else_is_a_bad_answer(name: str, answer: Any) -> None:
    """A score of another revision, wiki or model is never published under this one."""
    error = failed(name, factories.page_change(), Upstream(answer))

    assert (type(error), error.reason) == (BadAnswer, "upstream_bad_answer")


def test_scoring_readers_are_of_what_each_row_reads() -> None:
    """Only the row that feeds on predictions can read one."""
    readers = decision.load("production", "production", BASE, 0).readers
    title = "mediawiki/page/prediction_classification_change"

    assert [name for name in NAMES if (title, 1) in readers[name]] == [TAGS]
    assert [name for name in NAMES if (page_change.TITLE, 1) not in readers[name]] == [TAGS]
