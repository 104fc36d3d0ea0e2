r"""The recurrent layers of PixelRNN [oord2016pixel]: whole rows, or whole diagonals, at a time.

A convolutional LSTM runs along one axis of the image (the steps) and treats all positions of the
other (the cells) in parallel. The state of the step before enters by a one-dimensional convolution
over the cells:

    (o, f, i, g) = K_is x_t + K_ss h_{t-1}
    c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g),     h_t = sigmoid(o) tanh(c_t)

The Row LSTM steps from row to row. The Diagonal BiLSTM steps from column to column of the skewed
image, in which row r is moved r places to the right, so that a column holds a diagonal.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.nets.masked_conv import HorizontalConv, check_kernel

Image = Float[Tensor, "batch channels height width"]
"""Features of every pixel."""


class ConvLSTM(nn.Module):
    """Run the recurrence over steps; K_is x is given, K_ss is a convolution over the cells.

    Args:
        channels: C, size of the state of each cell.
        before: How many cells before its own a cell reads from the last step's state.
        after: How many cells after its own.
    """

    def __init__(self, channels: int, before: int, after: int):
        super().__init__()
        self.margin = (before, after)
        self.from_state = nn.Conv1d(channels, 4 * channels, before + 1 + after, bias=False)

    def forward(
        self, inputs: Float[Tensor, "batch gates steps cells"]
    ) -> Float[Tensor, "batch channels steps cells"]:
        """Return h of every step.

        Args:
            inputs: K_is x, 4C channels in the order (o, f, i, g).
        """
        batch, gates, _, cells = inputs.shape
        state = memory = inputs.new_zeros(batch, gates // 4, cells)
        states = []
        for step in inputs.unbind(2):
            total = step + self.from_state(functional.pad(state, self.margin))
            out, forget, enter, value = total.chunk(4, dim=1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * value.tanh()
            state = out.sigmoid() * memory.tanh()
            states.append(state)
        return torch.stack(states, 2)


class RowLSTM(nn.Module):
    """From row to row; each cell reads its neighbours' states one row up: a triangle of context.

    Args:
        channels: C, of input and output.
        kernel_size: k, odd and at least 3, of input-to-state (masked) and state-to-state.
    """

    def __init__(self, channels: int, kernel_size: int):
        super().__init__()
        reach = check_kernel(kernel_size)
        self.from_input = HorizontalConv(channels, 4 * channels, kernel_size, "B")
        self.recurrence = ConvLSTM(channels, before=reach, after=reach)

    def forward(self, x: Image) -> Image:
        """Return the states, x's shape."""
        return self.recurrence(self.from_input(x))


class DiagonalBiLSTM(nn.Module):
    """Along the diagonals from both upper corners: every earlier pixel is context.

    From the upper left, the state at (r, c) comes from (r, c - 1) and (r - 1, c). From the upper
    right it comes from (r, c + 1) and (r - 1, c); pixels to the right in the same row come later,
    so these states are moved one row down before the two are added.

    Args:
        channels: C, of input and output.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.from_input = nn.ModuleList(nn.Conv2d(channels, 4 * channels, 1) for _ in range(2))
        self.recurrence = nn.ModuleList(ConvLSTM(channels, before=1, after=0) for _ in range(2))

    def forward(self, x: Image) -> Image:
        """Return the sum of both directions' states, x's shape."""
        left = self._run(0, x)
        right = self._run(1, x.flip(3)).flip(3)
        return left + functional.pad(right[:, :, :-1], (0, 0, 1, 0))

    def _run(self, direction: int, x: Tensor) -> Tensor:
        skewed = skew(self.from_input[direction](x))
        states = self.recurrence[direction](skewed.transpose(2, 3)).transpose(2, 3)
        return unskew(states)


def skew(x: Image) -> Float[Tensor, "batch channels height diagonals"]:
    """Move row r by r places to the right: entry (r, c) comes to (r, r + c), zeros elsewhere."""
    height, width = x.shape[2:]
    flat = functional.pad(x, (0, height)).flatten(2)[..., : height * (width + height - 1)]
    return flat.unflatten(2, (height, width + height - 1))


def unskew(x: Float[Tensor, "batch channels height diagonals"]) -> Image:
    """Undo ``skew``: entry (r, r + c) comes back to (r, c)."""
    height, diagonals = x.shape[2:]
    flat = functional.pad(x.flatten(2), (0, height))
    return flat.unflatten(2, (height, diagonals + 1))[..., : diagonals - height + 1]
