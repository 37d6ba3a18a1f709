"""console: every event in at `/`, and a page for people that shows what became of it.

It only watches: no event is answered, changed or kept anywhere but in memory.
"""

from sinks.console.app import create_app

__all__ = ["create_app"]
