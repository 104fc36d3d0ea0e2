"""Graph layers against the explicit sum; the colours they can see against networkx's hashes."""

import networkx as nx
import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.nets.graph_layers import GraphLayer, GraphNet, refine_colours


def matrix(graph):
    return torch.from_numpy(nx.to_numpy_array(graph)).long()


def together(*graphs):
    return matrix(nx.disjoint_union_all(graphs))


@pytest.mark.concept("nn.inductive-bias")
def test_layer_is_the_sum_over_the_neighbours(generator):
    graph = nx.gnp_random_graph(7, 0.4, seed=3)
    layer = GraphLayer(2, 3).double()
    h = torch.randn(7, 2, generator=generator, dtype=torch.float64)
    y = layer(matrix(graph), h)
    for i in graph:
        around = sum((h[j] for j in graph.neighbors(i)), torch.zeros(2).double())
        wanted = layer.own.weight @ h[i] + layer.own.bias + layer.neighbours.weight @ around
        torch.testing.assert_close(y[i], wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.inductive-bias")
@pytest.mark.parametrize("seed", range(6))
def test_colours_are_those_of_networkx(seed):
    """Two nodes have one colour if the hashes of their neighbourhoods agree after 14 rounds."""
    one, two = (nx.gnp_random_graph(7, 0.35, seed=10 * seed + i) for i in range(2))
    union = nx.disjoint_union(one, two)
    colours = refine_colours(matrix(union)).tolist()
    nx.set_node_attributes(union, "alike", "kind")
    hashes = nx.weisfeiler_lehman_subgraph_hashes(union, node_attr="kind", iterations=14)
    last = [hashes[node][-1] for node in union]
    for i in union:
        for j in union:
            assert (colours[i] == colours[j]) == (last[i] == last[j])


@pytest.mark.concept("nn.inductive-bias")
def test_a_hexagon_and_two_triangles_look_alike_and_are_not():
    hexagon, triangles = nx.cycle_graph(6), nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))
    assert not nx.is_isomorphic(hexagon, triangles)
    assert refine_colours(together(hexagon, triangles)).unique().numel() == 1
    torch.manual_seed(0)
    net = GraphNet([1, 8, 8, 8]).double()
    ones = torch.ones(6, 1, dtype=torch.float64)
    a, b = net(matrix(hexagon), ones), net(matrix(triangles), ones)
    torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.inductive-bias")
def test_nodes_of_one_colour_get_the_same_features(generator):
    graph = matrix(nx.path_graph(6))
    colours = refine_colours(graph)
    assert colours.tolist() == [0, 1, 2, 2, 1, 0]
    torch.manual_seed(0)
    y = GraphNet([1, 8, 8]).double()(graph, torch.ones(6, 1, dtype=torch.float64))
    torch.testing.assert_close(y, y.flip(0), atol=1e-12, rtol=0)


def test_a_matrix_that_is_no_graph_gets_one_line(as_user):
    for wrong in (torch.tensor([[0, 1], [0, 0]]), torch.zeros(2, 3, dtype=torch.int64)):
        with pytest.raises(ArgumentError, match="adjacency: expected a square symmetric matrix"):
            refine_colours(wrong)
