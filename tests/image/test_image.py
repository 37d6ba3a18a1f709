"""The image that this clone's Dockerfile makes, from outside: configuration, files, hardened runs.

Each check is also run on an image that is wrong on purpose, and has to say what is wrong with it.
"""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import pytest

from tests.factories import SCORE_TYPE, binary, drafttopic_answer, page_change
from tests.image.base import NAME as BASE
from tests.image.build import (
    LAYERED,
    Built,
    build,
    build_clone,
    first_build_seconds,
    image_name,
    inspected,
    sizes,
)
from tests.image.engine import (
    CA_BUNDLE,
    HARDENED,
    ROOT,
    Container,
    Engine,
    Failed,
    opened,
    pip_settings,
    running,
)
from tests.image.namespaces import network
from tests.image.scan import (
    LOOK_INSIDE,
    PARSES_IN_C,
    certificates,
    change_problems,
    config_problems,
    ending_problems,
    inside_problems,
    log_problems,
    tree_problems,
)
from tests.upstream import Received, Reply, Upstream, answer, call

NOWHERE = "http://127.0.0.1:9"
# Every app, with the settings without which it does not start.
APPS = {
    "console": {"DEADLETTER_API_URL": NOWHERE},
    "deadletter_sink": {
        "ALLOW_ANONYMOUS": "true",
        "SERVICE_URLS": f"*={NOWHERE}",
        "DATABASE_URL": "sqlite:////dev/shm/deadletters.sqlite",  # all else is read-only
    },
    "http_shim": {"ALLOW_ANONYMOUS": "true", "SERVICE_URLS": f"*={NOWHERE}"},
    "score_sink": {"PREDICTOR_URL": NOWHERE},
    "egress_sink": {"EVENTGATE_URLS": f"{NOWHERE}/v1/events"},
}
PORT = 8080
START_SECONDS = 20
GRACE_SECONDS = 30  # Kubernetes' own
PREDICTION_SECONDS = 1.5

Derive = Callable[..., str]
Measure = Callable[[str, str], None]


@pytest.fixture(scope="session")
def measure(pytestconfig: pytest.Config) -> Iterator[Measure]:
    """Takes what was measured; all of it is printed at the end."""
    lines: list[str] = []

    yield lambda what, value: lines.append(f"  {what:<52}{value}")

    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """buildah and podman; without them there is nothing to test, which is no success."""
    with ExitStack() as stack:
        try:
            ready = stack.enter_context(opened())
        except Failed as error:
            pytest.exit(f"make image: {error}", 1)
        yield ready


@pytest.fixture(scope="session")
def image(engine: Engine, measure: Measure) -> Built:
    """This clone's image."""
    before = engine.podman("images", "-q", "--no-trunc", image_name()).stdout
    built = build_clone(engine)
    changes = "nothing changed" if built.id in before else "with changes"
    measure("size", sizes(engine, built.name))
    measure("build, the first in this clone", f"{first_build_seconds():.1f} s")
    measure(f"build, {changes}", f"{built.seconds:.1f} s")
    return built


@pytest.fixture(scope="session")
def private(engine: Engine) -> set[bytes]:
    """The certificates with which only this machine reaches its package index, if it has any."""
    cert = pip_settings().get("cert")
    with mounted(engine, BASE) as tree:
        published = [tree / CA_BUNDLE[1:], *tree.glob("usr/**/certifi/cacert.pem")]
        public = certificates(b"".join(path.read_bytes() for path in published))
    public |= certificates(Path(certifi.where()).read_bytes())
    return certificates(Path(cert).read_bytes()) - public if cert else set()


@contextmanager
def mounted(engine: Engine, name: str) -> Iterator[Path]:
    """All files of an image, as a directory."""
    try:
        yield Path(engine.podman("image", "mount", name).stdout.strip())
    finally:
        engine.podman("image", "unmount", name)


def files_problems(engine: Engine, name: str, private: set[bytes]) -> list[str]:
    """What is wrong with the files of an image: what differs from its base, and all of its tree."""
    changes = engine.podman("diff", name, BASE).stdout
    with mounted(engine, name) as tree:
        return [
            *change_problems(changes, allowed=["C /opt"]),
            *tree_problems(tree, ROOT, private),
        ]


def ready_after(container: Container) -> float:
    """Wait until the app in this thread's network is ready; return the seconds since its start."""
    for _ in range(START_SECONDS * 100):
        try:
            if call(PORT, "/readyz", method="GET", timeout=1).status == 200:
                return time.monotonic() - container.begun
        except OSError:
            pass
        time.sleep(0.01)
    raise AssertionError(f"not ready after {START_SECONDS} s:\n{container.log}")


# --- the image -------------------------------------------------------------------------------


def test_apps_listed_here_are_all_apps() -> None:
    """An app that nobody runs from the image could not start there."""
    modules = [*(ROOT / "sinks").glob("*.py"), *(ROOT / "sinks").glob("*/app.py")]

    made = [path for path in modules if re.search(r"^def create_app", path.read_text(), re.M)]
    apps = {path.parent.name if path.stem == "app" else path.stem for path in made}

    assert apps == set(APPS)


def test_image_configuration_is_what_kubernetes_needs(engine: Engine, image: Built) -> None:
    """A numeric user, the server itself as process 1, one port, no variable of the builder's."""
    assert config_problems(inspected(engine, image.name), inspected(engine, BASE)) == []


def test_image_files_are_base_packages_and_app(
    engine: Engine, image: Built, private: set[bytes]
) -> None:
    """Nothing of the builder, no compiler, no tests, no pip, no private certificate; all bytecode
    is used."""
    assert files_problems(engine, image.name, private) == []


def python(engine: Engine, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a hardened container of its own; it may fail."""
    options = ["--rm", "--pull=never", "--no-healthcheck", "--network", "none", *HARDENED]
    return engine.podman("run", *options, name, "python", *arguments, check=False)


def test_command_line_in_image_starts(engine: Engine, image: Built) -> None:
    """What operators do with a shell in a cluster works from the same image."""
    done = python(engine, image.name, "-m", "sinks", "--help")

    assert done.stdout.startswith("Usage: sinks ")


def test_granian_in_image_starts(engine: Engine, image: Built) -> None:
    """The other server is in the image too, at the version that was pinned."""
    done = python(engine, image.name, "/opt/venv/bin/granian", "--version")

    (pinned,) = re.findall(r"^granian==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert (done.stdout, done.stderr) == (f"granian {pinned}\n", "")


def test_server_in_image_parses_in_c(engine: Engine, image: Built) -> None:
    """What the image is built with a compiler for is used."""
    done = python(engine, image.name, "-c", PARSES_IN_C)

    assert (done.stdout, done.stderr) == ("True\n", "")


# --- each app, as an orchestrator runs it ----------------------------------------------------


@contextmanager
def running_app(
    engine: Engine, image: Built, name: str, **more: str
) -> Iterator[tuple[Container, float]]:
    """One app, hardened and without a network, and how many seconds it took to get ready."""
    command = ["gunicorn", "-c", "gunicorn.conf.py", f"sinks.{name}:create_app()"]
    env = {**APPS[name], **more}
    with running(engine, image.name, env, ["--network", "none", *HARDENED], command) as container:
        with network(container.pid):
            seconds = ready_after(container)
        yield container, seconds


@pytest.fixture(scope="module", params=APPS)
def app(
    request: pytest.FixtureRequest, engine: Engine, image: Built, measure: Measure
) -> Iterator[Container]:
    """Each app in turn, ready."""
    name: str = request.param
    with running_app(engine, image, name) as (container, seconds):
        measure(f"start of {name}, until it is ready", f"{seconds:.2f} s")
        yield container


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_app_hardened_answers_probe(app: Container, path: str) -> None:
    """Nothing that the orchestrator takes away is needed."""
    with network(app.pid):
        assert call(PORT, path, method="GET").status == 200


def test_app_hardened_passes_its_health_check(app: Container, image: Built) -> None:
    """The image's own check tells an app that answers from one that does not."""
    described = inspected(app.engine, image.name)
    program, *command = described["Healthcheck"]["Test"]

    well = app.exec(*command)
    ill = app.exec(*command, env="PORT=9")

    assert program == "CMD"
    assert (well.returncode, well.stderr) == (0, "")
    assert ill.returncode == 1
    assert "ConnectionRefusedError" in ill.stderr


def test_app_hardened_can_do_and_write_nothing(app: Container) -> None:
    """The server and its worker are user 10001, without capabilities, on a read-only system."""
    looked = app.exec("python", "-c", LOOK_INSIDE)

    assert looked.stderr == ""
    assert inside_problems(looked.stdout) == []


def test_app_hardened_leaves_no_trace(app: Container, measure: Measure) -> None:
    """It writes no file and no word of warning, and an idle one is gone at once when told to."""
    changes = app.engine.podman("diff", app.name).stdout
    code, seconds = app.stop(GRACE_SECONDS)

    assert change_problems(changes, allowed=["C /etc"]) == []  # podman's own: hosts, resolv.conf
    assert log_problems(app.log) == []
    assert (code, seconds < 5) == (0, True)
    measure("end of the idle app", f"{seconds:.2f} s")


@pytest.mark.parametrize("name", APPS)
def test_app_start_compiles_nothing_but_settings(engine: Engine, image: Built, name: str) -> None:
    """All that a start imports has bytecode, or it would last some 0.4 s longer.

    The server's settings have none, so that a file mounted in their place counts.
    """
    with running_app(engine, image, name, PYTHONVERBOSE="1") as (container, _seconds):
        loaded = re.findall(r"code object from '?([^'\n]+\.pyc?)\b", container.log)

    assert len(loaded) > 300
    assert [path for path in loaded if path.endswith(".py")] == ["/app/gunicorn.conf.py"]


# --- SIGTERM ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ending:
    """How a container ended while its predictor thought about one event; no reply: None."""

    reply: Reply | None
    code: int
    seconds: float
    log: str

    def problems(self, grace_seconds: float) -> list[str]:
        status = self.reply.status if self.reply else 0
        return ending_problems(self.code, self.seconds, status, grace_seconds)


def ended_in_flight(engine: Engine, name: str, grace_seconds: int) -> Ending:
    """Deliver an event to an image's own command and stop it once the predictor has the request."""
    asked = threading.Event()

    def slow(received: Received, sock: Any) -> bool | None:
        asked.set()
        predictor.wait(PREDICTION_SECONDS)
        return answer(200, drafttopic_answer())(received, sock)

    options = ["--network", "host", *HARDENED]  # the host's network is the one of this thread
    with network(), Upstream(slow) as predictor, ThreadPoolExecutor(1) as pool:
        with running(engine, name, {"PREDICTOR_URL": predictor.url}, options) as container:
            ready_after(container)
            reply = pool.submit(call, PORT, "/models/drafttopic", *binary(page_change()))
            assert asked.wait(5)
            code, seconds = container.stop(grace_seconds)
            answered = None if reply.exception() else reply.result()
            return Ending(answered, code, seconds, container.log)


def test_sigterm_with_event_in_flight_ends_after_its_answer(
    engine: Engine, image: Built, measure: Measure
) -> None:
    """A rollout loses nothing: what was begun is answered, and then the process is gone."""
    ending = ended_in_flight(engine, image.name, GRACE_SECONDS)

    assert ending.problems(GRACE_SECONDS) == []
    assert ending.reply is not None
    assert ending.reply.headers["ce-type"] == SCORE_TYPE
    assert ending.reply.json()["scores"]["drafttopic"]["prediction"] == ["STEM.STEM*"]
    assert log_problems(ending.log) == []
    assert ending.seconds > PREDICTION_SECONDS / 2  # it was in flight indeed
    measure(f"end with a prediction of {PREDICTION_SECONDS} s in flight", f"{ending.seconds:.2f} s")


# --- the checks, on what is wrong on purpose -------------------------------------------------


@pytest.fixture
def derive(engine: Engine, image: Built, tmp_path: Path) -> Iterator[Derive]:
    """Makes an image of more Dockerfile lines on top of ours, from files beside them."""
    made: list[str] = []

    def make(lines: str, files: dict[str, str] | None = None, *options: str) -> str:
        (tmp_path / "Dockerfile").write_text(f"FROM {image.name}\n{lines}\n", encoding="utf-8")
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        made.append(build(engine, f"localhost/control-{len(made)}", tmp_path, *options).name)
        return made[-1]

    yield make

    if made:
        engine.podman("rmi", "--force", *made)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_build_with_wrong_hashes_fails_for_them(
    engine: Engine, image: Built, tmp_path: Path, name: str
) -> None:
    """A package that is not the one that was pinned does not get into an image, nor builds it."""
    for each in ("Dockerfile", "requirements.txt", "requirements-build.txt"):
        (tmp_path / each).write_bytes((ROOT / each).read_bytes())
    pinned = (ROOT / name).read_text(encoding="utf-8")
    first = re.split(r"\n(?=\S)", pinned)[0]
    spoilt = re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", first)
    (tmp_path / name).write_text(pinned.replace(first, spoilt), encoding="utf-8")

    with pytest.raises(Failed) as failed:
        build(engine, "localhost/control-hashes", tmp_path, *LAYERED)

    assert "PACKAGES DO NOT MATCH THE HASHES" in failed.value.output
    assert first.split(" ")[0] in failed.value.output.partition("HASHES")[2]


def test_server_without_parser_in_c_says_so(engine: Engine, derive: Derive) -> None:
    """Without the package the server does not start, rather than fail at every request."""
    package = "/opt/venv/lib/python3.11/site-packages/gunicorn_h1c"
    name = derive(f"USER 0\nRUN rm -r {package}\nUSER 10001:10001")
    server = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "sinks.score_sink:create_app()"]

    done = python(engine, name, *server)

    assert done.returncode == 1
    assert "No module named 'gunicorn_h1c'" in done.stderr


def test_scan_of_image_with_private_certificate_names_the_files(
    engine: Engine, private: set[bytes], derive: Derive
) -> None:
    """A certificate that only the builder needed is found, in a well-known file too."""
    pem = ssl.DER_cert_to_PEM_cert(b"the certificate authority of a machine that builds images")
    bundle = CA_BUNDLE[1:]
    alone = "usr/local/share/ca-certificates/ours.crt"
    files = {"alone": pem, "bundle": Path(certifi.where()).read_text(encoding="utf-8") + pem}
    name = derive(f"COPY alone /{alone}\nCOPY bundle /{bundle}", files)

    problems = files_problems(engine, name, private | certificates(pem.encode()))

    assert f"changed outside of the app: A /{alone}" in problems
    assert f"{alone} holds a private certificate" in problems
    assert f"changed outside of the app: C /{bundle}" in problems
    assert f"{bundle} holds a private certificate" in problems


def test_scan_of_image_with_late_run_names_the_mount_stub(
    engine: Engine, private: set[bytes], derive: Derive, tmp_path: Path
) -> None:
    """A RUN in the final stage leaves an empty file where something of the builder's was."""
    (tmp_path / "secret").write_text("of the builder's")
    volume = f"{tmp_path}/secret:/etc/builders.conf:ro"
    name = derive("USER 0\nRUN true\nUSER 10001:10001", {}, "--volume", volume)

    files = files_problems(engine, name, private)
    config = config_problems(inspected(engine, name), inspected(engine, BASE))

    assert "changed outside of the app: A /etc/builders.conf" in files
    assert config == ["a RUN in the final stage: /bin/sh -c true"]


def test_checks_of_image_with_shell_as_process_1_name_the_shell(
    engine: Engine, derive: Derive
) -> None:
    """A shell keeps the signal to itself, so the server dies without warning when grace is over."""
    name = derive("CMD gunicorn -c gunicorn.conf.py 'sinks.score_sink:create_app()' && echo ended")

    (config,) = config_problems(inspected(engine, name), inspected(engine, BASE))
    ending = ended_in_flight(engine, name, 3)

    assert config.startswith("process 1 is a shell: ['/bin/sh', '-c', ")
    assert ending.problems(3) == ["exit code 137", "still there after the grace of 3 s"]


def test_end_without_grace_is_seen_as_a_lost_event(engine: Engine, image: Built) -> None:
    """The event is in flight when the signal comes: a server that is killed does not answer it."""
    ending = ended_in_flight(engine, image.name, 0)

    assert ending.problems(GRACE_SECONDS) == ["the request got no answer", "exit code 137"]


def test_log_with_control_socket_on_tells_of_its_server(engine: Engine, derive: Derive) -> None:
    """gunicorn's control socket cannot be made on a read-only system, and says so."""
    config = (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8")
    on = config.replace("control_socket_disable = True", "control_socket_disable = False")
    name = derive("COPY gunicorn.conf.py ./", {"gunicorn.conf.py": on})
    options = ["--network", "none", *HARDENED]

    with running(engine, name, APPS["score_sink"], options) as container:
        with network(container.pid):
            ready_after(container)
        container.stop(5)
        problems = log_problems(container.log)

    assert on != config
    assert any("Control server" in problem for problem in problems), problems


def test_look_inside_unhardened_container_names_what_it_may_do(
    engine: Engine, derive: Derive
) -> None:
    """Root, capabilities, new privileges, a writable system and a shell are each seen."""
    name = derive("CMD sleep 60 && true")

    options = ["--network", "none", "--user", "0:0", "--security-opt", "seccomp=unconfined"]
    with running(engine, name, {}, options) as container:
        problems = inside_problems(container.exec("python", "-c", LOOK_INSIDE).stdout)

    expected = [
        "process 1 is a shell: ['/bin/sh', '-c', 'sleep 60 && true']",
        "process 1 has the ids ['0']",
        "process 1 can gain privileges",
        "process 1 may call everything in the kernel",
        "/app: written",
        "/opt/venv: written",
    ]
    assert [each for each in expected if each not in problems] == []
    assert [each for each in problems if each.startswith("process 1 has CapEff ")]


def test_scan_of_spoilt_image_names_each_file(
    engine: Engine, private: set[bytes], derive: Derive
) -> None:
    """What has no business in the image, or is not as it was, is named; what is right is not."""
    site = "lib/python3.11/site-packages"
    lines = f"""
        COPY file /home/file
        COPY file /app/tests/test_image.py
        COPY file /app/sinks/local/predictor.py
        COPY file /app/sinks/answer.py
        COPY file /app/sinks/__pycache__/answer.cpython-311.pyc
        COPY file /opt/bytecode/app/sinks/web.cpython-311.pyc
        COPY file /opt/bytecode/app/sinks/lost.cpython-311.pyc
        COPY file /opt/venv/{site}/pip/__main__.py
        COPY file /opt/venv/{site}/flask/app.py
        COPY RECORD /opt/venv/{site}/more-1.0.dist-info/RECORD
        COPY --chown=10001:10001 file /opt/venv/pyvenv.cfg
        COPY --chmod=666 file /app/triggers/egress.yaml
        COPY --chmod=755 file /usr/bin/x86_64-linux-gnu-gcc-12
    """
    name = derive(lines, {"file": "spoilt", "RECORD": "more-1.0.dist-info/RECORD,,"})

    problems = files_problems(engine, name, private)

    assert sorted(problems) == [
        "access: app/triggers/egress.yaml has mode 100666",
        "access: opt/venv/pyvenv.cfg is not root's",
        "app: sinks/__pycache__/answer.cpython-311.pyc is not of this clone",
        "app: sinks/answer.py differs from the clone",
        "app: sinks/local/predictor.py is not of this clone",
        "app: tests/test_image.py is not of this clone",
        "app: triggers/egress.yaml differs from the clone",
        "bytecode: app/sinks/__pycache__/answer.cpython-311.pyc is never read",
        "bytecode: app/sinks/local/predictor.py has none",
        "bytecode: app/sinks/lost.cpython-311.pyc has no source",
        "bytecode: app/sinks/web.cpython-311.pyc is stale",
        "changed outside of the app: A /home/file",
        "changed outside of the app: A /usr/bin/x86_64-linux-gnu-gcc-12",
        "changed outside of the app: C /home",
        "changed outside of the app: C /usr",
        "changed outside of the app: C /usr/bin",
        "compiler: usr/bin/x86_64-linux-gnu-gcc-12",
        "environment: flask/app.py is not what its package had",
        "environment: lib/python3.11/site-packages/pip/__main__.py is of no package",
        "environment: more 1.0 is in only one of image and requirements.txt",
    ]


def test_config_check_of_spoilt_image_names_each_setting(engine: Engine, derive: Derive) -> None:
    """What the builder has let into the configuration is named."""
    lines = """
        ENV PIP_INDEX_URL=https://somebody:secret@index.example/
        EXPOSE 9090
        WORKDIR /srv
        USER app
        HEALTHCHECK CMD true
        CMD ["python", "-m", "sinks"]
    """
    name = derive(lines)

    problems = config_problems(inspected(engine, name), inspected(engine, BASE))

    assert problems == [
        "user is 'app'",
        "command is ['python', '-m', 'sinks']",
        "exposed ports are {'8080/tcp': {}, '9090/tcp': {}}",
        "working directory is '/srv'",
        "health check is ['CMD-SHELL', 'true']",
        "variable PIP_INDEX_URL is 'https://somebody:secret@index.example/'",
    ]
