"""The contract kit: rows to probe any sink with, and rules to check any payload against.

Used by people through `sinks contract`, by pytest through `--pyargs sinks.contract`, and by our own
contract tests. No app imports it.
"""
