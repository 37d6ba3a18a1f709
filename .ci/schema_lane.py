"""Prove our schema files against an upstream checkout, on generated documents.

    python .ci/schema_lane.py SCHEMAS_DIR

SCHEMAS_DIR is the `jsonschema` directory of the event schema repository; what it lacks is inferred
(`schema_inferred.py`). Proven are:
  equal     each output schema, and each complete input schema that tests make documents from,
            accepts and refuses exactly what upstream's does;
  reader    each reader schema accepts whatever any upstream version of its major accepts;
  buildable what a reader accepts can be copied into a valid output document, unless the builder
            refuses it (REFUSED).
Each proof is repeated with schemas spoilt on purpose; a spoilt one that nobody notices fails the
run, because then the documents prove nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml
from schema_buildable import CHANGE, CREATE, PREDICTION, SCORE, TAGS, prove_buildable
from schema_documents import GOOD_DATE, GOOD_URI, corpus, different
from schema_inferred import INFERRED
from schema_judges import LIBRARIES, Disproved, Verdicts, check_is_draft7, verdicts
from schema_spoilt import as_strict, count_noticed, strengthened, weakened

ROOT = Path(__file__).parents[1]
OURS = ROOT / "sinks" / "schemas"
INPUTS = ROOT / "tests" / "data" / "schemas"
MINIMUM_DOCUMENTS = 1000
MINIMUM_SHARE = 0.2  # of valid, and of invalid documents

# Upstream schema -> our file that says the same.
EQUAL = {name: OURS / f"{name}.json" for name in (SCORE, f"{PREDICTION}/1.3.0", TAGS)}
EQUAL |= {
    f"{title}/{version}": INPUTS / title / f"{version}.json"
    for title, versions in {
        CHANGE: ("1.0.0", "1.1.0", "1.2.0"),
        CREATE: ("1.0.0", "1.1.0", "1.2.0", "2.0.0"),
    }.items()
    for version in versions
}
EQUAL[f"{CHANGE}/1.12.0"] = INPUTS / CHANGE / "newer.json"


class Reader(NamedTuple):
    """A reader schema: what it has to accept, and what is built from it.

    versions: of upstream. output: an upstream schema.
    demanded: members that upstream does not require and the reader does, as without them there is
    nothing to read.
    """

    title: str
    major: str
    versions: tuple[str, ...]
    output: str
    demanded: tuple[str, ...] = ()


READERS = (
    Reader(CHANGE, "1", ("1.0.0", "1.1.0", "1.2.0", "1.12.0"), SCORE),
    Reader(CREATE, "1", ("1.0.0", "1.1.0", "1.2.0"), SCORE),
    Reader(CREATE, "2", ("2.0.0",), SCORE),
    Reader(PREDICTION, "1", ("1.0.0", "1.1.0", "1.3.0"), TAGS, ("predicted_classification",)),
)
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
EXAMPLES = {SCORE: (TWO_MODELS,)}


class Judged(NamedTuple):
    """An upstream schema, documents for it, and what the libraries say of these by it."""

    schema: dict[str, Any]
    documents: list[Any]
    accepted: Verdicts


def load_upstream(directory: Path, name: str) -> dict[str, Any]:
    """Return an upstream schema, at hand or inferred; its title and `$id` must be its name's."""
    nearest, edits = INFERRED.get(name, (name, ()))
    schema: dict[str, Any] = yaml.safe_load((directory / nearest).read_bytes())
    check_names(nearest, schema)
    for edit in edits:
        schema = edit(schema)
    return {**schema, "title": name.rpartition("/")[0], "$id": f"/{name}"}


def load_ours(name: str, path: Path) -> dict[str, Any]:
    """Return one of our schemas, of the draft-07 dialect."""
    schema: dict[str, Any] = orjson.loads(path.read_bytes())
    check_is_draft7(name, schema)
    check_names(name, schema)
    return schema


def check_names(name: str, schema: dict[str, Any]) -> None:
    """Refuse a schema whose `$id` is not its name, or whose title is not that of its events."""
    title = name.removeprefix("readers/").rpartition("/")[0]
    if (schema["title"], schema["$id"]) != (title, f"/{name}"):
        raise Disproved(f"{name}: other title or $id", [schema["title"], schema["$id"]])


@cache
def judged(directory: Path, name: str) -> Judged:
    """Return the documents for an upstream schema, and which of them it accepts."""
    schema = load_upstream(directory, name)
    documents = corpus(schema, EXAMPLES.get(name, ()))
    return Judged(schema, documents, verdicts(schema, documents))


def with_members(names: tuple[str, ...], upstream: Judged) -> Judged:
    """Return `upstream` with only those documents that have these members, if any are named."""
    rows = zip(upstream.documents, *upstream.accepted, strict=True)
    kept = (row for row in rows if {*names} <= {*(row[0] if isinstance(row[0], dict) else ())})
    documents, *accepted = ([*column] for column in zip(*kept, strict=True))
    return Judged(upstream.schema, documents, accepted)


def shares(name: str, accepted: Verdicts) -> str:
    """Return how many documents are valid, in words, or refuse a corpus that says little."""
    counts = [sum(of_library) for of_library in accepted]
    total = len(accepted[0])
    fewest = min(min(counts), total - max(counts))
    if total < MINIMUM_DOCUMENTS or fewest < MINIMUM_SHARE * total:
        raise Disproved(f"{name}: too few documents, or too few valid or invalid", [total, *counts])
    return f"{name}: {total} documents, {' / '.join(map(str, counts))} valid"


def compare(name: str, upstream: Judged, ours: dict[str, Any], *, equal: bool) -> None:
    """Refuse `ours` if it refuses what upstream accepts or, where `equal`, the other way round."""
    for judge, accepted in zip(LIBRARIES, upstream.accepted, strict=True):
        accepts = judge(ours)
        for document, right in zip(upstream.documents, accepted, strict=True):
            if (right or equal) and accepts(document) != right:
                says = f"{judge.__name__} accepts this by " + ("upstream's" if right else "ours")
                raise Disproved(f"{name}: {says} schema only", document)


def prove_formats(_: Path) -> Iterator[str]:
    """Both libraries judge the formats, so that the other proofs are about them too."""
    cases = {"date-time": (GOOD_DATE, "2020-01-02"), "uri-reference": (GOOD_URI, "a b")}
    for name, (good, bad) in cases.items():
        for judge in LIBRARIES:
            accepts = judge({"format": name})
            if not accepts(good) or accepts(bad):
                raise Disproved(f"{judge.__name__} does not judge {name}", [good, bad])
    yield "formats: both libraries judge date-time and uri-reference"


def prove_equal(directory: Path, name: str) -> Iterator[str]:
    """Our schema and upstream's accept the same documents."""
    ours, upstream = load_ours(name, EQUAL[name]), judged(directory, name)
    counted = shares(f"equal {name}", upstream.accepted)
    compare(name, upstream, ours, equal=True)
    faults = count_noticed(
        name,
        chain(weakened(ours), strengthened(ours)),
        upstream.documents,
        lambda lib, i, says: says != upstream.accepted[lib][i],
    )
    yield f"{counted}; ours judges them as upstream's does; {faults} spoilt schemas noticed"


def prove_reader(directory: Path, reader: Reader) -> Iterator[str]:
    """A reader accepts what upstream accepts, and nothing that cannot be built into an output."""
    ours_name = f"readers/{reader.title}/{reader.major}"
    ours = load_ours(ours_name, OURS / f"{ours_name}.json")
    together = []
    for version in reader.versions:
        name = f"reader {reader.title}/{reader.major} of {version}"
        upstream = with_members(reader.demanded, judged(directory, f"{reader.title}/{version}"))
        counted = shares(name, upstream.accepted)
        compare(name, upstream, ours, equal=False)
        faults = count_noticed(
            name,
            strengthened(as_strict(ours, upstream.schema, reader.demanded)),
            upstream.documents,
            lambda lib, i, says, theirs=upstream.accepted: theirs[lib][i] and not says,  # type: ignore[misc]
        )
        together += upstream.documents
        yield f"{counted}; ours accepts these; {faults} spoilt schemas noticed"
    output = load_upstream(directory, reader.output)
    yield prove_buildable(output, ours, different(together))


def main(arguments: list[str]) -> int:
    """Run all proofs, one line each; 1 if any fails."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    proofs = [prove_formats]
    proofs += [partial(prove_equal, name=name) for name in EQUAL]
    proofs += [partial(prove_reader, reader=reader) for reader in READERS]
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
