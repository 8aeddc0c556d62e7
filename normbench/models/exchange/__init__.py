"""The norm layers of any network, exchanged for another norm. `exchange` does it; the other modules are its steps."""

from normbench.models.exchange.exchange import Exchange, ExchangedLayer, exchange

__all__ = ["Exchange", "ExchangedLayer", "exchange"]
