"""A reader of the pages at a shell, beside a pipeline of their own that runs.

What a page calls that is not on this machine (a cluster, Kafka, jq) is a function of the shell, and
hosts become the parts of one `up`; the rest runs as it stands there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from sinks.letter import letter_of
from sinks.local.parts import PORTS, TRIGGERS_DIR
from sinks.local.processes import ROOT, clean_env
from tests import today
from tests.clone import set_up
from tests.letters import opened
from tests.replays import change

# Hosts of the pages -> part of `up`, and its path.
HOSTS: Final = {
    "https://SHIM": "http-shim",
    "http://http-shim": "http-shim",
    "http://egress-sink": "egress-sink",
    "http://127.0.0.1:9000/score": "score-sink/models/drafttopic",
    "https://inference.discovery.wmnet:30443": "predictor",
    "https://eventgate-main.discovery.wmnet:4492": "eventgate",
    **{f"http://127.0.0.1:{port}": part for part, port in PORTS.items()},
}
# `up` lets everybody publish, and a call with an unknown token would still be refused.
TOKENS: Final = (' -H "authorization: Bearer $TOKEN"', " --token-file token")
EDIT: Final = (ROOT / "tests" / "data" / "events" / "page_change_edit.json").read_bytes()
CASE: Final = ROOT / "tests" / "data" / "rows" / "drafttopic" / "edit"
STAND_INS: Final = """
kubectl() { while [[ $1 != -- ]]; do shift; done; shift; "$@"; }
make() { command make -n "$@" | sed 's/$/ --help/' | bash -e; }
kafkacat() {
  case "$*" in
    *" eqiad.mediawiki.page_change.v1 "* | *" eqiad.changeprop.error "*) cat edit.json ;;
    *" eqiad.mediawiki.revision-score-test "*) cat ours.json ;;
    *" eqiad.mediawiki.revision_score_drafttopic "*) cat today.json ;;
    *) echo "nobody expects $*" >&2; return 1 ;;
  esac
}
jq() { case "$*" in *'{event: .}'*) sed 's/^/{"event": /; s/$/}/' ;; *) cat ;; esac; }
kafka-consumer-groups() { echo "$@"; }
"""


class Pipeline(NamedTuple):
    """`up` on free ports, and a directory that looks like the project's to a reader's shell."""

    ports: Mapping[str, int]
    directory: Path

    def local(self, commands: str) -> str:
        """The commands with the hosts that are here; the longest names first."""
        hosts = "|".join(re.escape(host) for host in sorted(HOSTS, key=len, reverse=True))

        def here(match: re.Match[str]) -> str:
            part, slash, path = HOSTS[match[0]].partition("/")
            return f"http://127.0.0.1:{self.ports[part]}{slash}{path}"

        for token in TOKENS:
            commands = commands.replace(token, "")
        return re.sub(rf"(?:{hosts})(?![\w.:-])", here, commands)

    def does(self, commands: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run commands as a reader's shell does, ending with the first that fails."""
        services = (f"{name}=http://127.0.0.1:{port}" for name, port in self.ports.items())
        path = (self.directory / ".venv" / "bin", Path(sys.executable).parent, os.environ["PATH"])
        variables = {
            "PATH": ":".join(map(str, path)),
            "DATABASE_URL": f"sqlite:///{self.directory}/deadletters.sqlite",
            "TRIGGERS_DIR": TRIGGERS_DIR,
            "SERVICE_URLS": ",".join(services),
            "KAFKA": "kafka:9092",
            "AT": "1767225600000",
        }
        script = f"{STAND_INS}\n{self.local(commands)}"
        return subprocess.run(  # noqa: S603
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
            cwd=self.directory,
            env=clean_env({**variables, **env}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )


@contextmanager
def running(directory: Path) -> Iterator[Pipeline]:
    """`up` on free ports, in a directory that is empty yet; ends as with Ctrl-C."""
    for name in ("Makefile", "gunicorn.conf.py", "manifests", "sinks", "tests", "triggers"):
        (directory / name).symlink_to(ROOT / name)
    set_up(directory)
    case = {path.stem: orjson.loads(path.read_bytes()) for path in CASE.iterdir()}
    served = today.serve("drafttopic", case["event"], case["predictor"]["answer"])
    read = {"today": served.published[0], "ours": case["output"], "edit": orjson.loads(EDIT)}
    for name, document in read.items():  # what `kafkacat` prints
        text = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
        (directory / f"{name}.json").write_bytes(text)
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "sinks.local", "up", "--free-ports", "--events", "events"],
        cwd=directory,
        env=clean_env({}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Pipeline(_ports_of(process.stdout), directory)
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.stdout.close()
        status = process.wait(30)
    assert status == 0


def _ports_of(lines: Iterable[str]) -> dict[str, int]:
    """What `up` says until it is ready: part -> port that it took."""
    taken = {}
    for line in lines:
        if match := re.match(r"\s+(\S+)\s+http://127\.0\.0\.1:(\d+) ", line):
            taken[match[1]] = int(match[2])
        if line.startswith("ready"):
            break
    assert taken.keys() == PORTS.keys()
    return taken


def with_letters(up: Pipeline, directory: Path, count: int) -> str:
    """Return a new database with letters that Knative has written; the second, if there is one, as
    after a malformed reply."""
    database = f"sqlite:///{directory}/letters.sqlite"
    error = b'{"reason": "upstream_unavailable", "detail": "down", "ce_id": null}'
    failure = {
        "ce-knativeerrordest": up.local("http://127.0.0.1:8081/models/drafttopic"),
        "ce-knativeerrorcode": "503",
        "ce-knativeerrordata": b64encode(error).decode(),
    }
    with opened(database) as letters:
        for number in range(count):
            headers, body = change(number)
            known = {} if number == 1 else failure
            letters.keep(letter_of(headers | known, body), datetime.now(UTC))
    return database
