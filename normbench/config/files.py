"""The files of a config: which file a name means, the chain of files it extends, and how two of them merge."""

from collections.abc import Callable, Mapping
from pathlib import Path

from normbench.config.messages import shown
from normbench.config.problems import Problem, Problems
from normbench.config.schema import CHOICES
from normbench.config.tree import KeyPath, Located
from normbench.config.yaml import parse_yaml, read_text
from normbench.errors import ConfigError
from normbench.text import unknown_name


def shipped_configs() -> dict[str, Path]:
    """Name -> file of the configs that come with normbench: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    folder = inside if inside.is_dir() else package.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_config(source: str | Path) -> Path:
    """The config file that `source` names: a path, else the name of a shipped config with or without `.yaml`.

    A file wins over a shipped config of the same name, a folder does not. Raises ConfigError with the shipped names.
    """
    path, shipped = Path(source), shipped_configs()
    name = str(source).removesuffix(".yaml")
    if _is(path, Path.is_file) or name not in shipped:
        if not _is(path, Path.exists):
            raise ConfigError(f"no such config file: {source}; {unknown_name('shipped config', name, shipped)}")
        return path
    return shipped[name]


def read_layers(path: Path, problems: Problems) -> list[Located]:
    """The trees of a config file and of the files it extends, the base first, each without its `extends`.

    A fault that leaves the rest of a file readable is added to `problems`. Raises ConfigError for a file that cannot be
    read, or that is no mapping.
    """
    layers: list[Located] = []
    seen: list[Path] = []
    following: Path | None = path
    while following is not None:
        seen.append(following)
        root = _read_mapping(following, problems)
        extends = root.value.pop("extends", None)
        layers.insert(0, root)
        following = _extended(extends, seen) if extends else None
    return layers


def merge(base: Located, over: Located, path: KeyPath = (), *, drop_options: bool = True) -> Located:
    """`over` on top of `base`: mappings merge key by key, all else is replaced.

    A choice that gets another name loses the options that it had in `base`. With `drop_options=False` it keeps them:
    of command-line flags the order must not matter.
    """
    label = CHOICES.get(path)
    if label:
        base, over = _as_mapping(base, label), _as_mapping(over, label)
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if label and drop_options and _renames(base.value, over.value, label):
        return over
    merged = dict(base.value)
    for key, value in over.value.items():
        merged[key] = merge(merged[key], value, (*path, key), drop_options=drop_options) if key in merged else value
    return Located(merged, over.place)


def _renames(base: Mapping[str, Located], over: Mapping[str, Located], label: str) -> bool:
    return label in over and (label not in base or over[label].plain() != base[label].plain())


def _as_mapping(choice: Located, label: str) -> Located:
    """`gn` as `{kind: gn}`."""
    return Located({label: choice}, choice.place) if isinstance(choice.value, str) else choice


def _read_mapping(path: Path, problems: Problems) -> Located:
    here = Problems()
    try:
        root = parse_yaml(read_text(path), str(path), here)
        if root is None:  # no document, or one that was refused as a whole
            empty = f"{path}: is empty; a config is a mapping, such as 'norm: gn'"
            raise ConfigError(empty if here.ok else str(here.found.pop()))
    finally:
        problems.extend(here.found)
    if not isinstance(root.value, dict):
        raise ConfigError(f"{path}: must be a mapping, such as 'norm: gn', found {shown(root.plain())}")
    return root


def _extended(extends: Located, seen: list[Path]) -> Path:
    """The file that the last of the `seen` files extends: one beside it, else a shipped config."""
    key: KeyPath = ("extends",)
    if not isinstance(extends.value, str) or not extends.value:
        raise ConfigError(str(Problem(extends.place, key, f"must name one file, found {shown(extends.plain())}")))
    beside = seen[-1].parent / extends.value
    name, shipped = extends.value.removesuffix(".yaml"), shipped_configs()
    if not _is(beside, Path.is_file) and name not in shipped:
        text = f"no such file: {beside}; {unknown_name('shipped config', name, shipped)}"
        raise ConfigError(str(Problem(extends.place, key, text)))
    is_itself = _is(beside, Path.is_file) and beside.resolve() == seen[-1].resolve()
    if is_itself and name in shipped:  # a file may extend the shipped config whose name it has
        beside = shipped[name]
    found = beside if _is(beside, Path.is_file) else shipped[name]
    if found.resolve() in [path.resolve() for path in seen]:
        chain = " -> ".join(str(path) for path in [*seen, found])
        raise ConfigError(str(Problem(extends.place, key, f"the files extend each other in a circle: {chain}")))
    return found


def _is(path: Path, test: Callable[[Path], bool]) -> bool:
    """`test(path)`; False for a path that no system accepts (too long, a null byte)."""
    try:
        return test(path)
    except (OSError, ValueError):
        return False
