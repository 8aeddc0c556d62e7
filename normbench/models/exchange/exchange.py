"""The norm layers of a network, exchanged for those of another norm."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from normbench.errors import ConfigError
from normbench.models.count import mark_norm
from normbench.models.exchange.activation import activations_after
from normbench.models.exchange.carry import carry_over
from normbench.models.exchange.checks import check_norms, check_plain, check_run
from normbench.models.exchange.dry_run import DryRun, dry_run
from normbench.models.exchange.layout import for_inputs
from normbench.models.exchange.notes import Made, has_single_values, num_groups, warnings_of
from normbench.models.exchange.places import Place, Size, find_places, paths_of, refusal
from normbench.norms.factory import ChannelCountError, NormFactory


@dataclass(frozen=True)
class ExchangedLayer:
    """A norm layer before and after.

    paths: its names in the network; a layer that stands in several places has several. was, now: class names.
    sizes: (height, width) of its inputs; (T, 1) for T tokens, (1, 1) for vectors.
    num_groups: of the new layer; None for a norm without groups. carried: names of what the new layer took over.
    """

    paths: tuple[str, ...]
    was: str
    now: str
    num_channels: int
    sizes: tuple[Size, ...]
    num_groups: int | None
    carried: tuple[str, ...]


@dataclass(frozen=True)
class Exchange:
    """A network with its norm layers exchanged: a row for each, in the order of the forward pass.

    `warnings` are lines about what is unusual in it, with the names of the layers.
    """

    network: nn.Module
    rows: tuple[ExchangedLayer, ...]
    warnings: tuple[str, ...]


def exchange(
    network: nn.Module,
    norm: NormFactory,
    image_shape: tuple[int, int, int],
    *,
    own_options: Collection[str] = (),
    conv: type[nn.Conv2d] = nn.Conv2d,
) -> Exchange:
    """Puts a layer of `norm` in the place of each norm layer, inside `network`. Draws no random number.

    BatchNorm1d, BatchNorm2d, InstanceNorm, GroupNorm, LayerNorm and RMSNorm over channels are exchanged, and subclasses
    that compute the same, wherever they take [N, C], [N, C, L], [N, C, H, W] or, with the channels last, [N, T, C] or
    [N, H, W, C]. A layer that is used twice is exchanged once. `carry_over` says what the new layers take over.

    image_shape: (C, H, W) of the images. A forward pass with such images finds the sizes; what it raises is passed on.
    own_options: the options of the norm that the user has set, which are not carried over.
    conv: nn.Conv2d, or a subclass with the same arguments that is put in the place of each conv before a norm layer.

    Raises ConfigError, which names the layer and the way out, for a network whose norm layers cannot be exchanged, or
    not for this norm.
    """
    check_plain(network)
    check_norms(network)
    run = dry_run(network, image_shape)
    check_run(network, run)
    places = find_places(network, run)
    made = _made(places, norm)
    carried = {place: carry_over(place.layer, layer, own_options) for place, layer in made.items()}
    warnings = warnings_of(network, made, run)
    replaced = {place.layer: for_inputs(layer, place.channel_axis, place.num_axes) for place, layer in made.items()}
    activated = {place: layer for place, layer in made.items() if getattr(layer, "has_activation", False)}
    replaced |= {activation: nn.Identity() for activation in activations_after(activated, run)}
    replaced |= {old: _as(conv, old) for old in _convs_before(places, run) if conv is not nn.Conv2d}
    _replace(network, replaced)
    _check_result(network, made, run, image_shape)
    rows = tuple(
        ExchangedLayer(
            paths=place.paths,
            was=type(place.layer).__name__,
            now=type(layer).__name__,
            num_channels=place.num_channels,
            sizes=place.sizes,
            num_groups=num_groups(layer),
            carried=carried[place],
        )
        for place, layer in made.items()
    )
    return Exchange(network, rows, warnings)


def _made(places: Collection[Place], norm: NormFactory) -> dict[Place, nn.Module]:
    """A layer of the norm for each place. Raises ConfigError for a norm that does not fit one."""
    try:
        made = {place: mark_norm(norm(place.num_channels, place.sizes[0])) for place in places}
    except ChannelCountError as error:
        raise error.for_network(sorted({place.num_channels for place in places})) from None
    for place, layer in made.items():
        if any(_shapes(norm(place.num_channels, size)) != _shapes(layer) for size in place.sizes[1:]):
            raise refusal(
                place.path,
                place.layer,
                f"takes images of several sizes, and the shape of {type(layer).__name__} depends on the size: choose "
                "another norm, or use a layer for each size",
            )
        if isinstance(layer, nn.InstanceNorm2d) and has_single_values(place, layer):
            raise refusal(
                place.path,
                place.layer,
                "takes one value per channel, of which instance norm leaves nothing: choose another norm",
            )
    return made


def _shapes(layer: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in layer.state_dict().items()}


def _convs_before(places: Iterable[Place], run: DryRun) -> set[nn.Module]:
    return {source for place in places for source in run.sources(place.layer) if type(source) is nn.Conv2d}


def _as(conv: type[nn.Conv2d], old: nn.Module) -> nn.Conv2d:
    """`old` as a conv of that class, with the same parameters."""
    assert isinstance(old, nn.Conv2d)
    new = conv(
        old.in_channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]  # two numbers by now
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        old.groups,
        old.bias is not None,
        old.padding_mode,
        device="meta",  # no weights, so no random numbers
    )
    new.weight, new.bias = old.weight, old.bias
    return new


def _replace(network: nn.Module, replaced: dict[nn.Module, nn.Module]) -> None:
    for module, paths in paths_of(network).items():
        for path in paths:
            if module in replaced:
                replaced[module].train(module.training)
                network.set_submodule(path, replaced[module])


def _check_result(network: nn.Module, made: Made, before: DryRun, image_shape: tuple[int, int, int]) -> None:
    """Raises ConfigError unless the forward pass calls each new layer as often as it called the old one."""
    state = set(network.state_dict())
    try:
        after = dry_run(network, image_shape)
    except Exception as error:  # the forward pass may read anything of its layers
        names = ", ".join(sorted({type(layer).__name__ for layer in made.values()}))
        reads = isinstance(error, AttributeError)
        way_out = "; it reads an attribute of them: give the network a parameter 'norm'" if reads else ""
        raise ConfigError(
            f"the forward pass fails with {names} in the place of its norm layers: {type(error).__name__}: "
            f"{error}{way_out}"
        ) from error
    if new := sorted(set(network.state_dict()) - state):
        raise ConfigError(f"the norm makes {new[0]!r} in its first call, too late to be trained: make it in __init__")
    for place, layer in made.items():
        if len(after.inputs.get(layer, [])) != len(before.inputs[place.layer]):
            raise refusal(
                place.path,
                place.layer,
                "is called by way of a second reference to it, such as an item of a list: call it by its name",
            )
