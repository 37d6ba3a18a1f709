"""The local predictor answers as Lift Wing's model servers do, on loopback only."""

from __future__ import annotations

import csv
import errno
import math
import os
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

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0
ISVC = "enwiki-drafttopic"
REV_ID = 1300200300
QUALITY = {"Stub", "Start", "C", "B", "GA", "FA"}
BOOLS = {"false", "true"}


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


def start(directory: Path, *arguments: str, fd: int | None = None) -> subprocess.Popen[bytes]:
    """Start the predictor; its standard output and error go to files in `directory`."""
    with (directory / "out").open("wb") as out, (directory / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "sinks.local.predictor", *arguments],
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


def test_models_production_table_is_served(server: Server) -> None:
    """Every production isvc of the table is served, and nothing else."""
    with (ROOT / "sinks" / "deployed.tsv").open(encoding="utf-8") as table:
        rows = csv.DictReader((line for line in table if line[0] != "#"), delimiter="\t")
        expected = {row["isvc"] for row in rows if row["environment"] == "production"}

    answer = get(f"{server.url}/v1/models")

    assert answer.status_code == 200
    assert len(expected) > 100
    assert set(answer.json()["models"]) == expected


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

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {member}
    assert answer.json()[member].startswith(prefix)


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

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"].startswith('Expected "rev_id"')


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


def test_listener_own_port_is_loopback_only(own_port_server: Server) -> None:
    """The process has one listener, REST on 127.0.0.1; no gRPC, no other local address."""
    port = int(own_port_server.url.rpartition(":")[2])

    addresses = listening_addresses(own_port_server.process)
    with socket.socket() as elsewhere:
        elsewhere.settimeout(5)
        outcome = elsewhere.connect_ex(("127.0.0.2", port))

    assert addresses == [f"0100007F:{port:04X}"]
    assert outcome == errno.ECONNREFUSED


@pytest.mark.parametrize("isvc", ["enwiki-drafttopic", "enwiki-damaging", "ruwiki-articlequality"])
def test_predict_in_two_processes_is_the_same_score(
    server: Server, own_port_server: Server, isvc: str
) -> None:
    """A score depends on isvc and revision, not on the process or the moment."""
    answers = [each.predict(isvc, {"rev_id": REV_ID}) for each in (server, own_port_server, server)]

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
