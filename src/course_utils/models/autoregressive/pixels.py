r"""What pixel models share: an image is a sequence in raster order, and a level is a vector.

Pixel (r, c) of an image with W columns is variable r W + c, so the variables before it are the
rows above and the pixels to its left. Each grey level k has a vector C(k) of a few numbers,
started as a thermometer plus a constant 1, which tells the inside from the zeros beyond the edge.
A convolution does not know where it stands, so a vector for the row and one for the column are
added. A model is then any network from such a picture of vectors to logits of the same height and
width that keeps to the order.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.models.autoregressive.window import thermometer


class PixelCache(NamedTuple):
    """What a model of pixels remembers between two steps of sampling.

    Attributes:
        layers: What each layer has read. ``step`` writes into it, so a cache can be gone on with
            only once.
        place: The number of the pixel that comes next.
    """

    layers: tuple[Any, ...]
    place: int


class PixelModel(AutoregressiveModel):
    """Categorical conditionals of the pixels of an image in raster order.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: K >= 2, values of a pixel.
        level_dim: Size of a level's vector, at least 3.

    Raises:
        ArgumentError: A size is out of range.
    """

    def __init__(self, height: int, width: int, num_levels: int, level_dim: int):
        check_int("height", height, low=1)
        check_int("width", width, low=1)
        check_int("level_dim", level_dim, low=3)
        super().__init__(height * width, CategoricalHead(num_levels))
        self.height, self.width, self.num_levels = height, width, num_levels
        start = functional.pad(thermometer(num_levels, level_dim - 1), (0, 1), value=1.0)
        self.levels = nn.Parameter(start)
        self.rows = nn.Parameter(torch.zeros(level_dim, height, 1))
        self.columns = nn.Parameter(torch.zeros(level_dim, 1, width))

    def picture(
        self, x: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch features height width"]:
        """Return the vectors C(x) + row + column of every pixel, as the channels of an image."""
        values = self.levels[x].transpose(1, 2).unflatten(2, (self.height, self.width))
        return values + self.rows + self.columns

    def vector(
        self, level: Int[Tensor, " batch"], row: int, column: int
    ) -> Float[Tensor, "batch features"]:
        """Return the vector of one pixel, a column of ``picture``."""
        return self.levels[level] + self.rows[:, row, 0] + self.columns[:, 0, column]

    @abstractmethod
    def logits(
        self, picture: Float[Tensor, "batch features height width"]
    ) -> Float[Tensor, "batch levels height width"]:
        """Return the logits at every pixel; those at (r, c) depend on earlier pixels only."""

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length levels"]:
        """Return the logits of every pixel, in raster order."""
        return self.logits(self.picture(x)).flatten(2).transpose(1, 2)


def pixel_head(channels: int, num_levels: int) -> nn.Sequential:
    """Two 1 x 1 convolutions that turn features into logits, pixel by pixel."""
    return nn.Sequential(
        nn.SiLU(),
        nn.Conv2d(channels, channels, 1),
        nn.SiLU(),
        nn.Conv2d(channels, num_levels, 1),
    )
