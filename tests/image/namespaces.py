"""Linux namespaces for this thread and for what it starts: mounts and a network of their own.

The kernel takes both away with the last process in them, however that ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MOUNTS: Final = 0x00020000  # CLONE_NEWNS
_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_SET_FLAGS: Final = 0x8914  # SIOCSIFFLAGS
_UP: Final = 1  # IFF_UP


def own_mounts(shown: Mapping[str, Path]) -> None:
    """Leave the machine's mounts for good and show these directories in place of others.

    shown:   path of the machine, made if it is not there -> directory that stands there for us.
    raises:  OSError without the right to, which root has.
    """
    _call("unshare", _MOUNTS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)  # noqa: S607
    for path, directory in shown.items():
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "--bind", directory, path], check=True)  # noqa: S603, S607


@contextmanager
def network(of: int | Path | None = None) -> Iterator[None]:
    """Be in another network until the block ends.

    of: a process that is in it, or its file; None: a new one that is only loopback.

    Threads and processes that are started in the block are in that network too, and stay there.
    """
    with open("/proc/thread-self/ns/net", "rb") as before:
        if of is None:
            _call("unshare", _NETWORK)
        else:
            with open(of if isinstance(of, Path) else f"/proc/{of}/ns/net", "rb") as theirs:
                _call("setns", theirs.fileno(), _NETWORK)
        try:
            if of is None:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                    fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP))
            yield
        finally:
            _call("setns", before.fileno(), _NETWORK)


def _call(name: str, *args: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*args):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
