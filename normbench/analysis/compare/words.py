"""Settings in few words, as captions, footers and overviews name them: `5 epochs`, `batch size 64`."""

from collections.abc import Sequence

from normbench.text import listed

_WORDS = {
    "train.epochs": "{} epochs",
    "train.batch_size": "batch size {}",
    "train.optimizer.name": "{}",
    "train.optimizer.lr": "lr {}",
    "model.name": "network {}",
    "data": "{}",
    "data.num_train": "of {} images",
    "data.num_eval": "scored on {} images",
    "data.evaluate_on": "scored on {} images",
    "data.fingerprint": "{}",
}


def in_words(key: str, values: Sequence[str]) -> str:
    """The setting at a dotted key with its values as text; `train.dropout: 0.1` is `dropout 0.1`."""
    if key.startswith("data."):
        values = [f"{int(value):,}" if value.isdecimal() and key != "data.fingerprint" else value for value in values]
    if key == "train.epochs" and list(values) == ["1"]:
        return "1 epoch"
    return _WORDS.get(key, f"{key.rpartition('.')[2]} {{}}").format(listed(values))


def name_in_words(key: str) -> str:
    """The setting without a value: `batch size`, `epochs`, `dropout`."""
    return in_words(key, [""]).strip() or key.rpartition(".")[2]


def importance(key: str) -> int:
    """Sorts settings by how much they say: those that have words of their own first, in the order of _WORDS."""
    return list(_WORDS).index(key) if key in _WORDS else len(_WORDS)
