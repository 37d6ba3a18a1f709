"""The open public wikis: where each is, and which language it is in. The one table of wikis.

Source: `wikis.tsv`, made from the wiki table of machinelearning-liftwing-inference-services, whose
commit its first line names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).parent / "wikis.tsv"
WIKIPEDIA = "wikipedia"


@dataclass(frozen=True, slots=True)
class Wiki:
    """One row of the table.

    domain:    `zh-yue.wikipedia.org`.
    group:     `wikipedia` for the Wikipedia of a language; testwiki and such are of their own.
    language:  the language's code, `yue`; not always the first label of the domain.
    """

    wiki_id: str
    domain: str
    group: str
    language: str

    @property
    def host_label(self) -> str:
        """The first label of the domain: `zh-yue`."""
        return self.domain.partition(".")[0]


def load() -> Mapping[str, Wiki]:
    """Return all wikis by `wiki_id`."""
    return parse(TABLE.read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, Wiki]:
    """Return the wikis of a table: comments, a heading, and one line of four columns each."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    next(lines, None)
    return {wiki.wiki_id: wiki for wiki in (Wiki(*line.split("\t")) for line in lines)}
