"""What is generated from the table of models and kept: as the command makes it now."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from sinks.cli import main
from sinks.local.processes import ROOT

KEPT = {
    "markdown": "docs/streams.md",
    "wikitext": "docs/streams.wiki",
    "event-types": "manifests/components/eventing/event-types.yaml",
    "event-policy": "manifests/components/authentication/predictions.yaml",
    "egress-streams": "manifests/components/production-streams/egress-streams.txt",
    "egress-test-streams": "manifests/overlays/staging-a/values/egress-streams.txt",
}


def made(form: str) -> Result:
    return CliRunner().invoke(main, ["streams", "--format", form], prog_name="sinks")


@pytest.mark.parametrize("form", KEPT)
def test_kept_file_is_what_the_command_makes(form: str) -> None:
    """Whoever changes a row, a wiki or what is deployed regenerates what tells of them."""
    done = made(form)

    assert (done.exit_code, done.stderr_bytes) == (0, b"")
    kept = (ROOT / KEPT[form]).read_bytes()
    assert kept == done.stdout_bytes, (
        f"{KEPT[form]} is not current: run `make streams`, and commit it"
    )


@pytest.mark.parametrize("form", KEPT)
def test_make_streams_writes_the_kept_file(form: str) -> None:
    """The target that the message names makes each of the files."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target = makefile.partition("\nstreams:")[2].partition("\n\n")[0]

    assert f"-m sinks streams --format {form} > {KEPT[form]}" in target


def test_streams_without_a_format_is_markdown_and_with_another_a_usage_error() -> None:
    """The page for people is the default; a wrong word is told with the right ones."""
    usual = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "sinks", "streams"], cwd=ROOT, capture_output=True, check=False
    )

    assert usual.stdout == made("markdown").stdout_bytes
    wrong = made("html")
    assert wrong.exit_code == 2
    assert "'markdown', 'wikitext', 'event-types'" in wrong.stderr


def test_streams_into_a_closed_pipe_ends_quietly() -> None:
    """Who reads no further gets no traceback; the command ends as by SIGPIPE."""
    unread = '"$@" | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", unread, "bash", sys.executable, "-m", "sinks", "streams"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
