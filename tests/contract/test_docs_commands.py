"""Every block of commands in README and docs: who runs it, and on loopback here what can be run.

A new block fails the first test until it stands in one of the tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from sinks.local.processes import ROOT
from sinks.models import ROWS
from tests.documented import every_block
from tests.reader import Pipeline, running, with_letters

BLOCKS: Final = every_block()
CURLS: Final = BLOCKS["README.md: Two commands 2"].commands.splitlines()


class Run(NamedTuple):
    """How a block is run on loopback.

    shows:    what its output has to match, each.
    instead:  what is replaced in it, as here it is called otherwise.
    letters:  whether there is one dead letter; else those of `up` are seen.
    """

    shows: tuple[str, ...]
    instead: tuple[tuple[str, str], ...] = ()
    letters: bool = False


LETTER: Final = r"1 .* 503 .* upstream_unavailable +drafttopic +enwiki"
SCORED: Final = "mediawiki.revision_score_drafttopic"
RUNS: Final[Mapping[str, Run]] = {
    "README.md: Why does nothing arrive?": Run(
        (
            rf"drafttopic: +replied -> {SCORED}",
            "article-country: +does not pass: namespaceid is 1, not 0",
            "reply: the event is",
        )
    ),
    "contract-kit.md: sinks contract probe URL --as ROLE": Run((r"\d\d passed",)),
    "dead-letters.md: A first letter, to try with": Run(
        (r'"rejected","reason":"unscorable_revision"', r"\d+ .* 422 .* drafttopic +enwiki")
    ),
    "dead-letters.md: The commands": Run((LETTER, "1 of 1 letters: 1 relayed"), letters=True),
    "migration.md: Before the first model": Run((r"requests, no findings.*" * 2,)),
    "migration.md: 2. Compare": Run((r"1 as expected.* no findings",)),
    "migration.md: 3. Switch": Run(
        (r'sinks_client_events_total{client="anonymous"', r"letters?$"),
        (('client="changeprop', 'client="anonymous'),),
    ),
    "migration.md: 3. Switch 2": Run((rf'"outcome":"relayed".*"stream":"{SCORED}"',)),
    "migration.md: 4. Switch off for good": Run(
        ("rev_id",)  # that is all that the local predictor has to say to an event
    ),
    "migration.md: From the shim to Triggers": Run(
        (r"--to-datetime \d{4}-\d\d-\d\dT[\d:]+\.000 ",)
    ),
    "performance.md: What an event costs": Run((r"(usage: .*){5}",)),
    "staging.md: A: test streams on the production EventGate": Run(
        tuple(rf'"{row.test_stream}"' for row in ROWS) + (r"\n201\n.*\n201\n.*\n201\n",)
    ),
    "staging.md: A: test streams on the production EventGate 2": Run(
        (rf'"outcome":"relayed".*"stream":"{SCORED}"',)
    ),
}
# Blocks that another test runs, which reads the page; `*` is all of a page.
HERE: Final = "tests/contract/test_docs_commands.py"
ELSEWHERE: Final = {
    "README.md: Two commands": ".ci/run",
    "README.md: Two commands 2": HERE,
    "README.md: Two commands 3": "tests/contract/test_feed_docs.py",
    "README.md: Prove a sink, or a payload": HERE,
    "dead-letters.md: The commands 2": HERE,
    "deploy.md: *": "tests/e2e/test_deploy.py",
    "feed.md: *": "tests/contract/test_feed_docs.py",
    "granian.md: The command for granian": "tests/contract/test_granian.py",
    "runbook.md: *": "tests/contract/test_runbook.py",
}
# What cannot be run: another project's program, a chart or a cluster that is not here. Of these the
# words are checked, as of all blocks (test_docs_words).
NOT_RUN: Final = frozenset(
    ("console.md: In a cluster", "contract-kit.md: Who judges the judges", "helm.md: Compare")
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One for all blocks, through which a change has gone: README's first."""
    with running(tmp_path_factory.mktemp("clone")) as pipeline:
        assert pipeline.does(CURLS[0]).returncode == 0
        yield pipeline


def test_every_block_is_run_by_somebody() -> None:
    """A block that nobody runs rots; one that is in no page any more is not in a table either."""
    elsewhere = [
        name for name in BLOCKS if name in ELSEWHERE or f"{name.split(': ')[0]}: *" in ELSEWHERE
    ]

    assert sorted(BLOCKS) == sorted([*RUNS, *NOT_RUN, *elsewhere])


@pytest.mark.parametrize(("name", "runner"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_block_of_another_test_is_read_there(name: str, runner: str) -> None:
    """What is said to run a page's commands names the page; CI names README's as they are."""
    text = (ROOT / runner).read_text(encoding="utf-8")
    # In this file the table above is no reader of the block.
    page = f'BLOCKS["{name}"]' if runner == HERE else name.split(": ")[0]

    assert page in text or all(
        each.split(" #")[0].strip() in text for each in BLOCKS[name].commands.splitlines()
    )


@pytest.mark.parametrize("name", RUNS)
def test_block_runs_and_shows_what_it_is_there_for(name: str, up: Pipeline, tmp_path: Path) -> None:
    """The commands as they stand on the page, against the local parts."""
    run = RUNS[name]
    commands = BLOCKS[name].commands
    for theirs, here in run.instead:
        commands = commands.replace(theirs, here)
    database = {"DATABASE_URL": with_letters(up, tmp_path, 1)} if run.letters else {}

    done = up.does(commands, **database)

    assert done.returncode == 0, done.stdout
    assert [each for each in run.shows if not re.search(each, done.stdout, re.DOTALL)] == [], (
        done.stdout
    )


@pytest.mark.parametrize("command", CURLS, ids=[f"curl{n}" for n in range(1, len(CURLS) + 1)])
def test_readme_curl_line_against_up_answers_2xx(command: str, up: Pipeline) -> None:
    """Each curl line of README, in its order, gets the kind of answer that it is there to show."""
    done = up.does(f"{command} -w '\\n%{{http_code}}'")

    assert done.stdout.rpartition("\n")[2] == "200", done.stdout
    assert "drafttopic" in done.stdout or "sinks_events_total" in done.stdout


def test_readme_output_of_the_contract_kit_is_what_it_prints(up: Pipeline) -> None:
    """Each line that README shows is printed by the two commands, in this order."""
    block = BLOCKS["README.md: Prove a sink, or a payload"]
    probe, check = block.commands.splitlines()

    printed = iter((up.does(probe).stdout + up.does(check).stdout).splitlines())

    assert [line for line in block.shown if line not in printed] == []


def test_dead_letter_session_prints_what_the_page_shows(up: Pipeline, tmp_path: Path) -> None:
    """The session from the first list to the drop, on three letters as the page describes them."""
    block = BLOCKS["dead-letters.md: The commands 2"]
    database = with_letters(up, tmp_path, 3)

    done = up.does(
        "\n".join(f"{each} || true" for each in block.commands.splitlines()), DATABASE_URL=database
    )

    assert without_times(done.stdout) == without_times(up.local("\n".join(block.shown)))


def without_times(text: str) -> list[list[str]]:
    """The words of each line, the widths of columns aside."""
    return [re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", line).split() for line in text.splitlines()]
