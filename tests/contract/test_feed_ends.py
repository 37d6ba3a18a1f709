"""How `sinks feed` ends: stopped, killed, into a closed pipe; and how it looks until then."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.feeding import GOOD, Answer, Runs, Shim, Stream, sends
from tests.processes import ROOT, clean_env
from tests.stopping import wait_until


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


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

            assert process.wait(20) == -signal.SIGINT


def test_feed_that_is_killed_loses_no_event(runs: Runs) -> None:
    """kill -9, again and again, while an event that was deferred waits and others overtake it:
    all are acknowledged at least once, and the end is reached."""
    total = 250
    later: Answer = (503, {}, {"Retry-After": "2"})

    with Stream(total, (sends(stay=True),)) as stream, Shim() as shim:

        def script(number: int, _: tuple[str, ...], attempt: int) -> Answer:
            shim.wait(0.05)
            return later if number % 50 == 25 and attempt == 1 else GOOD

        shim.script = script
        for most in (20, 70, 120):
            with runs.running(stream.url, shim.url) as process:
                wait_until(lambda most=most: runs.offset(stream) >= most, "some are done", 30)
                process.send_signal(signal.SIGKILL)
                process.wait()
        with runs.running(stream.url, shim.url) as process:
            wait_until(lambda: runs.offset(stream) == total - 1, "the end is reached", 40)
            process.terminate()
            process.wait(20)

    assert shim.numbers == list(range(total))
    assert len(stream.asked) >= 3


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
