"""What gunicorn.conf.py sets in an environment."""

from __future__ import annotations

import gc
import runpy
from collections.abc import Mapping
from typing import Any

import pytest

from sinks.local.processes import ROOT

_READ = ("EVENT_DEADLINE_SECONDS", "MAX_IN_FLIGHT", "MAX_BODY_BYTES", "PORT", "LOG_LEVEL")


def served(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return its settings by name."""
    with pytest.MonkeyPatch.context() as patched:
        for name in _READ:
            patched.delenv(name, raising=False)
        for name, value in environ.items():
            patched.setenv(name, value)
        try:
            return runpy.run_path(str(ROOT / "gunicorn.conf.py"))
        finally:
            gc.enable()  # the file switches it off, for the process that it is meant for
