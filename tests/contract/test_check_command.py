"""`sinks contract check` as a person or a pipeline runs it: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sinks.cli import main
from sinks.contract.check.rules import RULES
from sinks.local.processes import ROOT
from tests.factories import DATA
from tests.upstream import Upstream, answer

COMMAND = [sys.executable, "-m", "sinks", "contract", "check"]
PAYLOADS = DATA / "payloads"
GOOD = str(PAYLOADS / "reply_binary.http")
FAULTY = str(PAYLOADS / "reply_faulty.http")
DOCUMENT = str(DATA / "events" / "page_change_edit.json")
# The interpreter and what it imports take 45 MB, a payload at most 16 MiB.
MAX_RSS_KIB = 160 * 1024
GIB = 2**30
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command in this process, without a terminal: a start takes longer than a check."""
    done = CliRunner().invoke(main, ["contract", "check", *arguments], stdin, prog_name="sinks")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return subprocess.CompletedProcess(
        arguments, done.exit_code, done.stdout_bytes, done.stderr_bytes
    )


def process(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, without a terminal."""
    return subprocess.run(  # noqa: S603
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=30,
        check=False,
    )


def shell(script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a pipeline, in which "$@" is the command."""
    return subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", script, "bash", *COMMAND, *arguments],
        capture_output=True,
        cwd=ROOT,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
    )


# The high-water mark of the command's own memory; that of getrusage begins with its parent's.
REPORTING = """
import atexit, sys
from pathlib import Path
from sinks.cli import main
atexit.register(lambda: sys.stderr.write(Path("/proc/self/status").read_text()))
main(prog_name="sinks")
"""


def peak(arguments: Sequence[str], stdin: int = subprocess.DEVNULL) -> tuple[int, int, bytes]:
    """Run the command; its exit code, the most memory that it had in KiB, and its stderr."""
    limited = ["/bin/bash", "-c", f'ulimit -v {GIB // 1024}; exec "$@"', "bash"]
    done = subprocess.run(  # noqa: S603
        [*limited, sys.executable, "-c", REPORTING, "contract", "check", *arguments],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
    )
    said, _, status = done.stderr.partition(b"Name:")
    most = re.search(rb"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    assert most is not None
    return done.returncode, int(most[1]), said


def no_traceback(done: subprocess.CompletedProcess[bytes]) -> bool:
    return b"Traceback" not in done.stderr + done.stdout


# What it says.


def test_check_of_a_good_reply_prints_verdicts_and_exits_0() -> None:
    """One line for the payload, one for each neighbour, one for the sum."""
    done = process(GOOD)

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith(f"{GOOD}: HTTP response 200, binary mode, id 5c2e4eb9-")
    assert [line.partition(":")[0].strip() for line in lines[1:-1]] == [
        "Knative's MT broker",
        "Knative's Kafka broker",
        "http-shim",
        "Go SDK",
        "EventGate",
    ]
    assert lines[-1] == "1 payload, 0 findings"


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("reply_prediction.json", "/mediawiki/page/prediction_classification_change/1.3.0"),
        ("reply_tags.json", "/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0"),
    ],
    ids=["prediction", "tags"],
)
def test_check_of_a_good_reply_that_is_no_score_has_no_findings(name: str, schema: str) -> None:
    """What is judged is the whole document: it is known exactly."""
    path = PAYLOADS / name

    done = run(str(path))

    assert json.loads(path.read_bytes())["data"]["$schema"] == schema
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"of the data alone: takes it, 201, and sets meta.dt\n" in done.stdout
    assert done.stdout.decode().splitlines()[-1] == "1 payload, 0 findings"


def test_check_of_a_faulty_reply_prints_findings_and_exits_1() -> None:
    """A finding is four lines: rule and place, problem, clause, fix."""
    done = process(FAULTY)

    assert (done.returncode, done.stderr) == (1, b"")
    lines = done.stdout.decode().splitlines()
    at = lines.index("  error: go_time at ce-time")
    assert lines[at + 1].startswith("    time has to be written with upper-case T and Z")
    assert lines[at + 2].startswith("    clause: ")
    assert lines[at + 3].startswith("    fix: ")
    assert lines[-1] == "1 payload, 14 findings, 3 of them warnings"


def test_check_of_warnings_alone_exits_0(tmp_path: Path) -> None:
    """A warning is no failure of a pipeline."""
    path = tmp_path / "reply.http"
    path.write_bytes(Path(GOOD).read_bytes().replace(b"200 OK", b"202 ACCEPTED"))

    done = run(str(path))

    assert done.returncode == 0
    assert b"warning: reply_status" in done.stdout


def test_check_of_standard_input_is_that_of_a_file() -> None:
    """`-` is what is piped in."""
    done = process("-", stdin=Path(DOCUMENT).read_bytes())

    assert done.returncode == 0
    assert done.stdout.startswith(b"standard input: event-platform document, $schema /mediawiki/")


def test_check_as_json_is_one_document() -> None:
    """What a program reads: payloads, verdicts, findings, counts."""
    done = run("--json", GOOD, FAULTY, "/does/not/exist")

    assert done.returncode == 2
    report = json.loads(done.stdout)
    good, faulty, unread = report["payloads"]
    assert (report["errors"], report["warnings"]) == (11, 3)
    assert (good["kind"], good["mode"], good["status"]) == ("HTTP response", "binary", 200)
    assert (good["source"], good["findings"]) == ("/models/drafttopic", [])
    assert good["verdicts"][3] == {"neighbour": "Go SDK", "text": "reads it"}
    assert {finding["rule"] for finding in faulty["findings"]} <= set(RULES)
    assert set(faulty["findings"][0]) == {
        *("rule", "place", "problem", "clause", "fix", "severity"),
    }
    assert unread == {"file": "/does/not/exist", "problem": "No such file or directory"}


def test_check_as_request_judges_by_the_ingress() -> None:
    """`--as` says what a JSON file is meant as."""
    done = run("--as", "request", str(PAYLOADS / "reply.json"))

    assert b"Knative's MT broker: posted to it: takes it, 202" in done.stdout


def test_check_with_a_stream_of_the_callers_allows_it() -> None:
    """`--stream` can be given more than once."""
    content = Path(DOCUMENT).read_bytes().replace(b"mediawiki.page_change.v1", b"one")

    unknown = run("-", stdin=content)
    known = run("--stream", "two", "--stream", "one", "-", stdin=content)

    assert b"stream_unknown" in unknown.stdout
    assert b"0 findings" in known.stdout


def test_check_rules_lists_every_rule() -> None:
    """The list of rules is part of the command."""
    done = run("--rules")

    assert done.returncode == 0
    named = [line.split(" ")[0] for line in done.stdout.decode().splitlines() if line[0] != " "]
    assert named == list(RULES)


def test_check_help_shows_an_example() -> None:
    """How to get a payload in the first place."""
    done = run("--help")

    assert done.returncode == 0
    assert b"curl -si" in done.stdout


# With what it is given.


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda path: None, "No such file or directory", id="missing"),
        pytest.param(lambda path: path.mkdir(), "Is a directory", id="directory"),
        pytest.param(lambda path: path.write_bytes(b""), "is empty", id="empty"),
        pytest.param(
            lambda path: path.write_bytes(bytes(range(256)) * 64), "is neither JSON", id="binary"
        ),
        pytest.param(lambda path: path.write_bytes(b'{"a":'), "is not JSON", id="syntax-error"),
        pytest.param(
            lambda path: path.write_bytes(b'{"specversion":"1.0"}\n' * 2), "several", id="ndjson"
        ),
    ],
)
def test_check_of_what_is_no_payload_is_one_clear_line(
    tmp_path: Path, make: Callable[[Path], Any], problem: str
) -> None:
    """The line names the file and the problem; the others are still checked, and 2 wins."""
    path = tmp_path / "payload"
    make(path)

    done = run(str(path), FAULTY)

    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"Error: {path}: ") and problem in lines[0]
    assert done.stdout.decode().splitlines()[-1].startswith("1 payload, 14 findings")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param([], b"name a FILE, or - for standard input", id="no-file"),
        pytest.param(["-", "-"], b"name - once", id="standard-input-twice"),
        pytest.param(["--as", "answer", GOOD], b"'answer' is not one of", id="unknown-role"),
        pytest.param(["--nope", GOOD], b"No such option", id="unknown-option"),
    ],
)
def test_check_with_wrong_usage_exits_2(arguments: list[str], problem: bytes) -> None:
    """Usage errors are told as click tells them."""
    done = run(*arguments)

    assert done.returncode == 2
    assert problem in done.stderr
    assert no_traceback(done)


def test_check_with_standard_input_closed_is_one_clear_line() -> None:
    """A service may start it so."""
    done = shell('"$@" <&-', "-")

    assert (done.returncode, done.stderr) == (
        2,
        b"Error: standard input: it is closed: pipe something into it\n",
    )


@pytest.mark.parametrize("name", ["caf\udce9\x1b[31m", "日本"], ids=["no-text", "non-ascii"])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_check_of_an_odd_file_name_writes_no_control_codes(
    tmp_path: Path, name: str, locale: str
) -> None:
    """Names are bytes, and terminals obey some."""
    path = tmp_path / name
    path.write_bytes(Path(GOOD).read_bytes())

    done = process(str(path), str(path) + ".missing", environment={"LC_ALL": locale})

    assert done.returncode == 2
    assert b"1 payload, 0 findings, 1 unreadable" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr
    assert no_traceback(done)


def test_check_on_an_ascii_terminal_escapes_what_it_cannot_write(tmp_path: Path) -> None:
    """Old encodings are no reason to crash."""
    path = tmp_path / "日本"
    path.write_bytes(Path(GOOD).read_bytes())

    done = process(str(path), environment={"PYTHONIOENCODING": "ascii"})

    assert done.returncode == 0
    assert no_traceback(done)


# Sizes.


def test_check_of_a_file_of_1_gib_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """No more than the limit and one byte is read."""
    path = tmp_path / "sparse"
    with path.open("wb") as sparse:
        sparse.truncate(GIB)

    code, kib, said = peak([str(path)])

    assert code == 2
    assert said.decode() == f"Error: {path}: is larger than 16 MiB, which no receiver would take\n"
    assert kib < MAX_RSS_KIB


def test_check_of_1_gib_piped_in_is_refused_in_bounded_memory() -> None:
    """A pipe has no size to look at before."""
    with subprocess.Popen(
        ["/usr/bin/head", "-c", "1G", "/dev/zero"],  # noqa: S603
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as zeros:
        assert zeros.stdout is not None
        code, kib, said = peak(["-"], zeros.stdout.fileno())
        zeros.stdout.close()

    assert (code, b"larger than 16 MiB" in said) == (2, True)
    assert kib < MAX_RSS_KIB


def test_check_of_an_endless_device_is_refused() -> None:
    """/dev/zero never ends."""
    code, kib, said = peak(["/dev/zero"])

    assert (code, b"larger than 16 MiB" in said) == (2, True)
    assert kib < MAX_RSS_KIB


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 400_000, id="interim-answers"),
        pytest.param(b"POST / HTTP/1.1\r\n" + b"ce-a: %\r\n" * 900_000, id="headers"),
        pytest.param(b"POST / HTTP/1.1\r\na:" + b" " * 9_000_000 + b"x", id="spaces"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1_300_000,
            id="chunks",
        ),
        pytest.param(b'{"specversion":' + b"[" * 9_000_000, id="brackets"),
        pytest.param(b'{"specversion":"1.0",' + b'"data_base64":' * 600_000, id="members"),
        pytest.param(
            b'{"$schema":"/mediawiki/revision/score/3.0.0","scores":[' + b"1," * 4_000_000 + b"1]}",
            id="faults",
        ),
    ],
)
def test_check_of_a_large_hostile_payload_ends_soon(tmp_path: Path, content: bytes) -> None:
    """Nothing takes time that grows with the square of the size."""
    path = tmp_path / "payload"
    path.write_bytes(content)

    begun = time.monotonic()
    code, kib, said = peak([str(path)])

    assert code in (1, 2)
    assert b"Traceback" not in said
    assert time.monotonic() - begun < 25
    assert kib < 1024 * 1024


# Ends.


def test_check_into_a_reader_that_stops_is_silent() -> None:
    """`| head -1` reads one line and closes the pipe."""
    done = shell('"$@" | head -1; exit "${PIPESTATUS[0]}"', *[FAULTY] * 300)

    assert done.stdout.startswith(FAULTY.encode())
    assert done.stdout.count(b"\n") == 1
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_check_into_a_reader_that_never_reads_is_silent() -> None:
    """Even one short report can find nobody at the other end."""
    done = shell('"$@" | true; exit "${PIPESTATUS[0]}"', GOOD)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_check_into_a_full_disk_is_one_clear_line() -> None:
    """What cannot be written is told, not traced."""
    done = shell('"$@" > /dev/full', FAULTY)

    assert (done.returncode, done.stderr) == (
        2,
        b"Error: cannot write: No space left on device\n",
    )


def test_check_interrupted_while_it_reads_says_so() -> None:
    """Ctrl-C ends it with 130, as other commands."""
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=ENVIRONMENT,
        # Whoever runs these tests in the background may have had it ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdin is not None
    process.stdin.write(b'{"specversion":')
    process.stdin.flush()
    until_it_sleeps_in_a_read(process.pid)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (130, b"", b"\ninterrupted\n")


def until_it_sleeps_in_a_read(pid: int) -> None:
    """Wait until the pipe that we have written to is empty: the command has read it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if "pipe_read" in Path(f"/proc/{pid}/wchan").read_text(encoding="ascii"):
            return
        time.sleep(0.05)
    raise AssertionError("the command never waited for its input")


# Terminals.


def on_a_terminal(
    arguments: Sequence[str], environment: Mapping[str, str], typed: bytes = b""
) -> tuple[int, bytes]:
    """Run the command on a terminal of its own; its exit code and all that is shown."""
    master, slave = pty.openpty()
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env={**ENVIRONMENT, **environment},
        start_new_session=True,
    )
    os.close(slave)
    if typed:
        os.write(master, typed)
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(master, 65536)
        except OSError:  # the last one who had it open has gone
            break
        if not part:
            break
        shown += part
    os.close(master)
    return process.wait(timeout=10), shown


def test_check_on_a_terminal_is_in_colour() -> None:
    """Errors red, warnings yellow."""
    code, shown = on_a_terminal([FAULTY], {})

    assert code == 1
    assert b"\x1b[31m  error: go_time at ce-time\x1b[0m" in shown
    assert b"\x1b[33m  warning: reply_status at status\x1b[0m" in shown


def test_check_on_a_terminal_with_no_color_is_plain() -> None:
    """Who asks for none gets none."""
    code, shown = on_a_terminal([FAULTY], {"NO_COLOR": "1"})

    assert code == 1
    assert b"  error: go_time at ce-time" in shown
    assert b"\x1b[3" not in shown


def test_check_without_a_terminal_is_plain() -> None:
    """A file or a pipe gets text."""
    assert b"\x1b" not in process(FAULTY).stdout


def test_check_of_a_terminal_says_how_to_end_and_reads_what_is_typed() -> None:
    """Nobody knows what a silent command waits for."""
    code, shown = on_a_terminal(["-"], {}, typed=b'{"$schema": "/x/y/1.0.0"}\n\x04')

    assert code == 0
    assert b"until Ctrl-D" in shown
    assert b"standard input: event-platform document, $schema /x/y/1.0.0" in shown


# With the tools that make payloads.


@pytest.mark.parametrize("flags", ["-si", "-sv", "-si --raw"])
def test_check_reads_what_curl_prints(flags: str) -> None:
    """The command of the help text, and curl's other ways to show heads."""
    headers = {
        "Content-Type": "application/json",
        **{f"ce-{name}": value for name, value in {"id": "1", "source": "/x", "type": "x"}.items()},
        "ce-specversion": "1.0",
    }
    with Upstream(answer(200, b'{"a":1}', headers)) as upstream:
        done = shell(f"curl {flags} -d '{{}}' {upstream.url}/ 2>&1 | \"$@\"", "-")

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"HTTP response 200, binary mode, id 1" in done.stdout
    assert b"1 payload, 0 findings" in done.stdout


def test_check_starts_soon() -> None:
    """Nothing heavy is imported: 1.5 s of a processor are enough, even of a busy one."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process(GOOD)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert 0 < min(seconds) < 1.5
