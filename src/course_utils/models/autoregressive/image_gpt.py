r"""Image GPT: the pixels of a picture, read in raster order like a text [chen2020generative].

    p(x) = \prod_i p(x_i | x_1, ..., x_{i-1}),   x_i one of K levels

Nothing is known to the model about two dimensions except what enters through the positions: each
place has the vector of its row plus the vector of its column, as seen from the pixel that is
predicted. Patches or codes in place of pixels need no other model, only other symbols.
"""

from jaxtyping import Int
from torch import Tensor

from course_utils.arguments import check_int
from course_utils.models.autoregressive.gpt import GPT
from course_utils.nets.positions import GridPositions


class ImageGPT(GPT):
    """Categorical conditionals of an image's pixels in raster order, by a causal Transformer.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        num_levels: K, values of a pixel.
        dim: d, the size of a vector.
        num_heads: Heads of each attention, a divisor of d.
        num_layers: Number of blocks.
        dropout: Probability in [0, 1) of dropout in the blocks.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [chen2020generative], with a vector for each row and column in place of one for each place.
    """

    any_length = False

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        *,
        dropout: float = 0.0,
    ):
        check_int("height", height, low=1)
        check_int("width", width, low=1)
        super().__init__(
            num_levels,
            height * width,
            dim,
            num_heads,
            num_layers,
            positions="none",
            dropout=dropout,
        )
        self.shape = (height, width)
        self.places = GridPositions(height, width, dim)

    def as_images(self, x: Int[Tensor, "batch length"]) -> Int[Tensor, "batch height width"]:
        """Return rows of pixels as images."""
        return x.unflatten(1, self.shape)
