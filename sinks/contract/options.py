"""What files that options name hold, or the end of the command with one clear line."""

from __future__ import annotations

from typing import Final

from sinks.contract.terminal import ended, opened

_MAX_TOKEN_BYTES: Final = 8192


def read_bytes(option: str, name: str, size: int) -> bytes:
    """Return at most `size` bytes of a file; `-` is standard input.

    option: what the end of the command names.
    """
    try:
        with opened(name) as file:
            return file.read(size)
    except OSError as error:
        raise ended(f"{option}: {name}: {error.strerror}") from None


def authorization(name: str | None) -> dict[str, str]:
    """Return the header that shows the token in the file of `--token-file`; empty without one."""
    if name is None:
        return {}
    token = read_bytes("--token-file", name, _MAX_TOKEN_BYTES).decode("latin-1").strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ended("--token-file has to hold one token: ASCII without spaces")
    return {"Authorization": f"Bearer {token}"}
