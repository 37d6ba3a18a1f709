"""Every change that the schemas allow: each row ignores it, rejects it with a reason, or makes a
document that its output schema accepts. Never a 5xx, and twice the same for the same.

The changes are generated. Each goes to each row through `scoring.score`, and some through the whole
app, which has to answer what was decided. The sample predictors answer what they are asked.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from random import Random
from typing import Any, get_args
from urllib.parse import urlsplit

import jsonschema_rs
import orjson
import pytest
from fastapi import HTTPException
from kserve.errors import InvalidInput, ModelNotReady

from sinks import cloudevent, decision, deployed, log, score_sink, weighted_tags, wikis
from sinks.answer import Answer
from sinks.cloudevent import Event, Mode
from sinks.deadline import Deadline
from sinks.errors import SinkError, error_document
from sinks.http_client import HttpClient
from sinks.http_message import HttpRequest, HttpResponse
from sinks.inputs import PRIVATE_STREAM
from sinks.local.samples import FAMILIES
from sinks.model_row import ModelRow
from sinks.models import MODELS, ROWS
from sinks.page_change import TITLE as PAGE_CHANGE
from sinks.predictor import Predictor
from sinks.reasons import Reason
from sinks.revision_create import TITLE as REVISION_CREATE
from sinks.schema import output_schema
from sinks.score_settings import ScoreSettings
from sinks.scoring import Scoring, score
from tests.factories import DATA, PAGE_CHANGE_TYPE
from tests.generated import ABSENT, Choose, Make, documents, often, second_judge, smallest
from tests.processes import ROOT
from tests.upstream import Received, Upstream, answer

# Which documents: the same seed makes the same again.
SEED = int(os.environ.get("SINKS_GENERATED_SEED", "0"))
SCHEMAS = {
    path.relative_to(DATA / "schemas").with_suffix("").as_posix(): orjson.loads(path.read_bytes())
    for title in (PAGE_CHANGE, REVISION_CREATE)
    for path in sorted((DATA / "schemas" / title).glob("*.json"))
}
CHANGES = [name for name in SCHEMAS if name.startswith(PAGE_CHANGE)]
CREATIONS = [name for name in SCHEMAS if name.startswith(REVISION_CREATE)]
NEWEST = f"{PAGE_CHANGE}/newer"
NOW = datetime(2026, 9, 23, 10, 5, tzinfo=UTC)
FIFTEEN_YEARS = 15 * 365 * 86400.0
MODES: tuple[Mode, ...] = ("binary", "structured")
TAGS = MODELS["article-country-tags"]
SCRATCH = ROOT / ".cache" / "generated"

# What has to have come of the documents of one schema, so that none of them proves nothing.
REPLIED_CHANGES, REPLIED_CREATIONS = 50, 15  # per row
IGNORED_CREATIONS = {"canary", "private_stream", "wiki_not_deployed", "too_old"}
IGNORED_CHANGES = IGNORED_CREATIONS | {
    *("hidden_content", "model_name", "namespace", "page_change_kind", "predictor_cannot"),
    *("redirect", "wiki_not_supported"),
}
REJECTED = {"invalid_id", "invalid_time", "unscorable_revision", "unsupported_schema"}
REJECTED |= {"invalid_event"}


# --- which documents ----------------------------------------------------------------------------


WIKIS, DEPLOYED = wikis.load(), deployed.load("production")
NAMES = {isvc.rpartition("-")[0::2] for isvc in DEPLOYED}
# Where a database name does not say what the language, or the domain, is called.
EXOTIC = [
    wiki.wiki_id
    for wiki in WIKIS.values()
    if wiki.group == wikis.WIKIPEDIA and wiki.wiki_id != f"{wiki.language}wiki"
]


def wikis_of(row: ModelRow) -> list[str]:
    """Return the wikis that the row scores, and those that its predictor is unable to."""
    wanted = row.wanted
    if wanted.where_deployed:
        return sorted(wiki_id for wiki_id, model in NAMES if model == row.name)
    group = [each.wiki_id for each in WIKIS.values() if each.group == wanted.wiki_group]
    return sorted({*group, *(wanted.wikis or ())})


ROW_WIKIS = [wikis_of(row) for row in ROWS]


def a_wiki(chance: Random, anything: Make) -> Any:
    what = chance.random()
    if what < 0.7:
        return chance.choice(chance.choice(ROW_WIKIS))
    if what < 0.8:
        return chance.choice(EXOTIC)
    return chance.choice(list(WIKIS)) if what < 0.95 else anything(chance)


def a_revision(chance: Random, anything: Make) -> Any:
    """Return a revision id, now and then one for which the sample predictors have trouble."""
    return chance.randrange(1000, 15000) if chance.random() < 0.1 else anything(chance)


def chosen_for(name: str) -> dict[str, Choose]:
    """Return the choices by which the rows come to score some: else nothing is wanted."""
    schema = SCHEMAS[name]["$id"]
    newer = [f"/{PAGE_CHANGE}/1.{minor}.0" for minor in (3, 6, 11, 12)] if name == NEWEST else ()
    meta: dict[str, Choose] = {
        "/$schema": often(99, schema, *newer),
        "/meta/stream": often(97, *["mediawiki.page_change.v1"] * 50, PRIVATE_STREAM),
        "/meta/domain": often(60, *["en.wikipedia.org"] * 20, ABSENT, "canary"),
        "/meta/id": often(90, "b0a9f5b2-6a1f-4b43-9a63-1f0b3b3c7d11", ABSENT),
    }
    if name in CREATIONS:
        return meta | {"/database": a_wiki, "/rev_id": a_revision}
    kinds = ("edit", "edit", "edit", "create", "move")
    return meta | {
        "/wiki_id": a_wiki,
        "/page_change_kind": often(90, *kinds),
        "/page/namespace_id": often(90, *[0] * 10, 0.0, ABSENT),
        "/page/is_redirect": often(95, *[False] * 10, ABSENT),
        "/revision/rev_id": a_revision,
        "/revision/is_content_visible": often(95, *[True] * 5, ABSENT),
    }


def generated(name: str) -> Iterator[Any]:
    return documents(SCHEMAS[name], f"{SEED} {name}", chosen_for(name))


# --- the predictors -----------------------------------------------------------------------------


SINGLE = {q.service.name: q.family for q in (row.question for row in ROWS) if q and q.service}
TROUBLE = range(1000, 15000)  # revision ids that the samples have errors and wrong answers for


@lru_cache(maxsize=256)
def answered(isvc: str, body: bytes) -> tuple[int, bytes]:
    """Return status and body of what a KServe server of this name answers."""
    family = SINGLE.get(isvc, "revscoring")
    try:
        return 200, orjson.dumps(FAMILIES[family](isvc, orjson.loads(body)))
    except HTTPException as error:
        return error.status_code, orjson.dumps({"detail": error.detail})
    except InvalidInput as error:
        return 400, orjson.dumps({"error": str(error)})
    except ModelNotReady as error:
        return 503, orjson.dumps({"error": str(error)})
    except Exception as error:
        return 500, orjson.dumps({"error": f"{type(error).__name__} : {error}"})


def isvc_of(target: str) -> str:
    return target.removeprefix("/v1/models/").removesuffix(":predict")


class Predictors:
    """In place of the transport that talks to upstreams; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def send(self, request: HttpRequest, deadline: Deadline, sends: None) -> HttpResponse:
        isvc = isvc_of(urlsplit(request.url).path)
        self.asked.append((isvc, orjson.loads(request.body)))
        status, body = answered(isvc, request.body)
        return HttpResponse(status, {}, body)


def has_trouble(isvc: str, question: Mapping[str, Any]) -> bool:
    """Return whether the predictor may refuse, or answer wrongly: else the question is wrong."""
    rev_id = question.get("rev_id", question.get("revision_id"))
    return rev_id in TROUBLE or question.get("page_id") == 0


# --- what has to be true of what comes of a document --------------------------------------------


OUTPUTS = {row.output.schema: output_schema(row.output.title, row.output.version) for row in ROWS}
SECOND = {name: second_judge(schema.definition) for name, schema in OUTPUTS.items()}
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,9})?Z")
# What a score or tags tell of a change -> where that stands in a change, and in a revision-create.
OF_CHANGE = {
    "dt": "dt",
    "database": "wiki_id",
    "page_id": "page.page_id",
    "page_title": "page.page_title",
    "page_namespace": "page.namespace_id",
    "page_is_redirect": "page.is_redirect",
    "rev_id": "revision.rev_id",
    "rev_parent_id": "revision.rev_parent_id",
    "rev_timestamp": "revision.rev_dt",
    "performer.user_text": "performer.user_text",
    "performer.user_groups": "performer.groups",
    "performer.user_is_bot": "performer.is_bot",
    "performer.user_id": "performer.user_id",
    "performer.user_edit_count": "performer.edit_count",
    "performer.user_registration_dt": "performer.registration_dt",
}
OF_CREATION = {place: place for place in OF_CHANGE} | {"dt": "rev_timestamp"}
OF_TAGS = ("dt", "wiki_id", "page.page_id", "page.page_title", "page.namespace_id")
GROUPS = {
    "article-country-tags": "classification.prediction.articlecountry",
    "revise-tone-task-generator": "recommendation.tone",
}
LABELS = {True: "true", False: "false"}
MISSING = object()
# Never published, wherever they are.
NEVER = {"content_slots", "revert", "wikibase_item_id", "first_edit_dt", "edit_global_count"}
SECOND_OPINION_EVERY = 10  # documents: it is slow


@dataclass
class Judge:
    """What the rows make of documents; `judge` raises unless all of it is as it has to be."""

    scoring: Scoring
    predictors: Predictors
    now: datetime = NOW
    replied: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def outcome(self, event: Event, row: ModelRow) -> Answer | SinkError:
        """Return what the row says; whatever else is raised would be a 500."""
        self.predictors.asked.clear()
        try:
            return score(event, row, self.scoring, Deadline.after(60), {}, self.now)
        except SinkError as error:
            return error

    def judge(self, document: Any, number: int) -> None:
        """Give the document to each row, and what is said of it to the row that feeds on that."""
        mode = MODES[number % len(MODES)]
        before = orjson.dumps(document)
        for row in ROWS:
            event = event_of(document, number, mode)
            reply = self.judge_row(event, row, number)
            if reply is not None and row.output.title in TAGS.wanted.titles:
                self.judge_row(reply, TAGS, number)
        assert orjson.dumps(document) == before

    def judge_row(self, event: Event, row: ModelRow, number: int) -> Event | None:
        """Return the reply, if there is one, as it arrives at the next sink."""
        first = self.outcome(event, row)
        asked = list(self.predictors.asked)
        if isinstance(first, Answer) and first.reply is None:
            assert (first.outcome, asked) == ("ignored", [])
            assert first.reason in IGNORED_CHANGES
            self.reasons["ignored", first.reason] += 1
            return None
        sent = written(first)
        assert written(self.outcome(event, row)) == sent
        if isinstance(first, SinkError):
            judge_error(first, asked)
            self.reasons[first.outcome, first.reason] += 1
            return None
        assert first.outcome == "replied"
        assert len(asked) == (0 if row is TAGS else 1)
        arrived = [cloudevent.decode(*message) for message in sent[1:]]
        for each in arrived:
            assert (each.attributes, each.data) == (first.reply.attributes, first.reply.data)
        judge_reply(arrived[0], event, row, asked)
        if number % SECOND_OPINION_EVERY == 0:
            assert SECOND[row.output.schema](first.reply.data)
        self.replied[row.name] += 1
        return next(each for each in arrived if each.mode == event.mode)


def event_of(document: Any, number: int, mode: Mode) -> Event:
    attributes = {"id": f"event-{number}", "source": "/mediawiki/x", "type": PAGE_CHANGE_TYPE}
    return Event({**attributes, "datacontenttype": "application/json"}, document, mode)


def written(outcome: Answer | SinkError) -> tuple[object, ...]:
    """Return all that a sender gets to see of the outcome, in both content modes."""
    if isinstance(outcome, SinkError):
        return outcome.status, error_document(outcome, None)
    if outcome.reply is None:
        return 202, outcome.reason
    return 200, *[cloudevent.encode(outcome.reply, mode) for mode in MODES]


def judge_error(error: SinkError, asked: list[tuple[str, Any]]) -> None:
    """The document is at fault, or the predictor had trouble, and the reason says which."""
    assert error.reason in get_args(Reason)
    assert error.detail
    if error.stage != "predictor":
        assert (error.status, error.outcome, asked) == (422, "rejected", [])
        return
    ((isvc, question),) = asked
    assert has_trouble(isvc, question), (error, isvc, question)
    assert error.status in (422, 502, 503)


def judge_reply(
    reply: Event, event: Event, row: ModelRow, asked: Sequence[tuple[str, Any]]
) -> None:
    """The document is valid, says no more than the change, and nothing that the change hides."""
    output, schema = reply.data, OUTPUTS[row.output.schema]
    schema.validate(output)
    judge_members(output, schema.definition, "")
    judge_meta(output["meta"], reply, event.data["meta"], row)
    judge_hidden(output, event.data)
    if row.output.title in TAGS.wanted.titles:
        made = {"$schema": output["$schema"], "meta": output["meta"]}
        judge_copy(output, {**event.data, **made}, schema.definition, hidden_places(event.data))
    elif row.output is weighted_tags.OUTPUT:
        judge_told(output, event.data, {place: place for place in OF_TAGS})
        judge_tags(output["weighted_tags"], event.data, row)
    else:
        judge_told(output, event.data, OF_CREATION if "database" in event.data else OF_CHANGE)
        ((isvc, body),) = asked
        judge_scores(output, row, orjson.loads(answered(isvc, orjson.dumps(body))[1]))


def judge_members(value: Any, schema: Mapping[str, Any], pointer: str) -> None:
    """Only what the schema names, though it be open; no null; one spelling of times, integers."""
    if isinstance(value, dict):
        members, more = schema.get("properties", {}), schema.get("additionalProperties")
        assert members or more, f"{pointer} is an object of unknown members"
        for name, inner in value.items():
            known = members.get(name, more)
            assert isinstance(known, Mapping), f"{pointer}/{name} is unknown"
            assert name not in NEVER, f"{pointer}/{name} must not be published"
            judge_members(inner, known, f"{pointer}/{name}")
    elif isinstance(value, list):
        for inner in value:
            judge_members(inner, schema["items"], f"{pointer}/*")
    else:
        assert value is not None, f"{pointer} is null"
        assert schema["type"] != "integer" or type(value) is int, f"{pointer} has a fraction part"
        if schema.get("format") == "date-time":
            assert UTC_TIME.fullmatch(value), f"{pointer} is not UTC"


def judge_meta(
    meta: Mapping[str, Any], reply: Event, before: Mapping[str, Any], row: ModelRow
) -> None:
    """Where it goes, who it is, and of what it was made from only what is known there, too."""
    assert (meta["stream"], meta["id"]) == (row.stream, reply.id)
    carried = meta.keys() - {"stream", "id"}
    assert carried <= {"domain", "request_id", "uri"}
    assert {name: meta[name] for name in carried}.items() <= dict(before).items()


def judge_hidden(output: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Who and what a change hides stands nowhere, and what it has hidden before not there."""
    before = document.get("prior_state", {}).get("revision", {})
    for revision, part in (
        (document.get("revision", {}), output),
        (before, output.get("prior_state", {}).get("revision", {})),
    ):
        names = set(names_in(part))
        if revision.get("is_editor_visible") is False:
            assert names & {"editor", "performer", "user_text", "user_id", "groups"} == set()
        if revision.get("is_comment_visible") is False:
            assert "comment" not in names


def names_in(value: Any) -> Iterator[str]:
    """Yield the names of all members at every depth."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from names_in(inner)


def hidden_places(document: Mapping[str, Any]) -> set[str]:
    """Return the places of a copy, as JSON pointers, at which something is hidden: no others may
    lack what the change has there."""
    now, before = document["revision"], document.get("prior_state", {}).get("revision", {})
    places = {
        "is_editor_visible": ("/performer", "/revision/editor", "/prior_state/revision/editor"),
        "is_comment_visible": ("/comment", "/revision/comment", "/prior_state/revision/comment"),
    }
    hidden = {place for flag in places if now.get(flag) is False for place in places[flag]}
    return hidden | {places[flag][-1] for flag in places if before.get(flag) is False}


def judge_told(
    output: Mapping[str, Any], document: Mapping[str, Any], places: Mapping[str, str]
) -> None:
    """What the change has in these places stands in the output; what it lacks is not made up."""
    hidden = document.get("revision", {}).get("is_editor_visible") is False
    for place, origin in places.items():
        value, told = at(document, origin), at(output, place)
        if value is MISSING or (hidden and place.startswith("performer.")):
            assert told is MISSING, f"{place} is made up"
        else:
            assert told is not MISSING, f"{place} is lacking"
            assert told == value or instant(told) == instant(value), f"{place} is another"


def at(document: Any, place: str) -> Any:
    """Return what stands at a place, members with dots between; or MISSING."""
    for name in place.split("."):
        if not isinstance(document, dict) or name not in document:
            return MISSING
        document = document[name]
    return document


def judge_tags(tags: Mapping[str, Any], document: Mapping[str, Any], row: ModelRow) -> None:
    """Countries as their prediction says; of tones one tag with a score. Nothing found clears."""
    group = GROUPS[row.name]
    if row is TAGS:
        said = document["predicted_classification"]
        found = [
            {"tag": name, "score": said["probabilities"][name]} for name in said["predictions"]
        ]
    else:
        found = tags["set"][group] if "set" in tags else []
        assert [each["tag"] for each in found] == ["exists"] * len(found[:1])
    assert tags == ({"set": {group: found}} if found else {"clear": [group]})


def judge_scores(output: Mapping[str, Any], row: ModelRow, answer: Mapping[str, Any]) -> None:
    """One score, of the row, with what its predictor has said of this revision."""
    said = answer[output["database"]]
    score = said["scores"][str(output["rev_id"])][row.name]["score"]
    decided = score["prediction"]
    labels = decided if isinstance(decided, list) else [LABELS.get(decided, decided)]
    assert output["scores"] == {
        row.name: {
            "model_name": row.name,
            "model_version": said["models"][row.name]["version"],
            "prediction": labels,
            "probability": score["probability"],
        }
    }


def judge_copy(
    copy: Any, original: Any, schema: Mapping[str, Any], hidden: set[str], pointer: str = ""
) -> None:
    """The copy has no other values than the original in the same places, and lacks none."""
    if isinstance(copy, dict) and "properties" in schema:
        known = schema["properties"]
        lacking = (original.keys() & known.keys()) - copy.keys() - NEVER
        assert {f"{pointer}/{name}" for name in lacking} <= hidden
        for name in copy.keys() - {"predicted_classification"}:
            judge_copy(copy[name], original[name], known[name], hidden, f"{pointer}/{name}")
    elif copy != original:
        assert instant(copy) == instant(original)


def instant(text: str) -> tuple[datetime, str]:
    """Return the instant to microseconds, and its fraction of a second to nanoseconds."""
    fraction = re.search(r"\.(\d+)", text)
    digits = fraction[1] if fraction else ""
    return datetime.fromisoformat(text.upper()).astimezone(UTC), digits[:9]


# --- in this process ----------------------------------------------------------------------------


def scoring_with(predictors: Predictors, max_event_age_seconds: float = 0) -> Scoring:
    """Return what score-sink has in production, but for who answers the calls."""
    settings = ScoreSettings.from_env({"PREDICTOR_URL": "http://127.0.0.1"})
    return Scoring(
        deciding=decision.load(
            "production", "production", settings.schema_base_uri, max_event_age_seconds
        ),
        model_versions={"outlink-topic-model": settings.outlink_model_version},
        young_revision_seconds=settings.young_revision_seconds,
        predictor=Predictor(HttpClient("predictor", predictors), settings.predictor_url, ""),
    )


def judge_with(max_event_age_seconds: float = 0, now: datetime = NOW) -> Judge:
    predictors = Predictors()
    return Judge(scoring_with(predictors, max_event_age_seconds), predictors, now)


def judge_all(name: str, count: int) -> Judge:
    """Judge the first documents of a schema, the last fifth of them with a limit to their age.

    raises: AssertionError with the seed and the smallest document that shows what is wrong.
    """
    accepts = jsonschema_rs.Draft7Validator(SCHEMAS[name], validate_formats=True).is_valid
    accepts_too = second_judge(SCHEMAS[name])
    judges = [judge_with(), judge_with(FIFTEEN_YEARS)]
    for number, document in enumerate(islice(generated(name), count)):
        assert accepts(document), f"made from {name}, and is not valid: {document}"
        assert number % SECOND_OPINION_EVERY or accepts_too(document)
        judge = judges[number >= count * 4 // 5]
        try:
            judge.judge(document, number)
        except Exception as error:
            report(name, document, number, error, accepts, judge)
    judges[0].replied.update(judges[1].replied)
    judges[0].reasons.update(judges[1].reasons)
    return judges[0]


def report(
    name: str,
    document: Any,
    number: int,
    error: Exception,
    accepts: Callable[[Any], bool],
    judge: Judge,
) -> None:
    """Raise the error anew, with the smallest document of the schema that shows one like it."""

    def shows(other: Any) -> bool:
        try:
            if accepts(other):
                judge.judge(other, number)
        except Exception as another:
            return type(another) is type(error)
        return False

    text = orjson.dumps(smallest(document, shows))
    SCRATCH.mkdir(parents=True, exist_ok=True)
    kept = SCRATCH / f"{name.replace('/', '_')}.json"
    kept.write_bytes(text)
    raise AssertionError(
        f"document {number} of {name} with SINKS_GENERATED_SEED={SEED}: {error!r:.2000}\n"
        f"{kept} is the smallest that shows it:\n{text.decode():.2000}"
    ) from error


def reasons(judged: Judge, of: str) -> set[str]:
    return {reason for outcome, reason in judged.reasons if outcome == of}


@pytest.mark.parametrize("name", CHANGES)
def test_page_change_of_any_content_is_ignored_rejected_or_made_a_valid_document(name: str) -> None:
    """5,000 documents of each schema, each to all sixteen rows; SINKS_GENERATED_SEED says which."""
    judged = judge_all(name, 5_000)

    assert {row.name for row in ROWS if judged.replied[row.name] < REPLIED_CHANGES} == set()
    assert reasons(judged, "ignored") == IGNORED_CHANGES
    assert reasons(judged, "rejected") >= REJECTED


@pytest.mark.parametrize("name", CREATIONS)
def test_revision_create_of_any_content_is_ignored_rejected_or_made_a_valid_score(
    name: str,
) -> None:
    """1,000 documents of each schema; the nine rows that read them, and no others, score some."""
    judged = judge_all(name, 1_000)

    readers = {row.name for row in ROWS if REVISION_CREATE in row.wanted.titles}
    assert {row for row, times in judged.replied.items() if times >= REPLIED_CREATIONS} == readers
    assert reasons(judged, "ignored") == IGNORED_CREATIONS
    assert reasons(judged, "rejected") >= REJECTED


# --- the whole app ------------------------------------------------------------------------------


class Bugs(logging.Filter):
    """Lets no line through, and keeps those of what somebody has to repair."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            self.lines.append(log.JsonFormatter().format(record))
        return False


@contextmanager
def listening() -> Iterator[Bugs]:
    bugs = Bugs()
    log.LOGGER.addFilter(bugs)
    try:
        yield bugs
    finally:
        log.LOGGER.removeFilter(bugs)


def behave(received: Received, sock: socket.socket) -> bool:
    """Answer as the sample predictors, and close: the app's own client would keep connections."""
    status, body = answered(isvc_of(received.target), received.body)
    answer(status, body, {"Connection": "close"})(received, sock)
    return False


@pytest.mark.parametrize("name", SCHEMAS)
def test_app_answers_what_was_decided_and_never_a_5xx(name: str) -> None:
    """150 documents of each schema through the real WSGI app, with a predictor over HTTP."""
    statuses: Counter[int] = Counter()
    with listening() as bugs, Upstream(behave) as upstream:
        settings = ScoreSettings.from_env({"PREDICTOR_URL": upstream.url})
        client = score_sink.create_app(settings).test_client()
        judge = judge_with(now=datetime.now(UTC))
        for number, document in enumerate(islice(generated(name), 150)):
            for event, row in deliveries(judge, document, number):
                decided = judge.outcome(event, row)
                sent = cloudevent.encode(event, event.mode)
                response = client.post(f"/models/{row.name}", data=sent.body, headers=sent.headers)

                assert (response.status_code, response.data) == answer_to(decided, event)
                if isinstance(decided, SinkError):
                    judge_error(decided, judge.predictors.asked)
                statuses[response.status_code] += 1

    assert bugs.lines == []
    assert set(statuses) >= {200, 202, 422}


def deliveries(judge: Judge, document: Any, number: int) -> Iterator[tuple[Event, ModelRow]]:
    """Yield the document for each row, and the replies that another row feeds on."""
    event = event_of(document, number, MODES[number % len(MODES)])
    for row in ROWS:
        yield event, row
        outcome = judge.outcome(event, row)
        if isinstance(outcome, Answer) and outcome.reply and row.output.title in TAGS.wanted.titles:
            yield cloudevent.decode(*cloudevent.encode(outcome.reply, event.mode)), TAGS


def answer_to(outcome: Answer | SinkError, event: Event) -> tuple[int, bytes]:
    """Return status and body that stand for the outcome."""
    if isinstance(outcome, SinkError):
        return outcome.status, error_document(outcome, event.id)
    if outcome.reply is None:
        return 202, b""
    return 200, cloudevent.encode(outcome.reply, event.mode).body


# --- another process ----------------------------------------------------------------------------


def digest() -> str:
    """Return a digest of all that comes of some documents."""
    judge, made = judge_with(), hashlib.sha256()
    for number, document in enumerate(islice(generated(NEWEST), 100)):
        for event, row in deliveries(judge, document, number):
            made.update(repr(written(judge.outcome(event, row))).encode())
    return made.hexdigest()


def test_redelivery_to_another_process_gives_the_same_bytes() -> None:
    """Another instance, whose sets and dicts of strings are hashed otherwise, replies the same."""
    code = "import test_every_change; print(test_every_change.digest())"
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "contract")))
    env = {**os.environ, "PYTHONPATH": path}

    running = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code],
            env=env | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    digests = [process.communicate()[0].strip() for process in running]

    assert digests[0]
    assert digests[0] == digests[1]
