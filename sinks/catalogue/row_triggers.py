"""The Triggers of rows, as far as they are told: where each is, and which types it looks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from sinks.contract.terminal import ended
from sinks.envelope import event_type
from sinks.models import MODELS
from sinks.trigger_lint.conditions import Condition, conditions
from sinks.trigger_lint.reading import text_of
from sinks.triggers import files

ROUTED: Final = "triggers/"
OPTIONAL: Final = "triggers/optional/"


@dataclass(frozen=True, slots=True)
class RowTrigger:
    """A row's Trigger.

    directory:   `ROUTED` or `OPTIONAL`, as it is shown.
    conditions:  of its filters. Those on `type` are read as alternatives: one within `not`, or a
                 second one beside it that has to hold too, would be misread.
    """

    directory: str
    conditions: Sequence[Condition]

    def delivers(self, title: str, major: int) -> bool:
        """Return whether it looks for events of this type, or at no type at all."""
        types = [each for each in self.conditions if each.attribute == "type"]
        return not types or any(each.holds(event_type(title, major)) for each in types)


def load(directory: Path) -> dict[str, RowTrigger]:
    """Return the rows with a Trigger by name; a row's Trigger is in the file of its name.

    directory:  those that production routes; those that it does not are in `optional` below it.
    raises:     ClickException for a file that holds no Trigger.
    """
    return {
        path.stem: RowTrigger(shown, tuple(conditions(_spec(path))))
        for shown, place in ((ROUTED, directory), (OPTIONAL, directory / "optional"))
        for path in files(place)
        if path.stem in MODELS
    }


def _spec(path: Path) -> dict[str, object]:
    try:
        trigger = yaml.safe_load(text_of(str(path)))
    except (ValueError, yaml.YAMLError) as error:
        raise ended(f"{path}: {' '.join(str(error).split())}") from error
    spec = trigger.get("spec") if isinstance(trigger, dict) else None
    if not isinstance(spec, dict):
        raise ended(f"{path}: not a Trigger")
    return spec
