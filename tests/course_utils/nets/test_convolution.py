"""Convolutions on a ring against matrices, adjoints, the Fourier transform and torch."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.convolution import (
    circular_convolution,
    convolution_matrix,
    frequency_response,
    transposed_convolution,
)

SHAPES = [(1, 1, 3, 8), (2, 3, 4, 7), (3, 2, 5, 5), (2, 2, 1, 4)]
"""Output channels, input channels, taps, length."""


def normal(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.concept("nn.cnn")
@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_commutes_with_shifts(shape, generator):
    out, channels, taps, length = shape
    weight = normal(out, channels, taps, generator=generator)
    x = normal(2, channels, length, generator=generator)
    y = normal(2, out, length, generator=generator)
    for by in range(length):
        shifted = circular_convolution(x.roll(by, -1), weight)
        torch.testing.assert_close(
            shifted, circular_convolution(x, weight).roll(by, -1), atol=1e-12, rtol=0
        )
        shifted = transposed_convolution(y.roll(by, -1), weight)
        torch.testing.assert_close(
            shifted, transposed_convolution(y, weight).roll(by, -1), atol=1e-12, rtol=0
        )


@pytest.mark.concept("nn.cnn")
@pytest.mark.parametrize("shape", SHAPES)
def test_convolution_is_the_sum_its_matrix_and_torchs_circular_padding(shape, generator):
    out, channels, taps, length = shape
    weight = normal(out, channels, taps, generator=generator)
    x = normal(2, channels, length, generator=generator)
    y = circular_convolution(x, weight)
    for t in range(length):
        wanted = sum(x[:, :, (t + s) % length] @ weight[:, :, s].T for s in range(taps))
        torch.testing.assert_close(y[:, :, t], wanted, atol=1e-12, rtol=0)
    matrix = convolution_matrix(weight, length)
    torch.testing.assert_close(x.flatten(1) @ matrix.T, y.flatten(1), atol=1e-12, rtol=0)
    padded = functional.pad(x, (0, taps - 1), mode="circular") if taps > 1 else x
    torch.testing.assert_close(functional.conv1d(padded, weight), y, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.cnn")
@pytest.mark.parametrize("shape", SHAPES)
def test_transposed_convolution_is_the_adjoint_and_what_backpropagation_does(shape, generator):
    out, channels, taps, length = shape
    weight = normal(out, channels, taps, generator=generator)
    x = normal(2, channels, length, generator=generator).requires_grad_()
    y = normal(2, out, length, generator=generator)
    back = transposed_convolution(y, weight)
    forth = circular_convolution(x, weight)
    assert (forth * y).sum().item() == pytest.approx((x * back).sum().item(), abs=1e-11)
    matrix = convolution_matrix(weight, length)
    torch.testing.assert_close(back.flatten(1), y.flatten(1) @ matrix, atol=1e-12, rtol=0)
    (gradient,) = torch.autograd.grad((forth * y).sum(), x)
    torch.testing.assert_close(gradient, back, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.cnn")
def test_one_channel_is_a_circulant_whose_eigenvectors_are_waves(generator):
    kernel = normal(4, generator=generator)
    matrix = convolution_matrix(kernel[None, None], 9)
    column = torch.zeros(9, dtype=torch.float64)
    column[(-torch.arange(4)) % 9] = kernel
    np.testing.assert_allclose(matrix, scipy.linalg.circulant(column.numpy()), atol=1e-15)
    values = frequency_response(kernel, 9)
    for f in range(9):
        wave = torch.exp(2j * torch.pi * f * torch.arange(9).double() / 9)
        torch.testing.assert_close((matrix + 0j) @ wave, values[f] * wave, atol=1e-12, rtol=0)


@pytest.mark.concept("nn.cnn")
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1)])
def test_torchs_transposed_convolution_of_pictures_is_an_adjoint_too(stride, padding, generator):
    weight = normal(3, 2, 4, 4, generator=generator)
    x = normal(1, 2, 8, 8, generator=generator)
    forth = functional.conv2d(x, weight, stride=stride, padding=padding)
    y = normal(*forth.shape, generator=generator)
    back = functional.conv_transpose2d(y, weight, stride=stride, padding=padding)
    assert back.shape == x.shape
    assert float((forth * y).sum()) == pytest.approx(float((x * back).sum()), abs=1e-10)


def test_wrong_arguments_get_one_line(as_user):
    weight, x = torch.zeros(2, 3, 4), torch.zeros(1, 3, 8)
    for call, line in (
        (lambda: circular_convolution(x[:, :2], weight), "x: expected shape (batch, 3, length)"),
        (lambda: circular_convolution(x[..., :3], weight), "taps: expected a whole number >= 1 an"),
        (lambda: transposed_convolution(x, weight), "y: expected shape (batch, 2, length)"),
        (lambda: convolution_matrix(weight, 3), "length: expected a whole number >= 4, got 3"),
        (lambda: frequency_response(weight[0, 0], 3), "length: expected a whole number >= 4"),
    ):
        with pytest.raises(ArgumentError) as raised:
            call()
        assert line in str(raised.value) and "\n" not in str(raised.value)
