"""Runs trained together are the runs trained alone: the same bits in lanes, the same numbers as one wide network."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.data.augment.registry import AUGMENTATIONS
from normbench.data.dataset import Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.kernels.library import without_kernels
from normbench.models.registry import MODELS, build
from normbench.models.side_by_side import side_by_side
from normbench.models.task import Task
from normbench.norms import NORM_REGISTRY, NORMS
from normbench.runs.checkpoint import from_bytes, load_into, to_bytes
from normbench.train.capture import NotRecordable, State, capture, rehearse
from normbench.train.compiled import CompileError
from normbench.train.evaluate import infer
from normbench.train.lockstep import Capture, Lockstep
from normbench.train.loop import Member, Position, Recipe, epoch_metrics, set_base_lr, train_epoch
from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.passes import WAYS
from normbench.train.schedules import SCHEDULES
from normbench.train.setting import Setting
from tests.checkpoints import make_checkpoint
from tests.recording import record_on_cpu

CPU = torch.device("cpu")
FP32 = Setting(CPU, "fp32", normalization=CIFAR10_CONSTANTS)
NUM_IMAGES, BATCH, EPOCHS = 20, 8, 2  # three steps an epoch, the last one short
SEEDS = (5, 6, 2**40)
MOVING, MIXING = ("flip", "translate", "randaugment"), ("mixup", "cutmix")


def split(recipe: Recipe) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (NUM_IMAGES, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.arange(NUM_IMAGES) % 3
    mixes = any(augment.mix_labels for augment in recipe.augmentations)
    return Split(images, F.one_hot(labels).float() if mixes else labels)


def network(norm: str, seed: int, dropout: float = 0.0, **options: object) -> nn.Module:
    factory, conv = NORM_REGISTRY[norm](**options)
    model = build(lambda: MODELS["reference"](factory, Task(3, (3, 32, 32)), conv, dropout=dropout), seed)
    return model.to(memory_format=FP32.memory_format)


def member(
    seed: int,
    norm: str = "bn",
    optimizer: str = "muon",
    dropout: float = 0.1,
    lr: float = 0.05,
    mixes: bool = False,
    **options: float,
) -> Member:
    """With augmentations that leave the labels as they are, or with those that mix them."""
    model = network(norm, seed, dropout)
    made = OPTIMIZERS[optimizer](model.eval(), lr=lr, **options)
    set_base_lr(made)
    augmentations = [AUGMENTATIONS[name]() for name in (MIXING if mixes else MOVING)]
    recipe = Recipe(EPOCHS, BATCH, augmentations, SCHEDULES["linear"](), seed, label_smoothing=0.1, clip_grad_norm=1.0)
    return Member(model, made, recipe, Position.start_of(0, CPU))


def alone(one: Member) -> Member:
    for epoch in range(one.position.epoch, EPOCHS):
        for _ in train_epoch(one.model, one.optimizer, split(one.recipe), one.recipe, FP32, one.position):
            pass
        if epoch + 1 < EPOCHS:
            one.position = Position.start_of(epoch + 1, CPU)
    return one


def together(members: list[Member], way: str = "lanes", capture: Capture = capture) -> list[Member]:
    images = split(members[0].recipe)
    lockstep = Lockstep(members, images, FP32, way, capture)
    for epoch in range(members[0].position.epoch, EPOCHS):
        for _ in lockstep.train_epoch():
            pass
        infer(members[0].model, images.images, FP32)
        if epoch + 1 < EPOCHS:
            lockstep.start_epoch(epoch + 1)
    lockstep.finish()
    return members


def state(model: nn.Module) -> list[Tensor]:
    return list(model.state_dict().values())


def assert_same_bits(one: Member, other: Member) -> None:
    assert all(map(torch.equal, state(one.model), state(other.model)))
    assert epoch_metrics(one.position, NUM_IMAGES) == epoch_metrics(other.position, NUM_IMAGES)
    ours, theirs = one.optimizer.state_dict(), other.optimizer.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    assert all(
        torch.equal(value, theirs["state"][number][name])
        for number, values in ours["state"].items()
        for name, value in values.items()
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_in_lanes_each_run_has_the_bits_of_the_run_alone(optimizer: str) -> None:
    """With dropout, augmentation, smoothed labels and clipped gradients: metrics, weights, optimizer's memory."""
    made = together([member(seed, optimizer=optimizer) for seed in SEEDS])
    for one, seed in zip(made, SEEDS, strict=True):
        assert_same_bits(one, alone(member(seed, optimizer=optimizer)))


@pytest.mark.parametrize("norm", NORMS)
def test_in_lanes_any_norm_has_the_bits_of_the_run_alone(norm: str) -> None:
    made = together([member(seed, norm, dropout=0.0, lr=0.01) for seed in SEEDS[:2]])
    assert_same_bits(made[1], alone(member(SEEDS[1], norm, dropout=0.0, lr=0.01)))


def test_each_run_has_the_lr_that_its_own_validation_images_decide() -> None:
    """Of two runs in the same steps one has come to a plateau."""

    def watching(seed: int, watched: tuple[float, ...]) -> Member:
        one = member(seed)
        one.recipe = replace(one.recipe, schedule=SCHEDULES["plateau"](patience=0, factor=0.5))
        one.position = Position.start_of(1, CPU, watched)
        return one

    runs = [(SEEDS[0], (1.0, 1.0)), (SEEDS[1], (1.0, 0.5))]
    made = together([watching(*run) for run in runs])
    assert [one.optimizer.param_groups[0]["lr"] for one in made] == [0.025, 0.05]
    for one, run in zip(made, runs, strict=True):
        assert_same_bits(one, alone(watching(*run)))


def in_float64(model: nn.Module) -> nn.Module:
    model.register_forward_pre_hook(lambda model, inputs: inputs[0].double())
    return model.double()


@pytest.mark.parametrize(
    ("norm", "ws", "mixes"),
    [*((norm, False, False) for norm in NORMS), ("bn", True, False), ("none", True, False), ("gn", False, True)],
)
def test_the_wide_network_has_the_losses_logits_and_gradients_of_each_alone(norm: str, ws: bool, mixes: bool) -> None:
    """To rounding in float64: the formula is the same, and nothing leaks from one to another."""
    networks, own = ([in_float64(network(norm, seed, ws=ws)) for seed in SEEDS] for _ in range(2))
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (len(SEEDS), 4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (len(SEEDS), 4), generator=generator)
    if mixes:
        labels = 0.7 * F.one_hot(labels).double() + 0.1
    found = WAYS["wide"](networks, FP32)(images, labels)
    expected = WAYS["lanes"](own, FP32)(images, labels)
    assert found[1].dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
    for ours, theirs in zip(networks, own, strict=True):
        for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-10, msg=name)
        for (name, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11, msg=name)


@pytest.fixture
def no_kernels() -> Iterator[None]:
    """As on a GPU, where PyTorch computes everything."""
    with without_kernels():
        yield


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_as_one_wide_network_each_run_is_the_run_alone_but_for_rounding(optimizer: str, no_kernels: None) -> None:
    """The kernels round otherwise, and in batches this small one ReLU that opens instead of closing is seen.

    So is the sign of a gradient near 0, which decides the first steps of Adam and RMSprop unless eps is large.
    """
    options = {} if optimizer in ("sgd", "muon") else {"eps": 0.1}

    def made(seed: int) -> Member:
        return member(seed, "gn", optimizer, dropout=0.0, lr=1e-3, **options)

    wide = together([made(seed) for seed in SEEDS], "wide")
    for one, seed in zip(wide, SEEDS, strict=True):
        start, expected = state(made(seed).model), alone(made(seed))
        for before, ours, theirs in zip(start, state(one.model), state(expected.model), strict=True):
            assert (ours - theirs).norm() <= 5e-3 * (theirs - before).norm() + 1e-7
        assert epoch_metrics(one.position, NUM_IMAGES).loss == pytest.approx(
            epoch_metrics(expected.position, NUM_IMAGES).loss, rel=1e-4
        )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("stop_after", "mixes"), [(1, False), (3, True), (4, True)])
def test_stopped_after_any_step_each_goes_on_alone_or_with_others(way: str, stop_after: int, mixes: bool) -> None:
    """In lanes with the same bits as undisturbed; the wide network's checkpoints are read back as they were."""
    members = [member(seed, mixes=mixes) for seed in SEEDS[:2]]
    lockstep, done = Lockstep(members, split(members[0].recipe), FP32, way), 0
    while done < stop_after:
        for _ in lockstep.train_epoch():
            done += 1
            if done == stop_after:
                break
        else:
            lockstep.start_epoch(members[0].position.epoch + 1)
    kept = [to_bytes(make_checkpoint(one.model, one.optimizer, one.position)) for one in members]

    def resumed(number: int) -> Member:
        checkpoint, fresh = from_bytes(kept[number], CPU), member(SEEDS[number], mixes=mixes)
        kept_weights = members[number].model.state_dict()
        assert all(torch.equal(tensor, kept_weights[name]) for name, tensor in checkpoint.model.items())
        load_into(checkpoint, fresh.model, fresh.optimizer)
        return replace(fresh, position=checkpoint.position)

    on_its_own, on = alone(resumed(0)), together([resumed(0), resumed(1)])
    assert_same_bits(on_its_own, on[0])
    if way == "lanes":
        assert_same_bits(on_its_own, alone(member(SEEDS[0], mixes=mixes)))


def test_a_run_that_diverges_says_where_and_leaves_the_others_alone() -> None:
    members = [member(SEEDS[0]), member(SEEDS[1])]
    with torch.no_grad():
        next(members[0].model.parameters()).fill_(float("nan"))
    lockstep = Lockstep(members, split(members[0].recipe), FP32)
    for _ in lockstep.train_epoch():
        pass
    divergence = lockstep.divergence(0)
    assert divergence is not None
    assert (divergence.epoch, divergence.step) == (0, 0)
    assert divergence.loss != divergence.loss
    assert lockstep.divergence(1) is None
    expected = member(SEEDS[1])
    images = split(expected.recipe)
    for _ in train_epoch(expected.model, expected.optimizer, images, expected.recipe, FP32, expected.position):
        pass
    assert_same_bits(members[1], expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_rehearsal_leaves_nothing_behind(way: str) -> None:
    """Before a graph is recorded, steps are taken; what follows has the bits of a run without them."""

    def after_a_rehearsal(step: Callable[[], None], state: State, *_: object) -> Callable[[], None]:
        rehearse(step, state)
        return step

    rehearsed, plain = ([member(seed, dropout=0.0) for seed in SEEDS[:2]] for _ in range(2))
    together(rehearsed, way, after_a_rehearsal)
    together(plain, way)
    for one, expected in zip(rehearsed, plain, strict=True):
        assert_same_bits(one, expected)


def test_the_first_step_is_recorded_while_the_first_epoch_is_drawn() -> None:
    """Drawing waits here until the step has been recorded: it would wait in vain if that came after it."""
    recorded, flip = threading.Event(), AUGMENTATIONS["flip"]()

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        assert recorded.wait(60)
        return flip.draw(shape, generator)

    def record(step: Callable[[], None], state: State, *_: object) -> Callable[[], None]:
        rehearse(step, state)
        recorded.set()
        return step

    early, expected = (member(SEEDS[0], dropout=0.0) for _ in range(2))
    for one in (early, expected):
        one.recipe = replace(one.recipe, augmentations=[replace(flip, draw=draw)])
    together([early], capture=record)
    assert_same_bits(early, alone(expected))


def test_a_step_that_cannot_be_recorded_trains_all_the_same_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object) -> Callable[[], None]:
        raise NotRecordable("operation not permitted when stream is capturing")

    with caplog.at_level(logging.INFO, logger="normbench"):
        (refused,) = together([member(SEEDS[0])], capture=refuse)
    assert caplog.messages == [
        "the training step is not one CUDA graph, and slower for it: operation not permitted when stream is capturing"
    ]
    assert_same_bits(refused, alone(member(SEEDS[0])))
    compiling = Lockstep([member(SEEDS[0])], split(refused.recipe), replace(FP32, engine="compile"), capture=refuse)
    with pytest.raises(CompileError, match="CUDA graph"):  # a recorded step of PyTorch's layers is the faster one
        next(compiling.train_epoch())


@pytest.mark.parametrize(
    ("norm", "way", "mixes"),
    [
        *((norm, "lanes", False) for norm in NORMS),
        *((norm, "wide", False) for norm in ("bn", "gn", "brn", "rms")),
        *(("gn", way, True) for way in WAYS),
    ],
)
def test_a_step_recorded_once_and_replayed_trains_the_run(
    norm: str, way: str, mixes: bool, no_kernels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a CUDA graph does: the same operations on the same memory, without Python; nothing may move between steps."""
    seeds = SEEDS[: 1 if way == "lanes" else 2]
    plain, replayed = ([member(seed, norm, dropout=0.0, lr=0.01, mixes=mixes) for seed in seeds] for _ in range(2))
    together(plain, way)
    together(replayed, way, record_on_cpu)
    for one, expected in zip(replayed, plain, strict=True):
        assert_same_bits(one, expected)


def test_the_networks_stay_parts_of_the_wide_one_until_they_are_separated() -> None:
    networks = [network("bn", seed) for seed in SEEDS]
    before = [[tensor.clone() for tensor in state(one)] for one in networks]
    wide = side_by_side(networks)
    for one, expected in zip(networks, before, strict=True):
        assert all(map(torch.equal, state(one), expected))
    for leaf, parts in wide.leaves:
        assert leaf.data_ptr() == parts[0].data_ptr()
        assert leaf.numel() == sum(part.numel() for part in parts)
    listed = [id(part) for _, parts in wide.leaves for part in parts]
    assert sorted(listed) == sorted(id(parameter) for one in networks for parameter in one.parameters())
