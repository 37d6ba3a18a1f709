"""What is heard of a server: an answer, or silence. Plain values, with no way to a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer as it came.

    headers:  names in lower case, values one Latin-1 character a byte, repeats kept.
    interim:  statuses of the 1xx answers before it.
    stray:    bytes that followed it on the connection though nothing more was asked.
    seconds:  from the start of the script.
    last:     whether it said that it is the connection's last.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    interim: tuple[int, ...] = ()
    stray: bytes = b""
    seconds: float = 0.0
    last: bool = False

    def values(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for other, value in self.headers if other == name]


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer.

    connected:  whether there was a connection at all.
    announced:  whether the answer before said that it is the connection's last.
    """

    why: str
    connected: bool = True
    seconds: float = 0.0
    announced: bool = False


Heard = HttpAnswer | Silence
