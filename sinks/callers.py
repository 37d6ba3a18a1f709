"""Who may publish: a bearer token per client, from a file that can change while we run."""

from __future__ import annotations

import hmac
import logging
import re
import threading
from pathlib import Path

from sinks import log
from sinks.errors import Unauthenticated

_LINE = re.compile(r"([A-Za-z0-9._-]{1,64})=([!-~]{16,512})")


class InvalidTokens(ValueError):
    """The tokens file is not lines `client=token`; the text names the lines, never a token."""


class Callers:
    """Knows clients by their tokens.

    tokens_file:      lines `client=token`, `#` comments; None: there are no tokens.
    allow_anonymous:  whether a call without Authorization may publish.
    raises:           InvalidTokens.
    """

    def __init__(self, tokens_file: Path | None, allow_anonymous: bool) -> None:
        self._file = tokens_file
        self._allow_anonymous = allow_anonymous
        self._lock = threading.Lock()
        self._changed = 0
        self._tokens: dict[str, bytes] = {}
        self._complained = ""
        self._reload()

    def client(self, authorization: str | None) -> str:
        """Return the client's name, `anonymous` without a token.

        raises: Unauthenticated, which gives no hint.
        """
        if authorization is None and self._allow_anonymous:
            return "anonymous"
        scheme, _, shown = (authorization or "").partition(" ")
        found = None
        if scheme.lower() == "bearer":
            with self._lock:
                self._reload_quietly()
                tokens = self._tokens
            # All of them are compared, so the time taken tells nothing.
            for name, token in tokens.items():
                if hmac.compare_digest(token, shown.strip().encode()):
                    found = name
        if found is None:
            raise Unauthenticated("unauthenticated", "a known bearer token is required")
        return found

    def _reload_quietly(self) -> None:
        """A file being rewritten, or rewritten wrongly, leaves the last good tokens in force."""
        try:
            self._reload()
            self._complained = ""
        except InvalidTokens as error:
            if str(error) != self._complained:
                self._complained = str(error)
                detail = f"{error}; the tokens read before stay in force"
                log.write(logging.ERROR, "TOKENS_FILE cannot be read again", {"detail": detail})

    def _reload(self) -> None:
        if self._file is None:
            return
        try:
            changed = self._file.stat().st_mtime_ns
            if changed == self._changed:
                return
            lines = enumerate(self._file.read_text(encoding="utf-8").splitlines(), 1)
        except (OSError, UnicodeDecodeError) as error:
            problem = type(error).__name__
            raise InvalidTokens(f"{self._file}: cannot be read as text: {problem}") from None
        matches = {
            number: _LINE.fullmatch(line)
            for number, line in lines
            if line.strip() and not line.startswith("#")
        }
        if wrong := [str(number) for number, match in matches.items() if match is None]:
            raise InvalidTokens(
                f"{self._file}: line {', '.join(wrong)}: has to be client=token, the token with at"
                " least 16 characters"
            )
        names = [match[1] for match in matches.values() if match]
        if len(set(names)) < len(names):
            raise InvalidTokens(f"{self._file}: a client has two lines; give each its own name")
        self._tokens = {match[1]: match[2].encode() for match in matches.values() if match}
        self._changed = changed
