"""The article-country model: what it is asked, and every answer that is one or none."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import article_country, inputs, wikis
from sinks.prediction import Prediction, WrongShape
from tests.factories import article_country_answer, merged, page_change

WIKIS = wikis.load()
READERS = inputs.load_readers()
CHANGE = inputs.parse(page_change(), READERS)
MODEL = "article-country"


def read(said: Any) -> Prediction:
    """The prediction in an answer."""
    return article_country.prediction(said, CHANGE, MODEL)


@pytest.mark.parametrize(
    ("wiki", "lang"),
    [
        ("enwiki", "en"),
        ("alswiki", "als"),
        ("be_x_oldwiki", "be-tarask"),
        ("zh_yuewiki", "zh-yue"),
        ("testwiki", "test"),
    ],
)
def test_request_lang_is_the_label_of_the_host(wiki: str, lang: str) -> None:
    """The server makes a host of `lang`, so the code of the language would be none."""
    body = article_country.request(CHANGE, WIKIS[wiki])

    assert body == {"lang": lang, "title": "Example"}


def test_request_title_goes_out_as_it_came() -> None:
    """The title keeps its prefix, its underscores and its script."""
    title = "Draft:Caf\u00e9_\u65e5\u672c/A&B"
    change = inputs.parse(page_change(page={"page_title": title}), READERS)

    body = article_country.request(change, WIKIS["enwiki"])

    assert body["title"] == title


def test_prediction_countries_are_labels_in_the_order_of_the_answer() -> None:
    """Every country of the answer is a label, however weak."""
    seen = read(article_country_answer(("Mali", 1), ("Kenya", 0.5), ("C\u00f4te d'Ivoire", 0)))

    assert seen.labels == ("Mali", "Kenya", "C\u00f4te d'Ivoire")
    assert seen == Prediction(
        MODEL, "1", seen.labels, {"Mali": 1, "Kenya": 0.5, "C\u00f4te d'Ivoire": 0}
    )


def test_prediction_no_country_is_a_prediction() -> None:
    """A page of no country, or one that is gone, has no labels: an answer and no error."""
    seen = read(article_country_answer())

    assert seen == Prediction(MODEL, "1", (), {})


def with_results(results: Any) -> dict[str, Any]:
    """An answer with anything for its results."""
    return merged(article_country_answer(), {"prediction": {"results": results}})


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param(merged(article_country_answer(), {"prediction": None}), id="no-prediction"),
        pytest.param(with_results(None), id="results-absent"),
        pytest.param(with_results({}), id="results-object"),
        pytest.param(with_results([{"score": 0.5}]), id="country-absent"),
        pytest.param(with_results([{"country": "Mali"}]), id="score-absent"),
        pytest.param(with_results([{"topic": "Mali", "score": 0.5}]), id="topic"),
        pytest.param(article_country_answer(("Mali", 1), ("Mali", 1)), id="country-twice"),
        pytest.param(article_country_answer(("", 1)), id="country-empty"),
        *(
            pytest.param(article_country_answer(("Mali", score)), id=f"score-{score}")  # type: ignore[arg-type]
            for score in (None, True, "1", [1], float("nan"), 1.00001, -0.00001, 2**53, 1e300)
        ),
        *(
            pytest.param({**article_country_answer(), "model_name": name}, id=f"name-{name}")
            for name in (None, "outlink-topic-model", "article-country-tags", "", 1)
        ),
        *(
            pytest.param({**article_country_answer(), "model_version": it}, id=f"version-{it}")
            for it in (None, 1, 1.5, True, ["1"])
        ),
        pytest.param(merged(article_country_answer(), {"model_name": None}), id="no-name"),
        pytest.param(merged(article_country_answer(), {"model_version": None}), id="no-version"),
    ],
)
def test_prediction_other_shape_is_wrong(said: Any) -> None:
    """Whatever is not this model's list of countries with scores in 0..1 is refused."""
    with pytest.raises(WrongShape):
        read(said)
