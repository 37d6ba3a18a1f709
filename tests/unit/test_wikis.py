"""The table of wikis: what a line means, and what the table has to be like for its readers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import FrozenInstanceError

import pytest

from sinks import wikis
from sinks.wikis import Wiki

WIKIS = wikis.load()
HEADING = "wiki_id\tdomain\tgroup\tlanguage\n"
# The Wikipedias whose language has another code than its host.
LANGUAGE_OF_HOST = {
    "alswiki": ("als", "gsw"),
    "bat_smgwiki": ("bat-smg", "sgs"),
    "fiu_vrowiki": ("fiu-vro", "vro"),
    "roa_rupwiki": ("roa-rup", "rup"),
    "zh_classicalwiki": ("zh-classical", "lzh"),
    "zh_min_nanwiki": ("zh-min-nan", "nan"),
    "zh_yuewiki": ("zh-yue", "yue"),
}


def test_parse_line_becomes_wiki_of_its_four_columns() -> None:
    """Comments and the heading are no wikis; each other line is one, in its order."""
    text = f"# source\n{HEADING}zh_yuewiki\tzh-yue.wikipedia.org\twikipedia\tyue\n# b\na\tb\tc\td\n"

    seen = wikis.parse(text)

    assert list(seen.items()) == [
        ("zh_yuewiki", Wiki("zh_yuewiki", "zh-yue.wikipedia.org", "wikipedia", "yue")),
        ("a", Wiki("a", "b", "c", "d")),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "# source\n", HEADING, f"# source\n{HEADING}"],
    ids=["nothing", "comment", "heading", "both"],
)
def test_parse_table_without_lines_has_no_wikis(text: str) -> None:
    """A heading is not a wiki, and neither is nothing."""
    seen = wikis.parse(text)

    assert seen == {}


@pytest.mark.parametrize("line", ["a\tb\tc", "a\tb\tc\td\te", "a b c d", ""])
def test_parse_line_of_other_columns_is_refused(line: str) -> None:
    """A damaged table is noticed when it is read, not when an event needs it."""
    with pytest.raises(TypeError):
        wikis.parse(f"{HEADING}{line}\n")


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("en.wikipedia.org", "en"),
        ("be-tarask.wikipedia.org", "be-tarask"),
        ("test2.wikipedia.org", "test2"),
        ("www.wikidata.org", "www"),
        ("localhost", "localhost"),
    ],
)
def test_label_is_first_of_the_domain(domain: str, expected: str) -> None:
    """The label is what stands before the first dot."""
    seen = Wiki("xwiki", domain, "wikipedia", "x").host_label

    assert seen == expected


def test_wiki_is_a_value() -> None:
    """A wiki cannot be changed, so all readers may share the table."""
    wiki = WIKIS["enwiki"]

    with pytest.raises(FrozenInstanceError):
        wiki.language = "fr"  # type: ignore[misc]


def test_load_table_holds_the_open_public_wikis() -> None:
    """Over 800 wikis, over 300 of them the Wikipedias of a language: some come and go."""
    groups = Counter(wiki.group for wiki in WIKIS.values())

    assert len(WIKIS) > 800
    assert groups["wikipedia"] > 300
    assert (groups["test"], groups["test2"], groups["wikidata"]) == (1, 1, 1)


def test_load_every_line_is_a_wiki_of_its_own() -> None:
    """No wiki or domain is there twice, and all of them are what a request can hold."""
    text = wikis.TABLE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line[0] != "#"]

    domains = [wiki.domain for wiki in WIKIS.values()]

    assert len(lines) - 1 == len(WIKIS) == len(set(domains))
    assert all(re.fullmatch("[a-z][a-z0-9_]{0,63}", name) for name in WIKIS)
    assert all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain) for domain in domains)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", wiki.language) for wiki in WIKIS.values())
    assert all(name == wiki.wiki_id for name, wiki in WIKIS.items())


def test_load_wikipedias_are_hosts_of_wikipedia_org() -> None:
    """Whatever is in the group of the Wikipedias has its host; of others only four have."""
    hosts = {name for name, wiki in WIKIS.items() if wiki.domain.endswith(".wikipedia.org")}
    group = {name for name, wiki in WIKIS.items() if wiki.group == wikis.WIKIPEDIA}

    assert hosts - group == {"nostalgiawiki", "testwiki", "test2wiki", "thankyouwiki"}
    assert group <= hosts


def test_load_language_differs_from_label_for_seven_wikipedias_and_newer_ones() -> None:
    """Who takes the host's label for the language is wrong about these."""
    differing = {
        name: (wiki.host_label, wiki.language)
        for name, wiki in WIKIS.items()
        if wiki.group == wikis.WIKIPEDIA and wiki.host_label != wiki.language
    }

    assert differing.items() >= LANGUAGE_OF_HOST.items()
