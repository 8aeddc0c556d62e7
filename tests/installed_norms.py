"""A package that offers norms by name, as if it were installed."""

from pathlib import Path

import pytest


def install_norms(folder: Path, patch: pytest.MonkeyPatch, **norms: str) -> None:
    """Puts `folder` on the import path, with the metadata of a package whose entry points are `norms`."""
    metadata = folder / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in norms.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[normbench.norms]", *lines, ""]))
    patch.syspath_prepend(folder)
