"""The multilayer perceptron is the composition of affine maps it says it is."""

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.mlp import mlp


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
