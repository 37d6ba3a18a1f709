"""The sixteen rows whose every fact is written out in the tests, and the rows added since.

What is expected of an added row follows from the row itself and from its cases, so that whoever
adds one edits no test.
"""

from __future__ import annotations

from typing import Final

from sinks.models import MODELS, ROWS

# In the order of the table.
NAMES: Final = (
    "articlequality",
    "itemquality",
    "articletopic",
    "itemtopic",
    "drafttopic",
    "draftquality",
    "damaging",
    "goodfaith",
    "reverted",
    "outlink-topic-model",
    "article-country",
    "article-country-tags",
    "revertrisk-language-agnostic",
    "revertrisk-multilingual",
    "revertrisk-wikidata",
    "revise-tone-task-generator",
)
SIXTEEN: Final = tuple(MODELS[name] for name in NAMES)
ADDED: Final = tuple(row for row in ROWS if row.name not in NAMES)
