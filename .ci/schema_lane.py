"""Prove our schema files against an upstream checkout, on generated documents.

    python .ci/schema_lane.py SCHEMAS_DIR

SCHEMAS_DIR is the `jsonschema` directory of the event schema repository. Two validator libraries
judge every document, so that no proof rests on one library's mistake. Proven are:
  output    our output schema accepts and refuses exactly what upstream's does;
  reader    each reader schema accepts whatever any upstream version of its major accepts;
  buildable what a reader accepts (page_id 0 apart) can be copied into a valid output document.
Each proof is repeated with schemas spoilt on purpose; a spoilt one that nobody notices fails the
run, because then the documents prove nothing.

Upstream files name their dialect `https://json-schema.org/...`, which no library knows: the
draft-07 class is named here instead of being looked up.
"""

from __future__ import annotations

import copy
import random
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import yaml
from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]
from rfc3987_syntax import is_valid_syntax  # type: ignore[import-untyped]

Judge = Callable[[Any], bool]
Place = tuple[Any, ...]  # of member names and indexes, from the root

OURS = Path(__file__).parents[1] / "sinks" / "schemas"
SEED = 20240824
MINIMUM_DOCUMENTS = 2000
MINIMUM_SHARE = 0.2  # of valid, and of invalid documents
RANDOM_DOCUMENTS = 1500  # per corpus, besides the systematic ones

OUTPUT = ("mediawiki/revision/score", "3.0.0")
READERS = {
    ("mediawiki/page/change", "1"): ("1.0.0", "1.1.0", "1.2.0"),
    ("mediawiki/revision/create", "1"): ("1.0.0", "1.1.0", "1.2.0"),
    ("mediawiki/revision/create", "2"): ("2.0.0",),
}
# What the builder copies: output member -> reader member. `meta.uri` is not in it, because the
# builder drops a bad one.
SAME = """
    meta.stream meta.id meta.domain meta.request_id database page_id page_title page_namespace
    page_is_redirect rev_id rev_parent_id rev_timestamp performer.user_text performer.user_id
    performer.user_groups performer.user_is_bot performer.user_edit_count
    performer.user_registration_dt
"""
RENAMED = """
    meta.stream meta.id meta.domain meta.request_id wiki_id page.page_id page.page_title
    page.namespace_id page.is_redirect revision.rev_id revision.rev_parent_id revision.rev_dt
    performer.user_text performer.user_id performer.groups performer.is_bot performer.edit_count
    performer.registration_dt
"""
COPIED = {
    "mediawiki/page/change": dict(zip(SAME.split(), RENAMED.split(), strict=True)) | {"dt": "dt"},
    "mediawiki/revision/create": {name: name for name in SAME.split()} | {"dt": "rev_timestamp"},
}

MAX = 2**53 - 1
GOOD_DATE = "2020-01-02T03:04:05Z"
DATES = """
    2020-01-02T03:04:05Z 2020-01-02t03:04:05z 2020-01-02T03:04:05.123456789Z 2020-01-02T03:04:05.Z
    2020-01-02T03:04:05+01:00 2020-01-02T03:04:05-00:00 2020-01-02T03:04:05+24:00
    2020-01-02T03:04:05+0100 2020-01-02T03:04:05 2020-01-02T24:00:00Z 2020-01-02T03:04Z 2020-01-02
    2020-06-30T23:59:60Z 2020-06-29T12:00:60Z 2020-02-30T00:00:00Z 0000-01-01T00:00:00Z
""".split()
DATES += [f"2020-01-02T03:04:05.{'0' * zeros}Z" for zeros in (107, 108)]  # 128, 129 characters
DATES += ["2020-01-02 03:04:05Z"]
GOOD_URI = "https://a.example/wiki/A?b=c#d"
URIS = f"""
    {GOOD_URI} //a.example /wiki/A #a mailto:a@a.example
    % %zz http://[ ## 1:2 http://a:b < \\ http://a/\u00e9
""".split()
URIS += ["a b", *("a" * length for length in (128, 129, 8192, 8193))]
NUMBERS = [0, -1, 1, 2, 1.0, -1.0, 0.5, 1.5, 1e300, -1e300, MAX, MAX + 1, -MAX, -MAX - 1]
TEXTS = ["", "x", "xy", "0", "\u00e9\u4e2d"]
ARRAYS: list[Any] = [[], ["x"], [""], [None], [1], ["x", 1], [["x"]], [{}], [True]]
OBJECTS: list[Any] = [{}, {"x": None}, {"x": {}}]
VALUES = [None, True, False, *NUMBERS, *TEXTS, *DATES, *URIS, *ARRAYS, *OBJECTS]
# A bound -> the step that makes it weaker.
BOUNDS = {"minimum": -1, "maximum": 1, "minLength": -1, "maxLength": 1}
# Unknown members: any, one that other versions have, one spelt wrongly as in an upstream example.
NAMES = ("unknown", "dt", 'dt"', "$id", "")
TWO_MODELS = {
    "$schema": "/mediawiki/revision/score/3.0.0",
    "meta": {"stream": "a", "uri": "/wiki/A", "domain": "a.example"},
    "dt": "2020-01-02T03:04:05.6+07:00",
    "page_namespace": -1,
    "performer": {"user_text": "\u4e2d", "user_groups": []},
    "scores": {
        name: {
            "model_name": name,
            "model_version": "1",
            "prediction": ["false"],
            "probability": {"true": 0.25, "false": 0.75},
        }
        for name in ("damaging", "goodfaith")
    },
}


class Disproved(Exception):
    """A proof that failed, with the document (or schema) that shows it."""

    def __init__(self, claim: str, shown_by: Any) -> None:
        super().__init__(f"{claim}: {orjson.dumps(shown_by)[:4000].decode(errors='replace')}")


def is_uri_reference(value: object) -> bool:
    """Judge the format `uri-reference`, for which jsonschema has no checker of its own here."""
    return not isinstance(value, str) or _is_uri_reference(value)


@cache
def _is_uri_reference(value: str) -> bool:
    # The parser needs seconds for 8 KiB; a run of one letter is as well-formed as the letter.
    shorter = re.sub(r"([a-z])\1+", r"\1", value)
    # An IRI reference in ASCII is a URI reference (RFC 3987 adds only other characters).
    return value.isascii() and bool(is_valid_syntax("iri_reference", shorter))


CHECKER = FormatChecker(("date-time",))  # KeyError if nothing installed judges it
CHECKER.checks("uri-reference")(is_uri_reference)


def jsonschema_rs_judge(schema: Any) -> Judge:
    """Return whether jsonschema_rs accepts a document, formats included."""
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True).is_valid


def jsonschema_judge(schema: Any) -> Judge:
    """Return whether jsonschema accepts a document, formats included."""
    judge: Judge = Draft7Validator(schema, format_checker=CHECKER).is_valid
    return judge


LIBRARIES = (jsonschema_rs_judge, jsonschema_judge)  # the quick one first


def look(value: Any, place: Place) -> Any:
    """Return what is at `place`. raises: LookupError or TypeError if nothing is."""
    for step in place:
        value = value[step]
    return value


def changed(value: Any, place: Place, change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of `value` in which `change(holder, key)` was done where `place` is held."""
    box = [copy.deepcopy(value)]
    *way, key = (0, *place)
    change(look(box, tuple(way)), key)
    return box[0]


def removing(holder: Any, key: Any) -> None:
    """Take `key` out of its holder."""
    del holder[key]


def setting(value: Any) -> Callable[[Any, Any], None]:
    """Return the change that puts `value` at a place, existing or new."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = copy.deepcopy(value)

    return change


def appending(value: Any) -> Callable[[Any, Any], None]:
    """Return the change that adds an item to the array at a place."""

    def change(holder: Any, key: Any) -> None:
        holder[key].append(value)

    return change


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Yield the place of `value` and of everything in it."""
    yield at
    inner = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else inner:
        yield from places(item, (*at, key))


def subschemas(schema: dict[str, Any], at: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the places of all schemas in `schema`, itself first, with the schemas."""
    yield at, schema
    for name, inner in schema.get("properties", {}).items():
        yield from subschemas(inner, (*at, "properties", name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from subschemas(schema[keyword], (*at, keyword))


def knows(schema: dict[str, Any], place: Place) -> bool:
    """Return whether `schema` says anything of a document's `place`."""
    inner: Any = schema
    for step in place:
        if isinstance(step, int):
            inner = inner.get("items")
        else:
            inner = inner.get("properties", {}).get(step, inner.get("additionalProperties"))
        if not isinstance(inner, dict):
            return False
    return True


def sample(schema: dict[str, Any], *, full: bool) -> Any:
    """Return a valid document with every member of `schema`, or only with those required."""
    kind = schema["type"]
    if kind == "object":
        inner = dict(schema.get("properties", {}))
        if full and isinstance(schema.get("additionalProperties"), dict):
            inner.setdefault("entry", schema["additionalProperties"])
        names = inner if full else schema.get("required", ())
        return {name: sample(inner[name], full=full) for name in names}
    if kind == "array":
        return [sample(schema["items"], full=full)]
    if kind == "string":
        texts = {"date-time": GOOD_DATE, "uri-reference": GOOD_URI}
        return schema.get("enum", [texts.get(schema.get("format", ""), "text")])[0]
    return {"integer": 7, "number": 0.5, "boolean": False}[kind]


def systematic(document: Any, valued: Callable[[Place], bool]) -> Iterator[Any]:
    """Yield `document` with one change: each member removed, unknown members and items added, and
    all of VALUES put at the places that `valued` names."""
    for place in places(document):
        value = look(document, place)
        if place:
            yield changed(document, place, removing)
        for name in NAMES if isinstance(value, dict) else ():
            yield changed(document, (*place, name), setting(5))
        for item in (None, 1, "", "x") if isinstance(value, list) else ():
            yield changed(document, place, appending(item))
        for other in VALUES if valued(place) else ():
            yield changed(document, place, setting(other))


def mutated(document: Any, chance: random.Random) -> Any:
    """Return `document` with one to three random changes, most of which keep the type."""
    for _ in range(chance.randint(1, 3)):
        place = chance.choice([place for place in places(document) if place] or [()])
        value = look(document, place)
        same = [other for other in VALUES if type(other) is type(value)]
        what = chance.random()
        if what < 0.25 and place:
            document = changed(document, place, removing)
        elif what < 0.4 and isinstance(value, dict):
            name = chance.choice(NAMES)
            document = changed(document, (*place, name), setting(chance.choice(VALUES)))
        else:
            other = chance.choice(same if what < 0.85 and same else VALUES)
            document = changed(document, place, setting(other))
    return document


def corpus(upstream: dict[str, Any], ours: dict[str, Any], more: tuple[Any, ...] = ()) -> list[Any]:
    """Return different documents, the same in every run: valid ones, and changed ones."""
    full = sample(upstream, full=True)
    valid = [*upstream["examples"], *more, full, sample(upstream, full=False)]
    chance = random.Random(SEED)  # noqa: S311 - the same in every run is the point
    documents = [*valid, *systematic(full, lambda place: knows(ours, place))]
    documents += [mutated(chance.choice(valid), chance) for _ in range(RANDOM_DOCUMENTS)]
    return different(documents)


def different(documents: list[Any]) -> list[Any]:
    """Return `documents` without repetitions; 1 and 1.0 are different."""
    return list({orjson.dumps(document): document for document in documents}.values())


def verdicts(schema: dict[str, Any], documents: list[Any]) -> list[list[bool]]:
    """Return, per library, which documents `schema` accepts."""
    return [[*map(judge(schema), documents)] for judge in LIBRARIES]


def shares(name: str, accepted: list[list[bool]]) -> str:
    """Return how many documents are valid, in words, or refuse a corpus that says little."""
    counts = [sum(of_library) for of_library in accepted]
    total = len(accepted[0])
    fewest = min(min(counts), total - max(counts))
    if total < MINIMUM_DOCUMENTS or fewest < MINIMUM_SHARE * total:
        raise Disproved(f"{name}: too few documents, or too few valid or invalid", [total, *counts])
    return f"{name}: {total} documents, {' / '.join(map(str, counts))} valid"


def weakened(schema: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield copies of `schema`, each with one constraint less, and the place of that constraint."""
    for place, inner in subschemas(schema):
        for keyword in ("type", "format", "items", "additionalProperties", *BOUNDS):
            if keyword in inner:
                at = (*place, keyword)
                yield (*at, "dropped"), changed(schema, at, removing)
        for keyword, outwards in BOUNDS.items():
            if keyword in inner:
                at = (*place, keyword)
                yield (*at, "moved"), changed(schema, at, setting(inner[keyword] + outwards))
        for index, name in enumerate(inner.get("required", ())):
            at = (*place, "required", index)
            yield (*at, name, "dropped"), changed(schema, at, removing)
        for name in inner.get("properties", {}):
            at = (*place, "properties", name)
            yield (*at, "dropped"), changed(schema, at, removing)


def strengthened(schema: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield copies of `schema`, each with one constraint more, and the place of that constraint."""
    for place, inner in subschemas(schema):
        if inner["type"] == "object" and inner.get("additionalProperties") is not False:
            at = (*place, "additionalProperties")
            yield (*at, "false"), changed(schema, at, setting(False))
        for keyword, outwards in BOUNDS.items():
            if keyword in inner:
                at = (*place, keyword)
                yield (*at, "moved"), changed(schema, at, setting(inner[keyword] - outwards))
        required = inner.get("required", [])
        for name in inner.get("properties", {}):
            at = (*place, "properties", name)
            yield (*at, "refused"), changed(schema, at, setting(False))
            if name not in required:
                at = (*place, "required")
                yield (*at, name, "added"), changed(schema, at, setting([*required, name]))


def as_strict(reader: dict[str, Any], upstream: dict[str, Any]) -> dict[str, Any]:
    """Return `reader` with the bounds and required members of `upstream`, as far as it has them:
    the strictest reader that still has to accept all that upstream accepts."""
    strict = copy.deepcopy(reader)
    for place, inner in subschemas(strict):
        theirs = look(upstream, place)
        inner |= {name: theirs[name] for name in BOUNDS if name in inner and name in theirs}
        if "properties" in inner:
            names = theirs.get("required", ())
            inner["required"] = [name for name in names if name in inner["properties"]]
    return strict


def count_noticed(
    name: str,
    spoilt: Iterator[tuple[Place, dict[str, Any]]],
    documents: list[Any],
    shows: Callable[[int, int, bool], bool],
) -> int:
    """Return how many spoilt schemas there are, if a document shows the fault of each in both
    libraries. shows: of library number, document number and the spoilt schema's verdict."""
    count = 0
    for place, schema in spoilt:
        quick, slow = (judge(schema) for judge in LIBRARIES)
        if not any(
            shows(0, i, quick(document)) and shows(1, i, slow(document))
            for i, document in enumerate(documents)
        ):
            raise Disproved(f"{name}: no document shows the fault of this schema", place)
        count += 1
    return count


def load_ours(name: str) -> dict[str, Any]:
    """Return one of our schemas, of the draft-07 dialect."""
    schema: dict[str, Any] = orjson.loads((OURS / f"{name}.json").read_bytes())
    if schema["$schema"] != "http://json-schema.org/draft-07/schema#":
        raise Disproved(f"{name}: not draft-07", schema["$schema"])
    Draft7Validator.check_schema(schema)
    return schema


def load_upstream(directory: Path, title: str, version: str) -> dict[str, Any]:
    """Return an upstream schema; its title and `$id` must be those of its place."""
    schema: dict[str, Any] = yaml.safe_load((directory / title / version).read_bytes())
    if (schema["title"], schema["$id"]) != (title, f"/{title}/{version}"):
        raise Disproved(f"{title}/{version}: other title or $id", [schema["title"], schema["$id"]])
    return schema


def prove_formats(_: Path) -> Iterator[str]:
    """Both libraries judge the formats, so that the other proofs are about them too."""
    cases = {"date-time": (GOOD_DATE, "2020-01-02"), "uri-reference": (GOOD_URI, "a b")}
    for name, (good, bad) in cases.items():
        for judge in LIBRARIES:
            accepts = judge({"format": name})
            if not accepts(good) or accepts(bad):
                raise Disproved(f"{judge.__name__} does not judge {name}", [good, bad])
    yield "formats: both libraries judge date-time and uri-reference"


def compare(
    name: str, documents: list[Any], ours: dict[str, Any], theirs: list[list[bool]], *, equal: bool
) -> None:
    """Refuse `ours` if it refuses what upstream accepts or, where `equal`, the other way round."""
    for judge, verdicts_of_theirs in zip(LIBRARIES, theirs, strict=True):
        accepts = judge(ours)
        for document, right in zip(documents, verdicts_of_theirs, strict=True):
            if (right or equal) and accepts(document) != right:
                says = f"{judge.__name__} accepts this by " + ("upstream's" if right else "ours")
                raise Disproved(f"{name}: {says} schema only", document)


def prove_output(directory: Path) -> Iterator[str]:
    """Our output schema and upstream's accept the same documents."""
    name = "/".join(OUTPUT)
    upstream, ours = load_upstream(directory, *OUTPUT), load_ours(name)
    if (ours["title"], ours["$id"]) != (upstream["title"], upstream["$id"]):
        raise Disproved(f"{name}: another title or $id", [ours["title"], ours["$id"]])
    documents = corpus(upstream, ours, (TWO_MODELS,))
    theirs = verdicts(upstream, documents)
    counted = shares(f"output {name}", theirs)
    compare(name, documents, ours, theirs, equal=True)
    spoilt = chain(weakened(ours), strengthened(ours))
    faults = count_noticed(name, spoilt, documents, lambda lib, i, says: says != theirs[lib][i])
    yield f"{counted}; ours judges them as upstream's does; {faults} spoilt schemas noticed"


def prove_reader(directory: Path, title: str, major: str) -> Iterator[str]:
    """A reader accepts what upstream accepts, and nothing that cannot be built into an output."""
    reader = load_ours(f"readers/{title}/{major}")
    if reader["title"] != title:
        raise Disproved(f"reader {title}/{major}: another title", reader["title"])
    together = []
    for version in READERS[title, major]:
        name = f"reader {title}/{major} of {version}"
        upstream = load_upstream(directory, title, version)
        documents = corpus(upstream, reader)
        theirs = verdicts(upstream, documents)
        counted = shares(name, theirs)
        compare(name, documents, reader, theirs, equal=False)
        faults = count_noticed(
            name,
            strengthened(as_strict(reader, upstream)),
            documents,
            lambda lib, i, says, theirs=theirs: theirs[lib][i] and not says,  # type: ignore[misc]
        )
        together += documents
        yield f"{counted}; ours accepts these; {faults} spoilt schemas noticed"
    yield prove_buildable(load_upstream(directory, *OUTPUT), reader, different(together))


def built(document: Any, copied: dict[str, str]) -> dict[str, Any]:
    """Return the output document with the members of `document` that are there to copy."""
    result: dict[str, Any] = {"$schema": "/".join(("", *OUTPUT)), "meta": {}}
    for target, source in copied.items():
        try:
            value = look(document, tuple(source.split(".")))
        except (LookupError, TypeError):
            continue
        *outer, name = target.split(".")
        (result.setdefault(outer[0], {}) if outer else result)[name] = value
    # 0 is the one thing that may be read and cannot be sent: the builder refuses it.
    if copied["page_id"] == "page.page_id" and result.get("page_id") == 0:
        result["page_id"] = 1
    return result


def prove_buildable(upstream: dict[str, Any], reader: dict[str, Any], documents: list[Any]) -> str:
    """What `reader` accepts is valid by `upstream`, the output schema, once it is copied."""
    name, copied = f"buildable {reader['$id']}", COPIED[reader["title"]]
    outputs = [built(document, copied) for document in documents]
    fine = verdicts(upstream, outputs)
    accepted = verdicts(reader, documents)
    for document, *judged in zip(documents, *accepted, *fine, strict=True):
        if judged[0] > judged[2] or judged[1] > judged[3]:
            raise Disproved(f"{name}: accepted, but makes no valid output", document)
    leaves = [
        tuple(f"properties.{source.replace('.', '.properties.')}".split("."))
        for source in copied.values()
    ]
    spoilt = (
        (place, schema)
        for place, schema in weakened(reader)
        if any(place[: len(leaf)] == leaf for leaf in leaves)
    )
    faults = count_noticed(name, spoilt, documents, lambda lib, i, says: says and not fine[lib][i])
    counts = " / ".join(str(sum(of_library)) for of_library in accepted)
    return (
        f"{name}: {len(documents)} documents, {counts} accepted; "
        f"these can all be built; {faults} spoilt schemas noticed"
    )


def main(arguments: list[str]) -> int:
    """Run all proofs, one line each; 1 if any fails."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    proofs = [prove_formats, prove_output]
    proofs += [partial(prove_reader, title=title, major=major) for title, major in READERS]
    failures = 0
    for prove in proofs:
        try:
            for line in prove(Path(arguments[0])):
                print("proven", line, flush=True)
        except (Disproved, OSError, KeyError) as error:
            failures += 1
            print(f"FAILED {type(error).__name__}: {error}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
