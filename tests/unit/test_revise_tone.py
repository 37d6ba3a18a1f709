"""The revise-tone task generator: what it is asked, and every answer that is one or none."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import inputs, revise_tone, wikis
from sinks.prediction import Prediction, WrongShape
from tests.factories import page_change, revise_tone_answer

WIKIS = wikis.load()
CHANGE = inputs.parse(page_change(), inputs.load_readers())
MODEL = "revise-tone-task-generator"


def read(said: Any) -> Prediction:
    """The prediction in an answer."""
    return revise_tone.prediction(said, CHANGE, MODEL)


@pytest.mark.parametrize(
    ("wiki", "lang"),
    [("enwiki", "en"), ("ptwiki", "pt"), ("frwiki", "fr"), ("arwiki", "ar"), ("testwiki", "test")],
)
def test_request_names_page_and_revision(wiki: str, lang: str) -> None:
    """The server wants the page by id and title, the revision, and a code of its own list."""
    body = revise_tone.request(CHANGE, WIKIS[wiki])

    assert body == {"lang": lang, "page_id": 123, "page_title": "Example", "rev_id": 1300200300}


@pytest.mark.parametrize(
    ("scores", "highest"),
    [
        pytest.param((0.75,), 0.75, id="one"),
        pytest.param((0.6, 0.93, 0.7), 0.93, id="highest-in-the-middle"),
        pytest.param((0.5, 0.5), 0.5, id="equal"),
        pytest.param((0,), 0, id="zero"),
        pytest.param((1, 0.25), 1, id="one-is-in"),
    ],
)
def test_prediction_any_paragraph_makes_the_tag_with_highest_score(
    scores: tuple[float, ...], highest: float
) -> None:
    """Something to revise is the one label, with the score of the strongest paragraph."""
    seen = read(revise_tone_answer(*scores))

    assert seen == Prediction(MODEL, None, ("exists",), {"exists": highest})


def test_prediction_no_paragraph_is_no_label() -> None:
    """Nothing to revise is an answer: without label, so the tag goes away."""
    seen = read(revise_tone_answer())

    assert seen == Prediction(MODEL, None, (), {})


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"predictions": None}, id="absent"),
        *(
            pytest.param({"predictions": value}, id=repr(value))
            for value in ({}, {"score": 1}, "", "score", 0, 1, False, True)
        ),
        *(
            pytest.param({"predictions": [value]}, id=f"paragraph-{value!r}")
            for value in (None, "score", 1, [], {}, {"text": "x"}, ["score"])
        ),
        pytest.param({"revision_id": None}, id="revision-absent"),
        pytest.param({"revision_id": 1300200299}, id="other-revision"),
        pytest.param({"revision_id": "1300200300"}, id="revision-text"),
    ],
)
def test_prediction_other_shape_is_wrong(over: dict[str, Any]) -> None:
    """Only a list of paragraphs with scores, of this revision, is a prediction."""
    with pytest.raises(WrongShape, match="predictions|score is missing|revision_id"):
        read(revise_tone_answer(0.5, **over))


@pytest.mark.parametrize(
    "score", [None, True, "0.5", [0.5], float("nan"), float("inf"), 1.5, 1.00001, -0.00001, -0.1]
)
def test_prediction_score_that_no_tag_can_have_is_wrong_shape(score: object) -> None:
    """A tag's score is from 0 to 1, without any rounding."""
    with pytest.raises(WrongShape, match="a score is not a number from 0 to 1"):
        read(revise_tone_answer(predictions=[{"score": 0.5}, {"score": score}]))


def test_prediction_null_is_wrong_shape() -> None:
    """Null is not the empty list, which would take the tag away."""
    with pytest.raises(WrongShape):
        read({**revise_tone_answer(), "predictions": None})


def test_prediction_message_never_quotes_the_answer() -> None:
    """The text names the place, not what a predictor wrote there."""
    with pytest.raises(WrongShape) as refused:
        read(revise_tone_answer(predictions=[{"score": "Zq7", "text": "Zq7"}]))

    assert "Zq7" not in str(refused.value)
