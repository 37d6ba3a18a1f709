"""The tokens file: what is accepted, who is known by it, and what a rewrite does."""

from __future__ import annotations

import hmac
import logging
import os
import shutil
from itertools import count
from pathlib import Path

import pytest

from sinks.tokens import InvalidTokens, Tokens

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


@pytest.mark.parametrize(("token", "client"), [(TOKEN, "changeprop"), (OTHER, "backfill")])
def test_client_with_a_token_of_the_file_is_its_name(tokens: Path, token: str, client: str) -> None:
    """Each token names its own client."""
    assert Tokens(tokens).client(token) == client


@pytest.mark.parametrize(
    "token",
    ["", TOKEN[:-1], f"{TOKEN}0", TOKEN.upper(), f"{TOKEN} {OTHER}", f"changeprop={TOKEN}"]
    + ["changeprop", f"\xe9\xff\u20ac{TOKEN}", f"\udcff{TOKEN}", "x" * 100_000],
)
def test_client_with_another_token_is_nobody(tokens: Path, token: str) -> None:
    """Nothing but a whole token counts, and nothing breaks the comparison."""
    assert Tokens(tokens).client(token) is None


def test_client_without_a_file_is_nobody() -> None:
    """Without a tokens file no token is known."""
    assert Tokens(None).client(TOKEN) is None


@pytest.mark.parametrize("token", [TOKEN, OTHER, "", "x" * 500])
def test_client_is_compared_with_every_token_in_constant_time(
    tokens: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it takes tells neither which client it is nor how long a token is."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    Tokens(tokens).client(token)

    assert compared == [(32, 32), (32, 32)]


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

    assert Tokens(path).client(token) == name


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
        Tokens(path)

    assert TOKEN not in str(refused.value)
    assert OTHER not in str(refused.value)
    assert "xxx" not in str(refused.value)


def test_tokens_file_that_is_no_text_is_refused_without_a_token(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a wrong file like any other, not an error nobody foresaw."""
    path = write(tmp_path / "tokens", f"a={TOKEN}\n".encode() + b"b=\xff\xfe0123456789abcdef\n")

    with pytest.raises(InvalidTokens) as refused:
        Tokens(path)

    assert TOKEN not in str(refused.value)


def test_client_after_the_file_changed_is_known_by_the_new_tokens(tokens: Path) -> None:
    """A rewritten file counts from the next call on, in both directions."""
    known = Tokens(tokens)
    assert known.client(TOKEN) == "changeprop"

    write(tokens, f"newcomer={'n' * 16}\n")

    assert known.client("n" * 16) == "newcomer"
    assert known.client(TOKEN) is None


def test_client_after_the_file_was_replaced_is_known_by_the_new_tokens(tokens: Path) -> None:
    """A mounted Secret changes by a symbolic link that is switched to another file."""
    linked = tokens.with_name("linked")
    linked.symlink_to(tokens)
    known = Tokens(linked)
    assert known.client(TOKEN) == "changeprop"

    other = write(tokens.with_name("other"), f"newcomer={'n' * 16}\n")
    switched = tokens.with_name("switched")
    switched.symlink_to(other)
    switched.rename(linked)

    assert known.client("n" * 16) == "newcomer"


def test_client_after_all_lines_went_is_nobody(tokens: Path) -> None:
    """A file of comments is a good one: it knows nobody."""
    known = Tokens(tokens)
    write(tokens, "# nobody\n")

    assert known.client(TOKEN) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty for a moment"),
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
    known = Tokens(tokens)
    write(tokens, content)

    assert known.client(TOKEN) == "changeprop"
    assert known.client("n" * 16) is None

    write(tokens, f"newcomer={'n' * 16}\n")
    assert known.client("n" * 16) == "newcomer"


def test_client_after_the_file_vanished_is_known_by_the_old_tokens(tokens: Path) -> None:
    """Between an unlink and the new file the old tokens stay in force."""
    known = Tokens(tokens)
    tokens.unlink()

    assert known.client(TOKEN) == "changeprop"


@pytest.mark.parametrize("seconds", [-3600, 0], ids=["earlier", "same"])
def test_client_after_a_switch_to_a_file_that_is_not_younger_is_known_by_the_new_tokens(
    tokens: Path, seconds: int
) -> None:
    """The file that a mounted Secret is switched to can be older, or as old and as long."""
    known = Tokens(tokens)
    moment = int(tokens.stat().st_mtime) + seconds
    other = tokens.with_name("other")
    other.write_text(tokens.read_text().replace(TOKEN, "n" * 16))
    os.utime(other, (moment, moment))
    other.rename(tokens)

    assert (known.client("n" * 16), known.client(TOKEN)) == ("changeprop", None)


def test_client_after_a_secret_was_switched_as_kubernetes_does_is_known_by_the_new_tokens(
    tmp_path: Path,
) -> None:
    """The file is a link through `..data`, which is replaced; the old directory then goes."""
    for version, token in (("..1", TOKEN), ("..2", OTHER)):
        (tmp_path / version).mkdir()
        write(tmp_path / version / "tokens", f"changeprop={token}\n")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    known = Tokens(tmp_path / "tokens")

    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    shutil.rmtree(tmp_path / "..1")

    assert (known.client(OTHER), known.client(TOKEN)) == ("changeprop", None)


def test_tokens_file_that_is_empty_is_refused(tmp_path: Path) -> None:
    """Nobody makes such a file on purpose, and it would let nobody in."""
    with pytest.raises(InvalidTokens, match="is empty"):
        Tokens(write(tmp_path / "tokens", ""))


def test_tokens_file_with_a_client_twice_is_refused(tmp_path: Path) -> None:
    """Two tokens of one client have two names, so that the log tells which is still in use."""
    with pytest.raises(InvalidTokens, match="two lines") as refused:
        Tokens(write(tmp_path / "tokens", f"a={TOKEN}\na={OTHER}\n"))

    assert TOKEN not in str(refused.value)


def test_wrong_rewrite_is_logged_once_without_a_token(
    tokens: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says what is wrong, not one for every request."""
    known = Tokens(tokens)
    write(tokens, f"newcomer {OTHER}\n")
    with caplog.at_level(logging.ERROR, "sinks"):
        for _ in range(3):
            known.client(TOKEN)

    said = [getattr(record, "fields", {}).get("detail", "") for record in caplog.records]
    assert [("line 1" in detail, OTHER in detail) for detail in said] == [(True, False)]
