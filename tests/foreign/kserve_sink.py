"""A model of KServe's that is called with CloudEvents itself, at `/v1/models/titles:predict`.

    python kserve_sink.py FD

FD is an inherited listening socket: `ModelServer.start` would bind every interface. It does nothing
wrong itself: what a probe finds is KServe's.
"""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any

import kserve
from kserve.errors import InvalidInput
from kserve.protocol.rest.server import RESTServer

NAME = "titles"


class Titles(kserve.Model):  # type: ignore[misc]
    """Says how long the title of a changed page is."""

    async def predict(self, payload: Any, headers: dict[str, str] | None = None) -> dict[str, int]:
        """Return the prediction; anything but a page change is the caller's mistake."""
        page = payload.get("page") if isinstance(payload, dict) else None
        title = page.get("page_title") if isinstance(page, dict) else None
        if not isinstance(title, str):
            raise InvalidInput("expected a page change")
        return {"characters": len(title)}


def main() -> None:
    """Serve on the inherited socket until SIGTERM."""
    # uvicorn raises SIGTERM anew after it has shut down, which would be exit status -15.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.socket(fileno=int(sys.argv[1]))
    server = kserve.ModelServer(enable_grpc=False)
    model = Titles(NAME)
    model.load()
    server.register_model(model)
    port = listener.getsockname()[1]
    app, extension = "kserve.model_server:app", server.model_repository_extension
    RESTServer(app, server.dataplane, extension, port, grace_period=1).run([listener])


if __name__ == "__main__":
    main()
