r"""PixelRNN [oord2016pixel]: masked convolution, recurrent layers, 1 x 1 layers.

The recurrence carries information over any distance, so few layers see far: a triangle above the
pixel with row layers, every earlier pixel with diagonal ones. The price is that the steps of a
layer, H rows or H + W - 1 diagonals, have to be computed one after the other.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_choice
from course_utils.models.autoregressive.pixelcnn import check_sizes
from course_utils.models.autoregressive.pixels import PixelModel, pixel_head
from course_utils.nets.masked_conv import MaskedConv2d
from course_utils.nets.pixel_lstm import DiagonalBiLSTM, RowLSTM


class PixelRNN(PixelModel):
    """h = M_A x, then h <- h + P lstm(h) in every recurrent layer, then 1 x 1 layers.

    Args:
        height: H, rows.
        width: W, columns.
        num_levels: K, values of a pixel.
        recurrence: ``"row"`` for Row LSTM, ``"diagonal"`` for Diagonal BiLSTM layers.
        channels: C, features per pixel.
        num_layers: Number of recurrent layers, at least 1.
        kernel_size: k of the row layers, odd and at least 3.
        first_kernel_size: Kernel size of the masked convolution, odd and at least 3.
        level_dim: Size of a level's vector, at least 3.
        dropout: Probability in [0, 1) with which a state is set to zero in training.

    Raises:
        ArgumentError: A size or ``recurrence`` is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [oord2016pixel].
    """

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        recurrence: Literal["row", "diagonal"] = "row",
        channels: int = 24,
        num_layers: int = 1,
        *,
        kernel_size: int = 3,
        first_kernel_size: int = 3,
        level_dim: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__(height, width, num_levels, level_dim)
        check_sizes(channels, num_layers, dropout)
        check_choice("recurrence", recurrence, ("row", "diagonal"))
        self.first = MaskedConv2d(level_dim, channels, first_kernel_size, "A")
        self.layers = nn.ModuleList(
            RowLSTM(channels, kernel_size) if recurrence == "row" else DiagonalBiLSTM(channels)
            for _ in range(num_layers)
        )
        self.projections = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in self.layers)
        self.dropout = nn.Dropout(dropout)
        self.read_out = pixel_head(channels, num_levels)

    def logits(
        self, picture: Float[Tensor, "batch features height width"]
    ) -> Float[Tensor, "batch levels height width"]:
        """Return the logits of every pixel from the recurrent layers' states.

        One column of zeros is put on the right: the feature there is the only one of a row that
        knows the row's last pixel, and without it the next row would not see that pixel.
        """
        features = self.first(functional.pad(picture, (0, 1)))
        for layer, project in zip(self.layers, self.projections, strict=True):
            features = features + self.dropout(project(layer(features)))
        return self.read_out(features[..., :-1])
