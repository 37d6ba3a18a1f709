"""The loop around an implementation in Python; what it says about lines is in exchange.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from tests.interop.exchange import Line

Answer = Callable[[Line], Line]


def main(read: Answer, write: Answer) -> None:
    """Answer every line of standard input; what the SDK refuses is an answer too."""
    answer = {"read": read, "write": write}[sys.argv[1]]
    for line in sys.stdin.buffer:
        try:
            result = answer(json.loads(line))
        except Exception as error:  # an SDK raises whatever it likes
            result = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(result) + "\n")
