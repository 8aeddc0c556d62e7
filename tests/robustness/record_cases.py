"""Strategies that draw harm to the files of results, and questions to `compare` about them."""

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from normbench.analysis.stats.sequential import decide
from normbench.runs.record import Record
from tests.records import make_diverged, make_record, write_run

NUM_IMAGES, CLASSES = 30, ("cat", "dog")
RUN_FILES = ("run.json", "metrics.csv", "predictions.npz")
EXPERIMENT_FILES = ("sweep.json", "tuning.json", "decisions.json")
LR = "train.optimizer.lr"


def write_results(results: Path) -> None:
    """Four norms with two seeds each, one run of which diverged; tuned, and looked at by a sweep until decided."""
    for number, kind in enumerate(("bn", "gn", "ln")):
        for seed in range(2):
            write_whole_run(results, kind, seed, num_errors=6 + 3 * number + seed)
    write_run(results, make_diverged("in", 0, data__num_eval=NUM_IMAGES, config__train__epochs=2))
    write_whole_run(results, "in", 1, num_errors=9)
    folder = results / "default"
    chosen = [
        {"norm": {"kind": label.lower()}, "label": label, "values": {LR: 0.1}, "val_accuracy": 0.8, "on_edge": [LR]}
        for label in ("BN", "GN(4)", "LN", "IN")
    ]
    tuning = {"schema_version": 1, "budget": 2, "grid": {LR: [0.1, 0.2]}, "seeds": [100], "chosen": chosen}
    (folder / "tuning.json").write_text(json.dumps(tuning))
    (folder / "decisions.json").write_text(json.dumps(_decisions(folder)))
    names = [path.parent.name for path in folder.glob("*/run.json")]
    plan = {"axes": {"norm": ["bn", "gn", "ln", "in"], "train.batch_size": [64, 128], LR: [0.1]}, "runs": names}
    (folder / "sweep.json").write_text(json.dumps({"schema_version": 1, "plans": [plan]}))


def _decisions(folder: Path) -> dict[str, Any]:
    """The plan and the first look of four, as `sweep --until-decided` leaves them."""
    records = [json.loads(file.read_text()) for file in sorted(folder.glob("*/run.json"))]
    norms = ["BN", "GN(4)", "LN", "IN"]
    accuracies = {name: [it["metrics"]["test_accuracy"] for it in records if it["label"] == name] for name in norms}
    values = {name: [value and 100 * value for value in of_norm] for name, of_norm in accuracies.items()}
    pairs = decide(values, [(b, a) for a, b in combinations(norms, 2)], (2, 4), 0, 0.5)
    runs = [
        {"run_id": it["run_id"], "norm": it["label"], "seed": it["seed"], "accuracy": it["metrics"]["test_accuracy"]}
        | {"config_digest": Record.model_validate(it).config_digest, "look": 0}
        for it in records
    ]
    plan = {"schema_version": 1, "norms": norms, "seeds": [0, 1, 2, 3], "looks": [2, 4], "look": 0}
    about = {"experiment": "default", "fingerprint": records[0]["data"]["fingerprint"], "evaluated_on": "test"}
    return plan | {"delta": 0.5, "alpha": 0.05, "pairs": list(map(asdict, pairs))} | about | {"runs": runs}


def write_whole_run(results: Path, kind: str, seed: int, num_errors: int, **changes: Any) -> Path:
    """Writes the folder of a run whose record, metrics.csv and predictions agree."""
    accuracy = 1 - num_errors / NUM_IMAGES
    record = make_record(kind, seed, accuracy, data__num_eval=NUM_IMAGES, config__train__epochs=2, **changes)
    folder = write_run(results, record)
    labels = np.arange(NUM_IMAGES) % len(CLASSES)
    predicted = np.where(np.arange(NUM_IMAGES) < num_errors, 1 - labels, labels)
    logits = np.eye(len(CLASSES), dtype=np.float16)[predicted]
    np.savez_compressed(folder / "predictions.npz", labels=labels, logits=logits)
    columns = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    last = ",".join(f"{record['metrics'][name]:.6g}" for name in columns)
    header = f"epoch,lr,{','.join(columns)},train_s,eval_s,images_per_s\n"
    (folder / "metrics.csv").write_text(f"{header}1,0.1,1,0.4,1,0.4,10,1,4000\n2,0.1,{last},10,1,4000\n")
    return folder


_ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        10**30,
        10**400,
        0.5,
        -0.0,
        1e308,
        5e-324,
        "",
        "x",
        "0",
        "nan",
        "bn",
        "BN",
        [],
        {},
    ),
    *(
        [[]],
        [1, "a", None],
        {"a": {"b": 1}},
        {"": 0},
        "é",
        "名前",
        "🙂",
        "a\nb",
        "a\x1b[31mb",
        "\u202e",
        "\ud800",
        "x" * 300,
    ),
    *(
        "x" * 100_000,
        list(range(1000)),
        {str(i): i for i in range(300)},
        "../x",
        "-",
        "=1+1",
        "|",
        "2026-13-45",
        "finished",
    ),
    *(
        "diverged",
        "val",
        1.0,
        [0.1],
        {"kind": "bn"},
        {"kind": ["bn"]},
        [[[[[[1]]]]]],
        "[/red]",
        "%",
        "\\",
        "$x$",
        "{0}",
        "*",
    ),
]
ODD = st.one_of(
    st.sampled_from(_ODD), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=9)
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = [(path, key, item) for key, item in value.items()]
    elif isinstance(value, list):
        inner = [(path, index, item) for index, item in enumerate(value)]
    else:
        return [path] if path else []
    return [*([path] if path else []), *(found for at, key, item in inner for found in _places(item, (*at, key)))]


def edit_json(draw: st.DrawFn, content: bytes) -> bytes:
    """JSON with one or two values replaced, removed, added, or moved to another key."""
    tree = json.loads(content)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        places = _places(tree)
        if not places:
            break
        *above, last = draw(st.sampled_from(places))
        inside = tree
        for key in above:
            inside = inside[key]
        what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "number", "wrap"]))
        if what == "remove":
            del inside[last]
        elif what == "add" and isinstance(inside, dict):
            inside[
                draw(
                    st.one_of(
                        st.text(max_size=5), st.sampled_from(["x" * 500, "a.b", "norm.x", "\x1b", "kind", "name"])
                    )
                )
            ] = draw(ODD)
        elif what == "number" and isinstance(inside[last], int | float):
            inside[last] = draw(
                st.sampled_from([-1, 0, 1, 2, 7, 0.25, 1e9, inside[last] + 1, -inside[last], inside[last] / 2])
            )
        elif what == "wrap":
            inside[last] = draw(st.sampled_from([[inside[last]], {"a": inside[last]}, str(inside[last])]))
        else:
            inside[last] = draw(ODD)
    return json.dumps(tree).encode()


_TEXTS = [
    *(
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'"x"',
        b"{}",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"\x00" * 50,
        b"NaN",
        b"1e999",
    ),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b'{"schema_version": 2}', b'{"schema_version": 0}'),
    *(
        b'{"schema_version": 1}',
        b'{"schema_version": 1.0}',
        b'{"schema_version": "1"}',
        b"9" * 10_000,
        b"<html></html>",
    ),
]


def damage_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    return draw(
        st.sampled_from(
            [
                content[:at],
                content[at:],
                content[:at] + b"\x00" + content[at + 1 :],
                content[:at] + bytes([content[at] ^ 0x21 if content else 0]) + content[at + 1 :],
                content[:at] + b"\xff\xff\xff" + content[at:],
                content[:at] + b"9" * 30 + content[at:],
                content[:at] + content[at : at + 20] * 3 + content[at:],
                content + content,
                content.replace(b"0.", b"1e999", 1),
                content.replace(b":", b": " + b"[" * 400, 1),
            ]
        )
    )


def edit_csv(draw: st.DrawFn, content: bytes) -> bytes:
    lines = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(draw(st.integers(1, 2))):
        row = draw(st.integers(0, len(lines) - 1))
        column = draw(st.integers(0, max(len(lines[row]) - 1, 0)))
        what = draw(st.sampled_from(["cell", "cell", "cell", "shorter", "longer", "row", "again", "column"]))
        cell = draw(
            st.sampled_from(
                [
                    "",
                    "nan",
                    "inf",
                    "-inf",
                    "1e999",
                    "-1",
                    "x",
                    "9" * 5000,
                    "1_0",
                    " 1",
                    "0x1",
                    '"',
                    '"a\nb"',
                    "é",
                    "\0",
                    "epoch",
                ]
            )
        )
        if what == "cell" and lines[row]:
            lines[row][column] = cell
        elif what == "shorter":
            lines[row] = lines[row][:column]
        elif what == "longer":
            lines[row] += [cell] * draw(st.sampled_from([1, 3, 1000]))
        elif what == "row":
            del lines[row]
        elif what == "again":
            lines.append(lines[row])
        else:
            lines = [line[:column] + line[column + 1 :] for line in lines]
        lines = lines or [[""]]
    return "\n".join(",".join(line) for line in lines).encode()


def _arrays(draw: st.DrawFn) -> dict[str, Any]:
    labels = np.arange(NUM_IMAGES) % 2
    logits = np.eye(2, dtype=np.float16)[labels]
    kind = draw(st.integers(0, 15))
    changes: list[dict[str, Any]] = [
        {"labels": labels + 5},
        {"labels": labels - 1},
        {"labels": labels.astype(float)},
        {"labels": labels[:-1]},
        {"labels": labels.astype(bool)},
        {"labels": labels.astype(np.uint8)},
        {"labels": np.array([object()] * NUM_IMAGES), "logits": logits},
        {"labels": labels.reshape(2, -1)},
        {"labels": labels[:0], "logits": logits[:0]},
        {"logits": logits[:, :1]},
        {"logits": np.full(logits.shape, np.inf, np.float16)},
        {"logits": np.full(logits.shape, 65504, np.float16)},
        {"logits": logits.astype(np.complex64)},
        {"logits": logits.astype(np.float64) * 1e300},
        {"logits": np.zeros((NUM_IMAGES, 0), np.float16)},
        {"logits": 1 - logits},
    ]
    return {"labels": labels, "logits": logits} | changes[kind]


def edit_npz(draw: st.DrawFn, content: bytes) -> bytes:
    arrays = _arrays(draw)
    if draw(st.integers(0, 5)) == 3:
        arrays.pop(draw(st.sampled_from(["labels", "logits"])))
    buffer = io.BytesIO()
    save: Callable[..., None] = draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(buffer, **arrays)
    return buffer.getvalue()


@dataclass(frozen=True)
class Harm:
    """A change of the results: a file gets other content, becomes another kind of file, or a folder is added."""

    file: str
    content: bytes | None
    other: str = ""

    def do(self, results: Path) -> None:
        path = results / self.file
        if self.other == "copy":
            shutil.copytree(next(results.glob("default/bn-s0-*")), path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if self.content is not None:
            path.write_bytes(self.content)
        elif self.other == "folder":
            path.mkdir()
        elif self.other == "loop":
            path.symlink_to(path.name)
        elif self.other == "pipe":
            os.mkfifo(path)
        elif self.other == "device":
            path.symlink_to("/dev/zero")

    @property
    def is_of_a_run(self) -> bool:
        return self.file.endswith(RUN_FILES)


_OTHERS = ("folder", "loop", "pipe", "device", "gone")
_FOLDERS = (
    *(
        "x",
        "é",
        "a b",
        "a\nb",
        "a\x1b[31mb",
        "\udcff",
        "[red]",
        "x" * 200,
        "-x",
        "=x",
        "$x$",
        "%s",
        ".hidden",
        "tuning/x",
    ),
    *("default/x", "default/\u202ex", "default/tuning/x", "default/bn-s0-1a2b3c4d/x", "run.json"),
)


@st.composite
def harms(draw: st.DrawFn, results: Path) -> Harm:
    """Harm to a file of a run or of the experiment, or a new file beside them. `results` are those without harm."""
    if draw(st.integers(0, 9)) == 6:
        return draw(_additions())
    runs = sorted(path.parent.name for path in results.glob("default/*/run.json"))
    name = draw(st.sampled_from([*RUN_FILES, *RUN_FILES, *EXPERIMENT_FILES, "run.json"]))
    folder = "default" if name in EXPERIMENT_FILES else f"default/{draw(st.sampled_from(runs))}"
    file = f"{folder}/{name}"
    if not (results / file).is_file():
        file, name = f"{folder}/run.json", "run.json"
    content = (results / file).read_bytes()
    edit = {".json": edit_json, ".csv": edit_csv, ".npz": edit_npz}[Path(name).suffix]
    how = draw(st.sampled_from(["edit", "edit", "edit", "edit", "damage", "damage", "text", "other"]))
    if how == "other":
        return Harm(file, None, draw(st.sampled_from(_OTHERS)))
    if how == "text":
        return Harm(file, draw(st.sampled_from(_TEXTS)))
    return Harm(file, edit(draw, content) if how == "edit" else damage_bytes(draw, content))


@st.composite
def _additions(draw: st.DrawFn) -> Harm:
    """Folders of other tools, or of normbench in odd places."""
    folder = draw(st.sampled_from(_FOLDERS))
    if draw(st.booleans()):
        return Harm(folder, None, "copy")
    names = ["run.json", "config.yaml", "checkpoint.safetensors", "metrics.csv", "notes.txt"]
    file = f"{folder}/{draw(st.sampled_from(names))}"
    if draw(st.booleans()):
        return Harm(file, None, draw(st.sampled_from(_OTHERS[:-1])))
    return Harm(
        file,
        draw(st.one_of(st.sampled_from(_TEXTS), st.binary(max_size=20), st.just(b"norm: bn\ntrain: 1\nseeds: [0]"))),
    )


_BY = (
    "train.batch_size",
    "train.lr",
    "norm.num_groups",
    "seed",
    "model.dropout",
    "data.num_train",
    "environment.torch",
    "x",
)
_WHERE = (
    "seed=0",
    "status=finished",
    "train.epochs=2",
    "label=BN",
    "data.fingerprint=abab",
    "environment.threads=2",
    "x=1",
    "norm.kind=",
)
_ONLY = ("norms", "grid", "pairs", "metrics", "time_to", "calibration", "classes", "runs")


@st.composite
def questions(draw: st.DrawFn) -> list[str]:
    """Options of `compare`, most of which are valid."""
    asked: list[str] = []
    for flag in ("--all-pairs", "--full", "--runs", "--calibration", "--per-class", "--quiet"):
        asked += [flag] if draw(st.booleans()) else []
    for flag, values in {
        "--to-accuracy": ("50", "75.5"),
        "--by": _BY,
        "--where": _WHERE,
        "--only": _ONLY,
        "--baseline": ("GN(4)", "ln", "in"),
        "--experiment": ("default",),
        "--delta": ("5",),
    }.items():
        chance = {"--to-accuracy": 1, "--by": 3}.get(flag, 7)
        asked += [flag, draw(st.sampled_from(values))] if draw(st.integers(0, chance)) == chance else []
    asked += ["--strict"] if draw(st.integers(0, 7)) == 7 else []
    return [*asked, "--format", draw(st.sampled_from(["table", "md", "csv", "json", "latex"]))]


@st.composite
def figures(draw: st.DrawFn) -> list[str]:
    return ["--figures", "FIGURES", *draw(st.sampled_from([[], [], ["--by", "train.batch_size"]])), "--format", "csv"]


@st.composite
def pairs_of_runs(draw: st.DrawFn, results: Path) -> list[str]:
    """McNemar's test of two runs, which may be the same run, and harmed."""
    runs = sorted(f"RESULTS/{record.parent.relative_to(results)}" for record in results.glob("default/*/run.json"))
    both = [draw(st.sampled_from(runs)) for _ in range(2)]
    return ["--mcnemar", *both, "--format", draw(st.sampled_from(["table", "json", "csv"]))]
