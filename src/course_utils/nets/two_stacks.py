r"""One layer of the gated PixelCNN: a vertical and a horizontal stack side by side.

    p = V * v                                   rows above, all columns
    q = H * h + T p                             the row to the left, and what the rows above say
    v <- gate(p + condition)
    h <- h + P gate(q + condition),   skip = S gate(q + condition)

V and H are convolutions with 2C outputs; T, P, S are 1 x 1. Information flows from the vertical
stack to the horizontal one and never back, because h at (r, c) knows its own row and v may not.

Pixel by pixel, nothing has to be computed twice: p needs the rows above and is found for a whole
row before its first pixel is known, and q needs the pixels to the left. ``Memory`` keeps both.
"""

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from course_utils.nets.gated import gated_activation
from course_utils.nets.masked_conv import HorizontalConv, Kind, VerticalConv

Features = Float[Tensor, "batch channels height width"]
"""What one stack knows at every pixel."""


class Memory(NamedTuple):
    """What a layer has read so far, framed by zeros, pixel by pixel; written in place.

    Attributes:
        v: Inputs of the vertical stack, with R rows of zeros above.
        h: Inputs of the horizontal stack, with R columns of zeros on the left.
        p: The vertical convolution of the rows begun so far.
    """

    v: Float[Tensor, "batch inputs framed_height width"]
    h: Float[Tensor, "batch inputs height framed_width"]
    p: Float[Tensor, "batch doubled height width"]

    @property
    def reach(self) -> int:
        """R, the width of the frame."""
        return self.v.shape[2] - self.h.shape[2]

    def put_v(self, row: int, v: Float[Tensor, "batch inputs width"]) -> None:
        """Write a whole row for the vertical stack."""
        self.v[:, :, row + self.reach] = v

    def put_h(self, row: int, column: int, h: Float[Tensor, "batch inputs"]) -> None:
        """Write one pixel for the horizontal stack."""
        self.h[:, :, row, column + self.reach] = h


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
        condition: Float[Tensor, "batch doubled 1 1"] | float = 0.0,
    ) -> tuple[Features, Features, Features]:
        """Return the new v, the new h, and what goes to the head by the skip connection.

        Args:
            v: The vertical stack's features.
            h: The horizontal stack's features.
            condition: 2C numbers per example to add in front of both gates.
        """
        return self.combine(self.vertical(v), self.horizontal(h), h, condition)

    def combine(
        self,
        p: Float[Tensor, "batch doubled height width"],
        row: Float[Tensor, "batch doubled height width"],
        h: Float[Tensor, "batch inputs height width"],
        condition: Float[Tensor, "batch doubled 1 1"] | float = 0.0,
    ) -> tuple[Features, Features, Features]:
        """Return what ``forward`` returns, from p = V * v and row = H * h."""
        q = row + self.across(p)
        out = self.dropout(gated_activation(q + condition))
        grown = self.residual(out) if self.kind == "A" else h + self.residual(out)
        return gated_activation(p + condition), grown, self.skip(out)

    def start(self, batch: int, height: int, width: int) -> Memory:
        """Return the memory before the first pixel: zeros."""
        inputs, doubled = self.vertical.in_channels, self.vertical.out_channels
        reach, zeros = self.vertical.reach, self.vertical.weight.new_zeros
        return Memory(
            zeros(batch, inputs, height + reach, width),
            zeros(batch, inputs, height, width + reach),
            zeros(batch, doubled, height, width),
        )

    def begin_row(
        self,
        memory: Memory,
        row: int,
        condition: Float[Tensor, "batch doubled 1 1"] | float = 0.0,
    ) -> Float[Tensor, "batch channels width"]:
        """Write p of a row, and return the new v of it.

        Args:
            memory: Knows v of the rows above, and for type B of the row itself.
            row: Its number r.
            condition: As in ``forward``.
        """
        p = self.vertical.row(memory.v[:, :, row : row + self.vertical.kernel_size[0]])
        memory.p[:, :, row] = p[:, :, 0]
        return gated_activation(p + condition)[:, :, 0]

    def at(
        self,
        memory: Memory,
        row: int,
        column: int,
        condition: Float[Tensor, "batch doubled 1 1"] | float = 0.0,
    ) -> tuple[Float[Tensor, "batch channels 1 1"], Float[Tensor, "batch channels 1 1"]]:
        """Return the new h of one pixel, and what goes to the head.

        Args:
            memory: Knows p of the row and h of the pixels to the left, for type B also of this one.
            row: r.
            column: c.
            condition: As in ``forward``.
        """
        h = memory.h[:, :, row : row + 1]
        seen = self.horizontal.at(h[..., column : column + self.horizontal.kernel_size[1]])
        p = memory.p[:, :, row : row + 1, column : column + 1]
        own = h[..., column + memory.reach : column + memory.reach + 1]
        return self.combine(p, seen, own, condition)[1:]


def _start(convolution: nn.Conv2d, gain: float) -> None:
    """Draw weights of standard deviation gain / sqrt(inputs), and no bias.

    Outputs then have gain times the size of the inputs. Behind a gate, whose values are about a
    third as large as what enters it, a larger gain keeps the signal from fading with depth.
    """
    num_inputs = convolution.weight[0].numel()
    nn.init.normal_(convolution.weight, std=gain / math.sqrt(num_inputs))
    nn.init.zeros_(convolution.bias)
