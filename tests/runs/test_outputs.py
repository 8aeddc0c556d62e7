"""The files of a run beside its record."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from normbench.runs.folder import RunFolder
from normbench.runs.outputs import write_weights


def test_weights_that_two_layers_share_are_written_under_both_names(tmp_path: Path) -> None:
    """safetensors refuses tensors that share memory, and the run would be lost at its end."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    write_weights(RunFolder(tmp_path), model)
    found = load_file(RunFolder(tmp_path).weights)
    assert set(found) == set(model.state_dict())
    assert torch.equal(found["0.weight"], found["1.weight"])
