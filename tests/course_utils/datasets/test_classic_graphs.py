"""Classic graphs: facts known from the literature, and networkx edge by edge."""

import networkx
import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.datasets import CLASSIC_GRAPHS, classic_graph

FACTS = {
    "karate": (34, 78, {"Mr. Hi": 17, "Officer": 17}),
    "les miserables": (77, 254, {}),
    "florentine": (15, 20, {}),
    "southern women": (32, 89, {"woman": 18, "event": 14}),
}


@pytest.mark.parametrize("name", CLASSIC_GRAPHS)
def test_numbers_of_nodes_edges_and_groups(name):
    graph = classic_graph(name)
    nodes, edges, groups = FACTS[name]
    assert graph.adjacency.shape == (nodes, nodes) and len(graph.node_names) == nodes
    assert graph.adjacency.sum() == 2 * edges
    assert torch.equal(graph.adjacency, graph.adjacency.T)
    assert graph.adjacency.diagonal().sum() == 0
    counts = graph.groups.bincount(minlength=len(groups)).tolist() if groups else []
    assert dict(zip(graph.group_names, counts, strict=True)) == groups
    if not groups:
        assert graph.groups.sum() == 0


def test_edges_and_weights_are_those_of_networkx():
    graph, raw = classic_graph("les miserables"), networkx.les_miserables_graph()
    place = {name: i for i, name in enumerate(graph.node_names)}
    for first, second, data in raw.edges(data=True):
        assert graph.weights[place[first], place[second]] == data["weight"]
    assert graph.weights.sum() == 2 * sum(data["weight"] for *_, data in raw.edges(data=True))


def test_groups_belong_to_their_nodes():
    graph = classic_graph("southern women")
    assert graph.group_names[graph.groups[graph.node_names.index("Evelyn Jefferson")]] == "woman"
    assert graph.group_names[graph.groups[graph.node_names.index("E7")]] == "event"
    women = graph.groups == 0
    assert graph.adjacency[women][:, women].sum() == 0
    club = classic_graph("karate")
    assert club.group_names[club.groups[0]] == "Mr. Hi"
    assert club.group_names[club.groups[33]] == "Officer"


def test_unknown_graph_is_one_clear_line(as_user):
    with pytest.raises(ArgumentError) as error:
        classic_graph("facebook")
    assert str(error.value).startswith("name: expected one of 'karate', 'les miserables'")
    assert str(error.value).endswith("got 'facebook'")
