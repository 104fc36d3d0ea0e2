r"""Convolutions that see no pixel but earlier ones, in raster order [oord2016pixel].

A convolution with an odd kernel reads the pixels around each pixel, half of which come later. A
mask M of zeros and ones, multiplied into the kernel, takes them away:

    y_{rc} = b + \sum_{a,b} (M * W)_{ab} x_{r+a, c+b},
    M_{ab} = 1 if a < 0, or a = 0 and b < 0, or (a, b) = (0, 0) and the mask is of type B.

Type A, which hides the pixel itself, belongs in the first layer, where the input is the pixels.
Type B belongs in all others, where the feature at a pixel knows only what came before it.

Stacked, these masks leave a blind spot: with kernels of reach R = (k - 1) / 2 a pixel b columns to
the right and a rows up is reached only if b <= a R. Two stacks have none [oord2016conditional]: a
vertical one, free in its columns, for all rows above, and a horizontal one for the row itself. Both
have rectangular kernels, so nothing has to be multiplied by zero.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_choice, check_int

Kind = Literal["A", "B"]
"""Whether a mask hides the centre, "A", or shows it, "B"."""


def raster_mask(kernel_size: int, kind: Kind) -> Bool[Tensor, "size size"]:
    """Return M, true at the offsets that come before the centre, and at the centre for type B.

    Args:
        kernel_size: k, odd and at least 3.
        kind: ``"A"`` hides the centre, ``"B"`` shows it.

    Raises:
        ArgumentError: ``kernel_size`` is even or below 3, or ``kind`` is neither A nor B.
    """
    reach = check_kernel(kernel_size)
    check_choice("kind", kind, ("A", "B"))
    mask = torch.zeros(kernel_size, kernel_size, dtype=torch.bool)
    mask[:reach] = True
    mask[reach, :reach] = True
    mask[reach, reach] = kind == "B"
    return mask


def check_kernel(kernel_size: int, name: str = "kernel_size") -> int:
    """Return the reach (k - 1) / 2 of an odd kernel of size k >= 3."""
    check_int(name, kernel_size, low=3)
    if kernel_size % 2 == 0:
        raise ArgumentError(f"{name}: expected an odd number, got {kernel_size}")
    return kernel_size // 2


def colours_of(num_channels: int, num_colours: int) -> Tensor:
    """Assign channels to colours in equal, neighbouring shares: the first C / n belong to red."""
    if num_channels % num_colours:
        raise ArgumentError(
            f"channels: expected a multiple of num_colours = {num_colours}, got {num_channels}"
        )
    return torch.arange(num_channels) * num_colours // num_channels


class MaskedConv2d(nn.Conv2d):
    """Convolution with masked kernel, y = (M * W) x + b, of the same height and width as x.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of y.
        kernel_size: k, odd and at least 3.
        kind: ``"A"`` or ``"B"``.
        num_colours: With n > 1 colours drawn one after the other (red, green, blue), the channels
            fall into n neighbouring groups, one per colour. At the centre of the kernel colour i
            then sees the colours before i, and for type B also itself.
        bias: Whether to add b.

    Raises:
        ArgumentError: The kernel is even or below 3, or the channels do not divide into colours.

    Source:
        [oord2016pixel].
    """

    mask: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        kind: Kind,
        *,
        num_colours: int = 1,
        bias: bool = True,
    ):
        reach = check_kernel(kernel_size)
        check_int("num_colours", num_colours, low=1)
        super().__init__(in_channels, out_channels, kernel_size, padding=reach, bias=bias)
        source = colours_of(in_channels, num_colours)
        target = colours_of(out_channels, num_colours)
        mask = raster_mask(kernel_size, "A").repeat(out_channels, in_channels, 1, 1)
        strict = check_choice("kind", kind, ("A", "B")) == "A"
        mask[..., reach, reach] = target[:, None] >= source + strict
        self.register_buffer("mask", mask)

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return (M * W) x + b, with zeros beyond the edge."""
        return functional.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)

    def at(self, window: Float[Tensor, "batch inputs rows size"]) -> Float[Tensor, "batch out 1 1"]:
        """Return the output of one pixel from rows r - R .. r, columns c - R .. c + R around it.

        Args:
            window: The kernel's upper R + 1 rows; what the mask hides may be anything finite.
        """
        kernel = (self.weight * self.mask)[:, :, : window.shape[2]]
        return functional.conv2d(window, kernel, self.bias)


class VerticalConv(nn.Conv2d):
    """Convolution over the rows above, all columns within reach: the vertical stack's.

    Output (r, c) reads rows r - R .. r - 1 (type A) or r - R .. r (type B) and columns
    c - R .. c + R. It equals a k x k convolution whose kernel is zero in the other rows.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: k = 2R + 1, odd and at least 3.
        kind: Type B includes the row itself. Its features must then know only the rows above.

    Source:
        [oord2016conditional].
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, kind: Kind):
        reach = check_kernel(kernel_size)
        rows = reach + (check_choice("kind", kind, ("A", "B")) == "B")
        super().__init__(in_channels, out_channels, (rows, kernel_size))
        self.kind, self.reach = kind, reach

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return the convolution, with zeros beyond the edge."""
        x = x[:, :, :-1] if self.kind == "A" else x
        return super().forward(functional.pad(x, (self.reach, self.reach, self.reach, 0)))

    def row(
        self, rows: Float[Tensor, "batch inputs rows width"]
    ) -> Float[Tensor, "batch outputs 1 width"]:
        """Return one row r of the output from the rows it reads, r - R .. r - 1 or r - R .. r."""
        return super().forward(functional.pad(rows, (self.reach, self.reach)))


class HorizontalConv(nn.Conv2d):
    """Convolution over the same row to the left: the horizontal stack's.

    Output (r, c) reads row r, columns c - R .. c - 1 (type A) or c - R .. c (type B).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: k = 2R + 1, odd and at least 3.
        kind: Type B includes the column itself.

    Source:
        [oord2016conditional].
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, kind: Kind):
        reach = check_kernel(kernel_size)
        columns = reach + (check_choice("kind", kind, ("A", "B")) == "B")
        super().__init__(in_channels, out_channels, (1, columns))
        self.kind, self.reach = kind, reach

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return the convolution, with zeros beyond the edge."""
        x = x[..., :-1] if self.kind == "A" else x
        return super().forward(functional.pad(x, (self.reach, 0)))

    def at(
        self, columns: Float[Tensor, "batch inputs 1 columns"]
    ) -> Float[Tensor, "batch outputs 1 1"]:
        """Return one pixel of the output from the columns it reads, up to c - 1 or up to c."""
        return super().forward(columns)
