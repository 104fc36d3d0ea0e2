"""Gradients by hand against autograd, central differences and torch's own forward mode; float64."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from course_utils.arguments import ArgumentError
from course_utils.nets import backprop
from course_utils.nets.backprop import RELU, TANH, Layer
from course_utils.nets.mlp import mlp

SIZES = {"one map": [3, 2], "two layers": [4, 7, 3], "deep": [2, 5, 6, 4, 3]}
ACTIVATIONS = {"tanh": (TANH, torch.tanh), "relu": (RELU, torch.relu)}


def random_net(sizes, generator):
    """Layers with biases that are not zero, so that a lost one shows."""
    layers = backprop.random_layers(sizes, gain=1.3, generator=generator)
    return [Layer(w, torch.randn(len(b), generator=generator, dtype=w.dtype)) for w, b in layers]


def normal(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_autograd(layers, x, function, loss):
    """PyTorch's gradients of the same network, written as one expression."""
    leaves = [tensor.clone().requires_grad_() for layer in layers for tensor in layer]
    h = x = x.clone().requires_grad_()
    for number in range(len(layers)):
        h = functional.linear(function(h) if number else h, *leaves[2 * number : 2 * number + 2])
    return h, torch.autograd.grad(loss(h), [*leaves, x])


@pytest.mark.concept("nn.backprop")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_equal_autograd(sizes, activation, generator):
    layers = random_net(SIZES[sizes], generator)
    x = normal(5, SIZES[sizes][0], generator=generator)
    target = normal(5, SIZES[sizes][-1], generator=generator)
    rule, function = ACTIVATIONS[activation]
    y, tape = backprop.forward(layers, x, rule)
    loss, by_output = backprop.squared_error(y, target)
    gradients, by_x = backprop.backward(layers, tape, by_output, rule)
    wanted_loss = lambda h: 0.5 * (h - target).square().sum(1).mean()  # noqa: E731
    wanted_y, wanted = by_autograd(layers, x, function, wanted_loss)
    torch.testing.assert_close(y, wanted_y, atol=1e-12, rtol=0)
    torch.testing.assert_close(loss, wanted_loss(wanted_y), atol=1e-12, rtol=0)
    found = [*(tensor for layer in gradients for tensor in layer), by_x]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.concept("nn.backprop")
def test_gradients_equal_central_differences(generator):
    layers = random_net([3, 6, 2], generator)
    x, target = normal(4, 3, generator=generator), normal(4, 2, generator=generator)
    y, tape = backprop.forward(layers, x)
    gradients, _ = backprop.backward(layers, tape, backprop.squared_error(y, target)[1])
    step = 1e-5
    for layer, gradient in zip(layers, gradients, strict=True):
        for tensor, slope in zip(layer, gradient, strict=True):
            for place in range(tensor.numel()):
                moved = []
                for sign in (1, -1):
                    tensor.view(-1)[place] += sign * step
                    out = backprop.forward(layers, x)[0]
                    moved.append(float(backprop.squared_error(out, target)[0]))
                    tensor.view(-1)[place] -= sign * step
                difference = (moved[0] - moved[1]) / (2 * step)
                assert abs(difference - float(slope.view(-1)[place])) < 1e-6


@pytest.mark.concept("nn.backprop")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_mode_is_the_adjoint_of_reverse_mode(activation, generator):
    rule, function = ACTIVATIONS[activation]
    layers = random_net([3, 6, 5, 2], generator)
    direction = random_net([3, 6, 5, 2], generator)
    x, weight = normal(4, 3, generator=generator), normal(4, 2, generator=generator)
    _, tape = backprop.forward(layers, x, rule)
    along = backprop.tangent(layers, tape, direction, rule)
    back, _ = backprop.backward(layers, tape, weight, rule)
    inner = sum(
        (a * b).sum()
        for one, other in zip(back, direction, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    assert float((along * weight).sum()) == pytest.approx(float(inner), rel=1e-12)

    flat = [tensor for layer in layers for tensor in layer]
    changes = [tensor for layer in direction for tensor in layer]

    def network(*tensors):
        h = x
        for number in range(3):
            read = function(h) if number else h
            h = functional.linear(read, *tensors[2 * number : 2 * number + 2])
        return h

    _, wanted = torch.autograd.functional.jvp(network, tuple(flat), tuple(changes))
    torch.testing.assert_close(along, wanted, atol=1e-12, rtol=1e-12)


@pytest.mark.concept("nn.backprop")
def test_cross_entropy_and_its_gradient_are_torchs(generator):
    logits = (4 * normal(6, 5, generator=generator)).requires_grad_()
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    loss, gradient = backprop.cross_entropy(logits.detach(), labels)
    wanted = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(loss, wanted.detach(), atol=1e-12, rtol=0)
    torch.testing.assert_close(gradient, torch.autograd.grad(wanted, logits)[0], atol=1e-12, rtol=0)
    assert gradient.sum(1).abs().max() < 1e-15


@pytest.mark.concept("nn.backprop")
def test_multiplications_are_those_that_torch_counts():
    sizes = [7, 11, 5, 3]
    network, x = mlp(7, [11, 5], 3, activation=nn.Tanh), torch.zeros(1, 7)
    with FlopCounterMode(display=False) as forward:
        y = network(x)
    with FlopCounterMode(display=False) as both:
        y.sum().backward()
    counted = forward.get_total_flops() // 2, both.get_total_flops() // 2
    assert backprop.multiplications(sizes) == counted


@pytest.mark.concept("nn.backprop")
def test_layers_of_a_module_give_its_outputs(generator):
    network = mlp(3, [4, 5], 2, activation=nn.ReLU).double()
    x = normal(6, 3, generator=generator)
    y, tape = backprop.forward(backprop.layers_of(network), x, RELU)
    torch.testing.assert_close(y, network(x).detach(), atol=1e-14, rtol=0)
    gradients, _ = backprop.backward(backprop.layers_of(network), tape, torch.ones_like(y), RELU)
    network(x).sum().backward()
    for gradient, part in zip(gradients, network[::2], strict=True):
        torch.testing.assert_close(gradient.weight, part.weight.grad, atol=1e-12, rtol=0)
        torch.testing.assert_close(gradient.bias, part.bias.grad, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.backprop")
def test_mean_square_of_the_units_is_multiplied_by_half_the_squared_gain(generator):
    """Average over networks; in one layer of rectifiers E h^2 = gain^2 |x|^2 / (2 n)."""
    gain, draws = 1.7, 20_000
    x = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    weights = backprop.random_layers([3, draws], gain=gain, generator=generator)
    squares = torch.relu(backprop.forward(weights, x)[0]).square()[0]
    wanted = gain**2 * float(x.square().mean()) / 2
    assert abs(float(squares.mean()) - wanted) < 4 * float(squares.std()) / math.sqrt(draws)


def test_wrong_arguments_get_one_line(as_user, generator):
    layers = backprop.random_layers([3, 2], generator=generator)
    x = torch.zeros(4, 3, dtype=torch.float64)
    y, tape = backprop.forward(layers, x)
    for call, line in (
        (lambda: backprop.forward([], x), "layers: expected at least one, got none"),
        (lambda: backprop.forward(layers, x[:, :2]), "x: expected shape (batch, 3), got shape"),
        (lambda: backprop.forward(layers * 2, x), "weight of layer 2: expected shape (2, 2)"),
        (lambda: backprop.backward(layers, tape, y[:2]), "grad_output: expected shape (4, 2)"),
        (lambda: backprop.tangent(layers, tape, []), "direction: expected 1 layers, got 0"),
        (lambda: backprop.random_layers([3]), "sizes: expected at least two numbers"),
        (lambda: backprop.random_layers([3, 0]), "sizes: expected a whole number >= 1"),
        (lambda: backprop.random_layers([3, 1], gain=0), "gain: expected a number > 0"),
        (lambda: backprop.multiplications([3]), "sizes: expected at least two numbers"),
        (lambda: backprop.layers_of(nn.Tanh()), "network: expected affine maps with biases"),
        (lambda: backprop.squared_error(y, x), "target: expected shape (4, 2)"),
        (
            lambda: backprop.cross_entropy(y, torch.tensor([0, 1, 2, 0])),
            "labels: expected values <= 1",
        ),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert line in str(raised.value) and "\n" not in str(raised.value)
