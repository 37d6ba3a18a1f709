"""What goes to and fro between implementations, and when two events are equal.

Every foreign implementation is a program, `PROGRAM read` or `PROGRAM write`, that answers each line
of JSON on its standard input by one line on its standard output.

message   {"headers": [[name, value], ...], "body": base64}: an HTTP message; the value of a header
          has one Latin-1 character a byte.
event     {"attributes": {name: string, boolean or integer}, "data": ...}, without `specversion`.
          The data is null for none, {"json": value}, or {"base64": text}. For `write` also "mode":
          binary or structured.
error     {"error": text}: the implementation has refused the line.

A line with "as_is": true goes through the SDK without what our programs do for it, so that a test
can see that this is still needed.

Equality is that of the canonical form: attributes as text, time as an instant, data as canonical
JSON or as bytes. Nothing here knows an SDK, or our own codec.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
Mode = Literal["binary", "structured"]
MODES: tuple[Mode, ...] = ("binary", "structured")
Line = dict[str, Any]
NOW = "<now>"  # stands for a time that somebody has made up while the test ran
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def message(headers: Mapping[str, str], body: bytes) -> Line:
    """Return the line of an HTTP message."""
    return {"headers": list(headers.items()), "body": base64.b64encode(body).decode()}


def parts(line: Line) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a message's line."""
    return dict(line["headers"]), base64.b64decode(line["body"])


def header_value(line: Line, name: str) -> str | None:
    """Return the value of a message's header, whatever case its name is in."""
    return next((value for key, value in line["headers"] if key.lower() == name.lower()), None)


def bytes_data(raw: bytes) -> Line:
    """Return the data of an event that has these bytes."""
    return {"base64": base64.b64encode(raw).decode()}


def is_json(content_type: str | None) -> bool:
    """True if the specification calls data of this type JSON."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))


def canonical(line: Line) -> Line:
    """Return the one form that all lines of the same event have; errors stay as they are.

    Bytes of a JSON type are that JSON; JSON without a type is application/json, as the JSON format
    says; empty bytes are no data, because in binary mode nobody can tell.
    """
    if "error" in line:
        return line
    attributes = {name: _text(name, value) for name, value in line["attributes"].items()}
    data = line["data"]
    result: Line = {"attributes": attributes, "data": None}
    if data is None or data.get("base64") == "":
        return result
    if "json" in data:
        attributes.setdefault("datacontenttype", "application/json")
        return result | {"data": {"json": canonical_json(data["json"])}}
    raw = base64.b64decode(data["base64"])
    if is_json(attributes.get("datacontenttype")):
        try:
            return result | {"data": {"json": canonical_json(json.loads(raw))}}
        except ValueError:
            pass  # not equal to anything that is JSON, and shown as what it is
    return result | {"data": {"base64": data["base64"]}}


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for the same value; 1 and 1.0 are different."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return instant(text) if name == "time" else text


def instant(text: str) -> str:
    """Return the time in UTC, without needless digits; NOW if it is from the last hour."""
    match = _TIME.fullmatch(text.upper())
    if match is None:
        return text
    day, clock, fraction, zone = match.groups()
    # Without the fraction, of which Python keeps six digits only.
    moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone == 'Z' else zone}")
    moment = moment.astimezone(UTC)
    if abs(datetime.now(UTC) - moment) < timedelta(hours=1):
        return NOW
    digits = (fraction or "").rstrip("0")
    return f"{moment.isoformat()[:19]}{'.' if digits else ''}{digits}Z"


def converse(program: Sequence[str], lines: Iterable[Line], directory: Path) -> list[Line]:
    """Return a program's answers to all lines; questions and answers stay in `directory`."""
    directory.mkdir(parents=True)
    asked, answered = directory / "asked.jsonl", directory / "answered.jsonl"
    asked.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with asked.open("rb") as questions, answered.open("wb") as answers:
        done = subprocess.run(  # noqa: S603 - our own programs
            program,
            cwd=ROOT,
            stdin=questions,
            stdout=answers,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, f"{program}: {done.stderr.decode(errors='replace')[-2000:]}"
    result = [json.loads(line) for line in answered.read_bytes().splitlines()]
    assert len(result) == len(asked.read_bytes().splitlines())
    return result
