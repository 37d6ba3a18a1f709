"""Proof that nothing is lost while everything around the sinks fails: `python -m tests.soak`."""
