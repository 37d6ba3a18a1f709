"""`python -m tests.bench`: what an event costs, beside a bare callable and a naive app.

Tables go to standard output, progress to standard error. Ends with 0; with 1 after an error, a loss
or a duplicate, or if a limit is not kept; with 2 if it cannot be carried out; with 128 and its
number after a signal.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from sinks.local.processes import ROOT
from tests import tools
from tests.bench import by_step, growth, memory, scenarios, short, standalone, start
from tests.bench.figures import NotMeasured
from tests.bench.loading import Place
from tests.bench.rounds import Bench, Result, say

_DIRECTORY: Final = ROOT / "var" / "bench"
_PICTURE: Final = ROOT / "docs" / "performance.svg"
_REQUIREMENTS: Final = ROOT / "tests" / "bench" / "requirements.txt"
Scenario = Callable[[Bench], Result]
SCENARIOS: Final[Mapping[str, Scenario]] = {
    "scoring": scenarios.scored,
    "egress": scenarios.relayed,
    "waiting": scenarios.waiting,
    "granian": scenarios.granian,
    "start": start.started,
    "standalone": standalone.through_all,
    "payload": growth.payload,
    "in-flight": growth.in_flight,
    "triggers": growth.triggers,
    "steps": by_step.stepped,
    "memory": memory.flat,
}
_ROUNDS: Final = 5
_SECONDS: Final = 3.0
_LEAST_MINUTES: Final = 10
_DEFAULT: Final = ("scoring", "egress", "start", "steps")


def main() -> int:
    arguments = _arguments()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _end)
    try:
        bench = Bench(
            _place(),
            arguments.rounds,
            arguments.seconds,
            arguments.minutes,
            arguments.picture.absolute(),
        )
        measure = [short.compared] if arguments.short else [SCENARIOS[n] for n in arguments.only]
        return _measure(bench, measure)
    except (NotMeasured, tools.NotInstalled) as error:
        print(f"the benchmark cannot be carried out: {error}", file=sys.stderr)
    return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each contender; 5")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="of each window; 3")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the scenario memory; 20")
    parser.add_argument(
        "--only",
        type=chosen,
        default=_DEFAULT,
        metavar="SCENARIO,...",
        help=f"{_known()}; {','.join(_DEFAULT)}",
    )
    parser.add_argument(
        "--picture", type=Path, default=_PICTURE, help="of the scenario steps; docs/performance.svg"
    )
    parser.add_argument(
        "--short", action="store_true", help="only whether scoring is slower than recorded"
    )
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.seconds, arguments.minutes) <= 0:
        parser.error("rounds, seconds and minutes have to be above 0")
    if "memory" in arguments.only and arguments.minutes < _LEAST_MINUTES:
        parser.error(f"memory takes at least {_LEAST_MINUTES} minutes: in fewer, warming up is all")
    if not arguments.picture.absolute().parent.is_dir():
        parser.error(f"there is no directory {arguments.picture.parent} for the picture")
    of_its_own = (arguments.only, arguments.rounds, arguments.seconds)
    if arguments.short and of_its_own != (_DEFAULT, _ROUNDS, _SECONDS):
        parser.error("--short has a scenario, rounds and seconds of its own: leave these out")
    return arguments


def _end(number: int, _: object) -> NoReturn:
    print("ended by a signal; nothing is left behind", file=sys.stderr)
    sys.exit(128 + number)


def _known() -> str:
    return f"all (but memory), {', '.join(SCENARIOS)}"


def chosen(text: str) -> Sequence[str]:
    """Return the scenarios of a list; `all` is all but memory. raises: ArgumentTypeError."""
    if text == "all":
        return [name for name in SCENARIOS if name != "memory"]
    names = text.split(",")
    if unknown := set(names) - SCENARIOS.keys():
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; there are {_known()}"
        )
    return names


def _place() -> Place:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise NotMeasured("it needs two CPUs: one for the servers, one for the load")
    programs = tools.venv("bench", _REQUIREMENTS, say)
    load = tools.go_programs(say) / "load"
    os.sched_setaffinity(0, {cpus[1]})
    shutil.rmtree(_DIRECTORY, ignore_errors=True)
    _DIRECTORY.mkdir(parents=True)
    # As in the image, where a start reads bytecode.
    compileall.compile_dir(ROOT / "sinks", quiet=2)
    compileall.compile_dir(Path(__file__).parent, quiet=2)
    return Place(programs, load, _DIRECTORY, cpus[0], cpus[1])


def _measure(bench: Bench, scenarios: Sequence[Scenario]) -> int:
    faults: list[str] = []
    for scenario in scenarios:
        result = scenario(bench)
        faults += result.faults
        print(f"{result.text}\n", flush=True)
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
