"""Sample answers of the article-country model, which asks about a page and knows no revision.

| title begins with       | answer                                                            |
|-------------------------|-------------------------------------------------------------------|
| `Sample_500_`           | 500 `error` "Failed to ...": MediaWiki or Wikidata failed         |
| `Sample_exception_`     | 500 `error` "LookupError : ...", as for any unplanned exception   |
| `Sample_slow_25_`       | the countries after 2.5 seconds; any number of tenths             |
| `Sample_wrong_shape_`   | 200 of a wrong shape: `{"predictions": []}`                       |
| `Sample_null_`          | 200, countries with null scores                                   |
| `Sample_not_ready_`     | 503 `error` "Model with name ... is not ready."                   |
| `Sample_none_`          | 200, `wikidata_item` null and no results, as for a deleted page   |
| absent, empty, no text  | 400 `error` "The parameter title is required."                    |
| anything else           | 200, one to three countries, or for a third of the titles none    |

`lang`: absent or empty 400 `error` "The parameter lang is required."; ending in `wiki` 400 `error`;
not the first label of a Wikipedia's host name 500 `error` "Failed to ...".

source: machinelearning-liftwing-inference-services article_country.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from kserve.errors import (
    InferenceError,
    InvalidInput,
    ModelNotReady,
)

from sinks.local.samples import hosts
from sinks.local.samples.ranges import share

VERSION: Final = "1"
NONE: Final = "Sample_none_"
NULL: Final = "Sample_null_"
WRONG_SHAPE: Final = "Sample_wrong_shape_"
SLOW: Final = re.compile(r"Sample_slow_(\d{1,3})_")
ERRORS: Final[Mapping[str, tuple[Callable[[str], Exception], str]]] = {
    "Sample_500_": (InferenceError, "Failed to ask MediaWiki for the sample {title}"),
    "Sample_exception_": (LookupError, "sample, title {title}"),
    "Sample_not_ready_": (ModelNotReady, "{isvc}"),
}
COUNTRIES: Final = tuple(
    "Bolivia|Estonia|Fiji|Ghana|India|Japan|Jordan|Kenya|Norway|Peru|Portugal|Vietnam".split("|")
)
PROPERTIES: Final = ({"P17": "country"}, {"P495": "country of origin"})
SUBJECTS: Final = ("Rivers", "Buildings")


def answer(isvc: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the countries of one page, or what the module's table says instead."""
    lang, title = required(request, "lang"), required(request, "title")
    if lang.endswith("wiki"):
        raise InvalidInput("Expected lang without the suffix wiki")
    hosts.check(lang)
    for prefix, (error, text) in ERRORS.items():
        if title.startswith(prefix):
            raise error(text.format(isvc=isvc, title=title))
    if title.startswith(WRONG_SHAPE):
        return {"predictions": []}
    number = share(isvc, title, "item")
    has_item = number > 1 / 8 and not title.startswith(NONE)
    return {
        "model_name": isvc,
        "model_version": VERSION,
        "prediction": {
            "article": f"https://{lang}.wikipedia.org/wiki/{title}",
            "wikidata_item": f"Q{number * 10**8:.0f}" if has_item else None,
            "results": sample_results(isvc, title, PROPERTIES if has_item else ()),
        },
    }


def delay_seconds(title: object) -> float:
    """Return how long the answer for this title takes; 0.0 for all but the slow ones."""
    slow = SLOW.match(title) if isinstance(title, str) else None
    return int(slow[1]) / 10 if slow else 0.0


def required(request: Mapping[str, Any], name: str) -> str:
    """Return the text of a member that may not be absent or empty. raises: InvalidInput."""
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"The parameter {name} is required.")
    return value


def sample_results(
    isvc: str, title: str, properties: tuple[dict[str, str], ...]
) -> list[dict[str, Any]]:
    """Return the countries, highest score first. The score is the part of the most evidence.

    A country that only links speak for has no evidence, so its score is 0.0.
    """
    rare = share(isvc, title) < 1 / 3 and not title.startswith(NULL)
    if rare or title.startswith(NONE):
        return []
    count = 1 + int(share(isvc, title, "count") * 2.9)
    chosen = sorted(COUNTRIES, key=lambda country: share(isvc, title, country))[:count]
    sources = {country: source(isvc, title, country, properties) for country in chosen}
    evidence = {
        country: len(found["wikidata_properties"]) + len(found["categories"])
        for country, found in sources.items()
    }
    most = max(1, *evidence.values())
    return [
        {
            "country": country,
            "score": None if title.startswith(NULL) else evidence[country] / most,
            "source": sources[country],
        }
        for country in sorted(chosen, key=evidence.__getitem__, reverse=True)
    ]


def source(
    isvc: str, title: str, country: str, properties: tuple[dict[str, str], ...]
) -> dict[str, Any]:
    """Return what speaks for a country: properties, categories, and links where there are some."""
    weight = share(isvc, title, country, "weight")
    categories = [f"Category:{subject} in {country}" for subject in SUBJECTS]
    found = {
        "wikidata_properties": list(properties[: int(weight * 3)]),
        "categories": categories[: int(share(isvc, title, country, "categories") * 3)],
    }
    if found["categories"] and weight < 0.5:
        return found
    link = {"country": country, "count": round(weight * 50 + 3, 1), "prop-tfidf": weight}
    return {**found, "links": [link]}
