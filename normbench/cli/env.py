"""`normbench env`: what a bug report needs to say about a machine and an installation."""

import os
import shutil
import sys
from typing import Annotated, Any

import typer

from normbench.cli.output import TableFormat, console, loading

EXAMPLE = "Example: [bold]normbench env --format md[/bold]"


def env(format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table) -> None:
    """Versions, processor, devices, folders and variables: what a bug report should hold."""
    with loading():
        from normbench.present.tables.render import render
        from normbench.present.tables.run_list import environment_table

        known = _known()
    render(environment_table(known), format_, console())


def _known() -> dict[str, Any]:
    import torch

    from normbench.files import cache_folder
    from normbench.runs.environment import environment_now
    from normbench.train.machine import num_cores

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        **environment_now(torch.device("cpu")),
        "cores": num_cores(),
        "gpu": ", ".join(devices) or None,
        "cuda": torch.version.cuda,
        "compiler": shutil.which(os.environ.get("CXX", "c++")),
        "cache": str(cache_folder()),
        "encoding": getattr(sys.stdout, "encoding", None),
        "terminal": f"{os.environ.get('TERM', 'none')}, {shutil.get_terminal_size().columns} columns",
        **{name: value for name, value in sorted(os.environ.items()) if name.startswith("NORMBENCH_")},
    }
