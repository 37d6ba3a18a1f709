"""Bearer tokens: which file is accepted, who is known by it, and what a rewrite does."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from sinks.callers import Callers, InvalidTokens
from sinks.errors import Unauthenticated, error_document

TOKEN = "0123456789abcdef"  # noqa: S105
OTHER = "fedcba9876543210"
_TIMES = count(1_700_000_000)


def write(path: Path, content: str | bytes) -> Path:
    """Write the file with a time of its own, however fast the writes follow each other."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    moment = next(_TIMES)
    os.utime(path, (moment, moment))
    return path


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file that knows two clients."""
    return write(
        tmp_path / "tokens", f"# who may publish\n\nchangeprop={TOKEN}\nbackfill={OTHER}\n"
    )


@pytest.mark.parametrize(
    ("authorization", "client"),
    [
        pytest.param(f"Bearer {TOKEN}", "changeprop", id="first client"),
        pytest.param(f"Bearer {OTHER}", "backfill", id="second client"),
        pytest.param(f"bearer {TOKEN}", "changeprop", id="scheme in lower case"),
        pytest.param(f"BEARER {TOKEN}", "changeprop", id="scheme in upper case"),
        pytest.param(f"Bearer   {TOKEN} ", "changeprop", id="more spaces"),
    ],
)
def test_client_with_a_known_token_is_its_name(
    tokens: Path, authorization: str, client: str
) -> None:
    """A token in force names its client."""
    assert Callers(tokens, False).client(authorization) == client


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="scheme only"),
        pytest.param("Bearer ", id="no token"),
        pytest.param(TOKEN, id="token only"),
        pytest.param(f"Basic {TOKEN}", id="another scheme"),
        pytest.param(f"Bearer {TOKEN[:-1]}", id="token cut short"),
        pytest.param(f"Bearer {TOKEN}0", id="token and more"),
        pytest.param(f"Bearer {TOKEN.upper()}", id="token in upper case"),
        pytest.param(f"Bearer {TOKEN} {OTHER}", id="two tokens"),
        pytest.param(f"Bearer changeprop={TOKEN}", id="line of the file"),
        pytest.param("Bearer changeprop", id="name of a client"),
        pytest.param("Bearer \xe9\xff\u20ac" + TOKEN, id="non-ASCII"),
    ],
)
def test_client_without_a_known_token_is_refused_without_hint(
    tokens: Path, authorization: str | None
) -> None:
    """Whatever is wrong, the answer is the same and names neither clients nor tokens."""
    with pytest.raises(Unauthenticated) as refused:
        Callers(tokens, False).client(authorization)

    assert str(refused.value) == "unauthenticated: a known bearer token is required"
    assert TOKEN.encode() not in error_document(refused.value, None)


def test_client_without_authorization_may_be_anonymous(tokens: Path) -> None:
    """ALLOW_ANONYMOUS is for calls that show nothing at all."""
    assert Callers(tokens, True).client(None) == "anonymous"
    assert Callers(None, True).client(None) == "anonymous"


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Bearer {OTHER}x", f"Basic {TOKEN}"])
def test_client_with_a_wrong_token_is_refused_although_anonymous_may(
    tokens: Path, authorization: str
) -> None:
    """Who shows something wrong is not taken for somebody who shows nothing."""
    with pytest.raises(Unauthenticated):
        Callers(tokens, True).client(authorization)


def test_client_with_a_token_where_there_is_no_file_is_refused() -> None:
    """Without a tokens file no token is known."""
    with pytest.raises(Unauthenticated):
        Callers(None, True).client(f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"a={'x' * 16}", id="shortest token"),
        pytest.param(f"a={'x' * 512}", id="longest token"),
        pytest.param(f"{'A.b_c-' * 10}zzzz={TOKEN}", id="longest name"),
        pytest.param("a=!~#=/+.0123456789", id="all printable characters"),
        pytest.param(f"a={TOKEN}\r", id="line feed of Windows"),
    ],
)
def test_tokens_file_of_good_lines_is_accepted(tmp_path: Path, line: str) -> None:
    """A line is client=token with a printable token of 16 to 512 characters."""
    path = write(tmp_path / "tokens", f"{line}\n")
    name, _, token = line.strip().partition("=")

    assert Callers(path, False).client(f"Bearer {token}") == name


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"a={'x' * 15}", id="token too short"),
        pytest.param(f"a={'x' * 513}", id="token too long"),
        pytest.param(TOKEN, id="token only"),
        pytest.param(f"={TOKEN}", id="no name"),
        pytest.param(f"{'a' * 65}={TOKEN}", id="name too long"),
        pytest.param(f"a b={TOKEN}", id="name with space"),
        pytest.param(f"a = {TOKEN}", id="spaces around ="),
        pytest.param(f"a={TOKEN} ", id="space at the end"),
        pytest.param(f"a={TOKEN} x", id="space in the token"),
        pytest.param(f"a={TOKEN}é", id="non-ASCII token"),
        pytest.param(f"a:{TOKEN}", id="colon"),
        pytest.param(f" # {TOKEN}", id="comment that is not at the beginning"),
    ],
)
def test_tokens_file_with_a_wrong_line_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    """The refusal names the lines and never repeats one, because a token may be in it."""
    path = write(tmp_path / "tokens", f"# comment\nb={OTHER}\n{line}\n\n{line}\n")

    with pytest.raises(InvalidTokens, match="line 3, 5: ") as refused:
        Callers(path, False)

    assert TOKEN not in str(refused.value)
    assert OTHER not in str(refused.value)
    assert "xxx" not in str(refused.value)


def test_tokens_file_that_is_no_text_is_refused_without_a_token(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a wrong file like any other, not an error nobody foresaw."""
    path = write(tmp_path / "tokens", f"a={TOKEN}\n".encode() + b"b=\xff\xfe0123456789abcdef\n")

    with pytest.raises(InvalidTokens) as refused:
        Callers(path, False)

    assert TOKEN not in str(refused.value)


def test_client_after_the_file_changed_is_known_by_the_new_tokens(tokens: Path) -> None:
    """A rewritten file counts from the next call on, in both directions."""
    callers = Callers(tokens, False)
    assert callers.client(f"Bearer {TOKEN}") == "changeprop"

    write(tokens, f"newcomer={'n' * 16}\n")

    assert callers.client(f"Bearer {'n' * 16}") == "newcomer"
    with pytest.raises(Unauthenticated):
        callers.client(f"Bearer {TOKEN}")


def test_client_after_the_file_was_replaced_is_known_by_the_new_tokens(tokens: Path) -> None:
    """A mounted Secret changes by a symbolic link that is switched to another file."""
    linked = tokens.with_name("linked")
    linked.symlink_to(tokens)
    callers = Callers(linked, False)
    assert callers.client(f"Bearer {TOKEN}") == "changeprop"

    other = write(tokens.with_name("other"), f"newcomer={'n' * 16}\n")
    switched = tokens.with_name("switched")
    switched.symlink_to(other)
    switched.rename(linked)

    assert callers.client(f"Bearer {'n' * 16}") == "newcomer"


def test_client_after_the_file_was_emptied_is_refused(tokens: Path) -> None:
    """An empty file is a good one: it knows nobody."""
    callers = Callers(tokens, False)
    write(tokens, "# nobody\n")

    with pytest.raises(Unauthenticated):
        callers.client(f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"newcomer\n", id="wrong line"),
        pytest.param(b"newcomer=nnnnnnnnnnnnnnnn\nshort=x\n", id="one wrong line"),
        pytest.param(b"newcomer=nnnnnnnnnnnnnnnn\n\xff\xfe\n", id="not UTF-8"),
    ],
)
def test_client_after_a_wrong_rewrite_is_known_by_the_old_tokens(
    tokens: Path, content: bytes
) -> None:
    """A file that is being rewritten, or was rewritten wrongly, locks nobody out and lets nobody
    in."""
    callers = Callers(tokens, False)
    write(tokens, content)

    assert callers.client(f"Bearer {TOKEN}") == "changeprop"
    with pytest.raises(Unauthenticated):
        callers.client(f"Bearer {'n' * 16}")

    write(tokens, f"newcomer={'n' * 16}\n")
    assert callers.client(f"Bearer {'n' * 16}") == "newcomer"


def test_client_after_the_file_vanished_is_known_by_the_old_tokens(tokens: Path) -> None:
    """Between an unlink and the new file the old tokens stay in force."""
    callers = Callers(tokens, False)
    tokens.unlink()

    assert callers.client(f"Bearer {TOKEN}") == "changeprop"
