"""The cluster's names: pure records of Services, and a server that answers from a table.

https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.e2e.api import Object

DOMAIN: Final = "svc.cluster.local"
_A: Final = 1
_CNAME: Final = 5
_IN: Final = 1
_SECONDS: Final = 1  # how long an answer holds
_ANSWER: Final = 0x8580  # an answer, of whom it is to ask, to a question that wanted recursion
_NO_SUCH_NAME: Final = 3
_MOST_ALIASES: Final = 8


@dataclass(frozen=True, slots=True)
class Record:
    """What a name stands for: addresses, or another name."""

    addresses: tuple[str, ...] = ()
    alias: str = ""


def records(services: Iterable[Object], endpoints: Iterable[Object]) -> dict[str, Record]:
    """Return the records of all Services by full name, without the final dot."""
    ready = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): tuple(
            address["ip"]
            for subset in each.get("subsets", [])
            for address in subset.get("addresses", [])
        )
        for each in endpoints
    }
    found = {}
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        key = metadata["namespace"], metadata["name"]
        name = f"{metadata['name']}.{metadata['namespace']}.{DOMAIN}"
        if spec.get("type") == "ExternalName":
            found[name] = Record(alias=spec["externalName"].rstrip(".").lower())
        elif spec.get("clusterIP") == "None":
            found[name] = Record(ready.get(key, ()))
        else:
            found[name] = Record((spec["clusterIP"],))
    return found


def reply(query: bytes, table: Mapping[str, Record]) -> bytes:
    """Return the answer to a question; a name that is not in the table does not exist.

    raises: ValueError, IndexError or struct.error if the question is none.
    """
    name, end = _question(query)
    wanted, _ = struct.unpack_from(">HH", query, end)
    answers: list[bytes] = []
    known = name in table
    while (record := table.get(name)) and record.alias and len(answers) < _MOST_ALIASES:
        answers.append(_record(name, _CNAME, _encoded(record.alias)))
        name = record.alias
    if record and wanted == _A:
        answers += [_record(name, _A, socket.inet_aton(each)) for each in record.addresses]
    flags = _ANSWER if known else _ANSWER | _NO_SUCH_NAME
    head = query[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0)
    return head + query[12 : end + 4] + b"".join(answers)


def _question(query: bytes) -> tuple[str, int]:
    """Return the name that is asked for, in lower case, and where it ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _encoded(name) + struct.pack(">HHIH", kind, _IN, _SECONDS, len(data)) + data


def _encoded(name: str) -> bytes:
    labels = (label.encode("ascii") for label in name.split("."))
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def serve(address: str, table: Callable[[], Mapping[str, Record]]) -> None:
    """Answer on UDP port 53 of an address, in a thread, until this process ends."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))

    def answer() -> None:
        while True:
            query, client = server.recvfrom(4096)
            try:
                server.sendto(reply(query, table()), client)
            except (OSError, ValueError, IndexError, struct.error):
                continue  # no question, or whoever asked is gone; as with any name server

    threading.Thread(target=answer, name="dns", daemon=True).start()
