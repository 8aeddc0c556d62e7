"""What a new norm layer takes over from the old one."""

import pytest
import torch
from torch import nn

from normbench.models.exchange.carry import carry_over
from normbench.norms import NORM_REGISTRY


def batch_norm() -> nn.BatchNorm2d:
    """A batch norm with settings and values of its own."""
    layer = nn.BatchNorm2d(4, eps=1e-3, momentum=0.3)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.arange(4.0))
    layer.running_mean.fill_(2)
    return layer


def made(kind: str, **options: object) -> nn.Module:
    return NORM_REGISTRY[kind](**options)[0](4, (2, 2))


@pytest.mark.parametrize(
    ("kind", "carried"),
    [
        ("bn", ("weight", "bias", "eps", "momentum", "statistics")),
        ("gbn", ("weight", "bias", "eps", "momentum", "statistics")),
        ("gn", ("weight", "bias", "eps")),
        ("ln-chw", ("weight", "bias", "eps")),
        ("in", ("weight", "bias", "eps")),
        ("rms", ("weight", "eps")),
        ("brn", ("weight", "bias", "eps")),  # its momentum is a part of its definition
        ("dyt", ("weight", "bias")),
        ("none", ()),
    ],
)
def test_scale_shift_and_settings_go_where_the_norm_has_them(kind: str, carried: tuple[str, ...]) -> None:
    old, new = batch_norm(), made(kind)
    assert carry_over(old, new, ()) == carried
    for name in {"weight", "bias"} & set(carried):
        values = getattr(new, name).detach().reshape(4, -1)
        assert torch.equal(values, getattr(old, name).detach()[:, None].expand_as(values))
    for name in {"eps", "momentum"} & set(carried):
        assert getattr(new, name) == getattr(old, name)
    assert "statistics" not in carried or torch.equal(new.running_mean, old.running_mean)


def test_what_the_user_has_set_stays() -> None:
    new = made("bn", eps=0.5, momentum=0.5)
    assert carry_over(batch_norm(), new, ("eps", "momentum")) == ("weight", "bias", "statistics")
    assert (new.eps, new.momentum) == (0.5, 0.5)


def test_other_shapes_and_missing_parts_are_not_carried_over() -> None:
    assert carry_over(nn.LayerNorm([4, 2, 2]), made("gn"), ()) == ("eps",)
    assert carry_over(nn.InstanceNorm2d(4), made("gn"), ()) == ("eps",)
    assert carry_over(nn.RMSNorm(4), made("gn"), ()) == ("weight",)
    assert carry_over(batch_norm(), made("gn", affine=False), ()) == ("eps",)


def test_a_mean_over_all_batches_is_for_batch_norm_only() -> None:
    old = nn.BatchNorm1d(4, momentum=None)
    new, ghost = made("bn"), made("gbn")
    assert "momentum" in carry_over(old, new, ())
    assert new.momentum is None
    assert "momentum" not in carry_over(old, ghost, ())
    assert ghost.momentum == 0.1
