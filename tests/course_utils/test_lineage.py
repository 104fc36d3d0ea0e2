"""The graph of models: no circle, no model without a reason, and every reason shown in the book."""

from pathlib import Path

import networkx
import pytest

from course_utils.arguments import ArgumentError
from course_utils.lineage import ROOT, STEPS, Step, ancestry, depths, in_order
from course_utils.tasks import CAPABILITIES

BOOK = Path(__file__).resolve().parents[2] / "book"
GRAPH = networkx.DiGraph((step.parent, step.child) for step in STEPS)
DEFINED_HERE = {ROOT, "Mixture", "Markov chain"}


def step(parent, child):
    return Step(parent, child, "cannot", "adds", "somewhere")


@pytest.mark.concept("ped.construction-paradigm")
def test_the_graph_has_no_circle_and_one_root():
    assert networkx.is_directed_acyclic_graph(GRAPH)
    assert [model for model in GRAPH if GRAPH.in_degree(model) == 0] == [ROOT]
    assert len({(s.parent, s.child) for s in STEPS}) == len(STEPS)


@pytest.mark.concept("ped.construction-paradigm")
def test_every_model_but_the_root_answers_a_shortcoming_shown_by_a_running_cell():
    """The label stands in a chapter, and between it and the next section of its rank is a cell."""
    pages = [path.read_text("utf-8") for path in BOOK.glob("week*/*.md")]
    for edge in STEPS:
        assert edge.shortcoming and edge.operation
        page = next((text for text in pages if f"({edge.shown})=\n" in text), None)
        assert page is not None, edge.shown
        section = page.split(f"({edge.shown})=\n")[1]
        heading = section.split(" ", 1)[0]
        section = section.split(f"\n{heading} ", 1)[0]
        assert "{code-cell}" in section, edge.shown


@pytest.mark.concept("ped.construction-paradigm")
def test_models_have_the_names_of_the_capability_table():
    families = {row.family for row in CAPABILITIES} | DEFINED_HERE
    assert set(GRAPH) <= families


@pytest.mark.concept("ped.construction-paradigm")
def test_order_depth_and_ancestry_are_those_of_networkx():
    order = in_order()
    assert sorted(order) == sorted(GRAPH)
    assert all(order.index(s.parent) < order.index(s.child) for s in STEPS)
    layers = networkx.topological_generations(GRAPH)
    assert depths() == {model: i for i, layer in enumerate(layers) for model in layer}
    for model in GRAPH:
        above = networkx.ancestors(GRAPH, model) | {model}
        steps = ancestry(model)
        assert {s.child for s in steps} | {ROOT} == above | {ROOT}
        assert all(s in STEPS for s in steps)
        children = [s.child for s in steps]
        assert all(s.parent == ROOT or children.index(s.parent) < i for i, s in enumerate(steps))


def test_depth_is_that_of_the_longest_way():
    steps = [step("a", "b"), step("b", "c"), step("a", "c")]
    assert depths(steps) == {"a": 0, "b": 1, "c": 2}
    assert ancestry("b", steps) == steps[:1]
    assert ancestry("a", steps) == []


def test_circles_and_strangers_get_one_line():
    circle = [step("a", "b"), step("b", "a")]
    for call in (in_order, depths, lambda steps: ancestry("a", steps)):
        with pytest.raises(ArgumentError, match="steps: expected no circle, got "):
            call(circle)
    with pytest.raises(ArgumentError, match="model: expected a model of the steps, got 'c'"):
        ancestry("c", circle[:1])
