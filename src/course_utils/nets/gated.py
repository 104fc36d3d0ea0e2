r"""The gated activation of PixelCNN and WaveNet: tanh(f) * sigmoid(g).

One unit is a signal f in (-1, 1) times a gate g in (0, 1), like the output gate of an LSTM. With it
a convolution can multiply two things it sees, which a rectifier cannot [oord2016conditional].
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError


def gated_activation(
    h: Float[Tensor, "batch doubled *places"],
) -> Float[Tensor, "batch channels *places"]:
    r"""Return tanh(f) * sigmoid(g), where f is the first half of h's channels and g the second.

    A condition is added to h by the caller, before the gate. With t = tanh(f) and s = sigmoid(g)
    the derivatives are (1 - t^2) s by f and t s (1 - s) by g.

    Args:
        h: 2C channels on the second axis, from one convolution.

    Returns:
        C channels with values in (-1, 1).

    Raises:
        ArgumentError: The number of channels is odd.

    Source:
        [oord2016conditional].
    """
    if h.shape[1] % 2:
        raise ArgumentError(f"h: expected an even number of channels, got {h.shape[1]}")
    signal, gate = h.chunk(2, dim=1)
    return torch.tanh(signal) * torch.sigmoid(gate)
