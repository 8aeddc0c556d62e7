"""Dropout with masks from seeds, and cheap ones on a CPU."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from normbench.errors import ConfigError

_LEVELS = 2**16  # the mask compares 16-bit integers, so p is rounded to a multiple of 1 / 65,536


class Dropout(nn.Module):
    """In training each element is 0 with probability p and x / (1 − p) otherwise: the distribution of `nn.Dropout`.

    On the CPU the mask is made of raw 64-bit words of an SFC64 generator, four elements a word; `bernoulli_`, which
    draws a float for each element, would take half of a training step. p is rounded to a multiple of 2^-16, and the
    scale is that of the rounded p: the expectation of the output is exactly x. One byte an element is saved for
    backward.

    Shapes: any floating-point tensor -> the same shape, dtype and memory layout. With p = 0 or in eval mode, x itself.
    Srivastava et al. 2014, JMLR 15. Raises ConfigError unless 0 <= p < 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1 (the probability to zero an element), not {p}")
        self.p = p
        self._threshold = threshold_of(p)
        self._seed: tuple[int, int] | None = None
        self._num_draws = 0
        self._generator: torch.Generator | None = None

    @property
    def is_active(self) -> bool:
        """Whether the layer drops elements in training."""
        return self._threshold > 0

    def draw_from(self, generator: torch.Generator | None) -> None:
        """Draws all later masks from `generator`, which `seed` seeds; with None the layer makes its own generators.

        A recorded CUDA graph needs this, because no generator can be made while it is recorded. The generator must be
        on the device of the inputs. The first mask after `seed` is the same either way, except on the CPU.
        """
        self._generator = generator

    def seed(self, value: int, index: int = 0) -> None:
        """Draws the masks of the next forward passes from the stream (value, index), both >= 0, in order.

        The same stream, shape, memory layout and kind of device give the same masks. Without a seed, each forward
        pass draws one from torch's global generator.
        """
        self._seed = (value, index)
        self._num_draws = 0
        if self._generator is not None:
            self._generator.manual_seed(_device_seed((value, index, 1)))

    def forward(self, x: Tensor) -> Tensor:
        if self.threshold == 0:
            return x
        scale = 1 / (1 - self.threshold / _LEVELS)
        dropped: Tensor = _ScaledMask.apply(x, self._kept(x), scale)
        return dropped

    def _kept(self, x: Tensor) -> Tensor:
        if self._generator is not None:
            return _kept_on_device(x, self._threshold, self._generator)
        entropy = self._next_entropy()
        if x.device.type == "cpu":
            return _kept_on_cpu(x, self._threshold, entropy)
        return _kept_on_device(x, self._threshold, torch.Generator(x.device).manual_seed(_device_seed(entropy)))

    @property
    def threshold(self) -> int:
        """The number of elements in 65,536 that the next forward pass drops in the mean."""
        return self._threshold if self.training else 0

    def draw(self) -> int:
        """The seed of the next mask, for an op that applies dropout itself; the layer counts it as a forward pass."""
        (seed,) = np.random.SeedSequence(self._next_entropy()).generate_state(1, np.uint64).tolist()
        return int(seed)

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def _next_entropy(self) -> tuple[int, ...]:
        if self._seed is None:
            return (int(torch.randint(2**63 - 1, ()).item()),)
        self._num_draws += 1
        return (*self._seed, self._num_draws)


def threshold_of(p: float) -> int:
    """The number of elements in 65,536 that a probability of 0 <= p < 1 drops in the mean."""
    return min(round(p * _LEVELS), _LEVELS - 1)


def dropouts_of(model: nn.Module) -> list[Dropout]:
    return [module for module in model.modules() if isinstance(module, Dropout)]


def seed_dropouts(dropouts: Sequence[Dropout], seed: int) -> None:
    """Seeds each layer with a stream of its own, (seed, index of the layer)."""
    for index, layer in enumerate(dropouts):
        layer.seed(seed, index)


def _kept_on_cpu(x: Tensor, threshold: int, entropy: tuple[int, ...]) -> Tensor:
    """Bool with the shape and strides of x (contiguous if x has gaps): False with probability threshold / 2^16."""
    words: np.ndarray = np.random.SFC64(np.random.SeedSequence(entropy)).random_raw(-(-x.numel() // 4))
    mask = torch.from_numpy(words.view(np.uint16)[: x.numel()] >= threshold)
    return mask.as_strided(x.shape, x.stride()) if _is_dense(x) else mask.view(x.shape)


def _device_seed(entropy: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def _kept_on_device(x: Tensor, threshold: int, generator: torch.Generator) -> Tensor:
    """As `_kept_on_cpu`, by torch's own generator: on a GPU drawing is cheap, and a copy from the CPU is not."""
    return torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - threshold / _LEVELS, generator=generator)


def _is_dense(x: Tensor) -> bool:
    """Whether x fills a block of memory without gaps or overlaps, in any order of its dimensions."""
    filled = 1
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size != 1:
            if stride != filled:
                return False
            filled *= size
    return True


class _ScaledMask(torch.autograd.Function):
    """y = x · mask · scale, which is linear: its gradient is the same operation."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale  # type: ignore[attr-defined]
        return _scaled_mask(x, mask, scale)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _scaled_mask(gradients[0], mask, ctx.scale), None, None  # type: ignore[attr-defined]


def _scaled_mask(x: Tensor, mask: Tensor, scale: float) -> Tensor:
    # torch vectorizes the conversion of uint8 to float, not that of bool. The scale comes last: if the mask
    # were scaled, the scale would be rounded to the type of x, and in bfloat16 that moves the expectation.
    return mask.view(torch.uint8).to(x.dtype).mul_(x).mul_(scale)
