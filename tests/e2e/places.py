"""Where things of a run are: directories, and names and addresses of its network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sinks.local.processes import ROOT

# Two runs need two of these; E2E_HOME names another.
HOME: Final = Path(os.environ.get("E2E_HOME") or ROOT / "var" / "e2e").absolute()
LOGS: Final = HOME / "logs"
# Memory that only this run sees: keys, credentials, etcd's data. Gone with its namespaces.
STATE: Final = HOME / "state"

NODE: Final = "10.99.0.1"
GATEWAY: Final = "169.254.1.1"  # on the node's end of each link
SERVICES: Final = "10.98.0.0/16"
API_SERVICE: Final = "10.98.0.1"  # the first of these, as the API server takes it
PROGRAMS: Final = "10.99.1.{}"  # Knative's programs
NODE_NAME: Final = "node"
# As a kubelet gives it to Pods of a namespace, for short names.
RESOLV_CONF: Final = f"""\
nameserver {NODE}
search {{namespace}}.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
