"""What is wrong with a config's values: one sentence each, with its place."""

from pathlib import Path

import pytest

from tests.config_fakes import errors_of, load_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train: {epochs: 0}", "train.epochs: must be at least 1, found 0"),
        (
            "train: {epochs: 21}",
            "train.epochs: 21 epochs are over the budget of 20 (budget.max_epochs); train for fewer",
        ),
        ("train: {epochs: true}", "train.epochs: must be a whole number, found true"),
        ("train: {epochs: 3.0}", "train.epochs: must be a whole number, found 3.0"),
        (
            "train: {epochs: '3'}",
            "train.epochs: must be a whole number, found '3', which is text, because of its quotes",
        ),
        (
            "train: {optimizer: {lr: '1e-3'}}",
            "train.optimizer.lr: must be a number, found '1e-3', which is text, because",
        ),
        ("train: {lr: 0.1}", "train.lr: unknown key 'lr': known: epochs, batch_size, precision, optimizer, schedule, "),
        ("momentum: 0.1", "momentum: unknown key 'momentum': "),
        ("train: {batch_size: 0}", "train.batch_size: must be at least 1, found 0"),
        (
            "train: {precision: fp23}",
            "train.precision: unknown value 'fp23': did you mean 'fp32'? known: auto, fp32, bf16",
        ),
        ("train: {precision: 16}", "train.precision: must be one of 'auto', 'fp32' or 'bf16', found 16"),
        ("train: null", "train: must be a mapping with some of epochs, "),
        ("train: {optimizer: {lr: .nan}}", "train.optimizer.lr: must be a finite number, found nan"),
        ("train: {optimizer: {lr: -.inf}}", "train.optimizer.lr: must be a finite number, found -inf"),
        ("train: {optimizer: {lr: 1e999}}", "train.optimizer.lr: must be a finite number, found inf"),
        ("train: {optimizer: {lr: true}}", "train.optimizer.lr: must be a number, found true"),
        ("train: {optimizer: {name: sgd, nesterov: 1}}", "train.optimizer.nesterov: must be true or false, found 1"),
        ("train: {optimizer: {}, lr: 1}", "train.lr: unknown key 'lr': "),
        ("train.epochs: 3", "'train.epochs': unknown key 'train.epochs': "),
        ("norm: {kind: gn, num_groups: true}", "norm.num_groups: must be a whole number, found true"),
        ("norm: {kind: gn, grups: 2}", "norm.grups: unknown gn option 'grups': did you mean 'num_groups'?"),
        ("norm: {kind: none, eps: 1}", "norm.eps: unknown none option 'eps': none has none; norm bn, gn has 'eps'"),
        ("norm: {name: gn, kind: bn}", "norm: the norm is named twice, by 'kind' and by 'name'"),
        ("norm: [gn]", "norm: must be a name, or a mapping with 'kind' and options; "),
        ("norm: needy", "norm: needy needs the option 'width'"),
        ("norm: {kind: odd, size: [1]}", "norm.size"),
        ("norm: {kind: odd, mode: c}", "norm.mode: unknown value 'c': known: a, b"),
        ("norm: {kind: odd, label: 5}", "norm.label: must be text, found 5"),
        ("norm: {kind: bn, momentum: x}", "norm.momentum: must be a number, found 'x'"),
        ("data: {source: cifar}", "data.source: unknown data source 'cifar': did you mean 'cifar10'? known: cifar10,"),
        ("data: {source: 10}", "data.source: must be text, found 10"),
        ("data: {augment: flip}", "data.augment: must be a list of augmentations, such as [flip], found 'flip'"),
        ("data: {augment: [flop]}", "data.augment[0]: unknown augmentation 'flop': did you mean 'flip'?"),
        ("data: {augment: [{p: 1}]}", "data.augment[0]: the key 'name' is missing; it names the augmentation: flip,"),
        ("data: {augment: [flip, {name: flip, p: x}]}", "data.augment[1].p: must be a number, found 'x'"),
        ("data: {urls: x}", "data.urls: must be a list, found 'x'"),
        ("data: {urls: [1]}", "data.urls[0]: must be text, found 1"),
        ("seeds: []", "seeds: must hold at least one seed, found a list"),
        ("seeds: [1, 2, 1]", "seeds: each seed may stand only once, and 1 stands twice"),
        ("seeds: [0, -1]", "seeds[1]: must be at least 0, found -1"),
        (f"seeds: [{2**63}]", f"seeds[0]: must be at most {2**63 - 1:,}, found {2**63}"),
        ("seeds: 3", "seeds: must be a list, found 3"),
        ("seeds: [true]", "seeds[0]: must be a whole number, found true"),
        (f"seeds: [{'9' * 5000}]", "seeds[0]: the number has too many digits"),
        (f"seeds: [0x{'f' * 5000}]", "seeds[0]: the number has too many digits"),
        (
            f"train: {{epochs: {10**400}}}\nbudget: {{max_epochs: null}}",
            "train.epochs: must be at most 1,000,000,000, found 1000000000",
        ),
        ("train: {batch_size: 1000000001}", "train.batch_size: must be at most 1,000,000,000, found 1000000001"),
        ("train: {schedule: {name: step, step_size: 1000000001}}", "train.schedule.step_size: must be from -1,000,"),
        ("train: {optimizer: {lr: 1e39}}", "train.optimizer.lr: must be from -3e+38 to 3e+38, found 1e+39"),
        (f"data: {{augment: [{', '.join(['flip'] * 101)}]}}", "data.augment: must be at most 100 long, found 101"),
        (f"norm: {'x' * 9000}", f"norm.kind: unknown norm '{'x' * 56}...: known: bn, gn"),
        (f"? {'x' * 9000}\n: 1", f"{'x' * 57}...: unknown key '{'x' * 56}...: known: name"),
        (f"name: !{'x' * 9000} y", f"name: the tag '!{'x' * 56}...' is not allowed"),
        ("budget: {max_epochs: 5}", "budget.max_epochs: 20 epochs are over the budget of 5"),  # the default's 20
        ("budget: {max_parameters: 0}", "budget.max_parameters: must be at least 1, found 0"),
        ("budget: null", "budget: must be a mapping"),
        ("name: 5", "name: must be text, found 5"),
        ("name: ../x", "name: must be 1 to 64 letters"),
        ("name: published", "name: must be another name, "),
        ("name: é", "name: must be 1 to 64 letters"),
        ('name: "x\\n"', "name: text may not hold control characters or line breaks"),
        (f"name: {'x' * 65}", "name: must be 1 to 64 letters"),
        ("extend: x", "extend: unknown key 'extend': did you mean 'extends'?"),
        ("5: x", "a key must be text, found '5'"),
        ("? [a]\n: x", "a key must be text, found a list or a mapping"),
        ("<<: {name: x}", "merge keys ('<<') are not supported"),
        (
            "name: !!python/object/apply:os.system [ls]",
            "name: the tag '!!python/object/apply:os.system' is not allowed",
        ),
        ("name: !!str x", "name: the tag '!!str' is not allowed"),
    ],
)
def test_a_wrong_value_is_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    (message,) = errors_of(tmp_path, f"\n{text}")
    assert message.startswith(f"my.yaml, line 2: {expected}")


def test_the_budget_is_lifted_in_the_yaml(tmp_path: Path) -> None:
    assert (
        load_text(tmp_path, "train: {epochs: 300}\nbudget: {max_epochs: null, max_parameters: null}").train.epochs
        == 300
    )
