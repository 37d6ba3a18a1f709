"""The revert-risk models: what they are asked, and every answer that is one or none."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import inputs, revertrisk, wikis
from sinks.prediction import Prediction, WrongShape
from tests.factories import page_change, revertrisk_answer

WIKIS = wikis.load()
CHANGE = inputs.parse(page_change(), inputs.load_readers())
MODEL = "revertrisk-language-agnostic"


def read(said: Any, model: str = MODEL) -> Prediction:
    """The prediction in an answer."""
    return revertrisk.prediction(said, CHANGE, model)


@pytest.mark.parametrize(
    ("wiki", "lang"),
    [
        ("enwiki", "en"),
        ("simplewiki", "simple"),
        ("nowiki", "no"),
        ("alswiki", "gsw"),
        ("be_x_oldwiki", "be-tarask"),
        ("zh_yuewiki", "yue"),
        ("testwiki", "test"),
    ],
)
def test_request_lang_is_the_code_of_the_language(wiki: str, lang: str) -> None:
    """The server knows the Wikipedias by the code of their language, and testwiki as test."""
    body = revertrisk.request(CHANGE, WIKIS[wiki])

    assert body == {"rev_id": 1300200300, "lang": lang}


def test_item_request_has_the_revision_only() -> None:
    """The model for items is of one wiki and asks for no language."""
    body = revertrisk.item_request(CHANGE, WIKIS["wikidatawiki"])

    assert body == {"rev_id": 1300200300}


@pytest.mark.parametrize(
    "model", [MODEL, "revertrisk-multilingual", "revertrisk-wikidata"], ids=lambda model: model
)
@pytest.mark.parametrize(("decided", "label"), [(True, "true"), (False, "false")])
def test_prediction_decision_becomes_a_text(model: str, decided: bool, label: str) -> None:
    """What was decided is the one label; both probabilities are kept as they came."""
    seen = read(revertrisk_answer(model, output={"prediction": decided}), model)

    assert seen == Prediction(model, "3", (label,), {"true": 0.25, "false": 0.75})


def test_prediction_wrong_wiki_db_does_not_matter() -> None:
    """The server makes `wiki_db` of the language, wrongly for some wikis, so nobody reads it."""
    seen = read(revertrisk_answer(MODEL, wiki_db="gswwiki"))

    assert seen.labels == ("false",)


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"output": None}, id="output-absent"),
        *(
            pytest.param({"output": value}, id=f"output-{value}")
            for value in ([], "x", 1, True, "prediction")
        ),
        pytest.param({"output": {"prediction": None}}, id="prediction-absent"),
        *(
            pytest.param({"output": {"prediction": value}}, id=f"prediction-{value!r}")
            for value in (1, 0, "true", "false", [True], {})
        ),
        pytest.param({"output": {"probabilities": None}}, id="probabilities-absent"),
        *(
            pytest.param({"output": {"probabilities": value}}, id=f"probabilities-{value!r}")
            for value in ([], [0.25, 0.75], "x", 0.25, True)
        ),
        pytest.param({"output": {"probabilities": {"false": None}}}, id="one-probability"),
        pytest.param({"output": {"probabilities": {"maybe": 0.1}}}, id="three-probabilities"),
        *(
            pytest.param({"output": {"probabilities": {"true": value}}}, id=f"true-{value!r}")
            for value in (True, "0.25", [0.25], float("nan"), float("inf"), 1.5, -1, 1e300)
        ),
        pytest.param({"model_name": None}, id="name-absent"),
        pytest.param({"model_name": "revertrisk-multilingual"}, id="other-model"),
        pytest.param({"model_version": None}, id="version-absent"),
        pytest.param({"model_version": 3}, id="version-number"),
        pytest.param({"revision_id": None}, id="revision-absent"),
        pytest.param({"revision_id": 1300200301}, id="other-revision"),
        pytest.param({"revision_id": "1300200300"}, id="revision-text"),
    ],
)
def test_prediction_other_shape_is_wrong(over: dict[str, Any]) -> None:
    """Only a boolean with two probabilities, of this model and this revision, is a prediction."""
    with pytest.raises(WrongShape):
        read(revertrisk_answer(MODEL, **over))


@pytest.mark.parametrize(
    "probabilities", [None, {"true": None, "false": 0.75}], ids=["probabilities", "inside"]
)
def test_prediction_null_is_wrong_shape(probabilities: Any) -> None:
    """A null is no number and no object of numbers."""
    said = revertrisk_answer(MODEL)
    said["output"]["probabilities"] = probabilities

    with pytest.raises(WrongShape, match="probabilities"):
        read(said)


def test_prediction_empty_answer_is_wrong_shape() -> None:
    """An answer without anything is none."""
    with pytest.raises(WrongShape):
        read({})


def test_prediction_message_never_quotes_the_answer() -> None:
    """The text names the place, not what a predictor wrote there."""
    with pytest.raises(WrongShape) as refused:
        read(revertrisk_answer(MODEL, output={"prediction": "Zq7", "probabilities": {"Zq7": 1}}))

    assert "Zq7" not in str(refused.value)
