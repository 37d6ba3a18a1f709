"""What a probe found, for people, for programs and for CI servers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sinks.contract.finding import one_line
from sinks.contract.probe.judge import words
from sinks.contract.probe.run import Probe, Result, is_refused
from sinks.contract.rows.row import Row
from sinks.contract.terminal import Terminal

_SHOWN_BYTES = 2000


def show(terminal: Terminal, result: Result, quiet: bool) -> None:
    """Write one line for a row, unless it is fine and that is not wanted; and its findings."""
    if not result.findings:
        if not quiet:
            terminal.line(f"ok    {result.row.name}", fg="green")
        return
    terminal.line(f"FAIL  {result.row.name}: {result.row.why}", fg="red", bold=True)
    for finding in result.findings:
        terminal.finding(finding)


def summary(probe: Probe, results: Sequence[Result]) -> str:
    """Return the last line: how many rows, requests and findings."""
    findings = [finding for result in results for finding in result.findings]
    failed = [result.row.name for result in results if result.findings]
    if len(results) == 1 and is_refused(results[0]):
        return "the sink refuses its good event, so the other rows were not put to it"
    told = f"{len(findings)} findings in {len(failed)} rows" if findings else "no findings"
    names = f": {', '.join(failed)}; --show ROW shows what one sends" if failed else ""
    return f"{len(results)} rows, {probe.requests} requests, {told}{names}"


def sent(terminal: Terminal, probe: Probe, row: Row) -> None:
    """Write what a row sends, act by act, and what it expects."""
    terminal.line(f"{row.name}: {row.why}", bold=True)
    for act in row.make(probe.sample):
        about = asdict(act)
        raw = about.pop("data", b"")
        told = ", ".join(f"{name} {value}" for name, value in about.items())
        terminal.line(f"{type(act).__name__} ({told})")
        for line in raw[:_SHOWN_BYTES].split(b"\r\n") if raw else ():
            terminal.line(f"  {one_line(line.decode('latin-1'), _SHOWN_BYTES)}")
        if len(raw) > _SHOWN_BYTES:
            terminal.line(f"  ... and {len(raw) - _SHOWN_BYTES} bytes more")
    for expected in row.expected:
        terminal.line(f"expected: {words(expected, probe.role)}")
    terminal.line(f"clause: {row.clause}")


def as_json(url: str, probe: Probe, results: Sequence[Result]) -> str:
    """Return the whole report as one JSON document."""
    document: dict[str, Any] = {
        "url": url,
        "as": probe.role,
        "expect_row": probe.sample.row,
        "requests": probe.requests,
        "findings": sum(len(result.findings) for result in results),
        "rows": [
            {
                "name": result.row.name,
                "clause": result.row.clause,
                "why": result.row.why,
                "seconds": round(result.seconds, 3),
                "findings": [finding.as_dict() for finding in result.findings],
            }
            for result in results
        ],
    }
    return json.dumps(document, indent=2)


def as_junit(url: str, probe: Probe, results: Sequence[Result]) -> bytes:
    """Return the report as JUnit XML: one test case a row."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"sinks contract probe {url} --as {probe.role}",
        tests=str(len(results)),
        failures=str(sum(bool(result.findings) for result in results)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"sinks.contract.{probe.role}",
            name=result.row.name,
            time=f"{result.seconds:.3f}",
        )
        for finding in result.findings:
            failure = ElementTree.SubElement(
                case, "failure", type=finding.rule, message=f"{finding.place}: {finding.problem}"
            )
            failure.text = f"clause: {finding.clause}\nfix: {finding.fix}"
    written: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return written
