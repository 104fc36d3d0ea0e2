"""The figure of a comparison: one panel per world, one dot per model, the truth as a line."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_utils.arguments import ArgumentError
from course_utils.plotting.figures import AMBER, BLUE, GREY

_BESIDE = {"absent": "absent", "failed": "failed"}


def compared(rows: Sequence[Any], metric: str, *, label: str | None = None) -> Figure:
    """Draw one metric of a comparison for all models, world by world.

    A dot is a model's value, with two standard errors to each side; an open dot is a bound. The
    vertical line is what the truth itself scores, the noise floor. Values that are absent, failed
    or infinite are written out beside the axis.

    Args:
        rows: The rows of a comparison: objects with ``model``, ``world``, ``metric``, ``unit``,
            ``value``, ``standard_error``, ``mark`` and ``floor``.
        metric: Name of the metric.
        label: Name of the horizontal axis; the metric and its unit if not given.

    Returns:
        The figure.

    Raises:
        ArgumentError: If no row is of this metric.
    """
    chosen = [row for row in rows if row.metric == metric]
    if not chosen:
        names = sorted({row.metric for row in rows})
        raise ArgumentError(f"metric: expected one of {', '.join(names)}, got {metric!r}")
    worlds = list(dict.fromkeys(row.world for row in chosen))
    models = list(dict.fromkeys(row.model for row in chosen))
    height = 1.0 + 0.32 * len(models)
    figure, axes = plt.subplots(
        1, len(worlds), figsize=(7.2, height), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, world in zip(axes[0], worlds, strict=True):
        panel = {row.model: row for row in chosen if row.world == world}
        _panel(ax, [panel.get(model) for model in models])
        ax.set_title(world)
        ax.set_xlabel(label or _name_and_unit(metric, chosen[0].unit))
    axes[0][0].set_yticks(range(len(models)), models)
    axes[0][0].invert_yaxis()
    return figure


def _name_and_unit(metric: str, unit: str) -> str:
    return f"{metric} ({unit})" if unit else metric


def _panel(ax: Axes, rows: Sequence[Any | None]) -> None:
    floors = [row.floor for row in rows if row is not None and row.floor is not None]
    if floors and math.isfinite(floors[0]):
        ax.axvline(floors[0], color=AMBER, lw=1.5, zorder=0)
    for place, row in enumerate(rows):
        if row is None:
            continue
        if row.mark in _BESIDE or row.value is None or not math.isfinite(row.value):
            said = _BESIDE.get(row.mark, "∞" if row.value and row.value > 0 else "–")
            ax.text(0.02, place, said, transform=ax.get_yaxis_transform(), va="center", color=GREY)
            continue
        error = row.standard_error
        spread = 2 * error if error is not None and math.isfinite(error) else 0.0
        face = "white" if row.mark == "bound" else BLUE
        ax.errorbar(row.value, place, xerr=spread, fmt="o", color=BLUE, mfc=face, ms=6, capsize=2)
    ax.grid(axis="y", visible=False)
