"""A network's first images: whether it takes them, and gives logits for each class."""

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError, NormbenchError, is_out_of_memory
from normbench.models.task import Task
from normbench.plugins.errors import reason

BATCH = 2
_PROBABILITIES = (
    "the network returns probabilities, perhaps of a softmax at its end: the loss takes their softmax once more, and "
    "the network learns slowly; return the logits"
)


def try_images(name: str, network: nn.Module, task: Task) -> list[str]:
    """Passes two black images through the network in evaluation and in training mode, without gradients.

    The network's running statistics change. Raises ConfigError, which names the layer with its input, for a network
    that raises, or that does not give logits [B, num_classes]. Torch's random state is left as it was.
    Returns a warning for a network whose outputs are probabilities.
    """
    shape = list(task.image_shape)
    inside: list[str] = []  # the layers that are being called

    def enter(module: nn.Module, inputs: tuple[object, ...]) -> None:
        sizes = ", ".join(str(list(value.shape)) for value in inputs if isinstance(value, Tensor))
        inside.append(f"layer {names[module]} ({type(module).__name__}), which gets {sizes or 'no tensor'}")

    names = {module: path for path, module in network.named_modules() if path}
    hooks = [module.register_forward_pre_hook(enter) for module in names]
    hooks += [module.register_forward_hook(lambda *_: inside.pop() and None) for module in names]
    output: object = None
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for is_training in (False, True):
                inside.clear()
                output = network.train(is_training)(torch.zeros(BATCH, *shape))
                _check_output(name, output, task, "training" if is_training else "evaluation")
    except NormbenchError:
        raise
    except Exception as error:  # the user's network may raise anything
        if is_out_of_memory(error):
            raise
        where = f" in {inside[-1]}" if inside else ""
        raise ConfigError(f"model {name!r} fails on images {shape}{where}: {reason(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    return [_PROBABILITIES] if _are_probabilities(output) else []


def _are_probabilities(output: object) -> bool:
    """Whether each image's values are from 0 on and sum to 1; logarithms of such values do no harm."""
    assert isinstance(output, Tensor)
    sums = output.sum(dim=1)
    return bool((output >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def _check_output(name: str, output: object, task: Task, mode: str) -> None:
    wanted = f"logits [B, {task.num_classes}]"
    if not isinstance(output, Tensor):
        raise ConfigError(f"model {name!r} returns {type(output).__name__} in {mode} mode, not {wanted}")
    if output.shape != (BATCH, task.num_classes) or not output.is_floating_point():
        found = f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}"
        raise ConfigError(
            f"model {name!r} returns {found} for {BATCH} images of {task.num_classes} classes, not {wanted}; "
            "a parameter num_classes is given the number of classes"
        )
