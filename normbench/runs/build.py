"""Builds the parts of a run that a config names: network, optimizer, recipe."""

from functools import partial

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from normbench.config import Choice, Config
from normbench.config.choices import options_of
from normbench.data.augment.augmentation import check_fits
from normbench.data.augment.registry import AUGMENTATIONS
from normbench.data.dataset import Dataset, Split
from normbench.data.streams import stream_seed
from normbench.errors import ConfigError
from normbench.models.registry import MODEL_REGISTRY, build
from normbench.models.task import Task
from normbench.norms import NORM_REGISTRY
from normbench.norms.factory import ChosenNorm
from normbench.train.loop import Member, Position, Recipe, set_base_lr
from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.schedules import SCHEDULES, Schedule
from normbench.train.setting import Setting


def task_of(dataset: Dataset) -> Task:
    """What a network for these images is built for."""
    return Task(len(dataset.class_names), dataset.image_shape)


def build_network(config: Config, task: Task) -> nn.Module:
    """The config's network; with one seed every norm gets the same conv weights.

    Raises ConfigError for options that a part refuses, and for a layer with a state that no file of a run can hold.
    """
    make_norm, conv = NORM_REGISTRY[config.norm.name](**config.norm.options)
    norm = ChosenNorm(make_norm, _own_options(config.norm))
    make = partial(MODEL_REGISTRY[config.model.name], norm, task, conv, **config.model.options)
    model = build(make, stream_seed(config.seed, "init"))
    norms = [name for name, layer in model.named_modules() if hasattr(layer, "is_norm")]  # made by the norm
    for name, value in model.state_dict().items():
        is_of_norm = any(name.startswith(f"{layer}.") for layer in norms)
        who = f"norm {config.norm.name!r}" if is_of_norm else f"model {config.model.name!r}"
        if not isinstance(value, Tensor):
            raise ConfigError(
                f"{who}: {name} in its state is of type {type(value).__name__}, and only tensors can be kept: use "
                "register_buffer"
            )
        if is_lazy(value):
            raise ConfigError(
                f"{who}: makes {name} in its first call, too late to be trained: make it in __init__, of known sizes"
            )
    return model


def _own_options(norm: Choice) -> frozenset[str]:
    """The options of the norm that are not its defaults."""
    defaults = options_of(NORM_REGISTRY[norm.name])
    return frozenset(name for name, value in norm.options.items() if value != defaults[name].default)


def build_optimizer(config: Config, model: nn.Module) -> optim.Optimizer:
    """The config's optimizer at its base lr, which the schedule scales."""
    choice = config.train.optimizer
    optimizer = OPTIMIZERS[choice.name](model, **choice.options)
    set_base_lr(optimizer)
    return optimizer


def build_member(config: Config, model: nn.Module, device: torch.device) -> Member:
    """A run at its beginning: `model`, which is on the device, with the config's optimizer and recipe."""
    return Member(model, build_optimizer(config, model), build_recipe(config), Position.start_of(0, device))


def new_member(config: Config, task: Task, setting: Setting) -> Member:
    """`build_member` with the config's network."""
    model = build_network(config, task)
    model.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    return build_member(config, model, setting.device)


def training_split(config: Config, train: Split, task: Task) -> Split:
    """`train` as the config's recipe takes it: if an augmentation mixes images, its labels are probabilities.

    Raises ConfigError for an augmentation whose options do not fit the images.
    """
    augmentations = build_recipe(config).augmentations
    for number, augment in enumerate(augmentations):
        try:
            check_fits(augment, task.image_shape)
        except ConfigError as error:
            raise ConfigError(f"data.augment[{number}]: {error}") from None
    if not any(augment.mix_labels for augment in augmentations):
        return train
    return Split(train.images, F.one_hot(train.labels, task.num_classes).float())


def build_recipe(config: Config) -> Recipe:
    """The config's schedule, augmentations and numbers. Raises ConfigError for options that a part refuses."""
    return Recipe(
        epochs=config.train.epochs,
        batch_size=config.train.batch_size,
        augmentations=[AUGMENTATIONS[choice.name](**choice.options) for choice in config.data.augment],
        schedule=build_schedule(config),
        seed=config.seed,
        label_smoothing=config.train.label_smoothing,
        clip_grad_norm=config.train.clip_grad_norm,
    )


def build_schedule(config: Config) -> Schedule:
    """The config's schedule. Raises ConfigError for an option out of its range."""
    choice: Choice = config.train.schedule
    return SCHEDULES[choice.name](**choice.options)
