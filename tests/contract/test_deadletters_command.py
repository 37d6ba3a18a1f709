"""`sinks deadletters` as a person at night, or a job, runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from sinks.cli import main
from sinks.letter import letter_of
from sinks.letters import Letters
from sinks.local.processes import ROOT, clean_env
from sinks.replay_run import pending
from tests.factories import binary, page_change
from tests.letters import ALL, opened
from tests.postgresql import PASSWORD
from tests.replays import write_trigger
from tests.upstream import Received, Upstream, answer

TAKEN = answer(202)
FAILING = answer(503, {"reason": "predictor_failed", "detail": "down", "ce_id": None})
ERROR = '{"reason": "predictor_failed", "detail": "down", "ce_id": null}'
COMMANDS = ("list", "show", "replay", "drop")


@dataclass
class Night:
    """A database of letters, a subscriber that may be mended, and a Trigger for it."""

    letters: Letters
    subscriber: Upstream
    env: Mapping[str, str]

    def keep(self, number: int, age_minutes: float = 1, **over: str) -> None:
        """Have a letter arrive; `over` are its attributes."""
        failure = {
            "knativeerrordest": f"{self.subscriber.url}/models/drafttopic",
            "knativeerrorcode": "503",
            "knativeerrordata": ERROR,
            "wikiid": "enwiki",
        }
        headers, body = binary(page_change(), **{"id": f"event-{number}", **failure, **over})
        lowered = {name.lower(): value for name, value in headers.items()}
        self.letters.keep(
            letter_of(lowered, body), datetime.now(UTC) - timedelta(minutes=age_minutes)
        )

    def run(self, *arguments: str, **env: str) -> Result:
        """Run the command without a terminal."""
        return CliRunner().invoke(main, ["deadletters", *arguments], env={**self.env, **env})

    def numbers(self, *arguments: str) -> list[int]:
        """The letters that `list` finds."""
        result = self.run("list", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return [json.loads(line)["number"] for line in result.stdout.splitlines()]

    def started(self, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
        """The command in a process of its own."""
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "sinks", "deadletters", *arguments],
            cwd=ROOT,
            env={**clean_env(self.env), "TERM": "xterm"},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **streams},
        )


@pytest.fixture
def behave() -> list[Callable[[Received, Any], bool | None]]:
    """What the subscriber does: the last one counts."""
    return [TAKEN]


@pytest.fixture
def night(tmp_path: Path, behave: list[Callable[[Received, Any], bool | None]]) -> Iterator[Night]:
    url = f"sqlite:///{tmp_path}/letters.sqlite"
    triggers = tmp_path / "triggers"
    with Upstream(lambda got, sock: behave[-1](got, sock)) as subscriber, opened(url) as letters:
        write_trigger(triggers, subscriber.url)
        yield Night(letters, subscriber, {"DATABASE_URL": url, "TRIGGERS_DIR": str(triggers)})


# --- list and show


def test_list_shows_a_line_for_each_letter_and_how_many(night: Night) -> None:
    """The heading names the columns; what is not known is a dash."""
    night.keep(1)
    night.letters.keep(letter_of({"content-type": "text/html"}, b"<h1>"), datetime.now(UTC))

    lines = night.run("list").stdout.splitlines()

    assert lines[0].split() == ("number last arrival times status replay reason row wiki".split())
    assert lines[1].split()[0] == "1"
    assert lines[1].split()[2:] == "1 503 - predictor_failed drafttopic enwiki".split()
    assert lines[2].split()[2:] == "1 - - - - -".split()
    assert lines[3:] == ["2 letters"]


def test_list_of_more_than_its_limit_says_how_to_go_on(night: Night) -> None:
    """Nobody takes the first page for all there is."""
    for number in range(5):
        night.keep(number)

    lines = night.run("list", "--limit", "2").stdout.splitlines()

    assert lines[-1] == "2 letters, 3 more: --after 2"
    assert night.numbers("--after", "2") == [3, 4, 5]
    assert night.numbers("--after", "0") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((), [1, 2, 3, 4]),
        (("--since", "30m"), [1, 4]),
        (("--until", "30m"), [2, 3]),
        (("--since", "2h", "--until", "30m"), [2]),
        (("--row", "outlink-topic-model"), [2]),
        (("--wiki", "dewiki"), [3]),
        (("--status", "422"), [2]),
        (("--reason", "predictor_failed"), [1, 2, 3]),
        (("--destination", "http://elsewhere/"), [4]),
        (("--number", "4", "--number", "1", "--number", "9"), [1, 4]),
        (("--pending",), [1, 3, 4]),
        (("--pending", "--wiki", "enwiki"), [1, 4]),
    ],
)
def test_list_with_options_selects(night: Night, arguments: list[str], found: list[int]) -> None:
    """All conditions have to hold."""
    night.keep(1)
    outlink = f"{night.subscriber.url}/models/outlink-topic-model"
    night.keep(2, 60, knativeerrordest=outlink, knativeerrorcode="422")
    night.keep(3, 600, wikiid="dewiki")
    night.keep(4, knativeerrordest="http://elsewhere/", knativeerrordata="no JSON")
    night.letters.mark(night.letters.find(ALL)[1], "relayed", "", "", datetime.now(UTC))

    assert night.numbers(*arguments) == found


def test_list_and_show_write_no_control_characters(night: Night) -> None:
    """A letter is anybody's text; scripts are left readable."""
    evil = "\x1b[31m\x07\u202e"
    night.keep(1, wikiid=f"日本{evil}", subject=f"Кот{evil}")
    night.letters.keep(letter_of({"content-type": f"a/b{evil}"}, evil.encode()), datetime.now(UTC))

    shown = [night.run(*command).stdout for command in (("list",), ("show", "1"), ("show", "2"))]

    assert "日本" in shown[0]
    for text in shown:
        assert all(line.isprintable() for line in text.splitlines())


def test_show_tells_where_and_why_it_failed_and_what_it_is(night: Night) -> None:
    """The error is decoded, the body indented."""
    night.keep(1)

    text = night.run("show", "1").stdout

    assert f"destination  {night.subscriber.url}/models/drafttopic\n" in text
    assert f"error        {ERROR}\n" in text
    assert "replay       none since it arrived\n" in text
    assert "  ce-wikiid: enwiki\n" in text
    assert '    "page_change_kind": "edit",\n' in text


@pytest.mark.parametrize("body", [b'{"a": 1}', bytes(range(256)), b""])
def test_show_body_writes_its_bytes(night: Night, body: bytes) -> None:
    """Nothing is added, not even a newline."""
    night.letters.keep(letter_of({}, body), datetime.now(UTC))

    assert night.run("show", "1", "--body").stdout_bytes == body


def test_show_json_has_headers_and_body(night: Night) -> None:
    """For a script that looks closer."""
    night.keep(1)

    told = json.loads(night.run("show", "1", "--json").stdout)

    assert (told["headers"]["ce-id"], told["body"]) == ("event-1", page_change())


# --- replay


def test_replay_marks_what_became_of_each_and_sums_it_up(
    night: Night, behave: list[Callable[[Received, Any], bool | None]]
) -> None:
    """What went well has no line; the exit code says that something did not."""
    night.keep(1)
    night.keep(2, knativeerrordest="http://169.254.169.254/")

    first = night.run("replay")
    behave.append(FAILING)
    second = night.run("replay", "--again", "--number", "1")

    assert first.exit_code == second.exit_code == 1
    assert first.stdout.splitlines()[0].split()[:3] == ["2", "deferred", "unknown_destination"]
    assert first.stdout.splitlines()[1:] == ["2 of 2 letters: 1 relayed, 1 deferred"]
    assert second.stdout.splitlines()[-1] == "1 of 1 letters: 1 deferred"
    assert night.numbers("--pending") == [1, 2]
    assert "deferred (predictor_failed)" in night.run("show", "1").stdout


def test_replay_takes_what_is_pending_only(night: Night) -> None:
    """A second run has nothing to do."""
    night.keep(1)

    codes = [night.run("replay").exit_code for _ in range(2)]

    assert codes == [0, 0]
    assert len(night.subscriber.received) == 1


def test_replay_as_json_has_one_object_a_letter_and_the_sum_elsewhere(night: Night) -> None:
    """Standard output is for the next program."""
    night.keep(1)

    result = night.run("replay", "--json")

    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"number": 1, "outcome": "relayed", "reason": "", "detail": "drafttopic"}
    ]
    assert result.stderr == "1 of 1 letters: 1 relayed\n"


def test_replay_dry_run_says_where_each_would_go_and_touches_nothing(night: Night) -> None:
    """Exit code 1: one of them cannot go anywhere."""
    night.keep(1)
    night.keep(2, knativeerrordest="")

    result = night.run("replay", "--dry-run")

    assert result.exit_code == 1
    assert f"to Trigger drafttopic, {night.subscriber.url}/models/drafttopic" in result.stdout
    assert result.stdout.endswith("2 of 2 letters: 1 deferred, 1 would be sent\n")
    assert (night.subscriber.connections, night.letters.count(pending(ALL))) == (0, 2)


def test_replay_with_k_sink_posts_the_reply_there(night: Night, behave: list[Any]) -> None:
    """In a cluster the Broker routes."""
    headers, body = binary({}, id="reply-1", type="x")
    behave.append(answer(200, body, headers))
    night.keep(1)
    with Upstream(TAKEN) as broker:
        result = night.run("replay", K_SINK=broker.url)

    assert result.exit_code == 0
    assert [each.headers["ce-id"] for each in broker.received] == ["reply-1"]


def test_replay_interrupted_waits_tells_how_to_go_on_and_that_does(
    night: Night, behave: list[Any], letters: Letters, database_url: str
) -> None:
    """Ctrl-C: what has begun is marked; the command that is shown takes the rest."""
    night.letters = letters
    for number in range(60):
        night.keep(number)

    def slow(received: Received, sock: Any) -> bool | None:
        night.subscriber.wait(0.05)
        return TAKEN(received, sock)

    behave.append(slow)
    how = ("--since", "2h", "--concurrency", "2", "--database", database_url)
    process = night.started("replay", *how, stderr=-1)
    while len(night.subscriber.received) < 5:
        assert process.poll() is None
        night.subscriber.wait(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    left = night.letters.count(pending(ALL))
    command = shlex.split(err.decode().splitlines()[-1])
    shown = command.index("--database") + 1
    hidden, command[shown] = command[shown], database_url
    behave.append(TAKEN)
    rest = night.run(*command[command.index("deadletters") + 1 :])

    assert process.returncode == 130
    assert out.decode() == f"{60 - left} of 60 letters: {60 - left} relayed\n"
    assert 0 < left < 56
    assert command[command.index("--concurrency") + 1] == "2"
    assert hidden == database_url.replace(f"postgres:{PASSWORD}@", "***@")
    assert datetime.fromisoformat(command[command.index("--since") + 1]) < datetime.now(UTC)
    assert rest.stdout == f"{left} of {left} letters: {left} relayed\n"
    assert len({each.headers["ce-id"] for each in night.subscriber.received}) == 60
    assert len(night.subscriber.received) == 60


def test_replay_interrupted_twice_ends_at_once(night: Night, behave: list[Any]) -> None:
    """A subscriber that hangs does not hold the terminal."""

    def hang(_received: Received, _sock: Any) -> bool:
        night.subscriber.wait(60)
        return False

    behave.append(hang)
    night.keep(1)
    process = night.started("replay", stderr=-1)
    while not night.subscriber.received:
        assert process.poll() is None
        night.subscriber.wait(0.02)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    assert b"stopping" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == -signal.SIGINT
    assert night.letters.count(pending(ALL)) == 1


def test_replay_at_a_terminal_shows_progress_on_standard_error(night: Night) -> None:
    """A pipe gets none of it."""
    for number in range(3):
        night.keep(number)
    own, its = pty.openpty()
    try:
        process = night.started("replay", stderr=its)
        out, _ = process.communicate(timeout=30)
        shown = os.read(own, 65536)
    finally:
        os.close(own)
        os.close(its)

    assert out == b"3 of 3 letters: 3 relayed\n"
    assert b"100%" in shown


# --- drop


def test_drop_of_a_selection_drops_it_alone(night: Night) -> None:
    """With --yes, because nobody is there to ask."""
    night.keep(1)
    night.keep(2, wikiid="dewiki")

    refused = night.run("drop", "--wiki", "dewiki")
    dropped = night.run("drop", "--wiki", "dewiki", "--yes")

    assert (refused.exit_code, dropped.exit_code) == (2, 0)
    assert "--yes" in refused.stderr
    assert dropped.stdout == "1 letter dropped\n"
    assert night.numbers() == [1]


def test_drop_of_all_has_to_be_said(night: Night) -> None:
    """A command without options is a slip."""
    night.keep(1)

    assert night.run("drop", "--yes").exit_code == 2
    assert night.run("drop", "--all", "--wiki", "enwiki", "--yes").exit_code == 2
    assert night.run("drop", "--all", "--yes").stdout == "1 letter dropped\n"


# --- what cannot be done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--since", "soon"), "RFC 3339"),
        (("list", "--row", ""), "empty"),
        (("list", "--status", "9"), "HTTP status"),
        (("list", "--database", "mysql://x"), "sqlite:///PATH"),
        (("list", "--database", "sqlite:////nowhere/letters.sqlite"), "/nowhere/letters.sqlite"),
        (("list", "--database", "postgresql://u:geheim@127.0.0.1:1/x"), "DATABASE_URL"),
        (("show", "7"), "no letter 7"),
        (("show", "x"), "number"),
        (("replay", "--concurrency", "65"), "64"),
        (("replay", "--rate", "0"), "0"),
        (("replay", "--trigger", "drafttopics"), "there are: drafttopic"),
        (("drop",), "--all"),
    ],
)
def test_command_that_cannot_be_done_ends_with_2_and_says_why(
    night: Night, arguments: list[str], said: str
) -> None:
    """One line, no traceback, no password."""
    night.keep(1)

    result = night.run(*arguments)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "geheim" not in result.output
    assert (result.stdout, night.subscriber.connections) in (("", 0), ("0 of 1 letters\n", 0))


def test_replay_without_triggers_says_which_setting_is_missing(night: Night) -> None:
    """Nobody at night knows by heart what the sink's environment is."""
    result = night.run("replay", TRIGGERS_DIR=str(ROOT / "triggers"))

    assert result.exit_code == 2
    assert "SERVICE_URLS" in result.stderr


def test_command_with_wrong_settings_lists_them_all(night: Night) -> None:
    """As a sink that does not start."""
    result = night.run("list", K_SINK="broker", DEADLETTERS_MAX_BYTES="1")

    assert result.exit_code == 2
    assert "K_SINK" in result.stderr and "DEADLETTERS_MAX_BYTES" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(night: Night, command: str) -> None:
    """What to type is found without leaving the terminal."""
    assert f"  sinks deadletters {command}" in night.run(command, "--help").stdout


def test_list_drops_nothing_by_age(night: Night) -> None:
    """Only the sink knows for how long letters are kept."""
    night.keep(1, age_minutes=60 * 24 * 365)

    assert night.numbers() == [1]


def test_docs_name_every_option_and_no_other() -> None:
    """An option that nobody reads about is not there."""
    group = main.commands["deadletters"]
    assert isinstance(group, click.Group)
    options = {
        option
        for command in group.commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    page = (ROOT / "docs" / "dead-letters.md").read_text(encoding="utf-8")
    text = re.sub(r"curl .*", "", page)  # which has options of its own

    assert set(re.findall(r"--[a-z][a-z-]+", text)) == options | {"--help"}
