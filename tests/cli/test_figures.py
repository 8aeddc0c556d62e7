"""`normbench compare --figures`: from run folders to files, and a reason for each figure that cannot be drawn."""

import csv
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from normbench.analysis.compare.compare import Options
from normbench.config import DataConfig
from normbench.data.load import load_dataset
from normbench.errors import ConfigError
from normbench.plots.layout import FigureRequest
from normbench.present.report.figures import draw_comparison, figure_needs
from tests.kernel_cache import with_kernels
from tests.records import compare_folder, make_diverged, make_record, write_run
from tests.tiny import CLASSES, invoke, make_folder

EPOCHS = 3
NUM_TEST = 12


@pytest.fixture
def shown_images(tmp_path: Path) -> SimpleNamespace:
    """A folder of images that a test may change, and the data set in it."""
    place = make_folder(tmp_path / "images", num_train=40, num_test=NUM_TEST // 3)
    dataset = load_dataset(DataConfig(source="folder", dir=str(place)))
    return SimpleNamespace(place=place, dataset=dataset)


@pytest.fixture
def write(tmp_path: Path, shown_images: SimpleNamespace) -> Callable[..., Path]:
    """Writes a run as `normbench train` leaves it, with curves and predictions that get `wrong` images wrong."""

    def write(kind: str, seed: int = 0, wrong: int = 0, **changes: Any) -> Path:
        record = make_record(kind, seed, accuracy=1 - wrong / NUM_TEST, config__train__epochs=EPOCHS, **changes)
        record["config"]["data"]["dir"] = str(shown_images.place)
        fingerprint = shown_images.dataset.fingerprint
        record["data"] |= {"fingerprint": fingerprint, "num_eval": NUM_TEST, "classes": list(CLASSES)}
        record["metrics"]["test_errors"] = wrong
        folder = write_run(tmp_path / "results", record)
        rows = [
            {"epoch": e, "train_loss": 2 / e, "train_accuracy": e / 9, "test_loss": 2 / e, "test_accuracy": e / 8}
            for e in range(1, EPOCHS)
        ]
        rows.append({name: record["metrics"].get(name, EPOCHS) for name in rows[0]})
        with (folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        labels = shown_images.dataset.test.labels.numpy()
        logits = np.eye(3, dtype=np.float16)[labels]
        logits[:wrong] = np.roll(logits[:wrong], 1, axis=1)
        np.savez(folder / "predictions.npz", labels=labels, logits=logits)
        return folder

    return write


def draw(tmp_path: Path, caplog: pytest.LogCaptureFixture, **options: Any) -> tuple[list[str], str]:
    """The names of the files, and all that was logged."""
    needs = figure_needs(options.get("by"))
    comparison, _ = compare_folder(tmp_path / "results", options=Options(**options), needs=needs)
    with caplog.at_level(logging.INFO, logger="normbench"):
        written = draw_comparison(comparison, FigureRequest(tmp_path / "figures"))
    assert sorted(written) == sorted((tmp_path / "figures").iterdir())
    return [path.name for path in written if path.suffix == ".svg"], "\n".join(caplog.messages)


def svg(tmp_path: Path, name: str) -> str:
    return (tmp_path / "figures" / name).read_text()


def test_all_figures_are_drawn_and_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    for kind, wrong in (("bn", 1), ("gn", 3)):
        for seed in (0, 1):
            write(kind, seed, wrong)
    result = invoke("compare", tmp_path / "results", "--figures", tmp_path / "figures")
    assert result.exit_code == 0, result.output
    names = ["confusion-bn", "confusion-gn-4", "curves", "disagreement-bn-gn-4", "seeds"]
    files = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert files == sorted(f"{name}.{ending}" for name in names for ending in ("png", "svg"))
    for name in names:
        assert f"{name}.png and .svg" in result.stderr.replace("\n", "")
    assert "not drawn" not in result.stderr
    assert "BN right, GN(4) wrong: 2 of 12 images" in svg(tmp_path, "disagreement-bn-gn-4.svg")
    assert "folder data, 12 test images, experiment default, 3 epochs" in svg(tmp_path, "curves.svg")


def test_formats_width_and_title_are_options(tmp_path: Path, write: Callable[..., Path]) -> None:
    write("bn")
    folder = tmp_path / "figures"
    layout = ("--figure-format", "pdf,svg", "--figure-format", "PDF", "--width", 3.3, "--no-title")
    result = invoke("compare", tmp_path / "results", "--figures", folder, *layout)
    assert result.exit_code == 0, result.output
    assert {path.suffix for path in folder.iterdir()} == {".pdf", ".svg"}
    text = (folder / "seeds.svg").read_text()
    assert 'width="237.6pt"' in text
    assert "12 test images" not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--figures", "x", "--figure-format", "jpg"), "unknown format 'jpg'.*png, svg, pdf"),
        (("--figures", "x", "--width", "1"), "--width 1: give inches from 2.5 to 30"),
        (("--width", "3.3"), "--width is about pictures: add --figures DIR"),
        (("--no-title",), "--no-title is about pictures"),
        (("--figure-format", "pdf"), "--figure-format is about pictures"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_runs_are_read(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    error = invoke("compare", tmp_path / "nowhere", *options).exception
    assert isinstance(error, ConfigError)
    assert re.search(said, str(error))


def test_json_stays_alone_on_stdout_and_quiet_is_quiet(tmp_path: Path, write: Callable[..., Path]) -> None:
    write("bn")
    arguments = ("compare", tmp_path / "results", "--figures", tmp_path / "figures", "--format", "json", "--quiet")
    result = invoke(*arguments)
    assert json.loads(result.stdout)
    assert result.stderr == ""
    assert (tmp_path / "figures" / "seeds.png").exists()


def test_runs_without_predictions_or_curves_leave_what_can_be_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_run(tmp_path / "results", make_record("bn"))
    names, said = draw(tmp_path, caplog)
    assert names == ["seeds.svg"]
    assert "curves not drawn" in said
    assert "confusion and disagreement not drawn" in said
    assert "metrics.csv" in said
    assert "predictions.npz" in said


def test_all_diverged_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_run(tmp_path / "results", make_diverged("bn"))
    names, said = draw(tmp_path, caplog)
    assert names == ["seeds.svg"]
    assert "curves not drawn: no run finished" in said
    assert "1 diverged" in svg(tmp_path, "seeds.svg")


def test_one_norm_has_no_disagreement(
    tmp_path: Path, write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    write("bn")
    names, said = draw(tmp_path, caplog)
    assert names == ["seeds.svg", "curves.svg", "confusion-bn.svg"]
    assert "disagreement not drawn: that takes predictions of two norms" in said


def test_other_images_are_not_shown(
    tmp_path: Path,
    write: Callable[..., Path],
    shown_images: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write("bn")
    write("gn", wrong=2)
    first = next((shown_images.place / "test" / "cat").iterdir())
    first.write_bytes(next((shown_images.place / "test" / "dog").iterdir()).read_bytes())
    monkeypatch.setenv("NORMBENCH_CACHE", str(with_kernels(tmp_path / "other-cache")))
    names, said = draw(tmp_path, caplog)
    assert "confusion-gn-4.svg" in names
    assert not any(name.startswith("disagreement") for name in names)
    assert "disagreement not drawn: the images here have fingerprint" in said


def test_missing_images_are_named(
    tmp_path: Path,
    write: Callable[..., Path],
    shown_images: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write("bn")
    write("gn", wrong=2)
    shown_images.place.rename(tmp_path / "moved")
    _, said = draw(tmp_path, caplog)
    assert "disagreement not drawn: the images are not at hand" in said
    assert str(shown_images.place) in said


def test_a_damaged_run_is_left_out_and_named(
    tmp_path: Path, write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    write("bn", 0)
    folder = write("bn", 1)
    lines = (folder / "metrics.csv").read_text().splitlines()
    (folder / "metrics.csv").write_text("\n".join(lines[:-1]) + "\n")
    (folder / "predictions.npz").write_bytes(b"PK\x03\x04 damaged")
    names, said = draw(tmp_path, caplog)
    assert "curves.svg" in names
    assert f"metrics.csv: {EPOCHS - 1} epochs, the run has {EPOCHS}" in said
    assert "BN, n = 1" in svg(tmp_path, "curves.svg")
    assert "BN, n = 1: % of each true class" in svg(tmp_path, "confusion-bn.svg")
    assert "leave out" in said


def test_labels_of_other_images_are_left_out(
    tmp_path: Path, write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    write("bn", 0)
    folder = write("bn", 1)
    logits = np.eye(3, dtype=np.float16)[np.zeros(NUM_TEST, int)]
    np.savez(folder / "predictions.npz", labels=np.zeros(NUM_TEST, int), logits=logits)
    _, said = draw(tmp_path, caplog)
    assert "its labels are not those of the images of the comparison" in said


def test_the_key_of_a_sweep_is_the_figures_axis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for batch_size in (8, 64):
        for kind in ("bn", "gn"):
            experiment = f"batch-{batch_size}"
            write_run(
                tmp_path / "results", make_record(kind, experiment=experiment, config__train__batch_size=batch_size)
            )
    names, _ = draw(tmp_path, caplog, by="train.batch_size")
    assert names == ["sweep-train-batch-size.svg"]
    text = svg(tmp_path, names[0])
    for part in (">8<", ">64<", "BN, n = 1", "Batch size (log scale)", "2 experiments"):
        assert part in text
    assert "batch size " not in text  # the values stand on the axis


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    write_run(tmp_path / "results", make_record("bn"))
    (tmp_path / "taken").write_text("")
    result = invoke("compare", tmp_path / "results", "--figures", tmp_path / "taken")
    assert isinstance(result.exception, ConfigError)
    assert "taken: cannot be written" in str(result.exception)


def test_each_set_of_runs_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for epochs in (1, 2, 3):
        name = "default" if epochs < 3 else "other"
        record = make_record("bn", experiment=name, run_id=f"bn-{epochs}", config__train__epochs=epochs)
        write_run(tmp_path / "results", record)
    result = invoke("compare", tmp_path / "results", "--figures", tmp_path / "figures")
    assert result.exit_code == 0, result.output
    drawn = {str(path.relative_to(tmp_path / "figures")) for path in (tmp_path / "figures").glob("*/seeds.png")}
    assert drawn == {"default/seeds.png", "default-2/seeds.png", "other/seeds.png"}
