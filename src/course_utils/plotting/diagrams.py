"""Diagrams of graphs: circles, arrows, links and plates at places that the caller chooses."""

from collections.abc import Collection, Iterable, Mapping

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from course_utils.arguments import ArgumentError
from course_utils.plotting.figures import GREY, SKY

Place = tuple[float, float]
"""Where a node is drawn: to the right, and up."""


def diagram(
    places: Mapping[str, Place],
    arrows: Iterable[tuple[str, str]] = (),
    *,
    links: Iterable[tuple[str, str]] = (),
    shaded: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    plates: Mapping[str, tuple[float, float, float, float]] | None = None,
    radius: float = 0.3,
    ax: Axes | None = None,
) -> Axes:
    """Draw a graph of named nodes.

    Args:
        places: Name of each node -> where its centre is; one unit is the same in both directions.
        arrows: Pairs (from, to).
        links: Pairs joined by a line without a head.
        shaded: Nodes that are filled: by custom, those that are observed.
        labels: What is written in a node, where it is not its name.
        plates: Words in the corner of a frame -> its left, bottom, right and top.
        radius: Radius of the nodes.
        ax: Axes to draw on.

    Returns:
        The axes, without ticks.

    Raises:
        ArgumentError: An arrow, a link or a shaded node that has no place.
    """
    pairs = [(*pair, "-|>") for pair in arrows] + [(*pair, "-") for pair in links]
    unknown = {name for a, b, _ in pairs for name in (a, b)} | set(shaded)
    if unknown - set(places):
        raise ArgumentError(
            f"places: expected all nodes, got none for {sorted(unknown - set(places))}"
        )
    ax = ax or plt.subplots()[1]
    circles = {}
    for name, place in places.items():
        face = SKY if name in shaded else "white"
        circles[name] = ax.add_patch(
            Circle(place, radius, facecolor=face, edgecolor="black", zorder=2)
        )
        text = (labels or {}).get(name, name)
        ax.text(*place, text, ha="center", va="center", fontsize=9, zorder=3)
    for a, b, style in pairs:
        ends = {"patchA": circles[a], "patchB": circles[b], "shrinkA": 0, "shrinkB": 0}
        look = {"arrowstyle": style, "mutation_scale": 13, "color": GREY, "zorder": 1}
        ax.add_patch(FancyArrowPatch(places[a], places[b], **ends, **look))
    for text, (left, bottom, right, top) in (plates or {}).items():
        look = {"boxstyle": "round,pad=0.02", "facecolor": "none", "edgecolor": GREY}
        ax.add_patch(FancyBboxPatch((left, bottom), right - left, top - bottom, **look))
        ax.text(right - 0.08, bottom + 0.06, text, ha="right", va="bottom", fontsize=8, color=GREY)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.margins(0.05)
    ax.set_axis_off()
    return ax
