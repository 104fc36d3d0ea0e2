"""The multilayer perceptron is the composition of affine maps it says it is; known weights."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.mlp import mlp, relu_interpolant, sawtooth


def test_output_is_the_composition_of_affine_maps(generator):
    net = mlp(3, (5, 4), 2, activation=nn.Tanh).double()
    x = torch.randn(7, 6, 3, generator=generator, dtype=torch.float64)
    (w1, b1), (w2, b2), (w3, b3) = (
        (layer.weight, layer.bias) for layer in net if isinstance(layer, nn.Linear)
    )
    hidden = torch.tanh(torch.tanh(x @ w1.T + b1) @ w2.T + b2)
    torch.testing.assert_close(net(x), hidden @ w3.T + b3)


def test_no_hidden_layer_is_one_affine_map():
    net = mlp(3, (), 2, dropout=0.5)
    assert [type(layer) for layer in net] == [nn.Linear]


def test_dropout_acts_on_hidden_units_in_training_only():
    torch.manual_seed(0)
    net = mlp(2, (400,), 400, activation=nn.Identity, dropout=0.25)
    with torch.no_grad():
        for layer in (net[0], net[-1]):
            layer.weight.zero_()
            layer.bias.zero_()
        net[0].bias.fill_(1)
        net[-1].weight.copy_(torch.eye(400))
    kept = net(torch.zeros(1, 2)) != 0
    share = kept.double().mean().item()
    assert abs(share - 0.75) < 4 * (0.25 * 0.75 / 400) ** 0.5
    assert (net.eval()(torch.zeros(1, 2)) == 1).all()


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^dropout: expected a number >= 0 and < 1, got 1"):
        mlp(2, (3,), 1, dropout=1)
    with pytest.raises(ArgumentError, match=r"^hidden: expected a whole number >= 1, got 0$"):
        mlp(2, (0,), 1)


@pytest.mark.concept("nn.mlp")
def test_rectifiers_reproduce_a_piecewise_linear_function(generator):
    """The other road: numpy's interpolation between the same points."""
    knots = torch.rand(9, generator=generator, dtype=torch.float64).sort().values
    values = torch.randn(9, generator=generator, dtype=torch.float64)
    network = relu_interpolant(knots, values)
    assert network[0].out_features == 8
    x = torch.linspace(float(knots[0]), float(knots[-1]), 997, dtype=torch.float64)
    x = torch.cat([x, knots])
    wanted = torch.from_numpy(np.interp(x, knots, values))
    torch.testing.assert_close(network(x[:, None])[:, 0].detach(), wanted, atol=1e-12, rtol=0)
    outside = network(knots[:1, None] - 3).item()
    assert outside == float(values[0])


@pytest.mark.concept("nn.mlp")
def test_error_to_a_sine_falls_as_one_over_the_square_of_the_units():
    """Interpolation misses by at most h^2 / 8; halving h quarters the error."""
    x = torch.linspace(0, 2 * math.pi, 20_001, dtype=torch.float64)
    errors = {}
    for units in (8, 16, 32, 64):
        knots = torch.linspace(0, 2 * math.pi, units + 1, dtype=torch.float64)
        network = relu_interpolant(knots, knots.sin())
        errors[units] = float((network(x[:, None])[:, 0].detach() - x.sin()).abs().max())
        bound = (2 * math.pi / units) ** 2 / 8
        assert 0.85 * bound < errors[units] <= bound
    for units in (8, 16, 32):
        assert errors[units] / errors[2 * units] == pytest.approx(4, rel=0.08)


@pytest.mark.concept("nn.mlp")
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_sawtooth_is_the_tent_applied_again_and_again(depth):
    x = torch.linspace(0, 1, 2**8 + 1, dtype=torch.float64)
    wanted = x
    for _ in range(depth):
        wanted = 1 - (2 * wanted - 1).abs()
    y = sawtooth(depth)(x[:, None])[:, 0].detach()
    assert torch.equal(y, wanted)
    slopes = y.diff() * 2**8
    assert torch.equal(slopes.abs(), torch.full_like(slopes, 2.0**depth))
    assert 1 + int((slopes.diff() != 0).sum()) == 2**depth


def test_wrong_points_get_one_line(as_user):
    rising = torch.tensor([0.0, 1.0, 2.0])
    for call, line in (
        (lambda: relu_interpolant(rising.flip(0), rising), "knots: expected at least two that inc"),
        (lambda: relu_interpolant(rising[:1], rising[:1]), "knots: expected at least two that inc"),
        (lambda: relu_interpolant(rising, rising[:2]), "values: expected shape (3), got shape (2,"),
        (lambda: sawtooth(0), "depth: expected a whole number >= 1, got 0"),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert line in str(raised.value)
