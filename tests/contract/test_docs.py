"""README and the pages under docs: found, short, and naming only what there is.

Settings, reasons, the picture and commands have tests of their own: `test_docs_*`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from sinks.local.processes import ROOT
from sinks.models import ROWS
from tests.contract.test_docs_settings import READ
from tests.documented import PAGES

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
STAGING: Final = (ROOT / "docs" / "staging.md").read_text(encoding="utf-8")
EVERY_PAGE: Final = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
MOST_LINES: Final = 200
# Who is sent to the runbook reads one section of it.
MOST_LINES_OF: Final = {"README.md": 150, "runbook.md": 300}


@EVERY_PAGE
def test_page_fits_its_limit(path: Path) -> None:
    """What nobody reads to its end could as well be missing."""
    lines = path.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= MOST_LINES_OF.get(path.name, MOST_LINES)


@pytest.mark.parametrize("path", PAGES[1:], ids=lambda path: path.name)
def test_page_is_linked(path: Path) -> None:
    """Every page under docs can be found from README."""
    assert f"docs/{path.name}" in README


@EVERY_PAGE
def test_page_names_pages_that_are_there(path: Path) -> None:
    """Who is sent to another page finds it."""
    page = path.read_text(encoding="utf-8")

    named = re.findall(r"\bdocs/[a-z-]+\.(?:md|svg|wiki)\b", page)
    named += [f"docs/{name}" for name in re.findall(r"\]\(([a-z-]+\.(?:md|svg))\)", page)]

    assert [name for name in named if not (ROOT / name).is_file()] == []


@EVERY_PAGE
def test_page_sets_only_what_settings_read(path: Path) -> None:
    """What a page tells people to set, as `NAME=value`, is a variable of ours, or one that its own
    commands export."""
    page = path.read_text(encoding="utf-8")
    own = set(re.findall(r"\b([A-Z_]+)=", "".join(re.findall(r"^export .*", page, re.MULTILINE))))
    named = set(re.findall(r"\b([A-Z_]{6,})=", page)) - own

    assert named - set(READ) == set()


def test_staging_names_only_streams_that_rows_publish_to() -> None:
    """A stream in the page for staging is one of the table of models, and each test stream is
    declared there with the title of its rows' schema."""
    titles = {row.test_stream: row.output.title for row in ROWS}
    declared = re.findall(r"^'(\S+)' => \[\n\t'schema_title' => '(\S+)',", STAGING, re.MULTILINE)
    named = set(re.findall(r"\bmediawiki\.[a-z_.0-9-]*[a-z0-9]", STAGING))
    named.discard("mediawiki.page_change.v1")  # what comes in

    assert dict(declared) == titles
    assert named <= {stream for row in ROWS for stream in (row.stream, row.test_stream)}
