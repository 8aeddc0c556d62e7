"""Normalization layers by name.

Each takes x [N, C, H, W] and gives the same shape, dtype and memory layout. The learned scale and shift are γ
(`weight`, starts at 1) and β (`bias`, starts at 0), which `affine: false` leaves out. None draws a random number.

To add a norm: write a function whose keyword-only parameters are the norm's options, and one line in ENTRIES. The
docstring has the formula, the axes, what the norm learns and stores, and the paper. `normbench norms` shows its first
line.
"""

from typing import NamedTuple

from normbench.norms.activated import evo_s0, frn
from normbench.norms.batch import bn, pn
from normbench.norms.factory import Norm
from normbench.norms.ghost import gbn
from normbench.norms.group_norm import gn, instance, ln
from normbench.norms.layer import ln_c, ln_chw, rms
from normbench.norms.pointwise import dyt, none
from normbench.norms.renorm import brn

MEAN_STD, STD, RMS = ("mean", "std"), ("std",), ("rms",)
SPATIAL = "spatial"


class Entry(NamedTuple):
    """A norm, and which values of its input share statistics in training mode, which `normbench explain` shows.

    axes: the axes that are reduced, () for a norm without statistics, None if it is not known. "N", "C"; "spatial" for
        all axes after them; "C/G" for one of G groups of neighbouring channels (option num_groups); "N/B" for one
        ghost of B neighbouring images (option ghost_size).
    statistics: those computed over the axes. std is about the mean, rms about 0.
    """

    norm: Norm
    axes: tuple[str, ...] | None = None
    statistics: tuple[str, ...] = MEAN_STD


ENTRIES: dict[str, Entry] = {
    "bn": Entry(bn, ("N", SPATIAL)),
    "gn": Entry(gn, ("C/G", SPATIAL)),
    "ln": Entry(ln, ("C", SPATIAL)),
    "ln-chw": Entry(ln_chw, ("C", SPATIAL)),
    "ln-c": Entry(ln_c, ("C",)),
    "rms": Entry(rms, ("C",), RMS),
    "in": Entry(instance, (SPATIAL,)),
    "gbn": Entry(gbn, ("N/B", SPATIAL)),
    "brn": Entry(brn, ("N", SPATIAL)),
    "pn": Entry(pn, ("N", SPATIAL)),
    "frn": Entry(frn, (SPATIAL,), RMS),
    "evo-s0": Entry(evo_s0, ("C/G", SPATIAL), STD),
    "dyt": Entry(dyt, (), ()),
    "none": Entry(none, (), ()),
}

NORMS: dict[str, Norm] = {name: entry.norm for name, entry in ENTRIES.items()}
