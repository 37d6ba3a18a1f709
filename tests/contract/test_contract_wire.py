"""The probe's own client: it hears what a server really says, and nobody can hold or fill it up."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from sinks.contract.probe.heard import Heard, HttpAnswer, Silence
from sinks.contract.probe.target import Target
from sinks.contract.probe.wire import MAX_ANSWER_BYTES, perform
from sinks.contract.rows.script import AwaitInterim, EndSending, Hear, Pause, Script, Send
from tests.certificates import self_signed
from tests.upstream import raw_server

Handle = Callable[[socket.socket], object]
LIMIT, SLACK, PATIENT = 0.4, 1.5, 10.0
REQUEST = b"POST / HTTP/1.1\r\nHost: sink\r\nContent-Length: 2\r\n\r\nhi"
ASK: Script = (Send(REQUEST), Hear())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


# --- servers ------------------------------------------------------------------------------------


def read(sock: socket.socket, count: int = 1) -> None:
    """Take so many requests off the connection."""
    for _ in range(count):
        taken = b""
        while len(taken) < len(REQUEST):
            more = sock.recv(len(REQUEST) - len(taken))
            if not more:
                return
            taken += more


def saying(*pieces: bytes, pause: float = 0.0) -> Handle:
    """Take a request, say these pieces, and close."""

    def handle(sock: socket.socket) -> None:
        read(sock)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)

    return handle


def keeping(*pieces: bytes, pause: float = 0.0) -> Handle:
    """The same, but close only after the client has."""
    say = saying(*pieces, pause=pause)

    def handle(sock: socket.socket) -> None:
        say(sock)
        while sock.recv(65536):
            pass

    return handle


def endless(prefix: bytes, piece: bytes, pause: float = 0.0) -> Handle:
    """Take a request and never stop talking."""

    def handle(sock: socket.socket) -> None:
        read(sock)
        sock.sendall(prefix)
        while True:
            sock.sendall(piece)
            time.sleep(pause)

    return handle


def resetting(sock: socket.socket) -> None:
    """Close with RST and without an answer."""
    read(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def never_reading(sock: socket.socket) -> None:
    """Take the connection, and nothing from it."""
    time.sleep(3 * LIMIT)


@contextlib.contextmanager
def served(
    handle: Handle, tls: ssl.SSLContext | None = None, seconds: float = PATIENT
) -> Iterator[Target]:
    """Give the address of a server that hands each connection to `handle`."""
    with raw_server(handle, tls) as port:
        yield Target("127.0.0.1", port, f"127.0.0.1:{port}", seconds=seconds)


def heard(handle: Handle, script: Script = ASK, seconds: float = PATIENT) -> list[Heard]:
    with served(handle, seconds=seconds) as target:
        return perform(script, target)


def answered(handle: Handle, script: Script = ASK) -> HttpAnswer:
    """The one answer, which has to be one."""
    (each,) = heard(handle, script)
    assert isinstance(each, HttpAnswer), each
    return each


def silent(handle: Handle, script: Script = ASK, seconds: float = PATIENT) -> Silence:
    """The one answer, which has to be none."""
    (each,) = heard(handle, script, seconds)
    assert isinstance(each, Silence), each
    return each


# --- connections that end ------------------------------------------------------------------------

CLOSING = b"HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
OLD = b"HTTP/1.0 204 No Content\r\n\r\n"


@pytest.mark.parametrize(("last", "status"), [(CLOSING, 400), (OLD, 204)], ids=["said", "http_1_0"])
def test_connection_that_the_server_ends_is_opened_anew(last: bytes, status: int) -> None:
    """Whoever says that an answer is the last may close: what comes next has a new connection."""
    answers = heard(saying(last), (*ASK, *ASK))

    assert [each.status for each in answers if isinstance(each, HttpAnswer)] == [status, status]
    assert [each.last for each in answers if isinstance(each, HttpAnswer)] == [True, True]


def test_connection_that_ends_between_pipelined_requests_says_so() -> None:
    """Requests behind the last answer are not lost unseen: their sender has to repeat them."""
    first, second = heard(saying(CLOSING), (Send(REQUEST + REQUEST), Hear(), Hear()))

    assert isinstance(first, HttpAnswer)
    assert isinstance(second, Silence)
    assert (second.announced, second.connected) == (True, True)


def test_connection_closed_unsaid_is_no_announcement() -> None:
    """A server that just closes has lost the second request."""
    _, second = heard(saying(OK), (*ASK, *ASK))

    assert isinstance(second, Silence)
    assert not second.announced


# --- answers ------------------------------------------------------------------------------------


def test_answer_headers_are_lower_case_latin_1_and_keep_repeats() -> None:
    """A judge sees every byte of every header that came."""
    raw = b"HTTP/1.1 400 Bad\r\nX-A: \xe9\r\nx-a: 2\r\nContent-Length: 1\r\n\r\n!"

    answer = answered(keeping(raw))

    assert answer.status == 400
    assert answer.values("x-a") == ["\xe9", "2"]
    assert answer.body == b"!"
    assert (answer.interim, answer.stray) == ((), b"")


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ],
    ids=["chunked", "until_close", "http_1_0", "empty", "304", "same_length_twice"],
)  # fmt: skip
def test_answer_body_ends_where_its_framing_says(raw: bytes, body: bytes) -> None:
    """Every framing that HTTP/1.1 allows is read."""
    answer = answered(saying(raw))

    assert answer.body == body
    assert answer.stray == b""


def test_answer_that_comes_byte_by_byte_is_whole() -> None:
    """A slow answer is an answer, as long as it comes in time."""
    pieces = [bytes([byte]) for byte in OK]

    assert answered(saying(*pieces, pause=0.001)).body == b"ok"


def test_answer_after_interim_answers_is_the_final_one() -> None:
    """103 and 100 may come at any time."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"

    answer = answered(saying(interim + OK))

    assert answer.status == 200
    assert answer.interim == (103, 100)


def test_answer_says_how_long_it_took() -> None:
    """Rows that are about time need to know it."""
    script = (Send(REQUEST), Pause(0.2), Hear())

    assert 0.2 <= answered(saying(OK), script).seconds < 0.2 + SLACK


# --- what was never asked for -------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0.0, 0.005], ids=["at_once", "a_little_later"])
@pytest.mark.parametrize("end", [saying, keeping], ids=["closing", "keeping"])
@pytest.mark.parametrize("head", [EMPTY, OK], ids=["204", "200"])
def test_bytes_after_the_answer_are_stray(
    head: bytes, end: Callable[..., Handle], pause: float
) -> None:
    """The body of a 204 is none, and what follows a body belongs to nobody."""
    answer = answered(end(head, b"OK", pause=pause))

    assert answer.stray == b"OK"


def test_bytes_after_the_answer_are_cut_off() -> None:
    """A few of them are enough to know."""
    answer = answered(endless(EMPTY, b"x" * 1000))

    assert 1000 <= len(answer.stray) <= 65536


def test_server_that_does_not_close_is_left_soon() -> None:
    """Waiting for what nobody has announced costs little."""

    def handle(sock: socket.socket) -> None:
        read(sock)
        sock.sendall(OK)
        time.sleep(2.0)

    begun = time.monotonic()

    assert answered(handle).stray == b""
    assert time.monotonic() - begun < 1.5


# --- connections --------------------------------------------------------------------------------


def test_answers_on_one_connection_come_in_turn() -> None:
    """Pipelined requests get their answers in order, on one connection."""
    first = OK.replace(b"ok", b"1!")
    script = (Send(REQUEST + REQUEST), Hear(), Hear())

    def handle(sock: socket.socket) -> None:
        read(sock, 2)
        sock.sendall(first + OK)

    bodies = [each.body for each in heard(handle, script) if isinstance(each, HttpAnswer)]

    assert bodies == [b"1!", b"ok"]


def test_answers_on_several_connections_do_not_mix() -> None:
    """Each connection has its own answer, whichever comes first."""
    count = itertools.count(1)

    def handle(sock: socket.socket) -> None:
        sock.sendall(b"")
        number = next(count)
        read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    script = (Send(REQUEST, 0), Pause(0.05), Send(REQUEST, 1), Hear(1), Hear(0))

    bodies = [each.body for each in heard(handle, script) if isinstance(each, HttpAnswer)]

    assert bodies == [b"2", b"1"]


def test_connection_closed_after_the_first_answer_has_no_second() -> None:
    """What a server does not say it will do is found at the next request."""
    script = (*ASK, Pause(0.02), *ASK)

    first, second = heard(saying(OK), script)

    assert isinstance(first, HttpAnswer)
    assert isinstance(second, Silence)
    assert second.connected


def test_refusal_is_heard_though_the_body_could_not_be_sent() -> None:
    """A server that refuses early need not read on."""

    def handle(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    script = (Send(REQUEST), Send(bytes(2**20)), Hear())

    assert answered(handle, script).status == 413


def test_half_closed_connection_is_still_heard() -> None:
    """A server that waits for the end of the body sees it, and can answer."""

    def handle(sock: socket.socket) -> None:
        taken = b""
        while more := sock.recv(65536):
            taken += more
        sock.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n" % len(taken) + taken)

    answer = answered(handle, (Send(b"half"), EndSending(), Hear()))

    assert answer.status == 400
    assert answer.body == b"half"


# --- 100 Continue -------------------------------------------------------------------------------


def test_await_interim_sends_the_body_after_the_interim_answer() -> None:
    """The body follows as soon as the server asks for it."""

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    answer = answered(handle, (Send(b"head"), AwaitInterim(PATIENT), Send(b"body"), Hear()))

    assert answer.body == b"body"
    assert answer.interim == (100,)
    assert answer.seconds < PATIENT


def test_await_interim_without_one_sends_the_body_all_the_same() -> None:
    """A server need not know 100 Continue."""
    script = (Send(REQUEST[:-2]), AwaitInterim(0.1), Send(REQUEST[-2:]), Hear())

    answer = answered(saying(OK), script)

    assert answer.interim == ()
    assert 0.1 <= answer.seconds < 0.1 + SLACK


def test_await_interim_final_answer_is_kept() -> None:
    """An answer that comes instead of 100 Continue is the answer."""
    script = (Send(REQUEST), AwaitInterim(LIMIT), Send(b"body"), Hear())

    assert answered(keeping(OK), script).body == b"ok"


# --- no answer ----------------------------------------------------------------------------------


def raw(text: bytes) -> Handle:
    return saying(text)


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        (saying(), "the connection was closed without an answer"),
        (resetting, "the connection broke: Connection reset by peer"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), "the connection was closed without an answer"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "unreadable: peer closed"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "unreadable: illegal status line"),
        (raw(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"), "unreadable: illegal status line"),
        (raw(b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n"), "unreadable: illegal header line"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "unreadable: bad Content-Length"),
        (
            raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok"),
            "unreadable: conflicting Content-Length",
        ),
        (
            raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "unreadable: illegal chunk header",
        ),
        (raw(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"), "unreadable: Received server"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n"), "the connection was closed without an answer"),
    ],
    ids=[
        "close", "reset", "half_a_head", "half_a_body", "ssh", "tls_alert", "header_with_space",
        "negative_length", "two_lengths", "bad_chunk", "upgrade", "interim_only",
    ],
)  # fmt: skip
def test_no_answer_says_what_came_instead(handle: Handle, why: str) -> None:
    """Whatever a server does is an answer or a reason, never an error of the client."""
    silence = silent(handle)

    assert silence.why.startswith(why), silence.why
    assert silence.connected
    assert silence.seconds < PATIENT


FLOOD = 1 << 16


@pytest.mark.parametrize(
    ("handle", "script"),
    [
        (endless(b"", b"", pause=1.0), ASK),
        (endless(OK[:5], b"", pause=1.0), ASK),
        (endless(OK[:-1], b"", pause=1.0), ASK),
        (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=0.01), ASK),
        (endless(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"x", pause=0.01), ASK),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), ASK),
        (never_reading, (Send(bytes(2**25)), Hear())),
    ],
    ids=[
        "nothing", "half_a_head", "half_a_body", "dripping_header", "dripping_body",
        "interim_for_ever", "never_reading",
    ],
)  # fmt: skip
def test_no_answer_in_time_ends_the_wait(handle: Handle, script: Script) -> None:
    """A server that hangs, drips or talks for ever costs the time-out once for each act."""
    begun = time.monotonic()

    silence = silent(handle, script, LIMIT)

    assert silence.why == f"nothing within {LIMIT:g} s"
    assert LIMIT <= time.monotonic() - begun < 2 * LIMIT + SLACK


def test_await_interim_flood_ends_the_wait() -> None:
    """Waiting for 100 Continue is bounded in time and bytes, too."""
    script = (Send(REQUEST), AwaitInterim(0.1), Hear())
    begun = time.monotonic()

    silence = silent(endless(b"", b"x" * FLOOD), script)

    assert silence.why.startswith("unreadable")
    assert time.monotonic() - begun < 0.1 + LIMIT + SLACK


@pytest.mark.parametrize(
    ("prefix", "piece", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * FLOOD, "an answer of more than 8388608 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"%x\r\n%s\r\n" % (FLOOD, b"x" * FLOOD),
            "an answer of more than 8388608 bytes",
        ),
        (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n" * 1000, "unreadable: Receive buffer too long"),
        (b"", b"x" * FLOOD, "unreadable: Receive buffer too long"),
    ],
    ids=["body", "chunks", "headers", "status_line"],
)
def test_endless_answer_is_given_up_in_bounded_memory(
    prefix: bytes, piece: bytes, why: str
) -> None:
    """A server cannot fill the memory of whoever probes it."""
    with served(endless(prefix, piece)) as target:
        tracemalloc.start()
        try:
            (silence,) = perform(ASK, target)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert isinstance(silence, Silence)
    assert silence.why == why
    assert peak < 4 * MAX_ANSWER_BYTES


# --- no connection ------------------------------------------------------------------------------


def test_no_connection_is_said_for_each_answer() -> None:
    """Nobody there: all that was to be heard is silence, and says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    answers = perform((*ASK, *ASK), Target("127.0.0.1", port, "sink", seconds=LIMIT))

    assert [(type(each), each.connected) for each in answers] == [(Silence, False)] * 2  # type: ignore[union-attr]
    assert "Connection refused" in answers[0].why  # type: ignore[union-attr]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid", "a..b"])
def test_no_connection_to_a_name_that_is_none(host: str) -> None:
    """A name without an address, or no name at all, is no error of the client."""
    (silence,) = perform(ASK, Target(host, 80, host, seconds=LIMIT))

    assert isinstance(silence, Silence)
    assert not silence.connected


def test_no_connection_in_the_middle_keeps_what_was_heard() -> None:
    """What came before the server went away is not forgotten."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def once() -> None:
        sock, _ = listener.accept()
        listener.close()
        with sock:
            keeping(OK)(sock)

    server = threading.Thread(target=once, daemon=True)
    server.start()
    script = (Send(REQUEST, 0), Hear(0), Send(REQUEST, 1), Hear(1))
    first, second = perform(script, Target("127.0.0.1", port, "sink"))
    server.join(PATIENT)

    assert isinstance(first, HttpAnswer)
    assert isinstance(second, Silence)
    assert not second.connected


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    path = self_signed(tmp_path_factory.mktemp("tls") / "server.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


def test_tls_answer_is_heard_also_after_our_end(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Half-closing a TLS connection does not end its reading: the answer is no ciphertext."""
    server, client = contexts

    def handle(sock: socket.socket) -> None:
        taken = sock.recv(4)
        time.sleep(0.05)  # until the client has ended
        sock.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n" % len(taken) + taken)

    with served(handle, server) as target:
        secure = Target(target.host, target.port, target.authority, tls=client)
        (answer,) = perform((Send(b"half"), EndSending(), Hear()), secure)

    assert isinstance(answer, HttpAnswer), answer
    assert (answer.status, answer.body, answer.stray) == (400, b"half", b"")


def test_tls_bytes_after_the_answer_are_stray(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Behind TLS, too, and decrypted."""
    server, client = contexts

    with served(saying(EMPTY, b"OK", pause=0.01), server) as target:
        secure = Target(target.host, target.port, target.authority, tls=client)
        (answer,) = perform(ASK, secure)

    assert isinstance(answer, HttpAnswer), answer
    assert answer.stray == b"OK"


def test_tls_unknown_authority_is_no_connection(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Nothing is sent to a server that nobody vouches for."""
    server, _ = contexts

    with served(saying(OK), server) as target:
        trusting_nobody = ssl.create_default_context(cafile=None)
        secure = Target(target.host, target.port, "sink", tls=trusting_nobody)
        (silence,) = perform(ASK, secure)

    assert isinstance(silence, Silence)
    assert not silence.connected
    assert "certificate verify failed" in silence.why


def test_tls_to_a_server_without_it_is_no_connection(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """https to an http port is a mistake in the URL, which the text shows."""
    with served(saying(OK)) as target:
        secure = Target(target.host, target.port, "sink", tls=contexts[1], seconds=LIMIT)
        (silence,) = perform(ASK, secure)

    assert isinstance(silence, Silence)
    assert not silence.connected


def test_tls_handshake_that_hangs_ends_in_time(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """A server that takes the connection and says nothing is left after the time-out."""
    with served(never_reading, seconds=LIMIT) as target:
        secure = Target(target.host, target.port, "sink", tls=contexts[1], seconds=LIMIT)
        begun = time.monotonic()
        (silence,) = perform(ASK, secure)

    assert isinstance(silence, Silence)
    assert not silence.connected
    assert time.monotonic() - begun < LIMIT + SLACK


def test_sockets_are_closed_whatever_happened() -> None:
    """Hundreds of rows must not use up the descriptors of whoever probes."""
    closed = threading.Semaphore(0)

    def handle(sock: socket.socket) -> None:
        try:
            read(sock)
            sock.sendall(b"nonsense\r\n\r\n")
            while sock.recv(65536):
                pass
        finally:
            closed.release()

    with served(handle) as target:
        for _ in range(5):
            perform((Send(REQUEST, 0), Send(REQUEST, 1), Hear(0)), target)

        assert all(closed.acquire(timeout=2) for _ in range(10))
