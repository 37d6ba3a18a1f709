"""Turn pip's output on standard input into one line per ten packages.

usage: pip install ... | python .ci/progress.py REQUIREMENTS_FILE
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    total = sum("==" in line for line in Path(sys.argv[1]).read_text().splitlines())
    count = 0
    for line in sys.stdin:
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            count += 1
            if count % 10 == 0 or count == total:
                print(f"  fetched {count} of {total}", flush=True)
        elif line.startswith("Installing collected packages"):
            print("  installing: half a minute without a word", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
