"""`python -m tests.soak [--mutant]`: N page changes in, N accounted for, with faults in between.

SOAK_EVENTS is how many, SOAK_SEED replays the faults of a soak that has failed. Ends with 0 if the
ledger is content, 1 if it is not, 3 if the soak itself could not be carried out. The mutant has to
end with 1, for lost events; 2 if it has not lost any.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sinks.local.processes import ROOT
from tests.soak import accounts, ledger, machine, processes
from tests.soak.processes import Broken, Process
from tests.soak.scene import EVENTGATES, PARTS, Scene
from tests.soak.supervisor import Supervisor

_EVENTS: Final = 4000
_MUTANT_EVENTS: Final = 500
_SHORTEST_LIMIT: Final = 600.0
_SECONDS_PER_EVENT: Final = 0.15  # ten times what a change takes on two cores
_CALM: Final = 0.8  # of the limit; then nothing misbehaves any more, so that the soak can end
_PROGRESS_SECONDS: Final = 5.0
_LETTERS: Final = "letters"
_NOT_NOTICED: Final = 2
_NOT_CARRIED_OUT: Final = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutant", action="store_true", help="an egress that acknowledges early")
    mutant = parser.parse_args().mutant
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_NOT_CARRIED_OUT))  # nothing is left behind
    try:
        seed = _number("SOAK_SEED", random.SystemRandom().randrange(1, 10**6))
        events = _MUTANT_EVENTS if mutant else _number("SOAK_EVENTS", _EVENTS)
        return _soak(_emptied("mutant" if mutant else "sinks"), seed, events, mutant)
    except Broken as error:
        print(f"the soak cannot be carried out: {error}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    return _NOT_CARRIED_OUT


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    if text and not text.isdecimal():
        raise Broken(f"{name} has to be a whole number, not {text!r}")
    return int(text) if text else otherwise


def _emptied(name: str) -> Path:
    directory = ROOT / "var" / "soak" / name
    if (directory / _LETTERS).is_mount():  # of a soak that was killed
        machine.unmount(directory / _LETTERS)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _soak(directory: Path, seed: int, events: int, mutant: bool) -> int:
    begun = time.monotonic()
    where = directory.relative_to(ROOT)
    print(f"soak: {events} page changes, SOAK_SEED={seed}, journals in {where}", flush=True)
    faketime = machine.faketime()
    ports = processes.free_ports(PARTS)
    scene = Scene(str(directory), seed, events, 0.0, ports)
    with machine.small_disk(directory / _LETTERS, events) as disk:
        database_url = f"sqlite:///{disk}/deadletters.sqlite"
        sinks = processes.sinks(scene, database_url, faketime, mutant)
        with contextlib.ExitStack() as stack:
            for sink in sinks.values():
                stack.callback(sink.stop)
            supervisor = Supervisor(scene, sinks, disk)
            for sink in sinks.values():
                sink.start()
            for sink in sinks.values():
                sink.wait_ready()
            # The schedules begin now, not while four processes start.
            scene = replace(scene, begun=time.time())
            scene.save()
            ended = _run(scene, supervisor, stack)
            supervisor.end()
        if not ended:
            print("the soak has not ended in time: what is not accounted for is below")
        sentence = accounts.judged(scene, database_url)
    _print(sentence, supervisor, scene)
    bad = bool(sentence.violations) or not ended
    lost = sum(each.startswith("lost: ") for each in sentence.violations)
    verdict = f"FAILED, {lost} lost, {len(sentence.violations)} violations in all"
    verdict = verdict if bad else "passed: nothing lost, no wrong page or revision, no second id"
    took = f"{time.monotonic() - begun:.0f} s"
    print(f"soak: {verdict}; {took}; SOAK_SEED={seed} SOAK_EVENTS={events}")
    if mutant:
        print(f"soak: the mutant has {'been noticed, as it must' if lost else 'NOT been noticed'}")
        return 1 if lost else _NOT_NOTICED
    return int(bad)


def _run(scene: Scene, supervisor: Supervisor, stack: contextlib.ExitStack) -> bool:
    """Let events flow until both drivers have ended. False if they did not in time."""
    standins = [processes.module(scene, "predictor")]
    standins += [processes.module(scene, "eventgate", name) for name in EVENTGATES]
    drivers = [processes.module(scene, name) for name in ("broker", "changeprop")]
    for process in (*standins, *drivers):
        stack.callback(process.kill)
        process.start()
    begun = shown = time.monotonic()
    seconds = max(_SHORTEST_LIMIT, scene.events * _SECONDS_PER_EVENT)
    while any(driver.running.poll() is None for driver in drivers):
        _check(standins, drivers)
        if time.monotonic() > begun + seconds:
            return False
        if time.monotonic() > begun + _CALM * seconds:
            scene.path("calm").touch()
            supervisor.relent()
        else:
            supervisor.work()
        if time.monotonic() - shown > _PROGRESS_SECONDS:
            shown = time.monotonic()
            print(_progress(scene, supervisor), flush=True)
        time.sleep(0.05)
    _check(standins, drivers)
    print(_progress(scene, supervisor))
    return True


def _check(standins: list[Process], drivers: list[Process]) -> None:
    for process in standins:
        if process.running.poll() is not None:
            raise Broken(f"{process.name} ended: see {process.log}")
    for process in drivers:
        if process.running.poll():
            raise Broken(f"{process.name} ended with an error: see {process.log}")


def _progress(scene: Scene, supervisor: Supervisor) -> str:
    counts = _counts(scene)
    repeated = sum(count for name, count in counts.items() if name.startswith("again"))
    told = ", ".join(
        f"{counts.get(name, 0)} {name}" for name in ("delivered", "ignored", "dead letter")
    )
    kills = supervisor.counts["kill"] + supervisor.counts["kill_worker"]
    given_up = counts.get("given up", 0)
    return (
        f"{scene.seconds:5.0f} s: {counts.get('deliveries', 0)} deliveries, {repeated} repeated:"
        f" {told}, {given_up} given up; {kills} kills"
    )


def _counts(scene: Scene) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in ("broker", "changeprop"):
        with contextlib.suppress(OSError, ValueError):
            progress: dict[str, Any] = json.loads(scene.path(f"{name}.progress").read_text())
            for key, count in progress.items():
                found[key] = found.get(key, 0) + count
    return found


def _print(sentence: ledger.Sentence, supervisor: Supervisor, scene: Scene) -> None:
    for title, counts in (
        ("changes and their rows", sentence.counts),
        ("published more than once, because", sentence.duplicates),
        ("what the callers saw", _counts(scene)),
        ("what was done to the sinks", dict(supervisor.counts)),
    ):
        print(f"{title}:")
        for name, count in sorted(counts.items()):
            print(f"  {count:8d}  {name}")
    scene.path("violations").write_text("".join(f"{each}\n" for each in sentence.violations))
    for violation in ledger.shown(sentence.violations):
        print(f"VIOLATION {violation}")


if __name__ == "__main__":
    sys.exit(main())
