"""`python -m tests.bench.picture FIGURES SVG`: the steps of an event as a bar, beside bare's.

It needs matplotlib, which only the servers' environment has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Readable on white and on black; the bars' colours are as well, and differ for the colour-blind.
_TEXT: Final = "#737b85"
_BARE: Final = "#9aa3ad"
_STEPS: Final = (
    *("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#cc79c8", "#ee8866", "#77aadd"),
    *("#997700", "#bbbbbb"),
)
_INCHES: Final = (9.0, 3.4)
_SMALLEST_LABELLED: Final = 0.035  # of the bar; a figure in a narrower part would not fit


def draw(bare: float, steps: Mapping[str, float], picture: Path) -> None:
    """Write the picture.

    bare, steps: CPU microseconds per event.
    """
    import matplotlib  # type: ignore[import-not-found]

    matplotlib.use("agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "steps", "text.color": _TEXT, "xtick.color": _TEXT, "ytick.color": _TEXT}
    )
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=_INCHES)
    total = sum(steps.values())
    names = [f"bare callable\n{bare:.0f} µs", f"score-sink\n{total:.0f} µs"]
    axes.barh(names[0], bare, color=_BARE, height=0.55)
    left = 0.0
    for (step, us), colour in zip(steps.items(), _STEPS, strict=True):
        axes.barh(names[1], us, left=left, color=colour, height=0.55, label=f"{step} {us:.0f}")
        if us > _SMALLEST_LABELLED * max(bare, total):
            middle = left + us / 2
            axes.text(middle, 1, f"{us:.0f}", ha="center", va="center", color="black", size=9)
        left += us
    axes.set_xlabel("CPU microseconds per event", color=_TEXT)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.xaxis.grid(True, color=_TEXT, alpha=0.3)
    axes.set_axisbelow(True)
    figure.legend(loc="lower center", ncols=5, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.14, right=0.98, top=0.97, bottom=0.36)
    figure.savefig(picture, transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    figures = json.loads(Path(sys.argv[1]).read_text())
    draw(figures["bare"], figures["steps"], Path(sys.argv[2]))
