"""RFC 3339 times: which are read, how they are written, and how old they are."""

from __future__ import annotations

import random
import re
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sinks.timestamp import age_seconds, lag_seconds, utc_time

NOW = datetime(2026, 9, 23, 10, 0, 0, tzinfo=UTC)
WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-09-23T10:00:00Z", "2026-09-23T10:00:00Z", id="as-written"),
        pytest.param("2026-09-23t10:00:00z", "2026-09-23T10:00:00Z", id="lower-case"),
        pytest.param("2026-09-23 10:00:00Z", "2026-09-23T10:00:00Z", id="space"),
        pytest.param("2026-09-23T12:00:00+02:00", "2026-09-23T10:00:00Z", id="offset"),
        pytest.param("2026-09-23T10:00:00+00:00", "2026-09-23T10:00:00Z", id="zero-offset"),
        pytest.param("2026-09-23T10:00:00-00:00", "2026-09-23T10:00:00Z", id="unknown-offset"),
        pytest.param("2026-09-23T06:30:00-03:30", "2026-09-23T10:00:00Z", id="half-hour-offset"),
        pytest.param("2026-01-01T00:59:59+01:00", "2025-12-31T23:59:59Z", id="year-before"),
        pytest.param("2024-02-28T23:30:00-01:00", "2024-02-29T00:30:00Z", id="leap-day"),
        pytest.param("2026-01-01T00:00:00+23:59", "2025-12-31T00:01:00Z", id="largest-offset"),
        pytest.param("2026-09-23T10:00:00.5Z", "2026-09-23T10:00:00.5Z", id="one-digit"),
        pytest.param(
            "2026-09-23T10:00:00.123456789Z", "2026-09-23T10:00:00.123456789Z", id="nine-digits"
        ),
        pytest.param(
            "2026-09-23T12:00:00.000000001+02:00",
            "2026-09-23T10:00:00.000000001Z",
            id="nine-digits-with-offset",
        ),
        pytest.param("2026-09-23T10:00:00.500Z", "2026-09-23T10:00:00.500Z", id="trailing-zeros"),
        pytest.param(
            "2026-09-23T10:00:00.1234567891Z", "2026-09-23T10:00:00.123456789Z", id="ten-digits"
        ),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="first-year"),
        pytest.param("0999-06-01T00:00:00Z", "0999-06-01T00:00:00Z", id="three-digit-year"),
        pytest.param("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", id="last-year"),
    ],
)
def test_utc_time_rfc3339_text_is_written_in_utc(text: str, expected: str) -> None:
    """An RFC 3339 time is written as the same instant in one form, its digits kept."""
    written = utc_time(text)

    assert written == expected
    assert utc_time(written) == written


REFUSED = [
    pytest.param("", id="empty"),
    pytest.param("yesterday", id="word"),
    pytest.param("2026-09-23", id="day-only"),
    pytest.param("2026-09-23T10:00Z", id="no-seconds"),
    pytest.param("2026-09-23T10:00:00", id="no-zone"),
    pytest.param("2026-09-23T10:00:00.Z", id="empty-fraction"),
    pytest.param("2026-09-23T10:00:00,5Z", id="comma"),
    pytest.param("2026-09-23T10:00:00+0200", id="offset-without-colon"),
    pytest.param("2026-09-23T10:00:00+02", id="offset-of-hours"),
    pytest.param("2026-09-23T10:00:00+24:00", id="offset-of-a-day"),
    pytest.param("2026-09-23T10:00:00+01:60", id="offset-of-60-minutes"),
    pytest.param("2026-09-23T10:00:00\u221201:00", id="minus-sign"),
    pytest.param("2026-09-23T24:00:00Z", id="hour-24"),
    pytest.param("2026-09-23T10:60:00Z", id="minute-60"),
    pytest.param("2026-09-23T10:00:61Z", id="second-61"),
    pytest.param("2016-12-31T23:59:60Z", id="leap-second"),
    pytest.param("2026-13-01T10:00:00Z", id="month-13"),
    pytest.param("2026-00-01T10:00:00Z", id="month-0"),
    pytest.param("2026-01-00T10:00:00Z", id="day-0"),
    pytest.param("2026-01-32T10:00:00Z", id="day-32"),
    pytest.param("2026-02-29T10:00:00Z", id="february-29"),
    pytest.param("0000-01-01T00:00:00Z", id="year-0"),
    pytest.param("0001-01-01T00:00:00+00:01", id="before-year-1"),
    pytest.param("9999-12-31T23:59:59-00:01", id="after-year-9999"),
    pytest.param("12026-01-01T10:00:00Z", id="five-digit-year"),
    pytest.param("-026-01-01T10:00:00Z", id="negative-year"),
    pytest.param("2026-9-23T10:00:00Z", id="one-digit-month"),
    pytest.param(" 2026-09-23T10:00:00Z", id="leading-space"),
    pytest.param("2026-09-23T10:00:00Z ", id="trailing-space"),
    pytest.param("2026-09-23T10:00:00Z\n", id="trailing-newline"),
    pytest.param("2026-09-23\n10:00:00Z", id="newline-for-t"),
    pytest.param("\u0662\u0660\u0662\u0666-09-23T10:00:00Z", id="arabic-digits"),
    pytest.param("2026-09-23T10:00:0\uff10Z", id="full-width-digit"),
    pytest.param("2026-09-23T10:00:00\u017f", id="letter-that-folds-to-ascii"),
    pytest.param("20260923T100000Z", id="basic-format"),
    pytest.param("2026-W39-3T10:00:00Z", id="week-date"),
    pytest.param("1790157600", id="seconds-since-1970"),
    pytest.param("2026-09-23T10:00:00Z" * 500, id="ten-kilobytes"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_utc_time_other_text_raises_value_error(text: str) -> None:
    """What is no RFC 3339 time of the years 1 to 9999 is refused."""
    with pytest.raises(ValueError):
        utc_time(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2031-13-01T10:11:12Z", id="month-13"),
        pytest.param("2031-00-01T10:11:12Z", id="month-0"),
        pytest.param("2031-02-30T10:11:12Z", id="day-30-of-february"),
        pytest.param("2031-01-00T10:11:12Z", id="day-0"),
        pytest.param("0000-01-01T10:11:12Z", id="year-0"),
        pytest.param("0001-01-01T00:11:12+10:11", id="before-year-1"),
        pytest.param("2031-02-03 at 10:11", id="no-time"),
    ],
)
def test_utc_time_refused_message_never_quotes_the_text(text: str) -> None:
    """The message goes into answers, so it holds no part of what was sent, however it is wrong."""
    with pytest.raises(ValueError) as refused:
        utc_time(text)

    quoted = [part for part in (text[:7], "10:11") if part in str(refused.value)]
    assert quoted == []


def test_utc_time_random_times_are_the_same_instant() -> None:
    """Against the standard library as a second opinion, offsets never move an instant."""
    chance = random.Random(3339)  # noqa: S311
    moments = [
        datetime(1900, 1, 1, tzinfo=timezone(timedelta(minutes=chance.randint(-1439, 1439))))
        + timedelta(microseconds=chance.randrange(200 * 365 * 86_400 * 10**6))
        for _ in range(500)
    ]

    written = [utc_time(moment.isoformat()) for moment in moments]

    assert [datetime.fromisoformat(text) for text in written] == moments
    assert all(WRITTEN.fullmatch(text) for text in written)


def test_utc_time_long_times_are_read_and_none_is_kept() -> None:
    tracemalloc.start()
    try:
        for number in range(40):
            digits = f"{number:02}" + "7" * 1_000_000
            assert utc_time(f"2026-09-23T10:00:00.{digits}Z").endswith(f".{number:02}7777777Z")
        assert tracemalloc.get_traced_memory()[0] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        pytest.param("2026-09-23T10:00:00Z", 0.0, id="now"),
        pytest.param("2026-09-23T09:59:30Z", 30.0, id="half-a-minute"),
        pytest.param("2026-09-22T10:00:00Z", 86_400.0, id="a-day"),
        pytest.param("2026-09-23T09:59:59.5Z", 0.5, id="fraction"),
        pytest.param("2026-09-23T09:59:59.999999999Z", 1e-9, id="nine-digits"),
        pytest.param("2026-09-23T10:00:10Z", -10.0, id="future"),
        pytest.param("0001-01-01T00:00:00Z", 63_925_754_400.0, id="first-year"),
    ],
)
def test_age_seconds_utc_time_gives_seconds_before_now(utc: str, expected: float) -> None:
    """The age is counted to now, in fractions of a second, negative in the future."""
    age = age_seconds(utc, NOW)

    assert age == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-09-23T10:00:00Z", 0.0, id="now"),
        pytest.param("2026-09-23T09:59:58.5Z", 1.5, id="fraction"),
        pytest.param("2026-09-23T12:59:30.25+03:00", 29.75, id="offset"),
        pytest.param("2026-09-23t09:59:30.25z", 29.75, id="lower-case"),
        pytest.param("2026-09-22T10:00:00Z", 86_400.0, id="a-day"),
        pytest.param("2026-09-23T10:00:10Z", 0.0, id="future"),
        pytest.param("2026-09-23T09:59:59.5000000000000000000000000000000000Z", 0.5, id="long"),
        pytest.param("2026-12-31T23:59:60Z", None, id="leap-second"),
        pytest.param("yesterday", None, id="nonsense"),
        pytest.param("", None, id="empty"),
        pytest.param("9" * 10_000, None, id="ten-kilobytes"),
    ],
)
def test_lag_seconds_is_never_negative_and_none_for_no_time(
    text: str, expected: float | None
) -> None:
    """Any RFC 3339 text will do, and what is none says nothing."""
    assert lag_seconds(text, NOW.timestamp()) == pytest.approx(expected, abs=1e-6)
