"""Events that nobody has thought of: page changes, scores, and what else the specification allows.

The same in every run: everything follows from SEED.
"""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sinks.models import ROWS
from tests.factories import PAGE_CHANGE_TYPE, SCORE_TYPE, page_change, revision_score
from tests.interop.exchange import MODES, Line, Mode, bytes_data, is_json

SEED = 20260923
COUNT = 1000

# What attributes may hold without any encoding; ours are all of this kind, and of no other.
_PLAIN = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~" + string.ascii_letters + string.digits
# Letters of any script, and what is awkward in headers: spaces, quotes, escapes.
_SCRIPTS = (
    string.ascii_letters, "äöüßéèñçøåÅĐšžłőÿ", "αβγδΩΆώς", "абвгдЖЩъыьэюя", "אבגדהוזחט",
    "ابتثجحخدذ", "अआइईउऊक्षज्ञ", "กขฃคฅฆงจฉ", "中文維基百科日本語かなカナ", "한국어위키",
    "አማርኛ", "ქართული",
    "😀🏳️‍🌈𝔘𠜎", "e\u0301\u200d\u200f\ufeff\u00a0\u2028", " %\"\\%41'`;,=  ",
)  # fmt: skip
_NAMES = (
    "stream wikiid wikidomain model causationid partitionkey sampledrate namespaceid isredirect "
    "recordedtime schemaurl datacontentencoding extensions key 2fa "
    "knativearrivaltime aaaaaaaaaaaaaaaaaaaa"
).split()
_JSON_TYPES = (
    "application/json", "application/json", "application/json; charset=utf-8", "text/json",
    "Application/JSON", "application/json ; charset=UTF-8", "application/ld+json",
    "application/vnd.x_y+json",
)  # fmt: skip
_KINDS = (
    "edit", "edit", "edit", "create", "delete", "move", "undelete", "visibility_change",
)  # fmt: skip
_BOOLEAN = ("damaging", "goodfaith", "reverted")
_CORE = {"id", "source", "type", "time", "subject", "dataschema", "datacontenttype"}
_NUMBERS = (
    0, -1, 2**31, 2**53 + 1, -(2**63), 2**64 - 1, 0.1, -0.0, 1e-7, 1e21, 5e-324,
    1.7976931348623157e308, 1.0,
)  # fmt: skip
_LIKE_JSON = (b"123", b"true", b'{"a": 1}', b"null", b'"text"')
_LARGER_NUMBERS = (2**64, -(2**63) - 1, 12345678901234567890123456789)
_SOURCES = (
    "/mediawiki/enwiki", "https://en.wikipedia.org/wiki/X?action=history&x=y#top",
    "urn:uuid:5b3c1d2e", "mailto:someone@example.org", "//example.org/a/b", "relative/path",
    "../up", "?query", "#fragment", "tag:example.org,2026:x", "/a/b/../c/./d",
    "http://[2001:db8::1]:8080/a;b=c,d", "/(x)/!$&'*+=:@~",
)  # fmt: skip
_ENCODED_SOURCES = ("/wiki/Caf%C3%A9", "/a%2Fb%20c", "https://example.org/?q=50%25")


@dataclass(frozen=True)
class Sample:
    """One event.

    attributes:  native values: text, or for extensions booleans and integers.
    data:        as in tests/interop/exchange.py.
    """

    number: int
    attributes: Mapping[str, str | bool | int]
    data: Line | None

    @property
    def content_type(self) -> str | None:
        value = self.attributes.get("datacontenttype")
        return value if isinstance(value, str) else None

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes it can be written in: without a type only the JSON format makes it JSON."""
        untyped = self.data is not None and "json" in self.data and self.content_type is None
        return ("structured",) if untyped else MODES

    def line(self, mode: Mode) -> Line:
        """Return the event's line for `write`."""
        return {"mode": mode, "attributes": dict(self.attributes), "data": self.data}


class Generator:
    """Makes samples.

    free:  attributes may have any text, times any legal form, and data what our codec cannot write;
           else only what our apps would write.
    """

    def __init__(self, seed: int, *, free: bool) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the same in every run is the point
        self._free = free

    def samples(self, count: int) -> list[Sample]:
        """Return so many samples, each with an id of its own."""
        anything = [self._anything] * 3
        return self._numbered([self._page_change, self._revision_score, *anything], count)

    def page_changes(self, count: int) -> list[Sample]:
        """Return so many page changes, most of which drafttopic scores."""
        return self._numbered([self._page_change], count)

    def revision_scores(self, count: int) -> list[Sample]:
        """Return so many scores, of all kinds of models."""
        return self._numbered([self._revision_score], count)

    def _numbered(
        self, kinds: Sequence[Callable[[], tuple[dict[str, Any], Line | None]]], count: int
    ) -> list[Sample]:
        made = []
        for number in range(count):
            attributes, data = kinds[number % len(kinds)]()
            attributes["id"] = f"{number}-{attributes['id']}"
            made.append(Sample(number, attributes, data))
        return made

    def text(self) -> str:
        """Text of any script, without the characters that attributes must not have."""
        alphabet = self._chance.choice(_SCRIPTS) + self._chance.choice(_SCRIPTS)
        return "".join(self._chance.choices(alphabet, k=self._chance.randint(1, 30)))

    def _attribute(self) -> str:
        if self._free and self._chance.random() < 0.4:
            text = self.text()
            return text if text.strip() else f"{text}x"  # what is only space is as good as empty
        return "".join(self._chance.choices(_PLAIN, k=self._chance.randint(1, 40)))

    def _time(self) -> str:
        chance = self._chance
        year = chance.choice((2, 1583, 9998, *range(1970, 2026)))
        day = f"{year:04}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        clock = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}"
        digits = "".join(chance.choices(string.digits, k=chance.randint(0, 9)))
        hours, minutes = chance.randint(0, 14), chance.choice((0, 30, 45))
        zone = chance.choice(("Z", "Z", f"{chance.choice('+-')}{hours:02}:{minutes:02}"))
        text = f"{day}T{clock}{'.' if digits else ''}{digits}{zone}"
        return text.lower() if self._free and chance.random() < 0.2 else text

    def _extensions(self) -> dict[str, Any]:
        chance = self._chance
        result: dict[str, Any] = {}
        for _ in range(chance.choice((0, 1, 2, 3, 20))):
            name = chance.choice(_NAMES)
            if chance.random() < 0.5:
                letters = string.ascii_lowercase + string.digits
                name = "x" + "".join(chance.choices(letters, k=chance.randint(1, 20)))
            integer = chance.randint(-(2**31), 2**31 - 1)
            result[name] = chance.choice(
                (self._attribute(), self._attribute(), True, False, integer)
            )
        return result

    def _envelope(self, source: str, kind: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            **self._extensions(),
            "id": self._attribute(),
            "source": source,
            "type": kind,
        }
        optional: dict[str, Callable[[], str]] = {
            "time": self._time,
            "subject": self._attribute,
            "dataschema": lambda: f"https://example.org/schema/{self._chance.randint(1, 99)}.0.0",
        }
        chosen = {name: make() for name, make in optional.items() if self._chance.random() < 0.7}
        return attributes | chosen

    def _page_change(self) -> tuple[dict[str, Any], Line]:
        chance = self._chance
        rev_id = chance.randint(1, 2**31)
        document = page_change(
            page_change_kind=chance.choice(_KINDS),
            dt=f"2026-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}T10:00:00Z",
            wiki_id=chance.choice(("enwiki", "enwiki", "enwiki", "frwiki")),
            comment=self.text(),
            page={
                "page_id": chance.randint(1, 2**40),
                "page_title": self.text(),
                "namespace_id": chance.choice((0, 1, 2, 828)),
                "is_redirect": chance.random() < 0.2,
            },
            revision={"rev_id": rev_id, "rev_parent_id": rev_id - 1},
            performer={
                "user_text": self.text(),
                "user_id": chance.randint(1, 2**31),
                "groups": [self.text() for _ in range(chance.randint(0, 3))],
                "is_bot": chance.random() < 0.2,
            },
        )
        attributes = self._envelope(f"/mediawiki/{document['wiki_id']}", PAGE_CHANGE_TYPE)
        return attributes | {"datacontenttype": "application/json"}, {"json": document}

    def _revision_score(self) -> tuple[dict[str, Any], Line]:
        chance = self._chance
        row = chance.choice(ROWS)
        several, boolean = row.name.endswith("topic"), row.name in _BOOLEAN
        labels = ["true", "false"] if boolean else [self.text() for _ in range(3)]
        document = revision_score(
            meta={"stream": row.stream, "id": f"score-{chance.random()}"},
            page_id=chance.randint(1, 2**40),
            page_title=self.text(),
            rev_id=chance.randint(1, 2**31),
            scores={"drafttopic": None},
        )
        document["scores"][row.name] = {
            "model_name": row.name,
            "model_version": "1.3.0",
            "prediction": chance.sample(labels, chance.randint(0, 2) if several else 1),
            "probability": {label: chance.random() for label in labels},
        }
        attributes = self._envelope(f"/models/{row.name}", SCORE_TYPE)
        attributes["stream"] = document["meta"]["stream"]
        return attributes | {"datacontenttype": "application/json"}, {"json": document}

    def _anything(self) -> tuple[dict[str, Any], Line | None]:
        chance = self._chance
        sources = _SOURCES + (_ENCODED_SOURCES if self._free else ())
        attributes = self._envelope(chance.choice(sources), self._attribute())
        content_type, data = chance.choice((self._json, self._json, self._bytes, self._nothing))()
        if content_type is not None:
            attributes["datacontenttype"] = content_type
        return attributes, data

    def _json(self) -> tuple[str | None, Line]:
        content_type = self._chance.choice((*_JSON_TYPES, *((None,) if self._free else ())))
        null = self._chance.random() < (0.1 if content_type else 0.3)
        return content_type, {"json": None if null else self._value(4)}

    def _bytes(self) -> tuple[str | None, Line]:
        chance = self._chance
        raw = chance.randbytes(chance.randint(1, 2000))
        like_json = chance.choice(_LIKE_JSON)
        return chance.choice(
            (
                ("application/octet-stream", bytes_data(raw)),
                ("image/png", bytes_data(raw)),
                (None, bytes_data(raw)),
                (None, bytes_data(like_json)),
                ("text/plain", bytes_data(like_json)),
                ("text/plain; charset=utf-8", bytes_data(self.text().encode())),
                ("text/plain; charset=iso-8859-1", bytes_data(b"caf\xe9")),
                ("application/xml", bytes_data(f"<a>{self.text()}</a>".encode())),
            )
        )

    def _nothing(self) -> tuple[str | None, None]:
        return self._chance.choice((None, "application/json", "text/plain")), None

    def _value(self, depth: int) -> Any:
        chance = self._chance
        kind = chance.randint(0, 7 if depth else 5)
        if kind == 0:
            return chance.choice((None, None, True, False, "", [], {}))
        if kind == 1:
            return chance.choice(_NUMBERS + (_LARGER_NUMBERS if self._free else ()))
        if kind == 2:
            return chance.choice((chance.randint(-(2**53), 2**53), chance.uniform(-1e9, 1e9)))
        if kind < 6:
            return self.text() + chance.choice(("", '\n\t\x00\x1f\x7f\x85\ufffe\ufdd0\\/"<>&'))
        members = [self._value(depth - 1) for _ in range(chance.randint(0, 5))]
        return members if kind == 6 else {self.text(): member for member in members}


def features(sample: Sample) -> set[str]:
    """Return what is special about a sample, so that a test can see that no kind is missing."""
    data, time = sample.data, str(sample.attributes.get("time", "none"))
    values = [value for value in sample.attributes.values() if isinstance(value, str)]
    extensions = len(set(sample.attributes) - _CORE)
    found = {
        "boolean": any(isinstance(value, bool) for value in sample.attributes.values()),
        "integer": any(type(value) is int for value in sample.attributes.values()),
        "other than ASCII": any(not value.isascii() for value in values),
        "percent": any("%" in value for value in values),
        "many extensions": extensions >= 15,
        "no extension": extensions == 0,
        "no time": time == "none",
        "nanoseconds": len(time.partition(".")[2]) >= 9,
        "zone": time[-6] in "+-" if len(time) > 6 else False,
        "lower-case time": time != "none" and time != time.upper(),
        "no data": data is None,
        "JSON without a type": data is not None and "json" in data and sample.content_type is None,
        "bytes": data is not None and "base64" in data,
        "bytes like JSON": data is not None
        and base64.b64decode(data.get("base64", "")) in _LIKE_JSON,
        "+json": is_json(sample.content_type) and "+json" in str(sample.content_type),
        "page change": sample.attributes["type"] == PAGE_CHANGE_TYPE,
        "score": sample.attributes["type"] == SCORE_TYPE,
    }
    if data is not None and "json" in data:
        found[f"JSON {type(data['json']).__name__}"] = True
    return {name for name, there in found.items() if there}
