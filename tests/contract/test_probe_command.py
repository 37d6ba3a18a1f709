"""`sinks contract probe` and `pytest --pyargs sinks.contract`, as people and CI servers meet them.

Whatever is at the URL: an exit code that says which of the three it is, one clear line where there
is nothing to report, and never a traceback.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sinks.cli import main
from sinks.contract.rows.tables import rows_for
from sinks.local import processes
from sinks.local.processes import Server
from tests.certificates import self_signed
from tests.defects import UNDAMAGED, serving
from tests.factories import (
    page_change,
    prediction_classification,
    revision_create,
    revision_score,
    structured,
    weighted_tags,
)
from tests.processes import ROOT, Running, clean_env
from tests.upstream import Upstream, close, predictor, raw_server

COMMAND = (sys.executable, "-m", "sinks", "contract", "probe")
GOOD, FOUND, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141
SCORE = ("--as", "score-sink", "--expect-row", "drafttopic")
ANY = ("--as", "any-processor")
TAGS = "article-country-tags"
ROWS = len(rows_for("score-sink"))
CODES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
Handle = Callable[[socket.socket], object]


# --- who is probed ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """A good score-sink, one that answers OK, and one that answers a GET."""
    directory = tmp_path_factory.mktemp("sinks")
    with (
        Upstream(predictor) as upstream,
        serving(("text_reply", "get_answered"), upstream.url, directory) as running,
    ):
        yield running


@pytest.fixture
def good(sinks: dict[str, Running]) -> str:
    return sinks[UNDAMAGED].url


@contextlib.contextmanager
def served(handle: Handle) -> Iterator[str]:
    """Give the URL of a server that hands each connection to `handle`."""
    with raw_server(handle) as port:
        yield f"http://127.0.0.1:{port}"


@dataclass
class Proxy:
    """Passes connections on to a sink, and remembers what was said on each, in both directions.

    dies_at:   what a client has to say for the sink to be gone from then on.
    hangs_at:  what a client has to say for nobody to be heard any more.
    """

    sink: Running
    dies_at: bytes | None = None
    hangs_at: bytes | None = None
    asked: list[bytearray] = field(default_factory=list)
    answered: list[bytearray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._hanging = threading.Event()
        self._opened: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        close(self._listener, *self._opened)

    @property
    def answers(self) -> int:
        """How many final answers there were."""
        final = rb"HTTP/1\.[01] [2-5]\d\d "
        return sum(len(re.findall(final, bytes(each))) for each in self.answered)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                sink = socket.create_connection(("127.0.0.1", self.sink.port))
                self._opened += [client, sink]
                self.asked.append(bytearray())
                self.answered.append(bytearray())
                for ends in ((client, sink, self.asked[-1]), (sink, client, self.answered[-1])):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, drain: socket.socket, said: bytearray) -> None:
        with contextlib.suppress(OSError):
            while more := source.recv(65536):
                said += more
                if self.dies_at is not None and self.dies_at in said:
                    close(self._listener, *self._opened)
                if self.hangs_at is not None and self.hangs_at in said:
                    self._hanging.set()
                if not self._hanging.is_set():
                    drain.sendall(more)
            drain.shutdown(socket.SHUT_WR)


# --- running it ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str
    seconds: float


def run(*args: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Done:
    """Run the command without a terminal."""
    begun = time.monotonic()
    done = subprocess.run(  # noqa: S603
        [*COMMAND, *args],
        cwd=cwd,
        env=clean_env(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    seconds = time.monotonic() - begun
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), seconds)


def invoke(*args: str) -> Done:
    """Run the command in this process: a start takes longer than most probes."""
    begun = time.monotonic()
    result = CliRunner().invoke(main, ["contract", "probe", *args], prog_name="sinks")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Done(result.exit_code, result.stdout, result.stderr, time.monotonic() - begun)


def assert_one_clear_line(done: Done, *words: str) -> None:
    """Exit code 2, nothing on standard output, one line that says what to do."""
    assert done.code == USAGE, done
    assert done.out == ""
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1 and done.err.endswith("\n")
    assert not CODES.search(done.err)
    for word in words:
        assert word in done.err


def assert_wrong_usage(done: Done, *words: str) -> None:
    """Exit code 2, and the error names the option that is wrong."""
    assert done.code == USAGE, done
    assert done.out == ""
    usage, error, problem = done.err.rpartition("Error: ")
    assert error and "Traceback" not in usage
    for word in words:
        assert word in problem


# --- a good sink --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [SCORE, ANY], ids=["score-sink", "any-processor"])
def test_probe_good_sink_says_what_it_did_and_exits_0(
    sinks: dict[str, Running], role: tuple[str, ...]
) -> None:
    """One line a row, first and last what has been done; nothing but text without a terminal."""
    with Proxy(sinks[UNDAMAGED]) as proxy:
        url = f"{proxy.url}/models/drafttopic"
        done = run(url, *role)

    first, *lines, last = done.out.splitlines()
    rows = rows_for("score-sink" if role == SCORE else "any-processor")
    assert (done.code, done.err) == (GOOD, "")
    assert first == f"{url} as {role[1]}: {len(rows)} rows, {proxy.answers} requests"
    assert lines == [f"ok    {row.name}" for row in rows]
    assert last == f"{len(rows)} rows, {proxy.answers} requests, no findings"
    assert not CODES.search(done.out)


def test_probe_url_without_a_path_gets_the_sinks_path() -> None:
    """Without a path it is the one that such a sink has; with one, the URL is used as it is."""
    heard: list[bytes] = []
    with served(lambda sock: heard.append(sock.recv(65536))) as url:
        invoke(url, "--as", "score-sink", "--expect-row", "damaging")
        invoke(url, "--as", "http-shim")
        invoke(url, *ANY)
        invoke(f"{url}/models/goodfaith?a=b", "--as", "score-sink")

    assert [each.partition(b"\r\n")[0] for each in heard] == [
        b"POST /models/damaging HTTP/1.1",
        b"POST /events HTTP/1.1",
        b"POST / HTTP/1.1",
        b"POST /models/goodfaith?a=b HTTP/1.1",
    ]
    assert all(f"\r\nHost: {url[7:]}\r\n".encode() in each for each in heard)


def test_probe_expected_row_gets_the_document_that_it_reads() -> None:
    """Most rows read changes of pages, one reads another row's prediction."""
    heard: list[bytes] = []
    with served(lambda sock: heard.append(sock.recv(65536))) as url:
        invoke(url, "--as", "score-sink", "--expect-row", "revertrisk-wikidata")
        invoke(url, "--as", "any-processor", "--expect-row", TAGS)
        invoke(f"{url}/models/{TAGS}", "--as", "score-sink")

    change, *predictions = heard
    assert b'"$schema": "/mediawiki/page/change/' in change
    assert b'"wiki_id": "wikidatawiki"' in change
    for prediction in predictions:
        assert b'"$schema": "/mediawiki/page/prediction_classification_change/' in prediction
        assert b"\r\nce-source: /models/article-country\r\n" in prediction


@pytest.mark.parametrize(
    ("document", "source"),
    [
        (revision_score(), b"/models/drafttopic"),
        (prediction_classification(), b"/models/article-country"),
        (weighted_tags(), b"/models/article-country-tags"),
    ],
    ids=["score", "prediction", "tags"],
)
def test_probe_own_document_for_egress_may_be_of_each_kind(
    tmp_path: Path, document: dict[str, Any], source: bytes
) -> None:
    """A bare document gets the attributes that it would travel with."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps(document))
    heard: list[bytes] = []

    with served(lambda sock: heard.append(sock.recv(65536))) as url:
        invoke(url, "--as", "egress-sink", "--event", str(event))

    assert b"\r\nce-source: " + source + b"\r\n" in heard[0]


def test_probe_works_from_any_directory(tmp_path: Path) -> None:
    """What the kit needs, its events among it, comes with it."""
    heard: list[bytes] = []
    with served(lambda sock: heard.append(sock.recv(65536))) as url:
        run(url, *SCORE, env={"PYTHONPATH": ""}, cwd=tmp_path)

    assert b'"$schema": "/mediawiki/page/change/' in heard[0]


# --- findings -----------------------------------------------------------------------------------


def test_probe_finding_says_what_who_and_what_to_do_and_exits_1(sinks: dict[str, Running]) -> None:
    """A failed row is shown with why it matters, and each finding with clause and fix."""
    done = run(sinks["get_answered"].url, *SCORE)

    lines = done.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert (done.code, done.err) == (FOUND, "")
    assert lines[at].startswith("FAIL  method_get: Knative takes a 200")
    assert lines[at + 1] == "  error: bad_event_accepted at status"
    assert lines[at + 2].startswith("    200; expected: a failure (405)")
    assert lines[at + 3].startswith("    clause: Knative data plane")
    assert lines[at + 4] == "    fix: answer 405 with Allow"
    assert ", 1 findings in 1 rows: method_get;" in lines[-1]


def test_probe_quiet_leaves_out_what_is_fine(sinks: dict[str, Running]) -> None:
    """Who mends a sink looks at what is left to do."""
    done = invoke(sinks["get_answered"].url, *SCORE, "--quiet")

    assert done.code == FOUND
    assert [line[:4] for line in done.out.splitlines() if not line.startswith(" ")] == [
        "http", "FAIL", f"{ROWS} ",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "fix"),
    [("/models/drafttopic/", "path of the URL"), ("/models/nope", "4xx")],
    ids=["wrong_path", "wrong_row"],
)
def test_probe_sink_that_refuses_its_good_event_is_told_once(
    sinks: dict[str, Running], path: str, fix: str
) -> None:
    """Hundreds of findings would say the same in other words, and hide what is wrong."""
    done = invoke(sinks[UNDAMAGED].url + path, *ANY)

    assert done.code == FOUND
    assert done.out.count("FAIL") == done.out.count("error: good_event_refused") == 1
    assert done.out.splitlines()[-1].startswith("the sink refuses its good event")
    assert fix in done.out or "422" in done.out


@pytest.mark.parametrize("row", ["event_binary", "body_slow", "body_sent_whole_too_large"])
def test_probe_show_tells_what_a_row_sends_and_sends_nothing(row: str) -> None:
    """A finding can be understood without reading the tables."""
    done = invoke("http://127.0.0.1:1", *SCORE, "--show", row)

    assert (done.code, done.err) == (GOOD, "")
    assert done.out.startswith(f"{row}: ")
    assert "  POST /models/drafttopic HTTP/1.1\n" in done.out
    assert "expected: " in done.out
    assert len(done.out) < 100_000


def test_probe_junit_of_before_is_kept_where_nobody_answers(tmp_path: Path) -> None:
    """A sink that is down for a moment does not cost the last report."""
    junit = tmp_path / "probe.xml"
    junit.write_text("before")

    done = invoke("http://127.0.0.1:1", *SCORE, "--junit", str(junit))

    assert done.code == USAGE
    assert junit.read_text() == "before"


def test_probe_json_and_junit_say_the_same(sinks: dict[str, Running], tmp_path: Path) -> None:
    """One JSON document on standard output and nothing else; JUnit XML in the file."""
    junit = tmp_path / "probe.xml"
    url = sinks["get_answered"].url

    done = run(url, *SCORE, "--json", "--junit", str(junit))

    report = json.loads(done.out)
    suite = ElementTree.parse(junit).getroot()  # noqa: S314  # written by us
    cases = suite.findall("testcase")
    failed = {row["name"]: row["findings"] for row in report["rows"] if row["findings"]}
    assert (done.code, done.err) == (FOUND, "")
    assert (report["url"], report["as"], report["expect_row"]) == (url, "score-sink", "drafttopic")
    assert report["findings"] == 1
    assert list(failed) == ["method_get"]
    assert set(failed["method_get"][0]) == {
        "rule", "place", "problem", "clause", "fix", "severity",
    }  # fmt: skip
    assert suite.tag == "testsuite"
    assert suite.attrib["tests"] == str(len(cases)) == str(ROWS) == str(len(report["rows"]))
    assert suite.attrib["failures"] == "1"
    assert [case.attrib["name"] for case in cases if len(case)] == ["method_get"]
    (failure,) = suite.iter("failure")
    assert failure.attrib["type"] == "bad_event_accepted"
    assert failure.text is not None and "fix: answer 405" in failure.text


def test_probe_expected_row_is_another_rows_is_found(good: str) -> None:
    """A Trigger that names the wrong row would publish to the wrong stream."""
    done = invoke(f"{good}/models/drafttopic", "--as", "any-processor", "--expect-row", "damaging")

    assert done.code == FOUND
    assert "error: prediction_invalid at /meta/stream" in done.out


def test_probe_text_of_the_sink_cannot_reach_the_terminal(tmp_path: Path) -> None:
    """A sink's answer is shown as text, whatever codes are in it."""
    body = "\x1b]0;owned\x07\x1b[2J\u202e\r\né".encode()
    head = b"HTTP/1.1 500 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)

    def handle(sock: socket.socket) -> None:
        sock.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            sock.recv(65536)
        sock.sendall(head + body)

    with served(handle) as url:
        done = invoke(url, *ANY, "--timeout", "2", "--junit", str(tmp_path / "probe.xml"))

    assert done.code == FOUND
    assert not CODES.search(done.out)
    assert "\u202e" not in done.out
    assert "owned" in done.out
    assert len(ElementTree.parse(tmp_path / "probe.xml").getroot()) == 1  # noqa: S314


# --- what it is given ---------------------------------------------------------------------------


def test_probe_own_event_and_token_are_sent_and_the_token_is_not_told(
    sinks: dict[str, Running], tmp_path: Path
) -> None:
    """Each request carries the event and the token of one's own; no report tells the token."""
    event, token = tmp_path / "event.json", tmp_path / "token"
    event.write_bytes(structured(page_change(), id="own-1", subject="日本", flag=True)[1])
    token.write_text("s3cret-t0ken\n")

    with Proxy(sinks["get_answered"]) as proxy:
        files = ("--event", str(event), "--token-file", str(token))
        done = invoke(proxy.url, *SCORE, *files, "--json")

    said = [bytes(each).lower() for each in proxy.asked]
    whole = [each for each in said if b"ce-specversion" in each and b"\r\n\r\n" in each]
    assert done.code == FOUND, done
    assert b"\r\nce-id: own-1\r\n" in said[0]
    assert b"\r\nce-subject: %e6%97%a5%e6%9c%ac\r\n" in said[0]
    assert b"\r\nce-flag: true\r\n" in said[0]
    assert len(whole) > 50
    authorization = b"\r\nauthorization: bearer s3cret-t0ken\r\n"
    assert [each for each in whole if authorization not in each] == []
    assert "s3cret" not in done.out + done.err
    assert json.loads(done.out)["findings"] == 1


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--token-file", b"", "one token"),
        ("--token-file", b"a b", "one token"),
        ("--token-file", b"a\nb", "one token"),
        ("--token-file", b"\xff\xfe", "one token"),
        ("--token-file", "tökén".encode(), "one token"),
        ("--event", b"", "--event: "),
        ("--event", b"{", "--event: "),
        ("--event", b"[]", "--event: a structured CloudEvent is a JSON object"),
        ("--event", b"{}", "--event: specversion has to be 1.0"),
        ("--event", b'{"a":' * 100_000, "--event: "),
        ("--event", structured(None)[1], "the data has to be a JSON object"),
        ("--event", structured("text")[1], "the data has to be a JSON object"),
        ("--event", structured(revision_score(), id="")[1], "--event: id is required"),
        ("--event", structured(revision_create())[1], "cannot be made of the event ('revision')"),
    ],
    ids=[
        "empty_token", "two_words", "two_lines", "binary_token", "not_ascii", "empty_event",
        "cut_off", "array", "no_event", "deep", "no_data", "text", "no_id", "revision_create",
    ],
)  # fmt: skip
def test_probe_wrong_content_of_a_file_is_one_clear_line(
    tmp_path: Path, option: str, content: bytes, words: str
) -> None:
    """What is wrong with a file is said before anything is sent."""
    file = tmp_path / "file"
    file.write_bytes(content)

    assert_one_clear_line(invoke("http://127.0.0.1:1", *SCORE, option, str(file)), words)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ((), "Missing argument 'URL'"),
        (("http://127.0.0.1:1",), "Missing option '--as'"),
        (("http://127.0.0.1:1", "--as", "sink"), "any-processor"),
        (("http://127.0.0.1:1", "--as", "score-sink", "--expect-row", "x"), "drafttopic"),
        (("http://127.0.0.1:1", *ANY, "--timeout", "0"), "--timeout"),
        (("http://127.0.0.1:1", *ANY, "--timeout", "-1"), "--timeout"),
        (("http://127.0.0.1:1", *ANY, "--timeout", "inf"), "--timeout"),
        (("http://127.0.0.1:1", *ANY, "--timeout", "nan"), "time-out"),
        (("http://127.0.0.1:1", *ANY, "--timeout", "soon"), "--timeout"),
        (("http://127.0.0.1:1", *ANY, "--token-file", "/no/such/file"), "--token-file"),
        (("http://127.0.0.1:1", *ANY, "--event", "/no/such/file"), "--event"),
        (("http://127.0.0.1:1", *ANY, "--event", "/"), "Is a directory"),
        (("http://127.0.0.1:1", *ANY, "--junit", "/no/such/directory/file"), "--junit"),
        (("https://127.0.0.1:1", *ANY, "--ca-file", "/no/such/file"), "PEM"),
        (("https://127.0.0.1:1", *ANY, "--ca-file", "/"), "PEM"),
        (("https://127.0.0.1:1", *ANY, "--ca-file", "/dev/null"), "PEM"),
        (("http://127.0.0.1:1", "more", *ANY), "more"),
    ],
)
def test_probe_wrong_option_is_named(args: tuple[str, ...], word: str) -> None:
    """A wrong command says what is wrong with it, and does nothing."""
    assert_wrong_usage(invoke(*args), word)


# --- wrong URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "127.0.0.1:8081", "ftp://127.0.0.1", "http://", "http:///models", "http://[::1",
        "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://127.0.0.1:80 80", "http://a b/",
        "http://user:secret@127.0.0.1:1", "http://caf\u00e9.invalid", "http://no-such-host.invalid",
        f"http://{'a' * 64}.invalid", "http://a..b", "http://127.0.0.1:1/\x1b[2J", "file:///etc",
    ],
)  # fmt: skip
def test_probe_wrong_url_is_one_clear_line(url: str) -> None:
    """No URL is taken for another one, and none for a bug."""
    done = invoke(url, *ANY)

    assert_one_clear_line(done)
    assert "secret" not in done.err


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "[2001:db8::1]", "3221225985", "0.0.0.0"]  # noqa: S104
)  # fmt: skip
def test_probe_of_another_machine_needs_yes(host: str) -> None:
    """Hundreds of odd requests go to nobody who has not been named on purpose."""
    done = invoke(f"http://{host}:1/", *ANY)

    assert_one_clear_line(done, "--yes")
    assert done.seconds < 1


def test_probe_without_yes_makes_no_connection() -> None:
    """It is refused by its address alone; with --yes it is asked."""
    connections: list[socket.socket] = []
    with served(connections.append) as url:
        elsewhere = url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104

        refused = invoke(elsewhere, *ANY)
        asked_without = len(connections)
        asked = invoke(elsewhere, *ANY, "--yes")

    assert_one_clear_line(refused, "--yes")
    assert asked_without == 0
    assert_one_clear_line(asked, "does not answer")
    assert len(connections) == 1


# --- no sink ------------------------------------------------------------------------------------


def saying(*pieces: bytes, pause: float = 0.0) -> Handle:
    """Take something, say these pieces and close."""

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)

    return handle


def for_ever(prefix: bytes, piece: bytes, pause: float = 0.0) -> Handle:
    """Never stop talking."""

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(prefix)
        while True:
            sock.sendall(piece)
            time.sleep(pause)

    return handle


def hanging(sock: socket.socket) -> None:
    """Read on and say nothing."""
    while sock.recv(65536):
        pass


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
LATE = "nothing within 0.5 s"


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (hanging, LATE),
        (saying(), "closed without an answer"),
        (lambda sock: None, "answer"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "unreadable"),
        (saying(b"+PONG\r\n"), "closed without an answer"),
        (saying(bytes(range(256))), "unreadable"),
        (for_ever(b"", b"H", pause=1.0), LATE),
        (for_ever(OK_HEAD + b"Content-Length: 9\r\n\r\n", b"x", pause=0.1), LATE),
        (for_ever(OK_HEAD + b"\r\n", b"x" * 65536), "more than 8388608 bytes"),
        (for_ever(OK_HEAD, b"X: x\r\n" * 1000), "unreadable"),
        (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), LATE),
    ],
    ids=[
        "hangs", "closes", "closes_at_once", "ssh", "redis", "binary", "byte_by_byte",
        "slow_body", "endless_body", "endless_headers", "endless_interim",
    ],
)  # fmt: skip
def test_probe_no_sink_is_one_clear_line(handle: Handle, words: str) -> None:
    """Whatever listens there, the first request shows that it is no sink, and the text says why."""
    with served(handle) as url:
        done = invoke(url, *ANY, "--timeout", "0.5", "--json")

    assert_one_clear_line(done, "does not answer", words, "is it a sink?")
    assert done.seconds < 3


def test_probe_nobody_there_is_one_clear_line() -> None:
    """A sink that has not been started is the usual mistake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    done = invoke(f"http://127.0.0.1:{port}", *SCORE)

    assert_one_clear_line(done, f"cannot connect to 127.0.0.1:{port}", "start the sink")


@pytest.mark.parametrize(
    "last", [b"/no/such/path", b"NOT HTTP", b"ce-id: a\0b"], ids=["early", "late", "last_but_one"]
)
def test_probe_sink_that_dies_is_one_clear_line(sinks: dict[str, Running], last: bytes) -> None:
    """A sink that goes away has neither passed nor failed what was still to come."""
    with Proxy(sinks[UNDAMAGED], dies_at=last) as proxy:
        done = invoke(proxy.url, *SCORE)

    assert done.code == USAGE
    assert done.err.startswith("Error: cannot connect to 127.0.0.1:")
    assert done.err.count("\n") == 1
    assert "ok    event_binary\n" in done.out
    assert "no findings" not in done.out


def test_probe_sink_that_hangs_later_is_left(sinks: dict[str, Running]) -> None:
    """Three rows without an answer and one good event more: then it is gone."""
    with Proxy(sinks[UNDAMAGED], hangs_at=b"/no/such/path") as proxy:
        done = invoke(proxy.url, *SCORE, "--timeout", "0.3")

    assert done.code == USAGE
    assert "nothing within 0.3 s" in done.err
    assert done.seconds < 8


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a good score-sink behind TLS, and the certificate to trust."""
    directory = tmp_path_factory.mktemp("tls")
    pem = self_signed(directory / "server.pem")
    tls = ("--certfile", str(pem), "--keyfile", str(pem))
    with Upstream(predictor) as upstream:
        env = {"PREDICTOR_URL": upstream.url, "LOG_LEVEL": "ERROR"}
        command = processes.gunicorn("sinks.score_sink:create_app()", *tls)
        # No need to wait: its socket listens already.
        server = Server("tls", command, env)
        with processes.launched(server, processes.listen(), directory) as running:
            yield running.url.replace("http:", "https:"), pem


def test_probe_https_with_its_authority_works(secure: tuple[str, Path]) -> None:
    """All rows go through TLS."""
    url, pem = secure

    done = run(url, *SCORE, "--ca-file", str(pem))

    assert (done.code, done.err) == (GOOD, ""), done


def test_probe_https_of_an_unknown_authority_is_one_clear_line(secure: tuple[str, Path]) -> None:
    """Nobody is asked who cannot show who he is."""
    url, _ = secure

    assert_one_clear_line(invoke(url, *SCORE), "certificate verify failed")


def test_probe_https_and_http_mistaken_is_one_clear_line(
    secure: tuple[str, Path], good: str
) -> None:
    """The wrong scheme is a wrong URL."""
    url, pem = secure

    assert_one_clear_line(invoke(url.replace("https:", "http:"), *SCORE))
    assert_one_clear_line(invoke(good.replace("http:", "https:"), *SCORE, "--ca-file", str(pem)))


# --- terminals, pipes and signals ---------------------------------------------------------------


def on_a_terminal(*args: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run the command on a terminal; return its exit code and all that the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND, *args],
        cwd=ROOT,
        env=clean_env({"TERM": "xterm", **(env or {})}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    got = b""
    with contextlib.suppress(OSError):  # how a terminal tells its end
        while more := os.read(ours, 65536):
            got += more
    os.close(ours)
    return process.wait(10), got.decode().replace("\r\n", "\n")


WIPE, COLOUR = "\r\x1b[2K", re.compile(r"\x1b\[[0-9;]*m")
PROGRESS = re.compile(r"^\d+ of \d+: ")


def visible(text: str) -> list[str]:
    """The lines that stay on the screen."""
    return [line.rpartition(WIPE)[2] for line in COLOUR.sub("", text).split("\n")]


def test_terminal_shows_progress_wipes_it_and_has_colour(sinks: dict[str, Running]) -> None:
    """On a terminal people see how far it is, and in the end only what was found."""
    code, text = on_a_terminal(sinks["get_answered"].url, *SCORE)

    lines = visible(text)
    assert code == FOUND
    assert f"{WIPE}1 of {ROWS}: event_binary" in text
    assert [line for line in lines if PROGRESS.match(line)] == []
    assert len(lines) == 1 + ROWS + 4 + 1 + 1
    assert "\x1b[31m\x1b[1mFAIL" in text or "\x1b[31;1mFAIL" in text
    assert not CODES.search("".join(lines))


def test_terminal_no_color_has_no_colour(sinks: dict[str, Running]) -> None:
    """NO_COLOR is obeyed; progress is no colour."""
    with Proxy(sinks[UNDAMAGED], dies_at=b"/no/such/path") as proxy:
        _, text = on_a_terminal(proxy.url, *SCORE, env={"NO_COLOR": "1"})

    assert "ok    event_binary\n" in text
    assert not COLOUR.search(text)
    assert WIPE in text


def test_terminal_that_is_dumb_gets_no_codes_to_move(sinks: dict[str, Running]) -> None:
    """Where a line cannot be wiped away there is no progress."""
    with Proxy(sinks[UNDAMAGED], dies_at=b"/no/such/path") as proxy:
        _, text = on_a_terminal(proxy.url, *SCORE, env={"TERM": "dumb", "NO_COLOR": "1"})

    assert "ok    event_binary\n" in text
    assert not CODES.search(text)


def test_terminal_error_is_not_written_behind_the_progress(sinks: dict[str, Running]) -> None:
    """The one clear line stands on a line of its own."""
    with Proxy(sinks[UNDAMAGED], dies_at=b"/no/such/path") as proxy:
        code, text = on_a_terminal(proxy.url, *SCORE)

    assert code == USAGE
    assert visible(text)[-2].startswith("Error: cannot connect")


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["lines", "json"])
def test_pipe_that_is_closed_ends_it_quietly(good: str, more: tuple[str, ...]) -> None:
    """`| head` is no reason for a traceback."""
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND, good, *SCORE, *more],
        cwd=ROOT,
        env=clean_env({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    with process:
        process.stdout.close()
        err = process.stderr.read()

    assert process.returncode == BROKEN_PIPE
    assert err == b""


def test_interrupt_ends_it_at_once_with_one_line() -> None:
    """Ctrl-C is obeyed while nobody answers."""
    asked = threading.Event()

    def handle(sock: socket.socket) -> None:
        asked.set()
        hanging(sock)

    with served(handle) as url:
        process = subprocess.Popen(  # noqa: S603
            [*COMMAND, url, *ANY, "--timeout", "60"],
            cwd=ROOT,
            env=clean_env({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # What runs in the background of a shell has been told to ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        with process:
            try:
                assert asked.wait(20)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=10)
            finally:
                process.kill()

    assert process.returncode == INTERRUPTED
    assert (out, err.strip()) == (b"", b"interrupted")


def test_output_of_another_encoding_ends_nothing() -> None:
    """A sink may say what the terminal cannot show."""
    body = "日本".encode()
    message = b"HTTP/1.1 500 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)

    with served(saying(message + body)) as url:
        done = run(url, *ANY, "--timeout", "1", env={"PYTHONIOENCODING": "ascii"})

    assert "Traceback" not in done.err
    assert done.code in (FOUND, USAGE)


# --- as tests -----------------------------------------------------------------------------------


def run_tests(directory: Path, *args: str) -> tuple[int, str]:
    """Run the kit's tests from another directory, as any project would."""
    pytest_ = Path(sys.executable).with_name("pytest")
    done = subprocess.run(  # noqa: S603
        [str(pytest_), "--pyargs", "sinks.contract", "-p", "no:cacheprovider", *args],
        cwd=directory,
        env={**clean_env({}), "PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_plugin_good_sink_passes_every_row(good: str, tmp_path: Path) -> None:
    """Every row is a test, and a good sink passes all of them."""
    code, text = run_tests(
        tmp_path, "--sink-url", good, "--sink-as", "score-sink", "--sink-row", "drafttopic"
    )

    assert code == pytest.ExitCode.OK, text
    assert f"{ROWS} passed" in text


def test_plugin_tests_the_rows_of_the_model_in_the_url(good: str, tmp_path: Path) -> None:
    """As the command does, whether or not its prediction has to come back."""
    url, rows = f"{good}/models/{TAGS}", rows_for("score-sink", TAGS)

    code, text = run_tests(tmp_path, "--sink-url", url, "--sink-as", "score-sink")
    same, named = run_tests(
        tmp_path, "--sink-url", good, "--sink-as", "score-sink", "--sink-row", TAGS
    )

    assert (code, same) == (pytest.ExitCode.OK, pytest.ExitCode.OK), text + named
    assert f"{len(rows)} passed" in text
    assert f"{len(rows)} passed" in named


def test_plugin_defect_fails_its_row_and_says_what_to_do(
    sinks: dict[str, Running], tmp_path: Path
) -> None:
    """A failure is the finding, and no traceback of the kit's own."""
    code, text = run_tests(
        tmp_path, "--sink-url", sinks["get_answered"].url, "--sink-as", "score-sink"
    )

    assert code == pytest.ExitCode.TESTS_FAILED, text
    assert f"1 failed, {ROWS - 1} passed" in text
    assert "test_row[method_get]" in text
    assert "bad_event_accepted at status: 200; expected: a failure (405)" in text
    assert "clause: Knative data plane" in text
    assert "fix: answer 405 with Allow" in text
    assert "test_sink.py:" not in text.partition("short test summary")[0]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((), pytest.ExitCode.USAGE_ERROR, "--sink-url URL"),
        (("--sink-url", "http://127.0.0.1:1"), pytest.ExitCode.INTERRUPTED, "start the sink"),
        (("--sink-url", "http://192.0.2.1"), pytest.ExitCode.INTERRUPTED, "--sink-yes"),
    ],
    ids=["no_url", "nobody", "elsewhere"],
)
def test_plugin_without_a_sink_ends_with_one_clear_line(
    tmp_path: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    """No sink is no reason to fail every row of it."""
    ended, text = run_tests(tmp_path, *args)

    assert ended == code, text
    assert len([line for line in text.splitlines() if words in line]) == 1
    assert "Traceback" not in text
    assert " failed" not in text


def test_plugin_is_silent_in_other_test_runs(tmp_path: Path) -> None:
    """Whoever has the kit installed can go on testing other things."""
    (tmp_path / "test_other.py").write_text("def test_other() -> None: ...\n")
    done = subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("pytest")), "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**clean_env({}), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert "1 passed" in done.stdout
