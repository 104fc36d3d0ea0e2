"""Figures in the course's style: the same colours, fonts and sizes in every chapter.

A chapter calls :func:`use_style` once and then draws with plain Matplotlib; the helpers here cover
the few figures that nearly every chapter repeats. Each of them draws on the axes it is given, or
on new ones, and returns the axes, so that labels and titles can be added afterwards.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from jaxtyping import Num
from matplotlib.axes import Axes
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int

BLUE, ORANGE, GREEN, PINK, SKY, AMBER, GREY = PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#5f6670",
)
"""Colours after Okabe and Ito, told apart with any common colour vision; yellow is left out."""

_STYLE = {
    "figure.figsize": (6.4, 3.6),
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#333b46",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "image.cmap": "gray_r",
    "image.interpolation": "none",
    "svg.hashsalt": "course",
    "svg.fonttype": "path",
}


def use_style() -> None:
    """Set the course's Matplotlib style and, in a notebook, crisp and reproducible SVG output.

    Figures keep a white background in the dark theme too, so that every colour and every grey
    level means the same to all readers. The bytes of a figure depend on nothing but the figure:
    no date, no random identifiers.
    """
    mpl.rcParams.update(_STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})


def image_grid(
    images: Num[Tensor, "batch height width"] | Sequence[Num[Tensor, "height width"]],
    *,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    low: float | None = None,
    high: float | None = None,
    cmap: str = "gray_r",
    ax: Axes | None = None,
) -> Axes:
    """Show small images side by side, row by row, as one picture.

    Args:
        images: Images (batch, height, width) of any real type, all of one size.
        columns: Images per row.
        titles: One short text above each image.
        low: Value drawn with the first colour of ``cmap``; by default the smallest value.
        high: Value drawn with the last colour; by default the largest value.
        cmap: Matplotlib colour map; the default draws large values dark.
        ax: Axes to draw on.

    Returns:
        The axes; the only image in it is the whole grid.

    Raises:
        ArgumentError: No images, images of different sizes, or a wrong number of titles.
    """
    check_int("columns", columns, low=1)
    stack = _stack(images)
    count, height, width = stack.shape
    if titles is not None and len(titles) != count:
        raise ArgumentError(f"titles: expected {count}, one per image, got {len(titles)}")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    gap = max(1, round(0.08 * max(height, width)))
    head = round(0.28 * height) + 1 if titles is not None else 0
    step_down, step_right = gap + head + height, gap + width
    canvas = np.full((rows * step_down + gap, columns * step_right + gap), np.nan)
    corners = [
        (gap + head + step_down * (i // columns), gap + step_right * (i % columns))
        for i in range(count)
    ]
    for (top, left), image in zip(corners, stack, strict=True):
        canvas[top : top + height, left : left + width] = image
    if ax is None:
        inches = 6.4 / max(columns, 4)
        size = (inches * columns, inches * columns * canvas.shape[0] / canvas.shape[1])
        ax = plt.subplots(figsize=size)[1]
    colours = mpl.colormaps[cmap].with_extremes(bad="#dfe3e8" if titles is None else "white")
    ax.imshow(canvas, cmap=colours, vmin=low, vmax=high)
    ax.set_axis_off()
    for (top, left), title in zip(corners, titles or [], strict=False):
        ax.text(left + width / 2 - 0.5, top - 0.9, title, ha="center", va="bottom", fontsize=9)
    return ax


def _stack(images: Any) -> np.ndarray:
    if len(images) == 0:
        raise ArgumentError("images: expected at least one image, got none")
    if not isinstance(images, Tensor):
        sizes = sorted({tuple(image.shape) for image in images})
        if len(sizes) > 1:
            raise ArgumentError(f"images: expected one size, got {sizes}")
        images = torch.stack(list(images))
    return _array(images)


def _array(values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().to(torch.float64).numpy()
    return np.asarray(values, dtype=float)


def heatmap(
    matrix: Num[Tensor, "rows columns"],
    *,
    rows: str = "",
    columns: str = "",
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    unit: str | None = None,
    low: float | None = None,
    high: float | None = None,
    cmap: str = "cividis",
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix as coloured cells, the first row at the top, with a colour bar.

    Args:
        matrix: The values (rows, columns): transition probabilities, a Jacobian, a mask.
        rows: What the rows are, for the vertical axis.
        columns: What the columns are, for the horizontal axis.
        row_labels: One label per row.
        column_labels: One label per column.
        unit: Label of the colour bar; without it there is no bar.
        low: Value of the first colour; by default the smallest value.
        high: Value of the last colour; by default the largest value.
        cmap: Matplotlib colour map.
        ax: Axes to draw on.

    Returns:
        The axes.
    """
    ax = ax or plt.subplots()[1]
    picture = ax.imshow(_array(matrix), cmap=cmap, vmin=low, vmax=high)
    ax.grid(False)
    ax.set(xlabel=columns, ylabel=rows)
    for axis, labels in ((ax.xaxis, column_labels), (ax.yaxis, row_labels)):
        if labels is not None:
            axis.set_ticks(range(len(labels)), labels=list(labels))
    if unit is not None:
        ax.figure.colorbar(picture, ax=ax, label=unit)
    return ax


def bars(
    labels: Sequence[str],
    groups: Mapping[str, Any],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw grouped vertical bars, for instance model beside truth.

    Args:
        labels: One label per place on the horizontal axis.
        groups: Name of a group -> its heights, one per label, in any sequence or tensor.
        ax: Axes to draw on.

    Returns:
        The axes, with a legend when there is more than one group.

    Raises:
        ArgumentError: A group with another number of heights than there are labels.
    """
    ax = ax or plt.subplots()[1]
    width = 0.8 / max(1, len(groups))
    places = np.arange(len(labels))
    for i, (group, values) in enumerate(groups.items()):
        heights = _array(values)
        if heights.shape != (len(labels),):
            raise ArgumentError(
                f"groups[{group!r}]: expected {len(labels)} heights, got shape {heights.shape}"
            )
        ax.bar(places + (i - (len(groups) - 1) / 2) * width, heights, width * 0.92, label=group)
    ax.set_xticks(places, labels=list(labels))
    ax.grid(axis="x", visible=False)
    if len(groups) > 1:
        ax.legend()
    return ax


def learning_curve(
    result: Any,
    *,
    floor: float | None = None,
    floor_label: str = "the world's entropy",
    ylabel: str = "loss in nats per example",
    ax: Axes | None = None,
) -> Axes:
    """Draw a training run: the loss of every step, the validation values, the best of them.

    Args:
        result: What ``training.fit`` returned.
        floor: The value no model can beat on average, when the world knows it.
        floor_label: What the floor is.
        ylabel: Name and unit of the loss.
        ax: Axes to draw on.

    Returns:
        The axes.
    """
    ax = ax or plt.subplots()[1]
    steps = range(1, len(result.losses) + 1)
    ax.plot(steps, result.losses, color=GREY, alpha=0.45, linewidth=0.8, label="training batch")
    if result.validation:
        at, values = zip(*result.validation, strict=True)
        ax.plot(at, values, color=BLUE, marker="o", markersize=3, label="validation")
        best = dict(result.validation).get(result.best_step)
        if best is not None:
            label = f"best, step {result.best_step}"
            ax.plot([result.best_step], [best], "*", color=ORANGE, markersize=12, label=label)
    if floor is not None:
        ax.axhline(floor, color=GREEN, linestyle="--", label=floor_label)
    ax.set(xlabel="step", ylabel=ylabel)
    ax.legend()
    return ax
