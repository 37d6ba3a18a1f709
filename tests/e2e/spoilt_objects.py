"""Objects of the overlay dev with one thing wrong in each, as `spoilt.yaml` lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests import manifests
from tests.e2e.api import Object

NAMESPACE: Final = "e2e-spoilt"
_PLACES: Final = {
    "pod": "spec.template.spec",
    "container": "spec.template.spec.containers.0",
}


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What is wrong: another value at a path of one object; None: it is missing.

    name:   of the object; of a ConfigMap without its hash.
    words:  of what the cluster says; empty: it says nothing.
    """

    kind: str
    name: str
    path: str
    value: Any
    words: str = ""

    def __str__(self) -> str:
        shown = "missing" if self.value is None else str(self.value)[:40]
        return f"{self.kind} {self.path} {shown}"

    def made(self, name: str = "") -> Object:
        """Return the object in the namespace of such ones, under a name of its own if given."""
        place, _, rest = self.path.partition(".")
        path = f"{_PLACES.get(place, place)}.{rest}"
        objects = manifests.changed(
            manifests.overlay("dev"), self.kind, self.name, path, self.value
        )
        found = _moved(manifests.generated(objects, self.kind, self.name))
        return {**found, "metadata": {**found["metadata"], "name": name}} if name else found


def spoilt(section: str) -> Sequence[Spoilt]:
    """Return the variants of a section of the list."""
    listed = yaml.safe_load(Path(__file__).with_name("spoilt.yaml").read_text(encoding="utf-8"))
    return [Spoilt(*of.split(), *rest) for of, *rest in listed[section]]


def sound(*kinds: str) -> Iterator[Object]:
    """Yield the overlay's objects of these kinds, unspoilt, in the same namespace."""
    for kind in kinds:
        yield from map(_moved, manifests.of_kind(manifests.overlay("dev"), kind).values())


def _moved(obj: Mapping[str, Any]) -> Object:
    is_namespace = obj["kind"] == "Namespace"
    place = {"name": NAMESPACE} if is_namespace else {"namespace": NAMESPACE}
    return {**obj, "metadata": {**obj["metadata"], **place}}
