"""A norm factory -> the network; its summary and its parameter budget."""

from normbench.models.build import build
from normbench.models.reference import reference
from normbench.models.registry import MODELS

__all__ = ["MODELS", "build", "reference"]
