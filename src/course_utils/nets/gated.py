"""The gated activation of PixelCNN and WaveNet: one half of the channels decides on the other."""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError


def gated_activation(h: Float[Tensor, "batch channels *axes"]) -> Float[Tensor, "batch half *axes"]:
    """Return tanh(a) * sigmoid(b), where a and b are the two halves of the channels.

    Args:
        h: 2C channels on axis 1: a is the first half, b the second.

    Returns:
        C channels, values between -1 and 1.

    Raises:
        ArgumentError: The number of channels is odd.

    Source:
        [oord2016conditional], also the activation of [oord2016wavenet].
    """
    if h.shape[1] % 2:
        raise ArgumentError(f"h: expected an even number of channels, got {h.shape[1]}")
    a, b = h.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)
