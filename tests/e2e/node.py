"""First process of the run's namespaces: makes them a node, runs the tests, takes in orphans.

When it ends, however that is, the kernel kills everything that is left in them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.commands import run
from tests.e2e.places import NODE, RESOLV_CONF, SERVICES, STATE
from tests.machine import Failed

_NETWORK: Final = f"""link set lo up
addr add {NODE}/32 dev lo
route add {SERVICES} dev lo src {NODE}
"""
_FILES: Final = {
    # Knative's programs, which run here, use short names of their namespace.
    "/etc/resolv.conf": RESOLV_CONF.format(namespace="knative-eventing"),
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def is_inside() -> bool:
    """True in processes of a run's own namespaces."""
    try:
        return b"tests.e2e.node" in Path("/proc/1/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def main() -> int:
    """Return how the command, which is the arguments, has ended."""
    # Ctrl-C reaches all processes of the terminal; the tests decide what it means.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        _prepare()
    except (Failed, OSError) as error:
        print(f"make e2e: cannot make a node: {error}", file=sys.stderr)
        return 2
    return _ended(sys.argv[1:])


def _prepare() -> None:
    for path in (Path("/run/netns"), STATE):
        path.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", str(path))
    # The node asks the cluster's name server too, and with it all that runs here.
    for name, text in _FILES.items():
        shown = STATE / Path(name).name
        shown.write_text(text)
        run("mount", "--bind", str(shown), os.path.realpath(name))
    run("ip", "-batch", "-", input=_NETWORK)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _ended(command: Sequence[str]) -> int:
    child = subprocess.Popen(command)  # noqa: S603
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
