"""`sinks compare` as it is run while moving over: files of both sides in, an exit code out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from click.testing import CliRunner

from sinks.cli import main
from sinks.local.processes import ROOT, clean_env
from tests.changeprop import PRODUCTION
from tests.factories import merged, revision_score
from tests.parity import both, for_rule
from tests.standalone import standalone

MANY: Final = 10_000
# Ten times what it takes, and far below what all pairs of all would.
SECONDS_FOR_MANY: Final = 20.0


class Done(NamedTuple):
    """How the command ended."""

    code: int
    out: str
    err: str


class Files(NamedTuple):
    """What both sides have published of the same changes."""

    today: Path
    ours: Path

    def documents(self, name: str) -> list[dict[str, Any]]:
        text: str = getattr(self, name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def run(*arguments: str | Path) -> Done:
    """Run it in this process: a start takes longer than most comparisons."""
    done = CliRunner().invoke(main, ["compare", *map(str, arguments)], prog_name="sinks")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Done(done.exit_code, done.stdout, done.stderr)


def process(*arguments: str | Path, stdin: bytes = b"") -> Done:
    """Run it as a person would."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "sinks", "compare", *map(str, arguments)],
        cwd=ROOT,
        env=clean_env({}),
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def write(path: Path, *documents: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in documents), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A shadow run: each rule's changes of each kind, at today's server and at our sinks."""
    directory = tmp_path_factory.mktemp("shadow")
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = [], []
    with standalone(directory) as running:
        for rule in PRODUCTION.values():
            for kind in rule.kinds:
                _, today, ours = both(running, rule, for_rule(rule, kind))
                sides[0].extend(today)
                sides[1].extend(ours)
    return Files(
        write(directory / "today.ndjson", *sides[0]), write(directory / "ours.ndjson", *sides[1])
    )


def test_shadow_run_has_no_findings_and_exit_code_0(files: Files) -> None:
    """All that differs is known, and named."""
    done = process(files.today, files.ours)

    # Seven rules' edits, three creations, and the tags of article-country's two.
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == (
        "12 pairs: 0 equal, 12 as expected, 0 different; 0 only today, 6 only ours; no findings"
    )
    for expected in ("A3", "A4", "A6", "B1"):
        assert f": {expected}, " in done.out


def test_shadow_run_as_json_is_one_document(files: Files) -> None:
    """The same for programs."""
    done = run(files.today, files.ours, "--json")

    document = json.loads(done.out)
    assert (done.code, document["findings"]) == (0, 0)
    assert document["pairs"] == {"equal": 0, "as_expected": 12, "different": 0}
    assert all(group["expected"] and group["why"] for group in document["groups"])


def test_one_row_is_compared_alone(files: Files) -> None:
    """A rule is moved over at a time."""
    done = run(files.today, files.ours, "--row", "drafttopic", "--json")

    document = json.loads(done.out)
    assert {group["row"] for group in document["groups"]} == {"drafttopic"}
    assert document["pairs"]["as_expected"] == 2


def test_score_that_differs_is_a_finding_and_exit_code_1(files: Files, tmp_path: Path) -> None:
    """A different number is told with its revision and both values."""
    first, *others = files.documents("ours")
    over = {"scores": {"drafttopic": {"probability": {"STEM.STEM*": 0.84118}}}}
    ours = write(tmp_path / "ours.ndjson", merged(first, over), *others)

    done = process(files.today, ours)

    assert done.code == 1
    assert "finding: differs: 1 drafttopic /scores/drafttopic/probability/*" in done.out
    assert f"revision {first['rev_id']}" in done.out
    assert "today 0.84117, ours 0.84118" in done.out


def test_event_that_we_have_lost_is_a_finding_and_exit_code_1(files: Files, tmp_path: Path) -> None:
    """Loss is what a shadow run has to show."""
    edited, lost, *others = files.documents("ours")
    ours = write(tmp_path / "ours.ndjson", edited, *others)

    done = run(files.today, ours)

    assert done.code == 1
    assert "finding: only today: 1 drafttopic" in done.out
    assert f"page {lost['page_id']}, revision {lost['rev_id']}" in done.out


def test_standard_input_as_eventstreams_sends_it_is_read(files: Files) -> None:
    """curl of a public stream, beside a file."""
    sent = "".join(
        f"event: message\nid: [{{}}]\ndata: {line}\n\n"
        for line in files.today.read_text(encoding="utf-8").splitlines()
    )

    done = process("-", files.ours, stdin=sent.encode())

    assert (done.code, done.err) == (0, "")


def test_files_that_are_exchanged_are_noticed(files: Files) -> None:
    """What is expected of today's side is not expected of ours."""
    assert run(files.ours, files.today).code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param((), "Missing argument", id="none"),
        pytest.param(("{today}",), "Missing argument", id="one"),
        pytest.param(("-", "-"), "only once", id="standard input twice"),
        pytest.param(("{today}", "{tmp}/no-file"), "no-file: No such file", id="no file"),
        pytest.param(("{today}", "{tmp}"), "Is a directory", id="directory"),
        pytest.param(("{today}", "{tmp}/text"), "text: line 1 is no JSON", id="no json"),
        pytest.param(("{today}", "{ours}", "--row", "x"), "'x' is not one of", id="row"),
        pytest.param(("{tmp}/other", "{tmp}/other"), "nothing to compare", id="other events"),
    ],
)
def test_what_cannot_be_compared_is_exit_code_2_and_one_clear_line(
    files: Files, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """A file that is not read has not been compared."""
    (tmp_path / "text").write_text("no json\n", encoding="utf-8")
    write(tmp_path / "other", {"$schema": "/mediawiki/page/change/1.2.0"})
    named = {"today": files.today, "ours": files.ours, "tmp": tmp_path}

    done = run(*(each.format(**named) for each in arguments))

    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_help_has_an_example() -> None:
    """Whoever moves over once in a lifetime begins here."""
    done = run("--help")

    assert done.code == 0
    assert "sinks compare today.ndjson ours.ndjson" in done.out


def test_many_events_take_seconds(tmp_path: Path) -> None:
    """An hour of all streams is some hundred thousand events."""
    probability = {f"Topic.{number}": number / 64 for number in range(64)}
    score = {"scores": {"drafttopic": {"probability": probability}}}
    ours = revision_score(**score)
    today = merged(ours, {"meta": {"id": "0b5a7c52-77a4-4c50-9d7a-6f8a2d3f1c11"}})
    paths = tmp_path / "today.ndjson", tmp_path / "ours.ndjson"
    for path, document in zip(paths, (today, ours), strict=True):
        text = json.dumps(document)
        rev_id = str(document["rev_id"])
        path.write_text(
            "".join(f"{text.replace(rev_id, str(number))}\n" for number in range(1, MANY + 1)),
            encoding="utf-8",
        )
    begun = time.monotonic()

    done = process(*paths)

    assert done.out.splitlines()[-1].startswith(f"{MANY} pairs: 0 equal, {MANY} as expected")
    assert time.monotonic() - begun < SECONDS_FOR_MANY
