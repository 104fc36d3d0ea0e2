"""Normalisation layers against torch.nn's, in both modes, and against what defines them."""

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.nets.normalisation import BatchNorm, InstanceNorm, LayerNorm, standardise

PAIRS = {
    "layer": (lambda: LayerNorm(6, 1e-3), lambda: nn.LayerNorm(6, 1e-3), (5, 3, 6)),
    "instance": (
        lambda: InstanceNorm(3, 1e-3),
        lambda: nn.InstanceNorm2d(3, 1e-3, affine=True),
        (5, 3, 4, 6),
    ),
    "batch of vectors": (
        lambda: BatchNorm(6, 0.2, 1e-3),
        lambda: nn.BatchNorm1d(6, 1e-3, 0.2),
        (5, 6),
    ),
    "batch of signals": (
        lambda: BatchNorm(3, 0.2, 1e-3),
        lambda: nn.BatchNorm1d(3, 1e-3, 0.2),
        (5, 3, 7),
    ),
    "batch of pictures": (lambda: BatchNorm(3), lambda: nn.BatchNorm2d(3), (5, 3, 4, 6)),
}


def pair(name, generator):
    """Our layer and torch's with the same random scales and shifts."""
    ours, theirs, shape = PAIRS[name]
    ours, theirs = ours().double(), theirs().double()
    with torch.no_grad():
        for parameter in ("weight", "bias"):
            drawn = torch.randn(ours.weight.shape, generator=generator, dtype=torch.float64)
            getattr(ours, parameter).copy_(drawn)
            getattr(theirs, parameter).copy_(drawn)
    return ours, theirs, shape


@pytest.mark.concept("nn.normalisation")
@pytest.mark.parametrize("name", PAIRS)
def test_outputs_and_gradients_equal_torch_in_training_and_in_evaluation(name, generator):
    ours, theirs, shape = pair(name, generator)
    for training in (True, True, True, False):
        ours.train(training)
        theirs.train(training)
        x = 2 + 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        weight = torch.randn(shape, generator=generator, dtype=torch.float64)
        y, wanted = ours(a), theirs(b)
        torch.testing.assert_close(y, wanted, atol=1e-12, rtol=0)
        (y * weight).sum().backward()
        (wanted * weight).sum().backward()
        torch.testing.assert_close(a.grad, b.grad, atol=1e-11, rtol=0)
    if isinstance(ours, BatchNorm):
        torch.testing.assert_close(ours.running_mean, theirs.running_mean, atol=1e-12, rtol=0)
        torch.testing.assert_close(ours.running_var, theirs.running_var, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.normalisation")
def test_layer_norm_ignores_scale_and_shift_of_a_vector(generator):
    layer = LayerNorm(8, 1e-12).double()
    x = torch.randn(4, 8, generator=generator, dtype=torch.float64)
    for scale, shift in ((3.0, -2.0), (0.01, 5.0)):
        torch.testing.assert_close(layer(scale * x + shift), layer(x), atol=1e-6, rtol=0)
    assert (layer(-x) - layer(x)).abs().max() > 0.1


@pytest.mark.concept("nn.normalisation")
def test_only_batch_norm_lets_examples_talk_and_only_in_training(generator):
    x = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64)
    other = x.clone()
    other[1:] = torch.randn(3, 3, 5, generator=generator, dtype=torch.float64)
    for layer, talks in ((LayerNorm(5), False), (InstanceNorm(3), False), (BatchNorm(3), True)):
        layer = layer.double()
        moved = (layer(x)[0] - layer(other)[0]).abs().max()
        assert (moved > 1e-3) == talks
        layer.eval()
        torch.testing.assert_close(layer(x)[0], layer(other)[0], atol=0, rtol=0)


@pytest.mark.concept("nn.normalisation")
def test_standardised_numbers_and_the_gradient_through_them(generator):
    """Mean 0, variance v / (v + eps); the gradient is g minus its parts along 1 and along x^."""
    x = torch.randn(3, 7, generator=generator, dtype=torch.float64).requires_grad_()
    g = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    y = standardise(x, (1,), 0.1)
    variance = x.var(1, correction=0)
    torch.testing.assert_close(y.mean(1), torch.zeros(3).double(), atol=1e-14, rtol=0)
    torch.testing.assert_close(
        y.var(1, correction=0), variance / (variance + 0.1), atol=1e-13, rtol=0
    )
    (found,) = torch.autograd.grad((y * g).sum(), x)
    size = (variance + 0.1).sqrt()[:, None]
    wanted = (g - g.mean(1, keepdim=True) - y * (g * y).mean(1, keepdim=True)) / size
    torch.testing.assert_close(found, wanted.detach(), atol=1e-13, rtol=0)


def test_wrong_arguments_get_one_line(as_user):
    for call, line in (
        (lambda: LayerNorm(0), "dim: expected a whole number >= 1, got 0"),
        (lambda: BatchNorm(2, momentum=0), "momentum: expected a number > 0 and <= 1, got 0"),
        (lambda: InstanceNorm(2, epsilon=0), "epsilon: expected a number > 0, got 0"),
        (lambda: BatchNorm(2)(torch.zeros(1, 2)), "x: expected at least two values a channel"),
        (lambda: InstanceNorm(2)(torch.zeros(4, 2)), "x: expected at least two positions a chan"),
        (lambda: standardise(torch.zeros(2, 2), ()), "axes: expected at least one axis, got none"),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert line in str(raised.value) and "\n" not in str(raised.value)
