"""`docs/architecture.md` and its picture against the code: what they name is there."""

from __future__ import annotations

import importlib
import re
from operator import attrgetter
from typing import Final, get_args
from xml.etree import ElementTree

import pytest

from sinks.local.processes import ROOT
from sinks.reasons import DeferredReason, IgnoredReason, RejectedReason

PAGE: Final = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PICTURE: Final = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
STEPS: Final = re.findall(r"`sinks/([a-z_]+)\.py` `([A-Za-z_.]+)`", PAGE)
PARTS: Final = re.findall(r"^- \*\*(?:The )?(.+?)\*\*", PAGE, re.MULTILINE)
SVG: Final = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("module", "name"), STEPS, ids=lambda name: name)
def test_step_of_an_event_is_in_the_code(module: str, name: str) -> None:
    """Who reads the code in the page's order finds each step where the page says."""
    assert callable(attrgetter(name)(importlib.import_module(f"sinks.{module}")))


@pytest.mark.parametrize(
    ("outcome", "reasons"),
    [
        pytest.param("rejected", get_args(RejectedReason), id="rejected"),
        pytest.param("deferred", get_args(DeferredReason), id="deferred"),
        pytest.param("ignored", get_args(IgnoredReason), id="ignored"),
    ],
)
def test_reasons_of_steps_are_of_the_outcome(outcome: str, reasons: tuple[str, ...]) -> None:
    """What is said to end a step is what the code can say with this outcome."""
    named = re.findall(rf"\*{outcome}\* `([a-z_]+)`", PAGE)

    assert named
    assert set(named) <= set(reasons)


def test_picture_shows_every_part_of_the_page() -> None:
    """Nobody looks for a part in vain; the picture can be read as XML, and its text as text."""
    picture = ElementTree.fromstring(PICTURE)  # noqa: S314 - our own
    shown = [text.text for text in picture.iter(f"{SVG}text")]

    assert len(PARTS) > 10
    assert [part for part in PARTS if part.split()[0] not in shown] == []


def test_picture_has_each_colour_in_light_and_dark() -> None:
    """A colour that only one of both defines would be invisible in the other."""
    light, dark = PICTURE.split("@media (prefers-color-scheme: dark)")
    used = set(re.findall(r"var\((--[a-z]+)\)", PICTURE))

    for half in (light, dark):
        assert set(re.findall(r"(--[a-z]+):", half)) == used
