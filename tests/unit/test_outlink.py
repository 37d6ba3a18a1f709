"""The outlink topic model: what it is asked, and every answer that is one or none."""

from __future__ import annotations

from typing import Any

import pytest

from sinks import inputs, jsondata, outlink, wikis
from sinks.prediction import Prediction, WrongShape
from tests.factories import outlink_answer, page_change

WIKIS = wikis.load()
CHANGE = inputs.parse(page_change(), inputs.load_readers())
MODEL = "outlink-topic-model"


def read(said: Any) -> Prediction:
    """The prediction in an answer."""
    return outlink.prediction(said, CHANGE, MODEL)


@pytest.mark.parametrize(
    ("wiki", "named"),
    [
        ("enwiki", {"wiki_id": "enwiki"}),
        ("simplewiki", {"wiki_id": "simplewiki"}),
        ("be_x_oldwiki", {"wiki_id": "be_x_oldwiki"}),
        ("zh_min_nanwiki", {"wiki_id": "zh_min_nanwiki"}),
        ("testwiki", {"lang": "test"}),
        ("test2wiki", {"lang": "test2"}),
    ],
)
def test_request_wikipedias_by_wiki_id_others_by_label(wiki: str, named: dict[str, str]) -> None:
    """The server knows all Wikipedias by their `wiki_id`, and the test wikis by their host only."""
    body = outlink.request(CHANGE, WIKIS[wiki])

    assert body == {"page_id": 123, **named, "revision_id": 1300200300, "threshold": 0.0}


def test_request_threshold_goes_out_with_a_fraction_part() -> None:
    """The server takes 0.0 and refuses 0, which are equal here but not on the wire."""
    sent = jsondata.dumps(outlink.request(CHANGE, WIKIS["enwiki"]))

    assert sent.endswith(b'"threshold":0.0}')


def test_prediction_all_topics_have_a_probability_and_strong_ones_are_labels() -> None:
    """Labels are the topics above one half; every topic keeps its score; no version is told."""
    seen = read(outlink_answer(("a*", 0.97), ("b", 0.6), ("c", 0.1)))

    assert seen == Prediction(MODEL, None, ("a*", "b"), {"a*": 0.97, "b": 0.6, "c": 0.1})


@pytest.mark.parametrize(
    ("score", "labels"),
    [
        pytest.param(0, (), id="zero"),
        pytest.param(0.499999, (), id="below"),
        pytest.param(0.5, (), id="exactly-one-half"),
        pytest.param(0.500001, ("a",), id="above"),
        pytest.param(1, ("a",), id="one"),
        pytest.param(1.00001, ("a",), id="over-one"),
        pytest.param(-0.00001, (), id="below-zero"),
    ],
)
def test_prediction_score_is_kept_and_decides_strictly_above_one_half(
    score: float, labels: tuple[str, ...]
) -> None:
    """Exactly one half is no label; a score a little over 1 is the model's way, and is kept."""
    seen = read(outlink_answer(("a", score)))

    assert seen == Prediction(MODEL, None, labels, {"a": score})


def test_prediction_no_topic_is_a_prediction() -> None:
    """A predictor without any result has predicted nothing, which is an answer."""
    seen = read({"prediction": {"article": "x", "results": []}})

    assert seen == Prediction(MODEL, None, (), {})


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param({"prediction": {}}, id="results-absent"),
        pytest.param({"prediction": {"results": {}}}, id="results-object"),
        pytest.param({"prediction": {"results": [{"score": 0.5}]}}, id="topic-absent"),
        pytest.param({"prediction": {"results": [{"topic": "a"}]}}, id="score-absent"),
        pytest.param({"prediction": {"results": [{"country": "a", "score": 1}]}}, id="country"),
        pytest.param(outlink_answer(("a", 0.5), ("a", 0.5)), id="topic-twice"),
        pytest.param(outlink_answer(("", 0.5)), id="topic-empty"),
        *(
            pytest.param(outlink_answer(("a", score)), id=f"score-{score}")  # type: ignore[arg-type]
            for score in (None, True, "0.5", [0.5], float("nan"), float("inf"), 2**53, 1e300)
        ),
    ],
)
def test_prediction_other_shape_is_wrong(said: Any) -> None:
    """Whatever is not a list of topics with scores is refused, and never crashes."""
    with pytest.raises(WrongShape):
        read(said)


@pytest.mark.parametrize("code", ["nosuchrevid", "nosuchpageid", "missingtitle"])
@pytest.mark.parametrize(
    "text",
    ["MediaWiki API error '{}'", "MediaWiki API error '{}': There is no such.", "x: {0} {1}"],
    ids=["bare", "with-text", "after-text"],
)
def test_unknown_revision_codes_of_what_is_not_there_yet_match(text: str, code: str) -> None:
    """What a replica does not know yet is told from what can never be scored, by the code."""
    said = text.format(code, f"MediaWiki API error '{code}'")

    seen = outlink.UNKNOWN_REVISION.match(said)

    assert seen is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MediaWiki API error 'permissiondenied'",
        "MediaWiki API error 'invalidtitle'",
        "MediaWiki API error 'nosuchrevids'",
        "MediaWiki API error nosuchrevid",
        "mediawiki api error 'nosuchrevid'",
        "nosuchrevid",
        "MediaWiki API error 'permissiondenied': not 'nosuchrevid'",
        "Unsupported lang: 'nosuchrevid'",
    ],
)
def test_unknown_revision_other_errors_do_not_match(text: str) -> None:
    """A hidden revision and a bad title stay as they are, however long one waits."""
    seen = outlink.UNKNOWN_REVISION.match(text)

    assert seen is None
