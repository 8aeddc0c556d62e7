"""The loss and the length of a gradient in one call: what PyTorch computes in float64."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from normbench.kernels.loss import clip_gradients, cross_entropy
from tests.kernel_ops import needs_compiler

pytestmark = needs_compiler


def drawn(num_images: int, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, classes and probabilities."""
    generator = torch.Generator().manual_seed(num_classes)
    logits = 4 * torch.randn(num_images, num_classes, generator=generator)
    classes = torch.randint(num_classes, (num_images,), generator=generator)
    return logits, classes, torch.rand(num_images, num_classes, generator=generator).softmax(1)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("num_classes", [1, 3, 10, 100])
@pytest.mark.parametrize("are_mixed", [False, True])
def test_loss_and_gradient_are_those_of_the_formula(num_classes: int, are_mixed: bool, label_smoothing: float) -> None:
    logits, classes, probabilities = drawn(5, num_classes)
    labels = probabilities if are_mixed else classes
    found, wanted = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss = cross_entropy(found, labels, label_smoothing)
    assert loss is not None
    expected = F.cross_entropy(wanted, labels.double() if are_mixed else labels, label_smoothing=label_smoothing)
    (3 * loss).backward()
    (3 * expected).backward()
    torch.testing.assert_close(loss.double(), expected, rtol=2e-7, atol=1e-7)
    assert found.grad is not None
    torch.testing.assert_close(found.grad.double(), wanted.grad, rtol=3e-7, atol=1e-7)


def test_large_logits_do_not_overflow() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e30, 1e30, 0.0]], requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([0, 1]), 0.0)
    assert loss is not None
    assert loss == 0
    assert cross_entropy(torch.tensor([[float("nan"), 0.0]]), torch.tensor([0]), 0.0).isnan()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 3])),
        (torch.zeros(2, 3), torch.tensor([0, -100])),
        (torch.zeros(2, 3), torch.tensor([0])),
        (torch.zeros(2, 3), torch.zeros(2, 4)),
        (torch.zeros(2, 3, dtype=torch.float64), torch.tensor([0, 1])),
        (torch.zeros(3, 2).mT, torch.tensor([0, 1])),
        (torch.zeros(2, 3, 4), torch.zeros(2, 4, dtype=torch.int64)),
        (torch.zeros(2, 3, device="meta"), torch.tensor([0, 1])),
    ],
)
def test_everything_else_is_left_to_pytorch(logits: Tensor, labels: Tensor) -> None:
    assert cross_entropy(logits, labels, 0.0) is None


def test_no_second_derivative_is_wrong_in_silence() -> None:
    logits, classes, _ = drawn(2, 3)
    loss = cross_entropy(logits.requires_grad_(), classes, 0.0)
    assert loss is not None
    with pytest.raises(RuntimeError, match="first derivative"):
        torch.autograd.grad(loss, logits, create_graph=True)


@pytest.mark.parametrize("max_norm", [0.1, 1e3])
def test_a_gradient_is_shortened_as_by_pytorch(max_norm: float) -> None:
    generator = torch.Generator().manual_seed(0)
    own = [torch.randn(shape, generator=generator) for shape in [(16, 3, 3, 3), (7,), ()]]
    parameters = [torch.zeros_like(each, dtype=torch.float64) for each in own]
    for parameter, gradient in zip(parameters, own, strict=True):
        parameter.grad = gradient.double()
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    assert clip_gradients(own, max_norm)
    for parameter, gradient in zip(parameters, own, strict=True):
        torch.testing.assert_close(gradient.double(), parameter.grad, rtol=3e-7, atol=1e-9)
