"""Normalization layers by name.

Each takes x [N, C, H, W] and gives the same shape, dtype and memory layout. The learned scale and shift are γ
(`weight`, starts at 1) and β (`bias`, starts at 0), which `affine: false` leaves out. None draws a random number.

To add a norm: write a function whose keyword-only parameters are the norm's options, and one line in ENTRIES. The
docstring has the formula, the axes, what the norm learns and stores, and the paper. `normbench norms` shows it.
"""

from typing import TYPE_CHECKING, NamedTuple

from normbench.deferred import deferred

if TYPE_CHECKING:
    from normbench.norms.factory import Norm

MEAN_STD, STD, RMS = ("mean", "std"), ("std",), ("rms",)
SPATIAL = "spatial"


class Entry(NamedTuple):
    """A norm, and which values of its input share statistics in training mode, which `normbench explain` shows.

    axes: the axes that are reduced, () for a norm without statistics, None if it is not known. "N", "C"; "spatial" for
        all axes after them; "C/G" for one of G groups of neighbouring channels (option num_groups); "N/B" for one
        ghost of B neighbouring images (option ghost_size).
    statistics: those computed over the axes. std is about the mean, rms about 0.
    aliases: other names, in lower case without hyphens and underscores.
    """

    norm: "Norm"
    axes: tuple[str, ...] | None = None
    statistics: tuple[str, ...] = MEAN_STD
    aliases: tuple[str, ...] = ()


def _norm(module: str, name: str) -> "Norm":
    return deferred(f"normbench.norms.{module}", name)


ENTRIES: dict[str, Entry] = {
    "bn": Entry(_norm("batch", "bn"), ("N", SPATIAL), aliases=("batchnorm", "batchnorm2d")),
    "gn": Entry(_norm("group_norm", "gn"), ("C/G", SPATIAL), aliases=("groupnorm",)),
    "ln": Entry(_norm("group_norm", "ln"), ("C", SPATIAL), aliases=("layernorm",)),
    "ln-chw": Entry(_norm("layer", "ln_chw"), ("C", SPATIAL), aliases=("layernormchw",)),
    "ln-c": Entry(_norm("layer", "ln_c"), ("C",), aliases=("layernorm2d", "layernormc")),
    "rms": Entry(_norm("layer", "rms"), ("C",), RMS, aliases=("rmsnorm", "rmsnorm2d")),
    "in": Entry(_norm("group_norm", "instance"), (SPATIAL,), aliases=("instancenorm", "instancenorm2d", "instance")),
    "gbn": Entry(_norm("ghost", "gbn"), ("N/B", SPATIAL), aliases=("ghostbatchnorm", "ghostbn", "ghostnorm")),
    "brn": Entry(_norm("renorm", "brn"), ("N", SPATIAL), aliases=("batchrenorm", "batchrenormalization")),
    "pn": Entry(_norm("batch", "pn"), ("N", SPATIAL), aliases=("precisebatchnorm", "precisebn")),
    "frn": Entry(_norm("activated", "frn"), (SPATIAL,), RMS, aliases=("filterresponsenorm",)),
    "evo-s0": Entry(_norm("activated", "evo_s0"), ("C/G", SPATIAL), STD, aliases=("evonorms0", "evonorm")),
    "dyt": Entry(_norm("pointwise", "dyt"), (), (), aliases=("dynamictanh",)),
    "none": Entry(_norm("pointwise", "none"), (), (), aliases=("identity", "nonorm")),
}

NORMS: "dict[str, Norm]" = {name: entry.norm for name, entry in ENTRIES.items()}
