"""`sinks send`: one event to any URL, and what came back."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, get_args

import click

from sinks import event_samples
from sinks.contract.finding import one_line
from sinks.contract.options import authorization, event_bytes
from sinks.contract.probe.heard import HttpAnswer, Silence
from sinks.contract.probe.run import advice
from sinks.contract.probe.target import InvalidTarget, Target, target_of
from sinks.contract.probe.wire import perform
from sinks.contract.rows.script import Hear, Request, Send
from sinks.contract.terminal import FINDINGS, OK, Terminal, ended, quiet_ends
from sinks.errors import SinkError
from sinks.http_client import USER_AGENT
from sinks.send.meaning import Meaning, event_document, meaning
from sinks.send.outgoing import Mode, Outgoing, outgoing

_MAX_EVENT_BYTES: Final = 4 * 2**20
_SHOWN_CHARS: Final = 4000
_ATTRIBUTE: Final = re.compile(r"(?!(?:specversion|data)=)([a-z0-9]{1,64})=(.*)", re.DOTALL)
_HEADER: Final = re.compile(
    r"(?!content-length|transfer-encoding)([!#$%&'*+.^_`|~0-9a-z-]+)\s*:\s*([\x20-\x7e]*)",
    re.IGNORECASE,
)
# Of an answer; what else there is says nothing about the event.
_TOLD_HEADERS: Final = re.compile(
    r"ce-.*|sinks-.*|content-type|retry-after|location|www-authenticate|allow|server"
)
_HELP: Final = f"""Send one event to URL, and show what came back and what it means to Knative.

EVENT is a file, - for standard input, or the name of a sample:
{", ".join(event_samples.names())}.
A bare document gets the attributes that http-shim would make; a structured CloudEvent goes as it
is. --set changes them, for a Broker or a sink: http-shim makes them anew. Nothing is repeated, and
no redirect followed.

Exit code: 0 a reply, or empty, or outcomes without deferred and rejected; 1 any other answer;
2 nobody answers, or the command is wrong.

\b
Example, to a sink, to a Broker, and a plain document to the shim:
  sinks send page_change http://127.0.0.1:8081/models/drafttopic
  sinks send event.json http://broker-ingress.knative-eventing/my/default --set wikiid=dewiki
  sinks send page_change_move http://127.0.0.1:8080/events --mode plain
"""


@click.command("send", help=_HELP)
@click.argument("event")
@click.argument("url")
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    help="Content mode, or plain: the document alone. Without it: as the event is, else binary.",
)
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE", help="Set an attribute; empty: none."
)
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="Send it, too.")
@click.option("--token-file", metavar="FILE", help="Holds the bearer token to show.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificate authorities, PEM.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    default=330.0,
    show_default=True,
    help="Seconds for the answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
def send_command(
    event: str,
    url: str,
    mode: Mode | None,
    changes: Sequence[str],
    headers: Sequence[str],
    token_file: str | None,
    ca_file: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    with quiet_ends():
        try:
            target = target_of(url, timeout, ca_file, elsewhere=True)
            message = outgoing(event_bytes(event, _MAX_EVENT_BYTES), mode, _changes(changes))
        except InvalidTarget as error:
            raise ended(str(error)) from None
        except SinkError as error:
            helps = mode != "plain" and error.reason != "malformed_data"
            plain = "; --mode plain sends a document as it is" if helps else ""
            raise ended(f"{event}: {error.detail}{plain}") from None
        more = {**message.headers, **authorization(token_file)}
        lowered = {name.lower(): value for name, value in more.items()}
        if changes and target.path == "/events":
            note = "http-shim makes attributes anew: --set counts at a Broker or a sink"
            click.echo(note, err=True)
        answer = _answer(target, {**lowered, **_headers(headers)}, message)
        meant = meaning(answer, message.mode == "plain")
        try:
            show = _as_json if as_json else _as_lines
            show(url, message, answer, meant)
        except RecursionError:
            raise ended(
                f"{meant.fate}: {meant.told}; it is nested too deeply to be shown"
            ) from None
    sys.exit(OK if meant.good else FINDINGS)


def _changes(given: Sequence[str]) -> Mapping[str, str]:
    found = [_ATTRIBUTE.fullmatch(each) for each in given]
    if not all(found):
        names = "names are lower-case letters and digits, but not data or specversion"
        raise click.UsageError(f"--set wants NAME=VALUE; {names}")
    return {each[1]: each[2] for each in found if each}


def _headers(given: Sequence[str]) -> Mapping[str, str]:
    found = [_HEADER.fullmatch(each) for each in given]
    if not all(found):
        raise click.UsageError("--header wants NAME:VALUE, in ASCII, and not of the framing")
    return {each[1].lower(): each[2] for each in found if each}


def _answer(target: Target, headers: Mapping[str, str], message: Outgoing) -> HttpAnswer:
    path = target.path + (f"?{target.query}" if target.query else "")
    usual = {"host": target.authority, "user-agent": USER_AGENT, "prefer": "reply"}
    sent = {**usual, **headers}
    for name, value in sent.items():
        if not (value.isascii() and value.isprintable()):
            raise ended(f"{name} cannot be sent: it has other characters than printable ASCII")
    host = sent.pop("host")
    raw = tuple((name, value.encode("ascii")) for name, value in sent.items())
    request = Request(path, raw, message.body, host)
    terminal = Terminal()
    terminal.progress(f"sent; up to {target.seconds:g} s for the answer")
    try:
        (heard,) = perform((Send(request.raw()), Hear()), target)
    finally:
        terminal.progress("")
    if isinstance(heard, Silence):
        raise ended(advice(target, heard))
    return heard


def _as_lines(url: str, message: Outgoing, answer: HttpAnswer, meant: Meaning) -> None:
    terminal = Terminal()
    attributes = message.attributes
    what = f"{attributes['type']} {attributes['id']}" if attributes else "the document"
    terminal.line(f"sent {one_line(what)} as {message.mode}")
    colour = "green" if meant.good else "red"
    terminal.line(f"{_status(answer.status)} in {answer.seconds:.2f} s", fg=colour, bold=True)
    terminal.line(f"{meant.fate}: {meant.told}")
    for name, value in answer.headers:
        if _TOLD_HEADERS.fullmatch(name):
            terminal.line(f"  {name}: {one_line(value)}")
    if meant.reply is not None:
        shown = json.dumps(event_document(meant.reply), indent=2, ensure_ascii=False)
        for line in shown.split("\n"):
            terminal.line(one_line(line, 10 * len(line)))
    elif answer.body:
        text = answer.body.decode("utf-8", "replace")
        for line in text[:_SHOWN_CHARS].splitlines():
            terminal.line(f"  {one_line(line, _SHOWN_CHARS)}")


def _as_json(url: str, message: Outgoing, answer: HttpAnswer, meant: Meaning) -> None:
    reply = meant.reply
    document: dict[str, Any] = {
        "url": url,
        "mode": message.mode,
        "sent": dict(message.attributes),
        "status": answer.status,
        "seconds": round(answer.seconds, 3),
        "fate": meant.fate,
        "told": meant.told,
        "good": meant.good,
        "headers": dict(answer.headers),
        "reply": None if reply is None else event_document(reply),
        "body": None if reply is not None else answer.body.decode("utf-8", "replace"),
    }
    Terminal().line(json.dumps(document, indent=2))


def _status(status: int) -> str:
    known = {each.value: f" {each.phrase}" for each in HTTPStatus}
    return f"{status}{known.get(status, '')}"
