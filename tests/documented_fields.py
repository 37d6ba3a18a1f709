"""A strict check of resources: Kubernetes' own by its schemas, others by what is documented.

Knative's own programs keep silent about most misspelt fields: several kinds let unknown ones pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import kubernetes_validate

from tests import knative_fields, prometheus_fields

KUBERNETES: Final = "1.33"
_DOCUMENTED: Final = {**knative_fields.DOCUMENTED, **prometheus_fields.DOCUMENTED}
# Of owners whose kinds Kubernetes' schemas cannot have.
_OTHERS: Final = (".knative.dev/", "monitoring.coreos.com/")


def undocumented(resource: Mapping[str, Any]) -> list[str]:
    """Return a line for each field that nobody documents, or not with such a value.

    resource: of a kind of Kubernetes, of which the first such field is told; or of Knative or the
        Prometheus operator, where a kind that is not in the tables is a problem itself.
    """
    kind = f"{resource.get('apiVersion')} {resource.get('kind')}"
    if not any(owner in kind for owner in _OTHERS):
        somewhere = {**resource, "metadata": {**resource["metadata"], "namespace": "any"}}
        return [*_invalid(json.dumps(somewhere))]
    fields = _DOCUMENTED.get(kind)
    if fields is None:
        return [f"{kind}: not a kind in the table"]
    return list(_wrong(dict(resource), {"apiVersion": str, "kind": str, **fields}, ""))


@cache
def _invalid(text: str) -> tuple[str, ...]:
    """What Kubernetes' schema says against an object; cached, as most are in several overlays."""
    try:
        kubernetes_validate.validate(json.loads(text), KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return (str(error.message),)
    return ()


def _wrong(value: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            yield f"{path}: has to be an object"
            return
        for name, member in value.items():
            inner = wanted.get(name, wanted.get("*"))
            where = f"{path}.{name}" if path else str(name)
            if inner is None:
                yield f"{where}: not a documented field"
            else:
                yield from _wrong(member, inner, where)
    elif isinstance(wanted, list):
        if not isinstance(value, list):
            yield f"{path}: has to be a list"
            return
        for index, element in enumerate(value):
            yield from _wrong(element, wanted[0], f"{path}[{index}]")
    elif not _is(value, wanted):
        yield f"{path}: {value!r} is not a documented value"


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, frozenset):
        return value in wanted
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.fullmatch(value) is not None
    return type(value) is wanted
