"""Device, threads and precision of a command."""

import pytest
import torch

from normbench.errors import ConfigError
from normbench.train.machine import Machine, choose_device, choose_timed_device, using_threads


def test_auto_is_what_the_machine_says_and_other_precisions_stay() -> None:
    machine = Machine(torch.device("cpu"), precision="bf16")
    assert machine.precision_for("auto") == "bf16"
    assert machine.precision_for("fp32") == "fp32"
    assert Machine(torch.device("cpu")).precision_for("auto") == "auto"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="torch finds no CUDA device on this machine"):
        choose_device("cuda")
    with pytest.raises(ConfigError, match="--device tpu: known: auto, cpu, cuda"):
        choose_device("tpu")
    for name in ("mps", "xpu", "meta"):
        with pytest.raises(ConfigError, match=f"--device {name}: torch finds no such device on this machine"):
            choose_device(name)
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES"):
        choose_device("cuda:1")


def test_an_accelerator_that_torch_has_here_is_taken_but_not_to_measure_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("mps"))
    assert choose_device("mps") == torch.device("mps")
    with pytest.raises(ConfigError, match="--device xpu: torch finds no such device"):
        choose_device("xpu")
    with pytest.raises(ConfigError, match="measured on a CPU or with CUDA only"):
        choose_timed_device("mps")


def test_threads_are_set_for_a_while() -> None:
    before = torch.get_num_threads()
    with using_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with using_threads(None):
            assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
