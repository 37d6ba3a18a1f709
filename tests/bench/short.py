"""The short form: has scoring become slower, beside the bare callable, than it was?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.contenders import Name
from tests.bench.figures import Rounds, ratio, verdict
from tests.bench.rounds import Bench, Result, alone, faults, rounds, say, scoring
from tests.bench.scenarios import per_cpu_second

RECORDED: Final = Path(__file__).parent / "recorded.json"
_ROUNDS: Final = 3
_MORE_ROUNDS: Final = 7
_SECONDS: Final = 2.0
_SHARE: Final = 0.85  # of the recorded ratio: rounds of one machine differ by some 10 %


def compared(bench: Bench) -> Result:
    """Scoring in binary mode against the recorded ratio; what looks slower is measured again."""
    recorded: float = json.loads(RECORDED.read_text(encoding="utf-8"))["scoring_to_bare"]
    bench = replace(bench, rounds=_ROUNDS, seconds=_SECONDS)
    measured = _measured(bench)
    wrong = faults("short", measured)
    good, said = _judged(measured, recorded)
    if not good:
        say(f"{said}; once more, longer, before it counts")
        measured = _measured(replace(bench, rounds=_MORE_ROUNDS))
        wrong += faults("short", measured)
        good, said = _judged(measured, recorded)
    return Result(said, [*wrong, *([] if good else [said])])


def _measured(bench: Bench) -> Rounds:
    load = scoring(bench)
    names: Sequence[Name] = ("bare", "sinks")
    return rounds(bench, "short", names, lambda name: alone(bench, name, "score", load))


def _judged(measured: Rounds, recorded: float) -> tuple[bool, str]:
    found = ratio(per_cpu_second(measured, "sinks"), per_cpu_second(measured, "bare"))
    return verdict(found, recorded, _SHARE)
