"""The accuracy of a finished network on further test images: `data.also_test`."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from normbench.config import Config
from normbench.data.also_test import AlsoTest, find_also_test
from normbench.data.dataset import Dataset
from normbench.files import read_regular, write_json_atomically
from normbench.runs import record as written
from normbench.runs.build import build_network, task_of
from normbench.runs.folder import RunFolder
from normbench.runs.read import RecordError
from normbench.train.evaluate import evaluate, infer
from normbench.train.machine import Machine
from normbench.train.setting import Setting

log = logging.getLogger(__name__)

SET_ASIDE = frozenset({"gaussian_blur", "saturate", "spatter", "speckle_noise"})
"""The corruptions that the authors of CIFAR-10-C keep for validation. They are in no mean, here as elsewhere."""
MAX_WEIGHTS_BYTES = 2**31


def also_test_of(config: Config, dataset: Dataset) -> AlsoTest | None:
    """The further test images that the config names, checked against the data. Raises DataError."""
    place = config.data.also_test
    return None if place is None else find_also_test(Path(place).expanduser(), dataset)


def measured_also(also: AlsoTest, model: nn.Module, num_classes: int, setting: Setting) -> written.AlsoTest:
    """The accuracy of `model`, which does not change. Raises DataError for files that were damaged meanwhile."""
    digest = hashlib.sha256()
    errors, images, accuracies = {}, {}, {}
    for corruption, split in also.splits(num_classes):
        digest.update(f"{corruption}\0{list(split.images.shape)}\0".encode())
        digest.update(split.images.numpy().data)
        digest.update(split.labels.numpy().data)
        measured = evaluate(infer(model, split.images, setting), split.labels)
        errors[corruption], images[corruption] = measured.num_errors, measured.num_images
        accuracies[corruption] = measured.accuracy
    counted = [corruption for corruption in images if corruption not in SET_ASIDE] or list(images)
    num_images = sum(images[corruption] for corruption in counted)
    return written.AlsoTest(
        name=also.name,
        fingerprint=digest.hexdigest(),
        num_images=num_images,
        accuracy=1 - sum(errors[corruption] for corruption in counted) / num_images,
        by_corruption=None if list(accuracies) == [""] else accuracies,
    )


def is_tested_also(config: Config, record: written.Record) -> bool:
    """Whether a finished run has the accuracy that its config asks for; a run that diverged has none."""
    place = config.data.also_test
    return place is None or record.metrics is None or record.also_test is not None


def tested_also(
    config: Config, folder: RunFolder, record: written.Record, machine: Machine, loaded: Callable[[], Dataset]
) -> written.Record:
    """The record of a finished run, with the accuracy on the further test images of the config.

    They may have been named after the run was finished. Its weights are then tested, and the record is written anew.
    `loaded` gives the run's data. The caller holds the folder. Raises DataError, and RecordError for damaged weights.
    """
    if config.data.also_test is None or record.metrics is None:
        return record
    dataset = loaded()
    also = also_test_of(config, dataset)
    assert also is not None
    if record.also_test is not None and record.also_test.name == also.name:
        return record
    log.info(f"testing the weights of the finished run on {also.name}")
    model = build_network(config, task_of(dataset))
    try:
        model.load_state_dict(load(read_regular(folder.weights, MAX_WEIGHTS_BYTES)))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RecordError(
            f"{folder.weights}: cannot be tested on {also.name}: {error}; --restart trains anew"
        ) from error
    setting = Setting(machine.device, record.precision, normalization=dataset.normalization)
    model.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    record = record.model_copy(update={"also_test": measured_also(also, model, len(dataset.class_names), setting)})
    write_json_atomically(folder.record, record.to_dict())
    return record
