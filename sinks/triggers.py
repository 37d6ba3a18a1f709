"""Trigger files: which events go to which subscriber. The same YAML that a cluster applies.

Source: knative/eventing, eventing.knative.dev/v1 Trigger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import yaml

from sinks.filters import (
    EVERYTHING,
    Filter,
    InvalidFilter,
    compile_attributes,
    compile_filters,
)
from sinks.setting_values import NotValid
from sinks.url_values import absolute_url

API_VERSION: Final = "eventing.knative.dev/v1"
ServiceUrls = Mapping[str, str]
_SPEC = {"broker", "brokerRef", "delivery", "filter", "filters", "subscriber"}


class InvalidTrigger(ValueError):
    """One or more Triggers cannot be used; the text lists every problem, a line each."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """name:  metadata.name, unique.
    namespace:   metadata.namespace, or `default`.
    filter:      which events it takes.
    subscriber:  URL that matching events are POSTed to.
    """

    name: str
    namespace: str
    filter: Filter
    subscriber: str

    @property
    def row(self) -> str:
        """The row that it delivers to; empty where the subscriber is none."""
        _, folder, row = urlsplit(self.subscriber).path.rpartition("/models/")
        return row if folder else ""


def load(directories: Iterable[Path], service_urls: ServiceUrls) -> tuple[Trigger, ...]:
    """Return the Triggers of all `*.yaml` and `*.yml` files, in order of their names.

    directories:   each read by itself, not below.
    service_urls:  Service name -> base URL; `*` -> template with {name} and {namespace}.
    raises:        InvalidTrigger with all problems of all files.
    """
    triggers: dict[str, Trigger] = {}
    problems: list[str] = []
    for path, resource in _resources(directories, problems):
        try:
            trigger = parse(resource, service_urls)
        except InvalidTrigger as error:
            problems += [f"{path}: {line}" for line in str(error).splitlines()]
            continue
        if trigger.name in triggers:
            problems.append(f"{path}: a second Trigger with the name {trigger.name}")
        triggers[trigger.name] = trigger
    if not triggers and not problems:
        problems.append(f"no Trigger in {', '.join(map(str, directories))}")
    if problems:
        raise InvalidTrigger("\n".join(problems))
    return tuple(triggers[name] for name in sorted(triggers))


def _resources(directories: Iterable[Path], problems: list[str]) -> Iterator[tuple[Path, Any]]:
    for directory in directories:
        if not directory.is_dir():
            problems.append(f"{directory}: not a directory")
            continue
        for path in files(directory):
            try:
                resources = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
            except (yaml.YAMLError, ValueError, OSError) as error:
                problems.append(f"{path}: {' '.join(str(error).split())}")
                continue
            yield from ((path, resource) for resource in resources if resource is not None)


def files(directory: Path) -> list[Path]:
    """Return the Trigger files of a directory, not below it, in order of their names."""
    found = sorted((*directory.glob("*.yaml"), *directory.glob("*.yml")))
    return [path for path in found if path.stem != "kustomization"]


def parse(resource: Any, service_urls: ServiceUrls) -> Trigger:
    """Return one Trigger. raises: InvalidTrigger with all that is wrong in it."""
    if not isinstance(resource, dict) or resource.get("kind") != "Trigger":
        raise InvalidTrigger("not a Trigger")
    if resource.get("apiVersion") != API_VERSION:
        raise InvalidTrigger(f"apiVersion has to be {API_VERSION}")
    metadata, spec = _object(resource, "metadata"), _object(resource, "spec")
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidTrigger("metadata.name is missing")
    if unknown := spec.keys() - _SPEC:
        # A misspelt `filters` would let everything pass.
        raise InvalidTrigger(f"spec has no {', '.join(sorted(map(str, unknown)))}")
    namespace = str(metadata.get("namespace") or "default")
    selected = subscriber = None
    problems = []
    try:
        selected = filter_of(spec)
    except InvalidTrigger as error:
        problems.append(str(error))
    try:
        subscriber = _subscriber(spec, namespace, service_urls)
    except InvalidTrigger as error:
        problems.append(str(error))
    if selected is None or subscriber is None:
        raise InvalidTrigger("\n".join(problems))
    return Trigger(name, namespace, selected, subscriber)


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise InvalidTrigger(f"{name} is missing or not an object")
    return value


def filter_of(spec: Mapping[str, Any]) -> Filter:
    """Return what a Trigger's spec selects: `filters` replaces `filter` completely; without either
    everything passes.

    raises: InvalidTrigger.
    """
    try:
        if spec.get("filters"):
            return compile_filters(spec["filters"])
        older = spec.get("filter")
        if older:
            attributes = older.get("attributes") if isinstance(older, dict) else None
            if attributes is None:
                raise InvalidTrigger("filter has to hold attributes")
            if attributes != {}:
                return compile_attributes(attributes)
    except InvalidFilter as error:
        raise InvalidTrigger(str(error)) from error
    return EVERYTHING


def _subscriber(spec: Mapping[str, Any], namespace: str, service_urls: ServiceUrls) -> str:
    subscriber = _object(spec, "subscriber")
    uri, ref = subscriber.get("uri"), subscriber.get("ref")
    if ref is None and isinstance(uri, str):
        return _checked(uri)
    if not isinstance(ref, dict) or (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Service"):
        raise InvalidTrigger("subscriber needs a ref to a v1 Service, or an absolute http(s) uri")
    if not isinstance(ref.get("name"), str):
        raise InvalidTrigger("subscriber.ref.name is missing")
    base = _service_url(ref["name"], str(ref.get("namespace") or namespace), service_urls)
    if uri is None:
        return _checked(base)
    if not isinstance(uri, str) or not _is_relative(uri):
        raise InvalidTrigger("subscriber.uri beside a ref has to be relative, such as /models/x")
    return _checked(urljoin(f"{base.rstrip('/')}/", uri))


def _is_relative(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:  # brackets that hold no address
        return False
    return not parts.netloc and not parts.scheme


def _checked(subscriber: str) -> str:
    try:
        return absolute_url(subscriber)
    except NotValid as error:
        raise InvalidTrigger(f"the subscriber's URL {error}") from error


def _service_url(name: str, namespace: str, service_urls: ServiceUrls) -> str:
    template = service_urls.get(name, service_urls.get("*"))
    if template is None:
        raise InvalidTrigger(f"SERVICE_URLS names no URL for the Service {name}")
    return template.replace("{name}", name).replace("{namespace}", namespace)
