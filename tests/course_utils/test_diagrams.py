"""Diagrams: every node, arrow, link and plate is drawn once, and arrows end at their circles."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from course_utils import plotting
from course_utils.arguments import ArgumentError


def test_parts_are_drawn_where_they_belong():
    places = {"a": (0, 0), "b": (2, 0), "c": (2, 1)}
    ax = plotting.diagram(
        places,
        [("a", "b")],
        links=[("b", "c")],
        shaded=["c"],
        labels={"a": "first"},
        plates={"n = 5": (1, -1, 3, 2)},
        radius=0.25,
    )
    circles = [p for p in ax.patches if isinstance(p, Circle)]
    assert [tuple(c.center) for c in circles] == list(places.values())
    assert len({c.get_facecolor() for c in circles}) == 2
    assert circles[0].get_facecolor() == circles[1].get_facecolor()
    drawn = [p for p in ax.patches if isinstance(p, FancyArrowPatch)]
    assert len(drawn) == 2
    ax.figure.canvas.draw()
    ends = drawn[0].get_path().vertices
    assert abs(ends[:, 0].max() - 1.75) < 0.1  # at the edge of b, not at its centre
    assert [t.get_text() for t in ax.texts] == ["first", "b", "c", "n = 5"]
    assert sum(isinstance(p, FancyBboxPatch) for p in ax.patches) == 1
    plt.close(ax.figure)


def test_a_node_without_a_place_is_named(as_user):
    with pytest.raises(ArgumentError, match=r"places: expected all nodes, got none for \['z'\]"):
        plotting.diagram({"a": (0, 0)}, [("a", "z")])
