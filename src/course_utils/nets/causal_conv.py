r"""Dilated causal convolutions: a stack sees exponentially far [yu2016multi; oord2016wavenet].

A causal convolution of kernel size k and dilation d adds up k inputs, d steps apart, none of them
later than the output:

    y_t = b + \sum_{s=0}^{k-1} W_s h_{t - d s},      h_t = 0 before the beginning.

It looks back (k - 1) d steps. In a stack these reaches add up, so the last output depends on no
more than 1 + (k - 1) \sum_l d_l inputs, its own position included. Doubling the dilation from
layer to layer therefore doubles the reach with every layer, at the same cost per layer.

Left to right, an output costs k products of a matrix and a vector if the (k - 1) d inputs before
it were kept. They stand in a queue: the new one enters, the oldest leaves [paine2016fast].
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int

Queue = tuple[Tensor, ...]
"""The inputs (batch, channels) of the last (k - 1) d steps, oldest first."""


def receptive_field(kernel_size: int, dilations: Sequence[int]) -> int:
    r"""Return 1 + (k - 1) \sum_l d_l, how far the last output reaches, its own position included.

    Args:
        kernel_size: k >= 1, the same in every layer.
        dilations: d_l >= 1 of each layer.

    Raises:
        ArgumentError: A number is not a positive whole number.

    Accuracy:
        Exact for layers stacked one after the other; short-cuts around them change nothing.

    Source:
        [oord2016wavenet].
    """
    check_int("kernel_size", kernel_size, low=1)
    return 1 + (kernel_size - 1) * sum(check_int("dilations", d, low=1) for d in dilations)


class CausalConv1d(nn.Conv1d):
    r"""y_t = b + \sum_s W_s h_{t - d s}, zeros before the beginning.

    ``weight[..., k - 1 - s]`` is W_s, so the last tap of the kernel is the present.

    Args:
        in_channels: Channels of h.
        out_channels: Channels of y.
        kernel_size: k >= 1.
        dilation: d >= 1, the distance of neighbouring taps.

    Raises:
        ArgumentError: A size is not a positive whole number.

    Accuracy:
        Exact.

    Source:
        [oord2016wavenet].
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1):
        check_int("in_channels", in_channels, low=1)
        check_int("out_channels", out_channels, low=1)
        check_int("kernel_size", kernel_size, low=1)
        check_int("dilation", dilation, low=1)
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation)
        self.reach = (kernel_size - 1) * dilation

    def forward(
        self, h: Float[Tensor, "batch channels length"]
    ) -> Float[Tensor, "batch out length"]:
        """Return y_t for every t at once."""
        return super().forward(functional.pad(h, (self.reach, 0)))

    def start(self, batch: int) -> Queue:
        """Return the queue before the beginning: zeros."""
        return (self.weight.new_zeros(batch, self.in_channels),) * self.reach

    def step(
        self, queue: Queue, h: Float[Tensor, "batch channels"]
    ) -> tuple[Float[Tensor, "batch out"], Queue]:
        """Return y_t of the newest input h_t, and the queue with h_t in it."""
        known = (*queue, h)
        taps = torch.stack(known[:: self.dilation[0]], -1)
        y = functional.linear(taps.flatten(1), self.weight.flatten(1), self.bias)
        return y, known[1:]
