"""docs/feed.md against what it describes: its commands, with other ends, and what they print.

README.md shows the same two commands.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from sinks.cli import main
from sinks.feed.account import Account
from tests.documented import every_block
from tests.feeding import Runs, Shim, Stream, sends
from tests.processes import ROOT, gunicorn
from tests.upstream import Upstream, predictor

PAGE = (ROOT / "docs" / "feed.md").read_text(encoding="utf-8").replace("\\\n", "")


def test_readme_shows_the_two_commands_of_the_page() -> None:
    """Whoever follows README gets the pipeline that the page tells about."""
    blocks = every_block()

    shown = blocks["README.md: Two commands 3"].commands.replace(".venv/bin/", "")
    assert shown == blocks["feed.md: A live pipeline on a laptop: sinks feed"].commands


def test_page_feed_command_feeds_one_wiki_to_one_trigger(tmp_path: Path) -> None:
    """The second of the two commands, with a stream and a shim of the test's."""
    (line,) = re.findall(r"^sinks feed (https.*)$", PAGE, re.MULTILINE)
    _, _, *options = shlex.split(line)
    with Stream(2, (sends(),)) as stream, Shim() as shim:
        done = Runs(tmp_path).run(stream.url, shim.url, *options, "--limit", "2")

    assert done.code == 0, done
    assert shim.taken == [(0, ("drafttopic",)), (1, ("drafttopic",))]
    assert done.last == "drafttopic: 2 sent, 2 acknowledged (0 ignored), 0 rejected, 0 deferred"


def test_page_send_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    """Line by line, but for the time."""
    (shown,) = re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)
    command, *lines = shown.splitlines()
    with Upstream(predictor) as upstream:
        env = {"PREDICTOR_URL": upstream.url}
        with gunicorn("sinks.score_sink:create_app()", env, tmp_path) as score:
            words = shlex.split(command.replace("http://127.0.0.1:8081", score.url))
            done = CliRunner().invoke(main, words[1:])

    said = done.stdout.splitlines()[: len(lines)]
    timeless = [[re.sub(r"in [0-9.]+ s", "", line) for line in each] for each in (said, lines)]
    assert timeless[0] == timeless[1]


def test_page_progress_line_has_the_words_of_an_account() -> None:
    """What people look for on their screen stands in the page."""
    account = Account(lambda: 0.0)
    words = re.findall(r"[a-z]+", account.counts())
    (shown,) = re.findall(r"^drafttopic: .*lag.*$", PAGE, re.MULTILINE)

    assert [word for word in words if word not in shown] == []
