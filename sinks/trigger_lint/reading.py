"""Reading Triggers from files, directories and pipes, however large or broken these are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from sinks import triggers as trigger_files
from sinks.contract.finding import one_line
from sinks.contract.terminal import opened

# A cluster's thousand Triggers, with all that it adds, have 3 MiB.
MAX_BYTES: Final = 4 * 2**20
# Of values, aliases can make many from a few bytes.
_MAX_VALUES: Final = 200_000
_MAX_DEPTH: Final = 40
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SERVICES: Final = ("v1", "serving.knative.dev/v1")
# How the loader calls every text that it is given.
_UNNAMED: Final = 'in "<unicode string>", '


class Unreadable(ValueError):
    """Nothing can be read there; the text says what and why, on one line."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What was read.

    triggers:    pairs of where each was read, and what: Triggers, and what should be one.
    brokers:     Brokers.
    services:    Services, those of Knative Serving too.
    unreadable:  where nothing could be read, and why: a line each.
    """

    triggers: Sequence[tuple[str, Any]]
    brokers: Sequence[Any]
    services: Sequence[Any]
    unreadable: Sequence[str]


def read(paths: Sequence[str]) -> Resources:
    """Return what can be read, whatever else cannot; no Trigger at all is unreadable too.

    paths: files, `-` for standard input, and directories, each read by itself, not below.
    """
    found: list[tuple[str, Any]] = []
    unreadable = []
    for name in (name for path in paths for name in _files(path)):
        try:
            found += [(name, resource) for resource in _resources(name)]
        except Unreadable as error:
            unreadable.append(str(error))
    triggers = [pair for pair in found if not _of_another_kind(pair[1])]
    brokers = [resource for _, resource in found if _is_broker(resource)]
    services = [resource for _, resource in found if _is_service(resource)]
    if not triggers and not unreadable:
        unreadable.append(one_line(f"no Trigger in {', '.join(paths)}"))
    return Resources(triggers, brokers, services, unreadable)


def _files(path: str) -> list[str]:
    if path != "-" and Path(path).is_dir():
        return [str(each) for each in trigger_files.files(Path(path))]
    return [path]


def _resources(name: str) -> list[dict[str, Any]]:
    """Return the resources of a file; a List, as kubectl prints it, is what is in it."""
    try:
        text = text_of(name)
        _check_depth(text)
        _check_keys(text)
        documents = list(yaml.load_all(text, _LOADER))  # noqa: S506
        _check_size(documents)
        resources = [*_unlisted(documents)]
        _check_objects(resources)
    except (yaml.YAMLError, ValueError) as error:
        what = " ".join(str(error).split()).replace(_UNNAMED, "at ")
        raise Unreadable(one_line(f"{name}: {what}")) from None
    return resources


def _unlisted(documents: Sequence[Any]) -> Iterator[Any]:
    for document in documents:
        if isinstance(document, dict) and isinstance(document.get("items"), list):
            yield from document["items"]
        elif document is not None:
            yield document


def text_of(name: str) -> str:
    """Return the text of a file, or of standard input for `-`. raises: Unreadable."""
    try:
        with opened(name) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(error.strerror or "cannot be read") from None
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it is over {MAX_BYTES} bytes: read one namespace at a time")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start + 1} is not UTF-8: it is no YAML") from None


def _check_depth(text: str) -> None:
    """Raise Unreadable for what is nested so deeply that the loader, in C, would crash."""
    depth = 0
    for event in yaml.parse(text, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise Unreadable(f"it is nested more than {_MAX_DEPTH} deep")


def _check_keys(text: str) -> None:
    """Raise Unreadable for a key that stands twice, of which the loader would take the last:
    what kubectl refuses, and what two Triggers without `---` between them look like."""
    todo: list[Any] = list(yaml.compose_all(text, _LOADER))
    seen = set()
    for node in _popped(todo):
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
            continue
        keys = set()
        for key, value in node.value:
            todo.append(value)
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in keys:
                line = key.start_mark.line + 1
                raise Unreadable(f"line {line}: {key.value} is there twice; is a --- missing?")
            keys.add(key.value)


def _check_size(documents: list[Any]) -> None:
    """Raise Unreadable for what aliases have made too large, or endless."""
    todo: list[Any] = [documents]
    for seen, value in enumerate(_popped(todo)):
        if isinstance(value, dict | list):
            todo += value.values() if isinstance(value, dict) else value
        if seen > _MAX_VALUES:
            raise Unreadable(f"it has more than {_MAX_VALUES} values, with all its aliases")


def _check_objects(resources: Sequence[Any]) -> None:
    for number, resource in enumerate(resources, 1):
        if not isinstance(resource, dict):
            what = "is no object, which has apiVersion, kind, metadata and spec"
            raise Unreadable(f"resource {number} {what}")


def _popped(values: list[Any]) -> Iterator[Any]:
    while values:
        yield values.pop()


def _of_another_kind(resource: Mapping[str, Any]) -> bool:
    """Whether it is a resource that stands beside Triggers: what a whole overlay renders to."""
    version, kind = resource.get("apiVersion"), resource.get("kind")
    named = isinstance(version, str) and isinstance(kind, str) and kind != "Trigger"
    return named and (version != trigger_files.API_VERSION or kind == "Broker")


def _is_broker(resource: Mapping[str, Any]) -> bool:
    return (
        resource.get("apiVersion") == trigger_files.API_VERSION and resource.get("kind") == "Broker"
    )


def _is_service(resource: Mapping[str, Any]) -> bool:
    return resource.get("apiVersion") in _SERVICES and resource.get("kind") == "Service"
