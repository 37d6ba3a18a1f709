"""Tokens of clients in a file, one a line, that can change while we run."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
from pathlib import Path

from sinks import log

_LINE = re.compile(r"([A-Za-z0-9._-]{1,64})=([!-~]{16,512})")


class InvalidTokens(ValueError):
    """The tokens file is not lines `client=token`; the text names the lines, never a token."""


class Tokens:
    """Knows clients by their tokens.

    tokens_file:  lines `client=token`, `#` comments; None: no token is known.
    raises:       InvalidTokens.
    """

    def __init__(self, tokens_file: Path | None) -> None:
        self._file = tokens_file
        self._lock = threading.Lock()
        self._read: tuple[int, int, int] | None = None
        self._digests: dict[str, bytes] = {}
        self._complained = ""
        self._reload()

    def client(self, token: str) -> str | None:
        """Return the name of the client whose token this is, None if it is nobody's."""
        with self._lock:
            self._reload_quietly()
            digests = self._digests
        shown = _digest(token)
        found = None
        # All of them are compared, and digests are of one length, so the time taken tells nothing.
        for name, digest in digests.items():
            if hmac.compare_digest(digest, shown):
                found = name
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
            # A mounted Secret is a link that is switched: its times can go back, or stay.
            stat = self._file.stat()
            now = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if now == self._read:
                return
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = type(error).__name__
            raise InvalidTokens(f"{self._file}: cannot be read as text: {problem}") from None
        self._digests = _digests_of(text, self._file)
        self._read = now


def _digests_of(text: str, file: Path) -> dict[str, bytes]:
    if not text:  # as it is for a moment while somebody writes it in place
        raise InvalidTokens(f"{file}: is empty; where nobody may call, a comment says so")
    matches = {
        number: _LINE.fullmatch(line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    }
    if wrong := [str(number) for number, match in matches.items() if match is None]:
        raise InvalidTokens(
            f"{file}: line {', '.join(wrong)}: has to be client=token, the token with at least"
            " 16 characters"
        )
    names = [match[1] for match in matches.values() if match]
    if len(set(names)) < len(names):
        raise InvalidTokens(f"{file}: a client has two lines; give each its own name")
    return {match[1]: _digest(match[2]) for match in matches.values() if match}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
