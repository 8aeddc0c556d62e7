"""The norm layers of a network, counted."""

import json

from tests.tiny import invoke


def test_the_network_layer_by_layer() -> None:
    content = json.loads(invoke("explain", "params", "--model", "--norm", "bn", "--format", "json").stdout)
    assert [layer["shape"] for layer in content["layers"][:3]] == [[64, 16, 32, 32], [64, 32, 32, 32], [64, 16, 16, 16]]
    assert (content["num_statistics"], content["num_learned"], content["num_buffers"]) == (208, 416, 424)
    assert content["num_parameters"] == 40_394
    shown = invoke("explain", "params", "--model", "--norm", "gn", "--groups", "8").stdout
    assert "GN(8) in the network" in shown and "GroupNorm-36" in shown and "40,394" in shown
    assert invoke("explain", "params", "--model", "--norm", "none").exit_code == 0
