"""Where log lines go, with and without somebody who has said it, each time in a fresh Python."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sinks.local.processes import ROOT, clean_env

# As a server leaves logging: only its own loggers have a handler.
SERVER = "import logging.config, granian.log as g; logging.config.dictConfig(g.LOGGING_CONFIG)"
SAID = """
import logging
from sinks import log
log.configure("INFO")
log.configure("INFO")
log.write(logging.DEBUG, "ours-debug", {})
log.write(logging.INFO, "ours-info", {})
logging.info("theirs-info")  # gives the root a handler of plain text, if it has none
logging.warning("theirs-warning")
log.write(logging.ERROR, "ours-error", {})
"""
ROOT_CONFIGURED = """
import logging
logging.basicConfig(format="plain %(message)s", level="ERROR")
"""
OURS_CONFIGURED = """
import logging
logging.getLogger("sinks").addHandler(logging.StreamHandler())
logging.getLogger("sinks").setLevel("ERROR")
logging.getLogger("sinks").propagate = False
"""


def written(before: str) -> list[str]:
    """The lines on standard error; there is nothing on standard output."""
    done = subprocess.run(  # noqa: S603  # our own text
        [sys.executable, "-c", f"{before}\n{SAID}"],
        cwd=ROOT,
        env=clean_env({}),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("before", ["", SERVER], ids=["nothing", "own_lines_of_granian"])
def test_lines_where_nobody_has_said_where_they_go_are_json_and_come_once(before: str) -> None:
    """Each record is one JSON object: ours from the level on, a library's from WARNING on."""
    lines = [json.loads(line) for line in written(before)]

    assert [(line["logger"], line["level"], line["message"]) for line in lines] == [
        ("sinks", "INFO", "ours-info"),
        ("root", "WARNING", "theirs-warning"),
        ("sinks", "ERROR", "ours-error"),
    ]


@pytest.mark.parametrize(
    ("before", "last"),
    [(ROOT_CONFIGURED, "plain ours-error"), (OURS_CONFIGURED, "ours-error")],
    ids=["root", "sinks"],
)
def test_lines_where_somebody_has_said_where_they_go_go_there_only(before: str, last: str) -> None:
    """Neither the handlers nor the level of a configuration are touched."""
    ours = [line for line in written(before) if "ours" in line]

    assert ours == [last]
