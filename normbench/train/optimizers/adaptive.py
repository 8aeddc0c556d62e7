"""Adam, AdamW and RMSprop as PyTorch has them."""

from torch import nn, optim

from normbench.errors import ConfigError
from normbench.train.optimizers.groups import check_not_negative, groups_of


def adam(
    model: nn.Module,
    *,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-08,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decay_all: bool = True,
) -> optim.Optimizer:
    """`torch.optim.Adam`, with its options and defaults; weight decay is added to the gradient.

    Without `decay_all` it is on the weights of convs and linear layers only. Kingma & Ba 2015, arXiv:1412.6980;
    `amsgrad`: Reddi et al. 2018, arXiv:1904.09237. Raises ConfigError for an option out of its range.
    """
    return _adam(Adam, model, lr, betas, eps, weight_decay, amsgrad=amsgrad, decay_all=decay_all)


def adamw(
    model: nn.Module,
    *,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-08,
    weight_decay: float = 0.01,
    amsgrad: bool = False,
    decay_all: bool = True,
) -> optim.Optimizer:
    """`torch.optim.AdamW`, with its options and defaults: Adam with weight decay apart from the gradient.

    Without `decay_all` it is on the weights of convs and linear layers only. Loshchilov & Hutter 2019,
    arXiv:1711.05101. Raises ConfigError for an option out of its range.
    """
    return _adam(AdamW, model, lr, betas, eps, weight_decay, amsgrad=amsgrad, decay_all=decay_all)


def rmsprop(
    model: nn.Module,
    *,
    lr: float = 0.01,
    alpha: float = 0.99,
    eps: float = 1e-08,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    decay_all: bool = True,
) -> optim.Optimizer:
    """`torch.optim.RMSprop`, with its options and defaults: the gradient over the root of its mean square.

    Without `decay_all`, weight decay is on the weights of convs and linear layers only. Hinton 2012, lecture 6 of
    Neural Networks for Machine Learning. Raises ConfigError for a negative number.
    """
    check_not_negative(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
    groups = groups_of(model, weight_decay, decay_all=decay_all)
    return RMSprop(
        groups,
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
        centered=centered,
        foreach=True,
        capturable=_is_captured(model),
    )


class _Quiet:
    """PyTorch warns when a capturable optimizer takes a step outside of a CUDA graph, as each rehearsal does."""

    _warned_capturable_if_run_uncaptured = True


class Adam(_Quiet, optim.Adam):
    """`torch.optim.Adam`."""


class AdamW(_Quiet, optim.AdamW):
    """`torch.optim.AdamW`."""


class RMSprop(_Quiet, optim.RMSprop):
    """`torch.optim.RMSprop`."""


def _adam(
    kind: type[Adam | AdamW],
    model: nn.Module,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    *,
    amsgrad: bool,
    decay_all: bool,
) -> optim.Optimizer:
    check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
    if not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"train.optimizer.betas must be at least 0 and below 1, not {list(betas)}")
    groups = groups_of(model, weight_decay, decay_all=decay_all)
    return kind(groups, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad, fused=True, capturable=_is_captured(model))


def _is_captured(model: nn.Module) -> bool:
    """Whether steps are recorded as CUDA graphs; PyTorch then keeps the count of steps on the device."""
    return any(parameter.is_cuda for parameter in model.parameters())
