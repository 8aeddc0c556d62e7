"""Config keys and metrics in words, as they stand on axes and in titles."""

WORDS = {
    "norm.num_groups": "number of groups",
    "norm.channels_per_group": "channels per group",
    "norm.momentum": "momentum of the running statistics",
    "norm.eps": "epsilon of the norm",
    "norm.ghost_size": "ghost batch size",
    "train.epochs": "epochs",
    "train.batch_size": "batch size",
    "train.precision": "precision",
    "train.optimizer.name": "optimizer",
    "train.optimizer.lr": "learning rate",
    "train.optimizer.sgd_lr": "learning rate of SGD",
    "train.optimizer.weight_decay": "weight decay",
    "train.optimizer.momentum": "momentum of the optimizer",
    "train.schedule.name": "schedule",
    "model.name": "network",
    "data.source": "data",
    "data.augment": "augmentation",
}
"""Keys whose last part alone would mislead or is no word."""

SPLITS = {"test": "test", "val": "validation", "train": "training"}


def in_words(key: str) -> str:
    """A dotted config key in words; one that is not in WORDS by its last part: in_words("a.b_c") == "b c"."""
    return WORDS.get(key) or key.rpartition(".")[2].replace("_", " ")


def in_percent(metric: str) -> str:
    """The name of a metric with its unit: `accuracy in %`, `loss`."""
    return f"{metric} in %" if metric == "accuracy" else metric


def metric_in_words(split: str, metric: str) -> str:
    """`test accuracy in %`, `training loss`."""
    return f"{SPLITS[split]} {in_percent(metric)}"


def capitalized(text: str) -> str:
    """`text` with its first letter in upper case; the others stay."""
    return text[:1].upper() + text[1:]
