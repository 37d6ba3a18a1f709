"""The local predictor: a KServe model server with a sample of every model of the table of rows.

Serves, on loopback only, the production isvcs of `sinks/deployed.tsv` and the one isvc of each row
that has just one. What each family answers, and for which revision ids or titles it fails and how,
is said in `sinks/local/samples/`: revscoring, outlink, revertrisk, article_country, revise_tone.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Iterable, Mapping

import click
import kserve
from kserve.protocol.rest.server import RESTServer

from sinks import deployed
from sinks.local.samples import FAMILIES, SampleModel
from sinks.model_row import Family, ModelRow
from sinks.models import ROWS

GRACE_SECONDS = 2  # a slow answer must not hold up the end of a test


def families(rows: Iterable[ModelRow], isvcs: Iterable[str]) -> Mapping[str, Family]:
    """Return isvc name -> family of all that is served.

    isvcs:  names of the InferenceServices of single wikis, which are all of the revscoring family.
    """
    of_single_wikis: dict[str, Family] = dict.fromkeys(isvcs, "revscoring")
    questions = (row.question for row in rows)
    return of_single_wikis | {q.service.name: q.family for q in questions if q and q.service}


def open_listener(port: int, fd: int | None) -> socket.socket:
    """Return the inherited socket `fd`, or one bound to 127.0.0.1:`port`.

    raises: OSError (port taken, `fd` no socket); ValueError (`fd` bound elsewhere).
    """
    if fd is None:
        return socket.create_server(("127.0.0.1", port))
    listener = socket.socket(fileno=fd)
    if listener.getsockname()[:1] != ("127.0.0.1",):
        raise ValueError(f"descriptor {fd} is not bound to 127.0.0.1")
    return listener


def serve(listener: socket.socket, isvcs: Mapping[str, Family]) -> None:
    """Answer for each isvc as its family does, until SIGTERM; print the base URL first."""
    # uvicorn raises SIGTERM anew after it has shut down, which would be exit status -15.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = listener.getsockname()[1]
    server = kserve.ModelServer(enable_grpc=False)
    # kserve logs a traceback for each InvalidInput, an ordinary answer here; an unplanned
    # exception still shows, through uvicorn.error.
    for name in ("kserve", "kserve.trace", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel("CRITICAL" if name == "kserve" else "WARNING")
    for isvc, family in isvcs.items():
        model = SampleModel(isvc, FAMILIES[family])
        model.load()
        server.register_model(model)
    click.echo(f"http://127.0.0.1:{port}")
    # ModelServer.start would bind 0.0.0.0 and open a gRPC port; RESTServer.run takes our socket.
    app, extension = "kserve.model_server:app", server.model_repository_extension
    RESTServer(app, server.dataplane, extension, port, grace_period=GRACE_SECONDS).run([listener])


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8084, help="0: any free one.")
@click.option("--fd", type=int, help="An inherited, bound socket; used instead of --port.")
def main(port: int, fd: int | None) -> None:
    """Serve the sample predictors on loopback until SIGTERM; print the base URL first."""
    try:
        listener = open_listener(port, fd)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    serve(listener, families(ROWS, deployed.load("production")))


if __name__ == "__main__":
    main()
