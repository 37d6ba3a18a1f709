"""`sinks send` as people use it: one event to a sink of any kind, or to nothing at all."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sinks import cloudevent
from sinks.cli import main
from tests.certificates import self_signed
from tests.processes import ROOT, clean_env, gunicorn
from tests.upstream import Upstream, answer, predictor, raw_server


@pytest.fixture(scope="module")
def score(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real score-sink."""
    directory = tmp_path_factory.mktemp("score")
    with Upstream(predictor) as upstream:
        env = {"PREDICTOR_URL": upstream.url}
        with gunicorn("sinks.score_sink:create_app()", env, directory) as running:
            yield f"{running.url}/models/drafttopic"


def send(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    done = CliRunner().invoke(main, ["send", *map(str, arguments)], input=stdin, prog_name="sinks")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_send_sample_to_score_sink_shows_the_reply(score: str, mode: str) -> None:
    """One command shows what a sink makes of an event."""
    done = send("page_change", score, "--mode", mode)

    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("sent org.wikimedia.mediawiki.page.change.v1 ")
    assert lines[1].startswith("200 OK in ")
    assert lines[2] == "reply: the event is delivered, and this reply is routed on"
    assert "  sinks-outcome: replied" in lines
    reply = json.loads(done.stdout[done.stdout.index("\n{") :])
    assert reply["type"] == "org.wikimedia.mediawiki.revision.score.v3"
    assert "drafttopic" in reply["data"]["scores"]


def test_send_event_that_the_row_ignores_is_good_and_names_the_reason(score: str) -> None:
    """202 and empty is a good answer; the header says why there is no reply."""
    done = send("page_change_canary", score)

    assert done.exit_code == 0
    assert "empty: the event is delivered, without a reply: ignored, canary" in done.stdout
    assert "  sinks-reason: canary" in done.stdout


def test_send_of_changed_attributes_to_the_shim_says_that_they_do_not_count() -> None:
    """Else somebody waits for a score of a wiki that the event has never been of."""
    with Upstream(answer(202, headers={"Sinks-Outcome": "relayed"})) as shim:
        told = send("page_change", f"{shim.url}/events", "--set", "wikiid=dewiki")
        other = send("page_change", f"{shim.url}/default", "--set", "wikiid=dewiki")

    assert "--set counts at a Broker or a sink" in told.stderr
    assert "without a reply: relayed" in told.stdout
    assert other.stderr == ""


def test_send_plain_document_that_is_deferred_says_that_nobody_else_repeats_it() -> None:
    """No Broker has it."""
    with Upstream(answer(503, {"reason": "deliveries_deferred", "detail": "x"})) as shim:
        done = send("page_change", f"{shim.url}/events", "--mode", "plain")

    assert done.exit_code == 1
    assert "retried: it has to be sent again, and nobody but you does" in done.stdout


def test_send_event_that_is_refused_exits_1_and_says_what_knative_does(score: str) -> None:
    """A finding is the answer itself, told with its reason."""
    done = send("page_change", score.replace("drafttopic", "nosuchrow"), "--json")

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["status"], told["fate"], told["good"]) == (422, "dead-lettered", False)
    assert json.loads(told["body"])["reason"] == "unknown_row"


def test_send_file_with_options_puts_them_on_the_wire(tmp_path: Path) -> None:
    """Attributes, headers and the token arrive as they were asked for, in one request."""
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"a": 1}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    (tmp_path / "token").write_text("secret\n")
    with Upstream(answer(202)) as sink:
        done = send(
            *(tmp_path / "event.json", f"{sink.url}/in?x=1", "--set", "wikiid=dewiki"),
            *("--mode", "binary", "--header", "X-Mine: 5", "--token-file", tmp_path / "token"),
            *("--header", "Host: sink.example", "--header", "content-TYPE:application/json;x=1"),
        )

    assert done.exit_code == 0, done.output
    (request,) = sink.received
    received = cloudevent.decode(request.headers, request.body)
    assert (request.method, request.target) == ("POST", "/in?x=1")
    assert (received.get("wikiid"), received.data) == ("dewiki", {"a": 1})
    assert request.headers["x-mine"] == "5"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.raw_head.lower().count(b"\r\nhost: sink.example\r\n") == 1
    assert re.findall(rb"content-type: (.*)\r", request.raw_head) == [b"application/json;x=1"]


def test_send_plain_document_from_a_pipe_arrives_as_json() -> None:
    """The shim's way in for those that speak no CloudEvents."""
    outcomes = {"ce_id": "1", "outcomes": [{"outcome": "deferred"}]}
    with Upstream(answer(200, outcomes)) as shim:
        done = send("-", f"{shim.url}/events", "--mode", "plain", stdin=b'{"a": 1}')

    (request,) = shim.received
    assert (request.body, request.headers["content-type"]) == (b'{"a": 1}', "application/json")
    assert not any(name.startswith("ce-") for name in request.headers)
    assert done.exit_code == 1
    assert "outcomes: no Broker asks so; this is what became of the document: 1 def" in done.stdout


def test_send_redirect_is_told_and_not_followed() -> None:
    """Knative would follow it as a GET: the event would be lost."""
    with Upstream(answer(302, headers={"Location": "/elsewhere"})) as sink:
        done = send("page_change", sink.url)

    assert done.exit_code == 1
    assert len(sink.received) == 1
    assert "  location: /elsewhere" in done.stdout


def test_send_over_https_trusts_the_authorities_of_ca_file(tmp_path: Path) -> None:
    """A sink of one's own certificate is reached with it, and not without."""
    certificate = self_signed(tmp_path / "sink.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Upstream(answer(202), tls=context) as sink:
        good = send("page_change", sink.url, "--ca-file", certificate)
        bad = send("page_change", sink.url)

    assert good.exit_code == 0, good.output
    assert (bad.exit_code, bad.stderr.count("\n")) == (2, 1)
    assert "CERTIFICATE_VERIFY_FAILED" in bad.stderr


@pytest.mark.parametrize(
    "data",
    [
        pytest.param('{"title": "\u65e5\u009b2J"}', id="control_code"),
        pytest.param("[" * 1000 + "]" * 1000, id="nested_deeply"),
    ],
)
def test_send_hostile_reply_is_shown_or_said_to_be_impossible(data: str) -> None:
    """A good reply of a bad sink neither paints the terminal nor ends in a traceback."""
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}
    with Upstream(answer(200, data, {**headers, "Content-Type": "application/json"})) as sink:
        done = send("page_change", sink.url)

    assert "\u009b" not in done.output
    assert '"title": "\u65e5\\x9b2J"' in done.stdout or "too deeply to be shown" in done.stderr


def test_send_control_codes_of_a_sink_do_not_reach_the_terminal() -> None:
    """What a sink says is shown, not obeyed."""
    with Upstream(answer(400, b"\x1b[2Jred\x07", {"X": "y"})) as sink:
        done = send("page_change", sink.url)

    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "\\x1b[2Jred" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(
            ("nothing.json",),
            "nothing.json: No such file or directory; there are the",
            id="missing_file",
        ),
        pytest.param(("sinks",), "sinks: Is a directory", id="directory"),
        pytest.param(("/bin/true",), "is not JSON", id="binary_rubbish"),
        pytest.param(("/dev/zero",), "more than 4194304 bytes", id="endless_file"),
        pytest.param(("x" * 5000,), "File name too long", id="name_too_long"),
        pytest.param(
            ("page_change", "--set", "datacontenttype=\u65e5"), "printable ASCII", id="type"
        ),
        pytest.param(("page_change", "--set", "A=b"), "--set wants NAME=VALUE", id="set"),
        pytest.param(("page_change", "--set", "data=b"), "but not data", id="set_data"),
        pytest.param(("page_change", "--header", "a b"), "--header wants", id="header"),
        pytest.param(("page_change", "--header", "Content-Length: 1"), "framing", id="framing"),
        pytest.param(("page_change", "--token-file", "no"), "--token-file: no: No", id="token"),
    ],
)
def test_send_bad_input_is_one_clear_line(arguments: tuple[str, ...], told: str) -> None:
    """Nothing is sent, and nobody has to read a traceback."""
    done = send(arguments[0], "http://127.0.0.1:1", *arguments[1:])

    assert done.exit_code == 2
    assert told in done.stderr.splitlines()[-1]
    assert done.stdout == ""


@pytest.mark.parametrize(("content", "helps"), [("{}", True), ("[]", False), ("rubbish", False)])
def test_send_advises_plain_mode_only_where_it_helps(
    tmp_path: Path, content: str, helps: bool
) -> None:
    """What is no JSON object is none in any mode."""
    (tmp_path / "event.json").write_text(content)

    done = send(tmp_path / "event.json", "http://127.0.0.1:1")

    assert done.exit_code == 2
    assert ("--mode plain sends" in done.stderr) is helps


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("127.0.0.1:8081", "no http or https URL", id="no_scheme"),
        pytest.param("http://127.0.0.1:1", "cannot connect to 127.0.0.1:1", id="dead"),
        pytest.param("http://no.invalid", "cannot connect to no.invalid:80", id="no_host"),
        pytest.param("http://[", "no URL", id="broken"),
    ],
)
def test_send_to_nobody_exits_2_with_one_line(url: str, told: str) -> None:
    """A wrong URL and a dead server are told apart from a bad answer."""
    done = send("page_change", url)

    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in done.stderr


def test_send_to_a_silent_server_ends_at_the_timeout() -> None:
    """Whoever takes connections and says nothing does not keep a terminal."""

    def silent(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    with raw_server(silent) as port:
        done = send("page_change", f"http://127.0.0.1:{port}", "--timeout", "0.3")

    assert done.exit_code == 2
    assert "takes connections, but does not answer (nothing within 0.3 s)" in done.stderr


def test_send_into_a_closed_pipe_ends_quietly(score: str) -> None:
    """`| head -1` is no error worth a traceback."""
    command = f"'{sys.executable}' -m sinks send page_change {score} | head -c 1"
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", command],
        cwd=ROOT,
        env=clean_env({}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("s", "")
