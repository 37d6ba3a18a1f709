"""A sink on Google's functions-framework, as its documentation shows one: it takes events.

    functions-framework --source functions_framework_sink.py --target page_changed \
        --signature-type cloudevent --host 127.0.0.1 --port 9000

It does nothing wrong itself: what a probe finds is the framework's.
"""

import functions_framework


@functions_framework.cloud_event
def page_changed(event):
    """Look at the page change, and be done."""
    page = event.data["page"]
    print(f"{event['type']} {event['id']}: {page['page_title']}", flush=True)
