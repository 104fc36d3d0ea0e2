r"""One layer of the gated PixelCNN: a vertical and a horizontal stack side by side.

    p = V * v                                   rows above, all columns
    q = H * h + A p                             the row to the left, and what the rows above say
    v <- gate(p + condition)
    h <- h + R gate(q + condition),   skip = S gate(q + condition)

V and H are convolutions with 2C outputs; A, R, S are 1 x 1. Information flows from the vertical
stack to the horizontal one and never back, because h at (r, c) knows its own row and v may not.
"""

import math

from jaxtyping import Float
from torch import Tensor, nn

from course_utils.nets.gated import gated_activation
from course_utils.nets.masked_conv import HorizontalConv, Kind, VerticalConv

Features = Float[Tensor, "batch channels height width"]
"""What one stack knows at every pixel."""


class GatedLayer(nn.Module):
    """Two gated stacks with a residual and a skip connection on the horizontal one.

    Args:
        in_channels: Channels of v and of h as they come in.
        channels: C, channels as they go out.
        kernel_size: k, odd and at least 3.
        kind: ``"A"`` for the first layer, whose inputs are the pixels and which has no residual
            connection; ``"B"`` for all others.
        dropout: Probability in [0, 1) with which a gated unit is set to zero in training.

    Source:
        [oord2016conditional], with skip connections to the head added.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel_size: int, kind: Kind, dropout: float = 0.0
    ):
        super().__init__()
        self.vertical = VerticalConv(in_channels, 2 * channels, kernel_size, kind)
        self.horizontal = HorizontalConv(in_channels, 2 * channels, kernel_size, kind)
        self.across = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.residual = nn.Conv2d(channels, channels, 1)
        self.skip = nn.Conv2d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)
        self.kind = kind
        wide = math.sqrt(3) if kind == "B" else 1.0
        for convolution in (self.vertical, self.horizontal):
            _start(convolution, gain=wide)
        for convolution in (self.across, self.residual, self.skip):
            _start(convolution, gain=1.0)

    def forward(
        self,
        v: Float[Tensor, "batch inputs height width"],
        h: Float[Tensor, "batch inputs height width"],
        condition: Float[Tensor, "batch doubled 1 1"] | None = None,
    ) -> tuple[Features, Features, Features]:
        """Return the new v, the new h, and what goes to the head by the skip connection.

        Args:
            v: The vertical stack's features.
            h: The horizontal stack's features.
            condition: 2C numbers per example to add in front of both gates.
        """
        before_v = self.vertical(v)
        before_h = self.horizontal(h) + self.across(before_v)
        if condition is not None:
            before_v, before_h = before_v + condition, before_h + condition
        out = self.dropout(gated_activation(before_h))
        grown = self.residual(out) if self.kind == "A" else h + self.residual(out)
        return gated_activation(before_v), grown, self.skip(out)


def _start(convolution: nn.Conv2d, gain: float) -> None:
    """Draw weights of standard deviation gain / sqrt(inputs), and no bias.

    Outputs then have gain times the size of the inputs. Behind a gate, whose values are about a
    third as large as what enters it, a larger gain keeps the signal from fading with depth.
    """
    num_inputs = convolution.weight[0].numel()
    nn.init.normal_(convolution.weight, std=gain / math.sqrt(num_inputs))
    nn.init.zeros_(convolution.bias)
