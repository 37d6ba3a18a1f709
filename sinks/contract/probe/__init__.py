"""Putting rows to a running sink, and judging what it answers."""
