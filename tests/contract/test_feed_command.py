"""`sinks feed` between a stream and a shim: what arrives, what is told, and where the next run goes
on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.feeding import (
    GOOD,
    Act,
    Answer,
    Runs,
    Shim,
    Stream,
    answers,
    breaks,
    deferred,
    ndjson,
    offset_of,
    sends,
)
from tests.stopping import wait_until


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


# --- the stream ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param((sends(),), id="at_once"),
        pytest.param((sends(size=1),), id="byte_by_byte"),
        pytest.param((sends(most=3), sends()), id="clean_ends"),
        pytest.param((sends(most=2, then=b"id: [\ndata: {"), sends()), id="cut_event"),
        pytest.param((breaks, breaks, sends()), id="broken_connections"),
        pytest.param((answers(503, b"x"), answers(429, headers={"Retry-After": "1"}), sends())),
        pytest.param((answers(302, headers={"Location": "/elsewhere"}), sends()), id="redirect"),
        pytest.param((sends(before=b"\xef\xbb\xbfretry: 10\n: comment\n\n"),), id="comments"),
        pytest.param((sends(most=4, stay=True), sends()), id="silence"),
        pytest.param((sends(most=1, then=b"event: error\ndata: {}\n\n"), sends()), id="error"),
    ],
)
def test_feed_from_a_bad_stream_delivers_every_event(runs: Runs, acts: tuple[Act, ...]) -> None:
    """However the stream cuts and hangs, each event arrives whole, and the position is the last."""
    with Stream(6, acts) as stream, Shim() as shim:
        done = runs.run(stream.url, shim.url, "--limit", "6", "--silence", "0.5")

    assert done.code == 0, done
    assert sorted(shim.taken) == [(number, ()) for number in range(6)]
    assert sorted(r.json()["meta"]["id"] for r in shim.received) == [f"e{n}" for n in range(6)]
    assert runs.offset(stream) == 5
    assert done.last == "all Triggers: 6 sent, 6 acknowledged (0 ignored), 0 rejected, 0 deferred"


def test_feed_goes_on_where_the_last_run_stopped(runs: Runs) -> None:
    """The state keeps the id; the first connect ever asks for what comes from now on."""
    with Stream(6, (sends(),)) as stream, Shim() as shim:
        first = runs.run(stream.url, shim.url, "--limit", "2")
        second = runs.run(stream.url, shim.url, "--limit", "4")

    assert (first.code, second.code) == (0, 0)
    assert sorted(number for number, _ in shim.taken[:2]) == [0, 1]
    assert shim.numbers == list(range(6))
    assert len(shim.taken) == 6
    (no_id, since), (last_id, no_since) = stream.asked
    assert (no_id, no_since) == (None, None)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", since or "")
    assert offset_of(last_id) == 1


def test_feed_since_and_reset_begin_anew_at_a_time(runs: Runs) -> None:
    """A position wins over --since; --reset forgets it."""
    since = "2026-11-20T00:00:00Z"
    with Stream(1, (sends(),)) as stream, Shim() as shim:
        for more in ((), ("--reset",)):
            with_since = (stream.url, shim.url, "--limit", "1", "--since", since)
            runs.run(*with_since, *more)
        with runs.running(*with_since) as process:
            wait_until(lambda: len(stream.asked) == 3, "the third run asks", 20)
            process.terminate()

    begin = "2026-11-20T00:00:00.000Z"
    assert stream.asked[:2] == [(None, begin), (None, begin)]
    assert (offset_of(stream.asked[2][0]), stream.asked[2][1]) == (0, None)


def test_feed_tells_the_stream_who_it_is(runs: Runs) -> None:
    """Wikimedia's policy: a User-Agent with a way to reach somebody."""
    with Stream(1, (sends(),)) as stream, Shim() as shim:
        runs.run(stream.url, shim.url, "--limit", "1", "--user-agent", "me@example.org")

    agent = stream.received[0].headers["user-agent"]
    assert re.fullmatch(r"knative-event-sinks/\S+ me@example\.org", agent)
    assert stream.received[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("act", "told"),
    [
        pytest.param(answers(404, b"no such stream"), "answers 404: no such stream", id="404"),
        pytest.param(
            answers(200, b"<html>", {"Content-Type": "text/html"}), "not a text/event-", id="html"
        ),
        pytest.param(
            answers(200, b"", {"Content-Type": "\x1b[2J"}), "answers \\x1b[2j, not", id="hostile"
        ),
    ],
)
def test_feed_from_no_stream_ends_with_one_line(runs: Runs, act: Act, told: str) -> None:
    """A mistake in the address is told, not tried for ever."""
    with Stream(0, (act,)) as stream, Shim() as shim:
        done = runs.run(stream.url, shim.url)

    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert len(stream.asked) == 1


def test_feed_whose_position_has_expired_says_what_to_do(runs: Runs) -> None:
    """EventStreams keeps a week or so: an older id is a 400 that no repetition mends."""
    with Stream(2, (sends(most=1), answers(400, b"offset out of range"))) as stream, Shim() as shim:
        done = runs.run(stream.url, shim.url)

    assert done.code == 2
    assert "answers 400: offset out of range; if the position is too old: --reset" in done.err
    assert runs.offset(stream) == 0


def test_feed_whose_stream_is_gone_gives_up_if_asked_to(runs: Runs) -> None:
    """For ever is the default; a job may want an end."""
    done = runs.run("http://127.0.0.1:1/s", "http://127.0.0.1:1", "--give-up-after", "0.5")

    assert done.code == 1
    assert "http://127.0.0.1:1/s: [Errno 111] Connection refused; again in" in done.err
    assert "given up: http://127.0.0.1:1/s" in done.err


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(answers(503, headers={"Retry-After": "600"}), id="retry_after"),
        pytest.param(sends(before=b"retry: 600000\n\n"), id="retry"),
    ],
)
def test_feed_gives_up_in_time_whatever_the_stream_wants(runs: Runs, act: Act) -> None:
    """Who asks a reader to come back in ten minutes does not keep it for so long."""
    with Stream(0, (act,)) as stream, Shim() as shim:
        done = runs.run(stream.url, shim.url, "--give-up-after", "1")

    assert done.code == 1
    assert "given up: " in done.err


def test_feed_gives_up_in_time_whatever_the_shim_wants(runs: Runs) -> None:
    """The same of one event."""
    later: Answer = (503, {}, {"Retry-After": "600"})
    with Stream(1, (sends(stay=True),)) as stream, Shim(lambda *_: later) as shim:
        done = runs.run(stream.url, shim.url, "--give-up-after", "1")

    assert done.code == 1
    assert "given up: the shim answers 503" in done.err


def test_feed_event_that_is_too_large_is_told_and_passed_over(runs: Runs) -> None:
    """One giant does not end the feed, nor hide what comes behind it."""
    giant = b'id: [{"offset": 0}]\ndata: ' + b"x" * 5_000_000 + b"\n\n"
    with Stream(2, (sends(before=giant, size=10**6),)) as stream, Shim() as shim:
        done = runs.run(stream.url, shim.url, "--limit", "2")

    assert done.code == 1
    assert "it is too large: 5000" in done.err
    assert shim.numbers == [0, 1]


# --- the shim -----------------------------------------------------------------------------------


def test_feed_repeats_what_the_shim_defers_until_it_is_taken(runs: Runs) -> None:
    """A 503 and a dead connection are repeated; the position waits for them."""

    def script(number: int, _: tuple[str, ...], attempt: int) -> Answer:
        return (503, {"reason": "overloaded", "detail": "later"}, {}) if attempt == 1 else GOOD

    with Stream(2, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "2")

    assert done.code == 0, done
    assert shim.numbers == [0, 1]
    assert sorted(shim.asked) == [(0, ()), (0, ()), (1, ()), (1, ())]
    assert "the shim answers 503: overloaded: later; again in" in done.err
    assert done.last.endswith("2 acknowledged (0 ignored), 0 rejected, 2 deferred")


def test_feed_repeats_only_the_triggers_that_are_deferred(runs: Runs) -> None:
    """The Triggers that are done with an event do not get it again."""

    def script(_: int, triggers: tuple[str, ...], attempt: int) -> Answer:
        if not triggers:
            return deferred("a", "b", of=3)
        return GOOD if triggers == ("b",) else deferred("b", of=2)

    with Stream(1, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "1")

    assert done.code == 0, done
    assert shim.asked == [(0, ()), (0, ("a", "b")), (0, ("b",))]


def test_feed_whose_shim_has_other_triggers_by_now_asks_all_again(runs: Runs) -> None:
    """A name that the shim itself has given is no mistake of the command."""

    def script(_: int, triggers: tuple[str, ...], attempt: int) -> Answer:
        if triggers:
            return 422, {"reason": "unknown_trigger", "detail": "there are: b"}, {}
        return deferred("a", of=1) if attempt == 1 else GOOD

    with Stream(1, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "1")

    assert done.code == 0, done
    assert shim.asked == [(0, ()), (0, ("a",)), (0, ())]


def test_feed_counts_what_one_trigger_rejected_and_another_deferred(runs: Runs) -> None:
    """The last answer is a 200, but something of the event was refused for good."""

    def script(_: int, triggers: tuple[str, ...], attempt: int) -> Answer:
        return GOOD if triggers else deferred("a", of=2, rejected=1)

    with Stream(1, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "1")

    assert done.code == 1
    assert "0 acknowledged (0 ignored), 1 rejected, 1 deferred" in done.last


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_feed_passes_over_what_is_refused_for_good(runs: Runs, status: int) -> None:
    """Nobody can deliver it: it is told, counted, and does not hold up the others."""
    body = {"reason": "invalid_document", "detail": "page is missing"}

    def script(number: int, _: tuple[str, ...], attempt: int) -> Answer:
        return (status, body, {}) if number == 1 else GOOD

    with Stream(3, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "3")

    assert done.code == 1
    assert "rejected, and passed over: the event" in done.err
    assert "invalid_document: page is missing" in done.err
    assert (shim.numbers, len(shim.asked), runs.offset(stream)) == ([0, 2], 3, 2)


def test_feed_event_that_the_shim_keeps_as_dead_letter_is_acknowledged(runs: Runs) -> None:
    """The shim has answered for it: nothing is wrong with the feed."""
    kept: Answer = (200, {}, {"Sinks-Outcome": "rejected", "Sinks-Reason": "unscorable_revision"})
    with Stream(1, (sends(),)) as stream, Shim(lambda *_: kept) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "1", "--json")

    told = json.loads(done.out)
    assert (done.code, told["outcome"], told["kept"]) == (0, "rejected", True)
    assert done.err == "all Triggers: 1 sent, 1 acknowledged (0 ignored), 0 rejected, 0 deferred\n"


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        pytest.param((401, {}, {}), "show a token that it knows: --token-file", id="401"),
        pytest.param((403, {}, {}), "this client may not call it", id="403"),
        pytest.param((404, {}, {}), "is this the URL of the shim?", id="404"),
        pytest.param((405, {}, {}), "is this the URL of the shim?", id="405"),
        pytest.param((301, {}, {"Location": "/"}), "has to be the URL of a shim", id="301"),
        pytest.param((200, "<html>", {}), "has to be the URL of a shim", id="another_server"),
        pytest.param(
            (422, {"reason": "unknown_trigger", "detail": "there are: x"}, {}),
            "unknown_trigger: there are: x",
            id="unknown_trigger",
        ),
    ],
)
def test_feed_to_a_shim_that_is_called_wrongly_ends(
    runs: Runs, answered: Answer, told: str
) -> None:
    """A mistake in the command costs no event: nothing is passed over."""
    with Stream(5, (sends(stay=True),)) as stream, Shim(lambda *_: answered) as shim:
        done = runs.run(stream.url, shim.url, "--trigger", "typo")

    assert done.code == 2
    assert told in done.err
    assert runs.offset(stream, "typo") == -1


def test_feed_through_a_rollout_of_the_shim_goes_on(runs: Runs) -> None:
    """Whoever stands in for a shim that has answered before, does not end the feed."""
    meanwhile: Answer = (404, "<html>", {})

    def script(number: int, _: tuple[str, ...], attempt: int) -> Answer:
        return meanwhile if number == 1 and attempt == 1 else GOOD

    with Stream(2, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "2", "--concurrency", "1")

    assert (done.code, shim.numbers, len(shim.asked)) == (0, [0, 1], 3), done
    assert "SHIM answers 404: is this the URL of the shim?; again in" in done.err


def test_feed_through_a_rollout_goes_on_for_every_trigger(runs: Runs) -> None:
    """What has answered one of them is the shim, for those too that wait for their first answer."""

    def script(_: int, triggers: tuple[str, ...], attempt: int) -> Answer:
        if triggers == ("b",) and attempt == 1:
            wait_until(lambda: (0, ("a",)) in shim.taken, "the other Trigger has its event", 10)
            return 404, "<html>", {}
        return GOOD

    with Stream(1, (sends(), sends())) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--limit", "1", "--trigger", "a", "--trigger", "b")

    assert done.code == 0, done
    assert sorted(shim.taken) == [(0, ("a",)), (0, ("b",))]


def test_feed_with_a_trigger_that_is_gone_ends(runs: Runs) -> None:
    """The shim itself says so, whatever it has taken before."""

    def script(number: int, _: tuple[str, ...], __: int) -> Answer:
        gone = {"reason": "unknown_trigger", "detail": "there are: x"}
        return (422, gone, {}) if number else GOOD

    with Stream(2, (sends(),)) as stream, Shim(script) as shim:
        done = runs.run(stream.url, shim.url, "--concurrency", "1", "--trigger", "a")

    assert (done.code, shim.numbers) == (2, [0])
    assert "unknown_trigger: there are: x" in done.err


def test_feed_to_a_dead_shim_keeps_the_position(runs: Runs) -> None:
    """It is told, and tried again until the end that somebody wants."""
    with Stream(5, (sends(stay=True),)) as stream:
        done = runs.run(stream.url, "http://127.0.0.1:1", "--give-up-after", "0.3")

    assert done.code == 1
    assert "connecting to 127.0.0.1:1: [Errno 111] Connection refused; again in" in done.err
    assert "given up: " in done.err
    assert runs.offset(stream) == -1


def test_feed_shows_its_token_and_ignored_events_are_counted(runs: Runs, tmp_path: Path) -> None:
    """What no row wants is done with: the shim has said so."""
    (tmp_path / "token").write_text("secret\n")
    ignored: Answer = (200, {}, {"Sinks-Outcome": "ignored", "Sinks-Reason": "canary"})
    with Stream(1, (sends(),)) as stream, Shim(lambda *_: ignored) as shim:
        done = runs.run(
            stream.url, shim.url, "--limit", "1", "--token-file", tmp_path / "token", "--json"
        )

    told = json.loads(done.out)
    assert shim.received[0].headers["authorization"] == "Bearer secret"
    assert (told["id"], told["outcome"], told["reason"]) == ("e0", "ignored", "canary")
    assert (told["trigger"], told["wiki_id"], told["attempts"]) == (None, "enwiki", 1)
    assert "1 sent, 1 acknowledged (1 ignored)" in done.err


def test_feed_of_each_trigger_has_a_position_of_its_own(runs: Runs) -> None:
    """One Trigger that is stuck holds up nobody else."""

    def script(number: int, triggers: tuple[str, ...], attempt: int) -> Answer:
        return (503, {}, {}) if triggers == ("slow",) and number == 2 else GOOD

    with Stream(4, (sends(stay=True),)) as stream, Shim(script) as shim:
        with runs.running(
            stream.url, shim.url, "--trigger", "quick", "--trigger", "slow"
        ) as process:
            wait_until(lambda: len(shim.taken) >= 7, "all but one are taken", 30)
            wait_until(lambda: runs.offset(stream, "quick") == 3, "the state is saved", 10)
            process.terminate()
            out, _ = process.communicate(timeout=20)

    assert process.returncode == 143
    assert (runs.offset(stream, "quick"), runs.offset(stream, "slow")) == (3, 1)
    assert "quick: 4 sent, 4 acknowledged" in out
    assert "slow: 4 sent, 3 acknowledged" in out


@pytest.mark.parametrize("concurrency", [1, 3])
def test_feed_has_as_many_events_on_their_way_as_it_may(runs: Runs, concurrency: int) -> None:
    """Concurrency is what it says, and all are taken at last."""
    with Shim() as shim:
        shim.script = lambda *_: (shim.wait(0.1), GOOD)[1]
        source = ndjson(runs.directory / "in.ndjson", range(9))
        done = runs.run(source, shim.url, "--concurrency", str(concurrency))

    assert (done.code, shim.most_in_flight) == (0, concurrency)
    assert shim.numbers == list(range(9))


def test_feed_from_a_stream_that_ends_at_once_does_not_hammer_it(runs: Runs) -> None:
    """Without events the waits grow, whatever the stream wants; --give-up-after counts them."""
    with Stream(0, (sends(before=b"retry: 0\n\n"),)) as stream, Shim() as shim:
        done = runs.run(stream.url, shim.url, "--give-up-after", "2")

    assert done.code == 1
    assert "the stream has ended; nothing has come for 2 s" in done.err
    assert 3 <= len(stream.asked) <= 10
