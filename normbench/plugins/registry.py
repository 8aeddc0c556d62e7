"""Names that a config may choose from: the built-in ones, those of installed packages, and those of a user's code."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from normbench.errors import ConfigError
from normbench.plugins.load import Loaded, installed, load, load_installed
from normbench.plugins.names import canonical, is_in_file


class PluginRegistry(Mapping[str, Callable[..., Any]]):
    """name -> function, whose keyword-only parameters are its options.

    A name is built in, the name of an entry point in `group`, or `package.module:Name` or `file.py:Name`. The last
    three are plugins: code from outside, imported when they are looked up, and made a function by `adapt`.

    Iterates over the names that can be listed. A look-up raises KeyError for an unknown name, and ConfigError for a
    plugin that cannot be imported or has another form; without `plugins`, for every plugin.
    """

    what: str
    """What messages call an entry: norm, model."""
    group: str

    def __init__(self, built_in: Mapping[str, Callable[..., Any]], *, plugins: bool = True) -> None:
        self.built_in, self._plugins = built_in, plugins

    def adapt(self, name: str, loaded: Loaded) -> Callable[..., Any]:
        """The plugin as a function with keyword-only options. Raises ConfigError."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> Callable[..., Any]:
        if name in self.built_in:
            return self.built_in[name]
        if not self._plugins and name in self:
            raise ConfigError(
                f"{self.what} {name!r} is code from outside of normbench, and --no-plugins refuses it; "
                f"known: {', '.join(self.built_in)}"
            )
        if _is_place(name):
            return self.adapt(name, load(self.what, name))
        return self.adapt(name, load_installed(self.what, installed(self.group)[name]))

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return name in self.built_in or name in installed(self.group) or (_is_place(name) and canonical(name) == name)

    def __iter__(self) -> Iterator[str]:
        return iter({**self.built_in, **installed(self.group)} if self._plugins else self.built_in)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def resolve(self, name: str, beside: Path | None = None) -> tuple[str, dict[str, Any]] | None:
        """The name of this registry, and the options, that another spelling stands for; None if it stands for nothing.

        `beside` is the folder of the config that has the name.
        """
        found = canonical(name, beside) if _is_place(name) else name
        return (found, {}) if found != name else None


def _is_place(name: str) -> bool:
    return ":" in name or is_in_file(name)
