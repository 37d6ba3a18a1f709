"""What a probe found, for people, for programs and for CI servers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

from sinks.contract.probe.run import Probe, Result
from sinks.contract.terminal import Terminal


def show(terminal: Terminal, result: Result) -> None:
    """Write one line for a row, and its findings below it."""
    if not result.findings:
        terminal.line(f"ok    {result.row.name}", fg="green")
        return
    terminal.line(f"FAIL  {result.row.name}: {result.row.why}", fg="red", bold=True)
    for finding in result.findings:
        terminal.finding(finding)


def summary(probe: Probe, results: Sequence[Result]) -> str:
    """Return the last line: how many rows, requests and findings."""
    findings = [finding for result in results for finding in result.findings]
    failed = sum(bool(result.findings) for result in results)
    told = f"{len(findings)} findings in {failed} rows" if findings else "no findings"
    return f"{len(results)} rows, {probe.requests} requests, {told}"


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
