"""Other names of norms."""

import inspect
from typing import Any

import pytest

from normbench.norms import NORMS, norm_label, resolve_norm
from normbench.norms.registry import ENTRIES


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((form, "bn") for form in ("bn", "BN", " Bn ", "batchnorm", "BatchNorm", "batch_norm", "nn.BatchNorm2d")),
        *((form, "gn") for form in ("GN", "GroupNorm", "group-norm", "torch.nn.GroupNorm")),
        *((form, "ln") for form in ("LayerNorm", "LAYER_NORM")),
        ("EvoNorm-S0", "evo-s0"),
        ("Instance Norm", "in"),
        ("RMSNorm", "rms"),
    ],
)
def test_a_norm_has_its_usual_names_in_any_case(text: str, kind: str) -> None:
    assert resolve_norm(text) == (kind, {})


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("ws", [False, True])
def test_a_label_names_the_norm_that_has_it(kind: str, ws: bool) -> None:
    options: dict[str, Any] = {"ws": True} if ws else {}
    for name, parameter in inspect.signature(NORMS[kind]).parameters.items():
        value = parameter.default
        if value is not None:
            options[name] = (not value) if isinstance(value, bool) else 2 * value
    label = norm_label(kind, options)
    assert resolve_norm(label) == (kind, options)
    assert resolve_norm(label.lower().replace("false", "False")) == (kind, options)


def test_a_label_names_the_channels_per_group() -> None:
    label = norm_label("gn", {"num_groups": 4, "channels_per_group": 16, "eps": 0.001})
    assert resolve_norm(label) == ("gn", {"channels_per_group": 16, "eps": 0.001})


@pytest.mark.parametrize("text", ["", "gnn", "bn(4)", "gn(x)", "gn(4", "gn(4)4", "gn(eps=)", "mine:Norm", "(4)", "+WS"])
def test_other_text_names_nothing(text: str) -> None:
    assert resolve_norm(text) is None


def test_no_name_stands_for_two_norms() -> None:
    names = [name for kind, entry in ENTRIES.items() for name in (kind, *entry.aliases)]
    assert len(set(names)) == len(names)
    assert all(resolve_norm(name) == (kind, {}) for kind, entry in ENTRIES.items() for name in entry.aliases)
