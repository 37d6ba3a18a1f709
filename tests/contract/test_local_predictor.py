"""The local predictor answers as Lift Wing's model servers do, on loopback only."""

from __future__ import annotations

import csv
import errno
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from sinks.local.processes import START_SECONDS
from tests.sixteen import ADDED

ROOT = Path(__file__).parents[2]
ISVC = "enwiki-drafttopic"
REV_ID = 1300200300
NEAR = 1352700001
QUALITY = {"Stub", "Start", "C", "B", "GA", "FA"}
BOOLS = {"false", "true"}

OUTLINK = "outlink-topic-model"
COUNTRY = "article-country"
AGNOSTIC = "revertrisk-language-agnostic"
MULTILINGUAL = "revertrisk-multilingual"
ITEMS = "revertrisk-wikidata"
TONE = "revise-tone-task-generator"
# A good request for each model that is not deployed per wiki.
GOOD: dict[str, dict[str, Any]] = {
    OUTLINK: {"page_id": 70793851, "wiki_id": "enwiki", "revision_id": NEAR, "threshold": 0.0},
    COUNTRY: {"lang": "en", "title": "Pinewood_Signal_Tower"},
    AGNOSTIC: {"rev_id": NEAR, "lang": "en"},
    MULTILINGUAL: {"rev_id": NEAR, "lang": "en"},
    ITEMS: {"rev_id": NEAR},
    TONE: {"lang": "en", "page_id": 7, "page_title": "Hollow_Pines", "rev_id": NEAR},
}
# A server whose table of models has new rows, as somebody would add them.
WITH_NEW_ROWS = """
from dataclasses import replace
from sinks import deployed
from sinks.local.predictor import families, open_listener, serve
from sinks.models import ROWS

def renamed(row):
    name = f"new-{row.name}"
    service = replace(row.question.service, name=name)
    return replace(row, name=name, question=replace(row.question, service=service))

new = [renamed(row) for row in ROWS if row.question and row.question.service]
per_wiki = ["xxwiki-newtopic", "xxwiki-newquality", "xxwiki-newmodel"]
serve(
    open_listener(0, None), families([*ROWS, *new], [*deployed.load("production"), *per_wiki])
)
"""


@dataclass(frozen=True)
class Server:
    """A predictor process of ours, and where it listens."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def predict(self, isvc: str, body: Any, timeout: float = 5.0) -> requests.Response:
        """POST `body` as JSON to the isvc."""
        return post(f"{self.url}/v1/models/{isvc}:predict", json=body, timeout=timeout)


def request(method: str, url: str, **arguments: Any) -> requests.Response:
    """Send one request on a connection of its own, past any proxy of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, **{"timeout": 5.0, **arguments})


def get(url: str) -> requests.Response:
    """GET without a proxy."""
    return request("GET", url)


def post(url: str, **arguments: Any) -> requests.Response:
    """POST without a proxy."""
    return request("POST", url, **arguments)


def about(isvc: str, rev_id: int) -> dict[str, Any]:
    """Return a good request about one revision."""
    name = "revision_id" if isvc == OUTLINK else "rev_id"
    return {**GOOD.get(isvc, {}), name: rev_id}


def is_error(answer: requests.Response, status: int, member: str, prefix: str) -> None:
    """Status first, then headers, then a body of one member whose text begins like this."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {member}
    assert answer.json()[member].startswith(prefix)


def start(
    directory: Path,
    *arguments: str,
    fd: int | None = None,
    program: tuple[str, ...] = ("-m", "sinks.local.predictor"),
) -> subprocess.Popen[bytes]:
    """Start the predictor; its standard output and error go to files in `directory`."""
    with (directory / "out").open("wb") as out, (directory / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, *program, *arguments],
            cwd=ROOT,
            stdout=out,
            stderr=log,
            pass_fds=() if fd is None else (fd,),
        )


def wait_ready(process: subprocess.Popen[bytes], directory: Path) -> Server:
    """Return the server once the base URL it printed answers a readiness request."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        url = (directory / "out").read_text().strip()
        if url:
            with suppress(requests.ConnectionError):
                if get(f"{url}/v1/models/{ISVC}").status_code == 200:
                    return Server(process, url, directory / "log")
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError((directory / "log").read_text())


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, whatever it does."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The predictor on an inherited socket."""
    directory = tmp_path_factory.mktemp("inherited")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        process = start(directory, "--fd", str(listener.fileno()), fd=listener.fileno())
    try:
        yield wait_ready(process, directory)
    finally:
        stop(process)


@pytest.fixture(scope="module")
def own_port_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The predictor on a port that it opens itself."""
    directory = tmp_path_factory.mktemp("own_port")
    process = start(directory, "--port", "0")
    try:
        yield wait_ready(process, directory)
    finally:
        stop(process)


@pytest.fixture(scope="module")
def grown_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The predictor for a table of models that has grown."""
    directory = tmp_path_factory.mktemp("grown")
    process = start(directory, program=("-c", WITH_NEW_ROWS))
    try:
        yield wait_ready(process, directory)
    finally:
        stop(process)


def listening_addresses(process: subprocess.Popen[bytes]) -> list[str]:
    """Return local address:port, in the hexadecimal form of /proc, of each TCP listener."""
    owned = set()
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # a connection may close meanwhile
            owned.add(os.readlink(descriptor))
    addresses = []
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{process.pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in owned:
                addresses.append(fields[1])
    return addresses


def test_models_production_tables_are_served(server: Server) -> None:
    """Every production isvc of single wikis and of all wikis is served, and nothing else."""
    with (ROOT / "sinks" / "deployed.tsv").open(encoding="utf-8") as table:
        rows = csv.DictReader((line for line in table if line[0] != "#"), delimiter="\t")
        expected = {row["isvc"] for row in rows if row["environment"] == "production"}

    answer = get(f"{server.url}/v1/models")

    assert answer.status_code == 200
    assert len(expected) > 100
    added = {row.question.service.name for row in ADDED if row.question and row.question.service}
    assert set(answer.json()["models"]) == {*expected, *GOOD, *added}


def test_readiness_served_model_is_ready(server: Server) -> None:
    """GET on a model is its readiness."""
    answer = get(f"{server.url}/v1/models/{ISVC}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"name": ISVC, "ready": True}


@pytest.mark.parametrize(
    ("isvc", "prediction_type", "labels"),
    [
        ("enwiki-articlequality", str, QUALITY),
        ("ruwiki-articlequality", str, {"I", "II", "III", "IV", "ХС", "ДС", "ИС"}),
        ("wikidatawiki-itemquality", str, set("ABCDE")),
        ("enwiki-draftquality", str, {"OK", "spam", "vandalism", "attack"}),
        ("viwiki-articletopic", list, None),
        ("enwiki-drafttopic", list, None),
        ("wikidatawiki-itemtopic", list, None),
        ("eswikibooks-damaging", bool, BOOLS),
        ("enwiki-goodfaith", bool, BOOLS),
        ("enwiktionary-reverted", bool, BOOLS),
    ],
)
def test_predict_each_model_has_its_shape(
    server: Server, isvc: str, prediction_type: type, labels: set[str] | None
) -> None:
    """The answer is keyed by wiki, model and revision, and typed as the model's prediction is."""
    wiki, model = isvc.split("-")

    answer = server.predict(isvc, {"rev_id": REV_ID})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    score = body[wiki]["scores"][str(REV_ID)][model]["score"]
    assert body == {
        wiki: {
            "models": {model: {"version": "sample-1"}},
            "scores": {str(REV_ID): {model: {"score": score}}},
        }
    }
    assert set(score) == {"prediction", "probability"}
    prediction, probability = score["prediction"], score["probability"]
    assert type(prediction) is prediction_type
    assert all(type(number) is float and 0 <= number <= 1 for number in probability.values())
    if labels is None:
        assert 20 <= len(probability) <= 64
        assert prediction == [label for label in probability if probability[label] > 0.5]
    else:
        assert set(probability) == labels
        assert math.isclose(sum(probability.values()), 1, abs_tol=1e-12)
        best = max(probability, key=lambda label: probability[label])
        assert best == (str(prediction).lower() if prediction_type is bool else prediction)


@pytest.mark.parametrize(
    ("isvc", "kinds"),
    [("enwiki-damaging", {"True", "False"}), ("enwiki-drafttopic", {"[]", "[...]"})],
)
def test_predict_many_revisions_reaches_both_kinds(
    server: Server, isvc: str, kinds: set[str]
) -> None:
    """Twenty revisions show true and false, and topics as well as none."""
    wiki, model = isvc.split("-")
    seen = set()
    for rev_id in range(REV_ID, REV_ID + 20):
        answer = server.predict(isvc, {"rev_id": rev_id})
        assert answer.status_code == 200
        prediction = answer.json()[wiki]["scores"][str(rev_id)][model]["score"]["prediction"]
        seen.add("[...]" if isinstance(prediction, list) and prediction else str(prediction))

    assert seen == kinds


@pytest.mark.parametrize("edge", [0, 999], ids=["first", "last"])
@pytest.mark.parametrize(
    ("first", "status", "member", "prefix"),
    [
        (1000, 400, "error", "The MW API does not have any info related to the rev-id"),
        (2000, 400, "error", "Missing resource for rev-id"),
        (3000, 400, "error", "Unexpected content type for rev-id"),
        (4000, 400, "error", "Generic error while extracting features for rev-id"),
        (5000, 500, "error", "Sample of a MediaWiki API time-out"),
        (6000, 500, "error", "LookupError : "),
        (7000, 422, "detail", "Sample of an unscorable revision"),
        (11000, 503, "error", f"Model with name {ISVC} is not ready."),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
def test_predict_error_range_has_the_documented_error(
    server: Server, first: int, status: int, member: str, prefix: str, edge: int
) -> None:
    """Each revision-id range has its status, its one member and its text prefix."""
    answer = server.predict(ISVC, {"rev_id": first + edge})

    is_error(answer, status, member, prefix)


@pytest.mark.parametrize("rev_id", [1, 999, 12000, 99999, 100000, 2**53])
def test_predict_revision_outside_the_ranges_is_scored(server: Server, rev_id: int) -> None:
    """Every id outside the ranges, small or large, has a score."""
    answer = server.predict(ISVC, {"rev_id": rev_id})

    assert answer.status_code == 200
    assert list(answer.json()["enwiki"]["scores"]) == [str(rev_id)]


@pytest.mark.parametrize(
    "body",
    [{}, {"rev_id": None}, {"rev_id": "1"}, {"rev_id": 1.0}, {"rev_id": True}, [REV_ID], "text"],
    ids=["absent", "null", "string", "float", "bool", "array", "text"],
)
def test_predict_no_integer_rev_id_is_400(server: Server, body: Any) -> None:
    """A request without an integer rev_id is the caller's error."""
    answer = server.predict(ISVC, body)

    is_error(answer, 400, "error", 'Expected "rev_id"')


@pytest.mark.parametrize(
    ("content_type", "body", "status", "prefix"),
    [
        ("application/json; charset=utf-8", b'{"rev_id": 1300200300}', 200, None),
        ("text/plain", b'{"rev_id"', 400, 'Expected "rev_id"'),
        ("text/plain", b"\xff", 400, 'Expected "rev_id"'),
        ("application/json", b'{"rev_id"', 400, "Unrecognized request format: "),
    ],
    ids=["charset", "text", "not_utf8", "not_json"],
)
def test_predict_content_type_decides_who_decodes(
    server: Server, content_type: str, body: bytes, status: int, prefix: str | None
) -> None:
    """KServe decodes exactly application/json, the model everything else."""
    url = f"{server.url}/v1/models/{ISVC}:predict"

    answer = post(url, data=body, headers={"Content-Type": content_type})

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    if prefix is None:
        assert list(answer.json()) == ["enwiki"]
    else:
        assert answer.json()["error"].startswith(prefix)


def test_predict_cloudevent_is_answered_with_a_cloudevent(server: Server) -> None:
    """With all ce- headers KServe answers as an event of its own, so callers must not send them."""
    attributes = {"id": "1", "source": "/test", "specversion": "1.0", "type": "test"}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    url = f"{server.url}/v1/models/{ISVC}:predict"

    answer = post(url, json={"rev_id": REV_ID}, headers=headers)

    assert answer.status_code == 200
    assert answer.headers["ce-type"] == "io.kserve.inference.response"
    assert answer.headers["ce-id"] != "1"


def test_predict_slow_range_waits_by_id_without_blocking_others(server: Server) -> None:
    """8005 is scored after half a second; 8030 outlives a short time-out while others go on."""
    began = time.monotonic()
    answer = server.predict(ISVC, {"rev_id": 8005})
    waited = time.monotonic() - began
    with pytest.raises(requests.ReadTimeout):
        server.predict(ISVC, {"rev_id": 8030}, timeout=0.2)
    other = server.predict(ISVC, {"rev_id": REV_ID}, timeout=2.0)

    assert answer.status_code == 200
    assert 0.5 <= waited < 3
    assert list(answer.json()["enwiki"]["scores"]) == ["8005"]
    assert other.status_code == 200


def test_predict_wrong_shape_range_is_200_without_a_score(server: Server) -> None:
    """A model bug of one kind: well-formed JSON that holds no score."""
    answer = server.predict(ISVC, {"rev_id": 9000})

    assert answer.status_code == 200
    assert answer.json() == {"predictions": []}


def test_predict_null_range_is_200_with_null_probabilities(server: Server) -> None:
    """A model bug of another kind: the right shape without numbers."""
    answer = server.predict("enwiki-goodfaith", {"rev_id": 10999})

    assert answer.status_code == 200
    score = answer.json()["enwiki"]["scores"]["10999"]["goodfaith"]["score"]
    assert score["probability"] == {"false": None, "true": None}


def test_predict_unknown_model_is_404(server: Server) -> None:
    """A model that is not deployed is a 404 with KServe's own text."""
    answer = server.predict("xxwiki-drafttopic", {"rev_id": REV_ID})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"error": "Model with name xxwiki-drafttopic does not exist."}


# --- the models that serve all their wikis with one InferenceService --------------------------


OUTLINK_CODES = {
    1000: "nosuchrevid",
    2000: "permissiondenied",
    12000: "missingtitle",
    13000: "invalidtitle",
    14000: "nosuchpageid",
}
UNSCORABLE_CODES = {
    1000: "revision_missing",
    2000: "revision_info_deleted",
    7000: "parent_revision_missing",
}
UNSCORABLE_TEXTS = {
    AGNOSTIC: "revisions dict_keys([({{}}, 'en')]). Reason: ['{}']",
    MULTILINGUAL: "revision {{}} (en). Reason: {}",
}
ERROR_RANGES = [
    *(
        (OUTLINK, first, 400, "detail", f"Sample of revision {{}}: MediaWiki API error '{code}'")
        for first, code in OUTLINK_CODES.items()
    ),
    *(
        (isvc, first, 422, "detail", f"Could not make prediction for {text.format(code)}")
        for isvc, text in UNSCORABLE_TEXTS.items()
        for first, code in UNSCORABLE_CODES.items()
    ),
    *(
        (isvc, 5000, 500, "error", "Sample of a MediaWiki API time-out")
        for isvc in (OUTLINK, AGNOSTIC, MULTILINGUAL)
    ),
    *(
        (ITEMS, first, 500, "error", "Error in preprocess for rev_id {}. Reason: ")
        for first in (1000, 2000, 5000, 6000)
    ),
    *(
        (isvc, 6000, 500, "error", "LookupError : ")
        for isvc in (OUTLINK, AGNOSTIC, MULTILINGUAL, TONE)
    ),
    *(
        (isvc, 11000, 503, "error", f"Model with name {isvc} is not ready.")
        for isvc in (OUTLINK, AGNOSTIC, MULTILINGUAL, ITEMS, TONE)
    ),
]


@pytest.mark.parametrize("edge", [0, 999], ids=["first", "last"])
@pytest.mark.parametrize(
    ("isvc", "first", "status", "member", "prefix"),
    ERROR_RANGES,
    ids=[f"{isvc}-{first}" for isvc, first, *_ in ERROR_RANGES],
)
def test_family_error_range_has_the_documented_error(
    server: Server, isvc: str, first: int, status: int, member: str, prefix: str, edge: int
) -> None:
    """A revision id means the same in every family that knows it, in the family's own words."""
    answer = server.predict(isvc, about(isvc, first + edge))

    is_error(answer, status, member, prefix.format(first + edge))


@pytest.mark.parametrize("isvc", [OUTLINK, AGNOSTIC, MULTILINGUAL, ITEMS, TONE])
@pytest.mark.parametrize("rev_id", [1, 999, 3000, 4999, 15000, 99999, 2**53 - 1])
def test_family_revision_outside_the_ranges_is_answered(
    server: Server, isvc: str, rev_id: int
) -> None:
    """Every id outside the ranges of the family, small or large, has an answer."""
    answer = server.predict(isvc, about(isvc, rev_id))

    assert answer.status_code == 200
    assert set(answer.json()) == set(server.predict(isvc, GOOD[isvc]).json())


@pytest.mark.parametrize(
    ("isvc", "body"),
    [
        *((isvc, about(isvc, 8002)) for isvc in (OUTLINK, AGNOSTIC, MULTILINGUAL, ITEMS, TONE)),
        (COUNTRY, {"lang": "en", "title": "Sample_slow_2_Lighthouse"}),
    ],
    ids=[OUTLINK, AGNOSTIC, MULTILINGUAL, ITEMS, TONE, COUNTRY],
)
def test_family_slow_range_waits_and_answers(
    server: Server, isvc: str, body: dict[str, Any]
) -> None:
    """The slow range, and its title, are answered as any other, after tenths of a second."""
    began = time.monotonic()
    answer = server.predict(isvc, body)
    waited = time.monotonic() - began

    assert answer.status_code == 200
    assert 0.2 <= waited < 3
    assert set(answer.json()) == set(server.predict(isvc, GOOD[isvc]).json())


@pytest.mark.parametrize("rev_id", [9000, 9999])
@pytest.mark.parametrize(
    ("isvc", "shape"),
    [
        *((isvc, {"predictions": []}) for isvc in (OUTLINK, AGNOSTIC, MULTILINGUAL, ITEMS)),
        (TONE, {"paragraphs": []}),
    ],
    ids=[OUTLINK, AGNOSTIC, MULTILINGUAL, ITEMS, TONE],
)
def test_family_wrong_shape_range_is_200_without_a_prediction(
    server: Server, isvc: str, shape: dict[str, Any], rev_id: int
) -> None:
    """Well-formed JSON that lacks what every answer of the family has."""
    answer = server.predict(isvc, about(isvc, rev_id))

    assert answer.status_code == 200
    assert answer.json() == shape


@pytest.mark.parametrize("body", [[NEAR], "text", {}], ids=["array", "text", "empty"])
@pytest.mark.parametrize(
    ("isvc", "member"), [(isvc, "detail" if isvc == ITEMS else "error") for isvc in GOOD]
)
def test_family_request_without_members_is_400(
    server: Server, isvc: str, member: str, body: Any
) -> None:
    """What is no JSON object lacks all that is required, as an empty one does."""
    answer = server.predict(isvc, body)

    is_error(answer, 400, member, "")


def test_family_bytes_are_decoded_by_the_model(server: Server) -> None:
    """A Content-Type with a charset changes nothing, not even the threshold's type."""
    body = b'{"page_id": 7, "wiki_id": "enwiki", "revision_id": 1352700001, "threshold": 0.0}'
    url = f"{server.url}/v1/models/{OUTLINK}:predict"

    plain = post(url, data=body, headers={"Content-Type": "application/json"})
    charset = post(url, data=body, headers={"Content-Type": "application/json; charset=utf-8"})

    assert (plain.status_code, charset.status_code) == (200, 200)
    assert plain.json() == charset.json()


@pytest.mark.parametrize(
    ("isvc", "members"),
    [
        ("new-outlink-topic-model", {"prediction"}),
        ("new-article-country", {"model_name", "model_version", "prediction"}),
        (
            "new-revertrisk-multilingual",
            {"model_name", "model_version", "wiki_db", "revision_id", "output"},
        ),
        (
            "new-revise-tone-task-generator",
            {"page_id", "page_title", "wiki_id", "revision_id", "lang", "predictions"},
        ),
    ],
)
def test_family_new_row_is_served(grown_server: Server, isvc: str, members: set[str]) -> None:
    """A row is all that a new model of a known family needs, and it goes by its own name."""
    answer = grown_server.predict(isvc, GOOD[isvc.removeprefix("new-")])

    assert answer.status_code == 200
    assert set(answer.json()) == members
    assert answer.json().get("model_name", isvc) == isvc


@pytest.mark.parametrize(
    ("model", "prediction_type"), [("newtopic", list), ("newquality", str), ("newmodel", bool)]
)
def test_family_new_model_of_a_wiki_has_labels_by_its_name(
    grown_server: Server, model: str, prediction_type: type
) -> None:
    """A line in the table of deployed models is all that the revscoring family needs."""
    answer = grown_server.predict(f"xxwiki-{model}", {"rev_id": NEAR})

    assert answer.status_code == 200
    score = answer.json()["xxwiki"]["scores"][str(NEAR)][model]["score"]
    assert type(score["prediction"]) is prediction_type
    assert len(score["probability"]) >= 2


# --- outlink topics ---------------------------------------------------------------------------


def topics(answer: requests.Response) -> list[tuple[str, float]]:
    """Return topic and score in the order of a good answer."""
    assert answer.status_code == 200
    results = answer.json()["prediction"]["results"]
    assert all(set(result) == {"topic", "score"} for result in results)
    return [(result["topic"], result["score"]) for result in results]


def test_outlink_threshold_zero_has_all_topics_strongest_first(server: Server) -> None:
    """The answer is the article and its topics, and names no model version."""
    answer = server.predict(OUTLINK, GOOD[OUTLINK])

    found = topics(answer)
    scores = [score for _, score in found]
    assert set(answer.json()) == {"prediction"}
    assert set(answer.json()["prediction"]) == {"article", "results"}
    assert answer.json()["prediction"]["article"] == "https://en.wikipedia.org/wiki?curid=70793851"
    assert len({topic for topic, _ in found}) == len(found) >= 20
    assert all(type(score) is float and 0 <= score < 1.0001 for score in scores)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("members", "least"), [({}, 0.5), ({"threshold": 0.6}, 0.6), ({"threshold": 2.0}, 2.0)]
)
def test_outlink_threshold_leaves_topics_out(
    server: Server, members: dict[str, Any], least: float
) -> None:
    """Topics are those with at least the threshold, which is 0.5 where none is sent."""
    # This revision has scores just above and just below a half.
    body = {"page_id": 7, "wiki_id": "enwiki", "revision_id": 1352700042}
    everything = topics(server.predict(OUTLINK, {**body, "threshold": 0.0}))

    found = topics(server.predict(OUTLINK, {**body, **members}))

    assert found == [(topic, score) for topic, score in everything if score >= least]
    assert len(found) < len(everything)
    assert bool(found) is (least < 1)


def test_outlink_threshold_equal_to_a_score_keeps_it(server: Server) -> None:
    """The filter is not a strict one."""
    everything = topics(server.predict(OUTLINK, GOOD[OUTLINK]))
    threshold = everything[5][1]

    found = topics(server.predict(OUTLINK, {**GOOD[OUTLINK], "threshold": threshold}))

    assert found == everything[:6]


def test_outlink_neighbouring_revisions_reach_all_kinds(server: Server) -> None:
    """Some have a topic, some have none, and a few scores are just above 1."""
    found = [
        topics(server.predict(OUTLINK, {"page_id": 7, "lang": "en", "revision_id": rev_id}))
        for rev_id in range(NEAR, NEAR + 20)
    ]

    assert {bool(each) for each in found} == {True, False}
    assert 0 < sum(1 < score < 1.0001 for each in found for _, score in each) < 20


@pytest.mark.parametrize(
    ("members", "article"),
    [
        ({"wiki_id": "zh_yuewiki"}, "https://zh-yue.wikipedia.org/wiki?curid=70793851"),
        ({"wiki_id": "be_x_oldwiki"}, "https://be-tarask.wikipedia.org/wiki?curid=70793851"),
        ({"lang": "test"}, "https://test.wikipedia.org/wiki?curid=70793851"),
        ({"lang": "fr", "wiki_id": "nowiki"}, "https://fr.wikipedia.org/wiki?curid=70793851"),
        (
            {"lang": "fr", "page_id": None, "page_title": "Été"},
            "https://fr.wikipedia.org/wiki/Été",
        ),
        ({"lang": "fr", "revision_id": None}, "https://fr.wikipedia.org/wiki?curid=70793851"),
    ],
    ids=["wiki_id", "wiki_id_unlike_label", "lang", "lang_wins", "title", "no_revision"],
)
def test_outlink_article_is_on_the_wiki_that_was_named(
    server: Server, members: dict[str, Any], article: str
) -> None:
    """The wiki is named by its id or its host's label, the page by its id or title."""
    answer = server.predict(OUTLINK, {"page_id": 70793851, "revision_id": NEAR, **members})

    assert answer.status_code == 200
    assert answer.json()["prediction"]["article"] == article


@pytest.mark.parametrize(
    "members",
    [
        {"page_title": "Both"},
        {"page_id": None},
        {"page_id": "7"},
        {"wiki_id": None},
        {"wiki_id": "nowherewiki"},
        {"wiki_id": "testwiki"},
        {"wiki_id": "test2wiki"},
        {"wiki_id": "enwiktionary"},
        {"lang": ""},
        {"lang": 7},
        {"threshold": 0},
        {"threshold": 1},
        {"threshold": "0.5"},
        {"threshold": None},
        {"threshold": False},
        {"revision_id": "7"},
        {"revision_id": True},
    ],
    ids=str,
)
def test_outlink_bad_request_is_400(server: Server, members: dict[str, Any]) -> None:
    """Each bad or missing member is the caller's error, an integer threshold included."""
    answer = server.predict(OUTLINK, {**GOOD[OUTLINK], **members})

    is_error(answer, 400, "error", "")


@pytest.mark.parametrize("lang", ["zh_yue", "nowhere", "en.wikipedia.org"])
def test_outlink_host_that_is_not_there_is_500(server: Server, lang: str) -> None:
    """`lang` is taken for a part of a host name, and found wrong only when that is asked."""
    answer = server.predict(OUTLINK, {"page_id": 7, "lang": lang, "revision_id": NEAR})

    is_error(answer, 500, "error", "Failed to ")


@pytest.mark.parametrize("rev_id", [10000, 10999])
def test_outlink_null_range_has_all_topics_without_numbers(server: Server, rev_id: int) -> None:
    """The right shape without numbers, whatever the threshold."""
    found = topics(server.predict(OUTLINK, {"page_id": 7, "lang": "en", "revision_id": rev_id}))

    assert len(found) >= 20
    assert {score for _, score in found} == {None}


# --- article country --------------------------------------------------------------------------


def country(server: Server, title: str) -> dict[str, Any]:
    """Return the `prediction` for a title of English Wikipedia, with its members checked."""
    answer = server.predict(COUNTRY, {"lang": "en", "title": title})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"model_name", "model_version", "prediction"}
    assert (body["model_name"], body["model_version"]) == ("article-country", "1")
    prediction: dict[str, Any] = body["prediction"]
    assert set(prediction) == {"article", "wikidata_item", "results"}
    assert prediction["article"] == f"https://en.wikipedia.org/wiki/{title}"
    assert all(set(found) == {"country", "score", "source"} for found in prediction["results"])
    return prediction


TITLES = [f"Lake_{number}" for number in range(40)]


def test_country_results_are_sorted_and_typed(server: Server) -> None:
    """Countries are different ones, their scores numbers of 0..1 from the highest down."""
    results = [country(server, title)["results"] for title in TITLES]

    for found in results:
        scores = [each["score"] for each in found]
        assert all(type(score) is float and 0 <= score <= 1 for score in scores)
        assert scores == sorted(scores, reverse=True)
        assert len({each["country"] for each in found}) == len(found)
    assert {len(found) for found in results} == {0, 1, 2, 3}


def test_country_items_are_texts_or_null(server: Server) -> None:
    """Most pages have a Wikidata item, some have none, and these then have no properties."""
    found = [country(server, title) for title in TITLES]

    without = [each for each in found if each["wikidata_item"] is None]
    assert 0 < len(without) < len(found) / 2
    assert not any(
        result["source"]["wikidata_properties"] for each in without for result in each["results"]
    )
    assert all(
        re.fullmatch(r"Q\d+", each["wikidata_item"]) for each in found if each not in without
    )


def test_country_sources_have_the_documented_members(server: Server) -> None:
    """Properties and categories are always there, links only for some countries."""
    sources = [result["source"] for title in TITLES for result in country(server, title)["results"]]

    for source in sources:
        assert set(source) - {"links"} == {"wikidata_properties", "categories"}
        for found in source["wikidata_properties"]:
            assert [re.fullmatch(r"P\d+", name) is not None for name in found] == [True]
        assert all(name.startswith("Category:") for name in source["categories"])
        for link in source.get("links", []):
            assert [type(link[name]) for name in ("country", "count", "prop-tfidf")] == [
                str,
                float,
                float,
            ]
            assert len(link) == 3
    assert {"links" in source for source in sources} == {True, False}
    assert {bool(source["categories"]) for source in sources} == {True, False}
    assert {bool(source["wikidata_properties"]) for source in sources} == {True, False}


@pytest.mark.parametrize("title", ["Sample_none_", "Sample_none_Lake", "Sample_none_Water"])
def test_country_title_without_countries_is_as_a_deleted_page(server: Server, title: str) -> None:
    """The documented prefix always has neither countries nor an item."""
    prediction = country(server, title)

    assert (prediction["wikidata_item"], prediction["results"]) == (None, [])


@pytest.mark.parametrize("title", [f"Sample_null_{number}" for number in range(5)])
def test_country_null_title_has_countries_without_numbers(server: Server, title: str) -> None:
    """The right shape without numbers."""
    results = country(server, title)["results"]

    assert {result["score"] for result in results} == {None}


def test_country_wrong_shape_title_is_200_without_a_prediction(server: Server) -> None:
    """Well-formed JSON that lacks what every answer has."""
    answer = server.predict(COUNTRY, {"lang": "en", "title": "Sample_wrong_shape_Lake"})

    assert answer.status_code == 200
    assert answer.json() == {"predictions": []}


@pytest.mark.parametrize(
    ("members", "status", "prefix"),
    [
        ({"title": "Sample_500_Lake"}, 500, "Failed to "),
        ({"title": "Sample_exception_Lake"}, 500, "LookupError : "),
        ({"title": "Sample_not_ready_Lake"}, 503, f"Model with name {COUNTRY} is not ready."),
        ({"title": None}, 400, "The parameter title is required."),
        ({"title": ""}, 400, "The parameter title is required."),
        ({"title": None, "page_title": "Lake"}, 400, "The parameter title is required."),
        ({"title": 7}, 400, "The parameter title is required."),
        ({"lang": None}, 400, "The parameter lang is required."),
        ({"lang": ""}, 400, "The parameter lang is required."),
        ({"lang": "enwiki"}, 400, ""),
        ({"lang": "zh_yue"}, 500, "Failed to "),
        ({"lang": "nowhere"}, 500, "Failed to "),
    ],
    ids=str,
)
def test_country_error_has_the_documented_text(
    server: Server, members: dict[str, Any], status: int, prefix: str
) -> None:
    """All of this server's errors are in the member `error`."""
    answer = server.predict(COUNTRY, {**GOOD[COUNTRY], **members})

    is_error(answer, status, "error", prefix)


def test_country_prefix_inside_a_title_is_nothing_special(server: Server) -> None:
    """Only how a title begins decides."""
    prediction = country(server, "Lake_Sample_500_")

    assert isinstance(prediction["results"], list)


# --- revert risk ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("isvc", "version", "wiki"),
    [
        (AGNOSTIC, "3", {"wiki_db": "enwiki"}),
        (MULTILINGUAL, "4", {"wiki_db": "enwiki"}),
        (ITEMS, "2", {}),
    ],
)
def test_revertrisk_prediction_has_the_documented_shape(
    server: Server, isvc: str, version: str, wiki: dict[str, str]
) -> None:
    """A boolean that is true above 0.5, and the probabilities of both, for true and false alike."""
    seen = set()
    for rev_id in range(NEAR, NEAR + 20):
        answer = server.predict(isvc, about(isvc, rev_id))

        assert answer.status_code == 200
        body = answer.json()
        output = body.pop("output")
        assert body == {
            "model_name": isvc,
            "model_version": version,
            **wiki,
            "revision_id": rev_id,
        }
        assert set(output) == {"prediction", "probabilities"}
        assert set(output["probabilities"]) == BOOLS
        risk = output["probabilities"]["true"]
        assert type(risk) is float and 0 <= risk <= 1
        assert output["probabilities"]["false"] == 1 - risk
        assert output["prediction"] is (risk > 0.5)
        seen.add(output["prediction"])

    assert seen == {True, False}


@pytest.mark.parametrize("isvc", [AGNOSTIC, MULTILINGUAL])
@pytest.mark.parametrize("lang", ["en", "yue", "gsw", "be-tarask", "test"])
def test_revertrisk_language_of_a_wikipedia_is_known(server: Server, isvc: str, lang: str) -> None:
    """`lang` is the language's code, and wiki_db is made from it even where no wiki is named so."""
    answer = server.predict(isvc, {"rev_id": NEAR, "lang": lang})

    assert answer.status_code == 200
    assert answer.json()["wiki_db"] == f"{lang}wiki"


@pytest.mark.parametrize("isvc", [AGNOSTIC, MULTILINGUAL])
@pytest.mark.parametrize(
    ("members", "member", "prefix"),
    [
        ({"rev_id": None}, "error", "The parameter rev_id is required."),
        ({"rev_id": 0}, "error", "The parameter rev_id is required."),
        ({"rev_id": "7"}, "error", "The parameter rev_id is required."),
        ({"rev_id": True}, "error", "The parameter rev_id is required."),
        ({"lang": None}, "error", "The parameter lang is required."),
        ({"lang": ""}, "error", "The parameter lang is required."),
        ({"lang": "enwiki"}, "detail", ""),
        ({"lang": "xx"}, "detail", "lang 'xx' does not exist "),
        ({"lang": "zh-yue"}, "detail", "lang 'zh-yue' does not exist "),
        ({"lang": "test2"}, "detail", "lang 'test2' does not exist "),
        ({"lang": "shy"}, "detail", "lang 'shy' does not exist "),  # has only a Wiktionary
    ],
    ids=str,
)
def test_revertrisk_bad_request_is_400(
    server: Server, isvc: str, members: dict[str, Any], member: str, prefix: str
) -> None:
    """What is missing is in `error`, a wrong language in `detail`."""
    answer = server.predict(isvc, {**GOOD[isvc], **members})

    is_error(answer, 400, member, prefix)


@pytest.mark.parametrize("isvc", [AGNOSTIC, MULTILINGUAL])
@pytest.mark.parametrize("lang", ["vro", "rup"])
def test_revertrisk_language_whose_host_has_another_name_is_500(
    server: Server, isvc: str, lang: str
) -> None:
    """The server knows these languages, and not the hosts of their Wikipedias."""
    answer = server.predict(isvc, {"rev_id": NEAR, "lang": lang})

    is_error(answer, 500, "error", "Failed to ")


@pytest.mark.parametrize(
    "body",
    [{}, {"rev_id": None}, {"rev_id": "7"}, {"rev_id": True}, {"rev_id": 0}, {"rev_id": -7}],
    ids=["absent", "null", "string", "bool", "zero", "negative"],
)
def test_revertrisk_wikidata_bad_request_is_400_in_detail(
    server: Server, body: dict[str, Any]
) -> None:
    """The Wikidata model has another text, in the other member."""
    answer = server.predict(ITEMS, body)

    is_error(answer, 400, "detail", "Invalid rev_id: ")


def test_revertrisk_wikidata_first_revision_is_scored(server: Server) -> None:
    """This model does not need a parent revision."""
    answer = server.predict(ITEMS, {"rev_id": 7000})

    assert answer.status_code == 200
    assert answer.json()["revision_id"] == 7000


@pytest.mark.parametrize("rev_id", [10000, 10999])
@pytest.mark.parametrize("isvc", [AGNOSTIC, MULTILINGUAL, ITEMS])
def test_revertrisk_null_range_has_null_probabilities(
    server: Server, isvc: str, rev_id: int
) -> None:
    """The right shape without numbers."""
    answer = server.predict(isvc, about(isvc, rev_id))

    assert answer.status_code == 200
    assert answer.json()["output"]["probabilities"] == {"true": None, "false": None}
    assert type(answer.json()["output"]["prediction"]) is bool


def instances(*rev_ids: int) -> dict[str, Any]:
    """Return a request about several revisions of English Wikipedia."""
    return {"instances": [{"rev_id": rev_id, "lang": "en"} for rev_id in rev_ids]}


def test_revertrisk_instances_are_predicted_as_single_ones(server: Server) -> None:
    """Twenty revisions at once have the same predictions, and no `errors`, as one by one."""
    rev_ids = range(NEAR, NEAR + 20)
    single = [server.predict(AGNOSTIC, about(AGNOSTIC, rev_id)).json() for rev_id in rev_ids]

    answer = server.predict(AGNOSTIC, instances(*rev_ids))

    assert answer.status_code == 200
    assert answer.json() == {"predictions": single}


def test_revertrisk_instances_some_unscorable_has_errors(server: Server) -> None:
    """What cannot be scored is told in texts beside the other predictions."""
    answer = server.predict(AGNOSTIC, instances(NEAR, 2000, 7000))

    assert answer.status_code == 200
    assert set(answer.json()) == {"predictions", "errors"}
    assert [each["revision_id"] for each in answer.json()["predictions"]] == [NEAR]
    assert answer.json()["errors"] == [
        "Could not make prediction for revision 2000 (en). Reason: revision_info_deleted",
        "Could not make prediction for revision 7000 (en). Reason: parent_revision_missing",
    ]


def test_revertrisk_instances_all_unscorable_is_422(server: Server) -> None:
    """With nothing to predict the form is that of one revision, with all of them."""
    answer = server.predict(AGNOSTIC, instances(2000, 7000))

    text = (
        "Could not make prediction for revisions dict_keys([(2000, 'en'), (7000, 'en')])."
        " Reason: ['revision_info_deleted', 'parent_revision_missing']"
    )
    is_error(answer, 422, "detail", text)


@pytest.mark.parametrize(
    ("isvc", "body", "prefix"),
    [
        (AGNOSTIC, {"instances": []}, ""),
        (AGNOSTIC, {"instances": {}}, ""),
        (AGNOSTIC, {"instances": [NEAR]}, "The parameter lang is required."),
        (AGNOSTIC, instances(*range(NEAR, NEAR + 21)), ""),
        (AGNOSTIC, {"instances": [{"rev_id": 7, "lang": lang} for lang in ("en", "de")]}, ""),
        (MULTILINGUAL, instances(NEAR), "The parameter lang is required."),
    ],
    ids=["empty", "object", "numbers", "too_many", "languages", "multilingual"],
)
def test_revertrisk_bad_instances_are_400(
    server: Server, isvc: str, body: dict[str, Any], prefix: str
) -> None:
    """At most 20 of one language are taken, and only by the language-agnostic model."""
    answer = server.predict(isvc, body)

    is_error(answer, 400, "error", prefix)


# --- revise tone ------------------------------------------------------------------------------


def test_tone_answer_repeats_the_request_and_lists_paragraphs(server: Server) -> None:
    """Neighbouring revisions have paragraphs or none, each with its place, text and score."""
    lengths = set()
    for rev_id in range(NEAR, NEAR + 20):
        answer = server.predict(TONE, about(TONE, rev_id))

        assert answer.status_code == 200
        body = answer.json()
        predictions = body.pop("predictions")
        assert body == {
            "page_id": 7,
            "page_title": "Hollow_Pines",
            "wiki_id": "enwiki",
            "revision_id": rev_id,
            "lang": "en",
        }
        for found in predictions:
            assert {name: type(value) for name, value in found.items()} == {
                "paragraph_index": int,
                "section_name": str,
                "text": str,
                "score": float,
            }
            assert 0 <= found["score"] <= 1
        indices = [found["paragraph_index"] for found in predictions]
        assert indices == sorted(set(indices))
        lengths.add(len(predictions))

    assert {0, 1} < lengths


@pytest.mark.parametrize("rev_id", [1000, 1999, 2000, 2999, 5000, 5999])
def test_tone_page_that_cannot_be_fetched_has_no_paragraphs(server: Server, rev_id: int) -> None:
    """An unknown revision, hidden text and a failed fetch look like a page without an issue."""
    answer = server.predict(TONE, about(TONE, rev_id))

    assert answer.status_code == 200
    assert answer.json() == {
        "page_id": 7,
        "page_title": "Hollow_Pines",
        "wiki_id": "enwiki",
        "revision_id": rev_id,
        "lang": "en",
        "predictions": [],
    }


@pytest.mark.parametrize("rev_id", [10000, 10999])
def test_tone_null_range_has_a_paragraph_without_a_score(server: Server, rev_id: int) -> None:
    """The right shape without a number."""
    answer = server.predict(TONE, about(TONE, rev_id))

    assert answer.status_code == 200
    assert [found["score"] for found in answer.json()["predictions"]] == [None]


@pytest.mark.parametrize("lang", "en fr ar pt test es ru ja nl zh de".split())
def test_tone_supported_language_is_answered(server: Server, lang: str) -> None:
    """The model knows eleven languages, testwiki's among them."""
    answer = server.predict(TONE, {**GOOD[TONE], "lang": lang})

    assert answer.status_code == 200
    assert (answer.json()["lang"], answer.json()["wiki_id"]) == (lang, f"{lang}wiki")


@pytest.mark.parametrize("lang", ["it", "enwiki", "", "EN"])
def test_tone_unsupported_language_is_400_in_detail(server: Server, lang: str) -> None:
    """Any other language has a text of its own."""
    answer = server.predict(TONE, {**GOOD[TONE], "lang": lang})

    assert answer.status_code == 400
    assert answer.json() == {"detail": "Unsupported lang."}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name in GOOD[TONE]),
        ("lang", 7),
        ("page_id", "7"),
        ("page_id", True),
        ("page_title", 7),
        ("rev_id", "7"),
        ("rev_id", 7.0),
        ("rev_id", True),
    ],
)
def test_tone_missing_or_wrongly_typed_member_is_400(
    server: Server, name: str, value: object
) -> None:
    """All four members are required, each with its type."""
    answer = server.predict(TONE, {**GOOD[TONE], name: value})

    is_error(answer, 400, "error", f'Expected "{name}"')


@pytest.mark.parametrize("name", GOOD[TONE])
def test_tone_absent_member_is_400(server: Server, name: str) -> None:
    """Absent is as null."""
    body = {key: value for key, value in GOOD[TONE].items() if key != name}

    answer = server.predict(TONE, body)

    is_error(answer, 400, "error", f'Expected "{name}"')


# --- the process ------------------------------------------------------------------------------


def test_listener_own_port_is_loopback_only(own_port_server: Server) -> None:
    """The process has one listener, REST on 127.0.0.1; no gRPC, no other local address."""
    port = int(own_port_server.url.rpartition(":")[2])

    addresses = listening_addresses(own_port_server.process)
    with socket.socket() as elsewhere:
        elsewhere.settimeout(5)
        outcome = elsewhere.connect_ex(("127.0.0.2", port))

    assert addresses == [f"0100007F:{port:04X}"]
    assert outcome == errno.ECONNREFUSED


@pytest.mark.parametrize(
    "isvc", ["enwiki-drafttopic", "enwiki-damaging", "ruwiki-articlequality", *GOOD]
)
def test_predict_in_two_processes_is_the_same_score(
    server: Server, own_port_server: Server, isvc: str
) -> None:
    """A score depends on isvc and revision, not on the process or the moment."""
    body = GOOD.get(isvc, {"rev_id": REV_ID})

    answers = [each.predict(isvc, body) for each in (server, own_port_server, server)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json() == answers[1].json() == answers[2].json()


def test_log_ordinary_answers_stay_silent(own_port_server: Server) -> None:
    """Neither a score nor a rejected request leaves a line in the log."""
    scored = own_port_server.predict(ISVC, {"rev_id": REV_ID})
    rejected = own_port_server.predict(ISVC, {"rev_id": 1000})

    assert (scored.status_code, rejected.status_code) == (200, 400)
    log = own_port_server.log.read_text()
    assert "HTTP/1.1" not in log
    assert "InvalidInput" not in log


def test_sigterm_during_a_slow_answer_ends_with_status_zero(tmp_path: Path) -> None:
    """The process ends within its grace period although a request still waits."""
    process = start(tmp_path, "--port", "0")
    try:
        port = int(wait_ready(process, tmp_path).url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as waiting:
            body = b'{"rev_id": 8900}'
            head = f"POST /v1/models/{ISVC}:predict HTTP/1.1\r\nHost: local\r\n"
            waiting.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=6)
    finally:
        stop(process)

    assert status == 0


def test_inherited_socket_bound_to_all_interfaces_is_refused(tmp_path: Path) -> None:
    """A descriptor that is bound to more than loopback ends the process before it serves."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))  # noqa: S104
        process = start(tmp_path, "--fd", str(listener.fileno()), fd=listener.fileno())
    try:
        status = process.wait(timeout=START_SECONDS)
    finally:
        stop(process)

    assert status == 1
    assert "is not bound to 127.0.0.1" in (tmp_path / "log").read_text()
    assert (tmp_path / "out").read_text() == ""
