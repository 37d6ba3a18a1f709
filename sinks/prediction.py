"""What a predictor said about one revision, as our own value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """labels:       what the model decided for; can be empty.
    probability:  label -> number, for all labels of the model; need not sum to 1.
    """

    model_name: str
    model_version: str
    labels: tuple[str, ...]
    probability: Mapping[str, float]


class WrongShape(ValueError):
    """The predictor's answer is not what its contract says; the text names the place."""
