"""Bearer tokens: what a caller shows, one refusal for all that is wrong, and what we show."""

from __future__ import annotations

import re
from pathlib import Path

from sinks.errors import Unauthenticated

_TOKEN = re.compile(r"[!-~]+")


class UnreadableToken(ValueError):
    """A token of ours is there but cannot be shown; the text never has a part of it."""


def shown_in(authorization: str | None) -> str:
    """Return the token of an Authorization header; empty if it has none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def unauthenticated(why: str = "") -> Unauthenticated:
    """Return the one refusal, whatever is wrong.

    why: for the log only; the caller gets no hint.
    """
    error = Unauthenticated("unauthenticated", "a known bearer token is required")
    error.upstream_text = why
    return error


def authorization_of(token_file: Path | None) -> dict[str, str]:
    """Return our own Authorization header, empty without a file.

    It is read anew each time, because Kubernetes renews such tokens while we run.
    raises: UnreadableToken.
    """
    if token_file is None:
        return {}
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableToken(f"cannot be read as text: {type(error).__name__}") from None
    if not _TOKEN.fullmatch(token):
        raise UnreadableToken("is empty or not one word")
    return {"Authorization": f"Bearer {token}"}
