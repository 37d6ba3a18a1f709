"""The soak's page changes: each is made from (seed, index) alone and knows who has to publish it.

What a change is lies in its rev_id and title, so that predictor and EventGate know it too, and a
published document names the change that it has to be about. Two changes share each page.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from dataclasses import dataclass
from typing import Any, Final

PAGE_CHANGE_TYPE: Final = "org.wikimedia.mediawiki.page.change.v1"
_FIRST_PAGE: Final = 1_000_000
_KINDS: Final = 100  # rev_id = (index + 1) * this + number of its kind
_IDS: Final = uuid.UUID("6f1d7c9e-53c8-4f53-9f43-0a4be6f3b7a1")
_DT: Final = "2026-09-23T10:00:00Z"

DRAFTTOPIC: Final = "drafttopic"
OUTLINK: Final = "outlink-topic-model"
COUNTRY: Final = "article-country"
TAGS: Final = "article-country-tags"
AGNOSTIC: Final = "revertrisk-language-agnostic"
MULTILINGUAL: Final = "revertrisk-multilingual"
WIKIDATA: Final = "revertrisk-wikidata"
# Made from another row's event: no row of its own for a caller who names rows.
FOLLOWS: Final = {TAGS: COUNTRY}
STREAMS: Final = {
    "mediawiki.revision_score_drafttopic": DRAFTTOPIC,
    "mediawiki.page_outlink_topic_prediction_change.v1": OUTLINK,
    "mediawiki.article_country_prediction_change.v1": COUNTRY,
    "mediawiki.cirrussearch.page_weighted_tags_change.v1": TAGS,
    "mediawiki.page_revert_risk_prediction_change.v1": AGNOSTIC,
    "mediawiki.page_revert_risk_multilingual_prediction_change.v1": MULTILINGUAL,
    "mediawiki.page_revert_risk_wikidata_prediction_change.v1": WIKIDATA,
}
_ARTICLE: Final = frozenset((OUTLINK, COUNTRY, TAGS))
_ALL: Final = _ARTICLE | {DRAFTTOPIC, AGNOSTIC, MULTILINGUAL}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change.

    weight:     how often, relative to the others.
    rows:       all that have to publish it.
    fails_at:   `predictor` or `eventgate`, which never takes it: it ends as a dead letter.
    """

    name: str
    weight: int
    rows: frozenset[str]
    wiki: str = "enwiki"
    domain: str = "en.wikipedia.org"
    change: str = "edit"
    namespace: int = 0
    redirect: bool = False
    hidden: bool = False
    fails_at: str = ""


_NONE: Final[frozenset[str]] = frozenset()
KINDS: Final = (
    Kind("edit", 30, _ALL),
    Kind("create", 8, _ARTICLE | {DRAFTTOPIC}, change="create"),
    Kind("move", 4, _ARTICLE | {AGNOSTIC, MULTILINGUAL}, change="move"),
    Kind("french", 10, _ARTICLE | {AGNOSTIC, MULTILINGUAL}, "frwiki", "fr.wikipedia.org"),
    Kind("cebuano", 6, _ARTICLE | {AGNOSTIC}, "cebwiki", "ceb.wikipedia.org"),
    Kind("item", 10, frozenset((WIKIDATA,)), "wikidatawiki", "www.wikidata.org"),
    Kind("talk", 8, frozenset((DRAFTTOPIC,)), namespace=1),
    Kind("redirect", 4, frozenset((DRAFTTOPIC,)), redirect=True),
    Kind("voro", 2, _ARTICLE, "fiu_vrowiki", "fiu-vro.wikipedia.org"),
    Kind("canary", 3, _NONE, domain="canary"),
    Kind("hidden", 3, _NONE, hidden=True),
    Kind("delete", 3, _NONE, change="delete"),
    Kind("meta", 3, _NONE, "metawiki", "meta.wikimedia.org"),
    Kind("unscorable", 3, _ALL, fails_at="predictor"),
    Kind("invalid", 2, _ALL, fails_at="eventgate"),
    Kind("not_allowed", 1, _ALL, fails_at="eventgate"),
)
_WEIGHTS: Final = [kind.weight for kind in KINDS]


@dataclass(frozen=True, slots=True)
class Change:
    """One page change of the soak; `way` is who delivers it: broker, changeprop or events."""

    index: int
    kind: Kind
    way: str
    id: str

    @property
    def page_id(self) -> int:
        return _FIRST_PAGE + self.index // 2

    @property
    def rev_id(self) -> int:
        return (self.index + 1) * _KINDS + KINDS.index(self.kind)

    @property
    def title(self) -> str:
        return f"Soak_{self.rev_id}"

    def document(self) -> dict[str, Any]:
        """Return the mediawiki/page/change document."""
        kind = self.kind
        return {
            "$schema": "/mediawiki/page/change/1.2.0",
            "meta": {
                "stream": "mediawiki.page_change.v1",
                "id": self.id,
                "request_id": f"soak-{self.index}",
                "domain": kind.domain,
            },
            "changelog_kind": "delete" if kind.change == "delete" else "update",
            "page_change_kind": kind.change,
            "dt": _DT,
            "wiki_id": kind.wiki,
            "page": {
                "page_id": self.page_id,
                "page_title": self.title,
                "namespace_id": kind.namespace,
                "is_redirect": kind.redirect,
            },
            "revision": {
                "rev_id": self.rev_id,
                "rev_dt": _DT,
                "is_content_visible": not kind.hidden,
            },
        }

    def attributes(self) -> dict[str, str]:
        """Return the attributes of its CloudEvent, as the Broker holds it."""
        kind = self.kind
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/mediawiki/{kind.wiki}",
            "type": PAGE_CHANGE_TYPE,
            "time": _DT,
            "subject": f"{kind.wiki}/{self.page_id}/{self.rev_id}",
            "partitionkey": f"{kind.wiki}:{self.page_id}",
            "wikiid": kind.wiki,
            "stream": "mediawiki.page_change.v1",
            "pagechangekind": kind.change,
            "namespaceid": str(kind.namespace),
            "isredirect": "true" if kind.redirect else "false",
        }


def change(seed: int, index: int) -> Change:
    """Return one change of the soak with this seed."""
    chance = random.Random(f"{seed}/change/{index}")  # noqa: S311  # repeatable, not secret
    kind = chance.choices(KINDS, _WEIGHTS)[0]
    way = chance.choices(("broker", "changeprop", "events"), (70, 15, 15))[0]
    return Change(index, kind, way, str(uuid.uuid5(_IDS, f"{seed}/{index}")))


def index_of(rev_id: int) -> int:
    """Return of which change a revision is."""
    return rev_id // _KINDS - 1


def kind_of(rev_id: int) -> Kind:
    """Return of which kind the change of a revision is. raises: IndexError."""
    return KINDS[rev_id % _KINDS]


def index_of_id(document: Any) -> int | None:
    """Return of which change a page change or an output document is; None if it is of none."""
    try:
        if "rev_id" in document:
            return index_of(int(document["rev_id"]))
        if "revision" in document:
            return index_of(int(document["revision"]["rev_id"]))
        return index_of(int(document["page"]["page_title"].removeprefix("Soak_")))
    except (KeyError, TypeError, ValueError):
        return None


def score(model: str, about: int | str) -> float:
    """Return what the soak's predictor says of a revision id, or of a title."""
    digest = hashlib.blake2b(f"{model}/{about}".encode(), digest_size=4).digest()
    return round(0.5 + int.from_bytes(digest, "big") / 2**33, 6)  # over 0.5: always a label


def wrong_in(published: Change, row: str, document: Any) -> str:
    """Return what a published document says that is not true of this change; empty if nothing."""
    page = document.get("page", {})
    found = {
        "wiki": document.get("wiki_id", document.get("database")),
        "page_id": document.get("page_id", page.get("page_id")),
        "title": document.get("page_title", page.get("page_title")),
        "rev_id": document.get("rev_id", document.get("revision", {}).get("rev_id")),
        "score": _score_in(row, document),
    }
    about = published.title if row in (COUNTRY, TAGS) else published.rev_id
    wanted = {
        "wiki": published.kind.wiki,
        "page_id": published.page_id,
        "title": published.title,
        "rev_id": None if row == TAGS else published.rev_id,  # tags are of a page
        "score": score(COUNTRY if row == TAGS else row, about),
    }
    return ", ".join(
        f"{name} {json.dumps(found[name])}, not {json.dumps(value)}"
        for name, value in wanted.items()
        if found[name] != value
    )


def _score_in(row: str, document: Any) -> Any:
    try:
        if row == DRAFTTOPIC:
            return document["scores"][row]["probability"]["STEM.STEM*"]
        if row == TAGS:
            (tag,) = document["weighted_tags"]["set"]["classification.prediction.articlecountry"]
            return tag["score"]
        predicted = document["predicted_classification"]["probabilities"]
        return predicted[{OUTLINK: "STEM.STEM*", COUNTRY: "Kenya"}.get(row, "true")]
    except (KeyError, TypeError, ValueError):
        return None
