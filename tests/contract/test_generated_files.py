"""What is generated from the table of models and kept: as the command makes it now."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sinks.catalogue.command import FILES
from sinks.cli import main
from sinks.local.processes import ROOT


def made(form: str) -> Result:
    return CliRunner().invoke(main, ["streams", "--format", form], prog_name="sinks")


def sinks(directory: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run this project's `sinks streams` there."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "sinks", "streams", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("form", FILES)
def test_kept_file_is_what_the_command_makes(form: str) -> None:
    """Whoever changes a row, a wiki or what is deployed regenerates what tells of them."""
    done = made(form)

    assert (done.exit_code, done.stderr_bytes) == (0, b"")
    kept = (ROOT / FILES[form]).read_bytes()
    assert kept == done.stdout_bytes, (
        f"{FILES[form]} is not current: run `make streams`, and commit it"
    )


def test_streams_write_makes_all_kept_files(tmp_path: Path) -> None:
    """The target that the message names makes each of the files anew."""
    for path in FILES.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    done = sinks(tmp_path, "--write", "--triggers", str(ROOT / "triggers"))

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    kept = {path: (ROOT / path).read_bytes() for path in FILES.values()}
    assert {path: (tmp_path / path).read_bytes() for path in FILES.values()} == kept
    assert "-m sinks streams --write" in makefile.partition("\nstreams:")[2].partition("\n\n")[0]


def test_streams_write_elsewhere_is_one_line(tmp_path: Path) -> None:
    """Who is not at the top of the project is told which file is in the way."""
    done = sinks(tmp_path, "--write", "--triggers", str(ROOT / "triggers"))

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"Error: cannot write docs/streams.md: No such file or directory\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "not a Trigger", id="empty"),
        pytest.param("[]", "not a Trigger", id="list"),
        pytest.param("spec: x", "not a Trigger", id="spec-text"),
        pytest.param("a: [", "while parsing", id="not-yaml"),
        pytest.param("\x00", "special characters", id="binary"),
    ],
)
def test_streams_of_a_file_that_is_no_trigger_is_one_line(
    tmp_path: Path, text: str, told: str
) -> None:
    """The file is named, and there is no traceback."""
    (tmp_path / "drafttopic.yaml").write_text(text, encoding="utf-8")

    done = sinks(ROOT, "--triggers", str(tmp_path))

    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert f"{tmp_path / 'drafttopic.yaml'}: " in line
    assert told in line


@pytest.mark.parametrize("form", FILES)
def test_streams_of_no_trigger_are_refused(tmp_path: Path, form: str) -> None:
    """The directory is another one than was meant; egress would refuse an empty list."""
    done = sinks(ROOT, "--format", form, "--triggers", str(tmp_path))

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == f"Error: no Trigger of a row in {tmp_path}\n".encode()


def test_streams_names_the_row_that_no_trigger_delivers_to(tmp_path: Path) -> None:
    """A forgotten Trigger is told, and the page is made all the same."""
    shutil.copytree(ROOT / "triggers", tmp_path, dirs_exist_ok=True)
    (tmp_path / "drafttopic.yaml").unlink()

    done = sinks(ROOT, "--triggers", str(tmp_path))

    assert done.returncode == 0
    assert done.stdout.startswith(b"<!-- Generated")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"warning: drafttopic gets no event: add {tmp_path}/drafttopic.yaml, or")


def test_streams_outside_the_project_says_where_to_be(tmp_path: Path) -> None:
    """The Triggers are looked for below the working directory."""
    done = sinks(tmp_path, "--write")

    told = b"Error: no directory triggers: be at the project's top, or name it with --triggers\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", told)


def test_streams_write_with_a_format_is_a_usage_error() -> None:
    """Nothing is written by somebody who wanted one format."""
    done = sinks(ROOT, "--write", "--format", "wikitext")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--write writes all formats: leave out --format" in done.stderr


def test_streams_without_a_format_is_markdown_and_with_another_a_usage_error() -> None:
    """The page for people is the default; a wrong word is told with the right ones."""
    usual = sinks(ROOT)

    assert usual.stdout == made("markdown").stdout_bytes
    wrong = made("html")
    assert wrong.exit_code == 2
    assert ", ".join(map(repr, FILES)) in wrong.stderr


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
