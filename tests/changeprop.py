"""change propagation as it calls model servers today: its rules, what they match, their requests.

Written from its configuration, not from our code.
Source: wikimedia/operations-deployment-charts, helmfile.d/services/changeprop, charts/changeprop;
wikimedia/mediawiki-services-change-propagation, lib/rule.js.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.factories import page_change
from tests.upstream import Reply, call

REQUEST_ID: Final = "508ba834-4574-47a0-adc6-c847117a545c"
_COMMON: Final = r"(?!.*(commons|meta|sources|species|wikidata)).*wiki"
_MULTILINGUAL: Final = (
    "(ka|lv|ta|ur|eo|lt|sl|hy|hr|sk|eu|et|ms|az|da|bg|sr|ro|el|th|bn|no|hi|ca|hu|ko|fi|vi|uz|sv|cs"
    "|he|id|tr|uk|nl|pl|ar|fa|it|zh|ru|es|ja|de|fr|en|test)wiki"
)
_TONE: Final = "(en|pt|fr|ar|test)wiki"
_WIKIPEDIA: Final = r".*.wikipedia.org"
_MOVED: Final = ("edit", "create", "move")
_MADE: Final = ("edit", "create")


def event(**over: Any) -> dict[str, Any]:
    """The smallest page change with what the headers of a call are made of."""
    uri = "https://en.wikipedia.org/wiki/Caf%C3%A9"
    meta = {"request_id": REQUEST_ID, "uri": uri, **over.pop("meta", {})}
    return page_change(meta=meta, **over)


def wrapped(document: Any) -> bytes:
    """The body of a call."""
    return json.dumps({"event": document}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule for a model server.

    per_wiki:  whether the InferenceService is that of the event's wiki.
    articles:  whether is_redirect has to be false and the namespace 0.
    """

    model: str
    namespace: str
    wikis: str
    kinds: tuple[str, ...]
    domain: str = ".*"
    per_wiki: bool = False
    articles: bool = True

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether the rule makes its request about this event; canaries are left out by default."""
        meta, page = event["meta"], event["page"]
        return bool(
            meta["domain"] != "canary"
            and re.fullmatch(self.wikis, event["wiki_id"])
            and event["page_change_kind"] in self.kinds
            and re.fullmatch(self.domain, meta["domain"])
            and (
                not self.articles
                or (page.get("is_redirect") is False and page.get("namespace_id") == 0)
            )
        )

    def isvc(self, event: Mapping[str, Any]) -> str:
        return f"{event['wiki_id']}-{self.model}" if self.per_wiki else self.model

    def path(self, event: Mapping[str, Any]) -> str:
        return f"/v1/models/{self.isvc(event)}:predict"

    def headers(self, event: Mapping[str, Any], repeated: int = 0) -> dict[str, str]:
        """The request's headers; each repetition adds what it was caused by."""
        meta = event["meta"]
        cause = f",{meta['stream']}:{meta['uri']}"
        retry = f",change-prop.retry.{meta['stream']}:{meta['uri']}"
        return {
            "Host": f"{self.isvc(event)}.{self.namespace}.wikimedia.org",
            "content-type": "application/json",
            "x-request-id": meta["request_id"],
            "x-triggered-by": f"req:{meta['request_id']}{cause}{retry * repeated}",
            "user-agent": "ChangePropagation/WMF",
        }

    def send(self, port: int, event: Mapping[str, Any], repeated: int = 0) -> Reply:
        """Make the request at a server on loopback; the body holds the event as it came."""
        body = json.dumps({"event": event}).encode()
        return call(port, self.path(event), self.headers(event, repeated), body, timeout=30)


def _rule(model: str, namespace: str, wikis: str, **more: Any) -> Rule:
    return Rule(model=model, namespace=namespace, wikis=wikis, **{"kinds": _MOVED, **more})


PRODUCTION: Final = {
    rule.model: rule
    for rule in (
        _rule(
            "drafttopic",
            "revscoring-drafttopic",
            "enwiki",
            kinds=_MADE,
            per_wiki=True,
            articles=False,
        ),
        _rule("outlink-topic-model", "articletopic-outlink", _COMMON),
        _rule("article-country", "article-models", _COMMON),
        _rule("revertrisk-language-agnostic", "revertrisk", _COMMON),
        _rule("revertrisk-multilingual", "revertrisk", _MULTILINGUAL, domain=_WIKIPEDIA),
        _rule("revertrisk-wikidata", "revertrisk", "wikidatawiki", domain="www.wikidata.org"),
        _rule(
            "revise-tone-task-generator",
            "revise-tone-task-generator",
            _TONE,
            kinds=("edit",),
            domain=_WIKIPEDIA,
        ),
    )
}
STAGING: Final = {
    rule.model: rule
    for rule in (
        _rule(
            "goodfaith",
            "revscoring-editquality-goodfaith",
            "enwiki",
            kinds=_MADE,
            per_wiki=True,
            articles=False,
        ),
        _rule("outlink-topic-model", "articletopic-outlink", "enwiki", kinds=_MADE),
        _rule("article-country", "article-models", "enwiki", kinds=_MADE),
        _rule("revertrisk-language-agnostic", "revertrisk", "enwiki", kinds=_MADE),
        _rule("revertrisk-multilingual", "revertrisk", "enwiki", kinds=_MADE),
        _rule("revertrisk-wikidata", "revertrisk", "wikidatawiki", kinds=_MADE),
        _rule(
            "revise-tone-task-generator",
            "revise-tone-task-generator",
            _TONE,
            kinds=("edit",),
            domain=_WIKIPEDIA,
        ),
    )
}
