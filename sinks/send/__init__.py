"""`sinks send`: one event to any URL, and what came back. No app loads this."""
