"""`sinks triggers lint`: files, directories and pipes in; lines or JSON, and an exit code, out."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result

from sinks.cli import main
from sinks.local.processes import ROOT
from sinks.models import MODELS
from sinks.trigger_lint.reading import MAX_BYTES
from tests.manifests import ENVIRONMENTS, overlay

DRAFTTOPIC: Final = yaml.safe_load(
    (ROOT / "triggers" / "drafttopic.yaml").read_text(encoding="utf-8")
)


def run(*arguments: str, content: str | bytes | None = None) -> Result:
    """Run the command, with this on standard input."""
    return CliRunner().invoke(main, ["triggers", "lint", *arguments], input=content)


def spoilt(name: str = "drafttopic") -> dict[str, Any]:
    """A Trigger without a time-out."""
    made = copy.deepcopy(DRAFTTOPIC)
    made["metadata"]["name"] = name
    del made["spec"]["delivery"]["timeout"]
    return made


def written(path: Path, *resources: Any) -> str:
    """Write YAML documents and return the path."""
    path.write_text(yaml.safe_dump_all(resources), encoding="utf-8")
    return str(path)


def test_lint_without_a_path_reads_what_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both directories, as they are in the image; nothing is wrong."""
    monkeypatch.chdir(ROOT)

    done = run()

    counted = f"{len(MODELS) + 1} Triggers of triggers, triggers/optional"
    assert (done.exit_code, done.output) == (0, f"{counted}, 0 findings\n")


def test_lint_of_a_spoilt_trigger_tells_where_what_and_how(tmp_path: Path) -> None:
    """Three lines a finding, and one that counts."""
    path = written(tmp_path / "a.yaml", spoilt())

    done = run(path)

    assert done.exit_code == 1
    assert done.output.splitlines() == [
        f"{path}: drafttopic: spec.delivery",
        "  timeout is missing, and a Trigger's delivery replaces the Broker's whole: a subscriber"
        " that hangs is waited for without end, or for 10 minutes",
        "  fix: add timeout",
        f"1 Trigger of {path}, 1 finding",
    ]


def test_lint_with_json_tells_the_same_for_programs(tmp_path: Path) -> None:
    """One document, and the same exit code."""
    path = written(tmp_path / "a.yaml", spoilt(), {**DRAFTTOPIC, "metadata": {"name": "fine"}})

    done = run("--json", path)

    (finding,) = json.loads(done.output)["findings"]
    assert done.exit_code == 1
    assert json.loads(done.output)["triggers"] == 2
    assert finding.keys() == {"source", "trigger", "place", "what", "advice", "severity"}
    assert (finding["source"], finding["trigger"]) == (path, "drafttopic")
    fine = json.loads(run("--json", str(ROOT / "triggers")).output)
    assert (fine["findings"], fine["unreadable"]) == ([], [])


def test_lint_of_nothing_but_warnings_is_no_failure(tmp_path: Path) -> None:
    """They are shown, counted and marked; who is strict counts them as findings."""
    doubtful = {**DRAFTTOPIC, "spec": {**DRAFTTOPIC["spec"], "broker": "defualt"}}
    path = written(tmp_path / "a.yaml", doubtful)

    done = run(path)

    assert (done.exit_code, run("--strict", path).exit_code) == (0, 1)
    assert run("--strict", path).output == done.output
    assert done.output.splitlines() == [
        f"{path}: drafttopic: spec.broker",
        "  warning: no Broker defualt is known here, and without one nobody looks at the Trigger",
        "  fix: is default meant?",
        f"1 Trigger of {path}, 1 finding, 1 of them warnings",
    ]


def test_lint_beside_brokers_knows_them(tmp_path: Path) -> None:
    """Of whatever file, as `kubectl get brokers,triggers -o yaml` has them."""
    kafka = {"eventing.knative.dev/broker.class": "Kafka"}
    brokers = written(
        tmp_path / "brokers.yaml",
        {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Broker",
            "metadata": {"name": "audit", "annotations": kafka},
        },
    )
    other = {**DRAFTTOPIC, "spec": {**DRAFTTOPIC["spec"], "broker": "other"}}
    path = written(tmp_path / "a.yaml", other)

    assert run(path).output == f"1 Trigger of {path}, 0 findings\n"
    done = run(path, brokers)
    assert "fix: one of audit\n" in done.output
    assert done.output.splitlines()[-1] == f"1 Trigger of {path}, {brokers}, 1 finding"


def test_lint_of_a_directory_reads_what_the_shim_would(tmp_path: Path) -> None:
    """YAML files, not the kustomization and not what lies below."""
    written(tmp_path / "a.yaml", spoilt("a"))
    written(tmp_path / "b.yml", spoilt("b"))
    (tmp_path / "kustomization.yaml").write_text("kind: [", encoding="utf-8")
    (tmp_path / "c.txt").write_text("{", encoding="utf-8")
    (tmp_path / "below").mkdir()
    written(tmp_path / "below" / "d.yaml", spoilt("d"))

    last = run(str(tmp_path)).output.splitlines()[-1]
    assert last == f"2 Triggers of {tmp_path}, 2 findings"


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_lint_of_a_pipe_reads_the_list_that_kubectl_prints(form: str) -> None:
    """As `kubectl get triggers -o yaml | sinks triggers lint -`."""
    shown = {"apiVersion": "v1", "kind": "List", "items": [spoilt("a"), DRAFTTOPIC]}

    done = run("-", content=json.dumps(shown) if form == "json" else yaml.safe_dump(shown))

    assert done.exit_code == 1
    assert done.output.splitlines()[0] == "-: a: spec.delivery"
    assert done.output.splitlines()[-1] == "2 Triggers of standard input, 1 finding"


def test_lint_of_a_named_pipe_reads_it(tmp_path: Path) -> None:
    """As `sinks triggers lint <(kubectl get triggers -o yaml)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "sinks", "triggers", "lint", str(pipe)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        written(pipe, DRAFTTOPIC)
        output, _ = process.communicate(timeout=60)

    assert (process.returncode, output) == (0, f"1 Trigger of {pipe}, 0 findings\n")


def test_lint_of_a_whole_overlay_passes_over_other_kinds() -> None:
    """What stands beside Triggers is not their lint's business; what should be one is."""
    others = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "score-sink"}},
        {"apiVersion": "eventing.knative.dev/v1beta2", "kind": "EventType"},
    ]
    misspelt = {**DRAFTTOPIC, "kind": "Triggers"}

    fine = run("-", content=yaml.safe_dump_all([*others, DRAFTTOPIC]))
    done = run("-", content=yaml.safe_dump_all([*others, misspelt]))

    assert (fine.exit_code, fine.output) == (
        0,
        "1 Trigger of standard input, 0 findings\n",
    )
    assert done.exit_code == 1
    assert "not a Trigger" in done.output


def test_lint_beside_services_knows_them() -> None:
    """Those of Knative Serving too; a v1 Service is another thing than a Deployment."""
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "deadletter-sink"}},
        {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "x"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "score-sink"}},
    ]

    done = run("-", content=yaml.safe_dump_all([*services, DRAFTTOPIC]))

    assert done.exit_code == 1
    assert "what was read has no Service score-sink" in done.output
    assert "fix: one of deadletter-sink, x" in done.output


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_lint_of_an_overlay_finds_nothing(environment: str) -> None:
    """With its Broker and its Services: not even a warning."""
    done = run("--strict", "-", content=json.dumps({"items": overlay(environment)}))

    assert (done.exit_code, done.output.count("\n")) == (0, 1)
    assert done.output.endswith("Triggers of standard input, 0 findings\n")


def started(
    *arguments: str, stdin: int | IO[bytes] | None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process, with this as its standard input; None: it is closed."""
    command = [sys.executable, "-m", "sinks", "triggers", "lint", *arguments]
    return subprocess.run(  # noqa: S603
        command if stdin is not None else ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        stdin=stdin,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("given", ["a pipe", "a file"])
def test_lint_without_a_path_refuses_what_is_piped_in(given: str, tmp_path: Path) -> None:
    """Whoever forgets - would take the verdict on what is shipped for that on his own."""
    if given == "a pipe":
        end, other = os.pipe()
        os.close(other)
    else:
        end = os.open(written(tmp_path / "a.yaml", spoilt()), os.O_RDONLY)
    with open(end, "rb") as stdin:
        done = started(stdin=stdin)

    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is not read without -: name - for it, or " in done.stderr


@pytest.mark.parametrize(
    "stdin",
    [pytest.param(subprocess.DEVNULL, id="nothing"), pytest.param(None, id="closed")],
)
def test_lint_without_a_path_and_without_input_reads_what_is_shipped(stdin: int | None) -> None:
    """As a timer or a CI job starts it."""
    done = started(stdin=stdin)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" Triggers of triggers, triggers/optional, 0 findings\n")


def test_lint_without_a_path_where_nothing_is_shipped_says_what_to_name(tmp_path: Path) -> None:
    """Away from the clone there are no directories of ours."""
    done = started(stdin=subprocess.DEVNULL, cwd=tmp_path)

    assert done.returncode == 2
    assert "no directory triggers here: name a file, a directory or -" in done.stderr


def test_lint_of_a_closed_standard_input_says_so_in_one_line() -> None:
    """No traceback."""
    done = started("-", stdin=None)

    assert done.returncode == 2
    assert done.stderr == "Error: -: it is closed: pipe something into it\n"


BOMB: Final = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(97 + n)}: &{chr(97 + n)} [{', '.join([f'*{chr(96 + n)}'] * 9)}]\n" for n in range(1, 9)
)
UNREADABLE: Final = {
    "nothing": (b"", "no Trigger in {}"),
    "no trigger": (b"apiVersion: v1\nkind: Service\n", "no Trigger in {}"),
    "comments": (b"# nothing\n---\n", "no Trigger in {}"),
    "a text": (b"hello", "{}: resource 1 is no object, which has apiVersion, kind"),
    "a list": (b"- kind: Trigger\n", "{}: resource 1 is no object"),
    "a list of what is none": (b"items: [{}, 5]", "{}: resource 2 is no object"),
    "no UTF-8": (b"\x7fELF\x02\x01\x01\xff\xfe", "{}: byte 8 is not UTF-8: it is no YAML"),
    "control characters": (b"a: \x00\x01", "control characters are not allowed at position 3"),
    "no YAML": (b"kind: [", "{}: while parsing a flow node did not find expected node content at "),
    "tabs": (b"a:\n\t- b", "{}: while scanning for the next token"),
    "a tag of Python": (b"!!python/object:os.system {}", "could not determine a constructor"),
    "no such day": (b"a: 2026-13-45", "{}: month must be in 1..12"),
    "too large": (
        b"#" * (MAX_BYTES + 1),
        "{}: it is over 4194304 bytes: read one namespace at a time",
    ),
    "aliases of aliases": (
        BOMB.encode(),
        "{}: it has more than 200000 values, with all its aliases",
    ),
    "itself": (b"a: &a [*a]", "{}: it has more than 200000 values, with all its aliases"),
    "a key twice": (
        b"spec:\n  broker: default\n  broker: other\n",
        "{}: line 3: broker is there twice; is a --- missing?",
    ),
    "deep": (b"[" * 500 + b"]" * 500, "{}: it is nested more than 40 deep"),
    "deeper than C's stack": (b"[" * 100_000, "{}: it is nested more than 40 deep"),
}


@pytest.mark.parametrize(("content", "told"), UNREADABLE.values(), ids=UNREADABLE)
def test_lint_of_what_is_no_trigger_says_so_in_one_line(
    content: bytes, told: str, tmp_path: Path
) -> None:
    """Whatever somebody hands in: exit code 2, no traceback, soon."""
    path = tmp_path / "a.yaml"
    path.write_bytes(content)

    for done, name in ((run(str(path)), str(path)), (run("-", content=content), "-")):
        assert done.exit_code == 2
        assert told.format(name) in done.output
        assert done.output.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("missing.yaml", "missing.yaml: No such file or directory", id="missing"),
        pytest.param("empty", "no Trigger in ", id="empty directory"),
        pytest.param("a.yaml/b", "a.yaml/b: Not a directory", id="below a file"),
    ],
)
def test_lint_of_what_is_not_there_says_so_in_one_line(
    name: str, told: str, tmp_path: Path
) -> None:
    """A path that is wrong is not one without findings."""
    (tmp_path / "empty").mkdir()
    written(tmp_path / "a.yaml", DRAFTTOPIC)

    done = run(str(tmp_path / name))

    assert done.exit_code == 2
    assert told in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])
def test_lint_of_a_path_that_is_wrong_shows_the_findings_of_the_others(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """All that cannot be read is named too, and is what the exit code tells."""
    path = written(tmp_path / "b.yaml", spoilt())
    (tmp_path / "c.yaml").write_text("kind: [", encoding="utf-8")

    done = run(*options, str(tmp_path / "a.yaml"), str(tmp_path))

    assert done.exit_code == 2
    assert "timeout is missing" in done.stdout
    assert path in done.stdout
    if options:
        unreadable = [each.partition(": ")[0] for each in json.loads(done.stdout)["unreadable"]]
        assert unreadable == [f"{tmp_path}/a.yaml", f"{tmp_path}/c.yaml"]
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        "Error",
        f"{tmp_path}/c.yaml",
    ]
    assert f"{tmp_path}/a.yaml: No such file or directory" in done.stderr


def test_lint_of_standard_input_twice_is_refused() -> None:
    """The second would find nothing."""
    done = run("-", "-")

    assert done.exit_code == 2
    assert "standard input can be read only once" in done.output


def test_lint_of_many_triggers_ends_soon() -> None:
    """As many as fit the limit, all of them feeding one another."""
    one = {**DRAFTTOPIC, "spec": {**DRAFTTOPIC["spec"], "filters": []}}
    many = [{**one, "metadata": {"name": f"t{number}"}} for number in range(1000)]

    done = run("-", content=json.dumps({"items": many}))

    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("1000 Triggers of standard input, ")


def test_lint_help_shows_an_example_and_the_exit_codes() -> None:
    """Enough to use it without the documentation."""
    output = run("--help").output

    assert "kubectl -n event-sinks get triggers -o yaml | sinks triggers lint -" in output
    assert "Exit code: 0 nothing but warnings, 1 findings, 2 something cannot be read" in output
