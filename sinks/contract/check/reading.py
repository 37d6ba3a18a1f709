"""What could be read of a payload, part by part, whether or not the whole is a CloudEvent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sinks.cloudevent import NO_DATA
from sinks.contract.check.payload import Payload
from sinks.contract.finding import Finding

# `none`: neither ce- headers nor a structured format, such as a bare document.
ContentMode = Literal["binary", "structured", "batch", "none"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The parts of a payload.

    wire:        attribute -> value as it stands in the JSON, or as text in the header, not decoded.
    attributes:  attribute -> canonical text, of those whose value can be read.
    data:        a JSON value, bytes, or NO_DATA.
    data_read:   False if there is data, but not such as can be read.
    envelope:    in structured mode all members as they stand.
    findings:    what is wrong with the parts.
    """

    payload: Payload
    mode: ContentMode
    wire: Mapping[str, Any]
    attributes: Mapping[str, str]
    data: Any = NO_DATA
    data_read: bool = True
    envelope: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def place(self, attribute: str) -> str:
        """Return where an attribute stands, or should stand."""
        if self.mode == "structured":
            return f"/{attribute}"
        return "Content-Type" if attribute == "datacontenttype" else f"ce-{attribute}"

    def pointer(self, in_data: str) -> str:
        """Return the JSON pointer of something in the data, given its pointer within the data."""
        return f"/data{in_data}" if self.mode == "structured" else in_data or "body"

    def faulty(self, attribute: str) -> bool:
        """True if an error was found in this attribute."""
        place = self.place(attribute)
        return any(each.place == place and each.severity == "error" for each in self.findings)

    def is_document(self) -> bool:
        """True for an event-platform document that is in no event."""
        return (
            self.payload.kind == "event-platform document"
            or self.mode == "none"
            and (isinstance(self.data, dict) and ("$schema" in self.data or "meta" in self.data))
        )


def header_value(value: str) -> str:
    """Return a header's value as Go sees it: UTF-8 if it is that, else one character a byte."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def ce_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the ce- headers, by attribute.

    headers:  by lower-case name.
    """
    return {
        name[3:]: header_value(value) for name, value in headers.items() if name.startswith("ce-")
    }
