"""One row of the table of models in words, all of them derived from the row's data.

Texts are those of `page`: code stands between backticks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sinks import inputs
from sinks.catalogue.page import Table
from sinks.catalogue.row_triggers import RowTrigger
from sinks.deployed import InferenceService
from sinks.model_row import ModelRow, Wanted, isvc_name
from sinks.wiki_table import scored_wikis
from sinks.wikis import Wiki

# In the order in which they happen to a page; the schema has no other kinds.
_KINDS = ("create", "edit", "move", "delete", "undelete", "visibility_change")
_FEW = 5  # as many wikis are named in a sentence; more are counted, and listed elsewhere
_HEAD = (
    "row",
    "predictor",
    "input",
    "conditions",
    "Trigger",
    "output schema",
    "stream in production",
    "stream in test names",
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """The InferenceServices of single wikis by name, in each environment."""

    production: Mapping[str, InferenceService]
    staging: Mapping[str, InferenceService]


def rows_table(
    rows: Iterable[ModelRow],
    deployed: Deployed,
    wikis: Mapping[str, Wiki],
    triggers: Mapping[str, RowTrigger],
) -> Table:
    """Return the table: row, input, conditions, output and streams, one line for each row.

    triggers:  by row name.
    """
    return Table(
        _HEAD,
        tuple(
            (
                code(row.name),
                predictor(row, deployed.production),
                input_documents(row, triggers.get(row.name)),
                conditions(row, deployed.production, wikis),
                code(triggers[row.name].directory) if row.name in triggers else "none",
                code(row.output.schema),
                code(row.stream),
                code(row.test_stream),
            )
            for row in rows
        ),
    )


def wikis_table(rows: Iterable[ModelRow], deployed: Deployed, wikis: Mapping[str, Wiki]) -> Table:
    """Return the wikis of the rows whose wikis are too many to name, or not the same everywhere."""
    lines = []
    for row in rows:
        production = scored_wikis(row, deployed.production, wikis)
        staging = scored_wikis(row, deployed.staging, wikis)
        if row.wanted.where_deployed:
            lines.append((code(row.name), _listed(production), _listed(staging)))
        elif row.wanted.wiki_group is None and len(production) > _FEW:
            lines.append((code(row.name), _listed(production), "the same"))
    return Table(("row", "production, dev", "staging"), tuple(lines))


def predictor(row: ModelRow, deployed: Mapping[str, InferenceService]) -> str:
    """Return the InferenceService that the row asks, and its namespace."""
    if row.question is None:
        return f"none: it feeds on what {code(row.wanted.model_name or '')} has predicted"
    service = row.question.service
    if service is not None:
        return f"{code(service.name)} in {code(service.namespace)}"
    suffix = isvc_name(row, "")
    namespaces = {each.namespace for name, each in deployed.items() if name.endswith(suffix)}
    return f"{code(isvc_name(row, '<wiki>'))} in {_codes(sorted(namespaces))}"


def input_documents(row: ModelRow, trigger: RowTrigger | None) -> str:
    """Return the schemas, of any minor version, that the row reads and its Trigger delivers.

    trigger:  None: the row has none, so all that it reads.
    """
    majors: dict[str, list[str]] = {}
    for title, major in inputs.load_readers(row.wanted.titles):
        if trigger is None or trigger.delivers(title, major):
            majors.setdefault(title, []).append(f"{major}.x")
    documents = ", ".join(f"{code(title)} {', '.join(each)}" for title, each in majors.items())
    whose = f": {code(row.wanted.model_name)}'s event" if row.wanted.model_name else ""
    return f"{documents}{whose}"


def conditions(
    row: ModelRow, deployed: Mapping[str, InferenceService], wikis: Mapping[str, Wiki]
) -> str:
    """Return which changes the row scores."""
    wanted = row.wanted
    return "; ".join(
        (
            ", ".join(kind for kind in _KINDS if kind in wanted.kinds),
            _namespaces(wanted.namespaces),
            "redirects too" if wanted.redirects else "no redirects",
            _wikis(wanted, scored_wikis(row, deployed, wikis), wikis),
        )
    )


def code(text: str) -> str:
    """Return the text marked as code."""
    return f"`{text}`"


def _namespaces(namespaces: Collection[int] | None) -> str:
    if namespaces is None:
        return "any namespace"
    plural = "s" if len(namespaces) > 1 else ""
    return f"namespace{plural} {', '.join(map(str, sorted(namespaces)))}"


def _wikis(wanted: Wanted, scored: Collection[str], wikis: Mapping[str, Wiki]) -> str:
    if wanted.wiki_group is None:
        which = _codes(scored) if len(scored) <= _FEW else f"{len(scored)} wikis, see below"
        return f"deployed for {which}" if wanted.where_deployed else which
    group = [wiki for wiki in wikis.values() if wiki.group == wanted.wiki_group]
    whole = f"{len(group)} {wanted.wiki_group.capitalize()}s"
    if wanted.excluded_wikis:
        whole += f" but {_codes(sorted(wanted.excluded_wikis))}, which the predictor cannot reach"
    return "; ".join([whole, *_each(wanted.wikis or ())])


def _each(wikis: Iterable[str]) -> list[str]:
    return [code(wiki) for wiki in sorted(wikis)]


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def _listed(wikis: Collection[str]) -> str:
    return f"{len(wikis)}: {code(' '.join(wikis))}" if wikis else "none"
