"""Run folders -> statistics -> a comparison: pure numbers, no torch.

The statistics are plain functions of numbers, for any experiment:

    from normbench.analysis import over_seeds, verdicts

    difference = over_seeds({0: 80.1, 1: 80.4, 2: 79.9}, {0: 81.0, 1: 81.2, 2: 81.1})
    (verdict,) = verdicts([("a", "b")], [difference], delta=0.5)
"""

from normbench.analysis.stats.difference import Difference, correlation, over_seeds, paired_t, welch
from normbench.analysis.stats.estimate import Estimate, mean_interval
from normbench.analysis.stats.holm import holm
from normbench.analysis.stats.mcnemar import McNemar, mcnemar
from normbench.analysis.stats.pairs import Couple, Pair, judge
from normbench.analysis.stats.power import new_seeds, paired_power
from normbench.analysis.stats.probability import Probability, probability_better
from normbench.analysis.stats.sequential import PairDecision, decide, planned_looks
from normbench.analysis.stats.sign_flip import sign_flip
from normbench.analysis.stats.verdict import Verdict, verdicts

__all__ = [
    "Couple",
    "Difference",
    "Estimate",
    "McNemar",
    "Pair",
    "PairDecision",
    "Probability",
    "Verdict",
    "correlation",
    "decide",
    "holm",
    "judge",
    "mcnemar",
    "mean_interval",
    "new_seeds",
    "over_seeds",
    "paired_power",
    "paired_t",
    "planned_looks",
    "probability_better",
    "sign_flip",
    "verdicts",
    "welch",
]
