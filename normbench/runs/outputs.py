"""The files that a run writes into its folder beside the record, each whole or not at all."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from normbench.files import write_bytes_atomically
from normbench.runs.epochs import METRICS, Row, columns
from normbench.runs.folder import RunFolder
from normbench.train.evaluate import Metrics


def metrics_row(
    *, epoch: int, lr: float, train: Metrics, held_out: Mapping[str, Metrics], train_s: float, eval_s: float
) -> Row:
    """An epoch, from 1. `held_out`: metrics by the name of the images, val or test; `lr` is that of the last step."""
    metrics = (getattr(measured, name) for measured in (train, *held_out.values()) for name in METRICS)
    values = (epoch, lr, *metrics, train_s, eval_s, train.num_images / train_s)
    return dict(zip(columns(*held_out), values, strict=True))


def write_metrics(folder: RunFolder, rows: Sequence[Row]) -> None:
    """Writes `metrics.csv`, a line an epoch, with six significant digits. Raises as `write_bytes_atomically` does."""
    text = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
    write_bytes_atomically(folder.metrics, text.getvalue().encode())


def write_predictions(folder: RunFolder, labels: Tensor, logits: Tensor) -> None:
    """labels int64 [N], logits [N, classes], stored as float16: `infer` has rounded them, so no precision is lost."""
    buffer = io.BytesIO()
    numpy.savez_compressed(buffer, labels=labels.numpy(), logits=logits.numpy().astype(numpy.float16))
    write_bytes_atomically(folder.predictions, buffer.getvalue())


def write_weights(folder: RunFolder, model: nn.Module) -> None:
    """Writes the state dict as safetensors. Raises as `write_bytes_atomically` does."""
    # copied: safetensors refuses tensors that share memory, as parameters of several layers do
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    write_bytes_atomically(folder.weights, safetensors_bytes(state))
