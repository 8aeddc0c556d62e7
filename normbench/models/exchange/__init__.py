"""The norm layers of any network, exchanged for another norm. `exchange` does it; the other modules are its steps."""

from normbench.models.exchange.checks import check_plain
from normbench.models.exchange.dry_run import left_as_it_is
from normbench.models.exchange.exchange import Exchange, ExchangedLayer, exchange

__all__ = ["Exchange", "ExchangedLayer", "check_plain", "exchange", "left_as_it_is"]
