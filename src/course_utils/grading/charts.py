"""The two figures of a class summary, as SVG within the page, each with its words.

A figure is for the eye; its label says the same numbers to those who listen. No text of a student
ever gets into one.
"""

import html
import io
import math
import re
from collections.abc import Sequence

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from course_utils.plotting import AMBER, BLUE, GREEN, GREY, ORANGE, use_style

_COLOURS = {"right": GREEN, "partly": AMBER, "wrong": ORANGE, "blank": GREY}
_NAMES = {"right": "right", "partly": "partly", "wrong": "not yet", "blank": "blank"}
_UNDATED = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def histogram(scores: Sequence[float], most: float) -> Markup:
    """How many submissions earned how many points.

    Args:
        scores: Points of each submission, 0 to ``most``.
        most: The most there is to earn.
    """
    width = 10 if most >= 50 else most / 5
    edges = [i * width for i in range(math.ceil(most / width))]
    counts = [0] * len(edges)
    for score in scores:
        counts[min(int(score // width), len(edges) - 1)] += 1
    ends = [min(edge + width, most) for edge in edges]
    with mpl.rc_context():
        use_style()
        figure = Figure(figsize=(5.4, 2.6))
        ax = figure.subplots()
        spans = [end - edge for edge, end in zip(edges, ends, strict=True)]
        bars = ax.bar(edges, counts, width=spans, align="edge", color=BLUE, edgecolor="white")
        ax.bar_label(bars, [str(count) if count else "" for count in counts], padding=1, fontsize=9)
        ax.set(xlabel="points", ylabel="submissions", xticks=[*edges, most])
        ax.margins(y=0.12)
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.grid(axis="x", visible=False)
        rows = zip(edges, ends, counts, strict=True)
        said = ", ".join(f"{low:g} to {high:g} points: {count}" for low, high, count in rows)
        return _svg(figure, f"Histogram of the scores. Submissions with {said}.", "scores")


def outcomes(labels: Sequence[str], counts: Sequence[dict[str, int]]) -> Markup:
    """How each question came out, one bar for each.

    Args:
        labels: One for each question, from top to bottom.
        counts: For each question, how many are right, partly, wrong and blank.
    """
    with mpl.rc_context():
        use_style()
        figure = Figure(figsize=(5.4, 0.9 + 0.34 * len(labels)))
        ax = figure.subplots()
        left = [0] * len(labels)
        for status, colour in _COLOURS.items():
            sizes = [count[status] for count in counts]
            ax.barh(labels, sizes, left=left, color=colour, edgecolor="white", label=_NAMES[status])
            left = [a + b for a, b in zip(left, sizes, strict=True)]
        ax.invert_yaxis()
        ax.set(xlabel="submissions")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(axis="y", visible=False)
        figure.legend(loc="outside upper center", ncols=4, fontsize=9, handlelength=1.2)
        said = "; ".join(
            f"{label}: " + ", ".join(f"{count[s]} {name}" for s, name in _NAMES.items())
            for label, count in zip(labels, counts, strict=True)
        )
        return _svg(figure, f"Bars, hardest question first. {said}.", "outcomes")


def _svg(figure: Figure, words: str, name: str) -> Markup:
    """The figure as an SVG element with a label, and with identifiers of its own."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=_UNDATED)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    label = f'<svg role="img" aria-label="{html.escape(words)}"'
    return Markup(text.replace("<svg", label, 1))
