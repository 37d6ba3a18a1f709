"""docs/runbook.md: a section for each alert, and only commands that are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Final, get_args

import pytest
from click.testing import CliRunner

from sinks.cli import main
from sinks.local.processes import ROOT
from sinks.reasons import Reason
from tests.lone_sink import Client
from tests.manifest_components import extended, pod_makers
from tests.manifests import SETTINGS, container_of, of_kind
from tests.monitored import declared, monitored, rules
from tests.processes import gunicorn

PAGE: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
GENERAL: Final = ("First of all", "Nothing arrives", "Scores come twice")
SECTIONS: Final[Mapping[str, str]] = dict(
    re.findall(r"^## (.*)\n([\s\S]*?)(?=^## |\Z)", PAGE, re.M)
)
ALERTS: Final = {rule["alert"] for rule in rules()}
BLOCKS: Final[Mapping[str, str]] = {
    title: "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    for title, text in SECTIONS.items()
}
# What stands for a cluster: it runs what is executed in a Pod, and knows only what manifests have.
KUBECTL: Final = """#!/bin/bash
set -eu
echo "kubectl $*" >&2
case "$3 ${4:-}" in
"exec deployment/"*) case "$6" in df) exit 0 ;; esac; shift 6; exec "$PYTHON" "$@" ;;
"logs -l") echo '{"reason": "deadline", "traceback": "..."}' ;;
"get "*) cat "$CLUSTER" ;;
*) exit 9 ;;
esac
"""


def anchor(heading: str) -> str:
    """The fragment by which a page's heading is linked to."""
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables of a shell in which `kubectl` finds a deadletter-sink with one letter."""
    home = tmp_path_factory.mktemp("runbook")
    (home / "kubectl").write_text(KUBECTL, encoding="utf-8")
    (home / "sinks").write_text(f'#!/bin/bash\nexec "{sys.executable}" -m sinks "$@"\n')
    for name in ("kubectl", "sinks"):
        (home / name).chmod(0o755)
    routing = {"DATABASE_URL": f"sqlite:///{home}/letters.sqlite", "ALLOW_ANONYMOUS": "true"}
    routing |= {"SERVICE_URLS": "*=http://127.0.0.1:9"}
    with gunicorn("sinks.deadletter_sink:create_app()", routing, home) as sink:
        with Client(sink.port) as client:
            assert client.send("/", {}, b"no event").status == 202
        yield {
            **os.environ,
            **routing,
            "PATH": f"{home}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            "CLUSTER": str(ROOT / "triggers" / "drafttopic.yaml"),
            "PORT_HERE": str(sink.port),
        }


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    """Who follows the link of an alert finds what to do; no section is left of one that is gone."""
    linked = {rule["annotations"]["runbook_url"].partition("#")[2] for rule in rules()}

    assert {*SECTIONS} == ALERTS | {*GENERAL}
    assert linked == {anchor(each) for each in ALERTS}


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_section_says_symptom_meaning_first_command_and_whom_to_wake(alert: str) -> None:
    """In this order, and short enough for the middle of the night."""
    text = SECTIONS[alert]
    places = [text.find(each) for each in ("**Seen:**", "**Means:**", "```sh", "**Wake**")]

    assert -1 not in places
    assert places == sorted(places)
    assert len(text.splitlines()) <= 35


def test_page_names_only_reasons_metrics_sinks_and_objects_that_exist() -> None:
    """What is written between backquotes with our names is ours."""
    objects = {each["metadata"]["name"] for each in monitored()}
    quoted = re.findall(r"`([^`\n]+)`", PAGE)
    tables = re.findall(r"^\| ((?:`\w+`(?:, )?)+)", SECTIONS["SinksDeferred"], re.MULTILINE)
    reasons = {name for row in tables for name in re.findall(r"`(\w+)`", row)}
    metrics = set(re.findall(r"\bsinks_[a-z_]+\b", PAGE))
    deployments = set(re.findall(r"deployment/([a-z-]+)", PAGE))
    sinks = set(re.findall(r"(?:metrics|reasons|name=)\s?([a-z]+-(?:sink|shim))", PAGE))

    assert reasons <= {*get_args(Reason)}
    assert metrics <= declared().keys()
    assert deployments | sinks <= {*SETTINGS}
    assert {"egress-sink-to-eventgate", "from-prometheus", "sinks"} <= objects
    assert not [each for each in quoted if each.startswith("Sinks") and each not in ALERTS]
    pages = {each for each in quoted if re.fullmatch(r"[a-z-]+\.md", each)}
    assert not [each for each in pages if not (ROOT / "docs" / each).is_file()]
    assert of_kind(monitored(), "KafkaSource").keys() == {"page-change"}
    served = pod_makers(extended("production", "knative-serving"))
    containers = {container_of(each)["name"] for each in served.values()}
    assert set(re.findall(r"`-c ([a-z-]+)`", PAGE)) == containers


def test_commands_on_letters_have_the_options_that_are_used() -> None:
    """`letters` is `sinks deadletters`: each of its commands is there, with these options."""
    found = re.findall(r"(?:`|^)letters ([a-z]+)([^`\n]*)", PAGE, re.MULTILINE)

    assert len(found) > 10
    for name, rest in found:
        told = CliRunner().invoke(main, ["deadletters", name, "--help"]).output
        assert [each for each in re.findall(r"--[a-z-]+", rest) if each not in told] == []


@pytest.mark.parametrize("title", [title for title, block in BLOCKS.items() if block])
def test_block_of_commands_runs(title: str, shell: dict[str, str]) -> None:
    """After those of the first section, as they stand there, but for the port of the sink."""
    commands = BLOCKS["First of all"] + BLOCKS[title]
    here = commands.replace("127.0.0.1:8080", f"127.0.0.1:{shell['PORT_HERE']}")

    done = subprocess.run(  # noqa: S603
        ["bash", "-uc", here],  # noqa: S607
        cwd=ROOT,
        env=shell,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    asked = [line for line in done.stderr.splitlines() if line.startswith("kubectl ")]
    others = [line for line in done.stderr.splitlines() if line not in asked]
    assert all(line.startswith("kubectl -n event-sinks ") for line in asked)
    assert (done.returncode in (0, 1), others) == (True, [])  # 1: a finding, or nothing found
