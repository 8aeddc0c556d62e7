"""The structure that docs/architecture.md describes: imports follow the flow, and starting the program stays quick."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import normbench
from normbench.config import load_config, load_experiment, shipped_configs
from normbench.runs.registries import REGISTRIES

PACKAGE = Path(normbench.__file__).parent
FLOW = (
    *(
        "errors",
        "text",
        "files",
        "locks",
        "deferred",
        "plugins",
        "analysis.stats",
        "config",
        "data",
        "norms",
        "models",
        "kernels",
        "train",
        "plots",
    ),
    *("runs", "analysis.compare", "analysis.values", "sweeps", "bench", "explain", "export"),
    *("present.tables", "present.report", "present.page", "present.terminal", "cli"),
)
"""Parts of the package. A module imports its own part and parts before it."""

FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""Every module of the package by its dotted name."""


def imported_by(path: Path) -> Iterator[str]:
    """Dotted names of the modules that a file imports, and of what it takes from them, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name: str) -> str | None:
    """The module of the package that the dotted name is or lies in; None for a name of another package."""
    while name and name not in FILES:
        name = name.rpartition(".")[0]
    return name or None


IMPORTS = {
    module: {found for name in imported_by(path) if (found := module_of(name)) not in (None, module, "normbench")}
    for module, path in FILES.items()
}
"""module -> the modules of the package that it imports."""


def part_of(module: str) -> str | None:
    """The part in FLOW that a module belongs to; None for the package itself and for folders that hold parts only."""
    inside = module.removeprefix("normbench").removeprefix(".")
    return next((part for part in FLOW if f"{inside}.".startswith(f"{part}.")), None)


@pytest.mark.parametrize("module", FILES)
def test_imports_follow_the_flow(module: str) -> None:
    here = part_of(module)
    if here is None:
        assert FILES[module].name in ("__init__.py", "__main__.py"), f"a new part needs its place in the flow: {module}"
        return
    against = {name for name in IMPORTS[module] if FLOW.index(part_of(name) or "errors") > FLOW.index(here)}
    assert not against, f"{here} imports {against}, which come after it"


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")


READERS = ["analysis.stats", "analysis.compare", "analysis.values", "present.tables", "present.report"]


def parts_imported(part: str) -> set[str | None]:
    return {part_of(name) for module in FILES if part_of(module) == part for name in IMPORTS[module]}


@pytest.mark.parametrize(
    "part", ["analysis.stats", "analysis.compare", "analysis.values", "present.tables", "present.report"]
)
def test_what_reads_results_does_not_import_training(part: str) -> None:
    assert "train" not in parts_imported(part)


def test_a_comparison_is_read_tabulated_and_drawn_without_torch() -> None:
    """Importing torch takes longer than comparing a thousand runs; only the images of a figure need it."""
    modules = [name for name in FILES if (part_of(name) or "").startswith("analysis.")]
    modules += [f"normbench.present.report.{name}" for name in ("document", "figures", "tables")]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", ["plots", "analysis.stats"])
def test_figures_and_statistics_are_functions_of_plain_data(part: str) -> None:
    assert parts_imported(part) <= {"errors", "text", "files", "analysis.stats", part}


def test_training_knows_neither_yaml_nor_rich_nor_norms() -> None:
    assert not {"config", "norms"} & parts_imported("train")
    files = [path for module, path in FILES.items() if part_of(module) == "train"]
    assert not {"yaml", "rich"} & {name.split(".")[0] for path in files for name in imported_by(path)}


def test_no_test_imports_another() -> None:
    for path in Path(__file__).parent.rglob("*.py"):
        assert not [name for name in imported_by(path) if re.match(r"tests\..*\btest_", name)], path


TESTS_THAT_PATCH = {
    "end_to_end/test_machine_failures.py": "the system's clock cannot be set back",
    "robustness/config_runs.py": "whatever data and length a config names, a few images are trained on for one step",
    "tiny_cifar10.py": "the hashes of the official archive are constants, which no setting may replace",
}
"""The files that replace a name of the package, and why there is no other way."""


def names_patched(path: Path) -> Iterator[str]:
    """Modules and names of the package that a file replaces, in whole or in part, by `setattr` or `patch`."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in nodes:
        if isinstance(node, ast.Call) and node.args and re.search(r"\b(setattr|patch)\b", ast.unparse(node.func)):
            target = node.args[0]
            root = target.value if isinstance(target, ast.Constant) else ast.unparse(target).partition(".")[0]
            name = imported.get(str(root), str(root))
            if name.startswith("normbench."):
                yield name


def test_tests_leave_the_names_of_the_package_alone() -> None:
    here = Path(__file__).parent
    patching = {path.relative_to(here).as_posix() for path in here.rglob("*.py") if any(names_patched(path))}
    assert patching == set(TESTS_THAT_PATCH)


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


QUICK = {
    "--help": 0,
    "train --help": 0,
    "explain axes --help": 0,
    "--version": 0,
    "train --norm gnn": 2,
    "train --config nowhere": 2,
    "train --data-dir nowhere": 3,
    "train --norm bn --norm gm": 2,
    "sweep quickstart --data folder --data-dir nowhere": 3,
    "norms": 0,
    "norms gbn": 0,
    "sweep nowhere": 2,
    "summary --set norm.groups=2": 2,
    "bench --set train.epoch=2": 2,
    "compare nowhere": 2,
}
"""Commands that answer without torch, each with its exit code."""


@pytest.mark.usefixtures("empty_cache")  # a place that is not there is needed only where the cache lacks its images
@pytest.mark.parametrize("arguments", QUICK)
def test_help_and_mistakes_are_answered_without_a_heavy_import(arguments: str, tmp_path: Path) -> None:
    code = (
        "import sys; code = int(sys.argv.pop(1)); sys.argv[0] = 'normbench'\n"
        "from normbench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert (end.code or 0) == code, end.code\n"
        "heavy = {'torch', 'matplotlib', 'scipy', 'numpy'} | ({'pydantic'} if '--help' in sys.argv else set())\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(QUICK[arguments]), *arguments.split()]
    no_cache = os.environ | {"NORMBENCH_CACHE": str(tmp_path)}  # images in a cache would do without their place
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=no_cache)
    assert done.returncode == 0, done.stderr
