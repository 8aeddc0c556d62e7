"""One run by the name that a user gives it."""

from collections.abc import Sequence
from pathlib import Path

from normbench.errors import ConfigError
from normbench.runs.folder import RunFolder, find_runs
from normbench.text import listed, nearest, printable


def find_run(name: str, places: Sequence[Path]) -> RunFolder:
    """The run that `name` names: by its folder, or by its run id or the beginning of it, found below `places`.

    Raises ConfigError for a name that no run or several have.
    """
    path = Path(name)
    if path.name == RunFolder(path).record.name and path.is_file():
        path = path.parent
    if path.is_dir():
        return RunFolder(path)
    runs = find_runs(places)
    found = [run for run in runs if run.path.name == name] or [run for run in runs if run.path.name.startswith(name)]
    if not found:
        where = ", ".join(printable(place) for place in places)
        near = nearest(name, [run.path.name for run in runs])
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"{printable(name)}: neither a folder nor the id of a run in {where}{hint}")
    if len(found) > 1:
        paths = listed([printable(run.path) for run in found])
        raise ConfigError(f"{printable(name)}: several runs are meant, give the folder of one: {paths}")
    return found[0]
