"""The table of wikis before it is taken: checked strictly, compared, and what it means for rows.

Apps read the table with `wikis.parse` alone, which trusts what this has let pass.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sinks import page_change
from sinks.deployed import InferenceService
from sinks.envelope import is_domain
from sinks.errors import InvalidEvent
from sinks.model_row import Conditions, ModelRow, unwanted_wiki
from sinks.wikis import Wiki

HEADING = ("wiki_id", "domain", "group", "language")
_GROUP = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*")
_SOURCE = re.compile(r"# .*\bsource: (\S.*) at ([0-9a-f]{7,40})(?: .*)?")
_NO_TIME = datetime(1, 1, 1, tzinfo=UTC)  # wikis are the same at any time


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two tables, by wiki_id; a changed wiki is (before, after)."""

    added: tuple[Wiki, ...]
    removed: tuple[Wiki, ...]
    changed: tuple[tuple[Wiki, Wiki], ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What another table means for one row: wiki_ids that it would score, or score no more."""

    row: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def problems(text: str) -> list[str]:
    """Return all that is wrong with the text of a table, line by line; empty: nothing.

    text:  comments, of which one names source and commit; the heading; one line for each wiki. The
           lines end with a newline and have four columns with tabs between them.
    """
    *lines, rest = text.split("\n")
    found = [] if not rest else ["the last line does not end with a newline"]
    lines += [rest] * bool(rest)
    comments = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    found += [
        f"line {number}: a character that cannot be printed"
        for number, line in enumerate(lines[:comments], 1)
        if not line.isprintable()
    ]
    if source_of(text) is None:
        found.append("no comment above the heading says `source: <where it is from> at <commit>`")
    if lines[comments : comments + 1] != ["\t".join(HEADING)]:
        heading = f"line {comments + 1}: the heading has to be {', '.join(HEADING)}, with tabs"
        return [*found, heading]  # what is below it are no wikis
    rows = lines[comments + 1 :]
    if not rows:
        found.append("there are no wikis")
    return [*found, *_row_problems(rows, comments + 2)]


def source_of(text: str) -> str | None:
    """Return where a table is from, `<source> at <commit>`, as a comment above its heading says."""
    for line in text.split("\n"):
        if not line.startswith("#"):
            return None
        if match := _SOURCE.fullmatch(line):
            return f"{match[1]} at {match[2]}"
    return None


def _row_problems(rows: Sequence[str], first: int) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, first):
        columns = row.split("\t")
        if len(columns) != len(HEADING):
            yield f"line {number}: {len(columns)} columns, not {len(HEADING)}: {_shown(row)}"
            continue
        for name, value in zip(HEADING, columns, strict=True):
            if not _is_good(name, value):
                yield f"line {number}: {name} cannot be {_shown(value)}"
        before = seen.setdefault(columns[0], number)
        if before != number:
            yield f"line {number}: {_shown(columns[0])} is in line {before} too"


def _is_good(name: str, value: str) -> bool:
    if name == "wiki_id":
        try:
            return page_change.wiki_of(value, name) == value
        except InvalidEvent:
            return False
    if name == "domain":
        return is_domain(value) and "." in value
    pattern = {"group": _GROUP, "language": _LANGUAGE}[name]
    return pattern.fullmatch(value) is not None


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else f"{text[:80]}...")


def changes(before: Mapping[str, Wiki], after: Mapping[str, Wiki]) -> Changes:
    """Return what differs between two tables."""
    return Changes(
        added=tuple(after[wiki_id] for wiki_id in sorted(after.keys() - before.keys())),
        removed=tuple(before[wiki_id] for wiki_id in sorted(before.keys() - after.keys())),
        changed=tuple(
            (before[wiki_id], after[wiki_id])
            for wiki_id in sorted(before.keys() & after.keys())
            if before[wiki_id] != after[wiki_id]
        ),
    )


def scored_wikis(
    row: ModelRow, deployed: Mapping[str, InferenceService], wikis: Mapping[str, Wiki]
) -> tuple[str, ...]:
    """Return the wiki_ids of a table of which the row scores changes."""
    conditions = Conditions(deployed, wikis, 0, _NO_TIME)
    return tuple(
        wiki_id for wiki_id in sorted(wikis) if unwanted_wiki(row, wiki_id, conditions) is None
    )


def effects(
    rows: Collection[ModelRow],
    deployed: Mapping[str, InferenceService],
    before: Mapping[str, Wiki],
    after: Mapping[str, Wiki],
) -> tuple[Effect, ...]:
    """Return the rows that would score other wikis with another table."""
    found = []
    for row in rows:
        old = set(scored_wikis(row, deployed, before))
        new = set(scored_wikis(row, deployed, after))
        if old != new:
            found.append(Effect(row.name, tuple(sorted(new - old)), tuple(sorted(old - new))))
    return tuple(found)


def missing(
    rows: Collection[ModelRow],
    deployed: Mapping[str, InferenceService],
    wikis: Mapping[str, Wiki],
) -> list[str]:
    """Return what rows need and the table has not got; empty: the table will do."""
    found = []
    for row in rows:
        named = (row.wanted.wikis or frozenset()) | row.wanted.excluded_wikis
        found += [
            f"the row {row.name} names {wiki}, which is not in FILE"
            for wiki in sorted(named - wikis.keys())
        ]
        group = row.wanted.wiki_group
        if group is not None and group not in {wiki.group for wiki in wikis.values()}:
            found.append(f"the row {row.name} is for the group {group}, of which FILE has no wiki")
        if not scored_wikis(row, deployed, wikis):
            found.append(f"the row {row.name} would have no wiki at all")
    for isvc in sorted(deployed):
        wiki = isvc.partition("-")[0]
        if wiki not in wikis:
            found.append(f"InferenceService {isvc} is deployed for {wiki}, which is not in FILE")
    return found
