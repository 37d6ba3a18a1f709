"""A real PostgreSQL on a socket of its own; its programs come out of the package pgserver.

They are copied, because PostgreSQL refuses to run as root, and another user may be kept out of the
directory where packages are.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "a/secret-of-the-tests"  # noqa: S105
START_SECONDS = 30.0
_NOBODY = 65534


@dataclass
class PostgreSQL:
    """A server that can be stopped and started again."""

    directory: Path
    _process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(default_factory=itertools.count)

    def url(self, name: str = "postgres", password: str = PASSWORD) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres:{password}@/{name}?host={self.directory}"

    def new_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database and return its URL."""
        name = f"letters{next(self._names)}"
        template = f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        with self._connection() as connection:
            connection.execute(f"CREATE DATABASE {name} {template}".encode())
        return self.url(name)

    def start(self) -> None:
        """Return once it takes connections."""
        command = [_program(self.directory, "postgres"), "-D", self.directory / "data"]
        options = ["-k", self.directory, "-c", "listen_addresses="]
        log = self.directory / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, *options], stdout=output, stderr=output, **_as_nobody()
            )
        limit = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connection().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > limit or self._process.poll() is not None:
                    raise AssertionError(log.read_text(errors="replace")[-2000:]) from None
                time.sleep(0.02)

    def stop(self) -> None:
        """End it, and all connections."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it without anything being written any more."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def _connection(self) -> psycopg.Connection[Any]:
        where = {"host": str(self.directory), "user": "postgres", "password": PASSWORD}
        return psycopg.connect(dbname="postgres", autocommit=True, connect_timeout=5, **where)


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Run a server until the block ends."""
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        directory = Path(name)
        _copy_programs(directory)
        secret = directory / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (directory, secret):
                os.chown(path, _NOBODY, _NOBODY)
        initdb = [_program(directory, "initdb"), "-D", directory / "data", "-U", "postgres"]
        how = ["--auth=scram-sha-256", f"--pwfile={secret}", "--locale=C", "--encoding=UTF8"]
        subprocess.run(  # noqa: S603
            [*initdb, *how], check=True, stdout=subprocess.DEVNULL, **_as_nobody()
        )
        server = PostgreSQL(directory)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _as_nobody() -> dict[str, Any]:
    nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
    return nobody if os.geteuid() == 0 else {}


def _program(directory: Path, name: str) -> Path:
    return directory / "pgserver" / "pginstall" / "bin" / name


def _copy_programs(directory: Path) -> None:
    spec = find_spec("pgserver")
    assert spec and spec.origin, "the package pgserver is missing: make .venv"
    packages = Path(spec.origin).parent.parent
    for part in ("pgserver/pginstall", "pgserver.libs"):
        shutil.copytree(packages / part, directory / part, symlinks=True)
