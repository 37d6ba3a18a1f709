"""CloudEvents sinks between MediaWiki page changes, KServe predictors and EventGate."""

__version__ = "0.1.0"
