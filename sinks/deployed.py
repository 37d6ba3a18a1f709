"""Which InferenceServices of single wikis exist; the others stand in the table of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path(__file__).parent / "deployed.tsv"


@dataclass(frozen=True, slots=True)
class InferenceService:
    """A KServe InferenceService; `name` is also the model name in its `:predict` path."""

    name: str
    namespace: str

    @property
    def predict_path(self) -> str:
        """The path of KServe's V1 protocol that it predicts at."""
        return f"/v1/models/{self.name}:predict"


def load(environment: str) -> Mapping[str, InferenceService]:
    """Return the InferenceServices of `staging` or `production` by name (`<wiki>-<model>`)."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {
        isvc: InferenceService(isvc, namespace)
        for where, namespace, isvc in rows
        if where == environment
    }


def where(environment: str) -> str:
    """Return of which environment's InferenceServices a process with this ENVIRONMENT knows."""
    return "staging" if environment == "staging" else "production"
