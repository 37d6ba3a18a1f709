"""A Flask app that answers deliveries before Flask makes its contexts for them.

Routing, contexts, and Flask's requests and responses cost more than a sink's own work on an event.
Everything else, wrong methods and paths included, is Flask's, which knows the same views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, request

from sinks.http_message import HttpResponse
from sinks.server_settings import STOPPING
from sinks.wsgi_request import RULE, Environ

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Gets the last segment of the path too: empty for a rule without an argument.
View = Callable[[Environ, str], HttpResponse]
_STATUS_LINES: Final = {each.value: f"{each.value} {each.phrase}" for each in HTTPStatus}


class EventApp(Flask):
    """Views for events are added with `add_event_rule`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.url_map.merge_slashes = False  # it would redirect, and a redirected event is lost
        self.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # its 200 is no event and no error
        self._paths: dict[str, tuple[str, View]] = {}
        self._folders: dict[str, tuple[str, View]] = {}

    def is_stopping(self) -> bool:
        """Return whether the server has been told to stop; never where it does not say."""
        asked = self.config.get(STOPPING)
        return bool(asked and asked())

    def add_event_rule(self, rule: str, view: View) -> None:
        """Let the view answer POSTs to `rule`, which may end in one `<argument>`."""
        folder, argument, _ = rule.partition("<")
        (self._folders if argument else self._paths)[folder] = rule, view

        def flask_view(**arguments: str) -> Response:
            request.environ[RULE] = rule
            return response_of(view(request.environ, next(iter(arguments.values()), "")))

        self.add_url_rule(rule, rule, flask_view, methods=["POST"])

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            path = environ["PATH_INFO"]
            found, last = self._paths.get(path), ""
            if found is None:
                folder, slash, last = path.rpartition("/")
                found = self._folders.get(folder + slash) if last else None
            if found is not None:
                environ[RULE], view = found
                status, headers, body = view(environ, last)
                length = ("Content-Length", str(len(body)))
                start_response(_STATUS_LINES[status], [*headers.items(), length])
                return [body]  # a list: granian has a short way for it
        return super().wsgi_app(environ, start_response)


def response_of(answer: HttpResponse) -> Response:
    """Return the answer as Flask's own response, for what Flask has routed."""
    response = Response(answer.body, answer.status)
    del response.headers["Content-Type"]
    response.headers.update(answer.headers)
    return response
