"""`sinks feed` between a stream, or a file, and a shim: what arrives, what is told, and where the
next run goes on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.feeding import (
    GOOD,
    Act,
    Answer,
    Shim,
    Stream,
    answers,
    breaks,
    change,
    deferred,
    offset_of,
    sends,
)
from tests.processes import ROOT, clean_env
from tests.stopping import wait_until

ALL = "*"


class Done(NamedTuple):
    """How the command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


class Runs:
    """Runs of the command with one state file."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "kept" / "feed.json"
        self.directory = directory
        self.env: dict[str, str] = {}

    def command(self, *arguments: str | Path) -> list[str]:
        return [
            *(sys.executable, "-m", "sinks", "feed", *map(str, arguments)),
            *("--state", str(self.state)),
        ]

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> Done:
        done = subprocess.run(  # noqa: S603
            self.command(*arguments),
            cwd=ROOT,
            env=clean_env(self.env),
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextmanager
    def running(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """The command in the background, killed if the block does not end it."""
        process = subprocess.Popen(  # noqa: S603
            self.command(*arguments),
            cwd=ROOT,
            env=clean_env(self.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def position(self, source: str, trigger: str = ALL) -> dict[str, Any] | None:
        kept: dict[str, Any] = json.loads(self.state.read_text())["positions"][source]
        return kept.get(trigger)

    def offset(self, stream: Stream, trigger: str = ALL) -> int:
        """The last event of the stream before which all is acknowledged."""
        kept = self.position(stream.url, trigger)
        return -1 if kept is None else offset_of(kept.get("last_event_id"))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def ndjson(path: Path, numbers: Sequence[int], wiki: str = "enwiki") -> Path:
    path.write_text("".join(f"{json.dumps(change(n, wiki))}\n" for n in numbers))
    return path


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
    assert [number for number, _ in shim.taken[:2]] == [0, 1]
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


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        pytest.param((401, {}, {}), "show a token that it knows: --token-file", id="401"),
        pytest.param((403, {}, {}), "this client may not call it", id="403"),
        pytest.param((404, {}, {}), "is this the URL of the shim?", id="404"),
        pytest.param((405, {}, {}), "is this the URL of the shim?", id="405"),
        pytest.param((301, {}, {"Location": "/"}), "has to be the URL of the shim", id="301"),
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


# --- stops and crashes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGINT, 130, id="ctrl_c"), pytest.param(signal.SIGTERM, 143, id="term")],
)
def test_feed_that_is_stopped_waits_for_what_is_on_its_way(
    runs: Runs, number: int, code: int
) -> None:
    """What the shim has taken is in the state, what not comes again."""
    with Stream(50, (sends(stay=True),)) as stream, Shim() as shim:
        shim.script = lambda *_: (shim.wait(0.3), GOOD)[1]
        with runs.running(stream.url, shim.url, "--concurrency", "2") as process:
            wait_until(lambda: len(shim.taken) >= 4, "some are taken", 20)
            process.send_signal(number)
            _, err = process.communicate(timeout=20)

        assert process.returncode == code
        assert "stopping: events on their way get 5 s; again: at once" in err
        assert [n for n, _ in sorted(shim.asked)] == list(range(len(shim.asked)))
        assert runs.offset(stream) == len(shim.taken) - 1 == len(shim.asked) - 1


def test_feed_that_is_stopped_twice_ends_at_once(runs: Runs) -> None:
    """Nobody has to wait for a shim that hangs."""
    with Stream(5, (sends(stay=True),)) as stream, Shim() as shim:
        shim.script = lambda *_: (shim.wait(), GOOD)[1]
        with runs.running(stream.url, shim.url) as process:
            wait_until(lambda: len(shim.asked) >= 5, "they are sent", 20)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while not process.stderr.readline().startswith("stopping"):
                pass
            process.send_signal(signal.SIGINT)

            assert process.wait(3) == -signal.SIGINT


def test_feed_that_is_killed_loses_no_event(runs: Runs) -> None:
    """kill -9, again and again: all are acknowledged at least once, and the end is reached."""
    total = 300
    with Stream(total, (sends(stay=True),)) as stream, Shim() as shim:
        shim.script = lambda *_: (shim.wait(0.02), GOOD)[1]
        for most in (60, 130, 200):
            with runs.running(stream.url, shim.url) as process:
                wait_until(lambda most=most: len(shim.taken) >= most, "some are taken", 30)
                process.send_signal(signal.SIGKILL)
                process.wait()
        with runs.running(stream.url, shim.url) as process:
            wait_until(lambda: runs.offset(stream) == total - 1, "the end is reached", 40)
            process.terminate()
            process.wait(20)

    assert shim.numbers == list(range(total))
    assert len(stream.asked) == 4


def test_feed_into_a_closed_pipe_ends_quietly_and_keeps_its_position(runs: Runs) -> None:
    """`| head -1` is no error worth a traceback, and no event is lost by it."""
    with Stream(200, (sends(stay=True),)) as stream, Shim() as shim:
        shim.script = lambda *_: (shim.wait(0.1), GOOD)[1]
        command = shlex.join(runs.command(stream.url, shim.url, "--json"))
        done = subprocess.run(  # noqa: S603
            ["/bin/bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
            cwd=ROOT,
            env=clean_env({}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

        assert (done.returncode, done.stderr) == (141, "")
        assert done.stdout.count("\n") == 1
        assert runs.offset(stream) < len(shim.taken) < 200


# --- files and pipes ----------------------------------------------------------------------------


def test_feed_from_a_file_ends_by_itself_and_is_done_only_once(runs: Runs) -> None:
    """The next run finds nothing new; what is appended meanwhile is new."""
    source = ndjson(runs.directory / "in.ndjson", range(20))
    with Shim() as shim:
        first = runs.run(source, f"{shim.url}/events")
        again = runs.run(source, shim.url)
        with source.open("a") as file:
            file.write(f"\n{json.dumps(change(20))}")
        appended = runs.run(source, shim.url)

    assert (first.code, again.code, appended.code) == (0, 0, 0)
    assert sorted(number for number, _ in shim.taken) == list(range(21))
    assert again.last.startswith("all Triggers: 0 sent")


@pytest.mark.parametrize("numbers", [range(10, 12), range(100, 300)], ids=["shorter", "longer"])
def test_feed_from_a_file_that_was_replaced_begins_anew(runs: Runs, numbers: range) -> None:
    """A position in another file means nothing: twice is better than never."""
    source = ndjson(runs.directory / "in.ndjson", range(5))
    with Shim() as shim:
        runs.run(source, shim.url)
        ndjson(source, numbers)
        done = runs.run(source, shim.url)

    assert done.code == 0
    assert "is not what it was, so it is read from its beginning" in done.err
    assert shim.numbers == [*range(5), *numbers]


def test_feed_from_a_file_that_is_still_written_leaves_the_cut_line(runs: Runs) -> None:
    """Half a line is no event: the next run reads the whole one."""
    source = ndjson(runs.directory / "in.ndjson", range(2))
    whole = json.dumps(change(2))
    with Shim() as shim:
        with source.open("a") as file:
            file.write(whole[:30])
        first = runs.run(source, shim.url)
        with source.open("a") as file:
            file.write(whole[30:] + "\n")
        second = runs.run(source, shim.url)

    assert (first.code, second.code) == (1, 0)
    assert "it is left for the next time" in first.err
    assert sorted(number for number, _ in shim.taken) == [0, 1, 2]


def test_feed_from_a_pipe_keeps_no_position(runs: Runs) -> None:
    """What cannot be read again has no place to go on at."""
    lines = "".join(f"{json.dumps(change(n))}\n" for n in range(3)).encode()
    with Shim() as shim:
        done = runs.run("-", shim.url, stdin=lines)

    assert (done.code, shim.numbers) == (0, [0, 1, 2])
    assert not runs.state.exists()


def test_feed_of_one_wiki_passes_over_the_others(runs: Runs) -> None:
    """They count as read: the next run does not look at them again."""
    source = ndjson(runs.directory / "in.ndjson", range(3), "dewiki")
    with source.open("a") as file:
        file.writelines(f"{json.dumps(change(n, 'frwiki'))}\n" for n in range(3, 6))
    with Shim() as shim:
        done = runs.run(source, shim.url, "--wiki", "dewiki", "--wiki", "enwiki")

    assert shim.numbers == [0, 1, 2]
    assert done.last.endswith(
        "3 acknowledged (0 ignored), 0 rejected, 0 deferred, 3 of other wikis"
    )
    position = runs.position(str(source)) or {}
    assert position["offset"] == source.stat().st_size


def test_feed_with_a_rate_is_no_faster(runs: Runs) -> None:
    """A public predictor has limits."""
    source = ndjson(runs.directory / "in.ndjson", range(6))
    with Shim() as shim:
        begun = time.monotonic()
        runs.run(source, shim.url, "--rate", "5")

    assert shim.numbers == list(range(6))
    assert time.monotonic() - begun > 5 / 5


def test_feed_with_binary_rubbish_tells_a_few_lines_and_goes_on(runs: Runs) -> None:
    """Thousands of bad lines are one trouble, not thousands."""
    source = runs.directory / "in.ndjson"
    good = json.dumps(change(0)).encode()
    rubbish = b"".join(b"\xff\x00\x1b[2J%d\n[]\n" % n for n in range(3000))
    source.write_bytes(rubbish + good + b"\n" + b"x" * 5 * 2**20 + b"\n")
    with Shim() as shim:
        done = runs.run(source, shim.url)

    assert (done.code, shim.numbers) == (1, [0])
    assert "1 sent, 1 acknowledged (0 ignored), 6001 rejected" in done.last
    assert "it has more than 4194304 bytes" in done.err
    assert "\x1b" not in done.err
    assert done.err.count("\n") < 10


def test_feed_from_a_file_without_line_ends_needs_little_memory(runs: Runs) -> None:
    """A gigabyte of zeros is one bad line."""
    source = runs.directory / "zeros"
    with source.open("wb") as file:
        file.truncate(2**30)
    limited = f"ulimit -v 1500000; {shlex.join(runs.command(source, 'http://127.0.0.1:1'))}"

    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", limited],
        cwd=ROOT,
        env=clean_env({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert "it has more than 4194304 bytes" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(("missing.ndjson", "http://x"), "missing.ndjson: No such file", id="missing"),
        pytest.param(("sinks", "http://x"), "sinks: Is a directory", id="directory"),
        pytest.param(
            ("x.org/v2/stream/y", "http://x"), "a stream begins with https://", id="no_scheme"
        ),
        pytest.param(("http://[", "http://x"), "SOURCE has to be an http", id="source_url"),
        pytest.param(("README.md", "127.0.0.1:8080"), "SHIM has to be an http", id="shim_url"),
        pytest.param(
            ("README.md", "http://x", "--token-file", "none"), "--token-file: none", id="token"
        ),
        pytest.param(
            ("README.md", "http://x", "--ca-file", "README.md"), "be a PEM file", id="ca_file"
        ),
        pytest.param(
            ("/dev/null", "http://x", "--trigger", "a", "--trigger", "b"), "only once", id="twice"
        ),
    ],
)
def test_feed_bad_input_is_one_clear_line(
    runs: Runs, arguments: tuple[str, ...], told: str
) -> None:
    """Nothing is sent, and nobody has to read a traceback."""
    done = runs.run(*arguments)

    assert (done.code, done.out) == (2, "")
    assert told in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    "text",
    ["", "rubbish", "[]", '{"version": 2, "positions": {}}', '{"version": 1, "positions": [1]}'],
)
def test_feed_with_a_state_that_is_none_does_not_begin_anew(runs: Runs, text: str) -> None:
    """Somebody else's file is not overwritten, and a position not thrown away silently."""
    source = ndjson(runs.directory / "in.ndjson", range(2))
    runs.state.parent.mkdir()
    runs.state.write_text(text)
    done = runs.run(source, "http://127.0.0.1:1")

    assert done.code == 2
    assert "is no state of `sinks feed`" in done.err
    assert runs.state.read_text() == text


def test_feed_whose_state_is_in_use_says_so(runs: Runs) -> None:
    """Two feeds would overwrite each other's positions."""
    with Stream(0, (sends(stay=True),)) as stream, Shim() as shim:
        with runs.running(stream.url, shim.url):
            wait_until(lambda: len(stream.asked) == 1, "the first one runs", 20)
            done = runs.run(stream.url, shim.url)

    assert done.code == 2
    assert "another feed uses" in done.err


def test_feed_whose_state_cannot_be_written_says_so(runs: Runs) -> None:
    """Before the first event, not after the last."""
    source = ndjson(runs.directory / "in.ndjson", range(2))
    runs.state = source / "feed.json"
    done = runs.run(source, "http://127.0.0.1:1")

    assert done.code == 2
    assert f"{source}: File exists" in done.err


# --- where it runs ------------------------------------------------------------------------------


def test_feed_takes_the_proxy_of_the_environment_but_not_for_loopback(runs: Runs) -> None:
    """A laptop behind a proxy reaches the public stream by it; a local one needs none."""
    with Stream(1, (sends(),)) as proxy, Shim() as shim:
        runs.env = {"http_proxy": proxy.url.partition("/v2")[0]}
        public = runs.run("http://stream.invalid/v2/stream/x", shim.url, "--limit", "1")
        with Stream(1, (sends(),)) as stream:
            local = runs.run(stream.url, shim.url, "--limit", "1")

    assert (public.code, local.code) == (0, 0)
    assert [r.target.partition("?")[0] for r in proxy.received] == [
        "http://stream.invalid/v2/stream/x"
    ]
    assert len(stream.asked) == 1


def test_feed_on_a_terminal_shows_progress_with_rate_and_lag(runs: Runs) -> None:
    """In place, and wiped away at the end; without colour there are no codes but these."""
    with Stream(100, (sends(stay=True),)) as stream, Shim() as shim:
        shim.script = lambda *_: (shim.wait(0.1), GOOD)[1]
        child, screen = pty.fork()
        if child == 0:
            env = clean_env({"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "150"})
            os.chdir(ROOT)
            command = runs.command(stream.url, shim.url, "--limit", "60")
            os.execve(command[0], command, env)  # noqa: S606
        said = b""
        with contextlib.suppress(OSError):
            while part := os.read(screen, 65536):
                said += part
        _, status = os.waitpid(child, 0)
        os.close(screen)

    shown = said.decode()
    assert os.waitstatus_to_exitcode(status) == 0, shown
    progress = r"\r\x1b\[2Kall Triggers: \d+ sent, \d+ acknowledged .* [\d.]+/s, lag \d+ \w+"
    assert re.search(progress, shown)
    assert shown.endswith(
        "\r\x1b[2Kall Triggers: 60 sent, 60 acknowledged (0 ignored), 0 rejected, 0 deferred\r\n"
    )
    assert set(re.findall(r"\x1b.*?[A-Za-z]", shown)) == {"\x1b[2K"}
