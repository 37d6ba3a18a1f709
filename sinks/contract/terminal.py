"""What the commands read, and the lines that they write for people, with colour and progress where
both are welcome.

source: https://no-color.org
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

import click

from sinks.contract.finding import Finding

OK, FINDINGS, USAGE, INTERRUPTED = 0, 1, 2, 130
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def fill_closed_ends() -> None:
    """Let standard output and error lead nowhere where they are closed, as a service may start us.

    Else the next file or connection would get their numbers, and with them what we say.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w"))


class Terminal:
    """Lines to `out`, progress to `err`.

    Colour needs a terminal and no `NO_COLOR`; progress needs a terminal.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        if isinstance(self._out, io.TextIOWrapper):
            self._out.reconfigure(errors="backslashreplace")  # not all terminals write all there is
        self._colour = self._out.isatty() and not _no_color()
        self._moving = self._err.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "", fg: str | None = None, bold: bool | None = None) -> None:
        """Write one line; `fg` and `bold` as of `click.style`."""
        shown = click.style(text, fg=fg, bold=bold) if self._colour and (fg or bold) else text
        self._out.write(f"{shown}\n")

    def finding(self, finding: Finding) -> None:
        """Write a finding as four lines: what and where, who demands it, what to do."""
        colour = "red" if finding.severity == "error" else "yellow"
        self.line(f"  {finding.severity}: {finding.rule} at {finding.place}", fg=colour)
        self.line(f"    {finding.problem}")
        self.line(f"    clause: {finding.clause}")
        self.line(f"    fix: {finding.fix}")

    def progress(self, text: str) -> None:
        """Show `text` in place of the last progress; empty text wipes it away."""
        if self._moving:
            self._err.write(f"\r\x1b[2K{text}")
            self._err.flush()


def _no_color() -> bool:
    return bool(os.environ.get("NO_COLOR"))


@contextmanager
def quiet_ends() -> Iterator[None]:
    """End on Ctrl-C and on a closed pipe as other commands do: without a traceback."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        click.echo("\ninterrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _write_no_more()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        _write_no_more()
        raise ended(f"cannot write: {error.strerror}") from error


def _write_no_more() -> None:
    """The interpreter would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Open a file; `-` is standard input, which stays open.

    raises: OSError, also where standard input is closed.
    """
    if name != "-":
        with open(name, "rb") as source:
            yield source
    elif sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed: pipe something into it")
    else:
        yield sys.stdin.buffer


class _Ended(click.ClickException):
    exit_code = USAGE


def ended(problem: str) -> click.ClickException:
    """Return what a command raises to end with one clear line and exit code 2."""
    return _Ended(problem)
