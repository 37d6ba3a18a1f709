"""`sinks feed` from files and pipes, its state file, and input that is of no use."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from tests.feeding import Runs, Shim, Stream, change, ndjson, sends
from tests.processes import ROOT, clean_env
from tests.stopping import wait_until


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


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
    assert "it is left for the next run" in first.err
    assert "passed over" not in first.err
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
    assert done.last.endswith("3 acknowledged (0 ignored), 0 rejected, 0 deferred, 3 filtered")
    position = runs.position(str(source)) or {}
    assert position["offset"] == source.stat().st_size


def test_feed_of_a_wiki_that_is_none_says_which_may_be_meant(runs: Runs) -> None:
    """A misspelt one would leave out everything without a word, and the next run as well."""
    source = ndjson(runs.directory / "in.ndjson", range(2), "dewiki")
    with Shim() as shim:
        first = runs.run(source, shim.url, "--wiki", "dewik")
        second = runs.run(source, shim.url, "--wiki", "dewiki")
        third = runs.run(source, shim.url, "--wiki", "dewiki", "--reset")

    assert "--wiki dewik: no wiki that is known here is called so: is dewiki meant?" in first.err
    assert f"{source} was fed to its end before: --reset feeds it once more" in second.err
    assert third.err == ""
    assert (first.code, second.code, third.code, shim.numbers) == (0, 0, 0, [0, 1])


@pytest.mark.parametrize("begin", ["{\n", "[\n", "[\r\n "])
def test_feed_of_an_indented_document_says_what_is_wanted(runs: Runs, begin: str) -> None:
    """Not a line of trouble for each of its lines."""
    source = runs.directory / "in.json"
    source.write_text(begin + '  "a": 1\n}\n')
    with Shim() as shim:
        done = runs.run(source, shim.url)

    assert (done.code, shim.asked) == (2, [])
    assert (
        done.err
        == f"Error: {source}: a feed has one JSON document a line: jq -c . makes it,"
        + (" jq -c .[] of a list\n")
    )


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
    limited = f"ulimit -v 1000000; {shlex.join(runs.command(source, 'http://127.0.0.1:1'))}"

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
            ("README.md", "http://x", "--token-file", "-"), "be read again", id="token_of_a_pipe"
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
    done = runs.run(*arguments, stdin=b"token")

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


@pytest.mark.parametrize("offset", ["-5", "1" + 30 * "0", "1e400", '"x"', "[]"])
def test_feed_with_an_impossible_offset_begins_anew(runs: Runs, offset: str) -> None:
    """A state that somebody has edited is no traceback."""
    source = ndjson(runs.directory / "in.ndjson", range(2))
    position = f'{{"offset": {offset}, "sha256": ""}}'
    runs.state.parent.mkdir()
    runs.state.write_text(f'{{"version": 1, "positions": {{"{source}": {{"*": {position}}}}}}}')
    with Shim() as shim:
        done = runs.run(source, shim.url)

    assert (done.code, shim.numbers) == (0, [0, 1])
    assert "is not what it was" in done.err


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
