r"""PixelCNN [oord2016pixel] and gated PixelCNN [oord2016conditional].

Both turn all pixels into the logits of all pixels in one pass. ``PixelCNN`` stacks masked
convolutions and cannot see its blind spot, however deep it is. ``GatedPixelCNN`` runs a vertical
and a horizontal stack, sees all of its neighbourhood, and multiplies by gates. With a condition y,
such as a class, it is p(x | y) = \prod_i p(x_i | x_{<i}, y): y adds V_l y in front of the gates of
each layer l.

Both also give their conditionals one by one, from features that they keep. A feature at a pixel
depends on earlier pixels only, so it never changes once they are known, and drawing an image costs
about as many multiplications as one pass.
"""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.models.autoregressive.given import ConditionalModel
from course_utils.models.autoregressive.pixels import PixelCache, PixelModel, pixel_head
from course_utils.nets.gated import Shifts
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

    def start(self, num_samples: int) -> PixelCache:
        """Return the cache before the first pixel: a map for each layer, framed by zeros."""
        check_int("num_samples", num_samples, low=1)
        maps = []
        for layer in (self.first, *self.layers):
            (reach, _), inputs = layer.padding, layer.in_channels
            shape = (num_samples, inputs, self.height + reach, self.width + 2 * reach)
            maps.append(layer.weight.new_zeros(shape))
        return PixelCache(tuple(maps), 0)

    def step(
        self, cache: PixelCache, last: Int[Tensor, " samples"] | None
    ) -> tuple[Float[Tensor, "samples levels"], PixelCache]:
        """Return the logits of the next pixel, and the cache that knows ``last``.

        Args:
            cache: What ``start`` or the step before returned.
            last: The level of the pixel that came last; ``None`` at the first.
        """
        row, column = divmod(cache.place, self.width)
        if last is not None:
            r, c = divmod(cache.place - 1, self.width)
            _put(cache.layers[0], self.first, r, c, self.vector(last, r, c))
        features = self.first.at(_window(cache.layers[0], self.first, row, column))
        for layer, seen in zip(self.layers, cache.layers[1:], strict=True):
            _put(seen, layer, row, column, functional.silu(features)[..., 0, 0])
            features = features + self.dropout(layer.at(_window(seen, layer, row, column)))
        return self.read_out(features)[..., 0, 0], PixelCache(cache.layers, cache.place + 1)


def _put(seen: Tensor, layer: MaskedConv2d, row: int, column: int, vector: Tensor) -> None:
    """Write what a layer reads at one pixel into its map."""
    reach = layer.padding[0]
    seen[:, :, row + reach, column + reach] = vector


def _window(seen: Tensor, layer: MaskedConv2d, row: int, column: int) -> Tensor:
    """The part of a layer's map that its output at one pixel can depend on."""
    reach = layer.padding[0]
    return seen[:, :, row : row + reach + 1, column : column + 2 * reach + 1]


class GatedPixelCNN(PixelModel, ConditionalModel):
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
        condition_dim: Size of the condition y, such as the number of classes of a one-hot vector;
            0 for a model without one. A model with one is asked through ``given``.

    Raises:
        ArgumentError: A size is out of range.

    Accuracy:
        Exact for its own distribution.

    Source:
        [oord2016conditional], conditions by its equations (3) and (4); both stacks of a layer
        share V_l y.
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
        condition_dim: int = 0,
    ):
        super().__init__(height, width, num_levels, level_dim)
        check_sizes(channels, num_layers, dropout)
        self.condition_dim = check_int("condition_dim", condition_dim, low=0)
        first = GatedLayer(level_dim, channels, first_kernel_size or kernel_size, "A", dropout)
        deeper = [
            GatedLayer(channels, channels, kernel_size, "B", dropout) for _ in range(num_layers - 1)
        ]
        self.layers = nn.ModuleList([first, *deeper])
        self.read_out = pixel_head(channels, num_levels)
        self.shifts = Shifts(condition_dim, channels, num_layers) if condition_dim else None

    def conditionals(
        self,
        x: Int[Tensor, "batch length"],
        condition: Float[Tensor, "batch dim"] | None = None,
    ) -> Float[Tensor, "batch length levels"]:
        """Return the logits of every pixel, in raster order, given y if the model takes one."""
        return self.logits(self.picture(x), condition).flatten(2).transpose(1, 2)

    def logits(
        self, picture: Picture, condition: Float[Tensor, "batch dim"] | None = None
    ) -> Logits:
        """Return the logits of every pixel from the sum of all layers' skip connections."""
        v = h = picture
        total = 0.0
        for layer, shift in zip(self.layers, self._of_layers(condition), strict=True):
            v, h, skip = layer(v, h, shift)
            total = total + skip
        return self.read_out(total)

    def start(self, num_samples: int) -> PixelCache:
        """Return the cache before the first pixel: a memory for each layer."""
        check_int("num_samples", num_samples, low=1)
        memories = (layer.start(num_samples, self.height, self.width) for layer in self.layers)
        return PixelCache(tuple(memories), 0)

    def step(
        self,
        cache: PixelCache,
        last: Int[Tensor, " samples"] | None,
        condition: Float[Tensor, "samples dim"] | None = None,
    ) -> tuple[Float[Tensor, "samples levels"], PixelCache]:
        """Return the logits of the next pixel, and the cache that knows ``last``.

        Args:
            cache: What ``start`` or the step before returned.
            last: The level of the pixel that came last; ``None`` at the first.
            condition: y, the same in every step.
        """
        row, column = divmod(cache.place, self.width)
        first, *others = cache.layers
        if last is not None:
            r, c = divmod(cache.place - 1, self.width)
            first.put_h(r, c, self.vector(last, r, c))
            if column == 0:
                first.put_v(r, first.h[:, :, r, first.reach :])
        shifts = self._of_layers(condition)
        layers = list(zip(self.layers, cache.layers, shifts, [*others, None], strict=True))
        for layer, memory, shift, after in layers if column == 0 else ():
            v = layer.begin_row(memory, row, shift)
            if after is not None:
                after.put_v(row, v)
        total = 0.0
        for layer, memory, shift, after in layers:
            h, skip = layer.at(memory, row, column, shift)
            total = total + skip
            if after is not None:
                after.put_h(row, column, h[..., 0, 0])
        return self.read_out(total)[..., 0, 0], PixelCache(cache.layers, cache.place + 1)

    def _of_layers(self, condition: Tensor | None) -> Sequence[Tensor | float]:
        """V_l y of every layer, the same at every pixel."""
        if condition is not None and self.condition_dim:
            check_tensor("condition", condition, shape=("batch", self.condition_dim))
            condition = condition[:, None, None]
        return self._shifts(condition, len(self.layers))


def check_sizes(channels: int, num_layers: int, dropout: float) -> None:
    """Check what all pixel networks take."""
    check_int("channels", channels, low=1)
    check_int("num_layers", num_layers, low=1)
    check_number("dropout", dropout, low=0, high=1, open_high=True)
