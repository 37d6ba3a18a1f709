"""The benchmark's arithmetic, its verdicts and the requests that it sends."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sinks import cloudevent, inputs
from sinks.local.processes import ROOT
from sinks.publishing import load_outputs
from tests.bench import __main__ as program
from tests.bench import events, process_tree, steps
from tests.bench.figures import (
    Account,
    NotMeasured,
    Window,
    faults,
    ratio,
    slope,
    table,
    verdict,
)
from tests.bench.scenarios import counted, per_cpu_second

ACCOUNT = Account(600, 3.0, 10.0, 20.0, 30.0, 40.0, 900, 0, 0, 0, 32, {})
WINDOW = Window(ACCOUNT, 2.0, 80.0)
NUMBER = 1234567890


def test_ratio_is_the_median_of_the_rounds() -> None:
    """A machine that was slow in one round was slow for both."""
    own, base = [50.0, 5.0, 66.0], [100.0, 10.0, 100.0]

    found = ratio(own, base)

    assert found == 0.5


def test_ratio_without_a_base_is_zero() -> None:
    """A contender that answered nothing does not end the run with a division."""
    assert ratio([1.0], [0.0]) == 0.0


@pytest.mark.parametrize(
    ("measured", "good"),
    [(0.5, True), (0.425, True), (0.42, False)],
    ids=["as recorded", "at the limit", "below it"],
)
def test_verdict_is_by_the_share_of_what_is_recorded(measured: float, good: bool) -> None:
    """Both numbers are said, and what to do about a failure."""
    found, said = verdict(measured, 0.5, 0.85)

    assert found is good
    assert f"{measured:.2f} x bare; recorded is 0.50" in said
    assert ("make bench" in said) is not good


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)], 2.0),
        ([(0.0, 5.0), (1.0, 5.0)], 0.0),
        ([(0.0, 1.0), (1.0, 4.0), (2.0, 1.0)], 0.0),
        ([(1.0, 5.0)], 0.0),
        ([], 0.0),
    ],
    ids=["a line", "flat", "a bump", "one point", "none"],
)
def test_slope_is_by_least_squares(points: list[tuple[float, float]], expected: float) -> None:
    """What grows is told from what only jumps."""
    assert slope(points) == pytest.approx(expected)


def test_table_is_markdown() -> None:
    """The first column is text, the others are figures."""
    text = table(["who", "how much"], [["bare", "1"], ["sinks", "2"]])

    assert text.splitlines() == [
        "| who | how much |",
        "| --- | ---: |",
        "| bare | 1 |",
        "| sinks | 2 |",
    ]


def test_account_is_read_from_what_the_load_program_prints() -> None:
    """Members are named as in Go; one more does no harm."""
    members = {
        "answered": 600,
        "seconds": 3,
        "p50_ms": 10.0,
        "p95_ms": 20.0,
        "p99_ms": 30.0,
        "max_ms": 40.0,
        "sent": 900,
        "errors": 0,
        "lost": 0,
        "duplicates": 0,
        "in_flight_max": 32,
        "failures": {},
        "new": 1,
    }

    assert Account.parse(json.dumps(members)) == ACCOUNT


@pytest.mark.parametrize("text", ["", "{}", "[]", "no such file"])
def test_account_of_anything_else_is_not_measured(text: str) -> None:
    """What the program wrote instead is in the error."""
    with pytest.raises(NotMeasured, match="the load program wrote"):
        Account.parse(text)


def test_window_counts_good_answers_by_time_and_by_cpu_time() -> None:
    """600 answers in 3 s, for 2 s of CPU."""
    assert WINDOW.per_second == 200.0
    assert WINDOW.per_cpu_second == 300.0
    assert WINDOW.cpu_us == pytest.approx(3333.3, rel=1e-3)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"errors": 2, "failures": {"status 503": 2}}, "2 errors"),
        ({"lost": 1}, "1 lost"),
        ({"duplicates": 3}, "3 duplicates"),
        ({"answered": 0}, "0 answered"),
    ],
    ids=["errors", "lost", "duplicates", "nothing answered"],
)
def test_fault_is_said_with_its_window(over: dict[str, Any], said: str) -> None:
    """One line names the window, the count and the kinds of errors."""
    bad = replace(WINDOW, account=replace(ACCOUNT, **over))

    (line,) = faults("scoring, bare", [WINDOW, bad])

    assert line.startswith("scoring, bare: ")
    assert said in line
    assert all(name in line for name in over.get("failures", {}))


def test_good_windows_have_no_faults() -> None:
    """A run without errors, losses and duplicates ends with 0."""
    assert faults("scoring", [WINDOW]) == []


def test_counts_are_summed_over_all_rounds() -> None:
    """A loss in one round is a loss."""
    bad = replace(WINDOW, account=replace(ACCOUNT, errors=1, lost=2, duplicates=3))
    measured = {"sinks": [WINDOW, bad, bad]}

    assert counted(measured, "sinks") == "2/4/6"
    assert per_cpu_second(measured, "sinks") == [300.0] * 3


TEMPLATES: dict[str, Callable[[], bytes]] = {
    "binary": lambda: events.page_changes("binary"),
    "structured": lambda: events.page_changes("structured"),
    "score": events.scores,
    "call": events.calls,
    "plain": events.plain,
    "pages": lambda: events.plain("pages"),
    "wikis": lambda: events.plain("wikis"),
}


@pytest.mark.parametrize("make", TEMPLATES.values(), ids=list(TEMPLATES))
def test_every_request_is_about_its_own_revision(make: Callable[[], bytes]) -> None:
    """The load program tells events, at both ends, by the first `rev_id` in the text."""
    _, body = events.sample(make(), NUMBER)

    json.loads(body)
    first = re.search(rb'"rev_id": ?(\d+)', body)
    assert first is not None
    assert int(first[1]) == NUMBER


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_page_change_is_an_event_with_an_id_of_its_own(mode: cloudevent.Mode) -> None:
    """It is what a Broker delivers."""
    headers, body = events.sample(events.page_changes(mode), NUMBER)

    event = cloudevent.decode({name.lower(): text for name, text in headers.items()}, body)

    assert event.mode == mode
    assert event.id == f"change-{NUMBER}"
    assert inputs.parse(event.data, inputs.load_readers()).revision.rev_id == NUMBER


@pytest.mark.parametrize("size", [0, 16_000, 1_000_000])
def test_score_is_valid_at_every_size(size: int) -> None:
    """What egress relays has to match the output's schema."""
    _, body = events.sample(events.scores(size), NUMBER)

    document = json.loads(body)
    load_outputs()[document["$schema"]].validate(document)
    assert len(body) == pytest.approx(size or 3400, rel=0.1)


def test_page_change_is_padded_to_its_size() -> None:
    """4 MB stay below what a sink takes."""
    _, body = events.sample(events.page_changes(size=4_000_000), NUMBER)

    assert 3_900_000 < len(body) <= 4_000_000


@pytest.mark.parametrize(
    ("distinct", "differs"),
    [("pages", ["page_id", "page_title"]), ("wikis", ["wiki_id", "domain"])],
)
def test_distinct_requests_differ_in_what_is_asked_for(
    distinct: events.Distinct, differs: list[str]
) -> None:
    """So that whatever is kept by page or by wiki is kept once for each."""
    _, body = events.sample(events.plain(distinct), NUMBER)

    change = json.loads(body)
    flat = {**change["meta"], **change["page"], **change}
    assert all(str(NUMBER) in str(flat[name]) for name in differs)


def test_strangers_show_tokens_that_nobody_knows() -> None:
    """Each request another one."""
    headers, _ = events.sample(events.plain("strangers"), NUMBER)

    assert headers["Authorization"] == f"Bearer client-{NUMBER}"


def test_predictor_answers_about_the_revision_that_it_is_asked_about() -> None:
    """Its answer is a template too."""
    answer = json.loads(events.predictor_answer().replace(b"@N@", str(NUMBER).encode()))

    assert list(answer["enwiki"]["scores"]) == [str(NUMBER)]


@pytest.mark.parametrize("name", [name for names in steps.STEPS.values() for name in names])
def test_step_is_made_of_functions_that_exist(name: str) -> None:
    """Renaming one of them has to be said in steps.py too."""
    owner, attribute = steps.found(name)

    assert callable(getattr(owner, attribute))


class Listed:
    """Functions of steps; only one is called."""

    @staticmethod
    def called() -> None: ...

    @staticmethod
    def idle() -> None: ...


def test_step_with_a_function_that_is_never_called_is_an_error() -> None:
    """It would be told to cost nothing, whatever has taken its place."""
    called, idle = (f"{__name__}:Listed.{name}" for name in ("called", "idle"))

    def app(_environ: Any, _start: Any) -> None:
        Listed.called()

    assert steps.measured(app, {}, b"", {"one": [called]}).keys() == {"one", steps.REST}
    with pytest.raises(SystemExit, match=f"never called: {idle};"):
        steps.measured(app, {}, b"", {"one": [called, idle]})


def test_stopwatch_counts_nothing_twice() -> None:
    """The time of an inner step is not the outer one's."""
    watch = steps.Stopwatch()
    inner = watch.timed("inner", lambda: sum(range(300_000)))
    outer = watch.timed("outer", lambda: inner())

    outer()

    assert watch.seconds["inner"] > 10 * watch.seconds["outer"] >= 0


def test_process_tree_sees_this_process() -> None:
    """CPU time and memory come from /proc."""
    here = os.getpid()

    assert here in process_tree.pids(here)
    assert process_tree.cpu_seconds(here) > 0
    assert 1 < process_tree.pss_mib(here) <= process_tree.peak_rss_mib(here)
    assert process_tree.rss_kib(here) > 1024


def test_all_scenarios_are_all_but_memory() -> None:
    """That one takes 20 minutes."""
    assert set(program.SCENARIOS) - set(program.chosen("all")) == {"memory"}


def test_unknown_scenario_is_refused_by_name() -> None:
    """A misspelt one would measure nothing."""
    with pytest.raises(argparse.ArgumentTypeError, match="scorin"):
        program.chosen("scorin,egress")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "scorin"], "there are all (but memory), scoring, egress,"),
        (["--short", "--rounds", "1"], "leave these out"),
        (["--only", "memory", "--minutes", "9"], "at least 10 minutes"),
        (["--rounds", "0"], "above 0"),
        (["--picture", "/no/such/directory/x.svg"], "there is no directory /no/such/directory"),
    ],
)
def test_arguments_that_would_measure_nothing_are_refused_before_anything_runs(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After half an hour it would be too late to say so."""
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])

    with pytest.raises(SystemExit) as ended:
        program.main()

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_servers_run_on_the_packages_of_the_image() -> None:
    """Pinned apart, but at the same versions."""
    pins = {
        name: set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "tests/bench/requirements.txt")
    }

    assert pins["requirements.txt"] <= pins["tests/bench/requirements.txt"]
