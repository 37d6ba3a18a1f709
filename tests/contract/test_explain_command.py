"""`sinks explain`: an event and Triggers in; why it goes where it goes, and an exit code, out."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner, Result

from sinks import event_samples
from sinks.cli import main
from sinks.local.processes import ROOT
from sinks.models import MODELS
from tests.manifests import ENVIRONMENTS, overlay

TALK: Final = str(ROOT / "tests" / "data" / "events" / "page_change_edit_talk_page.json")
CANARY: Final = str(ROOT / "tests" / "data" / "events" / "page_change_canary.json")
CREATE: Final = str(ROOT / "tests" / "data" / "events" / "page_change_create.json")
OTHER_TYPE: Final = [{"exact": {"type": "org.wikimedia.mediawiki.revision.create.v2"}}]
TRIGGERS: Final = str(ROOT / "triggers")
OPTIONAL: Final = str(ROOT / "triggers" / "optional")
DRAFTTOPIC: Final = yaml.safe_load(
    (ROOT / "triggers" / "drafttopic.yaml").read_text(encoding="utf-8")
)
EGRESS: Final = yaml.safe_load((ROOT / "triggers" / "egress.yaml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine sets does not count, and the working directory is the clone."""
    monkeypatch.chdir(ROOT)
    for name in ("ENVIRONMENT", "STREAM_NAMES", "EGRESS_STREAMS", "TRIGGERS_DIR"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str, content: str | bytes | None = None) -> Result:
    """Run the command, with this on standard input."""
    return CliRunner().invoke(main, ["explain", *arguments], input=content)


def written(path: Path, *resources: Any) -> str:
    """Write YAML documents and return the path."""
    path.write_text(yaml.safe_dump_all(resources), encoding="utf-8")
    return str(path)


def changed(name: str = "drafttopic", **spec: Any) -> dict[str, Any]:
    """The drafttopic Trigger with other members of its spec."""
    made = copy.deepcopy(DRAFTTOPIC)
    made["metadata"]["name"] = name
    made["spec"] |= spec
    return made


def test_explain_begins_with_the_answer_for_each_trigger() -> None:
    """Whoever asks why nothing arrives reads the first lines only."""
    done = run(TALK)

    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert lines[0].startswith(f"{TALK}: type org.wikimedia.mediawiki.page.change.v1, ")
    assert lines[1] == "  environment dev, production stream names, Triggers of triggers"
    assert lines[2] == (
        "drafttopic:                   replied -> mediawiki.revision_score_drafttopic"
    )
    assert "article-country:              does not pass: namespaceid is 1, not 0" in lines
    assert "egress:                       does not pass: type is " in done.output


def test_explain_details_say_what_is_asked_and_who_takes_the_reply() -> None:
    """Below the answers, for each Trigger that leads to something."""
    done = run("page_change", "--triggers", TRIGGERS)

    _, _, details = done.output.partition("\ndrafttopic\n")
    assert details.splitlines()[:4] == [
        "  would ask POST /v1/models/enwiki-drafttopic:predict in revscoring-drafttopic:"
        ' {"rev_id":1352207418}',
        "  replies org.wikimedia.mediawiki.revision.score.v3 from /models/drafttopic",
        "  for stream mediawiki.revision_score_drafttopic, taken by",
        "    egress: relayed",
    ]
    tags = "mediawiki.cirrussearch.page_weighted_tags_change.v1"
    assert f"replied -> mediawiki.article_country_prediction_change.v1, {tags}\n" in done.output


@pytest.mark.parametrize("name", event_samples.names())
def test_explain_of_a_sample_knows_it_by_name(name: str) -> None:
    """Some are canaries, which the shim routes nowhere."""
    done = run(name, "--triggers", TRIGGERS)

    canary = event_samples.document(name)["meta"]["domain"] == "canary"
    assert done.exit_code == int(canary)
    assert ("ignored, canary" in done.output) is canary


def test_explain_of_a_canary_shows_no_trigger() -> None:
    """The shim ends it before any Trigger."""
    done = run(CANARY)

    assert done.exit_code == 1
    assert done.output.splitlines()[0].startswith(f"{CANARY}: the shim: ignored, canary: meta.")
    assert done.output.count("\n") == 2


def test_explain_of_all_rows_has_one_line_for_each_trigger() -> None:
    """Sixteen of them, and egress."""
    done = run(TALK, "--triggers", TRIGGERS, "--triggers", OPTIONAL)

    answers = done.output.split("\n\n")[0].splitlines()[2:]
    assert len(answers) == len(MODELS) + 1
    assert max(map(len, answers)) < 180


def test_explain_one_trigger_shows_each_of_its_conditions() -> None:
    """Passed or not, with the value that the event has; nothing of the others."""
    done = run(TALK, "--trigger", "article-country")

    assert done.exit_code == 1
    assert "    passes exact" not in done.output
    assert "      passes type is org.wikimedia.mediawiki.page.change.v1\n" in done.output
    assert "      fails  namespaceid is 0, has 1\n" in done.output
    assert "    passes not\n" in done.output
    assert "drafttopic" not in done.output


def test_explain_with_json_holds_everything() -> None:
    """One document, and the same exit code."""
    done = run(TALK, "--json")

    shown = json.loads(done.output)
    (broker,) = shown["brokers"]
    by_name = {
        each["trigger"] if "trigger" in each else each["name"]: each for each in broker["triggers"]
    }
    drafttopic = by_name["drafttopic"]["step"]
    assert done.exit_code == 0
    assert (broker["scored"], broker["wrong"]) == (True, False)
    assert (shown["environment"], shown["stream_names"]) == ("dev", "production")
    assert drafttopic["asked"]["isvc"] == "enwiki-drafttopic"
    assert drafttopic["reply"]["source"] == "/models/drafttopic"
    assert drafttopic["followed"][0]["stream"] == "mediawiki.revision_score_drafttopic"
    assert by_name["article-country"]["why_not"] == ["namespaceid is 1, not 0"]
    assert by_name["article-country"]["filter"]["parts"][0]["parts"][1] == {
        "dialect": "exact",
        "passes": False,
        "attribute": "namespaceid",
        "wanted": "0",
        "value": "1",
    }


def test_explain_of_an_event_that_passed_no_shim_says_what_differs(tmp_path: Path) -> None:
    """KafkaSource straight to the Broker is the usual reason why nothing arrives."""
    envelope = {"specversion": "1.0", "id": "1", "source": "/topic", "type": "dev.knative.kafka"}
    path = tmp_path / "event.json"
    path.write_text(json.dumps({**envelope, "data": event_samples.document("page_change")}))

    through, beside = run(str(path)), run(str(path), "--as-is")

    told = "    type: dev.knative.kafka -> org.wikimedia.mediawiki.page.change.v1\n"
    assert (through.exit_code, beside.exit_code) == (0, 1)
    assert told in through.output
    assert "no Trigger takes it\n" in beside.output
    assert "  with the attributes that it has: the shim has no part in it\n" in beside.output
    assert "drafttopic:                   does not pass: type is dev.knative.kafka, not org." in (
        beside.output
    )


@pytest.mark.parametrize(
    ("options", "environ", "stream"),
    [
        pytest.param([], {}, "mediawiki.revision_score_drafttopic", id="defaults"),
        pytest.param(
            [], {"STREAM_NAMES": "test"}, "mediawiki.revision-score-test", id="environment"
        ),
        pytest.param(
            ["--stream-names", "production"],
            {"STREAM_NAMES": "test"},
            "mediawiki.revision_score_drafttopic",
            id="an option beats it",
        ),
    ],
)
def test_explain_stream_names_count_as_for_the_apps(
    options: list[str], environ: dict[str, str], stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same variables, and options before them."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    done = run("page_change", *options)

    assert f"drafttopic:                   replied -> {stream}\n" in done.output


def test_explain_of_a_stream_that_egress_may_not_publish_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row replies, and nothing arrives."""
    monkeypatch.setenv("EGRESS_STREAMS", "mediawiki.other")

    done = run("page_change", "--trigger", "drafttopic")

    assert done.exit_code == 1
    assert "drafttopic: replied; egress: rejected, stream_not_allowed: " in done.output


def test_explain_of_wrong_settings_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the apps do."""
    monkeypatch.setenv("STREAM_NAMES", "tset")

    done = run("page_change", "--environment", "prod")

    assert done.exit_code == 2
    assert "ENVIRONMENT='prod': has to be one of dev, staging, production" in done.output
    assert "STREAM_NAMES='tset': has to be one of production, test" in done.output


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_explain_of_an_overlay_from_a_pipe_finds_nothing_wrong(environment: str) -> None:
    """As `kubectl kustomize ... | sinks explain page_change --cluster-yaml -`."""
    shown = json.dumps({"items": overlay(environment)})

    done = run("page_change", "--cluster-yaml", "-", content=shown)

    assert done.exit_code == 0
    assert "\ndrafttopic:  " in done.output
    assert "  fix: " not in done.output


def test_explain_of_a_cluster_keeps_its_brokers_apart() -> None:
    """A reply goes back to the Broker that it came from, and to no Trigger of another."""
    elsewhere = copy.deepcopy(EGRESS)
    elsewhere["metadata"]["namespace"] = "other"
    items = [DRAFTTOPIC, elsewhere]

    done = run("page_change", "--cluster-yaml", "-", content=yaml.safe_dump({"items": items}))

    assert done.exit_code == 1
    assert "Broker default\n" in done.output
    assert "Broker default of namespace other\nno Trigger takes it\n" in done.output
    assert "drafttopic: replied; the reply: ignored, no_trigger: nothing is published" in (
        done.output
    )


def test_explain_of_a_trigger_that_is_not_ready_says_what_the_cluster_says() -> None:
    """Its filters may pass whatever they like; of others nobody wants to know."""
    conditions = [
        {"type": "BrokerReady", "status": "True"},
        {"type": "Ready", "status": "False", "reason": "Unresolved", "message": "no score-sink"},
    ]
    unready = {**DRAFTTOPIC, "status": {"conditions": conditions}}
    other = {**changed("other", filters=OTHER_TYPE), "status": {"conditions": conditions}}
    items = [unready, other, {**EGRESS, "status": {"conditions": conditions[:1]}}]

    done = run("page_change", "--cluster-yaml", "-", content=yaml.safe_dump({"items": items}))

    told = "the cluster does not deliver to it: Unresolved: no score-sink"
    assert done.exit_code == 1
    assert done.output.splitlines()[2] == f"drafttopic: {told}"
    assert done.output.count(told) == 1


def test_explain_of_a_typo_names_it_and_what_is_meant(tmp_path: Path) -> None:
    """A Trigger that does not pass shows what the lint knows of its filters."""
    filters = [{"exact": {"typ": "x"}}, {"exact": {"wikiid": "enwik"}}]
    path = written(tmp_path / "a.yaml", changed("mine", filters=filters), DRAFTTOPIC, EGRESS)

    done = run("page_change", "--triggers", path)

    assert done.exit_code == 1
    assert "mine:       does not pass: the event has no typ, and x is wanted\n" in done.output
    assert "mine: spec.filters[0].exact: no event has the attribute typ\n" in done.output
    assert "  fix: is type meant?\n" in done.output
    assert "  fix: is enwiki meant?\n" in done.output


def test_explain_of_an_unknown_dialect_names_it(tmp_path: Path) -> None:
    """The shim refuses such a Trigger, whatever the event."""
    path = written(tmp_path / "a.yaml", changed(filters=[{"equals": {"type": "x"}}]), EGRESS)

    done = run("page_change", "--triggers", path)

    assert done.exit_code == 1
    assert "drafttopic: refused by the shim: dialect 'equals' is not one of exact" in done.output
    assert "  fix: write exact for equals\n" in done.output


def test_explain_of_filter_beside_filters_says_which_counts(tmp_path: Path) -> None:
    """In words."""
    older = {"attributes": {"type": "x"}}
    path = written(tmp_path / "a.yaml", changed(filter=older), EGRESS)

    done = run("page_change", "--triggers", path)

    assert done.exit_code == 1
    assert "drafttopic: replied -> mediawiki.revision_score_drafttopic\n" in done.output
    assert "spec.filter: filters is there too, so this is not looked at\n" in done.output


def test_explain_of_a_missing_dead_letter_sink_tells_of_it_where_it_matters(
    tmp_path: Path,
) -> None:
    """Only for Triggers that the event reaches."""
    no_letters = {**DRAFTTOPIC["spec"]["delivery"]}
    del no_letters["deadLetterSink"]
    reached = changed(delivery=no_letters)
    other = changed("other", delivery=no_letters, filters=OTHER_TYPE)
    path = written(tmp_path / "a.yaml", reached, other, EGRESS)

    done = run(CREATE, "--triggers", path)

    assert done.exit_code == 1
    assert "drafttopic: spec.delivery: deadLetterSink is missing" in done.output
    assert "other: spec.delivery" not in done.output


def test_explain_of_a_loop_tells_who_feeds_itself(tmp_path: Path) -> None:
    """A Trigger that takes all types takes its own row's replies."""
    path = written(tmp_path / "a.yaml", changed(filters=[{"prefix": {"source": "/"}}]))

    done = run("page_change", "--triggers", path)

    assert done.exit_code == 1
    assert "drafttopic: replied; drafttopic: rejected, unsupported_schema: " in done.output
    assert "what its row replies passes its own filters, and comes back without end" in done.output


def test_explain_of_a_foreign_subscriber_ends_there(tmp_path: Path) -> None:
    """No row of ours scores the event, so that this is no success either."""
    ref = {"apiVersion": "v1", "kind": "Service", "name": "event-display"}
    path = written(tmp_path / "a.yaml", changed("show", subscriber={"ref": ref}))

    done = run("page_change", "--triggers", path)

    assert done.exit_code == 1
    assert "show: delivered to what is none of our sinks: the explanation ends there" in (
        done.output
    )


def test_explain_of_a_reply_that_only_the_console_takes_is_a_finding(tmp_path: Path) -> None:
    """Its Trigger takes everything, so that no reply is without a taker; published is nothing."""
    ref = {"apiVersion": "v1", "kind": "Service", "name": "console"}
    watching = changed("console", subscriber={"ref": ref, "uri": "/"}, filters=[])
    path = written(tmp_path / "a.yaml", DRAFTTOPIC, watching)

    without_egress = run("page_change", "--triggers", path)
    with_egress = run("page_change", "--triggers", path, "--triggers", TRIGGERS + "/egress.yaml")

    assert (without_egress.exit_code, with_egress.exit_code) == (1, 0)
    assert "drafttopic: replied; nothing is published\n" in without_egress.output
    assert "console:    ignored: the console shows it, and nothing follows\n" in with_egress.output


def test_explain_of_control_characters_shows_none(tmp_path: Path) -> None:
    """What YAML and events say must not move a terminal."""
    made = changed("\x1b[2Jname", filters=[{"exact": {"type": "\x1b]0;x\x07"}}])
    path = written(tmp_path / "a.yaml", made)

    done = run("page_change", "--triggers", path, "--filters")

    assert "\x1b" not in done.output
    assert "\\x1b[2Jname" in done.output


UNREADABLE: Final = {
    "nothing": (b"", "the body is not JSON"),
    "binary rubbish": (b"\x7fELF\x02\x01\xff\xfe", "not JSON"),
    "a list": (b"[]", "it has to be one JSON object: one event"),
    "a number": (b"5", "it has to be one JSON object: one event"),
    "two documents": (b"{}\n{}\n", "not JSON"),
    "deep": (b"[" * 100_000, "not JSON"),
    "too large": (b" " * (4 * 2**20 + 1), "it has more than 4194304 bytes: no sink takes it"),
}


@pytest.mark.parametrize(("content", "told"), UNREADABLE.values(), ids=UNREADABLE)
def test_explain_of_what_is_no_event_says_so_in_one_line(
    content: bytes, told: str, tmp_path: Path
) -> None:
    """Whatever somebody hands in: exit code 2, no traceback."""
    path = tmp_path / "event.json"
    path.write_bytes(content)

    for done in (run(str(path)), run("-", content=content)):
        assert done.exit_code == 2
        assert told.replace("the body is", "it is") in done.output
        assert done.output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["missing.json"], "No such file or directory; there are the", id="missing"),
        pytest.param(["tests"], "tests: Is a directory", id="a directory"),
        pytest.param(["x" * 5000], "File name too long", id="a text for a file"),
        pytest.param(["/dev/zero"], "more than 4194304 bytes", id="no end"),
        pytest.param(
            ["page_change", "--triggers", "missing"], "missing: No such file", id="no triggers"
        ),
        pytest.param(
            ["page_change", "--triggers", "tests/data"], "no Trigger in", id="no Trigger there"
        ),
        pytest.param(
            ["page_change", "--triggers", "/dev/zero"], "is over 4194304 bytes", id="endless YAML"
        ),
        pytest.param(
            ["page_change", "--trigger", "drafttopc"], "is drafttopic meant?", id="no such Trigger"
        ),
        pytest.param(["page_change", "--as-is"], "--as-is, but no CloudEvent", id="no attributes"),
    ],
)
def test_explain_of_what_is_not_there_says_so_in_one_line(arguments: list[str], told: str) -> None:
    """A wrong name is not an event that nobody takes."""
    done = run(*arguments)

    assert done.exit_code == 2
    assert told in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no event"),
        pytest.param(["-", "--cluster-yaml", "-"], id="standard input twice"),
        pytest.param(["-", "--triggers", "-"], id="standard input twice, as files"),
        pytest.param(
            ["page_change", "--triggers", "triggers", "--cluster-yaml", "-"], id="two sources"
        ),
    ],
)
def test_explain_used_wrongly_says_how(arguments: list[str]) -> None:
    """As click does it."""
    done = run(*arguments)

    assert done.exit_code == 2
    assert "Usage: " in done.output


def process(*arguments: str, **popen: Any) -> subprocess.Popen[str]:
    """Start the command with pipes."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "sinks", "explain", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


def test_explain_refuses_what_is_piped_in_and_not_asked_for() -> None:
    """Whoever forgets --cluster-yaml - would take the verdict on what is shipped for his own."""
    with process("page_change", stdin=subprocess.PIPE) as started:
        output, errors = started.communicate("kind: List", timeout=60)

    assert (started.returncode, output) == (2, "")
    assert "standard input is not read: --cluster-yaml - for what is piped in" in errors


def test_explain_whose_reader_goes_away_ends_without_a_word(tmp_path: Path) -> None:
    """As `sinks explain ... | head -1`."""
    many = [changed(f"trigger-{number}") for number in range(300)]
    path = written(tmp_path / "a.yaml", *many)
    with process(
        "page_change", "--triggers", path, "--filters", stdin=subprocess.DEVNULL
    ) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.readline()
        started.stdout.close()
        errors = started.stderr.read()

    assert (started.returncode, errors) == (128 + signal.SIGPIPE, "")


def test_explain_interrupted_while_it_waits_for_input_exits_130(tmp_path: Path) -> None:
    """Ctrl-C: one word, no traceback."""
    pipe = tmp_path / "event"
    os.mkfifo(pipe)
    with process(str(pipe), stdin=subprocess.DEVNULL) as started:
        with open(pipe, "wb"):  # returns once the command has opened the other end
            started.send_signal(signal.SIGINT)
            _, errors = started.communicate(timeout=60)

    assert (started.returncode, errors) == (130, "\ninterrupted\n")


def test_explain_to_a_pipe_has_no_colour() -> None:
    """Nor has the help, which shows examples."""
    assert "\x1b" not in run("page_change").output
    assert "Examples" in run("--help").output
