r"""The gated activation of PixelCNN and WaveNet: tanh(f) * sigmoid(g).

One unit is a signal f in (-1, 1) times a gate g in (0, 1), like the output gate of an LSTM. With it
a convolution can multiply two things it sees, which a rectifier cannot [oord2016conditional].
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

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


class Shifts(nn.Linear):
    r"""V_l y of every gated layer l: what a condition y adds in front of its gates.

        tanh(W_{l,f} * x + V_{l,f} y) . sigmoid(W_{l,g} * x + V_{l,g} y)

    A class as a one-hot vector y thus has a bias of its own in every layer.

    Args:
        condition_dim: Size of y.
        channels: C of every layer, whose gates have 2C inputs.
        num_layers: How many layers.

    Source:
        [oord2016conditional], equation (4).
    """

    def __init__(self, condition_dim: int, channels: int, num_layers: int):
        super().__init__(condition_dim, 2 * channels * num_layers, bias=False)
        self.num_layers = num_layers

    def forward(self, condition: Float[Tensor, "batch *places dim"]) -> Sequence[Tensor]:
        """Return V_l y of each layer (batch, 2C, *places)."""
        return super().forward(condition).movedim(-1, 1).chunk(self.num_layers, 1)
