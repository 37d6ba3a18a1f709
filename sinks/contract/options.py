"""What the files hold that a command is given, or the end of it with one clear line."""

from __future__ import annotations

from typing import Final

from sinks import event_samples, jsondata
from sinks.contract.finding import one_line
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


def event_bytes(name: str, most: int) -> bytes:
    """Return what EVENT names: one of the samples, else a file; `-` is standard input.

    most: bytes that a sink takes; with more the command ends.
    """
    samples = event_samples.names()
    if name in samples:
        return jsondata.dumps(event_samples.document(name))
    try:
        with opened(name) as file:
            content = file.read(most + 1)
    except OSError as error:
        others = f"; there are the samples {', '.join(samples)}" if name != "-" else ""
        raise ended(one_line(f"{name[:200]}: {error.strerror}{others}", 1000)) from None
    if len(content) > most:
        raise ended(one_line(f"{name}: it has more than {most} bytes: no sink takes it"))
    return content


def authorization(name: str | None) -> dict[str, str]:
    """Return the header that shows the token in the file of `--token-file`; empty without one."""
    if name is None:
        return {}
    token = read_bytes("--token-file", name, _MAX_TOKEN_BYTES).decode("latin-1").strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ended("--token-file has to hold one token: ASCII without spaces")
    return {"Authorization": f"Bearer {token}"}
