"""The probe against sinks that are not ours: it finds what is wrong with each, and nothing else.

Three are as the documentation of their frameworks shows them; the fourth is right in everything.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.foreign.conftest import Probed
from tests.foreign.servers import FOREIGN

FRAMEWORK, FUNC, KSERVE = "functions-framework", "func-python", "kserve"

# Sink, row of the contract, rule, and a part of what the finding has to say.
DEFECTS = (
    # Its cloudevent signature can only answer the text OK, which a Broker takes for a failure.
    (FRAMEWORK, "event_binary", "reply_not_an_event", "'OK'"),
    (FRAMEWORK, "event_structured", "reply_not_an_event", "'OK'"),
    (FRAMEWORK, "id_empty_binary", "reply_not_an_event", "'OK'"),
    (FRAMEWORK, "content_type_batch", "reply_not_an_event", "'OK'"),
    # It repeats the whole request in its errors: a Broker's dispatcher crashes on such a body.
    (FRAMEWORK, "id_absent_binary", "error_too_long", "400"),
    (FRAMEWORK, "specversion_1_0_2_structured", "error_too_long", "400"),
    # What it cannot read at all is an error of its own to it, which is repeated ten times.
    (FRAMEWORK, "structured_array", "permanent_failure_repeated", "500"),
    (FRAMEWORK, "body_not_utf8_structured", "permanent_failure_repeated", "500"),
    (FRAMEWORK, "half_open_connections", "no_answer", "5 s"),
    # The SDK below it makes up what is missing, anew at every delivery.
    (FUNC, "id_absent_binary", "bad_event_accepted", "200"),
    (FUNC, "id_absent_structured", "bad_event_accepted", "200"),
    (FUNC, "specversion_absent_binary", "bad_event_accepted", "200"),
    (FUNC, "redelivery_binary", "reply_id_changes", "for the same event"),
    (FUNC, "redelivery_structured", "reply_id_changes", "for the same event"),
    # It takes a structured event with any ce- header for a binary one.
    (FUNC, "structured_with_trace_header", "good_event_refused", "400"),
    (FUNC, "structured_with_contradicting_headers", "good_event_refused", "500"),
    (FUNC, "structured_sent_as_json", "bad_event_accepted", "200"),
    (FUNC, "content_type_batch", "bad_event_accepted", "200"),
    (FUNC, "binary_json_upper_case", "good_event_refused", "500"),
    (FUNC, "structured_array", "permanent_failure_repeated", "500"),
    (FUNC, "subject_raw_latin1", "permanent_failure_repeated", "500"),
    # Only the bare media type is structured to it; with charset the model gets bytes.
    (KSERVE, "structured_with_charset", "good_event_refused", "400"),
    (KSERVE, "structured_upper_case", "good_event_refused", "400"),
    (KSERVE, "structured_data_base64", "good_event_refused", "400"),
    (KSERVE, "structured_with_contradicting_headers", "good_event_refused", "500"),
    # Without one of the four headers it is a plain request to it, and the answer plain JSON.
    (KSERVE, "id_absent_binary", "reply_not_an_event", "characters"),
    (KSERVE, "source_absent_binary", "reply_not_an_event", "characters"),
    (KSERVE, "structured_sent_as_json", "reply_not_an_event", "characters"),
    (KSERVE, "id_empty_binary", "bad_event_accepted", "200"),
    (KSERVE, "specversion_1_0_2_structured", "bad_event_accepted", "200"),
    # Every reply has a new random id.
    (KSERVE, "redelivery_binary", "reply_id_changes", "for the same event"),
    (KSERVE, "redelivery_structured", "reply_id_changes", "for the same event"),
    (KSERVE, "path_trailing_slash", "redirect", "307"),
)
# What these three do right, so that the probe must not complain of it.
RIGHT = (
    (FRAMEWORK, "request_two_lengths"),
    (FUNC, "event_binary"),
    (FUNC, "event_structured"),
    (FUNC, "source_absent_binary"),
    (FUNC, "specversion_1_0_2_binary"),
    (FUNC, "other_id"),
    (FUNC, "subject_percent_encoded"),
    (KSERVE, "event_binary"),
    (KSERVE, "event_structured"),
    (KSERVE, "event_with_knatives_headers"),
    (KSERVE, "id_absent_structured"),
    (KSERVE, "half_open_connections"),
)


Probe = Callable[[str], Probed]


@pytest.mark.parametrize(
    ("sink", "row", "rule", "says"), DEFECTS, ids=[f"{sink}-{row}" for sink, row, *_ in DEFECTS]
)
def test_probe_finds_the_defect(probed: Probe, sink: str, row: str, rule: str, says: str) -> None:
    """Each known mistake of a framework is found, by the rule that names it."""
    found = probed(sink).findings[row]

    assert rule in [finding["rule"] for finding in found]
    assert says in " ".join(finding["problem"] for finding in found if finding["rule"] == rule)
    assert probed(sink).exit_code == 1


@pytest.mark.parametrize(("sink", "row"), RIGHT, ids=[f"{sink}-{row}" for sink, row in RIGHT])
def test_probe_raises_no_alarm_where_a_framework_is_right(
    probed: Probe, sink: str, row: str
) -> None:
    """A sink that is wrong in much is not blamed for the rest."""
    assert probed(sink).findings[row] == []


def test_probe_finds_nothing_in_a_correct_sink(probed: Probe) -> None:
    """A sink on the Go SDK that does everything right comes out clean: no false alarm."""
    clean = probed("go")

    assert {row: found for row, found in clean.findings.items() if found} == {}
    assert clean.exit_code == 0
    assert len(clean.findings) >= 90


@pytest.mark.parametrize("sink", FOREIGN)
def test_sink_survives_the_probe(probed: Probe, sink: str) -> None:
    """What is probed still runs afterwards, so that all findings are about a living sink."""
    assert probed(sink).running.process.poll() is None
    assert probed(sink).report["as"] == "any-processor"
