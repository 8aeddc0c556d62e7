"""A norm factory -> the network; its summary and its parameter budget."""

from normbench.models.registry import MODELS, Network, build

__all__ = ["MODELS", "Network", "build"]
