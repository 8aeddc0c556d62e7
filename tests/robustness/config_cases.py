"""Strategies that draw right and wrong configs as text of YAML files and flags, so that keys may occur twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from normbench.config.choices import options_of
from normbench.config.schema import CHOICES
from normbench.norms import NORMS
from normbench.runs.registries import REGISTRIES

MAIN = "my.yaml"

Raw = str
"""The text of a value in a YAML file."""
Pairs = list[tuple[str, "Raw | Pairs"]]
"""A mapping as pairs of a key and a value, both as texts."""


@dataclass
class Case:
    """A command, the files it reads, by name, and the flags after `command --config my.yaml`."""

    command: str
    files: dict[str, bytes]
    flags: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        files = "\n".join(
            f"--- {name}\n{content[:2000].decode(errors='replace')}" for name, content in self.files.items()
        )
        return f"Case({self.command} {' '.join(self.flags)[:1000]}\n{files}\n)"


def _numbers(low: float, high: float) -> st.SearchStrategy[Raw]:
    return st.floats(low, high, allow_nan=False).map(repr)


def whole(low: int, high: int) -> st.SearchStrategy[Raw]:
    return st.integers(low, high).map(str)


_EPS = _numbers(1e-8, 1.0)
_SWITCH = st.sampled_from(["true", "false"])
_NORMS = st.one_of(
    st.sampled_from([*NORMS]),
    st.builds("{{kind: gn, num_groups: {}, eps: {}}}".format, st.sampled_from([1, 2, 4, 8, 16]), _EPS),
    st.builds("{{kind: {}, affine: {}, ws: {}}}".format, st.sampled_from(["bn", "ln", "in", "rms"]), _SWITCH, _SWITCH),
    st.builds("{{kind: bn, momentum: {}, eps: {}}}".format, _numbers(0.01, 1), _EPS),
    st.builds("{{kind: gbn, ghost_size: {}}}".format, whole(1, 64)),
)
_OPTIMIZERS = st.one_of(
    st.sampled_from([*REGISTRIES["train.optimizer"]]),
    st.builds("{{name: sgd, lr: {}, momentum: {}}}".format, _numbers(0, 1), _numbers(0, 0.999)),
    st.builds("{{name: muon, lr: {}, sgd_lr: {}}}".format, _numbers(0, 1), _numbers(0, 1)),
    st.builds("{{name: sgd, nesterov: {}, weight_decay: {}}}".format, _SWITCH, _numbers(0, 0.1)),
)
_SCHEDULES = st.one_of(
    st.sampled_from([*REGISTRIES["train.schedule"]]),
    st.builds("{{name: linear, warmup: {}}}".format, _numbers(0, 0.99)),
    st.builds("{{name: step, step_size: {}, gamma: {}}}".format, whole(1, 30), _numbers(0.01, 1)),
)
_AUGMENT = st.lists(
    st.one_of(
        st.sampled_from(["flip", "translate", "randaugment"]),
        st.builds("{{name: flip, p: {}}}".format, _numbers(0, 1)),
        st.builds("{{name: translate, pixels: {}}}".format, whole(0, 31)),
    ),
    max_size=3,
).map(lambda items: f"[{', '.join(items)}]")
_SEEDS = st.one_of(
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4, unique=True).map(str),
    st.builds(lambda first, more: f"{{from: {first}, to: {first + more}}}", st.integers(0, 1000), st.integers(1, 20)),
)

VALUES: dict[str, st.SearchStrategy[Raw]] = {
    "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).map(repr),
    "norm": _NORMS,
    "model": st.builds("{{name: reference, dropout: {}}}".format, _numbers(0, 0.99)),
    "data.augment": _AUGMENT,
    "data.evaluate_on": st.sampled_from(["test", "val"]),
    "data.dir": st.sampled_from(["null", "images", "'with space/é'"]),
    "data.urls": st.sampled_from(["[]", "['https://example.org/a.tar.gz']"]),
    "train.epochs": whole(1, 20),
    "train.batch_size": st.one_of(whole(1, 100), whole(1, 10**9)),
    "train.precision": st.sampled_from(["fp32", "bf16", "fp32"]),
    "train.optimizer": _OPTIMIZERS,
    "train.schedule": _SCHEDULES,
    "seeds": _SEEDS,
    "budget.max_epochs": st.one_of(st.just("null"), whole(20, 10**6)),
    "budget.max_parameters": st.one_of(st.just("null"), whole(40_394, 10**9)),
    "pictures.rows": whole(1, 20),
    "pictures.choose": st.sampled_from(["random", "confident"]),
}
"""Key -> texts of values that are valid for it; some make a network that exceeds the budget."""

_WRONG = [
    *(
        "",
        "~",
        "null",
        "true",
        "yes",
        "off",
        "0",
        "-1",
        "-0.0",
        "1.5",
        "3.0",
        "'3'",
        "1e3",
        "1e-320",
        "1e999",
        "-1e400",
    ),
    *(".nan", "-.nan", ".inf", "-.inf", "1_000", "017", "0o17", "0x1F", "0b1", "1:30:00", "2020-01-01", "=", "<<", "<"),
    *(
        "9" * 5000,
        "-" + "9" * 400,
        "0x" + "f" * 4000,
        "1" * 30,
        str(2**63),
        str(-(2**63)),
        "1e308",
        "0." + "0" * 400 + "1",
    ),
    *("{}", "[]", "[[]]", "[{}]", "{a: {b: {c: 1}}}", "{kind: gn}", "{name: sgd}", "{kind: [gn]}", "{name: null}"),
    *(
        "{from: 0, to: 3}",
        "{from: 0}",
        "{from: 3, to: 0}",
        "{from: 0, to: 1e18}",
        "{from: a, to: b}",
        "{from: 1, to: 2, num: 3}",
    ),
    *("[1, 2, 3]", "[flip, flip]", "[null]", "[gn, bn]", "[" * 30 + "]" * 30, "{a: " * 25 + "1" + "}" * 25),
    *("!!str x", "!!python/object/apply:os.system [ls]", "!!binary aGk=", "!!set {a, b}", "!x y", "!<tag:x> y"),
    *("&a [*a]", "&a {b: *a}", "*nothing", "&a 1", "[&a [1], *a, *a]", "{<<: {epochs: 3}}", "? a"),
    *(
        '"\\0"',
        '"\\ud800"',
        '"\\e[31m"',
        '"\\x9b"',
        "'é'",
        "名前",
        "🙂",
        "'\u202egnp'",
        "\u00a0",
        "\ufeff",
        "'a\u0085b'",
    ),
    *(
        "'" + "x" * 3000 + "'",
        "x" * 200_000,
        "a: b",
        "- a",
        "|\n  two\n  lines",
        ">-\n  folded",
        "@x",
        "`x`",
        "%x",
        "\tx",
        "#",
    ),
    *(
        "{",
        "}",
        "[1, 2",
        "'open",
        '"open',
        "a]",
        "&",
        "*",
        "!",
        "|",
        ">",
        "---",
        "...",
        "--- 2",
        "\x00",
        "\x07",
        "\ud7ff",
    ),
    *(
        "gn",
        "bnn",
        "GN",
        "test",
        "fp32",
        "sgd",
        "reference",
        "os:system",
        "normbench.norms:gn",
        "a.b:c",
        ":",
        "x:",
        "../x",
        "/",
    ),
]
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)
WRONG = st.one_of(
    st.sampled_from(_WRONG),
    st.sampled_from(_WRONG),
    st.one_of(st.integers(), st.floats()).map(str),
    _TEXT | _TEXT.map(lambda text: "'" + text.replace("'", "''") + "'"),
)
"""Texts of values that few keys or none accept."""

KEYS = st.one_of(
    st.sampled_from(
        [
            *(
                "lr",
                "epoch",
                "Norm",
                "norm ",
                "norms",
                "train.epochs",
                "extend",
                "kind",
                "num_groups",
                "batchsize",
                "seed",
            ),
            *(
                "<<",
                "1",
                "null",
                "true",
                "~",
                "''",
                "? [a]",
                "[a]",
                "{a: 1}",
                "!!str norm",
                "&x norm",
                "*x",
                "é",
                "名前",
            ),
            *(
                '"\\0"',
                '"\\ud800"',
                '"\\e[2J"',
                "x" * 130,
                "x" * 5000,
                "__class__",
                "model_config",
                "_x",
                "a.b.c.d",
                "[0]",
            ),
            *(".", "sweep.norm", "'\u202e'", "from", "-", "?", ":"),
        ]
    ),
    _TEXT.filter(bool),
)
_OPTION_KEYS = (
    *(
        "norm.kind",
        "norm.num_groups",
        "norm.eps",
        "norm.momentum",
        "norm.affine",
        "norm.ws",
        "norm.ghost_size",
        "norm.alpha",
    ),
    *("norm.r_max", "norm.d_max", "norm.warmup_steps", "norm.r_steps", "norm.d_steps", "model.name", "model.dropout"),
    *("train.optimizer.name", "train.optimizer.lr", "train.optimizer.momentum", "train.optimizer.sgd_lr"),
    *(
        "train.optimizer.sgd_momentum",
        "train.optimizer.weight_decay",
        "train.optimizer.nesterov",
        "train.schedule.name",
    ),
    *("train.schedule.warmup", "train.schedule.step_size", "train.schedule.gamma", "data.source", "data.augment"),
    *("pictures.columns", "train.lr", "budget", "train", "data", "pictures"),
)
ANY_KEY = st.sampled_from([*VALUES, *_OPTION_KEYS])

_AXES: dict[str, st.SearchStrategy[Raw]] = {
    "norm": st.lists(st.sampled_from(["bn", "gn", "ln", "in", "rms", "none"]), min_size=1, max_size=4, unique=True).map(
        lambda names: f"[{', '.join(names)}]"
    ),
    "train.batch_size": st.sampled_from(["[8, 16]", "{from: 1, to: 4}", "{from: 8, to: 64, num: 4, scale: log}"]),
    "train.lr": st.sampled_from(["[0.1, 0.2]", "{from: 0.01, to: 1, num: 3, scale: log}"]),
    "train.batch_size, train.lr": st.sampled_from(["[[8, 0.1], [16, 0.2]]", "[[1, 1]]"]),
    "train.epochs": st.sampled_from(["[1, 2]", "{from: 1, to: 9, step: 4}"]),
    "model.dropout": st.sampled_from(["[0.0, 0.5]", "{from: 0, to: 0.5, num: 2}"]),
    "data.augment": st.sampled_from(["[[], [flip]]", "[[{name: flip, p: 0.2}], [translate]]"]),
}
_TUNE: dict[str, st.SearchStrategy[Raw]] = {
    "train.optimizer.lr": st.sampled_from(["[0.02, 0.04]", "{from: 0.01, to: 0.64, num: 7, scale: log}"]),
    "train.optimizer.weight_decay": st.sampled_from(["[0.0, 0.0001]"]),
    "budget": whole(1, 5),
    "seeds": st.sampled_from(["[1000]", "{from: 1000, to: 1002}"]),
}
_EXCLUDE = st.sampled_from(
    [
        "[{norm: bn}]",
        "[{norm: gn, train.batch_size: 8}]",
        "[{train.lr: 0.1}]",
        "{norm: bn}",
        "[]",
        "[{norm: zz}]",
        "[{}]",
        "[bn]",
    ]
)


@st.composite
def pairs(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Raw]], most: int) -> Pairs:
    """Some of the keys, each with a valid value; dotted keys become sections."""
    chosen = draw(st.lists(st.sampled_from([*values]), max_size=most, unique=True))
    tree: Pairs = []
    for key in chosen:
        put(tree, key, draw(values[key]))
    return tree


@st.composite
def flat_pairs(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Raw]], most: int) -> Pairs:
    chosen = draw(st.lists(st.sampled_from([*values]), min_size=1, max_size=most, unique=True))
    return [(key, draw(values[key])) for key in chosen]


def put(tree: Pairs, dotted: str, value: "Raw | Pairs", *, again: bool = False) -> None:
    """Sets the value of a dotted key; with `again` adds it beside the old value, so that the key occurs twice."""
    first, _, rest = dotted.partition(".")
    inner = next((found for key, found in tree if key == first and isinstance(found, list)), None)
    if rest and inner is not None:
        put(inner, rest, value, again=again)
        return
    if not again:
        tree[:] = [(key, found) for key, found in tree if key != first]
    below: Raw | Pairs = value
    for part in reversed(rest.split(".") if rest else []):
        below = [(part, below)]
    tree.append((first, below))


def render(tree: Pairs, indent: int = 0) -> str:
    lines = []
    for key, value in tree:
        if isinstance(value, list):
            lines += [f"{' ' * indent}{key}:", render(value, indent + 2)] if value else [f"{' ' * indent}{key}: {{}}"]
        else:
            lines.append(f"{' ' * indent}{key}: {value}")
    return "\n".join(lines)


_EXTREMES: dict[Any, list[Raw]] = {
    float: [
        "-1",
        "-1e-300",
        "0",
        "0.0",
        "-0.0",
        "5e-324",
        "1e-30",
        "1",
        "1.0",
        "1.0000001",
        "2",
        "1e30",
        "1e308",
        "10000000000",
    ],
    int: [
        "-1",
        "0",
        "1",
        "3",
        "7",
        "32",
        "33",
        "64",
        str(2**31),
        str(2**63 - 1),
        str(2**63),
        "9" * 400,
        "-" + "9" * 30,
    ],
    bool: ["true", "false", "0", "'yes'"],
}
_OPTIONS = [
    (key, CHOICES.get(tuple(key.split(".")), "name"), name, option, parameter.annotation)
    for key, registry in REGISTRIES.items()
    if key != "data.source"
    for name in registry
    for option, parameter in options_of(registry[name]).items()
]

Break = Callable[[st.DrawFn, Pairs], None]


def _wrong_value(draw: st.DrawFn, tree: Pairs) -> None:
    put(tree, draw(ANY_KEY), draw(WRONG))


def _swapped_value(draw: st.DrawFn, tree: Pairs) -> None:
    put(tree, draw(ANY_KEY), draw(VALUES[draw(st.sampled_from([*VALUES]))]))


def _unknown_key(draw: st.DrawFn, tree: Pairs) -> None:
    section = draw(st.sampled_from(["", "", "train.", "data.", "norm.", "model.", "train.optimizer.", "budget."]))
    put(tree, section + "KEY", draw(st.one_of(WRONG, whole(0, 9))))
    _rename(tree, "KEY", draw(KEYS))


def _twice(draw: st.DrawFn, tree: Pairs) -> None:
    key = draw(st.sampled_from([*VALUES]))
    put(tree, key, draw(VALUES[key]), again=True)
    put(tree, key, draw(st.one_of(VALUES[key], WRONG)), again=True)


def _wrong_section(draw: st.DrawFn, tree: Pairs) -> None:
    put(
        tree,
        draw(st.sampled_from(["train", "data", "budget", "pictures", "sweep", "exclude", "tune", "seeds"])),
        draw(WRONG),
    )


def _extreme_option(draw: st.DrawFn, tree: Pairs) -> None:
    """An option with a value of the right type and of extreme size."""
    key, label, name, option, kind = draw(st.sampled_from(_OPTIONS))
    value = draw(st.sampled_from(_EXTREMES.get(kind, _EXTREMES[float])))
    written = f"{{{label}: {name}, {option}: {value}}}"
    put(tree, key, f"[{written}]" if key == "data.augment" else written)


BREAKS: Sequence[Break] = (
    _extreme_option,
    _extreme_option,
    _wrong_value,
    _wrong_value,
    _swapped_value,
    _unknown_key,
    _twice,
    _wrong_section,
)


def _rename(tree: Pairs, old: str, new: str) -> None:
    tree[:] = [(new if key == old else key, value) for key, value in tree]
    for _, value in tree:
        if isinstance(value, list):
            _rename(value, old, new)


@st.composite
def experiments(draw: st.DrawFn, tree: Pairs) -> None:
    """Adds valid or invalid `sweep`, `exclude` and `tune` sections."""
    sweep = draw(flat_pairs(_AXES, 3))
    if draw(st.booleans()):
        sweep.append(
            (draw(ANY_KEY), draw(st.one_of(WRONG, VALUES[draw(st.sampled_from([*VALUES]))].map("[{}]".format))))
        )
    put(tree, "sweep", sweep)
    if draw(st.integers(0, 3)) == 0:
        put(tree, "exclude", draw(st.one_of(_EXCLUDE, WRONG)))
    if draw(st.integers(0, 2)) == 0:
        tune = draw(flat_pairs(_TUNE, 4))
        if draw(st.integers(0, 3)) == 0:
            tune.append((draw(ANY_KEY), draw(WRONG)))
        put(tree, "tune", tune)


_EXTENDS = st.sampled_from(
    [
        *(
            "default.yaml",
            "default",
            "reference",
            "quickstart.yaml",
            "base.yaml",
            "./base.yaml",
            MAIN,
            f"./{MAIN}",
            "missing.yaml",
        ),
        *(
            "sub",
            "sub/base.yaml",
            "''",
            "null",
            "3",
            "[a, b]",
            '"\\0"',
            "é.yaml",
            "x" * 300,
            "/",
            "..",
            "~",
            "/dev/null",
            "empty.yaml",
        ),
    ]
)
_DAMAGE: Sequence[Callable[[bytes, int], bytes]] = (
    lambda content, at: content[:at],
    lambda content, at: content[:at] + content[at + 3 :],
    lambda content, at: content[:at] + b"\xff\xfe" + content[at:],
    lambda content, at: content[:at] + b"\x00" + content[at:],
    lambda content, at: content[:at] + b"\t" + content[at:],
    lambda content, at: content[:at] + b": " + content[at:],
    lambda content, at: content[:at] + b"\n---\n" + content[at:],
    lambda content, at: content[:at] + "\u2028".encode() + content[at:],
    lambda content, at: content.replace(b"\n", b"\r\n"),
    lambda content, at: b"\xef\xbb\xbf" + content,
    lambda content, at: content.decode().encode("utf-16"),
    lambda content, at: content.decode().encode("latin-1", "replace"),
    lambda content, at: content + b"\n" + content,
)
_WHOLE_FILES = st.sampled_from(
    [
        *(
            b"",
            b"\n\n",
            b"# nothing\n",
            b"---\n",
            b"null",
            b"3",
            b"text",
            b"[]",
            b"- a\n- b\n",
            b"{}",
            b"...",
            b"\xff\xfe",
            b"\x00" * 100,
        ),
        *(
            b"a",
            b":",
            b"- - - -",
            b"[" * 10_000,
            b"{" * 10_000,
            b"{a: " * 10_000,
            b"- " * 10_000,
            b"&a " * 100,
            b"? " * 5_000,
        ),
        *(
            b"%YAML 9.9\n---\na: 1",
            b"%TAG ! x\n---\na: 1",
            b"--- !!map\nnorm: gn",
            b"norm: gn\n...\nnorm: bn",
            b"norm: gn\n---\nnorm: bn",
        ),
    ]
)


@st.composite
def right(draw: st.DrawFn) -> Case:
    """A config in which every value is valid by itself."""
    tree = draw(pairs(VALUES, 8))
    command = draw(st.sampled_from(["train", "train", "sweep"]))
    if command == "sweep":
        put(tree, "sweep", draw(flat_pairs(_AXES, 3)))
        if draw(st.booleans()):
            put(tree, "tune", draw(flat_pairs(_TUNE, 4)))
    return Case(command, {MAIN: _bytes(tree)})


@st.composite
def broken(draw: st.DrawFn) -> Case:
    """A config with one to three keys or values that may be invalid."""
    tree = draw(pairs(VALUES, 5))
    command = draw(st.sampled_from(["train", "sweep"]))
    if command == "sweep":
        draw(experiments(tree))
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        draw(st.sampled_from(BREAKS))(draw, tree)
    return Case(command, {MAIN: _bytes(tree)})


@st.composite
def extended(draw: st.DrawFn) -> Case:
    """Several files, some of which extend each other."""
    files = {"empty.yaml": b"", "sub/base.yaml": b"extends: ../my.yaml\n", "base.yaml": _bytes(draw(pairs(VALUES, 3)))}
    if draw(st.booleans()):
        files["base.yaml"] = f"extends: {draw(_EXTENDS)}\n".encode() + files["base.yaml"]
    tree = draw(pairs(VALUES, 3))
    if draw(st.booleans()):
        draw(experiments(tree))
    files[MAIN] = _bytes([("extends", draw(_EXTENDS)), *tree])
    return Case(draw(st.sampled_from(["train", "sweep"])), files)


@st.composite
def damaged(draw: st.DrawFn) -> Case:
    """A file that is no valid YAML, or not even text."""
    content = _bytes(draw(pairs(VALUES, 4)))
    damage = draw(st.sampled_from(_DAMAGE))
    damaged = damage(content, draw(st.integers(0, len(content))))
    return Case(draw(st.sampled_from(["train", "sweep"])), {MAIN: draw(st.one_of(st.just(damaged), _WHOLE_FILES))})


@st.composite
def flagged(draw: st.DrawFn) -> Case:
    """A valid config, and flags that may be invalid."""
    command, flags = draw(st.sampled_from(["train", "sweep"])), []
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        key = draw(
            st.one_of(ANY_KEY, ANY_KEY, KEYS, st.sampled_from(["sweep.norm", "tune.train.lr", "exclude", "sweep"]))
        )
        value = draw(st.one_of(VALUES.get(key, WRONG), WRONG))
        equals = draw(st.sampled_from(["=", "=", "=", "=", " = ", "", "=="]))
        flags += ["--set", f"{key}{equals}{value}".replace("\0", "")]  # a shell cannot pass a null character
    return Case(command, {MAIN: _bytes(draw(pairs(VALUES, 3)))}, flags)


def _bytes(tree: Pairs) -> bytes:
    return f"{render(tree) or '{}'}\n".encode()


KINDS = {"right": right, "broken": broken, "extended": extended, "damaged": damaged, "flagged": flagged}
