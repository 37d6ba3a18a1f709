"""The HTTP API on dead letters, as it runs: who may call, what is asked, what is answered."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.factories import binary, page_change
from tests.processes import ROOT, Running, gunicorn
from tests.replays import write_trigger
from tests.upstream import Behave, Received, Reply, Upstream, answer, call

TOKEN = "a-token-of-the-tests"  # noqa: S105
KNOWN = {"Authorization": f"Bearer {TOKEN}"}
TAKEN = answer(202)
FAILING = answer(503, {"reason": "predictor_failed", "detail": "down", "ce_id": None})
DEADLINE_SECONDS = 4
PATHS = [
    ("GET", "/letters"),
    ("GET", "/letters/1"),
    ("POST", "/letters/replay"),
    ("POST", "/letters/drop"),
]
WORDS = ["since", "until", "row", "wiki", "reason", "status", "destination", "pending", "number"]


@dataclass
class Api:
    """A dead-letter sink, and the subscriber of its one Trigger, which does `script[-1]`."""

    running: Running
    subscriber: Upstream
    script: list[Behave]

    def keep(self, number: int, **over: str) -> None:
        """Have a letter arrive; `over` are its attributes."""
        failure = {
            "knativeerrordest": f"{self.subscriber.url}/models/drafttopic",
            "knativeerrorcode": "503",
            "wikiid": "enwiki",
        }
        headers, body = binary(page_change(), **{"id": f"event-{number}", **failure, **over})
        assert call(self.running.port, "/", headers, body).status == 202

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = KNOWN,
    ) -> Reply:
        asked = f"{path}?{urlencode(query)}" if query else path
        return call(self.running.port, asked, headers, b"", method, timeout=30)

    def numbers(self, **query: Any) -> list[int]:
        """The letters that are listed."""
        reply = self.ask("GET", "/letters", query)
        assert reply.status == 200, reply.body
        return [letter["number"] for letter in reply.json()["letters"]]

    def replay(self, **query: Any) -> Any:
        reply = self.ask("POST", "/letters/replay", query)
        assert reply.status == 200, reply.body
        return reply.json()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    directory = tmp_path_factory.mktemp("deadletters")
    tokens = directory / "tokens"
    tokens.write_text(f"operator={TOKEN}\n")
    triggers = directory / "triggers"
    script: list[Behave] = [TAKEN]
    with Upstream(lambda received, sock: script[-1](received, sock)) as subscriber:
        write_trigger(triggers, subscriber.url)
        env = {
            "TOKENS_FILE": str(tokens),
            "TRIGGERS_DIR": str(triggers),
            "DATABASE_URL": f"sqlite:///{directory}/letters.sqlite",
            "EVENT_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        }
        app = "sinks.deadletter_sink:create_app()"
        with gunicorn(app, env, directory) as server:
            yield Api(server, subscriber, script)


@pytest.fixture
def api(running: Api) -> Api:
    """No letter, a subscriber that takes everything."""
    assert running.ask("POST", "/letters/drop", {"all": "true"}).status == 200
    running.script[:] = [TAKEN]
    running.subscriber.received.clear()
    return running


# --- who may call


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("authorization", [None, "Bearer another-token-of-16", "Basic abc"])
def test_call_without_a_known_token_is_401_and_changes_nothing(
    api: Api, method: str, path: str, authorization: str | None
) -> None:
    """Letters hold page titles and more, and a replay publishes."""
    api.keep(1)
    headers = {"Authorization": authorization} if authorization else {}

    reply = api.ask(method, path, {"all": "true"} if "drop" in path else None, headers)

    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert reply.json()["reason"] == "unauthenticated"
    assert len(api.numbers()) == 1
    assert api.subscriber.received == []


def test_refused_call_is_counted_by_its_reason(api: Api) -> None:
    """Somebody who tries tokens can be seen."""
    counted = 'sinks_errors_total{reason="unauthenticated",sink="deadletter-sink"'

    def count() -> float:
        metrics = api.ask("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in metrics if line.startswith(counted))

    before = count()
    api.ask("GET", "/letters", None, {})

    assert count() == before + 1


def test_letter_itself_needs_no_token_of_the_api(api: Api) -> None:
    """Knative delivers them; it has none."""
    api.keep(1)

    assert len(api.numbers()) == 1


# --- list and show


def test_list_pages_through_all_letters_without_bodies(api: Api) -> None:
    """`next` is where to go on; at the end it is null."""
    for number in range(5):
        api.keep(number)

    first = api.ask("GET", "/letters", {"limit": 3}).json()
    second = api.ask("GET", "/letters", {"limit": 3, "after": first["next"]}).json()

    assert [letter["id"] for letter in first["letters"] + second["letters"]] == [
        f"event-{number}" for number in range(5)
    ]
    assert (first["total"], second["total"], second["next"]) == (5, 5, None)
    assert "body" not in first["letters"][0] and "headers" not in first["letters"][0]


def test_list_of_exactly_its_limit_has_no_next(api: Api) -> None:
    """Nobody asks in vain."""
    api.keep(1)

    assert api.ask("GET", "/letters", {"limit": 1}).json()["next"] is None


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"row": "drafttopic"}, ["1"]),
        ({"wiki": "dewiki"}, ["2"]),
        ({"status": "422"}, ["2"]),
        ({"destination": "http://elsewhere/"}, ["2"]),
        ({"since": "1h", "pending": "true"}, ["1", "2"]),
        ({"until": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_list_with_parameters_selects(api: Api, query: Mapping[str, str], ids: list[str]) -> None:
    """The same conditions as the command's options."""
    api.keep(1, id="1")
    api.keep(
        2, id="2", wikiid="dewiki", knativeerrorcode="422", knativeerrordest="http://elsewhere/"
    )

    assert [each["id"] for each in api.ask("GET", "/letters", query).json()["letters"]] == ids


def test_show_has_all_of_one_letter(api: Api) -> None:
    """Headers as received, the body as JSON."""
    api.keep(1)
    (number,) = api.numbers()

    shown = api.ask("GET", f"/letters/{number}").json()

    assert shown["body"] == page_change()
    assert shown["headers"]["ce-id"] == "event-1"
    assert (shown["number"], shown["count"], shown["replay"]) == (number, 1, None)


# --- replay and drop


def test_replay_answers_what_became_of_each_and_the_list_shows_it(api: Api) -> None:
    """What was relayed is no more pending."""
    api.keep(1)
    api.keep(2, knativeerrordest="http://169.254.169.254/")
    one, two = api.numbers()

    told = api.replay()

    by_number = {each["number"]: each for each in told["replayed"]}
    assert by_number[one] == {
        "number": one,
        "outcome": "relayed",
        "reason": "",
        "detail": "drafttopic",
    }
    assert (by_number[two]["outcome"], by_number[two]["reason"]) == (
        "deferred",
        "unknown_destination",
    )
    assert (told["left"], told["next"]) == (0, None)
    assert [each["replay"]["outcome"] for each in api.ask("GET", "/letters").json()["letters"]] == [
        "relayed",
        "deferred",
    ]
    assert [each["number"] for each in api.replay()["replayed"]] == [two]


def test_replay_dry_run_sends_and_marks_nothing(api: Api) -> None:
    """The outcome of what would be sent is null."""
    api.keep(1)

    told = api.replay(dry_run="true")

    assert [each["outcome"] for each in told["replayed"]] == [None]
    assert "Trigger drafttopic" in told["replayed"][0]["detail"]
    assert api.subscriber.received == []
    assert len(api.numbers(pending="true")) == 1


def test_replay_again_and_by_name_takes_what_is_settled_or_lost(api: Api) -> None:
    """A letter without a destination goes where the operator says."""
    api.keep(1, knativeerrordest="http://elsewhere/")
    refused = api.replay()
    named = api.replay(trigger="drafttopic")
    again = api.replay(again="true", trigger="drafttopic")

    told = (*refused["replayed"], *named["replayed"], *again["replayed"])
    assert [each["outcome"] for each in told] == ["deferred", "relayed", "relayed"]


def test_replay_in_parts_takes_each_letter_once(api: Api) -> None:
    """A caller goes on with `after` until nothing is left, whatever fails meanwhile."""
    for number in range(7):
        api.keep(number)
    api.script.append(FAILING)
    after, seen, left = 0, [], []

    while True:
        told = api.replay(limit=3, after=after) if after else api.replay(limit=3)
        seen += sorted(each["number"] for each in told["replayed"])
        left.append(told["left"])
        if told["next"] is None:
            break
        after = told["next"]

    assert seen == api.numbers()
    assert left == [4, 1, 0]
    assert len(api.numbers(pending="true")) == 7


def test_replay_answers_before_its_deadline_and_goes_on_in_the_next_call(api: Api) -> None:
    """A slow subscriber cannot keep a caller waiting for ever, nor is anything sent twice."""
    for number in range(20):
        api.keep(number)

    def slow(received: Received, sock: Any) -> bool | None:
        api.subscriber.wait(0.6)
        return TAKEN(received, sock)

    api.script.append(slow)
    begun = time.monotonic()
    told = api.replay(concurrency=1)
    seconds = time.monotonic() - begun
    api.script.append(TAKEN)
    rest = api.replay()

    assert 0 < len(told["replayed"]) < 10
    assert told["left"] == 20 - len(told["replayed"])
    assert seconds < 2 * DEADLINE_SECONDS  # all of them take three times as long
    assert len(told["replayed"]) + len(rest["replayed"]) == 20
    assert len({each.headers["ce-id"] for each in api.subscriber.received}) == 20
    assert len(api.subscriber.received) == 20


def test_replay_while_another_call_replays_is_told_to_wait(api: Api) -> None:
    """Two of them would send the same letters twice."""
    api.keep(1)
    arrived, go_on = threading.Event(), threading.Event()

    def hold(received: Received, sock: Any) -> bool | None:
        arrived.set()
        go_on.wait(3)
        return TAKEN(received, sock)

    api.script.append(hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(api.replay)
        assert arrived.wait(10)
        second = api.ask("POST", "/letters/replay")
        go_on.set()

    assert (second.status, second.json()["reason"]) == (503, "overloaded")
    assert [each["outcome"] for each in first.result()["replayed"]] == ["relayed"]


def test_drop_of_a_selection_drops_it_alone(api: Api) -> None:
    """The number of those that are gone is told, and counted."""
    api.keep(1)
    api.keep(2, wikiid="dewiki")

    dropped = api.ask("POST", "/letters/drop", {"wiki": "dewiki"})

    assert (dropped.status, dropped.json()) == (200, {"dropped": 1})
    assert len(api.numbers()) == 1
    metrics = call(api.running.port, "/metrics", method="GET").body.decode()
    assert 'sinks_letters_dropped_total{cause="command",sink="deadletter-sink"}' in metrics


def test_what_a_known_client_changes_is_logged_with_its_name(api: Api) -> None:
    """Who has dropped them?"""
    api.keep(1)

    api.ask("POST", "/letters/drop", {"all": "true"})

    lines = [json.loads(line) for line in api.running.log.splitlines() if "/letters/drop" in line]
    assert (lines[-1]["client"], lines[-1]["detail"]) == ("operator", "1 dropped")


def test_calls_in_the_docs_are_answered(api: Api) -> None:
    """They are copied at night."""
    text = (ROOT / "docs" / "dead-letters.md").read_text(encoding="utf-8")
    calls = re.findall(r"`(GET|POST) (/letters\S*)`", text)
    api.keep(1)
    (number,) = api.numbers()

    statuses = {
        call: api.ask(call[0], call[1].replace("/letters/1", f"/letters/{number}")).status
        for call in calls
    }

    assert len(statuses) == len(PATHS)
    assert set(statuses.values()) == {200}


# --- what is refused


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [("PUT", "/letters", "GET"), ("POST", "/letters/1", "GET"), ("GET", "/", "POST")],
)
def test_method_that_is_not_wanted_is_405_and_names_those_that_are(
    api: Api, method: str, path: str, wanted: str
) -> None:
    """Not everything here is POSTed."""
    reply = api.ask(method, path)

    assert (reply.status, reply.json()["reason"]) == (405, "method_not_allowed")
    assert wanted in reply.json()["detail"].replace(":", "").replace(",", "").split()
    assert wanted in reply.headers["Allow"].split(", ")


@pytest.mark.parametrize(
    ("method", "path", "query", "named"),
    [
        *(("GET", "/letters", {word: ""}, word) for word in WORDS),
        ("GET", "/letters", {"rows": "drafttopic"}, "no parameter"),
        ("GET", "/letters", {"limit": "1001"}, "limit"),
        ("GET", "/letters", {"limit": "0"}, "limit"),
        ("GET", "/letters", {"after": "-1"}, "after"),
        ("GET", "/letters/1", {"row": "drafttopic"}, "row"),
        ("POST", "/letters/replay", {"concurrency": "65"}, "concurrency"),
        ("POST", "/letters/replay", {"dry_run": "1"}, "dry_run"),
        ("POST", "/letters/replay", {"dryrun": "true"}, "dryrun"),
        ("POST", "/letters/drop", {"limit": "1"}, "limit"),
        ("POST", "/letters/drop", {}, "all=true"),
        ("POST", "/letters/drop", {"all": "false"}, "all=true"),
    ],
)
def test_wrong_parameter_is_422_and_names_it(
    api: Api, method: str, path: str, query: dict[str, str], named: str
) -> None:
    """One that was passed over would select, and drop, more than was meant."""
    api.keep(1)

    reply = api.ask(method, path, query)

    assert (reply.status, reply.json()["reason"]) == (422, "invalid_query")
    assert named in reply.json()["detail"]
    assert len(reply.body) <= 768
    assert len(api.numbers()) == 1
    assert api.subscriber.received == []


def test_parameter_given_twice_is_refused(api: Api) -> None:
    """It cannot be told which one is meant."""
    reply = api.ask("GET", "/letters?row=a&row=b")

    assert (reply.status, reply.json()["reason"]) == (422, "invalid_query")


@pytest.mark.parametrize("number", ["999999", "0", "x", "99999999999999999999", "%00"])
def test_letter_that_is_not_there_is_unknown(api: Api, number: str) -> None:
    """422, because Knative's 404 means something else."""
    reply = api.ask("GET", f"/letters/{number}")

    assert (reply.status, reply.json()["reason"]) == (422, "unknown_letter")


def test_trigger_that_is_not_there_is_422_and_names_those_there_are(api: Api) -> None:
    """Before the first letter is sent."""
    api.keep(1)

    reply = api.ask("POST", "/letters/replay", {"trigger": "drafttopics"})

    assert (reply.status, reply.json()["reason"]) == (422, "unknown_trigger")
    assert "drafttopic" in reply.json()["detail"]


def test_sink_without_service_urls_keeps_letters_but_says_that_it_cannot_replay(
    tmp_path: Path,
) -> None:
    """To keep them matters most; what is missing is told to who asks."""
    env = {"ALLOW_ANONYMOUS": "true", "DATABASE_URL": f"sqlite:///{tmp_path}/letters.sqlite"}
    headers, body = binary(page_change())
    app = "sinks.deadletter_sink:create_app()"
    with gunicorn(app, env, tmp_path) as running:
        kept = call(running.port, "/", headers, body)
        reply = call(running.port, "/letters/replay")

    assert kept.status == 202
    assert (reply.status, reply.json()["reason"]) == (503, "unknown_trigger")
    assert "SERVICE_URLS" in reply.json()["detail"]
