"""What is to be known of a network that was made of a user's code, kept on the network itself."""

from collections.abc import Sequence

from torch import nn

from normbench.models.exchange import ExchangedLayer


def keep_notes(network: nn.Module, *, exchanged: Sequence[ExchangedLayer] = (), warnings: Sequence[str] = ()) -> None:
    """Keeps the layers that were exchanged in the network, and lines about what is unusual in it."""
    network.normbench_notes = tuple(exchanged), tuple(warnings)  # type: ignore[assignment]


def exchanged_layers(network: nn.Module) -> tuple[ExchangedLayer, ...]:
    """The layers that were exchanged; none in a network that asked for its norm layers."""
    return getattr(network, "normbench_notes", ((), ()))[0]


def warnings_about(network: nn.Module) -> tuple[str, ...]:
    """Lines for a person, about what is unusual in the network."""
    return getattr(network, "normbench_notes", ((), ()))[1]
