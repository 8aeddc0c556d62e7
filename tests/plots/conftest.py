"""Figures as they are saved, for tests that look at what was drawn."""

import io

import matplotlib.figure
import pytest


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[matplotlib.figure.Figure]:
    """Collects each figure as it is saved."""
    saved: list[matplotlib.figure.Figure] = []
    save = matplotlib.figure.Figure.savefig

    def keep(figure: matplotlib.figure.Figure, target: io.BytesIO, **options: object) -> None:
        saved.append(figure)
        save(figure, target, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    return saved
