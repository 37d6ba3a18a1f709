"""The volumes of a Pod: what they hold, and the directories of this machine that play them.

A volume lives as long as its Pod, a claim's longer; configMap, secret and projected volumes are
written anew when what they show has changed, as a kubelet does.
Source: Kubernetes API reference, core/v1 Volume.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.e2e.commands import run
from tests.e2e.pod import CannotStart, Mount, Objects, quantity, security
from tests.machine import Failed

_SECONDS: Final = 3600  # of a token, unless the spec says otherwise

# (audience, seconds) -> a token of the Pod's service account.
MakeToken = Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class Token:
    """A token that a projected volume shows."""

    audience: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Files:
    """Small files by relative path, all of one mode."""

    contents: Mapping[str, bytes | Token]
    mode: int


def files(volume: Mapping[str, Any], objects: Objects) -> Files:
    """Return what a configMap, secret or projected volume shows. raises: CannotStart."""
    if "configMap" in volume:
        source = volume["configMap"]
        contents = _chosen(source["name"], source, objects.config_maps, "configMap")
    elif "secret" in volume:
        source = volume["secret"]
        contents = _chosen(source["secretName"], source, objects.secrets, "secret")
    else:
        source = volume["projected"]
        contents = {}
        for part in source["sources"]:
            contents |= _projected(part, objects)
    return Files(contents, source["defaultMode"])


def _projected(part: Mapping[str, Any], objects: Objects) -> dict[str, bytes | Token]:
    ((kind, source),) = part.items()
    if kind == "serviceAccountToken":
        token = Token(source.get("audience", ""), source.get("expirationSeconds", _SECONDS))
        return {source["path"]: token}
    found = objects.config_maps if kind == "configMap" else objects.secrets
    return _chosen(source["name"], source, found, kind)


def _chosen(
    name: str,
    source: Mapping[str, Any],
    found: Mapping[str, Mapping[str, bytes]],
    kind: str,
) -> dict[str, bytes | Token]:
    optional = source.get("optional", False)
    if name not in found and not optional:
        raise CannotStart(f"{kind} {name} not found")
    data = found.get(name, {})
    if "items" not in source:
        return dict(data)
    keys = {item["key"]: item["path"] for item in source["items"]}
    if not optional and (missing := keys.keys() - data.keys()):
        raise CannotStart(f"{kind} {name} has no {', '.join(sorted(missing))}")
    return {path: data[key] for key, path in keys.items() if key in data}


@dataclass(frozen=True, slots=True)
class Volumes:
    """The directories of one Pod's volumes.

    directory:  the Pod's own, and gone with it.
    claims:     of all claims of its namespace; they stay.
    """

    pod: Mapping[str, Any]
    directory: Path
    claims: Path

    def prepare(self, objects: Objects, make_token: MakeToken) -> list[Mount]:
        """Make what is not there yet, write what has changed; return what the container sees.

        raises: CannotStart; Failed if memory cannot be mounted.
        """
        volumes = {each["name"]: each for each in self.pod["spec"].get("volumes", ())}
        made = {name: self._made(each, objects, make_token) for name, each in volumes.items()}
        mounts = []
        for each in self.pod["spec"]["containers"][0].get("volumeMounts", ()):
            name = each["name"]
            read_only = not _is_written_to(volumes[name]) or each.get("readOnly", False)
            mounts.append(Mount(made[name], each["mountPath"], read_only))
        return mounts

    def unmount(self) -> None:
        """Leave nothing in `directory` that cannot simply be removed."""
        for volume in self.pod["spec"].get("volumes", ()):
            if os.path.ismount(self.directory / volume["name"]):
                run("umount", "--lazy", str(self.directory / volume["name"]))

    def _made(self, volume: Mapping[str, Any], objects: Objects, make_token: MakeToken) -> Path:
        directory = self.directory / str(volume["name"])
        if claim := volume.get("persistentVolumeClaim"):
            if claim["claimName"] not in objects.claims:
                raise CannotStart(f"persistentVolumeClaim {claim['claimName']} not found")
            directory = self.claims / str(claim["claimName"])
        if _is_written_to(volume):
            if not directory.exists():
                _make_writable(directory, volume.get("emptyDir") or {}, self._group)
            return directory
        show = files(volume, objects)
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in show.contents.items():
            self._write(directory / name, content, show.mode, make_token)
        shown = {Path(name).parts[0] for name in show.contents}
        for path in directory.iterdir():
            if path.name not in shown:
                path.unlink()
        return directory

    def _write(self, path: Path, content: bytes | Token, mode: int, make_token: MakeToken) -> None:
        """Replace a file at once, so that no reader sees half of it."""
        owner = -1
        if isinstance(content, Token):
            if path.exists():
                return  # it is valid for longer than any Pod lives here
            owner = security(self.pod["spec"]["containers"][0], self.pod, "runAsUser") or 0
            content = make_token(content.audience, content.seconds).encode()
        if path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.new")
        part.write_bytes(content)
        part.chmod(mode if self._group is None else mode | 0o440)
        os.chown(part, owner, -1 if self._group is None else self._group)
        part.replace(path)

    @property
    def _group(self) -> int | None:
        group = security({}, self.pod, "fsGroup")
        return None if group is None else int(group)


def _is_written_to(volume: Mapping[str, Any]) -> bool:
    return "emptyDir" in volume or "persistentVolumeClaim" in volume


def _make_writable(directory: Path, empty_dir: Mapping[str, Any], group: int | None) -> None:
    """Make a directory, or none where its memory cannot be mounted, so that the next try mounts."""
    size = quantity(empty_dir["sizeLimit"]) if "sizeLimit" in empty_dir else 0
    directory.mkdir(parents=True)
    if empty_dir.get("medium") == "Memory":
        try:
            run("mount", "-t", "tmpfs", "-o", f"size={size or '50%'}", "tmpfs", str(directory))
        except Failed:
            directory.rmdir()
            raise
    os.chown(directory, 0, group or 0)
    directory.chmod(0o777 if group is None else 0o2777)
