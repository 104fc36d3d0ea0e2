r"""One network for all pixels: a neural language model in two dimensions.

In raster order the pixels before (r, c) are the rows above it and the pixels to its left. Most of
what they say about the next pixel is said by the near ones, and is the same everywhere. So one
network reads the window of radius R,

    rows r - R .. r - 1, columns c - R .. c + R,   and   row r, columns c - R .. c - 1,

and what differs from place to place enters through a vector for the row and one for the column:

    e = (C(x_j) for j in the window)
    h = f(a + W e + row_r + column_c),      h <- h + f(d + U h) in every further layer
    logits = b + V h

Each grey level k has a vector C(k), as each symbol has in a language model. Unlike symbols, levels
are ordered, so the vectors start as a thermometer (which of a few thresholds does k reach?), where
near levels have near vectors, and learn from there. The model is the simplest relative of the
PixelCNN [oord2016pixel].
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int, check_number
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel


def causal_offsets(radius: int) -> Int[Tensor, "neighbours 2"]:
    """Return the (row, column) steps to the 2R(R + 1) window pixels that come before the centre."""
    steps = [(dr, dc) for dr in range(-radius, 1) for dc in range(-radius, radius + 1)]
    return torch.tensor([step for step in steps if step < (0, 0)])


def thermometer(num_levels: int, dim: int) -> Float[Tensor, "levels dim"]:
    """Return a vector for each level: which of dim - 1 thresholds it reaches, and its scaled value.

    Args:
        num_levels: K; level k has the scaled value k / (K - 1).
        dim: Size of a vector, at least 2. The thresholds lie evenly between 1 and K - 1.
    """
    level = torch.arange(num_levels)[:, None]
    thresholds = torch.linspace(1, num_levels - 1, dim - 1)
    return torch.cat([(level >= thresholds).float(), level / (num_levels - 1)], -1)


class WindowModel(AutoregressiveModel):
    """Categorical conditionals of an image's pixels in raster order, from one shared network.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        num_levels: K, values of a pixel.
        radius: R >= 1, how far the window reaches.
        hidden: Width of each hidden layer.
        num_layers: Number of hidden layers, at least 1.
        level_dim: Size of a level's vector, at least 3.
        dropout: Probability in [0, 1) with which a hidden unit is set to zero in training.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.
    """

    neighbours: Tensor

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        radius: int = 3,
        hidden: int = 64,
        *,
        num_layers: int = 2,
        level_dim: int = 8,
        dropout: float = 0.0,
    ):
        check_int("height", height, low=1)
        check_int("width", width, low=1)
        check_int("radius", radius, low=1)
        check_int("hidden", hidden, low=1)
        check_int("num_layers", num_layers, low=1)
        check_int("level_dim", level_dim, low=3)
        check_number("dropout", dropout, low=0, high=1, open_high=True)
        super().__init__(height * width, CategoricalHead(num_levels))
        self.num_levels = num_levels
        self.register_buffer("neighbours", _neighbours(height, width, radius))
        start = functional.pad(thermometer(num_levels, level_dim - 1), (0, 1, 0, 1))
        start[num_levels, -1] = 1
        self.levels = nn.Parameter(start)
        self.rows = nn.Parameter(0.1 * torch.randn(height, 1, hidden))
        self.columns = nn.Parameter(0.1 * torch.randn(1, width, hidden))
        self.read = nn.Linear(self.neighbours.shape[1] * level_dim, hidden)
        self.deepen = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(num_layers - 1))
        self.write = nn.Linear(hidden, num_levels)
        self.dropout = nn.Dropout(dropout)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length levels"]:
        """Return the logits of every pixel. Beyond the edge stands a level of its own, number K."""
        framed = functional.pad(x, (0, 1), value=self.num_levels)
        vectors = self.levels[framed[:, self.neighbours]].flatten(-2)
        place = (self.rows + self.columns).flatten(0, 1)
        hidden = self.dropout(functional.silu(self.read(vectors) + place))
        for layer in self.deepen:
            hidden = hidden + self.dropout(functional.silu(layer(hidden)))
        return self.write(hidden)


def _neighbours(height: int, width: int, radius: int) -> Tensor:
    """Index of each window pixel in the flattened image; height * width where it lies outside."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    offsets = causal_offsets(radius)
    r = rows.flatten()[:, None] + offsets[:, 0]
    c = columns.flatten()[:, None] + offsets[:, 1]
    inside = (r >= 0) & (c >= 0) & (c < width)
    return torch.where(inside, r * width + c, height * width)
