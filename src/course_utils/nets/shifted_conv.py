r"""Convolutions that see earlier pixels only because they are shifted, not because they are masked.

Pad an image on one side only, and an ordinary convolution reads on that side only
[salimans2017pixelcnnpp]. Two kinds are enough for raster order; k is the kernel's size:

    "down"         rows r - k_h + 1 .. r,   columns c - k_w//2 .. c + k_w//2     (k_w odd)
    "down-right"   rows r - k_h + 1 .. r,   columns c - k_w + 1 .. c

The network keeps two streams. The upper stream holds at (r, c) what is known of the rows above r,
the raster stream what is known of all pixels before (r, c). At the bottom the inputs are shifted
once, by a row or a column; from there on "down" layers keep the upper stream upper, and
"down-right" layers keep the raster stream in raster order, whatever their number. With stride 2
cell (i, j) stands where pixel (2i, 2j) stood, so it knows nothing from (2i, 2j) on; up-sampling
hands its contents to the pixels (2i, 2j) .. (2i + 1, 2j + 1) and, in the upper stream, to a
neighbour's columns, all of which may know it.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_choice, check_int

Direction = Literal["down", "down-right"]
"""Which pixels a convolution reads, see the module."""

KERNELS: dict[str, tuple[int, int]] = {"down": (2, 3), "down-right": (2, 2)}
"""The kernel each direction uses unless told otherwise."""


def shift_down(x: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch height width"]:
    """Move every row one down; the first becomes zero."""
    return functional.pad(x, (0, 0, 1, 0))[..., :-1, :]


def shift_right(x: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch height width"]:
    """Move every column one to the right; the first becomes zero."""
    return functional.pad(x, (1, 0))[..., :-1]


def concat_elu(x: Float[Tensor, "batch features *place"]) -> Float[Tensor, "batch both *place"]:
    """Return elu(x) beside elu(-x): twice the features, and no unit is ever switched off."""
    return functional.elu(torch.cat([x, -x], 1))


class ShiftedConv(nn.Module):
    """Convolution that reads the pixels of one side and the present one, see the module.

    Args:
        inputs: Number of input features.
        outputs: Number of output features.
        direction: ``"down"`` or ``"down-right"``.
        kernel: Height and width; ``KERNELS[direction]`` if ``None``. Width odd for ``"down"``.
        stride: 1, or 2 to halve the resolution (rounding up).

    Raises:
        ArgumentError: A size is not positive, or the width of a ``"down"`` kernel is even.

    Source:
        [salimans2017pixelcnnpp].
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        direction: Direction,
        *,
        kernel: tuple[int, int] | None = None,
        stride: int = 1,
    ):
        super().__init__()
        check_choice("direction", direction, tuple(KERNELS))
        height, width = KERNELS[direction] if kernel is None else kernel
        check_int("kernel height", height, low=1)
        check_int("kernel width", width, low=1)
        if direction == "down" and width % 2 == 0:
            raise ArgumentError(f"kernel: expected an odd width to look down, got {width}")
        left, right = (width // 2, width // 2) if direction == "down" else (width - 1, 0)
        self.padding = (left, right, height - 1, 0)
        stride = check_int("stride", stride, low=1)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride=stride)

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs out_height out_width"]:
        """Return the convolution of the image padded above and on the left (and right)."""
        return self.conv(functional.pad(x, self.padding))


class ShiftedUpsample(nn.Module):
    """Doubles the resolution: cell (i, j) writes to pixels (2i, 2j) .. (2i + 1, 2j + 1).

    With direction ``"down"`` it also writes to column 2j - 1, which is allowed because a cell of
    the upper stream knows only rows above 2i.

    Args:
        inputs: Number of input features.
        outputs: Number of output features.
        direction: ``"down"`` or ``"down-right"``.

    Source:
        [salimans2017pixelcnnpp].
    """

    def __init__(self, inputs: int, outputs: int, direction: Direction):
        super().__init__()
        kernel = KERNELS[check_choice("direction", direction, tuple(KERNELS))]
        self.first = kernel[1] // 2 if direction == "down" else 0
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride=2)

    def forward(
        self, x: Float[Tensor, "batch inputs height width"], size: tuple[int, int]
    ) -> Float[Tensor, "batch outputs out_height out_width"]:
        """Return the image at twice the resolution, cut to ``size`` = (height, width)."""
        return self.conv(x)[..., : size[0], self.first : self.first + size[1]]


class GatedResidual(nn.Module):
    """x + a * sigmoid(b), where (a, b) = conv(dropout(f(conv(f(x)) + W f(side)))), f = concat_elu.

    Args:
        features: F, of the input and the output.
        direction: ``"down"`` or ``"down-right"``.
        side: Number of features of a second input of the same size; 0 for none. It comes from the
            upper stream, or over a short-cut.
        dropout: Probability in [0, 1) with which a hidden unit is set to zero in training.

    Source:
        [salimans2017pixelcnnpp], without the weight normalisation.
    """

    def __init__(self, features: int, direction: Direction, *, side: int = 0, dropout: float = 0.0):
        super().__init__()
        self.read = ShiftedConv(2 * features, features, direction)
        self.read_side = nn.Conv2d(2 * side, features, 1) if side else None
        self.dropout = nn.Dropout(dropout)
        self.write = ShiftedConv(2 * features, 2 * features, direction)

    def forward(
        self,
        x: Float[Tensor, "batch features height width"],
        side: Float[Tensor, "batch side height width"] | None = None,
    ) -> Float[Tensor, "batch features height width"]:
        """Return the input plus a gated update that reads the ``direction`` and ``side``."""
        hidden = self.read(concat_elu(x))
        if self.read_side is not None:
            hidden = hidden + self.read_side(concat_elu(side))
        update, gate = self.write(self.dropout(concat_elu(hidden))).chunk(2, 1)
        return x + update * torch.sigmoid(gate)
