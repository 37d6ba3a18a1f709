"""The one table of models: which changes each takes, what it is asked, and what it is published as.

README says what else a new model needs besides its row here.
Source: change propagation's rules for the model servers; the servers' own settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from sinks import (
    article_country,
    outlink,
    page_change,
    prediction_classification,
    revertrisk,
    revise_tone,
    revision_create,
    revision_score,
    revscoring,
    weighted_tags,
)
from sinks.deployed import InferenceService
from sinks.model_row import ModelRow, Question, Wanted
from sinks.revscoring import Labels
from sinks.wikis import WIKIPEDIA

_TAGS_STREAM: Final = "mediawiki.cirrussearch.page_weighted_tags_change.v1"
_TEST_TAGS_STREAM: Final = "mediawiki.page_weighted_tags_change.rc0"


def _revscoring(name: str, labels: Labels, stream: str) -> ModelRow:
    return ModelRow(
        name=name,
        stream=f"mediawiki.revision_score_{stream}",
        test_stream="mediawiki.revision-score-test",
        wanted=Wanted(
            titles=(page_change.TITLE, revision_create.TITLE),
            kinds=frozenset(("edit", "create")),
            namespaces=None,
            redirects=True,
        ),
        question=Question(
            family="revscoring",
            service=None,
            request=revscoring.request,
            prediction=partial(revscoring.prediction, labels=labels),
            unknown_revision=revscoring.UNKNOWN_REVISION,
        ),
        output=revision_score.OUTPUT,
        from_prediction=revision_score.scores,
    )


def _classification(name: str, stream: str, wanted: Wanted, question: Question) -> ModelRow:
    return ModelRow(
        name=name,
        stream=f"mediawiki.{stream}",
        test_stream="mediawiki.page_prediction_change.rc0",
        wanted=wanted,
        question=question,
        output=prediction_classification.OUTPUT,
        from_prediction=prediction_classification.predicted_classification,
    )


def _tags(name: str, prefix: str, wanted: Wanted, question: Question | None) -> ModelRow:
    return ModelRow(
        name=name,
        stream=_TAGS_STREAM,
        test_stream=_TEST_TAGS_STREAM,
        wanted=wanted,
        question=question,
        output=weighted_tags.OUTPUT,
        from_prediction=partial(weighted_tags.weighted_tags, prefix=prefix),
    )


def _wikis(names: str) -> frozenset[str]:
    return frozenset(f"{name}wiki" for name in names.split())


# Articles of all Wikipedias, and of testwiki, which production's rules send to these models too.
_ARTICLES: Final = Wanted(
    titles=(page_change.TITLE,),
    kinds=frozenset(("edit", "create", "move")),
    wiki_group=WIKIPEDIA,
    wikis=_wikis("test"),
)
# What compares a revision with its parent cannot score the first revision of a page.
_WITH_PARENT: Final = replace(_ARTICLES, kinds=frozenset(("edit", "move")))
_MULTILINGUAL_WIKIS: Final = _wikis(
    "ka lv ta ur eo lt sl hy hr sk eu et ms az da bg sr ro el th bn no hi ca hu ko fi vi uz sv cs"
    " he id tr uk nl pl ar fa it zh ru es ja de fr en test"
)
_OUTLINK: Final = Question(
    family="outlink",
    service=InferenceService("outlink-topic-model", "articletopic-outlink"),
    request=outlink.request,
    prediction=outlink.prediction,
    unknown_revision=outlink.UNKNOWN_REVISION,
)
_ARTICLE_COUNTRY: Final = Question(
    family="article-country",
    service=InferenceService("article-country", "article-models"),
    request=article_country.request,
    prediction=article_country.prediction,
)
_REVISE_TONE: Final = Question(
    family="revise-tone",
    service=InferenceService("revise-tone-task-generator", "revise-tone-task-generator"),
    request=revise_tone.request,
    prediction=revise_tone.prediction,
)


def _revertrisk(name: str) -> Question:
    return Question(
        family="revertrisk",
        service=InferenceService(name, "revertrisk"),
        request=revertrisk.request,
        prediction=revertrisk.prediction,
    )


# itemquality and itemtopic share the streams of their Wikipedia siblings, as in production.
ROWS: Final = (
    _revscoring("articlequality", "single", "articlequality"),
    _revscoring("itemquality", "single", "articlequality"),
    _revscoring("articletopic", "list", "articletopic"),
    _revscoring("itemtopic", "list", "articletopic"),
    _revscoring("drafttopic", "list", "drafttopic"),
    _revscoring("draftquality", "single", "draftquality"),
    _revscoring("damaging", "boolean", "damaging"),
    _revscoring("goodfaith", "boolean", "goodfaith"),
    _revscoring("reverted", "boolean", "reverted"),
    _classification(
        "outlink-topic-model",
        "page_outlink_topic_prediction_change.v1",
        # Of the predictors that take articles, this one is known to answer for test2wiki too.
        replace(_ARTICLES, wikis=_wikis("test test2")),
        _OUTLINK,
    ),
    _classification(
        "article-country", "article_country_prediction_change.v1", _ARTICLES, _ARTICLE_COUNTRY
    ),
    # Feeds on the event of the row above, because one reply carries one event.
    _tags(
        "article-country-tags",
        "classification.prediction.articlecountry",
        replace(
            _ARTICLES,
            titles=(prediction_classification.OUTPUT.title,),
            model_name="article-country",
        ),
        None,
    ),
    _classification(
        "revertrisk-language-agnostic",
        "page_revert_risk_prediction_change.v1",
        # The server makes their hosts from the language, and there are no such hosts.
        replace(_WITH_PARENT, excluded_wikis=_wikis("fiu_vro roa_rup")),
        _revertrisk("revertrisk-language-agnostic"),
    ),
    _classification(
        "revertrisk-multilingual",
        "page_revert_risk_multilingual_prediction_change.v1",
        replace(_WITH_PARENT, wiki_group=None, wikis=_MULTILINGUAL_WIKIS),
        _revertrisk("revertrisk-multilingual"),
    ),
    _classification(
        "revertrisk-wikidata",
        "page_revert_risk_wikidata_prediction_change.v1",
        replace(_WITH_PARENT, wiki_group=None, wikis=_wikis("wikidata")),
        replace(_revertrisk("revertrisk-wikidata"), request=revertrisk.item_request),
    ),
    _tags(
        "revise-tone-task-generator",
        "recommendation.tone",
        replace(
            _ARTICLES,
            kinds=frozenset(("edit",)),
            wiki_group=None,
            wikis=_wikis("en pt fr ar test"),
        ),
        _REVISE_TONE,
    ),
)
MODELS: Final[Mapping[str, ModelRow]] = {row.name: row for row in ROWS}


def streams(stream_names: str) -> Mapping[str, str]:
    """Return row name -> stream to publish to, of the `production` or the `test` names."""
    return {row.name: row.test_stream if stream_names == "test" else row.stream for row in ROWS}
