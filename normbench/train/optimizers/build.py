"""The optimizers as functions of the model and their options, and one optimizer of several."""

from collections import defaultdict
from collections.abc import Sequence
from copy import copy

from torch import Tensor, nn, optim

from normbench.train.optimizers.groups import check_not_negative, decayed_and_not, groups_of
from normbench.train.optimizers.muon import Muon
from normbench.train.optimizers.sgd import SGD


def sgd(
    model: nn.Module,
    *,
    lr: float = 0.1,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 2e-4,
    decay_all: bool = False,
) -> optim.Optimizer:
    """Stochastic gradient descent with momentum; weight decay on the weights of convs and linear layers only.

    Shrinking a norm's γ or a bias towards 0 regularizes nothing (He et al., Bag of Tricks, arXiv:1812.01187, 3.1).
    With `decay_all`, weight decay is on all parameters, and without `nesterov` too this is `torch.optim.SGD`. Raises
    ConfigError for a negative number.
    """
    check_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
    groups = groups_of(model, weight_decay, decay_all=decay_all)
    return SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov and momentum > 0, fused=True)


def muon(
    model: nn.Module,
    *,
    lr: float = 0.04,
    momentum: float = 0.6,
    sgd_lr: float = 0.1,
    sgd_momentum: float = 0.9,
    weight_decay: float = 2e-4,
) -> optim.Optimizer:
    """Muon on the filters of every conv but the first and the last; SGD with Nesterov on all else.

    The first and the last conv are left out because Muon is for hidden layers (Jordan et al. 2024); they are found by
    the order in which the network registers its convs. `weight_decay` applies to the two, as in `sgd`. Raises
    ConfigError for a negative number.
    """
    check_not_negative(lr=lr, momentum=momentum, sgd_lr=sgd_lr, sgd_momentum=sgd_momentum, weight_decay=weight_decay)
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    filters: list[Tensor] = [conv.weight for conv in convs[1:-1]]
    groups = decayed_and_not(model, weight_decay, besides=filters)
    for group in groups:
        group.update(lr=sgd_lr, momentum=sgd_momentum, nesterov=sgd_momentum > 0)
    return Muon(filters, groups, lr=lr, momentum=momentum)


def joined(optimizers: Sequence[optim.Optimizer], lrs: Sequence[Tensor]) -> optim.Optimizer:
    """One optimizer that takes the steps of all, which differ in their parameters only; each keeps its own state.

    `lrs`: a 0-dim tensor for each parameter group. On CUDA a step reads it on the device, so that a recorded step
    follows the schedule without waiting. A state that is loaded into one of `optimizers` afterwards does not reach
    the joined optimizer.
    """
    one = copy(optimizers[0])
    one.param_groups = [
        {**groups[0], "params": [parameter for group in groups for parameter in group["params"]], "lr": lr}
        for lr, *groups in zip(lrs, *(optimizer.param_groups for optimizer in optimizers), strict=True)
    ]
    one.state = defaultdict(dict)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                one.state[parameter] = optimizer.state[parameter]
    return one
