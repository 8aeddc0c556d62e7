"""Statistics of batch norm layers over the whole training set: written into the layers, or to measure their effect."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normbench.data.batches import training_batches
from normbench.data.dataset import Split
from normbench.data.streams import stream, stream_seed
from normbench.train.engine import inference_network
from normbench.train.evaluate import evaluate, infer, logits_of
from normbench.train.loop import Recipe
from normbench.train.moments import Moments
from normbench.train.setting import Setting

BATCH_SIZE = 500


@dataclass(frozen=True)
class AccuracyByStatistics:
    """Accuracies, as fractions, of the same weights with three sources of a layer's statistics.

    `running`: the statistics stored in training, with which every result is made. `batch`: those of the evaluated
    batch of `batch_size` images, as in training. `precise`: those of all training images, augmented as in training,
    under the final weights (Wu & Johnson 2021, arXiv:2105.07576, section 3).
    """

    running: float
    batch: float
    precise: float
    batch_size: int
    precise_augmented: bool
    """False for a recipe that does not augment."""


def recompute_statistics(
    model: nn.Module, split: Split, setting: Setting, recipe: Recipe, epoch: int, batch_size: int = BATCH_SIZE
) -> None:
    """Writes the statistics of the split's images, augmented, into the layers with `is_evaluated_precisely`.

    With such layers it costs a forward pass over the training set, in batches of `batch_size` images, before each
    evaluation, without them nothing. The images are augmented by draws that belong to the seed and the epoch and that
    training does not use. So weights, seed and epoch decide the result, and a resumed run has the same bits.
    """
    layers = [module for module in model.modules() if getattr(module, "is_evaluated_precisely", False)]
    _write_precise(model, layers, split, setting, recipe, epoch, batch_size)


def accuracy_by_statistics(
    model: nn.Module, train: Split, held_out: Split, setting: Setting, recipe: Recipe
) -> AccuracyByStatistics | None:
    """How much the held-out accuracy after the last epoch depends on the stored statistics; None if there are none.

    The model does not change. The held-out images are shuffled, as training images are: a folder's images are sorted
    by class, and a batch of one class has statistics that no training batch had. If the batch size does not divide
    their number, the first images fill up the last batch; each image counts once. A layer that cannot take a batch's
    own statistics (one value a channel) raises ValueError.
    """
    if not _storing(model):
        return None

    precise = deepcopy(model)
    _write_precise(precise, _storing(precise), train, setting, recipe, recipe.epochs - 1, BATCH_SIZE)
    size = min(recipe.batch_size, len(held_out))
    return AccuracyByStatistics(
        running=evaluate(infer(model, held_out.images, setting), held_out.labels).accuracy,
        batch=_batch_accuracy(deepcopy(model), held_out, setting, size, recipe.seed),
        precise=evaluate(infer(precise, held_out.images, setting), held_out.labels).accuracy,
        batch_size=size,
        precise_augmented=bool(recipe.augmentations),
    )


def _storing(model: nn.Module) -> list[nn.Module]:
    """The layers that train with their batch's mean and variance and store them.

    Batch renormalization is not one of them: it trains with its stored statistics, and stores a standard deviation.
    """
    names = ("running_mean", "running_var")
    return [m for m in model.modules() if all(isinstance(getattr(m, name, None), Tensor) for name in names)]


def _batch_accuracy(model: nn.Module, split: Split, setting: Setting, batch_size: int, seed: int) -> float:
    """The accuracy with each batch's own statistics; changes those that the model stores."""
    model.eval()
    for layer in _storing(model):
        layer.train()
    order = torch.randperm(len(split), generator=stream(seed, "evaluate"))
    filled = torch.cat([order, order[: -len(order) % batch_size]])
    logits = logits_of(model, split.images[filled], setting, batch_size)
    return evaluate(logits[: len(order)], split.labels[order]).accuracy


@torch.no_grad()
def _write_precise(
    model: nn.Module,
    layers: Sequence[nn.Module],
    split: Split,
    setting: Setting,
    recipe: Recipe,
    epoch: int,
    batch_size: int,
) -> None:
    """Writes into each layer the statistics of its inputs, while all layers normalize with their batch's statistics.

    So no layer's input depends on stale statistics of the layers before (algorithm 1 of the paper). The images are
    those of an epoch of training, shuffled and augmented by random streams of their own.
    """
    if not layers:
        return
    model.eval()
    for layer in layers:
        layer.train()
    observed, observers = _with_observers(model, layers)
    network = inference_network(observed, setting)
    own_seed = stream_seed(recipe.seed, "precise")
    for images, _ in training_batches(split, batch_size, recipe.augmentations, own_seed, epoch):
        with setting.autocast():
            network(setting.inputs(images))
    for layer, observer in zip(layers, observers, strict=True):
        mean, variance = observer.mean_and_variance()
        layer.load_state_dict(
            dict(layer.named_buffers()) | {"running_mean": mean, "running_var": variance}, strict=False
        )


def _with_observers(model: nn.Module, layers: Sequence[nn.Module]) -> tuple[nn.Module, list[Moments]]:
    """The model with an observer of its input before each of `layers`, and the observers.

    Containers are copied and layers are shared: while a run trains, a layer may hold a generator of its CUDA graph.
    """
    names = {module: name for name, module in model.named_modules()}
    shared = [*layers, *(module for module in model.modules() if not list(module.children()))]
    observed, observers = deepcopy(model, {id(layer): layer for layer in shared}), []
    for layer in layers:
        observers.append(Moments(dict(layer.named_buffers())["running_mean"]))
        observed.set_submodule(names[layer], nn.Sequential(observers[-1], layer))
    return observed, observers
