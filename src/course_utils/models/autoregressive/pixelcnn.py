r"""PixelCNN [oord2016pixel] and gated PixelCNN [oord2016conditional].

Both turn all pixels into the logits of all pixels in one pass. ``PixelCNN`` stacks masked
convolutions and cannot see its blind spot, however deep it is. ``GatedPixelCNN`` runs a vertical
and a horizontal stack, sees all of its neighbourhood, and multiplies by gates.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int, check_number
from course_utils.models.autoregressive.pixels import PixelModel, pixel_head
from course_utils.nets.masked_conv import MaskedConv2d
from course_utils.nets.two_stacks import GatedLayer

Picture = Float[Tensor, "batch features height width"]
"""The vectors of every pixel, as ``PixelModel.picture`` returns them."""

Logits = Float[Tensor, "batch levels height width"]
"""The logits of every pixel's levels."""


class PixelCNN(PixelModel):
    """Plain stack: h = M_A x, then h <- h + M_B f(h) in every further layer, then 1 x 1 layers.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: K, values of a pixel.
        channels: C, features per pixel.
        num_layers: Number of masked convolutions, at least 1; the first has type A.
        kernel_size: k of all layers but the first, odd and at least 3.
        first_kernel_size: Kernel size of the first layer; k if ``None``.
        level_dim: Size of a level's vector, at least 3.
        dropout: Probability in [0, 1) with which a feature is set to zero in training.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [oord2016pixel]; with plain residual layers in place of bottlenecks, a smooth
        non-linearity, and vectors for the levels.
    """

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        channels: int = 32,
        num_layers: int = 5,
        *,
        kernel_size: int = 3,
        first_kernel_size: int | None = None,
        level_dim: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__(height, width, num_levels, level_dim)
        check_sizes(channels, num_layers, dropout)
        self.first = MaskedConv2d(level_dim, channels, first_kernel_size or kernel_size, "A")
        self.layers = nn.ModuleList(
            MaskedConv2d(channels, channels, kernel_size, "B") for _ in range(num_layers - 1)
        )
        self.dropout = nn.Dropout(dropout)
        self.read_out = pixel_head(channels, num_levels)

    def logits(self, picture: Picture) -> Logits:
        """Return the logits of every pixel from one stack of masked convolutions."""
        features = self.first(picture)
        for layer in self.layers:
            features = features + self.dropout(layer(functional.silu(features)))
        return self.read_out(features)


class GatedPixelCNN(PixelModel):
    """Vertical and horizontal stack of gated layers, residual and skip connections.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: K, values of a pixel.
        channels: C, features per pixel and stack.
        num_layers: Number of gated layers, at least 1; the first has type A.
        kernel_size: k of all layers but the first, odd and at least 3.
        first_kernel_size: Kernel size of the first layer; k if ``None``.
        level_dim: Size of a level's vector, at least 3.
        dropout: Probability in [0, 1) with which a gated unit is set to zero in training.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [oord2016conditional].
    """

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        channels: int = 24,
        num_layers: int = 4,
        *,
        kernel_size: int = 3,
        first_kernel_size: int | None = None,
        level_dim: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__(height, width, num_levels, level_dim)
        check_sizes(channels, num_layers, dropout)
        first = GatedLayer(level_dim, channels, first_kernel_size or kernel_size, "A", dropout)
        deeper = [
            GatedLayer(channels, channels, kernel_size, "B", dropout) for _ in range(num_layers - 1)
        ]
        self.layers = nn.ModuleList([first, *deeper])
        self.read_out = pixel_head(channels, num_levels)

    def logits(self, picture: Picture) -> Logits:
        """Return the logits of every pixel from the sum of all layers' skip connections."""
        v = h = picture
        total = 0.0
        for layer in self.layers:
            v, h, skip = layer(v, h)
            total = total + skip
        return self.read_out(total)


def check_sizes(channels: int, num_layers: int, dropout: float) -> None:
    """Check what all pixel networks take."""
    check_int("channels", channels, low=1)
    check_int("num_layers", num_layers, low=1)
    check_number("dropout", dropout, low=0, high=1, open_high=True)
