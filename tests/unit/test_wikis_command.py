"""`sinks wikis`: a new table of wikis is checked strictly, compared, and taken if it will do."""

from __future__ import annotations

import timeit
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sinks import deployed, wikis
from sinks.catalogue.wikis_command import wikis_command
from sinks.models import MODELS
from sinks.wiki_table import Changes, Effect, changes, effects, missing, problems, source_of
from sinks.wikis import Wiki
from tests.sixteen import SIXTEEN

TEXT = wikis.TABLE.read_text(encoding="utf-8")
COUNT = len(wikis.parse(TEXT))
COMMIT = (source_of(TEXT) or "").rpartition(" ")[2]
COMMENT = "# Open public wikis; source: a table in a repository (a/wikis.tsv) at 0123abc\n"
HEADING = "wiki_id\tdomain\tgroup\tlanguage\n"
ROW = "alswiki\tals.wikipedia.org\twikipedia\tgsw\n"
DEPLOYED = {**deployed.load("staging"), **deployed.load("production")}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A copy of the table, to be compared with and replaced."""
    path = tmp_path / "wikis.tsv"
    path.write_text(TEXT, encoding="utf-8")
    return path


def run(table: Path, content: str | bytes, *options: str) -> Result:
    """Run the command with a new table on standard input."""
    return CliRunner().invoke(
        wikis_command,
        ["-", "--table", str(table), *options],
        input=content,
    )


def without(wiki_id: str) -> str:
    """The table without one wiki."""
    return "".join(line for line in TEXT.splitlines(True) if not line.startswith(f"{wiki_id}\t"))


# --- the strict parser


def test_problems_of_the_table_that_is_used_are_none() -> None:
    """Apps trust the table because this test has read it strictly."""
    assert problems(TEXT) == []
    assert len(wikis.parse(TEXT)) == TEXT.count("\n") - 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{COMMENT}{HEADING}{ROW}", id="smallest"),
        pytest.param(f"# More.\n{COMMENT}# Even more, a < b.\n{HEADING}{ROW}", id="comments"),
        pytest.param(
            f"# source: x at 66ce6e0b5. isvc = y\n{COMMENT}{HEADING}{ROW}", id="one-good-source"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}be_x_oldwiki\tbe-tarask.wikipedia.org\twikipedia\tbe-tarask\n",
            id="hyphens",
        ),
        pytest.param(
            f"{COMMENT}{HEADING}simplewiki\tsimple.wikipedia.org\twikipedia\tsimple\n",
            id="language-of-a-word",
        ),
    ],
)
def test_problems_of_a_good_table_are_none(text: str) -> None:
    """What the source of the table writes is taken."""
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "no comment above the heading says", id="empty"),
        pytest.param(f"{HEADING}{ROW}", "no comment above the heading says", id="no-comment"),
        pytest.param(
            f"# Some wikis.\n{HEADING}{ROW}", "no comment above the heading says", id="no-source"
        ),
        pytest.param(
            f"# source: some table\n{HEADING}{ROW}", "no comment above", id="source-without-commit"
        ),
        pytest.param(f"# source: a table at main\n{HEADING}{ROW}", "no comment above", id="branch"),
        pytest.param(
            f"{HEADING}{COMMENT}{ROW}", "no comment above the heading", id="comment-after-heading"
        ),
        pytest.param(f"{COMMENT}{ROW}", "line 2: the heading has to be", id="no-heading"),
        pytest.param(
            f"{COMMENT}{HEADING.upper()}{ROW}", "line 2: the heading has to be", id="upper-case"
        ),
        pytest.param(
            f"{COMMENT}domain\twiki_id\tgroup\tlanguage\n{ROW}",
            "line 2: the heading has to be",
            id="columns-in-other-order",
        ),
        pytest.param(f"\ufeff{COMMENT}{HEADING}{ROW}", "line 1: the heading", id="byte-order-mark"),
        pytest.param(f"{COMMENT}{HEADING}", "there are no wikis", id="no-rows"),
        pytest.param(
            f"{COMMENT}{HEADING}{ROW}# later\n", "line 4: 1 columns, not 4: '# later'", id="comment"
        ),
        pytest.param(f"{COMMENT}{HEADING}{ROW}\n", "line 4: 1 columns, not 4: ''", id="blank-line"),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\taa.org\twikipedia\n", "line 3: 3 columns", id="three"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}{ROW[:-1]}\tx\n", "line 3: 5 columns, not 4", id="five-columns"
        ),
        pytest.param(f"{COMMENT}{HEADING}{ROW[:-1]}", "the last line does not end", id="cut-off"),
        pytest.param(
            f"{COMMENT}{HEADING}{ROW[:-1]}\r\n", r"line 3: language cannot be 'gsw\r'", id="crlf"
        ),
        pytest.param(
            f"{COMMENT[:-1]}\r\n{HEADING}{ROW}",
            "line 1: a character that cannot",
            id="crlf-comment",
        ),
        pytest.param(
            f"# a\u2028b\n{COMMENT}{HEADING}{ROW}", "line 1: a character", id="line-separator"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}{ROW}{ROW}", "line 4: 'alswiki' is in line 3 too", id="twice"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}Aawiki\taa.org\tw\taa\n", "line 3: wiki_id cannot be", id="wiki_id"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}\taa.org\tw\taa\n", "line 3: wiki_id cannot be ''", id="no-wiki_id"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\n\taa.org\tw\taa\n", "line 3: 1 columns", id="newline-inside"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}{'a' * 65}\taa.org\tw\taa\n", "line 3: wiki_id", id="too-long"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\tlocalhost\tw\taa\n", "line 3: domain cannot be", id="domain"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\thttps://aa.org\tw\taa\n", "line 3: domain", id="url"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\taa.org.\tw\taa\n", "line 3: domain", id="domain-with-dot"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\taa.org\tw w\taa\n", "line 3: group cannot be", id="group"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\taa.org\tw\tAA\n", "line 3: language cannot", id="language"
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\taa.org\tw\tbe_tarask\n",
            "line 3: language cannot be 'be_tarask'",
            id="language-with-underscore",
        ),
        pytest.param(
            f"{COMMENT}{HEADING}aawiki\taa.org\tw\t\u0430\u0430\n",
            r"line 3: language cannot be '\u0430\u0430'",
            id="cyrillic",
        ),
    ],
)
def test_problems_of_a_bad_table_name_the_line(text: str, expected: str) -> None:
    """What is not exactly the format is refused, with the line where it stands."""
    found = problems(text)

    assert [problem for problem in found if problem.startswith(expected)], found


def test_problems_are_all_told_at_once() -> None:
    """Whoever repairs a table sees all that is wrong with it."""
    text = f"{HEADING}Aawiki\tlocalhost\tw w\tAA\n{ROW}{ROW}"

    found = problems(text)

    assert [problem.split(":")[0] for problem in found] == [
        "no comment above the heading says `source",
        *["line 2"] * 4,
        "line 4",
    ]


def test_source_of_is_where_it_is_from_at_which_commit() -> None:
    """The first comment with a source and a commit counts; one below the heading does not."""
    assert source_of(f"# x\n{COMMENT}{HEADING}") == (
        "a table in a repository (a/wikis.tsv) at 0123abc"
    )
    assert source_of(f"{HEADING}{COMMENT}") is None
    assert source_of("") is None


def test_parse_on_the_serving_path_stays_cheap() -> None:
    """Reading the table costs a process less than 5 ms at its start, even on a busy machine."""
    seconds = min(timeit.repeat(lambda: wikis.parse(TEXT), number=1, repeat=20))

    assert seconds < 0.005


# --- what another table means


WIKI = Wiki("alswiki", "als.wikipedia.org", "wikipedia", "gsw")
OTHER = Wiki("alswiki", "als.wikipedia.org", "wikipedia", "als")
NEW = Wiki("aaawiki", "aaa.wikipedia.org", "wikipedia", "aaa")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([WIKI], [WIKI], Changes((), (), ()), id="same"),
        pytest.param([WIKI], [WIKI, NEW], Changes((NEW,), (), ()), id="added"),
        pytest.param([WIKI, NEW], [WIKI], Changes((), (NEW,), ()), id="removed"),
        pytest.param([WIKI], [OTHER], Changes((), (), ((WIKI, OTHER),)), id="changed"),
        pytest.param([WIKI, NEW], [NEW, WIKI], Changes((), (), ()), id="other-order"),
    ],
)
def test_changes_are_by_wiki_id(before: list[Wiki], after: list[Wiki], expected: Changes) -> None:
    """A wiki is new, gone or different; its place in the table means nothing."""
    assert changes(keyed(before), keyed(after)) == expected


def keyed(wikis: list[Wiki]) -> Mapping[str, Wiki]:
    return {wiki.wiki_id: wiki for wiki in wikis}


def test_effects_of_a_new_wikipedia_are_on_rows_that_take_all() -> None:
    """A new Wikipedia is scored by the rows of all Wikipedias, and by no other."""
    before = wikis.parse(TEXT)

    found = effects(SIXTEEN, DEPLOYED, before, {**before, "aaawiki": NEW})

    assert found == tuple(
        Effect(name, ("aaawiki",), ())
        for name in (
            "outlink-topic-model",
            "article-country",
            "article-country-tags",
            "revertrisk-language-agnostic",
        )
    )


def test_effects_of_a_removed_wiki_are_on_rows_that_scored_it() -> None:
    """A wiki that has a model of its own is lost to that row too."""
    before = wikis.parse(TEXT)

    found = effects(SIXTEEN, DEPLOYED, before, wikis.parse(without("glwiki")))

    lost = {effect.row for effect in found if effect.lost == ("glwiki",) and not effect.gained}
    assert lost == {
        "articlequality",
        "reverted",
        "outlink-topic-model",
        "article-country",
        "article-country-tags",
        "revertrisk-language-agnostic",
    }


@pytest.mark.parametrize(
    ("wiki_id", "expected"),
    [
        pytest.param("alswiki", [], id="nobody-needs-it"),
        pytest.param(
            "test2wiki",
            ["the row outlink-topic-model names test2wiki, which is not in FILE"],
            id="named-by-a-row",
        ),
        pytest.param(
            "fiu_vrowiki",
            ["the row revertrisk-language-agnostic names fiu_vrowiki, which is not in FILE"],
            id="named-as-an-exception",
        ),
        pytest.param(
            "bswiki",
            [
                "InferenceService bswiki-damaging is deployed for bswiki, which is not in FILE",
                "InferenceService bswiki-goodfaith is deployed for bswiki, which is not in FILE",
            ],
            id="deployed",
        ),
    ],
)
def test_missing_wiki_is_told_with_who_needs_it(wiki_id: str, expected: list[str]) -> None:
    """A wiki that a row names, or that has an InferenceService, has to be in the table."""
    assert missing(SIXTEEN, DEPLOYED, wikis.parse(without(wiki_id))) == expected


def test_missing_group_leaves_rows_without_any_wiki() -> None:
    """A table that calls Wikipedias otherwise would silence rows, so it is refused."""
    row = MODELS["article-country"]

    found = missing([row], {}, {"alswiki": Wiki("alswiki", "als.wikipedia.org", "wiki", "gsw")})

    assert found == [
        "the row article-country names testwiki, which is not in FILE",
        "the row article-country is for the group wikipedia, of which FILE has no wiki",
        "the row article-country would have no wiki at all",
    ]


# --- the command


def test_command_with_the_same_table_says_so(table: Path) -> None:
    """Nothing differs, nothing is written, exit code 0."""
    result = run(table, TEXT, "--write")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"wikis    {COUNT} -> {COUNT}\nFILE is the table, byte for byte\n"


def test_command_without_write_shows_what_would_change(table: Path) -> None:
    """Source, wikis, and rows that gain or lose; the table stays."""
    content = (
        without("alswiki")
        .replace(f" at {COMMIT}", " at 1234567")
        .replace("\nacewiki\tace.", "\naaawiki\taaa.wikipedia.org\twikipedia\taaa\nacewiki\tace2.")
    )

    result = run(table, content)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].endswith(f" at {COMMIT} -> " + (source_of(content) or ""))
    assert lines[1:4] == [
        "added    aaawiki aaa.wikipedia.org wikipedia aaa",
        "removed  alswiki als.wikipedia.org wikipedia gsw",
        "changed  acewiki domain ace.wikipedia.org -> ace2.wikipedia.org",
    ]
    assert lines[4:6] == [
        "row      outlink-topic-model gains aaawiki",
        "row      outlink-topic-model loses alswiki",
    ]
    assert lines[-2:] == [f"wikis    {COUNT} -> {COUNT}", "--write would replace the table"]
    assert table.read_text(encoding="utf-8") == TEXT


def test_command_with_write_replaces_the_table_byte_for_byte(table: Path) -> None:
    """What is written is the file as it was given, in its order, even to a read-only table."""
    comment, heading, *rows = TEXT.splitlines(True)
    content = "".join((comment.replace(COMMIT, "1234567"), heading, *reversed(rows)))
    table.chmod(0o444)

    result = run(table, content, "--write")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"{table} is replaced: now make streams"
    assert table.read_bytes() == content.encode()
    assert [path.name for path in table.parent.iterdir()] == ["wikis.tsv"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            without("enwiki"),
            "error: the row revertrisk-multilingual names enwiki, which is not in FILE",
            id="wiki-that-a-row-names",
        ),
        pytest.param(
            without("bswiki"),
            "error: InferenceService bswiki-damaging is deployed for bswiki, which is not in FILE",
            id="wiki-with-a-service",
        ),
        pytest.param(
            f"{TEXT}zzwiki\tzz.wikipedia.org\twikipedia\tZZ\n",
            f"error: line {TEXT.count(chr(10)) + 1}: language cannot be 'ZZ'",
            id="not-the-format",
        ),
        pytest.param(TEXT[:-1], "error: the last line does not end with a newline", id="cut-off"),
        pytest.param(b"#\xff\n" + TEXT.encode(), "error: byte 2 is not UTF-8", id="not-utf-8"),
    ],
)
def test_command_with_a_table_that_will_not_do_writes_nothing(
    table: Path, content: str | bytes, expected: str
) -> None:
    """Exit code 1, each finding in a line, and the table stays as it is."""
    result = run(table, content, "--write")

    assert result.exit_code == 1
    assert expected in result.stdout.splitlines()
    assert result.stdout.endswith("\nnothing is written\n")
    assert table.read_text(encoding="utf-8") == TEXT


def test_command_with_a_file_that_is_no_table_tells_the_first_findings(table: Path) -> None:
    """A file of another kind does not fill the screen; below a wrong heading nothing is judged."""
    another = run(table, "word\n" * 1000)
    broken = run(table, COMMENT + HEADING + "word\n" * 1000)

    assert (another.exit_code, broken.exit_code) == (1, 1)
    _, heading, last = another.stdout.splitlines()
    assert heading.startswith("error: line 1: the heading has to be")
    assert last == "nothing is written"
    lines = broken.stdout.splitlines()
    assert len(lines) == 22
    assert lines[-2] == "error: and 980 more"


def test_command_with_no_such_file_is_a_usage_error(table: Path, tmp_path: Path) -> None:
    """Exit code 2 for what cannot be read: no file, a directory, or far too much."""
    missing_file = CliRunner().invoke(wikis_command, [str(tmp_path / "none.tsv")])
    directory = CliRunner().invoke(wikis_command, [str(tmp_path)])
    endless = run(table, "x" * (4 * 1024 * 1024 + 1))
    nothing = CliRunner().invoke(wikis_command, [])

    assert [each.exit_code for each in (missing_file, directory, endless, nothing)] == [2] * 4
    assert endless.stderr == "Error: FILE is over 4194304 bytes\n"


def test_command_with_a_table_that_is_none_is_a_usage_error(table: Path) -> None:
    """There is nothing to compare with, and nothing of that kind is overwritten."""
    table.write_text("something else\n", encoding="utf-8")

    result = run(table, TEXT, "--write")

    assert result.exit_code == 2
    assert f"{table} is no table of wikis: " in result.stderr
    assert table.read_text(encoding="utf-8") == "something else\n"


def test_command_that_cannot_write_leaves_the_table(table: Path) -> None:
    """Exit code 2, one line that says why, and nothing half written."""
    (table.parent / "wikis.tsv.new").mkdir()

    result = run(table, f"# more\n{TEXT}", "--write")

    assert result.exit_code == 2
    assert result.stderr == f"Error: cannot write {table}: Is a directory\n"
    assert table.read_text(encoding="utf-8") == TEXT
