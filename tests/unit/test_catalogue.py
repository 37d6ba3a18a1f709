"""What is told of the table of models: true to the rows, and written so that it shows as meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import yaml

from sinks import deployed, inputs, wikis
from sinks.catalogue import consumers, event_types, markdown, wikitext
from sinks.catalogue.line import (
    Deployed,
    conditions,
    input_documents,
    predictor,
    rows_table,
)
from sinks.catalogue.line import wikis_table as listed_wikis
from sinks.catalogue.page import Block, Heading, Items, Page, Paragraph, Table
from sinks.catalogue.row_triggers import RowTrigger
from sinks.catalogue.streams import streams_page
from sinks.deployed import InferenceService
from sinks.local.eventgate_topics import TOPIC_PREFIX
from sinks.model_row import Wanted
from sinks.models import MODELS, ROWS
from sinks.output import build_meta
from sinks.prediction import Prediction
from sinks.shim_settings import ShimSettings
from sinks.telemetry import Telemetry
from sinks.trigger_lint.conditions import conditions as trigger_conditions
from sinks.wiki_table import scored_wikis
from sinks.wikis import Wiki
from tests.factories import DATA
from tests.sixteen import SIXTEEN

WIKIS = wikis.load()
WIKIPEDIAS = wikis.TABLE.read_text(encoding="utf-8").count("\twikipedia\t")
DEPLOYED = Deployed(deployed.load("production"), deployed.load("staging"))
TRIGGERS = {row.name: RowTrigger("triggers/", ()) for row in ROWS}
PAGE = streams_page(ROWS, DEPLOYED, WIKIS, "a table at 0123456", TRIGGERS)
# What kubectl takes as the name of an object, and Knative for its EventTypes.
DNS_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SPEC_MEMBERS = {"type", "source", "schema", "description", "reference"}


def page(*blocks: Block) -> Page:
    return Page("Title", blocks)


def texts(blocks: tuple[Block, ...]) -> Iterator[str]:
    """All texts of a page, cells and items each for itself."""
    for block in blocks:
        if isinstance(block, Table):
            yield from (*block.head, *(cell for row in block.rows for cell in row))
        elif isinstance(block, Items):
            yield from block.texts
        else:
            yield block.text


def body(rendered: str) -> str:
    """What follows the generated head."""
    return rendered.partition("-->\n\n")[2]


# --- the two markups


def test_markdown_each_block_has_its_form() -> None:
    """Title, heading, paragraph, list and table as GitHub's Markdown writes them."""
    blocks = (
        Heading("Part"),
        Paragraph("Some `code` here."),
        Items(("one", "two")),
        Table(("a", "b"), (("1", "`x|y`"),)),
    )

    rendered = markdown.render(page(*blocks))

    assert body(rendered) == (
        "# Title\n\n## Part\n\nSome `code` here.\n\n- one\n- two\n\n"
        "| a | b |\n|---|---|\n| 1 | `x\\|y` |\n"
    )


def test_markdown_long_text_is_wrapped_and_items_are_indented() -> None:
    """A line of prose fits an editor; what follows in an item stays in it."""
    rendered = markdown.render(page(Paragraph("word " * 40), Items(("word " * 40,))))

    lines = body(rendered).splitlines()
    assert max(map(len, lines)) <= 110
    assert [line[:3] for line in lines if line] == ["# T", "wor", "wor", "- w", "  w"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a_b wiki_id", "a_b wiki_id", id="in-a-word"),
        pytest.param("_a_", r"\_a\_", id="emphasis"),
        pytest.param("2 * 3 [x] <b> &amp;", r"2 \* 3 \[x\] \<b\> \&amp;", id="special"),
        pytest.param("`<wiki>-a_*`", "`<wiki>-a_*`", id="code"),
    ],
)
def test_markdown_prose_is_escaped_and_code_is_not(text: str, expected: str) -> None:
    """What means something to Markdown is shown as it is."""
    rendered = markdown.render(page(Paragraph(text)))

    assert body(rendered) == f"# Title\n\n{expected}\n"


def test_wikitext_each_block_has_its_form() -> None:
    """Heading, paragraph, list and table as MediaWiki writes them; the title is the wiki's."""
    blocks = (
        Heading("Part"),
        Paragraph("Some `code` here."),
        Items(("one", "two")),
        Table(("a", "b"), (("1", "`x|y`"),)),
    )

    rendered = wikitext.render(page(*blocks))

    assert rendered.startswith("<!-- Generated")
    assert body(rendered) == (
        "== Part ==\n\nSome <code>code</code> here.\n\n* one\n* two\n\n"
        '{| class="wikitable sortable"\n! scope="col" | a\n! scope="col" | b\n'
        "|-\n| 1\n| <code><nowiki>x|y</nowiki></code>\n|}\n"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("article-country's; 2 = 1", "article-country's; 2 = 1", id="harmless"),
        pytest.param("''a''", "<nowiki>''a''</nowiki>", id="italic"),
        pytest.param("[[a]]", "<nowiki>[[a]]</nowiki>", id="link"),
        pytest.param("{{a}}", "<nowiki>{{a}}</nowiki>", id="template"),
        pytest.param("a | b", "<nowiki>a | b</nowiki>", id="cell"),
        pytest.param("a !! b", "<nowiki>a !! b</nowiki>", id="head-cell"),
        pytest.param("https://a.b", "<nowiki>https://a.b</nowiki>", id="url"),
        pytest.param("__NOTOC__", "<nowiki>__NOTOC__</nowiki>", id="switch"),
        pytest.param("~~~~", "<nowiki>~~~~</nowiki>", id="signature"),
        pytest.param("RFC 9110", "<nowiki>RFC 9110</nowiki>", id="magic-link"),
        pytest.param("* a", "<nowiki>* a</nowiki>", id="list-at-the-start"),
        pytest.param("a * b", "a * b", id="star-inside"),
        pytest.param("a `*b`", "a <code>*b</code>", id="code-does-not-begin-a-line"),
        pytest.param("</nowiki>", "<nowiki>&lt;/nowiki&gt;</nowiki>", id="end-of-nowiki"),
        pytest.param("&lt;", "<nowiki>&amp;lt;</nowiki>", id="entity"),
    ],
)
def test_wikitext_what_means_something_to_a_wiki_is_shown_as_it_is(
    text: str, expected: str
) -> None:
    """nowiki stands around what MediaWiki would otherwise read as markup, and nowhere else."""
    rendered = wikitext.render(page(Paragraph(text)))

    assert body(rendered) == f"{expected}\n"


# --- the rows in words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "drafttopic",
            "create, edit; any namespace; redirects too; deployed for `enwiki`",
            id="one-deployed",
        ),
        pytest.param(
            "damaging",
            "create, edit; any namespace; redirects too; deployed for 35 wikis, see below",
            id="many-deployed",
        ),
        pytest.param(
            "outlink-topic-model",
            f"create, edit, move; namespace 0; no redirects; {WIKIPEDIAS} Wikipedias;"
            " `test2wiki`; `testwiki`",
            id="group-and-more",
        ),
        pytest.param(
            "revertrisk-language-agnostic",
            f"edit, move; namespace 0; no redirects; {WIKIPEDIAS} Wikipedias"
            " but `fiu_vrowiki`, `roa_rupwiki`, which the predictor cannot reach; `testwiki`",
            id="group-with-exceptions",
        ),
        pytest.param(
            "revertrisk-multilingual",
            "edit, move; namespace 0; no redirects; 48 wikis, see below",
            id="many-named",
        ),
        pytest.param(
            "revise-tone-task-generator",
            "edit; namespace 0; no redirects; `arwiki`, `enwiki`, `frwiki`, `ptwiki`, `testwiki`",
            id="few-named",
        ),
    ],
)
def test_conditions_of_row_are_its_data_in_words(name: str, expected: str) -> None:
    """Kinds, namespaces, redirects and wikis are told as the row has them."""
    told = conditions(MODELS[name], DEPLOYED.production, WIKIS)

    assert told == expected


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        pytest.param({"kinds": frozenset(("move",))}, "move; namespace 0; no redirects", id="kind"),
        pytest.param(
            {"namespaces": frozenset((4, 0))},
            "create, edit, move; namespaces 0, 4; no redirects",
            id="namespaces",
        ),
        pytest.param({"namespaces": None}, "create, edit, move; any namespace", id="any"),
        pytest.param({"redirects": True}, "create, edit, move; namespace 0; redirects", id="too"),
        pytest.param(
            {"kinds": frozenset(("delete", "undelete", "visibility_change"))},
            "delete, undelete, visibility_change; ",
            id="every-other-kind",
        ),
    ],
)
def test_conditions_of_changed_row_change_with_it(over: dict[str, Any], expected: str) -> None:
    """Nothing of the conditions is written by hand."""
    row = MODELS["article-country"]
    changed = replace(row, wanted=replace(row.wanted, **over))

    told = conditions(changed, DEPLOYED.production, WIKIS)

    assert told.startswith(expected)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_conditions_name_every_member_of_wanted(row: Any) -> None:
    """A new condition has to be told: this fails when `Wanted` gets one."""
    told = {"titles", "model_name", "kinds", "wiki_group", "wikis", "excluded_wikis"}
    told |= {"namespaces", "redirects"}

    assert set(Wanted.__dataclass_fields__) == told
    assert row.wanted.kinds <= {"create", "edit", "move"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("damaging", "`<wiki>-damaging` in `revscoring-editquality-damaging`"),
        ("itemquality", "`<wiki>-itemquality` in `revscoring-articlequality`"),
        ("article-country", "`article-country` in `article-models`"),
        ("article-country-tags", "none: it feeds on what `article-country` has predicted"),
    ],
)
def test_predictor_of_row_is_its_service_and_namespace(name: str, expected: str) -> None:
    """One service for all wikis, one for each, or none."""
    told = predictor(MODELS[name], DEPLOYED.production)

    assert told == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drafttopic", "`mediawiki/page/change` 1.x, `mediawiki/revision/create` 1.x, 2.x"),
        ("article-country", "`mediawiki/page/change` 1.x"),
        (
            "article-country-tags",
            "`mediawiki/page/prediction_classification_change` 1.x: `article-country`'s event",
        ),
    ],
)
def test_input_documents_are_titles_with_their_majors(name: str, expected: str) -> None:
    """What a row reads is told with every major version that has a reader."""
    told = input_documents(MODELS[name], None)

    assert told == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param(
            [{"exact": {"type": "org.wikimedia.mediawiki.page.change.v1", "wikiid": "enwiki"}}],
            "`mediawiki/page/change` 1.x",
            id="one",
        ),
        pytest.param(
            [{"any": [{"prefix": {"type": "org.wikimedia.mediawiki.revision.create."}}]}],
            "`mediawiki/revision/create` 1.x, 2.x",
            id="two-majors",
        ),
        pytest.param(
            [{"exact": {"wikiid": "enwiki"}}],
            "`mediawiki/page/change` 1.x, `mediawiki/revision/create` 1.x, 2.x",
            id="of-any-type",
        ),
    ],
)
def test_input_documents_are_those_that_the_trigger_delivers(
    filters: list[Any], expected: str
) -> None:
    """What a row could read and never gets is not told as its input."""
    trigger = RowTrigger("triggers/", tuple(trigger_conditions({"filters": filters})))

    told = input_documents(MODELS["drafttopic"], trigger)

    assert told == expected


SMALL = {
    name: Wiki(name, f"{name}.example.org", group, "en")
    for name, group in (
        ("aawiki", "wikipedia"),
        ("abwiki", "wikipedia"),
        ("fiu_vrowiki", "wikipedia"),
        ("aawiktionary", "wiktionary"),
        ("enwiki", "wikipedia"),
        ("testwiki", "testwiki"),
    )
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drafttopic", ("abwiki", "aawiktionary")),
        ("article-country", ("aawiki", "abwiki", "enwiki", "fiu_vrowiki", "testwiki")),
        ("revertrisk-language-agnostic", ("aawiki", "abwiki", "enwiki", "testwiki")),
        ("revertrisk-multilingual", ("enwiki", "testwiki")),
        ("revertrisk-wikidata", ()),
    ],
)
def test_scored_wikis_are_those_of_the_table_that_the_row_takes(
    name: str, expected: tuple[str, ...]
) -> None:
    """Deployed wikis, a group with more and fewer, or named ones; never one outside the table."""
    services = {
        isvc: InferenceService(isvc, "namespace")
        for isvc in (
            "abwiki-drafttopic",
            "aawiktionary-drafttopic",
            "enwiki-damaging",
            "x-drafttopic",
        )
    }

    scored = scored_wikis(MODELS[name], services, SMALL)

    assert scored == tuple(sorted(expected))


def test_wikis_table_lists_rows_whose_wikis_are_no_group() -> None:
    """Every deployed wiki of both environments, and every list too long for a sentence."""
    table = listed_wikis(ROWS, DEPLOYED, WIKIS)

    told = {row[0].strip("`"): row[1:] for row in table.rows}
    assert set(told) == {
        *(row.name for row in ROWS if row.wanted.where_deployed),
        "revertrisk-multilingual",
    }
    assert told["reverted"] == (
        "9: `bnwiki elwiki enwiktionary glwiki hrwiki idwiki iswiki tawiki viwiki`",
        "1: `viwiki`",
    )
    assert told["itemtopic"] == ("1: `wikidatawiki`", "none")
    assert told["revertrisk-multilingual"][0].startswith("48: `arwiki azwiki ")
    assert told["revertrisk-multilingual"][1] == "the same"


def test_rows_table_has_each_row_with_its_schema_and_streams() -> None:
    """One line for each row, in the table's order."""
    table = rows_table(ROWS, DEPLOYED, WIKIS, TRIGGERS)

    assert [(row[0], *row[4:]) for row in table.rows] == [
        (
            f"`{row.name}`",
            "`triggers/`",
            f"`{row.output.schema}`",
            f"`{row.stream}`",
            f"`{row.test_stream}`",
        )
        for row in ROWS
    ]


# --- the page


def test_page_says_what_consumers_can_do_about_order() -> None:
    """Scores and predictions name their revision; of tags the latest change is to be kept."""
    order = markdown.render(PAGE).partition("## Order and duplicates")[2].partition("\n## ")[0]
    told = " ".join(order.split())

    assert "carry the revision that they were made from" in told
    assert "`rev_id`" in told
    assert "`revision.rev_id`" in told
    assert "carry no revision, so they cannot be ordered" in told
    assert "the event with the latest `dt`" in told
    assert "duplicate has the same `meta.id`" in told


def test_page_texts_close_what_they_mark_as_code() -> None:
    """An open backtick would turn code into prose for the rest of the text."""
    found = list(texts(PAGE.blocks))

    assert all(text and text.count("`") % 2 == 0 for text in found)


def test_page_tables_have_cells_for_each_column() -> None:
    """No row is shorter or longer than its head, in either markup."""
    tables = [block for block in PAGE.blocks if isinstance(block, Table)]
    in_wikitext = re.findall(r"\{\|.*?\n\|\}", wikitext.render(PAGE), re.DOTALL)

    assert len(tables) == len(in_wikitext) == 4
    for table, written in zip(tables, in_wikitext, strict=True):
        assert {len(row) for row in table.rows} == {len(table.head)}
        columns = [part.count("\n| ") for part in written.split("\n|-")[1:]]
        assert columns == [len(table.head)] * len(table.rows)


def test_page_in_markdown_has_no_line_that_begins_a_block_by_accident() -> None:
    """Wrapping never puts a number or a sign where Markdown begins a list, a quote or a heading."""
    lines = markdown.render(PAGE).splitlines()

    begun = [line for line in lines if re.match(r" *([-+*>]|#+|\d+[.)])( |$)", line)]
    assert all(line.startswith(("- ", "# ", "## ")) for line in begun)
    items = sum(len(block.texts) for block in PAGE.blocks if isinstance(block, Items))
    assert sum(line.startswith("- ") for line in begun) == items


def test_page_names_what_the_code_has() -> None:
    """Prefix of topics, metrics, and the rows that move or ignore redirects are the code's own."""
    text = "\n".join(texts(PAGE.blocks))
    told = set(re.findall(r"sinks_[a-z_]+\{.*?\}", text))

    samples = set()
    for sink, outcome in (("score-sink", "replied"), ("egress-sink", "relayed")):
        rendered = Telemetry(sink, lambda: 0).render().decode()
        assert f'sinks_events_total{{outcome="{outcome}",sink="{sink}"}}' in rendered
        samples.add(f'sinks_events_total{{sink="{sink}",outcome="{outcome}"}}')
    assert told == samples
    assert f"`{TOPIC_PREFIX}` + stream" in text
    assert "MAX_EVENT_AGE_SECONDS" in text


def test_no_country_sizes_are_those_of_a_real_edit() -> None:
    """The estimate counts with events as they are made."""
    document = orjson.loads((DATA / "events" / "page_change_edit.json").read_bytes())
    change = inputs.parse(document, inputs.load_readers())
    prediction = Prediction("article-country", "1", (), {})

    sizes = []
    for name in ("article-country", "article-country-tags"):
        row = MODELS[name]
        made = {
            "$schema": row.output.schema,
            "meta": build_meta(change.meta, row.stream, "5b3c1d2e-7f60-5a11-9c8d-001122334455"),
            **row.output.from_change(change),
            **row.from_prediction(prediction),
        }
        sizes.append(len(orjson.dumps(made)))

    expected = [consumers.EMPTY_PREDICTION_BYTES, consumers.CLEARED_TAGS_BYTES]
    assert sizes == pytest.approx(expected, rel=0.1)


def test_no_country_volume_is_twice_the_changes_without_one() -> None:
    """5 changes a second, 40 % of them without a country: 2 predictions and 2 tags a second."""
    table = next(
        block
        for block in consumers.blocks(ROWS)
        if isinstance(block, Table) and block.head[0] == "assumption"
    )

    assert table.rows[1] == ("middle", "5", "40%", "4.0 a second", "67%", "0.4 GB a day")


# --- EventTypes


OBJECTS = event_types.event_types(ROWS)


def test_event_types_are_one_for_each_input_and_each_row() -> None:
    """Inputs by type, from any source; outputs by type and source."""
    found = [(each["spec"]["type"], each["spec"].get("source")) for each in OBJECTS]

    assert found == [
        ("org.wikimedia.mediawiki.page.change.v1", None),
        ("org.wikimedia.mediawiki.revision.create.v1", None),
        ("org.wikimedia.mediawiki.revision.create.v2", None),
        *((row.output_type, f"/models/{row.name}") for row in ROWS),
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each["metadata"]["name"])
def test_event_type_has_only_what_knative_knows(each: dict[str, Any]) -> None:
    """A name that is a DNS name, the default Broker, and no member that v1beta2 has not got."""
    assert set(each) == {"apiVersion", "kind", "metadata", "spec"}
    assert (each["apiVersion"], each["kind"]) == ("eventing.knative.dev/v1beta2", "EventType")
    assert set(each["metadata"]) == {"name"}
    assert DNS_NAME.fullmatch(each["metadata"]["name"])
    assert set(each["spec"]) <= SPEC_MEMBERS
    assert each["spec"]["reference"] == {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "name": "default",
    }


def test_event_types_names_are_unique() -> None:
    """Two objects of one name would be one object."""
    names = [each["metadata"]["name"] for each in OBJECTS]

    assert len(set(names)) == len(names)


def test_event_types_schema_is_the_dataschema_of_replies() -> None:
    """The schema is absolute, with the base that the sinks use unless they are told another."""
    default = ShimSettings.from_env({"ALLOW_ANONYMOUS": "true"}).schema_base_uri

    found = [each["spec"]["schema"] for each in OBJECTS if "source" in each["spec"]]

    assert found == [f"{default}{row.output.schema}" for row in ROWS]


def test_event_types_tell_who_reads_them() -> None:
    """A row that feeds on another's prediction is named there."""
    objects = event_types.event_types(SIXTEEN)
    told = {each["metadata"]["name"]: each["spec"]["description"] for each in objects}

    assert told["models-article-country"].endswith(" Read by article-country-tags.")
    assert told["mediawiki-revision-create-v1"].endswith(" damaging, goodfaith, reverted.")
    assert "Read by" not in told["models-drafttopic"]


def test_event_types_yaml_reads_back_as_the_same_objects() -> None:
    """The YAML says what the objects say, after a comment that says where it is from."""
    rendered = event_types.render(ROWS)

    assert rendered.startswith("# Generated by `sinks streams --format event-types`")
    assert list(yaml.safe_load_all(rendered)) == OBJECTS
