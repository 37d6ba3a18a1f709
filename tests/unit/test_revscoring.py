"""Answers of revscoring predictors: what is read, and every shape that is not one."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from sinks import inputs, jsondata, revscoring, wikis
from sinks.prediction import Prediction, WrongShape
from sinks.revscoring import Labels
from tests.factories import page_change

CHANGE = inputs.parse(page_change(), inputs.load_readers())
PROBABILITY = {"true": 0.25, "false": 0.75}


def answer(prediction: Any, probability: Any = None, version: Any = "1.3.0") -> dict[str, Any]:
    """What a predictor of the model `m` answers."""
    score = {
        "prediction": prediction,
        "probability": PROBABILITY if probability is None else probability,
    }
    return {
        "enwiki": {
            "models": {"m": {"version": version}},
            "scores": {"1300200300": {"m": {"score": score}}},
        }
    }


def read(said: Any, labels: Labels = "single") -> Prediction:
    """The prediction in an answer that came over the wire."""
    return revscoring.prediction(json.loads(json.dumps(said)), CHANGE, "m", labels)


@pytest.mark.parametrize(
    ("labels", "decided", "expected"),
    [
        pytest.param("boolean", True, ("true",), id="true"),
        pytest.param("boolean", False, ("false",), id="false"),
        pytest.param("single", "GA", ("GA",), id="one-label"),
        pytest.param("single", "", ("",), id="empty-label"),
        pytest.param("single", "caf\u00e9", ("caf\u00e9",), id="non-ascii-label"),
        pytest.param("list", ["a", "b"], ("a", "b"), id="labels"),
        pytest.param("list", ["b", "a", "b"], ("b", "a", "b"), id="order-is-kept"),
        pytest.param("list", [], (), id="no-label"),
    ],
)
def test_prediction_label_kind_gives_texts(
    labels: Labels, decided: Any, expected: tuple[str, ...]
) -> None:
    """Whatever a model decides becomes a tuple of texts."""
    probability = {**dict.fromkeys(expected, 0.5), **PROBABILITY}

    seen = read(answer(decided, probability), labels)

    assert seen == Prediction("m", "1.3.0", expected, probability)


@pytest.mark.parametrize(
    ("labels", "decided", "probability"),
    [
        pytest.param("boolean", True, {"false": 0.5}, id="boolean"),
        pytest.param("boolean", False, {"false": 0.5}, id="boolean-the-other"),
        pytest.param("single", "GA", {"a": 0.5}, id="single"),
        pytest.param("list", ["a", "GA"], {"a": 0.5}, id="list"),
        pytest.param("list", [], {}, id="none"),
    ],
)
def test_prediction_label_without_a_probability_is_wrong_shape(
    labels: Labels, decided: Any, probability: dict[str, float]
) -> None:
    """The model tells of all its labels: one that has no probability is none of them."""
    with pytest.raises(WrongShape, match="a label has no probability"):
        read(answer(decided, probability), labels)


@pytest.mark.parametrize(
    ("labels", "decided"),
    [
        ("boolean", "true"),
        ("boolean", 1),
        ("boolean", 0),
        ("boolean", None),
        ("boolean", [True]),
        ("single", True),
        ("single", 1),
        ("single", None),
        ("single", ["a"]),
        ("single", {"a": 1}),
        ("list", "a"),
        ("list", True),
        ("list", None),
        ("list", ["a", None]),
        ("list", ["a", True]),
        ("list", ["a", 1]),
        ("list", [["a"]]),
        ("list", {"a": 1}),
    ],
    ids=lambda value: json.dumps(value),
)
def test_prediction_other_label_kind_is_wrong_shape(labels: Labels, decided: Any) -> None:
    """Labels of another kind are refused: a text is never taken for a list of letters."""
    with pytest.raises(WrongShape, match=labels):
        read(answer(decided), labels)


@pytest.mark.parametrize(
    "probability",
    [
        pytest.param({"GA": 1}, id="integer"),
        pytest.param({"GA": 0.1, "b": 0}, id="mixed"),
        pytest.param({"GA": 1.0000001, "b": -0.0000001}, id="rounded"),
        pytest.param({"GA": 0.1, "": 1e-300}, id="tiny"),
    ],
)
def test_prediction_numbers_are_kept(probability: dict[str, float]) -> None:
    """Probabilities are kept as they are; what they add up to is the model's business."""
    seen = read(answer("GA", probability))

    assert seen.probability == probability


@pytest.mark.parametrize(
    "probability",
    [
        pytest.param([], id="list"),
        pytest.param("x", id="string"),
        pytest.param(1, id="number"),
        pytest.param(False, id="boolean"),
        pytest.param({"a": None}, id="null-inside"),
        pytest.param({"a": "0.5"}, id="text-inside"),
        pytest.param({"a": True}, id="boolean-inside"),
        pytest.param({"a": 0.5, "b": False}, id="boolean-after-a-number"),
        pytest.param({"a": [0.5]}, id="list-inside"),
        pytest.param({"a": {}}, id="object-inside"),
        pytest.param({"a": 1.5}, id="too-large"),
        pytest.param({"a": -0.5}, id="too-small"),
        pytest.param({"a": 1e300}, id="huge"),
        pytest.param({"a": float("nan")}, id="not-a-number"),
        pytest.param({"a": float("inf")}, id="infinity"),
        pytest.param({"a": float("-inf")}, id="minus-infinity"),
    ],
)
def test_prediction_probability_of_other_shape_is_wrong_shape(probability: Any) -> None:
    """Only an object of numbers from 0 to 1 is a probability; booleans are none."""
    with pytest.raises(WrongShape, match="probability"):
        read(answer("GA", probability))


def test_prediction_probability_null_is_wrong_shape() -> None:
    """A probability of null is none."""
    said = answer("GA")
    said["enwiki"]["scores"]["1300200300"]["m"]["score"]["probability"] = None

    with pytest.raises(WrongShape, match="probability"):
        read(said)


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_loads_number_that_is_none_never_gets_that_far(literal: bytes) -> None:
    """What JSON has no word for cannot come over the wire at all."""
    with pytest.raises(Exception, match="not JSON"):
        jsondata.loads(b'{"a":' + literal + b"}")


@pytest.mark.parametrize("version", [None, 1, 1.3, True, ["1.3.0"], {}], ids=json.dumps)
def test_prediction_version_that_is_no_text_is_wrong_shape(version: Any) -> None:
    """The model version has to be a text."""
    with pytest.raises(WrongShape, match="version"):
        read(answer("GA", version=version))


PATHS = [
    ("enwiki",),
    ("enwiki", "models"),
    ("enwiki", "models", "m"),
    ("enwiki", "models", "m", "version"),
    ("enwiki", "scores"),
    ("enwiki", "scores", "1300200300"),
    ("enwiki", "scores", "1300200300", "m"),
    ("enwiki", "scores", "1300200300", "m", "score"),
    ("enwiki", "scores", "1300200300", "m", "score", "prediction"),
    ("enwiki", "scores", "1300200300", "m", "score", "probability"),
]


@pytest.mark.parametrize("path", PATHS, ids="/".join)
def test_prediction_member_absent_is_wrong_shape(path: tuple[str, ...]) -> None:
    """Each member of the answer is needed."""
    said = answer("GA")
    parent = said
    for name in path[:-1]:
        parent = parent[name]
    del parent[path[-1]]

    with pytest.raises(WrongShape):
        read(said)


@pytest.mark.parametrize("value", [None, [], [1], {"x": {}}, "x", "", 1, True], ids=json.dumps)
@pytest.mark.parametrize(
    "path", [path for path in PATHS if path[-1] not in ("version", "prediction")], ids="/".join
)
def test_prediction_member_of_other_kind_is_wrong_shape(path: tuple[str, ...], value: Any) -> None:
    """No value in the place of an object crashes the reading of an answer."""
    said = answer("GA", probability={"a": 1})
    parent = said
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = value

    with pytest.raises(WrongShape):
        read(said)


@pytest.mark.parametrize(
    "said", [None, [], [answer("GA")], {}, "enwiki", 1, True, {"error": "x"}], ids=json.dumps
)
def test_prediction_answer_that_is_none_is_wrong_shape(said: Any) -> None:
    """Whatever else a predictor says with 200 is no prediction."""
    with pytest.raises(WrongShape):
        read(said)


@pytest.mark.parametrize(
    ("place", "other"),
    [
        pytest.param(("enwiki",), "frwiki", id="other-wiki"),
        pytest.param(("enwiki", "scores", "1300200300"), "1", id="other-revision"),
        pytest.param(("enwiki", "scores", "1300200300", "m"), "n", id="other-model"),
    ],
)
def test_prediction_of_something_else_is_wrong_shape(place: tuple[str, ...], other: str) -> None:
    """An answer about another wiki, revision or model is not taken for ours."""
    said = copy.deepcopy(answer("GA"))
    parent = said
    for name in place[:-1]:
        parent = parent[name]
    parent[other] = parent.pop(place[-1])

    with pytest.raises(WrongShape):
        read(said)


def test_prediction_message_never_quotes_the_answer() -> None:
    """The text of the error names the place, not what a predictor wrote there."""
    with pytest.raises(WrongShape) as refused:
        read(answer(["Zq7"], {"Zq7": "Zq7"}, "Zq7"))

    assert "Zq7" not in str(refused.value)


def test_request_has_no_event_member() -> None:
    """Without `event` a predictor publishes nothing itself."""
    body = revscoring.request(CHANGE, wikis.load()["enwiki"])

    assert body == {"rev_id": 1300200300}
