"""What a process and its children have cost so far, as the kernel tells it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def cpu_seconds(root: int) -> float:
    """Return the CPU time of the process and of all below it that still live.

    From their clocks, as /proc knows it to 10 ms only: a lone event takes less than one.
    """
    return sum(_clock(pid) for pid in pids(root))


def peak_rss_mib(root: int) -> float:
    """Return the sum of the processes' largest resident sets."""
    return _sum(root, "status", "VmHWM")


def rss_kib(root: int) -> float:
    """Return the sum of the processes' resident sets now."""
    return _sum(root, "status", "VmRSS") * 1024


def pss_mib(root: int) -> float:
    """Return the memory of all processes now; what they share counts once."""
    return _sum(root, "smaps_rollup", "Pss")


def pids(root: int) -> list[int]:
    """Return the process and all below it."""
    parents = {int(each.name): _parent(each) for each in _PROC.iterdir() if each.name.isdigit()}
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if parents.get(pid) is not None:
            found.append(pid)
            todo += [child for child, parent in parents.items() if parent == pid]
    return found


def _clock(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid(3) names it
    except OSError:  # ended meanwhile
        return 0.0


def _sum(root: int, file: str, field: str) -> float:
    kib = 0
    for pid in pids(root):
        try:
            text = (_PROC / str(pid) / file).read_text()
        except OSError:  # ended meanwhile
            continue
        found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
        kib += int(found[1]) if found else 0
    return kib / 1024


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # ended meanwhile
        return None
