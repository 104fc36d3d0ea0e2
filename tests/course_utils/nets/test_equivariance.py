"""One suite for all: each architecture keeps the structure it is made for, an MLP keeps none."""

import itertools

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.convolution import convolution_matrix
from course_utils.nets.equivariance import (
    commuting_maps,
    equivariance_gap,
    looks_ahead,
    unchanged,
)
from course_utils.nets.graph_layers import GraphNet
from course_utils.nets.mlp import mlp
from course_utils.nets.recurrent import LSTM
from course_utils.nets.sets import SetLayer, SetNet
from course_utils.nets.transformer import Block
from course_utils.worlds.graphs import GilbertGraphs

N = 6


def shift(x):
    return x.roll((1, 2), (-2, -1))


def permuted(x):
    return x[..., [3, 0, 5, 1, 4, 2], :]


class Flat(nn.Module):
    """A perceptron that reads all numbers of an input as one vector and writes as many as asked."""

    def __init__(self, shape_in, shape_out):
        super().__init__()
        self.shape = shape_out
        sizes = torch.Size(shape_in).numel(), torch.Size(shape_out).numel()
        self.net = mlp(sizes[0], [32], sizes[1])

    def forward(self, x):
        return self.net(x.flatten(1)).reshape(len(x), *self.shape)


def cnn():
    layers = [nn.Conv2d(2, 8, 3, padding=1, padding_mode="circular"), nn.SiLU()]
    return nn.Sequential(*layers, nn.Conv2d(8, 2, 3, padding=1, padding_mode="circular")).double()


@pytest.mark.concept("nn.inductive-bias")
def test_convolutions_follow_a_shifted_picture_and_an_mlp_does_not(generator):
    x = torch.randn(1, 2, N, N, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    assert equivariance_gap(cnn(), x, shift, shift) < 1e-12
    flat = Flat((2, N, N), (2, N, N)).double()
    assert equivariance_gap(flat, x, shift, shift) > 0.1


@pytest.mark.concept("nn.inductive-bias")
def test_recurrence_and_causal_attention_never_look_ahead_and_an_mlp_does(generator):
    x = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    lstm, block = LSTM(4, 6).double(), Block(4, 2, causal=True).double()
    assert looks_ahead(lambda h: lstm(h[None])[0][0], x) == 0
    assert looks_ahead(lambda h: block(h[None])[0], x) == 0
    both_ways = Block(4, 2, causal=False).double()
    assert looks_ahead(lambda h: both_ways(h[None])[0], x) == 1
    flat = Flat((5, 4), (5, 4)).double()
    assert looks_ahead(lambda h: flat(h[None])[0], x) == 1


@pytest.mark.concept("nn.inductive-bias")
def test_a_graph_network_is_renumbered_with_its_graph_and_an_mlp_is_not(generator):
    adjacency = GilbertGraphs(N, 0.5).sample(3, generator=generator).double()
    features = torch.randn(3, N, 2, generator=generator, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    renumbered = adjacency[:, order][:, :, order]
    torch.manual_seed(0)
    net = GraphNet([2, 8, 4]).double()
    gap = (net(renumbered, features[:, order]) - net(adjacency, features)[:, order]).abs().max()
    assert gap < 1e-12
    flat = mlp(N * N + 2 * N, [32], N * 4).double()

    def read(a, h):
        return flat(torch.cat([a.flatten(1), h.flatten(1)], 1)).reshape(3, N, 4)

    gap = (read(renumbered, features[:, order]) - read(adjacency, features)[:, order]).abs().max()
    assert gap > 0.05


@pytest.mark.concept("nn.inductive-bias")
@pytest.mark.parametrize("pool", ["max", "mean", "sum"])
def test_a_network_on_sets_does_not_see_the_order_and_an_mlp_does(pool, generator):
    x = torch.randn(3, N, 3, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    net = SetNet(3, [8, 16], 4, pool=pool).double()
    assert equivariance_gap(net, x, permuted, unchanged) < 1e-12
    assert net(x[:, :4]).shape == (3, 4)
    layer = SetLayer(3, 5).double()
    assert equivariance_gap(layer, x, permuted, permuted) < 1e-12
    flat = mlp(3 * N, [32], 4).double()
    assert equivariance_gap(lambda h: flat(h.flatten(1)), x, permuted, unchanged) > 0.1


@pytest.mark.concept("nn.inductive-bias")
def test_a_layer_on_sets_is_its_formula_point_by_point(generator):
    layer = SetLayer(2, 5).double()
    x = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    for i in range(4):
        mean = sum(x[j] for j in range(4)) / 4
        wanted = layer.own.weight @ x[i] + layer.own.bias + layer.all.weight @ mean
        torch.testing.assert_close(layer(x)[i], wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.inductive-bias")
def test_what_a_pool_can_see(generator):
    """A doubled set has the same maximum and mean, and another sum."""
    x = torch.randn(2, N, 3, generator=generator, dtype=torch.float64)
    double = torch.cat([x, x], 1)
    for pool, same in (("max", True), ("mean", True), ("sum", False)):
        torch.manual_seed(0)
        net = SetNet(3, [8, 16], 4, pool=pool).double()
        assert bool((net(x) - net(double)).abs().max() < 1e-12) == same


def shifts(size):
    return torch.eye(size, dtype=torch.float64).roll(1, 0)


def swap(size):
    order = [1, 0, *range(2, size)]
    return torch.eye(size, dtype=torch.float64)[order]


@pytest.mark.concept("nn.inductive-bias")
@pytest.mark.parametrize("size", [3, 5, 8])
def test_what_commutes_with_shifts_is_a_convolution(size, generator):
    maps = commuting_maps([shifts(size)])
    assert len(maps) == size
    for matrix in maps:
        kernel = matrix[0][None, None]
        torch.testing.assert_close(convolution_matrix(kernel, size), matrix, atol=1e-10, rtol=0)


@pytest.mark.concept("nn.inductive-bias")
@pytest.mark.parametrize("size", [3, 4, 6])
def test_what_commutes_with_all_permutations_has_two_numbers(size):
    """A shift and a swap generate all permutations; each is tried on the basis."""
    maps = commuting_maps([shifts(size), swap(size)])
    assert len(maps) == 2
    eye, ones = torch.eye(size).double(), torch.ones(size, size).double()
    for matrix in maps:
        rest = matrix - matrix[0, 1] * ones - (matrix[0, 0] - matrix[0, 1]) * eye
        assert rest.abs().max() < 1e-12
        for order in itertools.permutations(range(size)):
            p = eye[list(order)]
            assert (matrix @ p - p @ matrix).abs().max() < 1e-12


@pytest.mark.concept("nn.inductive-bias")
def test_what_commutes_with_reversal_as_well_is_a_symmetric_kernel():
    """Half as many numbers and the middle: 1 + floor(n / 2)."""
    for size in (4, 5, 8):
        reverse = torch.eye(size, dtype=torch.float64).flip(0)
        assert len(commuting_maps([shifts(size), reverse])) == 1 + size // 2
    assert len(commuting_maps([torch.eye(4, dtype=torch.float64)])) == 16


def test_the_gap_is_relative_and_measures_the_change():
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    assert equivariance_gap(lambda h: 10 * h, x, lambda h: h + 1, unchanged) == 0.5
    assert equivariance_gap(lambda h: 10 * h, x, lambda h: 3 * h, lambda h: 3 * h) == 0


def test_wrong_arguments_get_one_line(as_user):
    x = torch.zeros(2, 3)
    for call, line in (
        (lambda: equivariance_gap(lambda h: h, x, lambda h: h[:1], unchanged), "function: expect"),
        (lambda: looks_ahead(lambda h: h, x[:1]), "x: expected at least two steps, got one"),
        (lambda: looks_ahead(lambda h: h.sum(), x), "function: expected one row for each of 2 st"),
        (lambda: commuting_maps([]), "generators: expected at least one matrix, got none"),
        (lambda: commuting_maps([torch.eye(2), torch.eye(3)]), "generators: expected shape (2, 2"),
        (lambda: SetNet(3, [], 1), "hidden: expected a whole number >= 1, got 0"),
        (lambda: SetNet(3, [4], 1, pool="min"), "pool: expected one of 'max', 'mean', 'sum'"),
        (lambda: SetLayer(0, 1), "num_inputs: expected a whole number >= 1, got 0"),
        (lambda: GraphNet([3]), "sizes: expected at least two numbers, got [3]"),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert line in str(raised.value) and "\n" not in str(raised.value)
