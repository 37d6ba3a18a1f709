"""A failed delivery leaves nothing behind: not its body, and not what was made of it."""

from __future__ import annotations

import gc
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from sinks import deadletter_sink, egress_sink, score_sink
from sinks.deadletter_settings import DeadletterSettings
from sinks.egress_settings import EgressSettings
from sinks.score_settings import ScoreSettings
from tests.factories import SCORE_TYPE, binary, page_change, revision_score

DEAD = "http://127.0.0.1:9"
FAILURES = 20
UNMARKABLE = "CREATE TRIGGER full BEFORE UPDATE ON letters BEGIN SELECT RAISE(FAIL, ''); END"
LARGE = "x" * 500_000


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The garbage collector comes late: what only it would free stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rejected(_: Path) -> tuple[Flask, str, Any, dict[str, str]]:
    """Events that no sink can ever take."""
    app = score_sink.create_app(ScoreSettings.from_env({"PREDICTOR_URL": DEAD}))
    return app, "/models/drafttopic", page_change(comment=LARGE, wiki_id=7), {}


def no_predictor(_: Path) -> tuple[Flask, str, Any, dict[str, str]]:
    """Nobody answers at the predictor's address."""
    app = score_sink.create_app(ScoreSettings.from_env({"PREDICTOR_URL": DEAD}))
    return app, "/models/drafttopic", page_change(comment=LARGE), {}


def no_eventgate(_: Path) -> tuple[Flask, str, Any, dict[str, str]]:
    """Nor at any of EventGate's."""
    urls = f"{DEAD}/v1/events,http://127.0.0.1:10/v1/events"
    app = egress_sink.create_app(EgressSettings.from_env({"EVENTGATE_URLS": urls}))
    return app, "/", revision_score(page_title=LARGE), {"type": SCORE_TYPE}


def no_storage(directory: Path) -> tuple[Flask, str, Any, dict[str, str]]:
    """A large letter, and a database that cannot mark what became of its replay."""
    database = directory / "letters.sqlite"
    env = {
        "ALLOW_ANONYMOUS": "true",
        "SERVICE_URLS": f"*={DEAD}",
        "DATABASE_URL": f"sqlite:///{database}",
    }
    app = deadletter_sink.create_app(DeadletterSettings.from_env(env))
    headers, body = binary(page_change(comment=LARGE))
    assert app.test_client().post("/", data=body, headers=headers).status_code == 202
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(UNMARKABLE)
    return app, "/letters/replay", page_change(), {}


@pytest.mark.parametrize(
    ("failing", "status"),
    [(rejected, 422), (no_predictor, 503), (no_eventgate, 503), (no_storage, 503)],
    ids=["rejected", "no_predictor", "no_eventgate", "no_storage"],
)
@pytest.mark.usefixtures("uncollected")
def test_failures_of_large_events_leave_no_memory(
    failing: Callable[[Path], tuple[Flask, str, Any, dict[str, str]]], status: int, tmp_path: Path
) -> None:
    """Exceptions know frames, and frames know bodies: none of them may outlive its answer."""
    app, path, document, attributes = failing(tmp_path)
    client = app.test_client()
    headers, body = binary(document, **attributes)
    assert client.post(path, data=body, headers=headers).status_code == status

    tracemalloc.start()
    try:
        for _ in range(FAILURES):
            client.post(path, data=body, headers=headers).close()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert left < 2 * len(LARGE)
