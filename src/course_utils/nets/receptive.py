r"""What a network can see: the set of inputs on which an output depends.

It is found by two roads that must agree. Measured: output i depends on input j if the derivative
d f_i / d x_j is not zero. Predicted: if one layer reads the offsets D_1 and the next D_2, the two
together read D_1 + D_2 = {d_1 + d_2}, which is where the convolution of the two masks is positive.

A *field* is a Boolean square of odd size, true at the offsets that its centre sees.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import check_int, check_tensor
from course_utils.nets.masked_conv import raster_mask


def depends_on(
    function: Callable[[Float[Tensor, "*inputs"]], Float[Tensor, "*outputs"]],
    x: Float[Tensor, "*inputs"],
) -> Bool[Tensor, "outputs inputs"]:
    """Say for each output i and input j whether d f_i / d x_j differs from zero at x.

    Args:
        function: Maps a tensor of x's shape to a tensor of any shape, differentiably.
        x: The point, of any shape; better in float64, where small derivatives do not vanish.

    Returns:
        Entry (i, j) for output i and input j, both counted in the order of ``flatten``.

    Raises:
        ArgumentError: ``x`` is no tensor of finite floating-point numbers.

    Accuracy:
        No false alarm: a derivative that is zero for structural reasons is exactly zero. A
        dependence is missed where its derivative happens to be zero at this x, as it is behind a
        rectifier that is off; smooth networks at a random x miss none in practice.
    """
    check_tensor("x", x, dtype="float")
    slopes = torch.autograd.functional.jacobian(function, x)
    return (slopes != 0).reshape(-1, x.numel())


def convolve_fields(*fields: Bool[Tensor, "_ _"]) -> Bool[Tensor, "size size"]:
    """Return the field of layers that are applied one after the other: the sums of their offsets.

    Args:
        fields: One Boolean square of odd size per layer, in any order.
    """
    total = torch.ones(1, 1, dtype=torch.bool)
    for field in fields:
        a, b = total[None, None].double(), field[None, None].double()
        total = functional.conv_transpose2d(a, b)[0, 0] > 0
    return total


def join_fields(*fields: Bool[Tensor, "_ _"]) -> Bool[Tensor, "size size"]:
    """Return the field of layers whose outputs are added: the union, on the largest square."""
    reach = max(len(field) for field in fields) // 2
    total = torch.zeros(2 * reach + 1, 2 * reach + 1, dtype=torch.bool)
    for field in fields:
        edge = reach - len(field) // 2
        total |= functional.pad(field, (edge,) * 4)
    return total


def seen_from(
    field: Bool[Tensor, "size size"], row: int, column: int, height: int, width: int
) -> Bool[Tensor, "height width"]:
    """Lay a field on an image: which of its pixels the output at (row, column) sees."""
    reach = len(field) // 2
    margin = (width, width, height, height)
    big = functional.pad(field, margin)
    top, left = reach + height - row, reach + width - column
    return big[top : top + height, left : left + width]


def plain_field(kernel_sizes: Sequence[int]) -> Bool[Tensor, "size size"]:
    """Return the field of stacked masked convolutions, the first of type A, the others of type B.

    Args:
        kernel_sizes: Kernel size of each layer, at least one.
    """
    kinds = "A" + "B" * (len(kernel_sizes) - 1)
    masks = [raster_mask(size, kind) for size, kind in zip(kernel_sizes, kinds, strict=True)]
    return convolve_fields(*masks)


def two_stack_field(kernel_sizes: Sequence[int]) -> Bool[Tensor, "size size"]:
    """Return the field of a vertical and a horizontal stack, the first layer of type A.

    Args:
        kernel_sizes: Kernel size of each layer, at least one.
    """
    vertical, horizontal = torch.ones(2, 1, 1, dtype=torch.bool)
    for layer, size in enumerate(kernel_sizes):
        reach = size // 2
        square = raster_mask(size, "B" if layer else "A")
        rows, row = square.clone(), square.clone()
        rows[reach] = layer > 0
        row[:reach] = False
        vertical = convolve_fields(vertical, rows)
        horizontal = join_fields(convolve_fields(horizontal, row), vertical)
    return horizontal


def row_lstm_field(
    first_kernel_size: int, kernel_size: int, num_layers: int, num_rows: int
) -> Bool[Tensor, "size size"]:
    """Return the field of a Row LSTM behind one masked convolution of type A.

    A layer reads R = (k - 1) / 2 columns to the left in its own row, and its state goes up the
    rows, each time R columns to either side: a triangle.

    Args:
        first_kernel_size: Kernel size of the masked convolution.
        kernel_size: k, of input-to-state and of state-to-state.
        num_layers: Number of recurrent layers.
        num_rows: How many rows up to follow the state, at most the image's height.
    """
    check_int("num_rows", num_rows, low=1)
    reach = kernel_size // 2
    field = raster_mask(first_kernel_size, "A")
    left = raster_mask(kernel_size, "B")
    left[:reach] = False
    up = torch.zeros(kernel_size, kernel_size, dtype=torch.bool)
    up[reach - 1] = True
    for _ in range(num_layers):
        state = convolve_fields(field, left)
        fields = [field, state]
        for _ in range(num_rows):
            state = convolve_fields(state, up)
            fields.append(state)
        field = join_fields(*fields)
    return field
