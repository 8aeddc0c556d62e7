"""`--where`: which runs are chosen, and what is answered to a bad condition."""

import pytest

from normbench.analysis.compare.select import select
from normbench.errors import ConfigError
from tests.records import as_runs, make_record


@pytest.mark.parametrize(
    ("where", "seeds"),
    [
        (["seed=1"], [1]),
        (["norm.kind=bn", "seed=0", "seed=2"], [0, 2]),
        (["train.batch_size=64", "train.lr=1e-1"], [0, 1, 2]),
        (["data.fingerprint=abab"], [0, 1, 2]),
        (["train.optimizer.nesterov=true"], [0, 1, 2]),
        (["git_commit=null"], [0, 1, 2]),
    ],
)
def test_select(where: list[str], seeds: list[int]) -> None:
    records = [make_record("bn", seed) for seed in range(3)]
    assert [run.record.seed for run in select(as_runs(records), where)] == seeds


def test_select_says_what_there_is() -> None:
    records = as_runs(make_record("bn", seed) for seed in range(3))
    with pytest.raises(ConfigError, match=r"did you mean 'train\.batch_size'"):
        select(records, ["train.batchsize=64"])
    with pytest.raises(ConfigError, match=r"no run has train\.batch_size=8; found: 64 \(3 runs\)"):
        select(records, ["train.batch_size=8"])
    with pytest.raises(ConfigError, match=r"unknown key 'foo': \d+ are known, such as \S+, \S+, \S+; a run's"):
        select(records, ["foo=9"])
    with pytest.raises(ConfigError, match="expected key=value"):
        select(records, ["seed"])
