"""Groups of runs that may train together."""

from normbench.config import Config, load_config
from normbench.runs.registries import REGISTRIES
from normbench.sweeps.groups import MAX_GROUP, alike_but_for_seed


def test_groups_hold_what_differs_in_its_seed_only() -> None:
    def of(norm: str, seed: int) -> Config:
        return load_config("default", REGISTRIES, [("norm.kind", norm, ""), ("seeds", [seed], "")])

    mixed = [of("gn", 0), of("bn", 0), of("gn", 1), of("bn", 1)]
    assert alike_but_for_seed(mixed) == [[0, 2], [1, 3]]
    many = alike_but_for_seed([of("bn", seed) for seed in range(MAX_GROUP + 4)])
    assert sorted(map(len, many)) == [(MAX_GROUP + 4) // 2] * 2
    assert sorted(number for group in many for number in group) == list(range(MAX_GROUP + 4))
