"""An explanation as lines for people: each Trigger's answer first, then how it comes about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sinks import jsondata
from sinks.contract.finding import one_line
from sinks.explain.brokers import Explained, failed, unpublished
from sinks.explaining import words
from sinks.explaining.entry import Entry
from sinks.explaining.explanation import Step, Verdict
from sinks.filters import Judged
from sinks.trigger_lint.finding import Finding

_MAX_CHARS: Final = 2000
# Of what is shown whole elsewhere.
_SHORT_CHARS: Final = 170
_ENDS: Final = "the explanation ends there"
_TOLD: Final = ("type", "source", "wikiid", "pagechangekind", "namespaceid", "model")


class Line(NamedTuple):
    text: str
    colour: str | None = None
    bold: bool = False


def lines(
    name: str,
    entry: Entry,
    brokers: Sequence[Explained],
    where: str,
    with_filters: bool,
) -> Iterator[Line]:
    """Yield the lines.

    where:         environment, names of streams, and whose Triggers.
    with_filters:  whether each condition of each filter is shown, passed or not.
    """
    yield from _entered(name, entry, where)
    for explained in brokers:
        if explained.broker and len(brokers) > 1:
            yield Line("")
            yield Line(one_line(explained.broker), bold=True)
        yield from _answers(explained)
        for verdict in explained.verdicts:
            yield from _details(verdict, with_filters)
        if explained.findings:
            yield Line("")
        for finding in explained.findings:
            yield from _finding(finding)


def _entered(name: str, entry: Entry, where: str) -> Iterator[Line]:
    if entry.event is None:
        said = f": {entry.detail}" if entry.detail else ""
        yield Line(_said(f"{name}:", f"the shim: {entry.outcome}, {entry.reason}{said}"), "red")
        yield Line("  no Trigger gets to see it")
        return
    told = ", ".join(
        f"{each} {value}" for each in _TOLD if (value := entry.event.get(each)) is not None
    )
    yield Line(_said(f"{name}:", told), bold=True)
    yield Line(one_line(f"  {where}"))
    if entry.as_it_is:
        yield Line("  with the attributes that it has: the shim has no part in it")
    if entry.changed:
        yield Line(
            "  the shim makes these attributes anew; where it has no part in it, filters see the"
            " former: --as-is",
            "yellow",
        )
    for attribute, (given, typed) in entry.changed.items():
        yield Line(one_line(f"    {attribute}: {given or 'none'} -> {typed or 'none'}"))


def _answers(explained: Explained) -> Iterator[Line]:
    names = [verdict.trigger.name for verdict in explained.verdicts]
    width = max(map(len, [*names, *(name for name, _ in explained.refused)]), default=0) + 1
    passing = [each for each in explained.verdicts if each.step is not None]
    others = [each for each in explained.verdicts if each.step is None]
    if not passing and explained.verdicts:
        yield Line("no Trigger takes it", "red")
    for name, problem in explained.unready:
        yield Line(
            _said(f"{name}:", f"the cluster does not deliver to it: {problem}", width), "red"
        )
    for verdict in passing:
        if verdict.step is not None:
            text, colour = _answer(verdict.step)
            yield Line(_said(f"{verdict.trigger.name}:", text, width), colour)
    for name, problem in explained.refused:
        yield Line(_said(f"{name}:", f"refused by the shim: {problem}", width), "red")
    for verdict in others:
        why = next(words.why_failed(verdict.judged))
        text = f"{verdict.trigger.name + ':':{width}} does not pass: {why}"
        yield Line(one_line(text, _SHORT_CHARS))


def _answer(step: Step) -> tuple[str, str | None]:
    """Return what becomes of the event, in one line, and its colour."""
    if step.foreign:
        return f"delivered to what is none of our sinks: {_ENDS}", None
    if step.outcome == "relayed":
        return f"relayed -> {step.event.get('stream')}", "green"
    if step.outcome != "replied":
        return _outcome(step), "yellow" if step.outcome == "ignored" else "red"
    after = [each for each in step.all() if each is not step]
    streams = [
        str(each.event.get("stream"))
        for each in after
        if each.outcome == "relayed" and not each.foreign
    ]
    lost = [f"{each.trigger or 'the reply'}: {_outcome(each)}" for each in after if failed(each)]
    if unpublished(step) and not lost:
        lost = ["nothing is published"]
    published = f" -> {', '.join(streams)}" if streams else ""
    return f"replied{published}{''.join(f'; {each}' for each in lost)}", "red" if lost else "green"


def _outcome(step: Step) -> str:
    reason = f", {step.reason}" if step.reason else ""
    detail = step.detail or ("nothing is published" if step.reason == "no_trigger" else "")
    return f"{step.outcome}{reason}{f': {detail}' if detail else ''}"


def _details(verdict: Verdict, with_filters: bool) -> Iterator[Line]:
    step = verdict.step
    if not with_filters and (step is None or step.reply is None):
        return
    yield Line("")
    yield Line(one_line(verdict.trigger.name), bold=True)
    if with_filters:
        yield from _filter(verdict.judged, "  ")
    if step is not None:
        yield from _step(step, "  ", verdict.trigger.subscriber)


def _filter(judged: Judged, indent: str) -> Iterator[Line]:
    mark, colour = ("passes", None) if judged.passed else ("fails ", "red")
    one = judged.filter
    if one.attribute:
        told = judged.passed and one.dialect == "exact" and one.text  # the value is the text
        has = "" if told else f", has {_value(judged)}"
        yield Line(_said(f"{indent}{mark}", f"{words.condition(one)}{has}"), colour)
        return
    what = one.dialect if judged.parts else "no condition: everything passes"
    yield Line(f"{indent}{mark} {what}", colour)
    for part in judged.parts:
        yield from _filter(part, f"{indent}  ")


def _value(judged: Judged) -> str:
    return "no such attribute" if judged.value is None else judged.value


def _step(step: Step, indent: str, subscriber: str = "") -> Iterator[Line]:
    if step.foreign:
        yield Line(one_line(f"{indent}{subscriber} is none of our sinks: {_ENDS}"))
        return
    if step.asked is not None:
        service, body = step.asked.service, jsondata.dumps(step.asked.body).decode()
        where = f"POST {service.predict_path} in {service.namespace}"
        yield Line(one_line(f"{indent}would ask {where}: {body}"))
    if step.reply is None:
        yield Line(one_line(f"{indent}{_outcome(step)}"), "red" if failed(step) else None)
        return
    reply = step.reply
    yield Line(one_line(f"{indent}replies {reply.type} from {reply.source}"))
    yield Line(one_line(f"{indent}for stream {reply.get('stream')}, taken by"))
    for each in step.followed:
        if each.reply is None:
            text = _outcome(each) if not each.foreign else f"none of our sinks: {_ENDS}"
            colour = "red" if failed(each) else None
            yield Line(_said(f"{indent}  {each.trigger or 'no Trigger'}:", text), colour)
        else:
            yield Line(one_line(f"{indent}  {each.trigger}"))
            yield from _step(each, f"{indent}    ")


def _finding(finding: Finding) -> Iterator[Line]:
    colour = "yellow" if finding.severity == "warning" else "red"
    yield Line(f"{finding.trigger}: {finding.place}: {finding.what}", colour)
    yield Line(f"  fix: {finding.advice}")


def _said(name: str, text: str, width: int = 0) -> str:
    """Return a line of printable characters: what YAML and events say must not move a terminal."""
    return one_line(f"{name:{width}} {text}", _MAX_CHARS)
