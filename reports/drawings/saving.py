"""Figures as SVG and PNG: the same runs give the same bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marl_eval.reports.drawings import Drawing
from marl_eval.reports.drawings.style import RC

_SIZE = (6.5, 4.2)
_DPI = 200


def as_svg(drawing: Drawing, runs: Sequence[Path]) -> str | None:
    """Draw scored runs; give the text of an SVG file, None if there is nothing to draw."""
    with _drawn(drawing, runs) as figure:
        return None if figure is None else _svg(figure, drawing.title).decode()


def save(drawing: Drawing, runs: Sequence[Path], path: Path) -> bool:
    """Draw scored runs to ``path`` with ``.svg`` and ``.png`` added; say whether there was anything.

    Raises:
        StorageError: if they cannot be written.
    """
    from marl_eval.store import write_whole

    with _drawn(drawing, runs) as figure:
        if figure is None:
            return False
        write_whole(path.with_name(f"{path.name}.svg"), _svg(figure, drawing.title))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
        write_whole(path.with_name(f"{path.name}.png"), buffer.getvalue())
    return True


@contextmanager
def _drawn(drawing: Drawing, runs: Sequence[Path]) -> Iterator[Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(RC), warnings.catch_warnings():
        # The font has no sign for some scripts; it draws a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=_SIZE, layout="constrained")
        yield figure if drawing.draw(figure, runs) else None


def _svg(figure: Any, title: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Title": title, "Date": None, "Creator": None})
    return buffer.getvalue()
