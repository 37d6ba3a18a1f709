"""Processes of the run, each with a log of its own that is kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.hosts import Host


class Broken(RuntimeError):
    """A process has ended by itself; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    env:   all of its environment but PATH.
    host:  where; without one, on the node.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    host: Host | None = None


@dataclass(frozen=True, slots=True)
class Processes:
    """Starts and kills programs by name; `logs` gets `<name>.log` of each."""

    logs: Path
    _programs: dict[str, Program] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, program: Program) -> None:
        """Start a program; its log goes on where it ended."""
        command = list(program.command)
        if program.host:
            command = program.host.command(*command)
        with self.log(program.name).open("ab") as log:
            self._running[program.name] = subprocess.Popen(  # noqa: S603
                command,
                env={"PATH": os.environ["PATH"], **program.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; these end with their namespaces
            )
        self._programs[program.name] = program

    def log(self, name: str) -> Path:
        """Return the file that a program's log goes to."""
        return self.logs / f"{name}.log"

    def kill(self, name: str) -> None:
        """Kill a program if it runs, and leave it dead. raises: KeyError if it never has."""
        _ = self._programs[name]
        if process := self._running.pop(name, None):
            process.kill()
            process.wait()

    def restart(self, name: str) -> None:
        """Kill a program if it runs, and start it. raises: KeyError if it never has."""
        self.kill(name)
        self.start(self._programs[name])

    def kill_all(self) -> None:
        """Kill all programs, and return when they have ended."""
        for process in self._running.values():
            process.kill()
        for name in list(self._running):
            self.kill(name)

    def check(self) -> None:
        """raises: Broken if any has ended without having been killed here."""
        for name, process in self._running.items():
            if process.poll() is not None:
                end = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-15:])
                raise Broken(f"{name} ended with {process.returncode}; {self.log(name)}:\n{end}")
