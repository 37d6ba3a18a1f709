"""The HTTP client on its own: no peer can stretch its deadline, be misread, or be called twice.

The stages that can hang are checked in this process, on real threads, and once more in a process
that gevent has patched, where other greenlets have to go on meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import itertools
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sinks import __version__
from sinks.connection import Connection
from sinks.connection_pool import Pool
from sinks.deadline import Deadline
from sinks.errors import BadAnswer, DeadlineExceeded, SinkError, Unavailable
from sinks.http_client import HttpClient
from sinks.http_message import HttpResponse
from sinks.http_transport import IDLE_SECONDS, Sends, Transport
from tests.processes import ROOT, clean_env
from tests.upstream import Behave, Received, Upstream, answer, raw_server

LIMIT = 0.35
SLACK = 1.5  # of a busy machine, and less than what hangs goes on for
PAUSE = 0.03
PATIENT = 5.0
MAX_ANSWER = 100_000
OK = answer(200, {"ok": True})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# --- peers -----------------------------------------------------------------------------------


def hanging(prefix: bytes) -> Behave:
    """Say so much, then nothing until the client hangs up."""

    def behave(_received: Received, sock: socket.socket) -> None:
        sock.sendall(prefix)
        sock.recv(1)

    return behave


def dripping(prefix: bytes, pieces: Iterable[bytes]) -> Behave:
    """Say so much, then piece after piece until the client hangs up."""
    kept = list(pieces)

    def behave(_received: Received, sock: socket.socket) -> None:
        sock.sendall(prefix)
        for piece in itertools.cycle(kept):
            sock.sendall(piece)
            time.sleep(PAUSE)

    return behave


def saying(message: bytes, keep: bool = False) -> Behave:
    """Say exactly this, then close the connection or keep it."""

    def behave(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(message)
        return keep

    return behave


def resetting(_received: Received, sock: socket.socket) -> None:
    """Close with RST and without an answer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def script(*behaviours: Behave) -> Behave:
    """The n-th request meets the n-th behaviour; the last one stays."""
    calls = itertools.count()

    def behave(received: Received, sock: socket.socket) -> bool | None:
        return behaviours[min(next(calls), len(behaviours) - 1)](received, sock)

    return behave


def echo(received: Received, sock: socket.socket) -> bool:
    """Answer with the request's own body."""
    length = len(received.body)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + received.body)
    return True


def http_message(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    fields = "".join(f"{header}\r\n" for header in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """Yield the port of a listener whose backlog is full, so that connecting to it hangs."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(20):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.05)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            raise AssertionError("the backlog does not fill up")
        yield listener.getsockname()[1]


# --- TLS -------------------------------------------------------------------------------------


@functools.cache
def authority() -> tuple[Any, Any]:
    """The key and certificate of an authority of our own."""
    return _certificate("test authority", None, None, None)


def _certificate(name: str, alternative: Any, signer: Any, issuer: Any) -> tuple[Any, Any]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if alternative is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), False)
    return key, builder.sign(signer or key, hashes.SHA256())


@functools.cache
def server_context(name: str = "127.0.0.1", trusted: bool = True) -> ssl.SSLContext:
    """A server's context for this name, signed by our authority or by itself."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as s

    by_address = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else None
    alternative = by_address or x509.DNSName(name)
    key, certificate = _certificate(
        "server", alternative, *(authority() if trusted else (None,) * 2)
    )
    pem = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem + certificate.public_bytes(s.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context


@functools.cache
def trusting() -> ssl.SSLContext:
    """A client's context that trusts our authority and nobody else."""
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = authority()[1].public_bytes(Encoding.PEM).decode()
    return ssl.create_default_context(cadata=pem)


def tls_by_hand(send: Callable[[socket.socket, bytes, bool], None]) -> Callable[..., None]:
    """A TLS server that answers, whose every outgoing byte `send` may delay.

    send: gets the socket, what to send, and whether the handshake is over.
    """

    def handle(sock: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_context().wrap_bio(incoming, outgoing, server_side=True)

        def repeat(step: Callable[[], Any], over: bool) -> Any:
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    result = None
                if outgoing.pending:
                    send(sock, outgoing.read(), over)
                if result is not None:
                    return result
                received = sock.recv(65536)
                if not received:
                    raise ConnectionResetError
                incoming.write(received)

        repeat(lambda: tls.do_handshake() or True, over=False)
        repeat(lambda: tls.read(65536), over=True)
        repeat(lambda: tls.write(http_message(b"x" * 2000)), over=True)
        sock.recv(1)

    return handle


def drip_bytes(sock: socket.socket, data: bytes) -> None:
    for byte in data[:60]:  # longer than any deadline here
        sock.sendall(bytes([byte]))
        time.sleep(PAUSE)


def drip_handshake(sock: socket.socket, data: bytes, over: bool) -> None:
    sock.sendall(data) if over else drip_bytes(sock, data)


def drip_record(sock: socket.socket, data: bytes, over: bool) -> None:
    # What follows the handshake at once are TLS tickets; only the answer is longer.
    drip_bytes(sock, data) if over and len(data) > 1500 else sock.sendall(data)


# --- the client ------------------------------------------------------------------------------


def transport(**over: Any) -> Transport:
    arguments = {"connect_timeout_seconds": PATIENT, "max_answer_bytes": MAX_ANSWER, **over}
    return Transport(**arguments)


def post(
    url: str,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    *,
    by: Transport | None = None,
    seconds: float = PATIENT,
    read_timeout: float | None = None,
) -> HttpResponse:
    client = HttpClient("predictor", by or transport(), read_timeout_seconds=read_timeout)
    return client.post(url, body, headers or {}, Deadline.after(seconds))


def ends(
    url: str,
    body: bytes = b"{}",
    *,
    seconds: float = LIMIT,
    kind: type[SinkError] = DeadlineExceeded,
    **over: Any,
) -> None:
    """The call fails with exactly this kind of error when LIMIT has passed: no later, no sooner."""
    begun = time.monotonic()
    with pytest.raises(SinkError) as raised:
        post(url, body, seconds=seconds, **over)
    elapsed = time.monotonic() - begun

    assert type(raised.value) is kind
    assert raised.value.stage == "predictor"
    assert raised.value.reason == ("deadline" if kind is DeadlineExceeded else "upstream_timeout")
    assert LIMIT - 0.05 <= elapsed < LIMIT + SLACK


# --- stages that hang ------------------------------------------------------------------------


def answer_ends(behave: Behave) -> None:
    with Upstream(behave) as upstream:
        ends(upstream.url)
        assert len(upstream.received) == 1


def tls_ends(handle: Callable[[socket.socket], object], body: bytes = b"{}") -> None:
    with raw_server(handle) as port:
        ends(f"https://127.0.0.1:{port}", body, by=transport(tls=trusting()))


def sleeping_getaddrinfo(*_: Any, **__: Any) -> list[Any]:
    time.sleep(3)
    return []


def dns_hangs() -> None:
    ends("http://predictor.test/", by=transport(getaddrinfo=sleeping_getaddrinfo))


def dns_hangs_connect_timeout() -> None:
    by = transport(getaddrinfo=sleeping_getaddrinfo, connect_timeout_seconds=LIMIT)
    ends("http://predictor.test/", seconds=PATIENT, kind=Unavailable, by=by)


def connect_hangs() -> None:
    with full_listener() as port:
        ends(f"http://127.0.0.1:{port}")


def connect_hangs_connect_timeout() -> None:
    with full_listener() as port:
        by = transport(connect_timeout_seconds=LIMIT)
        ends(f"http://127.0.0.1:{port}", seconds=PATIENT, kind=Unavailable, by=by)


def connect_hangs_on_every_address() -> None:
    with full_listener() as port:
        entry = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        by = transport(getaddrinfo=lambda *_, **__: [entry] * 5)
        ends("http://predictor.test/", by=by)


def tls_handshake_connect_timeout() -> None:
    with raw_server(read_only) as port:
        by = transport(tls=trusting(), connect_timeout_seconds=LIMIT)
        ends(f"https://127.0.0.1:{port}", seconds=PATIENT, kind=Unavailable, by=by)


def read_only(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def never_read(sock: socket.socket) -> None:
    time.sleep(3)


def read_slowly(sock: socket.socket) -> None:
    while sock.recv(30_000):
        time.sleep(PAUSE)


def over_tls(handle: Callable[[socket.socket], object]) -> Callable[[socket.socket], None]:
    def handle_tls(sock: socket.socket) -> None:
        with server_context().wrap_socket(sock, server_side=True) as secure:
            handle(secure)

    return handle_tls


LARGE = bytes(60_000_000)


def send_ends(handle: Callable[[socket.socket], object]) -> None:
    with raw_server(handle) as port:
        ends(f"http://127.0.0.1:{port}", LARGE)


def read_timeout() -> None:
    with Upstream(hanging(b"")) as upstream:
        ends(upstream.url, seconds=PATIENT, kind=Unavailable, read_timeout=LIMIT)


def pooled_connection_hangs() -> None:
    by = transport()
    with Upstream(script(OK, hanging(b""))) as upstream:
        post(upstream.url, by=by)
        ends(upstream.url, by=by)
        assert len(upstream.received) == 2  # a time-out is no dead connection


def many_at_once() -> None:
    by, failures = transport(), list[BaseException]()
    with Upstream(hanging(b"")) as upstream:

        def run() -> None:
            try:
                ends(upstream.url, by=by)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


ZIPPED = gzip.compress(bytes(range(256)) * 4)
STAGES: dict[str, Callable[[], None]] = {
    "dns": dns_hangs,
    "dns_connect_timeout": dns_hangs_connect_timeout,
    "connect": connect_hangs,
    "connect_timeout": connect_hangs_connect_timeout,
    "connect_five_addresses": connect_hangs_on_every_address,
    "tls_handshake": lambda: tls_ends(read_only),
    "tls_handshake_connect_timeout": tls_handshake_connect_timeout,
    "tls_handshake_drip": lambda: tls_ends(tls_by_hand(drip_handshake)),
    "tls_answer": lambda: tls_ends(over_tls(read_only)),
    "tls_answer_drip": lambda: tls_ends(tls_by_hand(drip_record)),
    "tls_send": lambda: tls_ends(over_tls(never_read), LARGE),
    "tls_send_drip": lambda: tls_ends(over_tls(read_slowly), LARGE),
    "send": lambda: send_ends(never_read),
    "send_drip": lambda: send_ends(read_slowly),
    "no_answer": lambda: answer_ends(hanging(b"")),
    "half_status_line": lambda: answer_ends(hanging(b"HTTP/1.1 20")),
    "half_header": lambda: answer_ends(hanging(b"HTTP/1.1 200 OK\r\nX-A: ")),
    "half_body": lambda: answer_ends(hanging(http_message(b"x" * 99)[:-1])),
    "half_chunk": lambda: answer_ends(hanging(CHUNKED + b"9\r\nxxx")),
    "no_end_of_chunks": lambda: answer_ends(hanging(CHUNKED + b"1\r\nx\r\n")),
    "body_until_close": lambda: answer_ends(hanging(b"HTTP/1.1 200 OK\r\n\r\n{}")),
    "status_line_drip": lambda: answer_ends(dripping(b"HTTP/1.1 200 ", [b"x"])),
    "header_drip": lambda: answer_ends(dripping(b"HTTP/1.1 200 OK\r\nX-A: ", [b"x"])),
    "continue_drip": lambda: answer_ends(dripping(b"", [b"HTTP/1.1 100 Continue\r\n\r\n"])),
    "body_drip": lambda: answer_ends(dripping(http_message(b"x" * 999)[:-998], [b"x"])),
    "close_drip": lambda: answer_ends(dripping(b"HTTP/1.1 200 OK\r\n\r\n", [b"x"])),
    "chunk_size_drip": lambda: answer_ends(dripping(CHUNKED, [b"0"])),
    "chunk_drip": lambda: answer_ends(dripping(CHUNKED, [b"1\r\nx\r\n"])),
    "trailer_drip": lambda: answer_ends(dripping(CHUNKED + b"0\r\n", [b"X-A: b\r\n"])),
    "gzip_drip": lambda: answer_ends(
        dripping(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n",
            [bytes([byte]) for byte in ZIPPED],
        )
    ),
    "read_timeout": read_timeout,
    "pooled_connection": pooled_connection_hangs,
    "many_at_once": many_at_once,
}


def idle_connection() -> None:
    """After more than IDLE_SECONDS the next request goes out on a new connection."""
    by = transport()
    with Upstream(OK) as upstream:
        post(upstream.url, by=by)
        post(upstream.url, by=by)
        assert upstream.connections == 1
        time.sleep(IDLE_SECONDS + 0.1)
        post(upstream.url, by=by)
        assert upstream.connections == 2


def tls_connection_is_reused() -> None:
    """Looking whether an idle TLS connection is still alive neither waits nor spoils it."""
    by = transport(tls=trusting())
    with Upstream(echo, server_context()) as upstream:
        begun = time.monotonic()
        for turn in range(5):
            body = b"%d" % turn
            assert post(upstream.url, body, by=by).body == body
            time.sleep(0.02)
        assert time.monotonic() - begun < PATIENT / 2
        assert upstream.connections == 1


REUSE = {"idle_connection": idle_connection, "tls_connection": tls_connection_is_reused}


# Of some 70 while a stage hangs; without gevent none. A machine that has no time for the whole
# process lets none pass either, but not every time.
ENOUGH_TICKS, TRIES = 5, 3


def under_gevent() -> None:
    """Run all stages and print, for each, its traceback and how often a greenlet ran meanwhile."""
    import gevent
    import gevent.monkey

    assert gevent.monkey.is_module_patched("socket")
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            gevent.sleep(0.005)
            ticks += 1

    gevent.spawn(tick)
    for name, check in (STAGES | REUSE).items():
        for _ in range(TRIES):
            before, problem = ticks, ""
            try:
                check()
            except BaseException:
                problem = traceback.format_exc()
            if problem or name in REUSE or ticks - before >= ENOUGH_TICKS:
                break
        print(json.dumps([name, problem, ticks - before]), flush=True)


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    """The process that gevent has patched; it works while the tests of this process run."""
    code = (
        "import gevent.monkey; gevent.monkey.patch_all();"
        "import test_http_client; test_http_client.under_gevent()"
    )
    path = f"{ROOT}:{Path(__file__).parent}"
    out = tmp_path_factory.mktemp("gevent") / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code],
            env=clean_env({"PYTHONPATH": path, "OUT": str(out)}),
            stdout=file,
            stderr=file,
        )
    process.args = out  # where its lines are
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def results(patched: subprocess.Popen[bytes]) -> dict[str, tuple[str, int]]:
    """What each stage came to under gevent: traceback, ticks of another greenlet."""
    patched.wait(60)
    text = Path(str(patched.args)).read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("[")]
    assert patched.returncode == 0, text
    return {name: (problem, ticks) for name, problem, ticks in lines}


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("stage", STAGES)
def test_deadline_stage_hangs_ends_in_time(stage: str) -> None:
    """Whatever hangs or drips, the call ends when its time is used up, with the right error."""
    STAGES[stage]()


# --- trust -----------------------------------------------------------------------------------


def test_tls_trusted_authority_is_answered_and_pooled() -> None:
    """With the right name and a trusted authority requests are answered, on one connection."""
    tls_connection_is_reused()


@pytest.mark.parametrize(
    ("name", "trusted", "tls"),
    [
        ("localhost", True, trusting),
        ("127.0.0.2", True, trusting),
        ("127.0.0.1", False, trusting),
        ("127.0.0.1", True, lambda: None),
    ],
    ids=["wrong_name", "wrong_address", "untrusted", "system_trust"],
)
def test_tls_wrong_certificate_is_unavailable(
    name: str, trusted: bool, tls: Callable[[], ssl.SSLContext | None]
) -> None:
    """A certificate of another name or an unknown authority is refused before anything is sent."""
    with Upstream(OK, server_context(name, trusted)) as upstream:
        with pytest.raises(Unavailable) as raised:
            post(upstream.url, by=transport(tls=tls()))

    assert raised.value.reason == "upstream_unavailable"
    assert upstream.received == []


def test_tls_plain_http_peer_is_unavailable() -> None:
    """A peer that does not speak TLS is no peer."""
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    with raw_server(lambda sock: sock.recv(9) and sock.sendall(refusal)) as port:
        with pytest.raises(Unavailable) as raised:
            post(f"https://127.0.0.1:{port}", by=transport(tls=trusting()))

    assert raised.value.reason == "upstream_unavailable"


def test_tls_verification_has_no_switch() -> None:
    """Nothing in the sinks can switch verification off."""
    sources = "".join(path.read_text() for path in (ROOT / "sinks").rglob("*.py"))

    for word in (
        "CERT_NONE",
        "check_hostname",
        "verify_mode",
        "_create_unverified",
        "verify=False",
    ):
        assert word not in sources


# --- answers ---------------------------------------------------------------------------------


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


@pytest.mark.parametrize(
    "message",
    [
        http_message(b'{"ok": true}'),
        CHUNKED + chunked(b'{"ok"', b": true}"),
        CHUNKED + b"c;extension=1\r\n" + b'{"ok": true}' + b"\r\n0\r\nX-Trailer: a\r\n\r\n",
        http_message(gzip.compress(b'{"ok": true}'), "Content-Encoding: gzip"),
        http_message(gzip.compress(b'{"ok": true}'), "content-encoding: GZIP"),
        http_message(zlib.compress(b'{"ok": true}'), "Content-Encoding: deflate"),
        http_message(b'{"ok": true}', "Content-Encoding: identity"),
        CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunked(gzip.compress(b'{"ok": true}')),
        b'HTTP/1.1 200 OK\r\n\r\n{"ok": true}',
        b'HTTP/1.0 200 OK\r\n\r\n{"ok": true}',
        b"HTTP/1.1 100 Continue\r\n\r\n" + http_message(b'{"ok": true}'),
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + http_message(b'{"ok": true}'),
        b"HTTP/1.1 103 E\r\nContent-Length: 0\r\n\r\n" + http_message(b'{"ok": true}'),
    ],
    ids=[
        "length",
        "chunked",
        "chunk_extension_and_trailer",
        "gzip",
        "gzip_upper_case",
        "deflate",
        "identity",
        "chunked_gzip",
        "until_close",
        "http_1_0",
        "after_continue",
        "after_early_hints",
        "after_early_hints_of_no_length",
    ],
)
def test_answer_any_framing_is_read(message: bytes) -> None:
    """Each way of framing and compressing an answer gives the same content."""
    with Upstream(saying(message)) as upstream:
        response = post(upstream.url)

    assert response.status == 200
    assert json.loads(response.body) == {"ok": True}


@pytest.mark.parametrize(
    "message",
    [
        http_message(b"x", "Content-Encoding: br"),
        http_message(b"x", "Content-Encoding: gzip, gzip"),
        http_message(b"not gzip", "Content-Encoding: gzip"),
        http_message(b"", "Content-Encoding: gzip"),
        http_message(gzip.compress(b"x" * 99)[:-4], "Content-Encoding: gzip"),
        http_message(b"x" * 99)[:-1],
        CHUNKED + b"9\r\nxxx",
        CHUNKED + b"1\r\nx\r\n",
        CHUNKED + b"zz\r\nx\r\n",
        CHUNKED,
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 9000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n",
        CHUNKED + b"1\r\nx\r\n0\r\n" + b"X-A: b\r\n" * 9000 + b"\r\n",
        CHUNKED + b"1;" + b"a" * 70_000 + b"\r\nx\r\n0\r\n\r\n",
        CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n" + chunked(b"x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n",
        http_message(b"x", "Content-Encoding: gzip", "Content-Encoding: identity"),
        b"HTTP/1.1 103 E\r\nContent-Length: 3\r\n\r\nabc" + http_message(b'{"ok": true}'),
        b"HTTP/1.1 103 E" + CHUNKED[15:] + b"0\r\n\r\n" + http_message(b'{"ok": true}'),
    ],
    ids=[
        "unknown_encoding",
        "double_encoding",
        "not_gzip",
        "empty_gzip",
        "gzip_cut_off",
        "body_cut_off",
        "chunk_cut_off",
        "chunks_cut_off",
        "chunk_size_not_hex",
        "no_chunk",
        "not_http",
        "status_not_a_number",
        "too_many_headers",
        "too_long_header",
        "too_many_trailers",
        "too_long_chunk_extension",
        "two_framings",
        "framing_unknown",
        "two_lengths",
        "space_in_header_name",
        "two_encodings",
        "interim_with_a_body",
        "interim_with_chunks",
    ],
)
def test_answer_unreadable_is_bad_answer(message: bytes) -> None:
    """What cannot be read to its end is a bad answer, and nothing is asked a second time."""
    with Upstream(saying(message)) as upstream:
        with pytest.raises(BadAnswer) as raised:
            post(upstream.url)

    assert raised.value.reason == "upstream_bad_answer"
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    "message",
    [b"HTTP/1.1 201 Cre", b"HTTP/1.1 201 Created\r\n", b"HTTP/1.1 201 Created\r\nContent-Len"],
    ids=["in_the_status_line", "after_the_status_line", "in_a_header"],
)
def test_answer_head_cut_off_is_not_an_answer(message: bytes) -> None:
    """A connection that ends before the empty line has not delivered a status."""
    with Upstream(saying(message)) as upstream:
        with pytest.raises((BadAnswer, Unavailable)):
            post(upstream.url)

    assert len(upstream.received) == 1


def test_answer_interim_only_is_no_answer() -> None:
    """Another address may be asked, as after any connection that ends without an answer."""
    with Upstream(saying(b"HTTP/1.1 100 Continue\r\n\r\n")) as upstream:
        with pytest.raises(Unavailable) as raised:
            post(upstream.url)

    assert raised.value.reason == "upstream_unavailable"


def test_answer_content_length_over_the_limit_is_refused_unread() -> None:
    """A declared length over the limit is refused at once, before any of the body has come."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_ANSWER + 1}\r\n\r\n".encode()
    begun = time.monotonic()
    with Upstream(hanging(head)) as upstream:
        with pytest.raises(BadAnswer):
            post(upstream.url)

    assert time.monotonic() - begun < PATIENT / 2


@pytest.mark.parametrize(
    ("prefix", "piece"),
    [(CHUNKED, b"2710\r\n" + b"x" * 10_000 + b"\r\n"), (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000)],
    ids=["chunked", "until_close"],
)
def test_answer_endless_is_cut_at_the_limit(prefix: bytes, piece: bytes) -> None:
    """An endless body is given up at the limit: what was read is bounded, and so is the memory."""
    sent = 0

    def endless(_received: Received, sock: socket.socket) -> None:
        nonlocal sent
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.sendall(prefix)
        while True:
            sock.sendall(piece)
            sent += len(piece)

    with Upstream(endless) as upstream:
        tracemalloc.start()
        try:
            with pytest.raises(BadAnswer):
                post(upstream.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 10 * MAX_ANSWER
    assert sent < 20_000_000


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(bytes(50_000_000)), "gzip"),
        (zlib.compress(bytes(50_000_000)), "deflate"),
        (gzip.compress(bytes(MAX_ANSWER + 1)), "gzip"),
    ],
    ids=["gzip_bomb", "deflate_bomb", "one_over"],
)
def test_answer_compressed_over_the_limit_is_refused_in_bounded_memory(
    body: bytes, encoding: str
) -> None:
    """The limit counts what comes out of decompression, which stops there."""
    with Upstream(saying(http_message(body, f"Content-Encoding: {encoding}"))) as upstream:
        tracemalloc.start()
        try:
            with pytest.raises(BadAnswer):
                post(upstream.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 10 * MAX_ANSWER


@pytest.mark.parametrize(
    "message",
    [
        http_message(b"x" * MAX_ANSWER),
        CHUNKED + chunked(b"x" * 60_000, b"x" * (MAX_ANSWER - 60_000)),
        http_message(gzip.compress(b"x" * MAX_ANSWER), "Content-Encoding: gzip"),
    ],
    ids=["length", "chunked", "gzip"],
)
def test_answer_exactly_at_the_limit_is_read(message: bytes) -> None:
    """The limit itself is allowed."""
    with Upstream(saying(message)) as upstream:
        response = post(upstream.url)

    assert response.body == b"x" * MAX_ANSWER


@pytest.mark.parametrize("status", [204, 304])
def test_answer_without_a_body_is_whole_whatever_its_length(status: int) -> None:
    """The length is that of the body that there would be; its connection can be used again."""
    by = transport()
    empty = f"HTTP/1.1 {status} Empty\r\nContent-Length: {MAX_ANSWER + 1}\r\n\r\n".encode()
    with Upstream(saying(empty, keep=True)) as upstream:
        responses = [post(upstream.url, by=by) for _ in range(2)]

    assert [(each.status, each.body) for each in responses] == [(status, b"")] * 2
    assert (len(upstream.received), upstream.connections) == (2, 1)


@pytest.mark.parametrize(
    "headers", [b"", b"Connection: Upgrade\r\nUpgrade: x\r\n"], ids=["bare", "upgrade"]
)
def test_answer_101_is_returned_and_its_connection_not_used_again(headers: bytes) -> None:
    """What follows is in a protocol that nobody asked for."""
    by = transport()
    switched = b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n"
    with Upstream(script(saying(switched, keep=True), OK)) as upstream:
        statuses = [post(upstream.url, by=by).status for _ in range(2)]

    assert statuses == [101, 200]
    assert (len(upstream.received), upstream.connections) == (2, 2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_answer_redirect_is_returned_and_not_followed(status: int) -> None:
    """A redirect is an answer like any other; nobody calls where it points to."""
    with Upstream(OK) as elsewhere:
        location = {"Location": elsewhere.url + "/x"}
        with Upstream(answer(status, b"", location)) as upstream:
            response = post(upstream.url)

    assert response.status == status
    assert (len(upstream.received), len(elsewhere.received)) == (1, 0)


# --- connections -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dies", "requests_seen"),
    [
        (script(saying(http_message(b"{}")), OK), 2),
        (script(OK, saying(b""), OK), 3),
        (script(OK, resetting, OK), 3),
    ],
    ids=["closed_between", "closed_at_the_second", "reset_at_the_second"],
)
def test_pooled_connection_dead_before_an_answer_is_replaced_once(
    dies: Behave, requests_seen: int
) -> None:
    """A pooled connection that turns out dead costs one more connection, and no error."""
    by = transport()
    with Upstream(dies) as upstream:
        post(upstream.url, by=by)
        time.sleep(0.05)  # so that the close has arrived
        response = post(upstream.url, by=by)

    assert json.loads(response.body) == {"ok": True}
    assert (len(upstream.received), upstream.connections) == (requests_seen, 2)


@pytest.mark.parametrize(
    ("behave", "requests_seen"),
    [
        (saying(b""), 1),
        (resetting, 1),
        (script(OK, saying(b"H"), OK), 2),
        (script(OK, saying(http_message(b"xyz")[:-1]), OK), 2),
        (script(OK, saying(b""), saying(b""), OK), 3),
    ],
    ids=["fresh_closed", "fresh_reset", "one_byte", "half_body", "fresh_after_pooled"],
)
def test_request_any_other_failure_is_not_repeated(behave: Behave, requests_seen: int) -> None:
    """Neither on a fresh connection nor once a byte of an answer came is anything sent again."""
    by = transport()
    with Upstream(behave) as upstream:
        with pytest.raises((Unavailable, BadAnswer)):
            for _ in range(requests_seen):
                post(upstream.url, by=by)

    assert len(upstream.received) == requests_seen


@pytest.mark.parametrize(
    ("dies", "resent"),
    [
        (OK, 0),
        (script(saying(http_message(b"{}")), OK), 0),
        (script(OK, saying(b""), OK), 1),
        (script(OK, resetting, OK), 1),
    ],
    ids=["kept", "seen_closed_before", "closed_at_the_second", "reset_at_the_second"],
)
def test_request_sent_once_more_is_counted(dies: Behave, resent: int) -> None:
    """Only what may have arrived twice counts, not a connection that was known to be dead."""
    counted: list[None] = []
    by = transport(resent=lambda: counted.append(None))
    with Upstream(dies) as upstream:
        post(upstream.url, by=by)
        time.sleep(0.05)  # so that the close has arrived
        post(upstream.url, by=by)

    assert len(counted) == resent


@pytest.mark.parametrize(
    ("behave", "unanswered"),
    [
        (OK, 0),
        (answer(503), 0),
        (resetting, 1),
        (saying(b""), 1),
        (hanging(b""), 1),
        (dripping(b"HTTP/1.1 201 Created\r\nContent-Length: 9999\r\n\r\n", [b" "]), 1),
        (saying(http_message(b"xyz")[:-1]), 1),
    ],
    ids=["ok", "503", "reset", "closed", "hangs", "drips", "half_a_body"],
)
def test_sends_without_a_whole_answer_are_counted(behave: Behave, unanswered: int) -> None:
    """Whoever sends the same request elsewhere can know that it may have had its effect."""
    sends = Sends()
    client = HttpClient("eventgate", transport(), read_timeout_seconds=LIMIT)
    with Upstream(behave) as upstream, contextlib.suppress(SinkError):
        client.post(upstream.url, b"{}", {}, Deadline.after(PATIENT), sends=sends)

    assert sends.unanswered == unanswered


def test_sends_without_a_connection_are_none() -> None:
    """What could not be sent cannot have had an effect."""
    sends = Sends()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Unavailable):
        client = HttpClient("eventgate", transport())
        client.post(url, b"{}", {}, Deadline.after(PATIENT), sends=sends)

    assert sends.unanswered == 0


def test_sends_once_unanswered_goes_out_on_a_fresh_connection_and_only_once() -> None:
    """One dead connection is reason to doubt the pooled ones, and the one repeat is used up."""
    counted: list[None] = []
    by = transport(resent=lambda: counted.append(None))
    sends = Sends(unanswered=1)
    with Upstream(script(OK, resetting)) as upstream:
        post(upstream.url, by=by)
        with pytest.raises(Unavailable):
            client = HttpClient("eventgate", by)
            client.post(upstream.url, b"{}", {}, Deadline.after(PATIENT), sends=sends)

    assert (len(upstream.received), upstream.connections) == (2, 2)
    assert (sends.unanswered, sends.spent, len(counted)) == (2, True, 1)


def test_sends_meant_for_elsewhere_do_not_go_out_here_again() -> None:
    """The one repeat is left to who wants it at another address."""
    by = transport()
    sends = Sends(elsewhere=True)
    with Upstream(script(OK, resetting, OK)) as upstream:
        post(upstream.url, by=by)
        with pytest.raises(Unavailable):
            client = HttpClient("eventgate", by)
            client.post(upstream.url, b"{}", {}, Deadline.after(PATIENT), sends=sends)

    assert (len(upstream.received), sends.unanswered) == (2, 1)


@pytest.mark.parametrize("read_timeout", [None, PATIENT], ids=["no_read_timeout", "longer_one"])
def test_share_of_the_time_used_up_is_no_deadline(read_timeout: float | None) -> None:
    """A call that may take only a part of the time leaves the rest to the caller."""
    client = HttpClient("eventgate", transport(), read_timeout_seconds=read_timeout)
    deadline = Deadline.after(PATIENT)
    begun = time.monotonic()
    with Upstream(hanging(b"")) as upstream, pytest.raises(Unavailable) as raised:
        client.post(upstream.url, b"{}", {}, deadline, share_seconds=LIMIT)

    assert LIMIT - 0.05 <= time.monotonic() - begun < LIMIT + SLACK
    assert raised.value.reason == "upstream_timeout"


def test_connection_refused_is_unavailable() -> None:
    """Nobody listens: 503, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Unavailable) as raised:
        post(f"http://127.0.0.1:{port}")

    assert (raised.value.status, raised.value.reason) == (503, "upstream_unavailable")


@pytest.mark.parametrize("host", ["unknown.test", "a" * 64 + ".test"], ids=["unknown", "too_long"])
def test_connection_unknown_host_is_unavailable(host: str) -> None:
    """A name that cannot be resolved is a temporary failure."""

    def unknown(name: str, *_: Any, **__: Any) -> list[Any]:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Unavailable) as raised:
        post(f"http://{host}/", by=transport(getaddrinfo=unknown))

    assert raised.value.reason == "upstream_unavailable"


def resolving(*addresses: tuple[int, int]) -> Callable[..., list[Any]]:
    """A getaddrinfo that gives these (family, port) on 127.0.0.1."""
    return lambda *_, **__: [
        (family, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for family, port in addresses
    ]


def test_connection_first_address_refuses_goes_to_the_second() -> None:
    """An address at which nobody listens does not hide the next one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]

    with Upstream(OK) as upstream:
        found = resolving((socket.AF_INET, dead), (socket.AF_INET, upstream.port))
        response = post("http://predictor.test/", by=transport(getaddrinfo=found))

    assert response.status == 200
    assert upstream.received[0].headers["host"] == "predictor.test"


def test_connection_first_address_hangs_leaves_time_for_the_second() -> None:
    """Each address gets its share of the time."""
    with full_listener() as dead, Upstream(OK) as upstream:
        found = resolving((socket.AF_INET, dead), (socket.AF_INET, upstream.port))
        by = transport(getaddrinfo=found, connect_timeout_seconds=0.6)
        response = post("http://predictor.test/", by=by)

    assert response.status == 200


def test_connection_first_address_of_an_unsupported_family_goes_to_the_second() -> None:
    """A family that this machine cannot speak, as IPv6 often is, does not hide the next address."""
    with Upstream(OK) as upstream:
        found = resolving((9999, 80), (socket.AF_INET, upstream.port))
        response = post("http://predictor.test/", by=transport(getaddrinfo=found))

    assert response.status == 200


def test_connection_first_address_hangs_in_tls_leaves_time_for_the_second() -> None:
    """The share of an address covers its TLS handshake too."""
    with raw_server(read_only) as dead, Upstream(OK, server_context("predictor.test")) as upstream:
        found = resolving((socket.AF_INET, dead), (socket.AF_INET, upstream.port))
        by = transport(getaddrinfo=found, connect_timeout_seconds=0.6, tls=trusting())
        response = post("https://predictor.test/", by=by)

    assert response.status == 200


STALE = http_message(b"stale")


def first_then_stale(first: bytes, pause: float) -> Behave:
    """Answer, and after a pause say something that nobody asked for."""

    def behave(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(first)
        time.sleep(pause)
        sock.sendall(STALE)
        return True

    return behave


@pytest.mark.parametrize(
    "first",
    [
        saying(http_message(b"1") + STALE, keep=True),
        first_then_stale(http_message(b"1"), 0.05),
        first_then_stale(b"HTTP/1.1 204 No Content\r\n\r\n", 0.05),
        first_then_stale(b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.05),
    ],
    ids=["same_segment", "later", "after_no_content", "after_early_hints"],
)
def test_pooled_connection_unasked_answer_is_never_taken_for_ours(first: Behave) -> None:
    """What a peer says without being asked is not the answer to the next request."""
    by = transport()
    with Upstream(script(first, echo)) as upstream:
        with contextlib.suppress(SinkError):
            post(upstream.url, b"1", by=by)
        time.sleep(0.15)
        response = post(upstream.url, b"2", by=by)

    assert response.body == b"2"


@pytest.mark.parametrize(
    "message",
    [
        http_message(b"{}", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["connection_close", "http_1_0"],
)
def test_connection_announced_to_close_is_not_reused(message: bytes) -> None:
    """After `Connection: close` the next request goes out on a fresh connection at once."""
    by = transport()
    with Upstream(saying(message, keep=True)) as upstream:
        for _ in range(3):
            post(upstream.url, by=by)

    assert (len(upstream.received), upstream.connections) == (3, 3)


def test_pool_idle_too_long_is_not_handed_out() -> None:
    """Idle connections are closed, not reused, after the pool's time; EventGate's is 5 s."""
    pool = Pool(0.05)
    ours, peer = socket.socketpair()
    with ours, peer:
        pool.give("origin", Connection(ours))
        time.sleep(0.06)
        taken = pool.take("origin")
        closed = peer.recv(1)

    assert taken is None
    assert closed == b""
    assert IDLE_SECONDS == 4


def test_pool_burst_over_closes_the_oldest() -> None:
    """Connections of a burst do not stay open until the process ends."""
    pool = Pool(0.05)
    pairs = [socket.socketpair() for _ in range(5)]
    for ours, _ in pairs[:4]:
        pool.give("origin", Connection(ours))
    time.sleep(0.06)
    pool.give("origin", Connection(pairs[4][0]))

    ends = [peer.recv(1) for _, peer in pairs[:4]]

    assert ends == [b""] * 4
    assert pool.take("other") is None
    assert pool.take("origin") is not None
    for sock in itertools.chain(*pairs):
        sock.close()


def test_pool_many_threads_never_share_a_connection() -> None:
    """Under load every request gets the answer to itself, on few connections."""
    by, wrong = transport(), list[object]()

    def run(number: int) -> None:
        for turn in range(50):
            body = f"{number} {turn}".encode()
            try:
                content = post(upstream.url, body, by=by).body
            except Exception as error:
                wrong.append(error)
            else:
                if content != body:
                    wrong.append((body, content))

    with Upstream(echo) as upstream:
        threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert len(upstream.received) == 400
    assert upstream.connections <= 16


# --- requests --------------------------------------------------------------------------------


def test_request_on_the_wire_is_exactly_ours() -> None:
    """Method, target, Host, User-Agent and headers are what the caller said, and nothing else."""
    with Upstream(OK) as upstream:
        post(f"{upstream.url}/v1/a:b?c=%20d#e", b"body", {"Host": "a.b.example", "X-A": "b c"})

    assert upstream.received[0].raw_head.decode().split("\r\n") == [
        "POST /v1/a:b?c=%20d HTTP/1.1",
        "Host: a.b.example",
        f"User-Agent: knative-event-sinks/{__version__}",
        "Accept-Encoding: identity",
        "X-A: b c",
        "Content-Length: 4",
    ]
    assert upstream.received[0].body == b"body"


@pytest.mark.parametrize(
    "suffix",
    [
        "/a b",
        "/é",
        "/\x7f",
        "/\x00",
        "/a\r\nX-Injected: 1",
        "/a\r\nb",
        "/a\tb",
        "/a HTTP/1.1\r\nHost: x\r\n\r\nGET /",
        "\r\n/",
        "@elsewhere.test/",
    ],
    ids=repr,
)
def test_request_url_with_forbidden_characters_is_not_sent(suffix: str) -> None:
    """A URL that could become two requests is refused before anything is sent."""
    with Upstream(OK) as upstream:
        with pytest.raises(ValueError):
            post(upstream.url + suffix)

    assert upstream.connections == 0


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///x", "//127.0.0.1/", "", "file:///x"])
def test_request_url_not_http_is_refused(url: str) -> None:
    """Only http and https URLs with a host are called."""
    with pytest.raises(ValueError):
        post(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-Injected: 1"),
        ("X-A", "a\nb"),
        ("X-A", "a\x00"),
        ("X-A", "a\x7f"),
        ("X-A", "é"),
        ("Host", "a\r\nX-Injected: 1"),
        ("X A", "a"),
        ("X-A:", "a"),
        ("X-A\r\nX-Injected", "a"),
        ("X-É", "a"),
        ("", "a"),
    ],
    ids=repr,
)
def test_request_header_with_forbidden_characters_is_not_sent(name: str, value: str) -> None:
    """A header that could become two headers is refused before anything is sent."""
    with Upstream(OK) as upstream:
        with pytest.raises(ValueError):
            post(upstream.url, headers={name: value})

    assert upstream.connections == 0


def test_environment_of_proxies_and_netrc_is_ignored(tmp_path: Path) -> None:
    """Neither proxies nor credentials of the environment reach a request."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    code = "import sys, test_http_client as t; print(t.post(sys.argv[1]).status)"
    with Upstream(answer(418)) as proxy, Upstream(OK) as upstream:
        names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
        proxies = dict.fromkeys(names, proxy.url)
        path = f"{ROOT}:{Path(__file__).parent}"
        environ = {**proxies, "NO_PROXY": "", "HOME": str(tmp_path), "PYTHONPATH": path}
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code, upstream.url],
            env=clean_env(environ),
            capture_output=True,
            timeout=20,
        )

    assert done.stdout == b"200\n", done.stderr
    assert proxy.received == []
    assert "authorization" not in upstream.received[0].headers


def test_observe_every_call_is_timed_once() -> None:
    """Successful and failed calls are both observed, with their seconds."""
    seen: list[float] = []
    with Upstream(script(OK, hanging(b""))) as upstream:
        client = HttpClient("predictor", transport(), seen.append)
        client.post(upstream.url, b"{}", {}, Deadline.after(PATIENT))
        with pytest.raises(DeadlineExceeded):
            client.post(upstream.url, b"{}", {}, Deadline.after(LIMIT))

    assert len(seen) == 2
    assert seen[0] < seen[1]
    assert LIMIT - 0.05 <= seen[1] < LIMIT + SLACK


def test_deadline_used_up_before_the_call_sends_nothing() -> None:
    """Without any time left nothing is connected to."""
    with Upstream(OK) as upstream:
        with pytest.raises(DeadlineExceeded) as raised:
            post(upstream.url, seconds=-1)

    assert raised.value.status == 504
    assert upstream.connections == 0


# --- under gevent: last, because the other process has been working meanwhile -----------------


@pytest.mark.parametrize("stage", STAGES)
def test_deadline_stage_hangs_under_gevent_others_go_on(
    results: dict[str, tuple[str, int]], stage: str
) -> None:
    """Under gevent every stage ends in time as well, and meanwhile other greenlets run."""
    problem, ticks = results[stage]

    assert problem == ""
    assert ticks >= ENOUGH_TICKS


@pytest.mark.parametrize("case", REUSE)
def test_connection_reuse_under_gevent_is_the_same(
    results: dict[str, tuple[str, int]], case: str
) -> None:
    """Reused while young, also over TLS; after more than four idle seconds not used again."""
    problem, _ = results[case]

    assert problem == ""
