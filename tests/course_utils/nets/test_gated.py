"""The gate against finite differences and against two convolutions; the layer against identity."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.gated import gated_activation
from course_utils.nets.receptive import depends_on
from course_utils.nets.two_stacks import GatedLayer


@pytest.mark.concept("ar.gated-activation")
def test_derivative_equals_central_differences(generator):
    h = torch.randn(3, 8, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    (slope,) = torch.autograd.grad((weights * gated_activation(h)).sum(), h)
    step = 1e-5  # error of order step^2 = 1e-10, rounding of order 1e-16 / step = 1e-11
    with torch.no_grad():
        for place in torch.randint(h.numel(), (40,), generator=generator).tolist():
            moved = torch.zeros_like(h).flatten()
            moved[place] = step
            moved = moved.reshape(h.shape)
            up, down = (weights * gated_activation(h + s * moved) for s in (1, -1))
            difference = ((up - down).sum() / (2 * step)).item()
            assert slope.flatten()[place].item() == pytest.approx(difference, abs=1e-6)


@pytest.mark.concept("ar.gated-activation")
def test_derivatives_in_closed_form(generator):
    f, g = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    h = torch.cat([f, g], 1).requires_grad_()
    (slope,) = torch.autograd.grad(gated_activation(h).sum(), h)
    t, s = torch.tanh(f), 1 / (1 + torch.exp(-g))
    wanted = torch.cat([(1 - t**2) * s, t * s * (1 - s)], 1)
    torch.testing.assert_close(slope, wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.gated-activation")
def test_one_fused_convolution_equals_two(generator):
    """2C channels from one kernel are the C signals and the C gates of two kernels."""
    fused = nn.Conv2d(3, 8, 3, padding=1).double()
    x = torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64)
    signal, gate = (
        functional.conv2d(x, fused.weight[part], fused.bias[part], padding=1)
        for part in (slice(0, 4), slice(4, 8))
    )
    wanted = torch.tanh(signal) / (1 + torch.exp(-gate))
    torch.testing.assert_close(gated_activation(fused(x)), wanted, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.gated-activation")
def test_zero_residual_weights_give_the_identity_bit_for_bit(generator):
    layer = GatedLayer(4, 4, 3, "B")
    nn.init.zeros_(layer.residual.weight)
    nn.init.zeros_(layer.residual.bias)
    v, h = torch.randn(2, 2, 4, 5, 6, generator=generator)
    kept = layer(v, h)[1]
    assert torch.equal(kept, h)
    assert not torch.equal(GatedLayer(4, 4, 3, "B")(v, h)[1], h)


@pytest.mark.concept("ar.gated-activation")
def test_horizontal_stack_learns_from_the_vertical_one_and_never_back(generator):
    layer = GatedLayer(2, 2, 3, "B").double()
    x = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64)
    seen = depends_on(lambda vh: torch.stack(layer(vh[:1], vh[1:])[:2]), x)
    seen = seen.reshape(2, 24, 2, 24).any(1).any(2)
    assert seen.tolist() == [[True, False], [True, True]]


@pytest.mark.concept("ar.gated-activation")
def test_condition_is_added_in_front_of_both_gates(generator):
    """A condition does what the same numbers do as biases of the two convolutions."""
    layer = GatedLayer(4, 4, 3, "B").double()
    v, h = torch.randn(2, 1, 4, 4, 5, generator=generator, dtype=torch.float64)
    condition = torch.randn(1, 8, 1, 1, generator=generator, dtype=torch.float64)
    told = layer(v, h, condition)
    plain = layer(v, h)
    with torch.no_grad():
        layer.vertical.bias += condition[0, :, 0, 0]
        correction = layer.across.weight[:, :, 0, 0] @ condition[0, :, 0, 0]
        layer.horizontal.bias += condition[0, :, 0, 0] - correction
    for one, other, without in zip(told, layer(v, h), plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
        assert not torch.allclose(one, without)


@pytest.mark.concept("ar.gated-activation")
@pytest.mark.parametrize(("kind", "gain"), [("A", 1.0), ("B", 3**0.5)])
def test_weights_start_with_the_size_that_keeps_the_signal(kind, gain):
    """Inputs of variance 1 become signals of variance gain^2."""
    torch.manual_seed(0)
    layer = GatedLayer(32, 32, 3, kind)
    x = torch.randn(4, 32, 34, 34)
    inner = layer.vertical(x)[:, :, 2:, 1:-1]
    assert inner.std().item() == pytest.approx(gain, rel=0.1)
    assert layer.skip(x).std().item() == pytest.approx(1, rel=0.1)
    assert all(not conv.bias.any() for conv in (layer.vertical, layer.horizontal, layer.across))


@pytest.mark.concept("ar.gated-activation")
@pytest.mark.parametrize("axes", [(), (3,), (3, 2)])
def test_first_half_is_bent_and_second_half_opens(axes):
    h = torch.zeros(2, 4, *axes, dtype=torch.float64)
    h[:, 0], h[:, 1], h[:, 2], h[:, 3] = 0.5, -2.0, 1.5, 30.0
    out = gated_activation(h)
    assert out.shape == (2, 2, *axes)
    first = math.tanh(0.5) / (1 + math.exp(-1.5))
    torch.testing.assert_close(out[:, 0], torch.full_like(out[:, 0], first))
    torch.testing.assert_close(out[:, 1], torch.full_like(out[:, 1], math.tanh(-2.0)))


def test_an_odd_number_of_channels_is_refused(as_user):
    with pytest.raises(ArgumentError, match=r"^h: expected an even number of channels, got 3$"):
        gated_activation(torch.zeros(1, 3, 2))
