"""Rows about methods and paths: what is not a POST to where events go, and must not look like one.

source: knative/specs, specs/eventing/data-plane.md; knative/eventing, pkg/kncloudevents/retries.go.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from sinks.contract.rows.row import ALL, GOOD, OWN, SCORE, Demand, Expected, Row, rejected
from sinks.contract.rows.sample import post
from sinks.contract.rows.script import method, target

_STATUSES: Final = "Knative data plane: 404, 408, 409, 429 and 5xx are repeated, other 4xx are not"
_NO_SUCH_PATH: Final = Expected("refused", 404, "no_such_path")


def _with_slash(path: str) -> str:
    parts = urlsplit(path)
    return f"{parts.path.rstrip('/')}/" + (f"?{parts.query}" if parts.query else "")


_METHODS: Final = Demand(
    OWN,
    "Knative data plane: events are POSTed; a followed redirect arrives as GET",
    "Knative takes a 200 to the GET of a followed redirect for delivered: the event is lost",
    "answer 405 with Allow",
).rows(
    {
        f"method_{name.lower()}": post("binary", method(name))
        for name in ("GET", "PUT", "PATCH", "DELETE")
    },
    Expected("refused", 405, "method_not_allowed"),
) + Demand(
    OWN,
    "sinks: no webhook handshake is offered",
    "a 200 without WebHook-Allowed-Origin is a refusal that looks like a yes",
    "answer 405 with Allow",
).rows(
    {"method_options": post("binary", method("OPTIONS"))},
    Expected("refused", 405, "method_not_allowed"),
)

_PATHS: Final = (
    *Demand(
        OWN,
        _STATUSES,
        "a 2xx on a path that nobody serves loses every event of a mistyped Trigger",
        "answer 404: Knative repeats it, and somebody notices",
    ).rows(
        {
            "path_unknown": post("binary", target("/no/such/path")),
            "path_nul": post("binary", target("/%00")),
            "path_encoded_slash": post("binary", target("/a%2Fb")),
            "path_long": post("binary", target("/" + "x" * 3000)),
        },
        _NO_SUCH_PATH,
    ),
    *Demand(
        ALL,
        "knative/eventing: 301, 302 and 303 are followed as GET",
        "a redirect loses the body, and with it the event",
        "take the event, or answer a 4xx; never redirect",
    ).rows({"path_trailing_slash": post("binary", target(_with_slash))}, Expected("direct")),
    *Demand(
        OWN, "a base URL that ends in a slash", "a redirect loses the event", "do not redirect"
    ).rows({"path_leading_slashes": post("binary", target(lambda path: f"/{path}"))}, GOOD),
)

_ROW_PATHS: Final = (
    *Demand(
        SCORE,
        _STATUSES,
        "404 is repeated ten times, though no repetition makes a row",
        "answer 422 and list the rows",
    ).rows(
        {
            f"row_unknown_{name}": post("binary", target(f"/models/{path}"))
            for name, path in {
                "plain": "nope",
                "upper_case": "DRAFTTOPIC",
                "space": "drafttopic%20",
                "not_ascii": "%C3%A9",
                "not_utf8": "%ff",
                "long": "x" * 3000,
                "parameter": "drafttopic;x",
            }.items()
        },
        rejected(422, "unknown_row", "drafttopic"),
    ),
    *Demand(
        SCORE,
        _STATUSES,
        "a wrong path is a mistake in the deployment, which can be mended",
        "answer 404 as JSON, never a redirect",
    ).rows(
        {
            f"row_path_{name}": post("binary", target(path))
            for name, path in {
                "none": "/models",
                "empty": "/models/",
                "slash": "/models/drafttopic/",
                "deeper": "/models/drafttopic/x",
                "double_slash": "/models//drafttopic",
                "encoded_slash": "/models/a%2Fb",
                "upper_case": "/Models/drafttopic",
            }.items()
        },
        _NO_SUCH_PATH,
    ),
)

ROWS: Final[tuple[Row, ...]] = (*_METHODS, *_PATHS, *_ROW_PATHS)
