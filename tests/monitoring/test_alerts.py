"""Each alert in its case and in its near misses, by `promtool test rules`; alerts.yaml has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.monitored import rules
from tests.monitoring.prometheus import promtool, rule_file

FILE: Final = Path(__file__).with_name("alerts.yaml")
WHOLE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
CASES: Final[Mapping[str, dict[str, Any]]] = {each["name"]: each for each in WHOLE["tests"]}
ALERTS: Final = {rule["alert"] for rule in rules()}
# What makes a rule wake people in vain, or not at all, and the case that tells.
SPOILT: Final = [
    ("SinksNoEvents", "[30m]", "[3m]", "only canaries"),
    ("SinksNoCanary", "[1d]) > 0", "[1d]) >= 0", "changeprop"),
    ("SinksNoCanary", ", stream!='(others)'", "", "changeprop"),
    ("SinksNoCanary", "_total > 0 unless", "_total > 9 unless", "new Pod"),
    ("SinksNoCanary", "for: 30m", "for: 1m", "late"),
    ("SinksDown", "for: 5m", "for: 1m", "all start again"),
    ("SinksDown", "max by", "min by", "one Pod of two"),
    ("SinksDown", "relayed|deferred", "relayed|ignored", "scaled to none"),
    ("SinksDown", "deferred'}[5m]", "deferred'}[10m]", "after a rush"),
    ("SinksDown", "replied'}[5m]", "replied'}[10m]", "after a rush"),
    ("SinksDeferred", "> 10\n", "> 1\n", "little comes in"),
    ("SinksDeferred", "> 0.1\n", "> 0.01\n", "one in twenty"),
    ("SinksDeferred", "[5m]", "[20m]", "three minutes"),
    ("SinksDeferred", "sink!='console'", "sink!=''", "console"),
    ("SinksRejected", "sink!='console'", "sink!=''", "console"),
    ("SinksRejected", "> 10\n", "> 1\n", "single revisions"),
    ("SinksEventLag", "0.5,", "0.99,", "one slow event"),
    ("SinksEventLag", ">= 300", "> 300", "beyond the last bound"),
    ("SinksEventGatesAvoided", "min by", "max by", "one of two works"),
    ("SinksEventGatesAvoided", "[10m])) > 0", "[10m])) >= 0", "nothing has come"),
    ("SinksOverloaded", "for: 10m", "for: 1m", "short rush"),
    ("SinksBug", " offset 1h", "", "single one"),
    ("SinksBug", "present_over_time(sinks_errors_total[1h]", "(sinks_errors_total", "not scraped"),
    ("SinksDeadLettersGrowing", "max by", "sum by", "counted once"),
    ("SinksLettersNotKept", "for: 5m", "for: 1m", "starts again"),
    ("SinksLettersNotKept", " offset 10m", "", "all at once"),
    ("SinksLettersDropped", " offset 1h", "", "room is made"),
    ("SinksLettersDropped", "cause='size'", "cause!=''", "somebody drops"),
]


def judged(programs: Path, directory: Path, text: str, *cases: dict[str, Any]) -> str:
    """What promtool says against the rules in these cases; empty for nothing."""
    (directory / "rules.yaml").write_text(text, encoding="utf-8")
    file = directory / "alerts.yaml"
    file.write_text(yaml.safe_dump({**WHOLE, "tests": cases}), encoding="utf-8")
    done = promtool(programs, "test", "rules", str(file))
    assert (done.returncode == 0) == (not done.stderr), done
    return done.stderr + done.stdout if done.returncode else ""


def local(text: str) -> str:
    """The rules with the page of the runbook as the cases write it."""
    pages = {rule["annotations"]["runbook_url"].partition("#")[0] for rule in rules()}
    return text.replace(pages.pop(), "RUNBOOK")


def test_rules_are_such_as_prometheus_takes(programs: Path, tmp_path: Path) -> None:
    """Expressions and templates parse, and no rule is there twice."""
    (tmp_path / "rules.yaml").write_text(rule_file(), encoding="utf-8")

    done = promtool(programs, "check", "rules", str(tmp_path / "rules.yaml"))

    assert (done.returncode, f"{len(rules())} rules found" in done.stdout) == (0, True), done


@pytest.mark.parametrize("name", CASES)
def test_alert_fires_in_its_case_and_nowhere_else(
    name: str, programs: Path, tmp_path: Path
) -> None:
    """With its labels and its text, values included, or not at all."""
    assert judged(programs, tmp_path, local(rule_file()), CASES[name]) == ""


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    """No alert is added without both."""
    fires = {name.split()[0] for name in CASES if name.split()[1] == "fires"}
    silent = {name.split()[0] for name in CASES if name.split()[1:3] == ["is", "silent"]}

    assert fires == silent == ALERTS
    for name, case in CASES.items():
        asked = case["alert_rule_test"]
        assert {each["alertname"] for each in asked} == {name.split()[0]}
        assert any(each.get("exp_alerts") for each in asked) == (" fires " in name)


def test_alerts_are_silent_where_all_of_it_is_another_namespaces(
    programs: Path, tmp_path: Path
) -> None:
    """One Prometheus has the rules of several environments, of which staging may be broken. That
    a sink is absent is told all the same."""
    fires = [case for name, case in CASES.items() if " fires " in name and "SinksDown" not in name]
    cases = yaml.safe_load(yaml.safe_dump(fires).replace('"event-sinks"', '"event-sinks-dev"'))
    for each in (asked for case in cases for asked in case["alert_rule_test"]):
        each.pop("exp_alerts", None)

    assert judged(programs, tmp_path, local(rule_file()), *cases) == ""


@pytest.mark.parametrize(("alert", "old", "new", "told"), SPOILT)
def test_spoilt_rule_is_told_by_its_case(
    alert: str, old: str, new: str, told: str, programs: Path, tmp_path: Path
) -> None:
    """The cases can fail: a rule without its window, floor or wait is found out."""
    whole = yaml.safe_load(local(rule_file()))
    (case,) = [each for name, each in CASES.items() if name.startswith(alert) and told in name]
    own = [rule for group in whole["groups"] for rule in group["rules"] if rule["alert"] == alert]
    before = yaml.safe_dump(own)

    for rule in own:
        rule["expr"] = f"{rule['expr']}\n".replace(old, new)
        rule["for"] = f"for: {rule['for']}".replace(old, new).removeprefix("for: ")

    assert yaml.safe_dump(own) != before
    assert alert in judged(programs, tmp_path, yaml.safe_dump(whole), case)
