"""gunicorn settings of every sink: one process, gevent's stock worker, JSON log lines.

A predictor takes up to 4 s, so hundreds of deliveries wait in one process; greenlets carry that,
and half-open connections do not hold it up. That counts for dead letters too, although a disk does
not yield: its milliseconds are shorter than what 300 silent senders make threads wait.
"""

import gc
from typing import Any

# No start without it: gunicorn itself looks for it at the first request only, and fails them all.
import gunicorn_h1c  # type: ignore[import-untyped]  # noqa: F401
from gunicorn.glogging import Logger

from sinks.server_settings import HAS_PAGES, STOPPING, ServerSettings

# What start-up makes lives as long as the process: collecting it again and again only costs time.
gc.disable()

_server = ServerSettings.from_env()

bind = f"0.0.0.0:{_server.port}"
worker_class = "gevent"
workers = 1
# Room for idle keep-alive connections and probes beside all events that may be in flight.
worker_connections = _server.max_in_flight + 1000
# Longer than the 90 s for which Go's clients keep an idle connection, so that they close first.
keepalive = 100
# A worker that has not yielded for this long hangs; waiting for upstreams yields.
timeout = 60
# Above the longest deadline that an event can have.
graceful_timeout = int(_server.event_deadline_seconds) + 10
# The heartbeat file must not wait for a disk, and the root file system may be read-only.
worker_tmp_dir = "/dev/shm"  # noqa: S108
control_socket_disable = True
# The parser in C: the one in Python takes a fifth more CPU for an event.
http_parser = "fast"
# No header of any proxy is believed, so nobody's address need be looked at. By default a client's
# SCRIPT_NAME that comes through a sidecar, from loopback, would be: a 500.
forwarded_allow_ips = "*"
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "sinks.log.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "sinks": {"level": _server.log_level},
        "gunicorn.error": {"level": _server.log_level, "handlers": [], "propagate": True},
    },
}


# After a refused body gunicorn reads what is left of it, so that a sender who writes first and
# reads later gets its 413 and no reset; one that has declared far more would hold up everybody.
_MOST_READ_IN_VAIN = _server.max_body_bytes + 8 * 2**20


class NoAccessLog(Logger):
    """gunicorn would gather what an access line may show for every request, and then drop it."""

    def access(self, *_: Any) -> None:
        return


logger_class = NoAccessLog


def pre_request(worker: Any, req: Any) -> None:
    """Close the connection after the answer to a body that is too large even to be thrown away, and
    after a page: a browser keeps idle connections, which would hold up the end of the worker."""
    if req.method == "GET" and worker.wsgi.config.get(HAS_PAGES):
        req.force_close()
    for name, value in req.headers:
        if name == "CONTENT-LENGTH" and int(value) > _MOST_READ_IN_VAIN:
            req.force_close()


def post_worker_init(worker: Any) -> None:
    """Let `/readyz` say no as soon as the worker has been told to stop; collect from here on."""
    worker.wsgi.config[STOPPING] = lambda: not worker.alive
    # gunicorn looks up a dozen settings for each request, each by a search; as attributes of their
    # own they are found at once.
    vars(worker.cfg).update({name: each.get() for name, each in worker.cfg.settings.items()})
    gc.freeze()
    gc.enable()
