"""Statistics over the training set: what `pn` is evaluated with, and what batch norm loses without them."""

import pytest
import torch
from torch import nn

from normbench.data.augment.augmentation import Augmentation
from normbench.data.augment.moves import flip, translate
from normbench.data.batches import normalize, training_batches
from normbench.data.dataset import Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORMS
from normbench.train.evaluate import evaluate, infer
from normbench.train.loop import Recipe
from normbench.train.schedules import SCHEDULES
from normbench.train.setting import Setting
from normbench.train.statistics import accuracy_by_statistics, recompute_statistics

SETTING = Setting(torch.device("cpu"), normalization=CIFAR10_CONSTANTS)


def make_split(num_images: int = 23) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (num_images, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images //= 1 + torch.arange(num_images, dtype=torch.uint8)[:, None, None, None] // 8  # unlike one another
    return Split(images, torch.zeros(num_images, dtype=torch.int64))


def recipe(batch_size: int = 64, *augmentations: Augmentation, seed: int = 0) -> Recipe:
    return Recipe(3, batch_size, augmentations, SCHEDULES["constant"](), seed)


def make_network(norm: str = "pn", dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return MODELS["reference"](NORMS[norm](), CIFAR10, dropout=dropout)


def precise(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if getattr(layer, "is_evaluated_precisely", False)]


def test_in_one_batch_all_layers_have_the_statistics_of_the_whole_training_set() -> None:
    network, split = make_network(), make_split()
    seen = {}
    for layer in precise(network):
        layer.register_forward_pre_hook(lambda layer, inputs: seen.update({layer: inputs[0].detach().clone()}))
    recompute_statistics(network, split, SETTING, recipe(), 0)
    assert len(seen) == 8
    for layer, x in seen.items():
        torch.testing.assert_close(layer.running_mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.running_var, x.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)
    images = normalize(split.images, CIFAR10_CONSTANTS, memory_format=torch.channels_last)
    with torch.no_grad():  # with these it computes what training computes on all images at once
        torch.testing.assert_close(network.eval()(images), network.train()(images), rtol=1e-3, atol=1e-3)


def test_in_several_batches_the_first_layer_has_exactly_those_too() -> None:
    network, split = make_network(), make_split()
    recompute_statistics(network, split, SETTING, recipe(), 0, batch_size=8)  # 8, 8 and 7 images
    first = precise(network)[0]
    x = network.layers.stem[0](normalize(split.images, CIFAR10_CONSTANTS, memory_format=torch.channels_last))
    torch.testing.assert_close(first.running_mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.running_var, x.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)


def first_inputs(network: nn.Module, *arguments: object) -> list[torch.Tensor]:
    """The images of which `recompute_statistics` takes the statistics, batch by batch, normalized."""
    seen: list[torch.Tensor] = []
    handle = network.layers.stem[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    recompute_statistics(network, *arguments, batch_size=8)
    handle.remove()
    return seen


def test_the_images_are_augmented_by_draws_that_belong_to_seed_and_epoch() -> None:
    network, split = make_network(), make_split()
    augmented = recipe(64, flip(), translate(pixels=4))
    seen = [torch.cat(first_inputs(network, split, SETTING, augmented, epoch)) for epoch in (0, 0, 1)]
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    plain = torch.cat(first_inputs(network, split, SETTING, recipe(), 0))
    same = sum(torch.equal(one, other) for one in seen[0] for other in plain)
    assert same < 4  # of 23: the others are mirrored or shifted
    trained_on = torch.cat([images for images, _ in training_batches(split, 8, augmented.augmentations, 0, 0)])
    assert not torch.equal(normalize(trained_on, CIFAR10_CONSTANTS), seen[0])


class OneOfItsKind(nn.Identity):
    def __deepcopy__(self, memo: dict[int, object]) -> "OneOfItsKind":
        raise TypeError("a copy would not be what it stands for")


def test_no_layer_is_copied() -> None:
    """On CUDA, Dropout holds a generator that belongs to the recorded step."""
    network, split = make_network(), make_split(9)
    recompute_statistics(network, split, SETTING, recipe(), 0)
    expected = [layer.running_var.clone() for layer in precise(network)]
    network.set_submodule("layers.stem.3", OneOfItsKind())
    recompute_statistics(network, split, SETTING, recipe(), 0)
    for layer, variance in zip(precise(network), expected, strict=True):
        torch.testing.assert_close(layer.running_var, variance, rtol=1e-4, atol=1e-5)


def test_the_weights_alone_decide() -> None:
    first, second, split = make_network(dropout=0.5), make_network(dropout=0.5), make_split()
    for _ in range(3):
        first.train()(torch.rand(4, 3, 32, 32))  # whatever was trained on before
    state = torch.get_rng_state()
    for network in (first, second.eval()):
        recompute_statistics(network, split, SETTING, recipe(), 0)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("norm", [norm for norm in NORMS if norm != "pn"])
def test_a_network_that_takes_no_statistics_sees_no_image(norm: str) -> None:
    network = make_network(norm)
    network.register_forward_hook(lambda *_: pytest.fail("a forward pass"))
    recompute_statistics(network, make_split(1), SETTING, recipe(), 0)


STORING = ["bn", "gbn", "pn"]


def labelled(split: Split, network: nn.Module) -> Split:
    """The split with the labels that the network gives its images when each batch norm sees all of them at once."""
    network.eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train()
    with torch.no_grad():
        logits = network(normalize(split.images, CIFAR10_CONSTANTS, memory_format=torch.channels_last))
    return Split(split.images, logits.argmax(dim=1))


@pytest.mark.parametrize("norm", [norm for norm in NORMS if norm not in STORING])
def test_a_network_that_stores_no_statistics_has_none_to_compare(norm: str) -> None:
    network, split = make_network(norm), make_split(4)
    assert accuracy_by_statistics(network, split, split, SETTING, recipe(4)) is None


@pytest.mark.parametrize("norm", STORING)
def test_comparing_statistics_leaves_the_network_as_it_is(norm: str) -> None:
    network, split = make_network(norm, dropout=0.5), make_split()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    assert accuracy_by_statistics(network, split, split, SETTING, recipe(8)) is not None
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_stale_running_statistics_show() -> None:
    """Labelled by batch statistics over all images: those and the precise ones agree with it, stale ones do not."""
    network = make_network("bn")
    split = labelled(make_split(), network)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.fill_(3.0)
    found = accuracy_by_statistics(network, split, split, SETTING, recipe(64))
    assert found.batch == found.precise == 1
    assert found.running == evaluate(infer(network, split.images, SETTING), split.labels).accuracy < 1
    assert found.batch_size == len(split) == 23


def test_each_image_counts_once_in_batches_of_their_own_statistics() -> None:
    """23 images in batches of 8: the last is filled up, so that no image meets a smaller batch than in training."""
    network, split = make_network("bn"), make_split()
    sizes = []
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    labels = torch.arange(23) % 10
    found = accuracy_by_statistics(network, split, Split(split.images, labels), SETTING, recipe(8))
    assert [size for size in sizes if size != 23] == [8, 8, 8]
    assert (found.batch * 23) == pytest.approx(round(found.batch * 23))
    assert found.batch_size == 8


def test_the_order_of_the_folder_does_not_make_the_batches() -> None:
    """Sorted by brightness, batches of neighbours would have statistics that no mixed batch has."""
    network = make_network("bn")
    split = labelled(make_split(), network)
    first = accuracy_by_statistics(network, split, split, SETTING, recipe(8)).batch
    again = accuracy_by_statistics(network, split, split, SETTING, recipe(8)).batch
    assert first == again
    others = {accuracy_by_statistics(network, split, split, SETTING, recipe(8, seed=s)).batch for s in range(1, 6)}
    assert others != {first}  # the seed decides which images meet
