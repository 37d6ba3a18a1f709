"""A page in MediaWiki's wikitext, under a comment that says where it is generated.

Source: https://www.mediawiki.org/wiki/Help:Formatting, Help:Tables
"""

from __future__ import annotations

import html
import re

from sinks.catalogue.page import Block, Heading, Items, Page, Paragraph, parts

_HEAD = """\
<!-- Generated: do not edit it here. The source is docs/streams.wiki of knative-event-sinks, which
     `make streams` makes from the table of models; paste that file here when it has changed. -->"""
# Quotes, links, templates, tables, tags, entities, signatures, switches, URLs and magic links.
_SPECIAL = re.compile(r"''|[\[\]{}|<>&]|!!|~~~|__|://|-\{|\b(?:RFC|PMID|ISBN)\b")
# What makes a list, a heading or a rule of the line that it begins.
_AT_START = re.compile(r"[*#:;= -]")


def render(page: Page) -> str:
    """Return the page's text without its title, which a wiki shows itself; ends with a newline."""
    return "\n\n".join((_HEAD, *(_block(block) for block in page.blocks))) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"== {_inline(block.text)} =="
    if isinstance(block, Paragraph):
        return _inline(block.text)
    if isinstance(block, Items):
        return "\n".join(f"* {_inline(text)}" for text in block.texts)
    head = "\n".join(f'! scope="col" | {_inline(cell)}' for cell in block.head)
    rows = ("|-\n" + "\n".join(f"| {_inline(cell)}" for cell in row) for row in block.rows)
    return "\n".join(('{| class="wikitable sortable"', head, *rows, "|}"))


def _inline(text: str) -> str:
    return "".join(
        f"<code>{_plain(part)}</code>" if is_code else _plain(part, first=number == 0)
        for number, (is_code, part) in enumerate(parts(text))
    )


def _plain(text: str, first: bool = False) -> str:
    """Return the text as it has to be written to be shown as it is."""
    if not _SPECIAL.search(text) and not (first and _AT_START.match(text)):
        return text
    # Entities count in nowiki too, and no text can end it early.
    return f"<nowiki>{html.escape(text, quote=False)}</nowiki>"
