r"""Normalisation layers: subtract a mean, divide by a standard deviation, scale and shift.

All of them compute

    y = gamma (x - mean) / sqrt(variance + eps) + beta

and differ only in the numbers over which mean and variance are taken. For pictures of the shape
(batch, channels, height, width):

    batch norm      per channel, over batch, height and width      [ioffe2015batch]
    layer norm      per example, over the last axis                [ba2016layer]
    instance norm   per example and channel, over height, width    [ulyanov2016instance]

Only the first makes the output of an example depend on the others of its batch. It therefore keeps
running means for later use, when there is no batch, and is another function then.

Backwards, with x^ the standardised numbers and g the gradient by them, n numbers at a time,

    dL/dx = (g - mean(g) - x^ mean(g x^)) / sqrt(variance + eps),

so the gradient has no part along a shift and, but for eps, none along a change of scale.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


def standardise(
    x: Float[Tensor, "*shape"], axes: Sequence[int], epsilon: float = 1e-5
) -> Float[Tensor, "*shape"]:
    """Return (x - mean) / sqrt(variance + eps), mean and variance taken over some axes.

    Args:
        x: Any shape.
        axes: Axes over which is averaged; the variance divides by the number of values.
        epsilon: eps > 0, which keeps a constant input from being divided by zero.

    Raises:
        ArgumentError: ``x`` is not finite, no axis is named, or ``epsilon`` is not positive.

    Accuracy:
        Exact. The result's mean is 0 and its variance is variance / (variance + eps).
    """
    check_tensor("x", x, dtype="float")
    check_number("epsilon", epsilon, low=0, open_low=True)
    if len(axes) == 0:
        raise ArgumentError("axes: expected at least one axis, got none")
    mean = x.mean(tuple(axes), keepdim=True)
    variance = (x - mean).square().mean(tuple(axes), keepdim=True)
    return (x - mean) / (variance + epsilon).sqrt()


class LayerNorm(nn.Module):
    """Each vector standardised over its own entries, then gamma x^ + beta entry by entry.

    Multiplying a vector by a > 0 or adding a constant to all its entries changes nothing (but for
    eps), and an example's output does not depend on any other.

    Args:
        dim: Size of the last axis.
        epsilon: eps > 0.

    Raises:
        ArgumentError: A number is out of range.

    Source:
        [ba2016layer].
    """

    def __init__(self, dim: int, epsilon: float = 1e-5):
        super().__init__()
        check_int("dim", dim, low=1)
        self.epsilon = check_number("epsilon", epsilon, low=0, open_low=True)
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return gamma x^ + beta."""
        return self.weight * standardise(x, (-1,), self.epsilon) + self.bias


class InstanceNorm(nn.Module):
    """Each channel of each example standardised over its positions, then scaled and shifted.

    Args:
        channels: Size of axis 1.
        epsilon: eps > 0.

    Raises:
        ArgumentError: A number is out of range, or an example has one position only.

    Source:
        [ulyanov2016instance].
    """

    def __init__(self, channels: int, epsilon: float = 1e-5):
        super().__init__()
        check_int("channels", channels, low=1)
        self.epsilon = check_number("epsilon", epsilon, low=0, open_low=True)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self, x: Float[Tensor, "batch channels *positions"]
    ) -> Float[Tensor, "batch channels *positions"]:
        """Return gamma x^ + beta."""
        if x[0, 0].numel() < 2:
            raise ArgumentError("x: expected at least two positions a channel, got one")
        standard = standardise(x, range(2, x.ndim), self.epsilon)
        return _along(self.weight, x) * standard + _along(self.bias, x)


class BatchNorm(nn.Module):
    """Each channel standardised over the batch and its positions, then scaled and shifted.

    In training the batch's own mean and variance are used, and the running ones move towards them:
    r <- (1 - momentum) r + momentum * (the batch's), the variance of the batch divided by n - 1. In
    evaluation the running ones are used, and the layer is one fixed affine map a channel.

    Args:
        channels: Size of axis 1.
        momentum: Share of a new batch, in (0, 1].
        epsilon: eps > 0.

    Raises:
        ArgumentError: A number is out of range, or a batch in training holds one value a channel.

    Source:
        [ioffe2015batch].
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, epsilon: float = 1e-5):
        super().__init__()
        check_int("channels", channels, low=1)
        self.momentum = check_number("momentum", momentum, low=0, high=1, open_low=True)
        self.epsilon = check_number("epsilon", epsilon, low=0, open_low=True)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(
        self, x: Float[Tensor, "batch channels *positions"]
    ) -> Float[Tensor, "batch channels *positions"]:
        """Return gamma x^ + beta; in training also update the running mean and variance."""
        if self.training:
            axes = (0, *range(2, x.ndim))
            if x[:, 0].numel() < 2:
                raise ArgumentError("x: expected at least two values a channel, got one")
            self._remember(x.detach(), axes)
            standard = standardise(x, axes, self.epsilon)
        else:
            size = (self.running_var + self.epsilon).sqrt()
            standard = (x - _along(self.running_mean, x)) / _along(size, x)
        return _along(self.weight, x) * standard + _along(self.bias, x)

    def _remember(self, x: Tensor, axes: Sequence[int]) -> None:
        self.running_mean.lerp_(x.mean(axes), self.momentum)
        self.running_var.lerp_(x.var(axes, correction=1), self.momentum)


def _along(values: Tensor, x: Tensor) -> Tensor:
    """Shape one value per channel so that it meets axis 1 of x."""
    return values.reshape(-1, *[1] * (x.ndim - 2))
