"""What Go's SDK, and so Knative's broker, makes of a message, given all that is wrong with it.

Seen with cloudevents/sdk-go 2.16.1, reading messages as the broker's filter and ingress read them.
Not followed: it reads a few malformed values that hardly anybody writes, such as the year 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from sinks.attributes import REQUIRED
from sinks.contract.check.reading import Reading
from sinks.contract.finding import Finding


class GoView(NamedTuple):
    """What Go makes of a message.

    outcome:  `event`; `nothing` for an empty message that is no event, `unknown` for another;
              `unreadable`, or `invalid` where the ingress is the first to refuse.
    why:      the rule that decided it; of an event the rules whose breach it does not notice.
    """

    outcome: Literal["event", "nothing", "unknown", "unreadable", "invalid"]
    why: tuple[str, ...] = ()


_UNREADABLE: Final = frozenset(
    "batch envelope_json envelope_object attribute_type datacontenttype_header time data_base64"
    " go_time go_source go_data go_data_base64".split()
)
_SPECVERSIONS: Final = ("1.0", "0.3")
# Looser than RFC 2046: no subtype is needed.
_GO_MEDIA_TYPE = re.compile(r"[\w!#$%&'*+.^`|~-]+(?:/[\w!#$%&'*+.^`|~-]+)?", re.ASCII)


def go_view(reading: Reading, findings: Sequence[Finding]) -> GoView:
    """Return what the broker's filter, and then its ingress, make of the message."""
    if reading.mode in ("binary", "none") and not _known(reading):
        return GoView("unknown" if reading.payload.body else "nothing", ("not_an_event",))
    refused = [(_refused_by(each, reading), each.rule) for each in findings]
    if rules := [rule for by, rule in refused if by == "unreadable"]:
        return GoView("unreadable", (rules[0],))
    if rules := [rule for by, rule in refused if by == "invalid"]:
        return GoView("invalid", (rules[0],))
    if reading.mode == "none" and not all(reading.wire.get(name) for name in REQUIRED):
        return GoView("invalid", ("required_attribute",))
    errors = (each.rule for each in findings if each.severity == "error")
    return GoView("event", tuple(dict.fromkeys(errors)))


def _known(reading: Reading) -> bool:
    return reading.wire.get("specversion") in _SPECVERSIONS


def _refused_by(finding: Finding, reading: Reading) -> Literal["unreadable", "invalid"] | None:
    at = finding.place.removeprefix("ce-").removeprefix("/")
    unreadable: bool
    match finding.rule:
        case "specversion":
            unreadable = not _known(reading)
        case "required_attribute":
            return _missing(at, reading)
        case "attribute_name":
            unreadable = not re.fullmatch("[a-z0-9]+", at.lower(), re.ASCII)
        case "attribute_encoding" | "attribute_characters" if at == "Content-Type":
            return "invalid"
        case "attribute_encoding" | "attribute_characters":
            unreadable = at in ("time", "source", "dataschema")
        case "empty_attribute":
            unreadable = at == "time" and reading.mode == "binary"
        case "duplicate_member":
            unreadable = bool(re.search("'(specversion|datacontenttype)'", finding.problem))
        case "data_text":
            unreadable = reading.envelope.get("data") is not None
        case "go_dataschema_uri":
            unreadable = reading.mode == "binary"
        case "go_dataschema":
            return "invalid"
        case "go_datacontenttype":
            kind = str(reading.wire.get("datacontenttype"))
            return None if _GO_MEDIA_TYPE.fullmatch(kind) else "invalid"
        case rule:
            unreadable = rule in _UNREADABLE
    return "unreadable" if unreadable else None


def _missing(name: str, reading: Reading) -> Literal["unreadable", "invalid"] | None:
    """What refuses an event without an attribute: the filter refuses one empty `id` in a header,
    and one empty `source` in JSON; all else is left to the ingress."""
    if reading.mode == "structured":
        return "unreadable" if name == "source" and "source" in reading.envelope else "invalid"
    value = reading.wire.get(name)
    if value:
        return None  # it is in quotes, which Go takes for the value
    return "unreadable" if name == "id" and value == "" else "invalid"
