"""The known defects of the emitters inside today's model servers: none of them is one of ours.

Each defect has the tests that show that it cannot happen here; where the fault lies in a predictor
or in what consumers get from it, the table says what our sinks then do. The ids are those of the
list of defects that this project was begun with: A wrong or missing data, B events that crash the
emitter, D routing and coverage.
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
            "test_revertrisk.py::test_prediction",
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
        ("test_settings.py::test_egress_settings_staging_to_production_does_not_start",),
    ),
    "D10": Defect(
        "which wikis a model has stands in four places",
        "in one, the table of models, from which docs/streams.md is made",
        ("test_generated_files.py::test_kept_file_is_what_the_command_makes", WIKIS),
    ),
}
IDS: Final = [
    *(f"A{number}" for number in range(1, 18)),
    *(f"B{number}" for number in range(1, 10)),
    *(f"D{number}" for number in range(1, 11)),
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
