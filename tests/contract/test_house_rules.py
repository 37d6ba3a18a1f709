"""Rules of this code base that a program can see: who imports whom, and how long things are."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from sinks.local.processes import ROOT

MODULES = sorted((ROOT / "sinks").rglob("*.py"))
# Everything but the local counterparts is in the image; the contract kit is, but serves no event.
SHIPPED = [path for path in MODULES if "local" not in path.parts]
KIT = set(
    "catalogue compare contract deadletters explain feed send trigger_lint"
    " cli.py __main__.py".split()
)
SERVING = [path for path in SHIPPED if not KIT & set(path.parts)]
# Which modules may import a library, or one of our own packages; nobody else may.
ALLOWED = {
    "flask": set(
        "app changeprop deadletter_api deadletter_sink egress_sink event_app http_shim letters_api"
        " score_sink web".split()
    ),
    "werkzeug": {"responses", "web"},
    "jinja2": {"page"},
    "gevent": {"connection", "wsgi_request"},
    "httptools": {"http_answer"},
    "requests": {"stream_source"},
    "cloudevents": {"sdk"},
    "click": set(
        "account cli command options parts replay_command report terminal wikis_command".split()
    ),
    "h11": {"wire"},
    "pytest": {"plugin", "test_sink"},
    "yaml": {"event_policy", "event_types", "reading", "row_triggers", "triggers"},
    "prometheus_client": {"histogram", "instruments", "telemetry"},
    "jwt": {"oidc"},
    "sqlalchemy": {"letter_bound", "letter_database", "letter_table", "letters"},
    "psycopg": set[str](),
    "jsonschema_rs": {"schema"},
    "socket": set("connection http_transport name_resolution target wire".split()),
    "kserve": set[str](),
    "pandas": set[str](),
    "numpy": set[str](),
    "opentelemetry": {"open_telemetry", "otlp"},
}
# Plain values in, plain values out: these may not reach anything that talks or listens.
PURE = (
    "allow_list article_country attributes avoidance cloudevent console.arrival "
    "console.board console.document console.line console.selection console.silence decision "
    "delivery envelope errors event_samples explaining.entry explaining.explanation "
    "explaining.subscribers explaining.words feed.backoff feed.item feed.server_sent_events "
    "feed.window filters http_message inputs jsondata letter letter_document "
    "letter_selection model_row models outlink output page_change prediction "
    "prediction_classification publishing reasons relayed_events revertrisk revise_tone "
    "revision_create revision_score revscoring routing schema send.outgoing timestamp "
    "tracing trigger_lint.lint weighted_tags wiki_table wikis"
).split()
REQUIREMENTS = (
    *("requirements", "requirements-build", "requirements-dev"),
    "tests/bench/requirements",
)
TALKING = {"flask", "requests", "socket", "http", "urllib.request", "sinks.http_client"}


def imports(path: Path) -> set[str]:
    """Return the dotted names of all modules that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("library", ALLOWED)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    """A library that is used everywhere cannot be exchanged anywhere."""
    users = {
        path.stem
        for path in SHIPPED
        if any(name.split(".")[0] == library for name in imports(path))
    }

    assert users <= ALLOWED[library]


@pytest.mark.parametrize("module", PURE)
def test_pure_module_imports_nothing_that_talks(module: str) -> None:
    """The core can be read, and tested, without a network."""
    seen: set[str] = set()
    todo = [f"sinks.{module}"]
    while todo:
        name = todo.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        found = imports(path)
        assert not found & TALKING, f"{name} imports {found & TALKING}"
        todo += [other for other in found if other.startswith("sinks.")]


@pytest.mark.parametrize(
    ("package", "modules"), [("sinks.local", SHIPPED), ("sinks.contract", SERVING)]
)
def test_package_is_not_imported_by_what_can_do_without(package: str, modules: list[Path]) -> None:
    """The image has no local counterparts, and an app does not load the contract kit."""
    users = [
        path.name for path in modules if any(name.startswith(package) for name in imports(path))
    ]

    assert users == []


def test_environment_is_read_only_by_settings() -> None:
    """One place names the variables, so one place can list and check them."""
    users = [
        path.name
        for path in SERVING
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    ]

    assert all(name.endswith("_settings.py") for name in users)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_and_functions_stay_short(path: Path) -> None:
    """A module fits a sitting, a function fits a screen."""
    text = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 45]

    assert len(text.splitlines()) <= 220
    assert long == []


def test_tracked_files_name_no_place_of_a_developer() -> None:
    """No path of somebody's machine and no registry host stands in what is published."""
    git = ["git", "grep", "-nIE", r"(/root/|/home/[a-z]+/|pypi\.org|files\.pythonhosted)"]

    done = subprocess.run(  # noqa: S603
        [*git, "--", ".", ":!tests/contract/test_house_rules.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")  # 1: git has looked and found nothing


def test_requirements_are_pinned_with_hashes() -> None:
    """Every package has a version and hashes, and no file names an index."""
    for name in REQUIREMENTS:
        text = (ROOT / f"{name}.txt").read_text(encoding="utf-8")
        packages = re.findall(r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)

        assert len(packages) == text.count("==")
        assert not re.search(r"^--|https?://", text, re.MULTILINE)


def test_requirements_in_gives_a_reason_for_each_package() -> None:
    """A dependency without a reason is one to remove."""
    for name in REQUIREMENTS:
        lines = (ROOT / f"{name}.in").read_text(encoding="utf-8").splitlines()
        bare = [line for line in lines if re.match(r"[a-zA-Z]", line) and "  # " not in line]

        assert [line for line in bare if not re.search(r" # \S", line)] == []
