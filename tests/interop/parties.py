"""The implementations: ours, and three that are not."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinks import attributes, cloudevent
from sinks.cloudevent import NO_DATA, Event, NoData
from sinks.errors import SinkError
from tests import tools
from tests.interop.deviations import DEVIATIONS, PartyName, Role
from tests.interop.exchange import Line, Mode, bytes_data, canonical, converse, message, parts
from tests.interop.generated import Sample

Pair = tuple[Sample, Mode]
FOREIGN: tuple[PartyName, ...] = ("sdk1", "sdk2", "go")
_INTEROP = Path(__file__).parent


@dataclass(frozen=True)
class Party:
    """A foreign implementation: its program, and where what it was asked and said is kept."""

    name: PartyName
    program: tuple[str, ...]
    directory: Path

    def read(self, messages: Sequence[Line]) -> list[Line]:
        """Return the events that it makes of these messages."""
        return self._converse("read", messages)

    def write(self, events: Sequence[Line]) -> list[Line]:
        """Return the messages that it makes of these events."""
        return self._converse("write", events)

    def _converse(self, does: str, lines: Sequence[Line]) -> list[Line]:
        number = sum(1 for _ in self.directory.glob(f"{does}-*"))
        return converse((*self.program, does), lines, self.directory / f"{does}-{number}")


def install(name: PartyName, directory: Path, say: tools.Say) -> Party:
    """Return a foreign implementation, ready to run. raises: NotInstalled."""
    program: tuple[str, ...]
    if name == "go":
        program = (str(tools.go_programs(say) / "interop"),)
    else:
        python = sys.executable
        if name == "sdk2":
            bin_ = tools.venv("sdk2", _INTEROP / "requirements.txt", say)
            python = str(bin_ / "python")
        program = (python, "-m", f"tests.interop.{name}")
    return Party(name, program, directory / name)


def write(sample: Sample, mode: Mode) -> Line:
    """Return the message that our codec makes of a sample. raises: ValueError."""
    known = {name: attributes.canonical(name, value) for name, value in sample.attributes.items()}
    data = sample.data
    if data is None:
        event = Event(known, NO_DATA)
    else:
        event = Event(known, base64.b64decode(data["base64"]) if "base64" in data else data["json"])
    return message(*cloudevent.encode(event, mode))


def read(line: Line) -> Line:
    """Return the event that our codec makes of a message."""
    if "error" in line:
        return line
    try:
        event = cloudevent.decode(*parts(line))
    except SinkError as error:
        return {"error": str(error)}
    data: Line | None = None
    if not isinstance(event.data, NoData):
        data = bytes_data(event.data) if isinstance(event.data, bytes) else {"json": event.data}
    return {"attributes": dict(event.attributes), "data": data}


def differences(
    pairs: Sequence[Pair], events: Sequence[Line], *actors: tuple[PartyName, Role]
) -> list[str]:
    """Return one line for each event that is not what the sample is, deviations considered.

    actors:  who wrote it, and who read it.
    """
    found = []
    for (sample, mode), event in zip(pairs, events, strict=True):
        right = canonical(sample.line(mode))
        expected, hopeless = {name: right[name] for name in ("attributes", "data")}, []
        for row in DEVIATIONS:
            if (row.party, row.does) in actors and row.applies(sample, mode):
                if row.becomes is None:
                    hopeless.append(row.what)
                else:
                    expected = row.becomes(expected)
        got = canonical(event)
        if hopeless and got == expected:
            found.append(f"{sample.number} {mode}: no longer so: {', '.join(hopeless)}")
        elif not hopeless and got != expected:
            found.append(f"{sample.number} {mode}: {_shown(expected, got)}")
    return found


def _shown(expected: Line, got: Line) -> str:
    if "error" in got:
        return str(got["error"])[:300]
    wanted = {**expected["attributes"], "data": expected["data"]}
    there = {**got["attributes"], "data": got["data"]}
    return "; ".join(
        f"{name} is {str(there.get(name))[:120]!r}, not {str(wanted.get(name))[:120]!r}"
        for name in sorted({*wanted, *there})
        if wanted.get(name) != there.get(name)
    )


def both(samples: Sequence[Sample]) -> list[Pair]:
    """Return the samples in every mode they can be written in."""
    return [(sample, mode) for sample in samples for mode in sample.modes]
