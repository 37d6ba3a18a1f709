"""What a Pod's spec, as the API server returns it, means for podman. Pure.

Knows neither the API server nor podman: what a spec refers to is handed in, what comes out is
options. Every field that may stand in a spec is listed in `understood`.
Source: Kubernetes API reference, core/v1 Pod.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_QUANTITY: Final = re.compile(r"(\d+)(|k|M|G|Ki|Mi|Gi)")
_BYTES: Final = {
    **{"": 1, "k": 10**3, "M": 10**6, "G": 10**9},
    **{"Ki": 2**10, "Mi": 2**20, "Gi": 2**30},
}
_VARIABLE: Final = re.compile(r"\$(?:\$|\(([-._a-zA-Z0-9]+)\))")
_IN_METADATA: Final = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class CannotStart(ValueError):
    """A container whose spec refers to what is not there; the text is for the Pod's status."""


@dataclass(frozen=True, slots=True)
class Objects:
    """What the Pods of a namespace may refer to, by name; ConfigMaps and Secrets decoded."""

    config_maps: Mapping[str, Mapping[str, bytes]]
    secrets: Mapping[str, Mapping[str, bytes]]
    claims: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory of this machine that a container sees at `path`."""

    source: Path
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself; `user` as in its Dockerfile."""

    user: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Image:
        """Return what the configuration says that podman shows of an image."""
        return cls(
            config.get("User") or "", config.get("Entrypoint") or (), config.get("Cmd") or ()
        )


def security(container: Mapping[str, Any], pod: Mapping[str, Any], field: str) -> Any:
    """Return a field of the security context: the container's, else its Pod's, else None."""
    here, there = (each.get("securityContext") or {} for each in (container, pod["spec"]))
    return here.get(field, there.get(field))


def environment(pod: Mapping[str, Any], objects: Objects) -> dict[str, str]:
    """Return the variables of the Pod's container; later ones may name earlier ones, `$(NAME)`.

    raises: CannotStart.
    """
    container = pod["spec"]["containers"][0]
    env: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        prefix = source.get("prefix", "")
        kind = "configMapRef" if "configMapRef" in source else "secretRef"
        for key, data in (_data(source[kind], kind, objects) or {}).items():
            env[prefix + key] = data.decode()
    for entry in container.get("env", ()):
        value = _value(entry, pod, objects)
        if value is not None:
            env[entry["name"]] = expanded(value, env) if "value" in entry else value
    return env


def expanded(text: str, env: Mapping[str, str]) -> str:
    """Return the text with `$(NAME)` replaced where the name is known; `$$` is one `$`."""
    return _VARIABLE.sub(
        lambda found: "$" if found[1] is None else env.get(found[1], found[0]), text
    )


def process(container: Mapping[str, Any], env: Mapping[str, str], image: Image) -> list[str]:
    """Return the command line: a spec's `command` and `args` go before the image's two halves.

    raises: CannotStart if there is none.
    """
    command = container.get("command")
    args = container.get("args")
    if command is None:
        command = list(image.entrypoint)
        args = list(image.command) if args is None else args
    line = [expanded(part, env) for part in [*command, *(args or ())]]
    if not line:
        raise CannotStart("neither the spec nor the image has a command")
    return line


def podman_options(
    pod: Mapping[str, Any],
    env: Mapping[str, str],
    image: Image,
    mounts: Sequence[Mount],
) -> list[str]:
    """Return the options of `podman run`, the image and its command included.

    What says where it runs (name, network, log) is not among them.
    raises: CannotStart.
    """
    container = pod["spec"]["containers"][0]
    line = process(container, env, image)
    options = [
        "--pull=never",
        "--no-healthcheck",  # Kubernetes does not know an image's own
        "--http-proxy=false",
        "--hostname",
        pod["metadata"]["name"],
        *_security(container, pod, image),
        *_limits((container.get("resources") or {}).get("limits") or {}),
    ]
    for name, value in env.items():
        options += ["--env", f"{name}={value}"]
    for mount in mounts:
        access = "ro" if mount.read_only else "rw"
        options += ["--volume", f"{mount.source}:{mount.path}:{access}"]
    if directory := container.get("workingDir"):
        options += ["--workdir", directory]
    # Empty, the image's own entrypoint and command would come back.
    return [*options, "--entrypoint", json.dumps(line[:1]), container["image"], *line[1:]]


def _security(container: Mapping[str, Any], pod: Mapping[str, Any], image: Image) -> Iterator[str]:
    user, group = (security(container, pod, field) for field in ("runAsUser", "runAsGroup"))
    effective = str(user) if user is not None else image.user.partition(":")[0]
    if security(container, pod, "runAsNonRoot") and (
        not effective.isdigit() or int(effective) == 0
    ):
        raise CannotStart(f"runAsNonRoot is set and the user is {effective or 'root'!r}")
    if user is not None:
        yield from ("--user", str(user) if group is None else f"{user}:{group}")
    elif group is not None:
        yield from ("--user", f"{image.user.partition(':')[0] or 0}:{group}")
    if (shared := security({}, pod, "fsGroup")) is not None:
        yield from ("--group-add", str(shared))
    own = container.get("securityContext") or {}
    if own.get("readOnlyRootFilesystem"):
        yield from ("--read-only", "--read-only-tmpfs=false")
    if own.get("allowPrivilegeEscalation") is False:
        yield from ("--security-opt", "no-new-privileges")
    capabilities = own.get("capabilities") or {}
    for name in capabilities.get("drop", ()):
        yield f"--cap-drop={name.lower()}"
    for name in capabilities.get("add", ()):
        yield f"--cap-add={name.lower()}"
    # podman's default profile is what RuntimeDefault means; without a profile there is none.
    if security(container, pod, "seccompProfile") is None:
        yield from ("--security-opt", "seccomp=unconfined")


def _limits(limits: Mapping[str, str]) -> Iterator[str]:
    yield "--pids-limit=1024"  # a limit of the node's, not of the spec
    if "memory" in limits:
        yield f"--memory={quantity(limits['memory'])}"
    if "cpu" in limits:
        cpu = limits["cpu"]
        yield f"--cpus={int(cpu[:-1]) / 1000 if cpu.endswith('m') else float(cpu)}"


def quantity(text: str) -> int:
    """Return a quantity of bytes, e.g. `256Mi`, as their number. raises: CannotStart."""
    if found := _QUANTITY.fullmatch(text):
        return int(found[1]) * _BYTES[found[2]]
    raise CannotStart(f"{text} bytes: not played here, only whole numbers of {', '.join(_BYTES)}")


def _value(entry: Mapping[str, Any], pod: Mapping[str, Any], objects: Objects) -> str | None:
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    ((kind, reference),) = entry["valueFrom"].items()
    if kind == "fieldRef":
        return _field(pod, reference["fieldPath"])
    data = _data(reference, kind, objects)
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode()
    if reference.get("optional"):
        return None
    raise CannotStart(f"{kind}: {reference['name']} has no key {reference['key']}")


def _data(reference: Mapping[str, Any], kind: str, objects: Objects) -> Mapping[str, bytes] | None:
    found = objects.config_maps if kind.startswith("configMap") else objects.secrets
    name = reference["name"]
    if name not in found and not reference.get("optional"):
        raise CannotStart(f"{kind}: {name} not found")
    return found.get(name)


def _field(pod: Mapping[str, Any], path: str) -> str:
    if found := _IN_METADATA.fullmatch(path):
        return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
    value: Any = pod
    for name in path.split("."):
        if name not in value:
            raise CannotStart(f"fieldRef: {path} is not known here")
        value = value[name]
    return str(value)
