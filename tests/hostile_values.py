"""What hostile requests are made of: wrong JSON values, header pieces, bodies of every class."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import cache
from typing import Final

MAX_BODY_BYTES: Final = 2**20
JSON: Final = b"application/json"
STRUCTURED: Final = b"application/cloudevents+json"

# JSON texts that are wrong, or at least odd, in nearly every place.
WORST: Final[tuple[bytes, ...]] = (
    b"null", b"true", b"0", b"-1", b"1", b"1.5", b"1e300", b"-9223372036854775809",
    b"18446744073709551616", b"1" * 400, b"1e400", b"NaN", b'""', b'" "', b'"a"', b'"\xc3\xa9"',
    b'"\\u0000"', b'"\\ud800"', b'"%0d%0a"', b'"' + b"a" * 10_000 + b'"', b"[]", b"{}", b"[null]",
    b'{"a":null}', b'"canary"', b'"2026-02-30T00:00:00Z"',
)  # fmt: skip
WRONG: Final[tuple[bytes, ...]] = (
    *WORST,
    # numbers
    b"false", b"-0", b"1.0", b"-1e300", b"-Infinity", b"2147483648", b"9007199254740992", b"01",
    b"9223372036854775807", b"9223372036854775808", b"1" * 31, b"1" * 100_000, b"0x1", b"+1", b"1.",
    # strings, most of them for where a host, a path or a header is made of the value
    b'"\\ufffe"', b'"\\u202eikiwne"', b'"\\u2028"', b'"\xf0\x9f\x92\xa9"', b'"\\ud83d"', b'"%"',
    b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\x80"', b'"\x01"', b'"\\x41"', b'"\\\\"', b'"\\""',
    b'"\xe6\x97\xa5\xe6\x9c\xac"', b'"enwiki\\r\\nX-Bad: 1\\r\\n"', b'"enwiki\\n"', b'"enwiki:80"',
    b'"enwiki\\u0000"', b'"en wiki"', b'"enwiki@evil.test"', b'"enwiki/../x"', b'"enwiki?a=b#c"',
    b'"enwiki%2e%2e%2f"', b'"enwiki\xd9\xa1\xd9\xa2"', b'"en\xe2\x84\xaaiki"', b'"ENWIKI"',
    b'"../../admin"', b'"{isvc}.{namespace}{0.__class__}"', b'"\'`$(id)<script>"',
    b'"9999-12-31T23:59:60-23:59"', b'"0001-01-01T00:00:00+23:59"',
    b'"2026-09-23t10:00:00.123456789z"', b'"/mediawiki/page/change/1.0.0"', b'"/a/99.0.0"',
    b'"edit"', b'"mediawiki.page_change.v1"', b'"mediawiki.page_change.private.v1"',
    # containers, and what is no JSON
    b"[[[[]]]]", b'{"":""}', b'[{}, 1, ""]', b"[" * 100 + b"]" * 100, b"[" * 300 + b"]" * 300,
    b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 2000, b"'a'", b"undefined", b"1 /* a */", b"",
)  # fmt: skip

# What header values are made of: bytes of every kind that a server lets through, and what parsers
# look for.
PIECES: Final[tuple[bytes, ...]] = (
    b"a", b"", b"1.0", b"%", b"%41", b"%zz", b"%C0%A0", b"%00", b"%0d%0aX-Bad:1", b"%ED%A0%80",
    b"%F0%9F%92%A9", b'"', b'"a"', b'"a\\"', b"\\", b" ", b"\t", b",", b";", b"=", b":", b"/",
    b"\xe9", b"\xc3\xa9", b"\xff", b"\xef\xbf\xbe", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xae",
    b"\xf0\x9f\x92\xa9", b"{", b"{isvc}", b"../..", b"evil.test:80", b"a" * 129, b"a" * 2049,
    b"2026-01-01T00:00:00Z", b"2026-13-01T00:00:00Z", b"application/json", b"text/plain",
    b"; charset=utf-8", b"; charset=utf-16", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
    b"a=1", b"a=1,a=2", b"-1", b"9" * 30, b"NaN", b"null", b"<b>'$(id)",
)  # fmt: skip
ATTRIBUTES: Final[tuple[bytes, ...]] = (
    b"id", b"source", b"type", b"specversion", b"time", b"subject", b"dataschema",
    b"datacontenttype", b"traceparent", b"tracestate", b"stream", b"wikiid", b"partitionkey",
    b"causationid", b"knativearrivaltime", b"x",
)  # fmt: skip
HEADERS: Final[tuple[bytes, ...]] = (
    b"x-a", *(b"ce-" + name for name in ATTRIBUTES), b"ce-", b"ce-data", b"ce-x-y", b"ce--",
    b"CE-ID", b"Ce-Id", b"ce_id", b"ce-\xff", b"ce-" + b"n" * 200, b"ce-_", b"cE.x", b"traceparent",
    b"tracestate", b"Content-Type", b"Content-Encoding", b"Content-Language", b"Accept", b"Host",
    b"Accept-Encoding", b"Authorization", b"Event-Timeout-Ms", b"Prefer", b"Kn-Namespace", b"Range",
    b"x-request-id", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"Forwarded", b"Proxy", b"Cookie",
    b"X-HTTP-Method-Override", b"If-Match", b"Connection", b"Upgrade", b"TE", b"Trailer",
    b"User-Agent",
)  # fmt: skip
TYPES: Final[tuple[bytes, ...]] = (
    b"", JSON, STRUCTURED, b"text/plain", b"application/json; charset=utf-16", b"APPLICATION/JSON",
    b"application/cloudevents", b"application/cloudevents-batch+json", b"application/json; charset",
    b"application/cloudevents+json; charset=latin-1", b"application/cloudevents+json;", b"/json",
    b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=b", b"a/b+json", b";",
    b'application/json; charset="utf-8"', b"application/avro", b"*/*", b"application/cloudevents+x",
)  # fmt: skip
TARGETS: Final[tuple[bytes, ...]] = (
    b"{}", b"{}?", b"{}?a=b&hasty=1", b"{}?trigger=drafttopic", b"{}?trigger=egress&trigger=x",
    b"{}?trigger=%ff%00", b"{}?trigger", b"{}?trigger=drafttopic&a=%", b"{}?Trigger=egress",
    b"{}?&=&;&", b"{}?" + b"trigger=drafttopic&" * 100, b"//{}", b"http://evil.test{}", b"{}/",
    b"{}#a", b"{}%00", b"{}%0d%0aX-Bad:1", b"{}%ff", b"{}%2e%2e", b"{};a", b"{}/../x", b"/", b"*",
    b"/models/", b"/models/x", b"/models/%F0%9F%92%A9", b"/models/" + b"x" * 3000,
    b"/models/a%2Fb", b"/%zz",
)  # fmt: skip
METHODS: Final = (b"POST", b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND")
MEMBERS: Final = (
    "x",
    "",
    "$schema",
    "meta",
    "a" * 1000,
    "é",
    "\0",
    "__proto__",
    "a.b",
    "@",
    "data",
)


@cache
def bodies(plain: bytes) -> dict[str, bytes]:
    """Return bodies that stand for a class each, by name.

    plain:  a document that an app takes; in many of them it is complete but for one thing.
    """
    return {
        **_nested(plain),
        **_numbers(plain),
        **_texts(plain),
        **_formats(plain),
        **_large(plain),
    }


def _with(plain: bytes, value: bytes) -> bytes:
    """The document with one more member."""
    return plain[:-1] + b',"x":' + value + b"}"


def _nested(plain: bytes) -> dict[str, bytes]:
    scalars = ("null", "true", "1", '"a"', "[]", "{}", "[{}]")
    inside = (253, 254, 1000, 1022, 1023)
    return {
        **{f"just_{text}": text.encode() for text in scalars},
        **{f"nested_{deep}": b"[" * deep + b"]" * deep for deep in (10, 1024, 1025, 100_000)},
        **{f"inside_{deep}": _with(plain, b"[" * deep + b"]" * deep) for deep in inside},
        **{f"objects_{deep}": b'{"a":' * deep + b"1" + b"}" * deep for deep in (255, 20_000)},
        "unclosed": b"[" * 100_000,
        "unclosed_objects": b'{"a":' * 50_000,
        "in_an_array": b"[" + plain + b"]",
    }


def _numbers(plain: bytes) -> dict[str, bytes]:
    values = {
        "huge": b"1e400", "tiny": b"1e-400", "minus_zero": b"-0", "digits": b"9" * 100_000,
        "fraction": b"0." + b"9" * 100_000, "exponent": b"1e" + b"9" * 1000, "nan": b"NaN",
        "infinity": b"Infinity", "minus_infinity": b"-Infinity", "hex": b"0x10", "octal": b"010",
    }  # fmt: skip
    return {f"number_{name}": _with(plain, value) for name, value in values.items()}


def _texts(plain: bytes) -> dict[str, bytes]:
    """Encodings, escapes, and names that come twice."""
    text = plain.decode()
    encodings = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037")
    return {
        **{f"encoded_{name}": text.encode(name) for name in encodings},
        "latin_1": _with(plain, '"é"'.encode("latin-1")),
        "bom": b"\xef\xbb\xbf" + plain,
        "bom_inside": _with(plain, b'"\xef\xbb\xbf"'),
        "surrogate": _with(plain, b'"\\ud800"'),
        "surrogates_swapped": _with(plain, b'"\\udc00\\ud800"'),
        "surrogate_bytes": _with(plain, b'"\xed\xa0\x80"'),
        "overlong": _with(plain, b'"\xc0\x80"'),
        "nul": b"\0" * 1000,
        "nul_after": plain + b"\0",
        "nul_inside": _with(plain, b'"\0"'),
        "nul_escaped": _with(plain, b'"\\u0000"'),
        "control": _with(plain, b'"\x1b[31m\n"'),
        "twice_everything": plain[:-1] + b"," + plain[1:],
        "twice_meta": _with(plain, b'1,"meta":{"domain":"canary"}'),
        "twice_escaped": _with(plain, b'1,"m\\u0065ta":null'),
        "trailing_comma": plain[:-1] + b",}",
        "comment": plain + b"// a",
        "quotes": plain.replace(b'"', b"'"),
        "json_in_json": json.dumps(text).encode(),
    }


def _formats(plain: bytes) -> dict[str, bytes]:
    """What is no JSON at all, or more than one."""
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    return {
        "empty": b"",
        "space": b" \r\n\t",
        "gzip": gzip.compress(plain),
        "gzip_bomb": gzip.compress(bytes(10_000_000)),
        "gzip_bomb_twice": gzip.compress(gzip.compress(bytes(10_000_000))),
        "zlib": zlib.compress(plain),
        "multipart": part + plain + b"\r\n--b--\r\n",
        "form": b"data=%7B%7D&" * 5000,
        "xml_bomb": b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>',
        "yaml_bomb": b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
        "pickle": b"\x80\x04cos\nsystem\n(S'id'\ntR.",
        "two_documents": plain + plain,
        "lines": plain + b"\n" + plain,
        "sequence": b"\x1e" + plain + b"\n",
    }


def _large(plain: bytes) -> dict[str, bytes]:
    members = b"".join(b',"k%d":0' % number for number in range(50_000))
    return {
        "string": _with(plain, b'"' + b"a" * 1_000_000 + b'"'),
        "escapes": _with(plain, b'"' + b"\\u0001" * 100_000 + b'"'),
        "name": plain[:-1] + b',"' + b"n" * 1_000_000 + b'":1}',
        "array": _with(plain, b"[" + b"0," * 100_000 + b"0]"),
        "array_of_objects": _with(plain, b"[" + b"{}," * 100_000 + b"{}]"),
        "members": plain[:-1] + members + b"}",
        "same_member": plain[:-1] + b',"k":0' * 100_000 + b"}",
        "at_the_limit": plain.ljust(MAX_BODY_BYTES),
        "over_the_limit": plain.ljust(MAX_BODY_BYTES + 1),
    }
