"""Triggers' filters and events at random, over one small vocabulary: about half of them match.

The same seed makes the same ones. Everything here is valid for Knative and for the sinks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from sinks.cloudevent import STRUCTURED_JSON, Message
from tests.factories import PAGE_CHANGE_TYPE, PREDICTION_TYPE, SCORE_TYPE

Json = dict[str, Any]

# Of each attribute, what an event may say. Text that is not ASCII is raw UTF-8 in a header.
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "type": (PAGE_CHANGE_TYPE, PAGE_CHANGE_TYPE, SCORE_TYPE, PREDICTION_TYPE, "org.wikimedia"),
    "source": ("/mediawiki/enwiki", "/mediawiki/eswiki", "/models/drafttopic", "urn:x-wiki:en"),
    "subject": ("enwiki/123/1300200300", "enwiki/5/6", "5", "Café 日", "a=b,c;d"),
    "time": (
        *("2026-09-23T10:00:05Z", "2026-09-23T10:00:05.600Z", "2026-09-23T10:00:05.060Z"),
        *("2026-09-23T00:30:05.1+01:00", "2026-09-23T10:00:00-00:00", "2026-09-23T10:00:00.000Z"),
        *("2026-09-23T10:00:05.1234567891Z", "0001-01-01T00:00:00Z"),
    ),
    "dataschema": ("https://schema.example/page/change/1.2.0", "urn:schema:1"),
    "datacontenttype": (
        *("application/json", "application/json", "Application/JSON", "text/plain"),
        *("application/json; charset=utf-8", "application/json ;charset=utf-8"),
    ),
    "wikiid": ("enwiki", "enwiki", "eswiki", "commonswiki", "wikidatawiki", "enwiktionary"),
    "pagechangekind": ("edit", "edit", "create", "move", "delete"),
    "namespaceid": ("0", "0", "1", "10", "-1"),
    "isredirect": ("false", "false", "true"),
    "model": ("article-country", "drafttopic", "drafttopic2"),
    "note": ("ä", "a  b", "日本語", "TRUE", "1.0"),
}
# What only filters name, or how a Broker writes what events say.
_MORE_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("event-1", "event-12"),
    "specversion": ("1.0", "0.3"),
    "datamediatype": ("application/json", "Application/JSON", "text/plain"),
    "schemaurl": _TEXTS["dataschema"],
    "datacontentencoding": ("base64",),
    "absent": ("x",),
    "time": ("2026-09-23T10:00:05.6Z", "2026-09-22T23:30:05.1Z", "2026-09-23T10:00:00Z"),
}
_WANTED: Final = {
    name: (*_TEXTS.get(name, ()), *_MORE_TEXTS.get(name, ()))
    for name in (*_TEXTS, *_MORE_TEXTS, "type", "wikiid", "pagechangekind")
}
_REQUIRED: Final = ("type", "source")
# Filters the whole list of which says nothing.
_NOTHING: Final[tuple[list[Json], ...]] = ([], [{}], [{"any": []}], [{"all": []}, {}])


def specs(seed: object, count: int) -> list[Json]:
    """Return so many Trigger specs with nothing in them but `filters`, `filter` or both."""
    chance = Random(f"filters {seed}")  # noqa: S311 - the same in every run is the point
    return [_spec(chance) for _ in range(count)]


def events(seed: object, count: int) -> list[Message]:
    """Return so many events, in both content modes; their ids are event-1, event-2 and so on."""
    chance = Random(f"events {seed}")  # noqa: S311
    return [_event(chance, f"event-{number}") for number in range(1, count + 1)]


def _spec(chance: Random) -> Json:
    what = chance.random()
    older = {"attributes": _pairs(chance, _maybe_empty)}
    if what < 0.15:
        return {"filter": older}
    if what < 0.2:
        return {"filter": {} if what < 0.17 else older, "filters": chance.choice(_NOTHING)}
    filters = [_filter(chance, 3) for _ in range(chance.choice((1, 1, 1, 2)))]
    return {"filters": filters, "filter": older} if what < 0.35 else {"filters": filters}


def _filter(chance: Random, depth: int) -> Json:
    what = chance.random()
    if depth and what < 0.5:
        several = [_filter(chance, depth - 1) for _ in range(chance.choice((1, 2, 3, 4)))]
        return {"any" if what < 0.4 else "all": several}
    if depth and what < 0.65:
        return {"not": _filter(chance, depth - 1)}
    dialect = chance.choice(tuple(_CUTS))
    return {dialect: _pairs(chance, _CUTS[dialect])}


def _pairs(chance: Random, cut: Callable[[Random, str], str]) -> dict[str, str]:
    names = chance.sample(tuple(_WANTED), k=chance.choice((1, 1, 1, 1, 2)))
    return {name: cut(chance, chance.choice(_WANTED[name])) for name in names}


def _maybe_empty(chance: Random, text: str) -> str:
    return chance.choice(("", text))


def _whole(chance: Random, text: str) -> str:
    return chance.choice((text, text, text, text, text.upper(), f"{text}0", text[:-1] or "0"))


def _beginning(chance: Random, text: str) -> str:
    return text[: _length(chance, text)]


def _end(chance: Random, text: str) -> str:
    return text[-_length(chance, text) :]


def _length(chance: Random, text: str) -> int:
    return min(len(text), chance.choice((1, 2, 4, chance.randint(1, len(text)))))


_CUTS: Final = {"exact": _whole, "prefix": _beginning, "suffix": _end}


def _event(chance: Random, ident: str) -> Message:
    attributes = {
        name: chance.choice(texts)
        for name, texts in _TEXTS.items()
        if name in _REQUIRED or chance.random() < 0.8
    }
    make = chance.choice((_binary, _structured))
    return make(chance, {"specversion": "1.0", "id": ident, **attributes})


def _binary(chance: Random, attributes: Mapping[str, str]) -> Message:
    headers = {}
    for name, text in attributes.items():
        header = "Content-Type" if name == "datacontenttype" else f"ce-{name}"
        headers[header] = text.encode().decode("latin-1")
    return Message(headers, chance.choice((b"{}", b"")))


def _structured(chance: Random, attributes: Mapping[str, str]) -> Message:
    envelope: Json = {
        name: json.loads(text)
        if name in ("namespaceid", "isredirect") and chance.random() < 0.5
        else text
        for name, text in attributes.items()
    }
    if content_type := attributes.get("datacontenttype"):
        # For Go `Application/JSON` is not JSON, so that only text is data of that type.
        envelope["data"] = {} if content_type.startswith("application/json") else "text"
    body = json.dumps(envelope, ensure_ascii=chance.random() < 0.5).encode()
    return Message({"Content-Type": STRUCTURED_JSON}, body)
