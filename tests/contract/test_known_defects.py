"""The known defects of the emitters inside today's model servers: none of them is one of ours.

Each defect has the tests that show that it cannot happen here; where the fault lies in a predictor
or in what consumers get from it, the table says what our sinks then do. The ids are those of the
list of defects that this project was begun with: A wrong or missing data, B events that crash the
emitter, C delivery, D routing and coverage, E errors, logs and efficiency. Left out are C10 to C13,
which are changeprop's reading of Kafka, where we have no part, and of E what happens in predictors.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final, NamedTuple

import pytest

from sinks.local.processes import ROOT


class Defect(NamedTuple):
    """One defect of today's emitters.

    was:      what is wrong there.
    here:     what holds here instead.
    shown_by: ids of tests (a part of an id is enough), at least one.
    """

    was: str
    here: str
    shown_by: tuple[str, ...]


ROWS: Final = "test_rows.py::test_case_through_score_sink_asks_and_replies_as_in_its_files"
EVERY: Final = "test_every_change.py::test_page_change_of_any_content"
CHANGES: Final = "test_prediction_classification.py::test_from_change"
WIKIS: Final = "test_models.py::test_unwanted_every_wiki_of_the_table_is_taken_or_told_why"
REQUESTS: Final = "test_models.py::test_request_is_exactly_what_the_server_takes"
NOT_OURS: Final = "not ours: "

DEFECTS: Final = {
    "A1": Defect(
        "a score is published under another event's revision",
        "nothing outlives its request; an answer that names another revision is refused",
        (
            "test_kserve_v1.py::test_predictor_answers_out_of_order_each_event_gets_its_own_score",
            "test_revertrisk.py::test_prediction_other_shape_is_wrong[other-revision]",
            "test_revscoring.py::test_prediction_of_something_else_is_wrong_shape",
        ),
    ),
    "A2": Defect(
        "a plain request makes an emission, or prevents one",
        "predictors are asked without an event and publish nothing; only an event makes a reply",
        ("test_revscoring.py::test_request_has_no_event_member", f"{REQUESTS}[drafttopic"),
    ),
    "A3": Defect(
        "rev_parent_id is never copied from a page change",
        "it is copied from where it is",
        ("test_revision_score.py::test_from_change_page_change_with_everything_maps_all_members",),
    ),
    "A4": Defect(
        "three of six members of performer are lost",
        "all six are copied",
        ("test_revision_score.py::test_from_change_page_change_with_everything_maps_all_members",),
    ),
    "A5": Defect(
        "a prediction of null or a number makes an invalid event",
        "it is an answer of a wrong shape: deferred as upstream_bad_answer",
        (
            "test_revscoring.py::test_prediction_other_label_kind_is_wrong_shape",
            "test_kserve_v1.py::test_kserve_real_error_of_every_family_is_classified",
        ),
    ),
    "A6": Defect(
        "every attempt makes an event with another id",
        "the id is made of the input's id and the row: a redelivery makes the same bytes",
        (
            "test_rows.py::test_case_delivered_twice_makes_the_same_reply",
            "test_every_change.py::test_redelivery_to_another_process_gives_the_same_bytes",
        ),
    ),
    "A7": Defect(
        "without a country nothing is said, so old tags stay",
        "an empty prediction is published, and the tags are cleared",
        (
            f"{ROWS}[article-country-no_country",
            f"{ROWS}[article-country-tags-no_country",
        ),
    ),
    "A8": Defect(
        "article-country scores without links when their lookup fails",
        NOT_OURS + "the answer does not tell; it is published as it is",
        (f"{ROWS}[article-country-edit-binary]",),
    ),
    "A9": Defect(
        "revise-tone takes a failed fetch for no paragraphs and clears the tag",
        NOT_OURS + "the answer does not tell, so the tag is cleared; its Trigger is optional",
        (
            f"{ROWS}[revise-tone-task-generator-no_tone-binary]",
            "test_triggers.py::test_shipped_triggers_load_with_service_urls",
        ),
    ),
    "A10": Defect(
        "revise-tone publishes for plain requests, without id, in local time",
        NOT_OURS + "its Trigger says to switch that off; our event has id and UTC times",
        (f"{ROWS}[revise-tone-task-generator-edit-binary]",),
    ),
    "A11": Defect(
        "outlink scores a part of the links of the page as it is now",
        "only the path without a revision does; a revision is always asked for",
        (f"{REQUESTS}[outlink-topic-model",),
    ),
    "A12": Defect(
        "outlink mixes up the protocols of requests at the same time",
        "all requests are of one protocol, KServe V1",
        ("test_kserve_v1.py::test_request_on_the_wire_is_what_kserve_wants",),
    ),
    "A13": Defect(
        "article-country, and outlink without a revision, look at the page as it is now",
        NOT_OURS + "outlink is asked about the revision; article-country knows none",
        (f"{REQUESTS}[outlink-topic-model", f"{REQUESTS}[article-country"),
    ),
    "A14": Defect(
        "revertrisk-wikidata scores empty differences when they cannot be made",
        NOT_OURS + "the answer does not tell; hidden revisions are not asked about",
        ("test_model_row.py::test_unwanted_hidden_content",),
    ),
    "A15": Defect(
        "events of one page come out of order, and tags have no revision",
        "predictions carry the revision they were made from; docs/streams.md says what to do about"
        " tags",
        (
            f"{ROWS}[revertrisk-language-agnostic-edit-binary]",
            "test_catalogue.py::test_page_says_what_consumers_can_do_about_order",
        ),
    ),
    "A16": Defect(
        "what is deleted, suppressed or redirected is never withdrawn",
        NOT_OURS + "such changes are ignored, and consumers follow page_change for them. What is"
        " hidden when the event comes is not published",
        (
            f"{CHANGES}_hidden_editor_and_comment_are_left_out",
            "test_models.py::test_unwanted_kind_only_those_of_the_row_are_taken",
            "test_models.py::test_unwanted_other_row_takes_articles_only",
        ),
    ),
    "A17": Defect(
        "itemquality and itemtopic share the streams of other models",
        NOT_OURS + "the names are kept; the key under scores and the source tell them apart",
        (f"{ROWS}[itemquality-edit-binary]", f"{ROWS}[itemtopic-edit-binary]"),
    ),
    "B1": Defect(
        "every page move crashes: prior_state.page has changed members only",
        "whatever subset there is, is copied",
        (
            f"{ROWS}[outlink-topic-model-move",
            f"{ROWS}[article-country-move",
            f"{ROWS}[revertrisk-language-agnostic-move",
            f"{ROWS}[revertrisk-multilingual-move",
            f"{ROWS}[revertrisk-wikidata-move",
            f"{CHANGES}_prior_state_of_any_members_is_kept",
        ),
    ),
    "B2": Defect(
        "a change without performer crashes",
        "performer is left out",
        (
            f"{ROWS}[damaging-without_performer-binary]",
            f"{ROWS}[outlink-topic-model-without_performer",
        ),
    ),
    "B3": Defect(
        "a performer without groups or is_bot crashes",
        "each member is optional",
        (
            f"{ROWS}[goodfaith-user_of_another_wiki-binary]",
            f"{ROWS}[article-country-user_of_another_wiki",
        ),
    ),
    "B4": Defect(
        "prior_state.revision without rev_id crashes",
        "whatever subset there is, is copied",
        (f"{CHANGES}_prior_state_of_any_members_is_kept", EVERY),
    ),
    "B5": Defect(
        "revision-create 2.x is scored and then not published",
        "both majors are read by the same rows",
        (f"{ROWS}[drafttopic-revision_create_v2-binary]", "test_every_change.py::test_revision"),
    ),
    "B6": Defect(
        "the score needs namespace_id and is_redirect",
        "they are optional",
        (f"{ROWS}[damaging-required_fields_only-binary]",),
    ),
    "B7": Defect(
        "tags crash without namespace_id",
        "a change without it is ignored; what cannot be made valid is rejected",
        ("test_weighted_tags.py::test_from_change", EVERY),
    ),
    "B8": Defect(
        "the schema is told by the prefix of its name: 10.x is taken for 1.x",
        "title and major have to be equal",
        ("test_inputs.py::test_parse_other_schema_is_unsupported",),
    ),
    "B9": Defect(
        "most of the emission is untested",
        "each row has cases, and thousands of generated changes go through all rows",
        (EVERY, "test_rows.py::test_row_without_a_case_is_named"),
    ),
    "C1": Defect(
        "EventGate's refusal or outage is a 500, which changeprop does not repeat",
        "it is 503 where the event may still be taken, and final where it never will be",
        (
            "test_eventgate.py::test_eventgate_answer_each_is_what_the_sender_should_do[503]",
            "test_eventgate.py::test_eventgate_connection_dies_is_deferred",
            "test_changeprop.py::test_call_whose_eventgate_fails_is_503_but_for_what_is_final",
        ),
    ),
    "C2": Defect(
        "revise-tone logs a failed emission and answers 200",
        "nothing is acknowledged that has not been relayed, whatever fails",
        (
            "test_http_shim.py::test_counterparts_that_fail_in_between_acknowledge_nothing",
            "test_changeprop.py::test_call_whose_eventgate_fails_is_503_but_for_what_is_final",
        ),
    ),
    "C3": Defect(
        "nothing is repeated, and what fails is kept nowhere",
        "every Trigger repeats and names the dead-letter sink, which keeps what failed for good",
        (
            "test_triggers.py::test_shipped_trigger_has_a_complete_delivery",
            "test_shim_deadletters.py::test_rejected_event_is_kept_as_knative_would_send_it",
            "test_deadletter_sink.py::test_letter_is_there_after_a_kill_right_after_the_answer",
        ),
    ),
    "C4": Defect(
        "article-country sends two events one after the other: the first alone may be published",
        "each row replies with one event; tags are a row of their own, which feeds on the first",
        (
            "test_triggers.py::test_shipped_triggers_route_a_reply_to_the_egress_and_to_what_feeds",
            f"{ROWS}[article-country-tags-",
        ),
    ),
    "C5": Defect(
        "5 s for EventGate, which may take 62 s for a guaranteed answer",
        "it has 65 s by default, and all time-outs around it are longer",
        (
            "test_deadlines.py::test_deadlines_nest",
            "test_eventgate.py::test_eventgate_slower_than_its_read_timeout_is_deferred",
        ),
    ),
    "C6": Defect(
        "EventGate's answer, which alone says why, is thrown away; 207 would be a success",
        "what it says decides and is logged; only 201 is a success",
        (
            "test_eventgate.py::test_eventgate_refusal_is_in_the_log_in_its_own_words",
            "test_eventgate.py::test_eventgate_answer_each_is_what_the_sender_should_do[207]",
        ),
    ),
    "C7": Defect(
        "500, 504, 429 and broken connections are not repeated",
        "all of them are deferred, which is 503 for changeprop",
        (
            "test_changeprop.py::test_call_whose_predictor_fails_is_503_but_for_what_is_final",
            "test_eventgate.py::test_eventgate_not_there_is_deferred_in_time",
        ),
    ),
    "C8": Defect(
        "an outage of more than seven minutes loses everything that arrived",
        "what was repeated in vain is a letter, which waits for the replay",
        (
            "test_triggers.py::test_shipped_trigger_has_a_complete_delivery",
            "test_replay_run.py::test_replay_of_500_letters_is_bounded_and_forgets_none",
        ),
    ),
    "C9": Defect(
        "what failed for good cannot be sent again, and does not say why it failed",
        "a letter has status, reason and text of the last answer; a replay publishes it once",
        (
            "test_replay.py::test_replay_publishes_once_what_the_first_delivery_would_have",
            "test_deadletters_command.py::test_show_tells_where_and_why_it_failed_and_what_it_is",
        ),
    ),
    "C14": Defect(
        "the mesh sends an event to EventGate up to three times, and nobody removes the copies",
        "unanswered, it goes out once more at most, with the same meta.id, and that is counted",
        (
            "test_eventgates.py::test_event_unanswered_is_sent_once_more_at_most",
            "test_http_client.py::test_request_sent_once_more_is_counted",
            "test_eventgate.py::test_post_redelivery_is_the_same_bytes",
        ),
    ),
    "C15": Defect(
        "a predictor that hangs holds up its rule for seven minutes",
        "a call ends with its deadline, at whatever stage it hangs, and holds up no other",
        (
            "test_http_client.py::test_deadline_stage_hangs_ends_in_time",
            "test_http_client.py::test_deadline_stage_hangs_under_gevent_others_go_on",
        ),
    ),
    "C16": Defect(
        "EventGate answers 500 for what it will never take, and 400 without a word",
        "what a 500 says tells which it is; a 400 is final, with or without a word",
        (
            "test_eventgate.py::test_eventgate_answer_each_is_what_the_sender_should_do[500_",
            "test_eventgate.py::test_eventgate_answer_each_is_what_the_sender_should_do[400_",
        ),
    ),
    "C17": Defect(
        "hasty=false is hasty",
        "hasty reaches EventGate in no way",
        ("test_eventgate_guards.py::test_hasty_no_setting_of_the_urls_reaches_it",),
    ),
    "D1": Defect(
        "the language is derived from the database name: twelve Wikipedias are never scored",
        "domain and language come from the table of wikis",
        (REQUESTS, "test_rows.py::test_wiki_of_differing_names_is_in_a_case"),
    ),
    "D2": Defect(
        "a wiki whose name does not match crashes",
        "it is ignored",
        (WIKIS,),
    ),
    "D3": Defect(
        "revertrisk asks hosts that do not exist for two Wikipedias",
        NOT_OURS + "they are ignored as predictor_cannot",
        (f"{WIKIS}[", REQUESTS),
    ),
    "D4": Defect(
        "whatever has wikipedia in its domain is taken for one",
        "the table of wikis says what is a Wikipedia",
        ("test_models.py::test_unwanted_wiki_that_is_no_languages_wikipedia_is_not_supported",),
    ),
    "D5": Defect(
        "fifteen other wikis are sent to the models",
        "they are ignored as wiki_not_supported, but for the test wikis that a row names",
        ("test_models.py::test_unwanted_wiki_that_is_no_languages_wikipedia_is_not_supported",),
    ),
    "D6": Defect(
        "page creations are sent to revert risk, which needs a parent",
        "they are ignored, and no Trigger sends them",
        (
            "test_models.py::test_unwanted_kind_only_those_of_the_row_are_taken",
            "test_triggers.py::test_shipped_triggers_route_a_page_change_by_wiki_and_kind[create]",
        ),
    ),
    "D7": Defect(
        "drafttopic has no condition but the wiki; canaries are kept out elsewhere",
        "any namespace and redirects are meant; canaries are ignored here",
        (
            "test_inputs.py::test_unwanted_canary_and_private_before_all_else",
            "test_triggers.py::test_shipped_drafttopic_takes_every_namespace_and_redirects",
        ),
    ),
    "D8": Defect(
        "hidden revisions are sent to predictors",
        "they are ignored as hidden_content",
        ("test_model_row.py::test_unwanted_hidden_content",),
    ),
    "D9": Defect(
        "staging publishes to production's streams",
        "ENVIRONMENT=staging with production's streams needs an EventGate that is staging's",
        ("test_settings_refused.py::test_egress_settings_staging_to_production_does_not_start",),
    ),
    "D10": Defect(
        "which wikis a model has stands in four places",
        "in the table of models, which for models of single wikis names that of InferenceServices:"
        " docs/streams.md is made of both, and a Trigger that delivers fewer is found",
        (
            "test_generated_files.py::test_kept_file_is_what_the_command_makes",
            "test_triggers.py::test_shipped_trigger_delivers_every_change_that_its_row_wants",
            WIKIS,
        ),
    ),
    "E1": Defect(
        "the User-Agent is misspelt, so EventGate's logs do not tell who sends",
        "every request says knative-event-sinks and the version",
        (
            "test_http_client.py::test_request_on_the_wire_is_exactly_ours",
            "test_eventgate.py::test_post_on_the_wire_is_the_bare_document",
        ),
    ),
    "E3": Defect(
        "authorities are loaded from their file for every event",
        "once for each client, and connections are kept",
        (
            "test_http_client.py::test_tls_trusted_authority_is_answered_and_pooled",
            "test_upstream_tls.py::test_clients_are_made_in_one_place",
        ),
    ),
    "E5": Defect(
        "a time-out in the environment stays text and breaks the server",
        "every setting is read once, at the start, which ends with all that is wrong",
        (
            "test_settings.py::test_settings_every_variable_is_read",
            "test_settings.py::test_settings_everything_wrong_says_all_problems_once",
        ),
    ),
    "E6": Defect(
        "whole events are in the log",
        "a line has ids and the reason, never a body",
        ("test_knative_recipient.py::test_log_is_one_line_for_each_refused_event_and_none_for",),
    ),
    "E7": Defect(
        "errors have two shapes and no code",
        "one shape, with a declared reason",
        (
            "test_errors.py::test_error_document_foreseen_error_says_reason_detail_and_id",
            "test_errors.py::test_reasons_given_in_source_are_declared",
        ),
    ),
    "E12": Defect(
        "what is emitted, refused and lost is not counted",
        "every event is counted by its outcome, errors by their reason, dropped letters by cause",
        (
            "test_knative_recipient.py::test_metrics_count_exactly_what_was_sent",
            "test_deadletter_sink.py::test_letters_over_the_size_are_counted_in_the_metrics",
        ),
    ),
    "E13": Defect(
        "a misspelt route is a 404 that nobody logs: everything is lost without a trace",
        "it is logged as ERROR, counted and repeated; changeprop gets 503",
        (
            "test_knative_recipient.py::test_path_unknown_leaves_an_error_line_that_names_it",
            "test_changeprop.py::test_bad_call_has_a_status_that_changeprop_takes_as_it_is_meant",
        ),
    ),
    "E14": Defect(
        "the whole event goes to the predictor",
        "it gets exactly the members that it reads",
        (REQUESTS, "test_revscoring.py::test_request_has_no_event_member"),
    ),
    "E16": Defect(
        "idle connections are kept longer than EventGate keeps them",
        "for 4 s, against EventGate's 5 s",
        (
            "test_eventgate.py::test_eventgate_closes_idle_connections_event_is_relayed",
            "test_http_client.py::test_pool_idle_too_long_is_not_handed_out",
        ),
    ),
}
IDS: Final = [
    *(f"A{number}" for number in range(1, 18)),
    *(f"B{number}" for number in range(1, 10)),
    *(f"C{number}" for number in range(1, 18) if number not in range(10, 14)),
    *(f"D{number}" for number in range(1, 11)),
    *(f"E{number}" for number in (1, 3, 5, 6, 7, 12, 13, 14, 16)),
]


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The ids of all tests that `make test` runs, in the files that the table names."""
    files = {test.partition("::")[0] for defect in DEFECTS.values() for test in defect.shown_by}
    paths = [str(path) for path in ROOT.glob("tests/*/test_*.py") if path.name in files]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "--collect-only", "-v", "-q", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.rpartition("tests/")[2].partition("/")[2] for line in done.stdout.splitlines()]


def test_known_defects_are_all_in_the_table() -> None:
    """No defect is left out, and each says what holds here."""
    assert list(DEFECTS) == IDS
    assert [name for name, defect in DEFECTS.items() if not defect.here.strip()] == []


@pytest.mark.parametrize("name", IDS)
def test_known_defect_is_shown_by_tests_that_are_run(name: str, collected: list[str]) -> None:
    """What a defect refers to is there, so that nobody can remove it unnoticed."""
    missing = [
        shown for shown in DEFECTS[name].shown_by if not any(shown in test for test in collected)
    ]

    assert DEFECTS[name].shown_by
    assert missing == []
