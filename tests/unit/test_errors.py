"""Errors: bounded answers, statuses that Knative understands, and one declared list of reasons."""

from __future__ import annotations

import ast
import itertools
import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import sinks
from sinks import errors, predictor
from sinks.errors import (
    MAX_DETAIL_CHARS,
    MAX_ERROR_BODY_BYTES,
    PermanentError,
    Rejected,
    SinkError,
    TemporaryError,
    error_document,
    safe_id,
)
from sinks.reasons import Reason

REASONS = frozenset(get_args(Reason))
LONGEST: Reason = max(get_args(Reason), key=len)
SOURCES = {path.name: ast.parse(path.read_text()) for path in Path(sinks.__path__[0]).glob("*.py")}
# Knative retries these, and every 5xx.
RETRIED_4XX = {404, 408, 409, 429}


def subclasses(base: type[SinkError]) -> list[type[SinkError]]:
    """All classes below `base` that sinks/*.py defines."""
    below = [each for direct in base.__subclasses__() for each in (direct, *subclasses(direct))]
    return [each for each in below if each.__module__ in (errors.__name__, predictor.__name__)]


PERMANENT = subclasses(PermanentError)
TEMPORARY = subclasses(TemporaryError)

DETAILS = {
    "empty": "",
    "plain": "d" * 100,
    "longest": "d" * MAX_DETAIL_CHARS,
    "ten-kilobytes": "d" * 10_000,
    "quotes": '"' * 10_000,
    "backslashes": "\\" * 10_000,
    "control-characters": "\x00\n\x1f\x7f" * 2_500,
    "non-ascii": "\u4e2d\u00e9" * 5_000,
    "emoji": "\U0001f600" * 10_000,
    "lone-surrogates": "\ud800" * 10_000,
    "line-separators": "\u2028\u2029" * 5_000,
}
CE_IDS: dict[str, object] = {
    "none": None,
    "number": 7,
    "longest": "i" * 128,
    "too-long": "i" * 129,
    "ten-kilobytes": "i" * 10_000,
    "backslashes": "\\" * 128,
    "quotes": '"' * 128,
    "apostrophes": "'" * 128,
    "html": "<&>" * 42,
    "non-ascii": "\u00e9" * 128,
    "newline": "a\nb",
}


@pytest.mark.parametrize("ce_id", CE_IDS.values(), ids=CE_IDS)
@pytest.mark.parametrize("detail", DETAILS.values(), ids=DETAILS)
def test_error_document_any_detail_and_id_is_bounded_json(detail: str, ce_id: object) -> None:
    """A longer body crashes Knative's dispatcher, so no detail and no id can make it longer."""
    error = Rejected(LONGEST, detail)

    body = error_document(error, ce_id)

    assert len(body) <= MAX_ERROR_BODY_BYTES == 768
    assert json.loads(body).keys() == {"reason", "detail", "ce_id"}


def test_error_document_foreseen_error_says_reason_detail_and_id() -> None:
    """The body is one line of JSON with the reason, one sentence and the event's id."""
    error = Rejected("unknown_row", "there are only the rows a, b")

    body = error_document(error, "event-1")

    assert body == (
        b'{"reason":"unknown_row","detail":"there are only the rows a, b","ce_id":"event-1"}'
    )


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        pytest.param('say "x"', "say 'x'", id="quotes"),
        pytest.param("a\\b", "a'b", id="backslash"),
        pytest.param("a\nb\tc", "a'b'c", id="control-characters"),
        pytest.param("caf\u00e9", "caf?", id="non-ascii"),
        pytest.param("x" * 1000, "x" * MAX_DETAIL_CHARS, id="too-long"),
    ],
)
def test_error_document_awkward_detail_becomes_plain_text(detail: str, expected: str) -> None:
    """The detail is one line of printable ASCII that JSON does not have to escape."""
    error = Rejected("unknown_row", detail)

    document = json.loads(error_document(error, None))

    assert document["detail"] == expected


def test_error_document_unsafe_id_is_null() -> None:
    """An id that may not stand in a header is not repeated in an answer either."""
    error = Rejected("unknown_row", "x")

    document = json.loads(error_document(error, "a b"))

    assert document["ce_id"] is None


class Body(bytearray):
    """What a weak reference can look for."""


def test_let_go_errors_in_a_circle_free_what_their_functions_held() -> None:
    """A library may raise what it has raised before: cause and context then lead back."""
    bodies: list[weakref.ref[Body]] = []

    def fail(cause: Exception | None) -> None:
        body = Body(b"x")
        bodies.append(weakref.ref(body))
        raise ValueError("read") from cause

    def failed(cause: Exception | None) -> Exception:
        try:
            fail(cause)
        except ValueError as error:
            return error
        raise AssertionError

    first = failed(None)
    second, third = failed(first), failed(None)
    first.__cause__ = second
    second.__context__ = third

    errors.let_go(second)

    assert [reference() for reference in bodies] == [None, None, None]


@pytest.mark.parametrize(
    "value", ["a", "partition:0/offset:1", "~!#$&'()*+,;=@[]{}|^`\\<>", "i" * 128]
)
def test_safe_id_printable_ascii_is_returned(value: str) -> None:
    """1-128 printable ASCII characters without space, quote and percent are safe."""
    seen = safe_id(value)

    assert seen == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("i" * 129, id="too-long"),
        pytest.param("i" * 10_000, id="ten-kilobytes"),
        pytest.param("a b", id="space"),
        pytest.param('a"b', id="quote"),
        pytest.param("a%20b", id="percent"),
        pytest.param("a\n", id="trailing-newline"),
        pytest.param("a\r\nX: 1", id="header-injection"),
        pytest.param("a\x00", id="nul"),
        pytest.param("a\x7f", id="delete"),
        pytest.param("\u00e9", id="latin-1"),
        pytest.param("\u0661", id="unicode-digit"),
        pytest.param("\ud800", id="lone-surrogate"),
        pytest.param(None, id="none"),
        pytest.param(7, id="number"),
        pytest.param(b"a", id="bytes"),
        pytest.param(["a"], id="list"),
    ],
)
def test_safe_id_anything_else_is_none(value: object) -> None:
    """Whatever could break a header or an error body is not safe."""
    seen = safe_id(value)

    assert seen is None


@pytest.mark.parametrize("kind", PERMANENT, ids=lambda kind: kind.__name__)
def test_permanent_error_status_is_not_retried(kind: type[SinkError]) -> None:
    """What fails for good has a 4xx status that Knative does not repeat."""
    error = kind("bug", "x")

    assert error.outcome == "rejected"
    assert 400 <= error.status < 500
    assert error.status not in RETRIED_4XX


@pytest.mark.parametrize("kind", TEMPORARY, ids=lambda kind: kind.__name__)
def test_temporary_error_status_is_retried(kind: type[SinkError]) -> None:
    """What may pass with time has a status that Knative repeats."""
    error = kind("bug", "x")

    assert error.outcome == "deferred"
    assert error.status >= 500 or error.status in RETRIED_4XX


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("MalformedEvent", 400),
        ("Unauthenticated", 401),
        ("NoSuchPath", 404),
        ("WrongMethod", 405),
        ("BodyTooLarge", 413),
        ("UnsupportedMediaType", 415),
        ("InvalidEvent", 422),
        ("Rejected", 422),
        ("Bug", 500),
        ("BadAnswer", 502),
        ("Unavailable", 503),
        ("DeadlineExceeded", 504),
    ],
)
def test_error_class_declared_status_is_the_documented_one(name: str, status: int) -> None:
    """Each class stands for exactly one status."""
    kind = getattr(errors, name)

    assert kind.status == status


def test_error_stage_given_wins_over_class() -> None:
    """A stage that is given replaces the class's own, for that error only."""
    error = Rejected("unknown_row", "x", stage="predictor")

    assert (error.stage, Rejected.stage) == ("predictor", "receiving")


def error_names() -> frozenset[str]:
    """The names of SinkError and all classes below it, in any module."""
    names = {"SinkError"}
    classes = [
        n for tree in SOURCES.values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)
    ]
    for _ in classes:
        names |= {
            each.name
            for each in classes
            if any(isinstance(base, ast.Name) and base.id in names for base in each.bases)
        }
    return frozenset(names)


def texts(node: ast.AST | None) -> Iterator[str]:
    """The texts that an expression can be: a constant, or either side of `or` and `if`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.BoolOp):
        yield from itertools.chain.from_iterable(map(texts, node.values))
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))


def given_reasons() -> list[tuple[str, str]]:
    """(file, text) of every text that is given where a Reason is wanted."""
    names = error_names()
    given = []
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            wanted: list[ast.AST | None] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in names:
                    wanted += node.args[:1]
                if node.func.id == "Answer":
                    wanted += node.args[1:2]
                wanted += [word.value for word in node.keywords if word.arg == "reason"]
            elif isinstance(node, ast.FunctionDef) and node.returns is not None:
                if ast.unparse(node.returns) in ("Reason", "Reason | None"):
                    wanted += [
                        each.value for each in ast.walk(node) if isinstance(each, ast.Return)
                    ]
            given += [(file, text) for each in wanted for text in texts(each)]
    return given


def test_reasons_given_in_source_are_declared() -> None:
    """No error, answer or decision names a reason that is not in the declared list."""
    given = given_reasons()

    undeclared = [(file, text) for file, text in given if text not in REASONS]

    assert len(given) > 40
    assert undeclared == []


def test_reasons_declared_are_used_in_source() -> None:
    """The declared list holds no reason that nothing can give."""
    used = {
        node.value
        for file, tree in SOURCES.items()
        if file != "reasons.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    unused = REASONS - used

    assert unused == set()


def test_reasons_declared_are_slugs_and_unique() -> None:
    """A reason is a lower-case slug that can be a metric label."""
    declared = get_args(Reason)

    assert len(declared) == len(set(declared))
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in declared)
