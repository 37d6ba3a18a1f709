"""What is wrong with an image or a container of it: functions that return texts, or none.

The tests of the image and the tests of these checks, on images that are wrong on purpose, call the
same functions.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Any, Final

OWNER: Final = 10001
_COMMAND: Final = ["gunicorn", "-c", "gunicorn.conf.py", "sinks.score_sink:create_app()"]
_SHELLS: Final = {"sh", "bash", "dash", "ash", "zsh"}
_OURS: Final = {"PYTHONPYCACHEPREFIX": "/opt/bytecode", "PYTHONUNBUFFERED": "1"}
_PLACES: Final = ("app", "opt/venv", "opt/bytecode")
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", re.DOTALL)
# What `python -m venv` makes; all else in the environment belongs to a package.
_VENV: Final = re.compile(r"pyvenv\.cfg|bin/(python[\d.]*|[Aa]ctivate.*)")

_COMPILER: Final = re.compile(r"(.+-)?(cc1?|gcc|clang)(-[\d.]+)?")


def config_problems(image: dict[str, Any], base: dict[str, Any]) -> list[str]:
    """Judge the configuration and the history of an image made on this base."""
    config = image["Config"]
    problems = []
    if config.get("User") != f"{OWNER}:{OWNER}":
        problems.append(f"user is {config.get('User')!r}")
    command = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
    if _is_shell(command):
        problems.append(f"process 1 is a shell: {command}")
    elif command != _COMMAND:
        problems.append(f"command is {command}")
    if list(config.get("ExposedPorts") or {}) != ["8080/tcp"]:
        problems.append(f"exposed ports are {config.get('ExposedPorts')}")
    if config.get("WorkingDir") != "/app":
        problems.append(f"working directory is {config.get('WorkingDir')!r}")
    check = (image.get("Healthcheck") or {}).get("Test") or []
    if check[:2] != ["CMD", "python"]:
        problems.append(f"health check is {check[:2]}")
    env, theirs = (dict(e.split("=", 1) for e in each["Config"]["Env"]) for each in (image, base))
    expected = {**theirs, **_OURS, "PATH": f"/opt/venv/bin:{theirs['PATH']}"}
    names = sorted(name for name in {*env, *expected} if env.get(name) != expected.get(name))
    problems += [f"variable {name} is {env.get(name)!r}" for name in names]
    steps = [step["created_by"] for step in image["History"][len(base["History"]) :]]
    return problems + [f"a RUN in the final stage: {s}" for s in steps if "#(nop)" not in s]


def _is_shell(command: list[str]) -> bool:
    return bool(command) and Path(command[0]).name in _SHELLS


def change_problems(changes: str, allowed: Iterable[str] = ()) -> list[str]:
    """Judge a `podman diff`, image against base or container against image.

    changes:  lines `A PATH`, `C PATH` or `D PATH`.
    allowed:  lines that are as they should be, beside what is ours.
    """
    ours = tuple(f"/{place}/" for place in _PLACES)
    return [
        f"changed outside of the app: {line}"
        for line in changes.splitlines()
        if line not in allowed and not f"{line[2:]}/".startswith(ours)
    ]


def tree_problems(tree: Path, clone: Path, private: Set[bytes]) -> list[str]:
    """Judge all files of an image.

    clone:    what it was built from.
    private:  certificates that must not be in it, as `certificates` makes them.
    """
    return [
        *_app_problems(tree / "app", clone),
        *_package_problems(tree / "opt/venv", clone),
        *_bytecode_problems(tree),
        *_access_problems(tree),
        *_certificate_problems(tree, private),
        *_compiler_problems(tree),
    ]


def certificates(pem: bytes) -> set[bytes]:
    """Return the certificates of a PEM text, each as its base64 without white space."""
    return {re.sub(rb"\s", b"", body) for body in _CERTIFICATE.findall(pem)}


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


def _app_problems(app: Path, clone: Path) -> list[str]:
    """The app is what the clone has, byte for byte: no tests, nothing for development, no more."""
    sources = [clone / "gunicorn.conf.py", *_files(clone / "triggers"), *_files(clone / "sinks")]
    names = {path.relative_to(clone) for path in sources}
    expected = {
        name
        for name in names
        if "__pycache__" not in name.parts and name.parts[:2] != ("sinks", "local")
    }
    found = {path.relative_to(app) for path in _files(app)}
    problems = [f"app: {name} is not of this clone" for name in sorted(found - expected)]
    problems += [f"app: {name} is missing" for name in sorted(expected - found)]
    return problems + [
        f"app: {name} differs from the clone"
        for name in sorted(found & expected)
        if (app / name).read_bytes() != (clone / name).read_bytes()
    ]


def _package_problems(venv: Path, clone: Path) -> list[str]:
    """The environment has the pinned packages, each file as its wheel had it, and nothing else."""
    (site,) = venv.glob("lib/python3.*/site-packages")
    pinned = (clone / "requirements.txt").read_text(encoding="utf-8")
    expected = set(re.findall(r"^([a-z0-9._-]+)==(\S+)", pinned, re.MULTILINE))
    found, recorded, problems = set(), set(), []
    for record in site.glob("*.dist-info/RECORD"):
        name, version = record.parent.name.removesuffix(".dist-info").rsplit("-", 1)
        found.add((re.sub(r"[-_.]+", "-", name).lower(), version))
        for entry, digest, _size in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            path = (site / entry).resolve()
            recorded.add(path)
            if digest and digest != _digest(path):
                problems.append(f"environment: {entry} is not what its package had")
    strange = [path for path in _files(venv) if path.resolve() not in recorded]
    names = [str(path.relative_to(venv)) for path in sorted(strange)]
    problems += [f"environment: {name} is of no package" for name in names if not _VENV.match(name)]
    return problems + [
        f"environment: {name} {version} is in only one of image and requirements.txt"
        for name, version in sorted(found ^ expected)
    ]


def _digest(path: Path) -> str:
    if not path.is_file():
        return "nothing"
    digest = hashlib.sha256(path.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bytecode_problems(tree: Path) -> list[str]:
    """Whatever a start imports has bytecode that Python takes without asking, or that is fresh."""
    unused = (path.relative_to(tree) for path in tree.glob("app/**/*.pyc"))
    problems = [f"bytecode: {path} is never read" for path in unused]
    prefix = tree / "opt/bytecode"
    compiled = set()
    for path in _files(prefix):
        name = path.relative_to(prefix)
        module = name.parent / re.sub(r"\.cpython-\d+\.pyc$", ".py", name.name)
        compiled.add(module)
        source = _followed(tree, tree / module)
        if not source.is_file():
            problems.append(f"bytecode: {name} has no source")
            continue
        head = path.read_bytes()[:16]
        stat = source.stat()
        fresh = [int(stat.st_mtime), stat.st_size]
        says = [int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12)]
        if says[0] != 1 and says != [0, *fresh]:  # 1: by hash, unchecked; 0: by time and size
            problems.append(f"bytecode: {name} is stale")
    modules = [path.relative_to(tree) for path in tree.glob("app/sinks/**/*.py")]
    return problems + [f"bytecode: {name} has none" for name in modules if name not in compiled]


def _followed(tree: Path, path: Path) -> Path:
    """Follow a link as it would be followed inside."""
    return tree / str(path.readlink()).lstrip("/") if path.is_symlink() else path


def _access_problems(tree: Path) -> list[str]:
    """Root owns everything, everybody may read it, nobody else may write it."""
    problems = []
    for place in _PLACES:
        for path in [tree / place, *(tree / place).rglob("*")]:
            stat = path.lstat()
            if (stat.st_uid, stat.st_gid) != (0, 0):
                problems.append(f"access: {path.relative_to(tree)} is not root's")
            if not path.is_symlink() and (stat.st_mode & 0o6022 or not stat.st_mode & 0o4):
                problems.append(f"access: {path.relative_to(tree)} has mode {stat.st_mode:o}")
    return problems


def _certificate_problems(tree: Path, private: Set[bytes]) -> list[str]:
    return [
        f"{path.relative_to(tree)} holds a private certificate"
        for path in _files(tree)
        if certificates(path.read_bytes()) & private
    ]


def _compiler_problems(tree: Path) -> list[str]:
    """Compilers stay where the packages are built."""
    programs = (path for path in _files(tree) if path.stat().st_mode & 0o111)
    return [
        f"compiler: {path.relative_to(tree)}" for path in programs if _COMPILER.fullmatch(path.name)
    ]


# Run in a container: whether the server parses in C, by its own check and our settings.
PARSES_IN_C: Final = """
import sys
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.http.message import _check_fast_parser
sys.argv[1:] = ["-c", "gunicorn.conf.py", "sinks.score_sink:create_app()"]
print(_check_fast_parser(WSGIApplication().cfg))
"""

# Run in a container: what its processes may do and what they can write, as JSON.
LOOK_INSIDE: Final = """
import json, os, pathlib
names = "Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp".split()
processes = {}
for path in pathlib.Path("/proc").glob("[0-9]*"):
    lines = (path / "status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    processes[path.name] = {name: fields[name].split() for name in names}
writes = {}
for place in "/ /app /app/sinks /etc /home /opt /opt/bytecode /opt/venv /run /tmp /var/tmp".split():
    file = pathlib.Path(place, ".written")
    try:
        file.write_bytes(b"")
        file.unlink()
        writes[place] = "written"
    except OSError as error:
        writes[place] = error.strerror
command = pathlib.Path("/proc/1/cmdline").read_text().split(chr(0))[:-1]
print(json.dumps({"command": command, "processes": processes, "writes": writes}))
"""


def inside_problems(looked: str) -> list[str]:
    """Judge what LOOK_INSIDE has printed: users, capabilities, file system, process 1."""
    seen = json.loads(looked)
    command = seen["command"]
    problems = [f"process 1 is a shell: {command}"] if _is_shell(command) else []
    for number, process in sorted(seen["processes"].items()):
        ids = {*process["Uid"], *process["Gid"], *process["Groups"]}
        if ids != {str(OWNER)}:
            problems.append(f"process {number} has the ids {sorted(ids)}")
        able = [name for name in process if name.startswith("Cap") and int(process[name][0], 16)]
        problems += [f"process {number} has {name} {process[name][0]}" for name in able]
        if process["NoNewPrivs"] != ["1"]:
            problems.append(f"process {number} can gain privileges")
        if process["Seccomp"] != ["2"]:
            problems.append(f"process {number} may call everything in the kernel")
    return problems + [
        f"{place}: {result}"
        for place, result in seen["writes"].items()
        if result != "Read-only file system"
    ]


def log_problems(log: str) -> list[str]:
    """Judge the log of a container to which nothing bad has happened: JSON lines, no warning."""
    problems = []
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            problems.append(f"not JSON: {line}")
            continue
        if entry["level"] not in ("DEBUG", "INFO") or "exception" in entry:
            problems.append(f"{entry['level']}: {entry['message']}")
    return problems


def ending_problems(code: int, seconds: float, status: int, grace_seconds: float) -> list[str]:
    """Judge an end by SIGTERM while one request was waiting for its answer.

    code:    the container's exit code. seconds: from the signal to its end.
    status:  of the answer to the request, 0 if there was none.
    """
    problems = [] if status == 200 else [f"the request got {status or 'no answer'}"]
    if code:
        problems.append(f"exit code {code}")
    if seconds >= grace_seconds:
        problems.append(f"still there after the grace of {grace_seconds} s")
    return problems
