"""Adding a model is one row, one Trigger and two data files: a copy of this project gets one.

`tests/data/new_model/` has the four pieces. Nothing else in the copy is edited; its parts run as
processes of their own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sinks.local.processes import ROOT

NAME = "revertrisk-novice"
PIECES = ROOT / "tests" / "data" / "new_model"
COPIED = ("sinks", "triggers", "tests", "gunicorn.conf.py", "pyproject.toml")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one row more, and nothing else yet."""
    copy = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        original = ROOT / name
        if original.is_dir():
            shutil.copytree(original, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(original, copy)
    table = copy / "sinks" / "models.py"
    rows, end, rest = table.read_text(encoding="utf-8").rpartition(")\nMODELS: Final")
    row = (PIECES / "row.txt").read_text(encoding="utf-8")
    table.write_text(f"{rows}{row}{end}{rest}", encoding="utf-8")
    return copy


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module of the copy."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", *command],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def checked(copy: Path) -> subprocess.CompletedProcess[str]:
    """Run what the project's own tests have to say about the new row."""
    return run(
        copy,
        *("pytest", "-p", "no:cacheprovider", "-k", NAME),
        *("tests/contract/test_rows.py", "tests/unit/test_triggers.py"),
    )


def test_new_row_alone_is_told_what_is_missing(copy: Path) -> None:
    """A row without Trigger and case fails tests whose messages name both."""
    done = checked(copy)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"tests/data/rows/{NAME}/" in done.stdout
    assert f"test_shipped_triggers_have_exactly_one_for_each_row[{NAME}]" in done.stdout


def test_new_row_with_trigger_and_two_files_runs_end_to_end(copy: Path, tmp_path: Path) -> None:
    """The tests of the row pass, and a page change comes out of EventGate as its prediction."""
    shutil.copy(PIECES / "trigger.yaml", copy / "triggers" / f"{NAME}.yaml")
    with (copy / "triggers" / "kustomization.yaml").open("a", encoding="utf-8") as kustomization:
        kustomization.write(f"  - {NAME}.yaml\n")
    case = copy / "tests" / "data" / "rows" / NAME / "edit"
    case.mkdir(parents=True)
    for name in ("predictor.json", "output.json"):
        shutil.copy(PIECES / name, case)
    samples = tmp_path / "samples"
    samples.mkdir()
    shutil.copy(ROOT / "tests" / "data" / "events" / "page_change_edit.json", samples)

    tested = checked(copy)
    ran = run(copy, "sinks.local", "run", "--samples", str(samples), "--events", str(tmp_path))

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert ran.returncode == 0, ran.stdout + ran.stderr
    shown = [line.split() for line in ran.stdout.splitlines()]
    assert [NAME, "1", "mediawiki.page_revert_risk_novice_prediction_change.v1"] in shown
