"""Adding a model is one row, one Trigger and two data files: a copy of this project gets one.

README is followed word for word: the paths are those of its three steps, and the commands those
below them. `tests/data/new_model/` has what a person would write. Nothing else in the copy is
edited, least of all a test; its parts run as processes of their own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sinks.local.processes import ROOT
from tests.clone import set_up

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Add a model\n")[2].partition("\n## ")[0]
# For each of the three steps, and for what stands below them: what is between backquotes.
ROW, TRIGGER, FILES = (
    re.findall(r"`([^`]+)`", step)
    for step in re.findall(r"^\d\. ((?:.+\n)(?:   .+\n)*)", SECTION, re.MULTILINE)
)
BELOW = re.findall(r"`([^`]+)`", SECTION.strip().split("\n\n")[-1])
CHECK, RENEW = (command for command in BELOW if " " in command)
TABLE = ROW[0]
ROUTED, _, LIST = TRIGGER
(CASE,) = (name for name in FILES if "<row>" in name)
DATA = [name for name in FILES if "/" not in name and name != "event.json"]
NAME = "revertrisk-novice"
SIBLING = "revertrisk-language-agnostic"
STREAM = "mediawiki.page_revert_risk_novice_prediction_change.v1"
PIECES = ROOT / "tests" / "data" / "new_model"
COPIED = ("sinks", "triggers", "tests", "docs", "manifests")
COPIED_FILES = ("gunicorn.conf.py", "pyproject.toml", "Makefile", "README.md")
LISTED = f"  - {NAME}.yaml\n"
MADE = (
    ("docs/streams.md", (NAME, STREAM)),
    ("docs/streams.wiki", (NAME, STREAM)),
    ("manifests/components/eventing/event-types.yaml", (NAME, STREAM)),
    ("manifests/components/authentication/predictions.yaml", (NAME,)),
    ("manifests/components/production-streams/egress-streams.txt", (STREAM,)),
)
OF_THE_ROW = tuple(re.findall(r"tests/\S+", CHECK))
# All that is said of every row, or counts rows, Triggers, streams or what an edit makes.
OF_ALL_ROWS = (
    *OF_THE_ROW,
    "tests/unit/test_models.py",
    "tests/unit/test_settings.py",
    "tests/unit/test_scoring.py::test_scoring_readers_are_of_what_each_row_reads",
    "tests/unit/test_catalogue.py::test_event_types_tell_who_reads_them",
    "tests/unit/test_wikis_command.py::test_effects_of_a_new_wikipedia_are_on_rows_that_take_all",
    "tests/unit/test_wikis_command.py::test_effects_of_a_removed_wiki_are_on_rows_that_scored_it",
    "tests/contract/test_generated_files.py",
    "tests/contract/test_manifests_values.py::test_streams_that_may_be_published_to_are_those_of_the"
    "_routed_rows",
    "tests/contract/test_manifests_authentication.py::test_authentication_knows_senders_by_the"
    "_service_accounts_that_knative_makes",
    "tests/contract/test_manifests_helm.py",
    "tests/contract/test_http_shim.py::test_edit_through_all_sinks_is_published_once_for_each_model",
    "tests/contract/test_http_shim.py::test_predictor_that_fails_once_is_repeated_alone_and_nothing"
    "_is_published_twice",
    "tests/contract/test_http_shim.py::test_eventgate_that_fails_once_is_repeated_by_the_first"
    "_trigger",
    "tests/contract/test_http_shim.py::test_predictor_that_refuses_the_revision_is_422_while_others"
    "_are_published",
    "tests/contract/test_local_eventgate.py::test_stream_configs_without_names_are_all",
    "tests/contract/test_local_predictor.py::test_models_production_tables_are_served",
    "tests/contract/test_local_run.py::test_run_good_samples_accounts_for_all_and_exits_0",
    "tests/contract/test_local_run.py::test_run_own_samples_publish_for_every_row_and_stream",
)


def with_row(copy: Path) -> Path:
    """Copy the project, and take README's first step: the row and nothing else of the model."""
    # Where this project is itself a copy that has got the pieces, they are left out first. Bytecode
    # comes along, but for what is just being written: to compile all of it again takes long.
    unwanted = shutil.ignore_patterns("*.pyc.*", NAME, f"{NAME}.yaml")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
    for name in COPIED_FILES:
        shutil.copy(ROOT / name, copy)
    set_up(copy)
    kustomization = copy / ROUTED / LIST
    listed = kustomization.read_text(encoding="utf-8").replace(LISTED, "")
    kustomization.write_text(listed, encoding="utf-8")
    table = copy / TABLE
    row = (PIECES / "row.txt").read_text(encoding="utf-8")
    text = table.read_text(encoding="utf-8").replace(row, "")
    rows, end, rest = text.rpartition(")\nMODELS: Final")
    table.write_text(f"{rows}{row}{end}{rest}", encoding="utf-8")
    return copy


def with_trigger(copy: Path) -> Path:
    """Take the second step: a Trigger like its sibling's, and its line in the list."""
    sibling = (copy / ROUTED / f"{SIBLING}.yaml").read_text(encoding="utf-8")
    (copy / ROUTED / f"{NAME}.yaml").write_text(sibling.replace(SIBLING, NAME), encoding="utf-8")
    with (copy / ROUTED / LIST).open("a", encoding="utf-8") as kustomization:
        kustomization.write(LISTED)
    return copy


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the whole new model, and with the documents made anew."""
    copy = with_trigger(with_row(tmp_path_factory.mktemp("complete")))
    case = copy / CASE.replace("<row>", NAME).replace("<case>", "edit")
    case.mkdir(parents=True)
    for name in DATA:
        shutil.copy(PIECES / name, case)
    made = run(copy, *RENEW.split())
    assert made.returncode == 0, made.stdout + made.stderr
    return copy


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy."""
    return subprocess.run(  # noqa: S603
        command,
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def run_tests(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy, as README does; each is shown with its outcome."""
    program = CHECK.partition(" tests/")[0].split()
    return run(copy, *program, "-vv", "-p", "no:cacheprovider", *arguments)


def test_readme_steps_name_what_the_test_takes_from_them() -> None:
    """A README that says it otherwise is read otherwise, and not passed over."""
    assert (ROOT / TABLE).is_file()
    assert (ROOT / ROUTED / LIST).is_file()
    assert sorted(DATA) == sorted(path.name for path in PIECES.glob("*.json"))
    assert RENEW.split()[0] == "make"


@pytest.mark.parametrize(
    ("step", "missing", "there"),
    [
        pytest.param(with_row, (CASE, ROUTED), (), id="row"),
        pytest.param(
            lambda copy: with_trigger(with_row(copy)), (CASE,), (ROUTED,), id="row-and-trigger"
        ),
    ],
)
def test_new_row_is_told_what_is_missing(
    step: Callable[[Path], Path], missing: tuple[str, ...], there: tuple[str, ...], tmp_path: Path
) -> None:
    """After each step the command of README names what the next ones add, and nothing that is
    there."""
    copy = step(tmp_path)
    file = {CASE: CASE.replace("<row>/<case>", NAME), ROUTED: f"add {ROUTED}{NAME}.yaml"}

    done = run_tests(copy, *OF_THE_ROW)

    assert done.returncode == 1, done.stdout + done.stderr
    assert [name for name in missing if file[name] not in done.stdout] == []
    assert [name for name in there if file[name] in done.stdout] == []


def test_new_row_with_trigger_and_two_files_passes_every_test_without_an_edit(
    complete: Path,
) -> None:
    """What is said of all rows holds of the new one too, and what is said of the others still."""
    done = run_tests(complete, *OF_ALL_ROWS)

    lines = done.stdout.splitlines()
    passed = {line.partition(" PASSED")[0] for line in lines if " PASSED" in line}
    others = "\n".join(line for line in lines if " PASSED" not in line)
    assert done.returncode == 0, others + done.stderr
    assert {
        test for test in OF_ALL_ROWS if not any(each.startswith(test) for each in passed)
    } == set()
    of_the_row = {test.partition("::")[0] for test in passed if f"[{NAME}" in test}
    assert of_the_row == {*OF_THE_ROW, "tests/unit/test_models.py"}


def test_new_row_with_trigger_and_two_files_runs_end_to_end(complete: Path, tmp_path: Path) -> None:
    """A page change comes out of EventGate as the new model's prediction."""
    samples = tmp_path / "samples"
    samples.mkdir()
    shutil.copy(ROOT / "tests" / "data" / "events" / "page_change_edit.json", samples)
    local_run = ("-m", "sinks.local", "run", "--samples", str(samples), "--events", str(tmp_path))

    ran = run(complete, ".venv/bin/python", *local_run)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    shown = [line.split() for line in ran.stdout.splitlines()]
    assert [NAME, "1", STREAM] in shown


@pytest.mark.parametrize(("document", "named"), MADE)
def test_documents_made_anew_name_the_new_row_or_its_stream(
    complete: Path, document: str, named: tuple[str, ...]
) -> None:
    """Readers of the table of streams, users of the Broker, and egress learn of the model."""
    text = (complete / document).read_text(encoding="utf-8")

    assert all(name in text for name in named)
