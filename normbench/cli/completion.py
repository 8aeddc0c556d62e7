"""What a shell offers after TAB. Nothing here imports torch: an answer takes as long as `--help`."""

from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any, get_args

Offer = tuple[str, str]
"""A word, and what a shell that shows explanations prints beside it."""


def complete_norm(incomplete: str) -> list[Offer]:
    """Names of norms; those of installed plugins too, which are not imported."""
    from normbench.norms import NORM_REGISTRY, NORMS

    sentences = {kind: (norm.__doc__ or "").partition("\n")[0] for kind, norm in NORMS.items()}
    return [(kind, sentences.get(kind, "plugin")) for kind in NORM_REGISTRY if kind.startswith(incomplete)]


def complete_model(incomplete: str) -> list[Offer]:
    """Names of networks, those of installed plugins too, and Python files here; nothing is imported."""
    from normbench.models.registry import MODEL_REGISTRY, MODELS

    sentences = {name: (model.__doc__ or "").partition("\n")[0] for name, model in MODELS.items()}
    names = [(name, sentences.get(name, "plugin")) for name in MODEL_REGISTRY if name.startswith(incomplete)]
    return [*names, *((path, "") for path in _paths(incomplete) if path.endswith(("/", ".py")))]


def complete_config(incomplete: str) -> list[Offer]:
    """Names of shipped configs, and YAML files and folders here."""
    from normbench.config import shipped_configs

    shipped = [(name, "shipped config") for name in shipped_configs() if name.startswith(incomplete)]
    return [*shipped, *((path, "") for path in _paths(incomplete) if path.endswith(("/", ".yaml")))]


def complete_data(incomplete: str) -> list[Offer]:
    """Names of data sources."""
    from normbench.data.sources.registry import SOURCES

    sentences = {name: (source.__doc__ or "").partition("\n")[0] for name, source in SOURCES.items()}
    return [(name, sentence) for name, sentence in sentences.items() if name.startswith(incomplete)]


def complete_device(incomplete: str) -> list[Offer]:
    return [(name, "") for name in ("auto", "cpu", "cuda", "mps", "xpu") if name.startswith(incomplete)]


def complete_key(incomplete: str) -> list[Offer]:
    """Keys of a config."""
    return [(key, "") for key in _values() if key.startswith(incomplete)]


def complete_assignment(incomplete: str) -> list[Offer]:
    """`key=value`: a key and its `=`, then the values of the key where they have names."""
    key, equals, value = incomplete.partition("=")
    if not equals:
        return [(f"{offer}=", "") for offer, _ in complete_key(incomplete)]
    return [(f"{key}={name}", "") for name in _values().get(key, ()) if name.startswith(value)]


def complete_results(incomplete: str) -> list[Offer]:
    """Folders of experiments and runs: those below `results` where nothing has been typed yet."""
    return [(path, "") for path in _paths(incomplete or "results/") if path.endswith("/")]


def complete_run(incomplete: str) -> list[Offer]:
    """Ids of runs in `results`; folders where a path has been begun."""
    if "/" in incomplete:
        return complete_results(incomplete)
    folders = Path("results").glob(f"*/{escape(incomplete)}*/config.yaml")  # every run begins with this file
    return [(run, "") for run in sorted({config.parent.name for config in folders})]


def _paths(incomplete: str) -> Iterator[str]:
    """Folders, each with a slash, and files whose path begins with `incomplete`."""
    folder, slash, name = incomplete.rpartition("/")
    with suppress(OSError):
        for path in sorted(Path(f"{folder}{slash}" or ".").iterdir()):
            if path.name.startswith(name) and (name or not path.name.startswith(".")):
                yield f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"


def _values() -> dict[str, tuple[str, ...]]:
    """Every key of a config, with the names that it takes; () for numbers and text."""
    from normbench.config.choices import options_of
    from normbench.config.overrides import ALIASES
    from normbench.config.schema import CHOICES, SECTIONS
    from normbench.config.tree import dotted
    from normbench.runs.registries import registries

    keys = {
        (*section, name): field for section, model in SECTIONS.items() for name, field in model.model_fields.items()
    }
    found = {dotted(key): _named(field.annotation) for key, field in keys.items() if key not in SECTIONS}
    known = registries(plugins=False)
    found |= dict.fromkeys(ALIASES, ()) | {"data.source": tuple(known["data.source"])}
    for key in map(dotted, CHOICES):
        found[key] = tuple(known[key])
        found |= {f"{key}.{option}": () for function in known[key].values() for option in options_of(function)}
    return found


def _named(annotation: Any) -> tuple[str, ...]:
    """The names of a Literal."""
    return tuple(name for name in get_args(annotation) if isinstance(name, str))
