"""What the answers of several predictors share: numbers, lists of results, names, revisions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sinks.prediction import WrongShape, are_probabilities, check_revision, results, version_of


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="none"),
        pytest.param([0, 1], id="integers"),
        pytest.param([0.5, -0.0, 1e-300], id="fractions"),
        pytest.param([1.00001, -0.00001], id="rounded"),
    ],
)
def test_are_probabilities_numbers_from_0_to_1_are_told(values: list[object]) -> None:
    """Integers too, and what rounding makes of 0 and 1."""
    seen = are_probabilities(values)

    assert seen is True


NO_PROBABILITIES = [
    pytest.param(None, id="null"),
    pytest.param(True, id="true"),
    pytest.param(False, id="false"),
    pytest.param("0.5", id="text"),
    pytest.param([0.5], id="list"),
    pytest.param({}, id="object"),
    pytest.param(float("nan"), id="not-a-number"),
    pytest.param(float("inf"), id="infinity"),
    pytest.param(float("-inf"), id="minus-infinity"),
    pytest.param(1.001, id="too-large"),
    pytest.param(-0.001, id="too-small"),
    pytest.param(-1, id="negative-integer"),
    pytest.param(1e300, id="huge"),
    pytest.param(10**400, id="huge-integer"),
]


@pytest.mark.parametrize("value", NO_PROBABILITIES)
def test_are_probabilities_one_other_value_is_enough(value: object) -> None:
    """One value that is none, wherever it stands, spoils all."""
    seen = [are_probabilities(values) for values in ([value], [0.5, value], [value, 0.5])]

    assert seen == [False] * 3


def answer(*found: Any) -> dict[str, Any]:
    """An answer with results under the names `topic` and `score`."""
    return {"prediction": {"article": "x", "results": list(found)}}


def test_results_names_and_scores_keep_their_order() -> None:
    """The results become name -> score in the order of the answer, other members left out."""
    said = answer(
        {"topic": "b", "score": 0.5, "source": {"x": 1}},
        {"score": 1.00001, "topic": "a"},
        {"topic": "caf\u00e9", "score": 0},
    )

    seen = results(said, "topic")

    assert list(seen.items()) == [("b", 0.5), ("a", 1.00001), ("caf\u00e9", 0)]


def test_results_empty_list_is_no_result() -> None:
    """A predictor may find nothing."""
    seen = results(answer(), "topic")

    assert seen == {}


@pytest.mark.parametrize(
    "said",
    [
        *(pytest.param(value, id=json.dumps(value)) for value in (None, [], "x", 1, True, {})),
        pytest.param({"prediction": None}, id="prediction-null"),
        pytest.param({"prediction": []}, id="prediction-list"),
        pytest.param({"prediction": "results"}, id="prediction-text"),
        pytest.param({"prediction": {}}, id="results-absent"),
        pytest.param({"prediction": {"results": None}}, id="results-null"),
        pytest.param({"prediction": {"results": {}}}, id="results-empty-object"),
        pytest.param({"prediction": {"results": {"topic": "a", "score": 1}}}, id="results-object"),
        pytest.param({"prediction": {"results": ""}}, id="results-empty-text"),
        pytest.param({"prediction": {"results": "a"}}, id="results-text"),
        pytest.param({"prediction": {"results": 0}}, id="results-number"),
        pytest.param({"prediction": {"results": False}}, id="results-boolean"),
        pytest.param(answer(None), id="result-null"),
        pytest.param(answer("a"), id="result-text"),
        pytest.param(answer(["a", 0.5]), id="result-list"),
        pytest.param(answer(1), id="result-number"),
        pytest.param(answer({}), id="result-empty"),
        pytest.param(answer({"score": 0.5}), id="name-absent"),
        pytest.param(answer({"topic": "a"}), id="score-absent"),
        pytest.param(answer({"country": "a", "score": 0.5}), id="name-of-another-model"),
        pytest.param(answer({"topic": "", "score": 0.5}), id="name-empty"),
        pytest.param(answer({"topic": None, "score": 0.5}), id="name-null"),
        pytest.param(answer({"topic": 1, "score": 0.5}), id="name-number"),
        pytest.param(answer({"topic": True, "score": 0.5}), id="name-boolean"),
        pytest.param(answer({"topic": ["a"], "score": 0.5}), id="name-list"),
        pytest.param(answer({"topic": {}, "score": 0.5}), id="name-object"),
        pytest.param(answer({"topic": "a", "score": 1}, {"topic": "a", "score": 1}), id="twice"),
        pytest.param(
            answer({"topic": "a", "score": 1}, {"topic": "b", "score": 0}, {}), id="third-empty"
        ),
    ],
)
def test_results_other_shape_is_wrong(said: Any) -> None:
    """Whatever is no list of named scores is refused, and never crashes."""
    with pytest.raises(WrongShape):
        results(said, "topic")


@pytest.mark.parametrize("score", NO_PROBABILITIES)
def test_results_score_that_is_no_probability_is_wrong_shape(score: object) -> None:
    """A score has to be a number from 0 to 1."""
    with pytest.raises(WrongShape, match="score"):
        results(answer({"topic": "a", "score": 0.5}, {"topic": "b", "score": score}), "topic")


def test_results_message_never_quotes_the_answer() -> None:
    """The text names the place, not what a predictor wrote there."""
    with pytest.raises(WrongShape) as refused:
        results(answer(*({"topic": "Zq7", "score": 1},) * 2), "topic")

    assert "Zq7" not in str(refused.value)


def test_version_of_own_model_is_returned() -> None:
    """An answer of the model that was asked has its version."""
    seen = version_of({"model_name": "m", "model_version": "3"}, "m")

    assert seen == "3"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="empty"),
        pytest.param({"model_version": "3"}, id="name-absent"),
        pytest.param({"model_name": "n", "model_version": "3"}, id="other-model"),
        pytest.param({"model_name": "M", "model_version": "3"}, id="upper-case"),
        pytest.param({"model_name": None, "model_version": "3"}, id="name-null"),
        pytest.param({"model_name": ["m"], "model_version": "3"}, id="name-list"),
        pytest.param({"model_name": "m"}, id="version-absent"),
        pytest.param({"model_name": "m", "model_version": None}, id="version-null"),
        pytest.param({"model_name": "m", "model_version": 3}, id="version-number"),
        pytest.param({"model_name": "m", "model_version": True}, id="version-boolean"),
        pytest.param({"model_name": "m", "model_version": ["3"]}, id="version-list"),
    ],
)
def test_version_of_other_answer_is_wrong_shape(said: dict[str, Any]) -> None:
    """Another model's answer is not taken for ours, and a version is a text."""
    with pytest.raises(WrongShape, match="model_(name|version)"):
        version_of(said, "m")


def test_check_revision_same_revision_is_accepted() -> None:
    """An answer about the revision that was asked for passes."""
    seen = check_revision({"revision_id": 1300200300}, 1300200300)

    assert seen is None


@pytest.mark.parametrize(
    "said",
    [{}, *({"revision_id": value} for value in (None, 1, 0, "1300200300", [1300200300], {}))],
    ids=json.dumps,
)
def test_check_revision_other_revision_is_wrong_shape(said: dict[str, Any]) -> None:
    """A score of another revision would be published under the wrong one."""
    with pytest.raises(WrongShape, match="revision_id"):
        check_revision(said, 1300200300)
