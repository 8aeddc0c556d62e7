"""The structure DESIGN promises: imports follow the flow, configs follow the code, start-up stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import normbench
from normbench.config import load_config, load_experiment, shipped_configs
from normbench.runs.registries import REGISTRIES

PACKAGE = Path(normbench.__file__).parent
FLOW = [
    *("errors", "text", "files", "config", "kernels", "data", "norms"),
    *("models", "train", "runs", "analysis", "plots", "sweeps", "bench", "explain", "present", "cli"),
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    """The parts of normbench a module imports anywhere, inside functions too."""
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("normbench.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_flow(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here in ("__init__", "__main__"):
        return
    parts = imported(ast.parse(path.read_text()))
    assert parts <= set(FLOW), f"a new part needs its place in the flow: {parts - set(FLOW)}"
    against = {part for part in parts if FLOW.index(part) > FLOW.index(here)}
    assert not against, f"{here} imports {against}, which come after it"


@pytest.mark.parametrize("part", ["analysis", "present"])
def test_what_reads_results_does_not_import_training(part: str) -> None:
    for path in (PACKAGE / part).rglob("*.py"):
        assert "train" not in imported(ast.parse(path.read_text())), path


def test_training_knows_neither_yaml_nor_rich_nor_norms() -> None:
    for path in (PACKAGE / "train").rglob("*.py"):
        tree = ast.parse(path.read_text())
        foreign = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not any(name and name.split(".")[0] in ("yaml", "rich") for name in foreign), path
        assert not {"config", "norms"} & imported(tree), path


def test_the_shipped_default_is_the_codes_defaults(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n")
    assert load_config("default", REGISTRIES) == load_config(empty, REGISTRIES)


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_loads(name: str) -> None:
    assert all(run.train.epochs <= 20 for run in load_experiment(name, REGISTRIES).runs)


def test_the_reference_recipe_is_the_documents() -> None:
    config = load_config("reference", REGISTRIES).to_dict()
    assert config["model"]["dropout"] == 0.02
    assert config["data"]["augment"] == [{"name": "randaugment", "p": 0.25}]
    assert config["train"]["batch_size"] == 64
    assert config["train"]["epochs"] == 20
    assert config["train"]["schedule"] == {"name": "step", "step_size": 8, "gamma": 0.1}
    optimizer = config["train"]["optimizer"]
    assert optimizer == {"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["explain", "axes", "--help"], ["--version"]])
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['normbench', *sys.argv[1:]]\n"
        "from normbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
