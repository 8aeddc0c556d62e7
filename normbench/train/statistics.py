"""Statistics of batch norm layers over the whole training set: written into the layers, or to measure their effect."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normbench.data.batches import batches, epoch_order
from normbench.data.dataset import Split
from normbench.data.streams import stream
from normbench.kernels import accelerate, normalize
from normbench.train.evaluate import evaluate, infer, logits_of
from normbench.train.setting import Setting

BATCH_SIZE = 500
_EPS = 1e-5  # PyTorch's kernel adds it to a variance; `_Moments` subtracts it


@dataclass(frozen=True)
class AccuracyByStatistics:
    """Accuracies, as fractions, of the same weights with three sources of a layer's statistics.

    `running`: the statistics stored in training, with which every result is made. `batch`: those of the evaluated
    batch of `batch_size` images, as in training. `precise`: those of all training images under the final weights (Wu &
    Johnson 2021, arXiv:2105.07576, section 3).
    """

    running: float
    batch: float
    precise: float
    batch_size: int


def recompute_statistics(
    model: nn.Module, split: Split, setting: Setting, seed: int, batch_size: int = BATCH_SIZE
) -> None:
    """Writes the statistics of the split's images, not augmented, into the layers with `is_evaluated_precisely`.

    With such layers it costs a forward pass over the training set, in batches of `batch_size` images, before each
    evaluation, without them nothing. The weights alone decide the result, so a resumed run has the same bits.
    """
    layers = [module for module in model.modules() if getattr(module, "is_evaluated_precisely", False)]
    _write_precise(model, layers, split, setting, seed, batch_size)


def accuracy_by_statistics(
    model: nn.Module, train: Split, held_out: Split, setting: Setting, batch_size: int, seed: int
) -> AccuracyByStatistics | None:
    """How much the held-out accuracy depends on the stored statistics; None for a model that stores none.

    The model does not change. The held-out images are shuffled, as training images are: a folder's images are sorted
    by class, and a batch of one class has statistics that no training batch had. If `batch_size` does not divide their
    number, the first images fill up the last batch; each image counts once. A layer that cannot take a batch's own
    statistics (one value a channel) raises ValueError.
    """
    if not _storing(model):
        return None

    precise = deepcopy(model)
    _write_precise(precise, _storing(precise), train, setting, seed, BATCH_SIZE)
    size = min(batch_size, len(held_out))
    return AccuracyByStatistics(
        running=evaluate(infer(model, held_out.images, setting), held_out.labels).accuracy,
        batch=_batch_accuracy(deepcopy(model), held_out, setting, size, seed),
        precise=evaluate(infer(precise, held_out.images, setting), held_out.labels).accuracy,
        batch_size=size,
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
    model: nn.Module, layers: Sequence[nn.Module], split: Split, setting: Setting, seed: int, batch_size: int
) -> None:
    """Writes into each layer the statistics of its inputs, while all layers normalize with their batch's statistics.

    So no layer's input depends on stale statistics of the layers before (algorithm 1 of the paper). The images are
    shuffled as in the seed's first epoch: a folder's images are sorted by class.
    """
    if not layers:
        return
    model.eval()
    for layer in layers:
        layer.train()
    observed, observers = _with_observers(model, layers)
    network = accelerate(observed)
    for images, _ in batches(split, batch_size, epoch_order(len(split.labels), seed, epoch=0)):
        with setting.autocast():
            network(normalize(images.to(setting.device), memory_format=setting.memory_format))
    for layer, observer in zip(layers, observers, strict=True):
        mean, variance = observer.mean_and_variance()
        layer.load_state_dict(
            dict(layer.named_buffers()) | {"running_mean": mean, "running_var": variance}, strict=False
        )


def _with_observers(model: nn.Module, layers: Sequence[nn.Module]) -> tuple[nn.Module, list["_Moments"]]:
    """The model with an observer of its input before each of `layers`, and the observers.

    Containers are copied and layers are shared: while a run trains, a layer may hold a generator of its CUDA graph.
    """
    names = {module: name for name, module in model.named_modules()}
    shared = [*layers, *(module for module in model.modules() if not list(module.children()))]
    observed, observers = deepcopy(model, {id(layer): layer for layer in shared}), []
    for layer in layers:
        observers.append(_Moments(dict(layer.named_buffers())["running_mean"]))
        observed.set_submodule(names[layer], nn.Sequential(observers[-1], layer))
    return observed, observers


class _Moments(nn.Module):
    """The identity, which also accumulates the mean and biased variance [C] of its inputs over all batches.

    In float64, by σ² = E[σ²_B + μ_B²] − μ². Only sums are kept, in place: a small tensor for each batch would pin the
    large freed blocks around it, and memory would grow by gigabytes.
    """

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.count = 0
        self.sums = torch.zeros(2, len(like), dtype=torch.float64, device=like.device)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W]. Batch norm's kernel takes the moments in float32 and a tenth of the time of `var_mean`."""
        _, mean, rstd = torch.native_batch_norm(x, None, None, None, None, True, 0.0, _EPS)
        mean, variance = mean.double(), rstd.double().pow(-2) - _EPS
        count = x.numel() // x.shape[1]
        self.count += count
        self.sums[0].add_(mean, alpha=count)
        self.sums[1].add_(variance + mean.square(), alpha=count)
        return x

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        mean, square = self.sums / self.count
        return mean, square - mean.square()
