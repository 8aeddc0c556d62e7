"""Batch renormalization: batch norm that trains with nearly the statistics it is evaluated with."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.errors import ConfigError
from normbench.norms.factory import (
    ChannelAffine,
    NormFactory,
    check_at_least,
    check_eps,
    check_momentum,
    in_float32,
)


def brn(
    *,
    r_max: float = 3.0,
    d_max: float = 5.0,
    warmup_steps: int = 500,
    r_steps: int = 4000,
    d_steps: int = 2500,
    eps: float = 1e-5,
    momentum: float = 0.01,
    affine: bool = True,
) -> NormFactory:
    """Batch renormalization: batch norm corrected, within bounds, towards its running statistics.

    y = γ_c ((x − μ_c) / σ_c · r_c + d_c) + β_c, with μ, σ = sqrt(variance + eps) over the axes (N, H, W) of the batch
    and, from the running m and s before they move, r = σ / s clipped to [1 / r_max, r_max], d = (μ − m) / s clipped to
    [−d_max, d_max], both constants to the gradient: within the bounds y is γ (x − m) / s + β. Then m and s move:
    m ← (1 − momentum) m + momentum μ, likewise s. In eval mode y = γ (x − m) / s + β.

    The bounds widen with the steps: r_max = 1 and d_max = 0, which is batch norm, for `warmup_steps`, then linearly to
    their full values at step `r_steps` and `d_steps`. r_max, d_max and momentum default to the paper's, the steps to a
    tenth of the paper's (5,000, 40,000, 25,000): a run of normbench takes some 15,000 steps.

    Learns γ [C], β [C]; stores running_mean [C], running_std [C] and num_batches_tracked, the step of the schedule.
    Ioffe 2017, arXiv:1702.03275. Raises ConfigError for r_max < 1, d_max < 0, warmup_steps < 0, r_steps or d_steps
    below warmup_steps, eps <= 0 or momentum outside (0, 1]; the layer raises ValueError for one value a channel in
    training.
    """
    check_at_least("r_max", r_max, 1)
    check_at_least("d_max", d_max, 0)
    check_at_least("warmup_steps", warmup_steps, 0)
    for option, steps in (("r_steps", r_steps), ("d_steps", d_steps)):
        if steps < warmup_steps:
            raise ConfigError(f"norm.{option}: {steps} comes before norm.warmup_steps ({warmup_steps})")
    check_eps(eps)
    check_momentum(momentum)

    def layer(num_channels: int, size: tuple[int, int]) -> nn.Module:
        return BatchRenorm2d(num_channels, r_max, d_max, warmup_steps, r_steps, d_steps, eps, momentum, affine)

    return layer


class BatchRenorm2d(ChannelAffine):
    """See `brn`."""

    running_mean: Tensor
    running_std: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_channels: int,
        r_max: float,
        d_max: float,
        warmup_steps: int,
        r_steps: int,
        d_steps: int,
        eps: float,
        momentum: float,
        affine: bool,
    ) -> None:
        super().__init__(num_channels, affine)
        self.r_max, self.d_max = r_max, d_max
        self.warmup_steps, self.r_steps, self.d_steps = warmup_steps, r_steps, d_steps
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(num_channels))
        self.register_buffer("running_std", torch.ones(num_channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            # F.batch_norm adds eps to a variance; the running standard deviation contains eps already.
            variance = self.running_std.square() - self.eps
            return F.batch_norm(x, self.running_mean, variance, self.weight, self.bias, eps=self.eps)
        wide = in_float32(x.detach())
        mean = wide.mean((0, 2, 3))
        variance = (wide - mean[:, None, None]).square().mean((0, 2, 3))
        weight, bias = self._corrected_affine(mean, variance)
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=self.eps)

    def _corrected_affine(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """γ (x̂ r + d) + β = (γ r) x̂ + (γ d + β): batch norm with this scale and this shift."""
        r, d = self._corrections(mean, (variance + self.eps).sqrt())
        gamma, beta = (part.flatten() for part in self.gamma_beta(r))
        return gamma * r, gamma * d + beta

    @torch.no_grad()
    def _corrections(self, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """r and d [C] within the bounds of this step. Moves the running statistics and the count of steps."""
        r_bound, d_bound = self.bounds()
        r = (std / self.running_std).clamp(1 / r_bound, r_bound)
        d = ((mean - self.running_mean) / self.running_std).clamp(-d_bound, d_bound)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_std.lerp_(std, self.momentum)
        self.num_batches_tracked += 1
        return r, d

    def bounds(self) -> tuple[Tensor, Tensor]:
        """r_max and d_max of the coming step; tensors, because a number would make each step wait for the device."""
        r_share, d_share = self._share_of(self.r_steps), self._share_of(self.d_steps)
        return 1 + r_share * (self.r_max - 1), d_share * self.d_max

    def _share_of(self, full: int) -> Tensor:
        steps = (self.num_batches_tracked - self.warmup_steps).to(self.running_mean.dtype)
        return (steps / max(full - self.warmup_steps, 1)).clamp(0, 1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, r_max={self.r_max}, d_max={self.d_max}, momentum={self.momentum}"
