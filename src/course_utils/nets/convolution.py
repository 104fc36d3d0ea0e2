r"""Convolution as what is left of a linear layer when it has to commute with shifts.

On a ring of n positions the convolution with a kernel w of k taps is

    (C x)_t = \sum_{s=0}^{k-1} w_s x_{t+s},     positions taken modulo n,

as networks have it (statistics calls it a correlation). Written out, C is a matrix whose rows are
shifts of one another: k numbers in place of n^2. Every matrix that commutes with the shift is of
this form, and its eigenvectors are the waves exp(2 pi i f t / n), with the eigenvalues

    c_f = \sum_s w_s exp(2 pi i f s / n).

The transposed matrix is a convolution too, with the kernel reversed; that is what a *transposed
convolution* computes, and what backpropagation through a convolution does.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import check_int, check_tensor


def circular_convolution(
    x: Float[Tensor, "batch channels length"], weight: Float[Tensor, "out channels taps"]
) -> Float[Tensor, "batch out length"]:
    r"""y_{o,t} = \sum_{c,s} w_{o,c,s} x_{c,t+s}, positions modulo the length.

    Args:
        x: Signals on a ring.
        weight: w, with at most as many taps as there are positions.

    Raises:
        ArgumentError: The channels do not agree, or there are more taps than positions.
    """
    check_tensor("x", x, shape=("batch", weight.shape[1], "length"), dtype="float")
    taps = check_int("taps", weight.shape[2], low=1, high=x.shape[2])
    return functional.conv1d(torch.cat([x, x[..., : taps - 1]], -1), weight)


def transposed_convolution(
    y: Float[Tensor, "batch out length"], weight: Float[Tensor, "out channels taps"]
) -> Float[Tensor, "batch channels length"]:
    r"""x_{c,t} = \sum_{o,s} w_{o,c,s} y_{o,t-s}: the adjoint, <C x, y> = <x, C' y>.

    Args:
        y: Signals on a ring.
        weight: w, as in ``circular_convolution``.

    Raises:
        ArgumentError: The channels do not agree, or there are more taps than positions.
    """
    check_tensor("y", y, shape=("batch", len(weight), "length"), dtype="float")
    taps = check_int("taps", weight.shape[2], low=1, high=y.shape[2])
    before = y[..., y.shape[2] - taps + 1 :]
    return functional.conv1d(torch.cat([before, y], -1), weight.flip(2).transpose(0, 1))


def convolution_matrix(
    weight: Float[Tensor, "out channels taps"], length: int
) -> Float[Tensor, "rows columns"]:
    """The matrix of ``circular_convolution`` on flattened signals, entry by entry.

    Row (o, t) and column (c, t + s mod n) hold w_{o,c,s}. With one channel its rows are shifts of
    each other, a *circulant*, which is a Toeplitz matrix on a ring.

    Args:
        weight: w.
        length: n, at least the number of taps.

    Returns:
        Matrix (out * n, channels * n).

    Raises:
        ArgumentError: ``length`` is smaller than the number of taps.
    """
    out, channels, taps = weight.shape
    check_int("length", length, low=taps)
    matrix = weight.new_zeros(out, length, channels, length)
    rows = torch.arange(length, device=weight.device)
    for tap in range(taps):
        matrix[:, rows, :, (rows + tap) % length] = weight[..., tap]
    return matrix.reshape(out * length, channels * length)


def frequency_response(
    kernel: Float[Tensor, " taps"], length: int
) -> Complex[Tensor, " frequencies"]:
    """Eigenvalues c_f = sum_s w_s exp(2 pi i f s / n) of the convolution, f = 0 .. n - 1.

    Args:
        kernel: w, one input and one output channel.
        length: n, at least the number of taps.

    Raises:
        ArgumentError: ``length`` is smaller than the number of taps.
    """
    check_tensor("kernel", kernel, shape=("taps",), dtype="float")
    check_int("length", length, low=len(kernel))
    return torch.fft.fft(kernel, length).conj()
