"""A processor on Knative's func-python, as its template shows one: it replies with a new event.

    LISTEN_ADDRESS=127.0.0.1:9000 python func_python_sink.py

It does nothing wrong itself: what a probe finds is the runtime's, and the SDK's below it.
"""

from cloudevents.core.v1.event import CloudEvent
from func_python.cloudevent import serve


class Function:
    """Says how long the title of a changed page is."""

    async def handle(self, scope, receive, send):
        """Answer one event by another."""
        title = scope["event"].get_data()["page"]["page_title"]
        attributes = {"type": "com.example.title.measured", "source": "/samples/titles"}
        await send(CloudEvent(attributes, {"characters": len(title)}))


def new():
    """Return the function; the runtime calls this."""
    return Function()


if __name__ == "__main__":
    serve(new)
