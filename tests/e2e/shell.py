"""A cluster for hands: `python -m tests.e2e --shell [ARGS]` runs `bash ARGS` in it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.e2e.cluster import running


def main() -> int:
    """Return how bash has ended."""
    with running(lambda text: print(f"e2e: {text}", flush=True)) as cluster:
        path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PATH": path}
        return subprocess.run(["bash", *sys.argv[1:]], env=env, check=False).returncode  # noqa: S603, S607


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
