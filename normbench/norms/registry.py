"""Normalization layers by name.

Each takes x [N, C, H, W] and gives the same shape, dtype and memory layout. The learned scale and shift are γ
(`weight`, starts at 1) and β (`bias`, starts at 0), which `affine: false` leaves out. None draws a random number.

To add one: write a function whose keyword-only parameters are its options, and a line here. Its docstring has the
formula, the axes, what it learns and stores, and the paper; its first line is what `normbench norms` shows.
"""

from normbench.norms.activated import evo_s0, frn
from normbench.norms.batch import bn, pn
from normbench.norms.factory import Norm
from normbench.norms.ghost import gbn
from normbench.norms.group import gn, instance, ln
from normbench.norms.layer import ln_c, ln_chw, rms
from normbench.norms.pointwise import dyt, none
from normbench.norms.renorm import brn

NORMS: dict[str, Norm] = {
    "bn": bn,
    "gn": gn,
    "ln": ln,
    "ln-chw": ln_chw,
    "ln-c": ln_c,
    "rms": rms,
    "in": instance,
    "gbn": gbn,
    "brn": brn,
    "pn": pn,
    "frn": frn,
    "evo-s0": evo_s0,
    "dyt": dyt,
    "none": none,
}
