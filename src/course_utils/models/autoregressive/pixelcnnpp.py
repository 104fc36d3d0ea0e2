r"""PixelCNN++ [salimans2017pixelcnnpp]: shifted convolutions, two resolutions, ordered levels.

It changes five things about the gated PixelCNN, and each can be switched off here:

    mixture of logistics  the head knows that levels are ordered     ``num_components=None``
    whole pixels          channels are linked by the head alone      (images with one channel)
    down-sampling         half the blocks run at half resolution     ``downsample=False``
    short-cuts            the second half reads the first one's      ``shortcuts=False``
    dropout               on the hidden units of every block         ``dropout=0``
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_number
from course_utils.distributions import CategoricalHead
from course_utils.logistic_mixtures import (
    DiscretisedLogisticMixture,
    num_pixel_params,
    whole_pixel_conditionals,
)
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.nets.shifted_conv import (
    GatedResidual,
    ShiftedConv,
    ShiftedUpsample,
    shift_down,
    shift_right,
)

Streams = tuple[Tensor, Tensor]
"""Features of the upper stream and of the raster stream, in this order."""


class PixelCNNPP(AutoregressiveModel):
    """Conditionals of an image's sub-pixels in raster order, the channels of a pixel in sequence.

    Args:
        height: Rows H of the image.
        width: Columns W of the image.
        num_levels: K, values of a sub-pixel.
        num_channels: C, 1 for grey images, 3 for colour.
        features: F, width of each stream.
        num_blocks: Blocks per resolution and half, at least 1; there are four such groups.
        num_components: M, logistics in the mixture; ``None`` for a categorical head, which has
            no links between channels and so demands C = 1.
        downsample: Whether the inner half runs at half resolution.
        shortcuts: Whether blocks of the second half read their counterparts of the first.
        dropout: Probability in [0, 1) with which a hidden unit is set to zero in training.
        positions: Whether learned vectors for the row and the column are added at the start.

    Raises:
        ArgumentError: A size is out of range, or a categorical head is asked for C > 1.

    Accuracy:
        Exact for its own distribution.

    Source:
        [salimans2017pixelcnnpp], with two resolutions instead of three, without weight
        normalisation, and with the exact bin masses throughout.
    """

    def __init__(
        self,
        height: int,
        width: int,
        num_levels: int,
        *,
        num_channels: int = 1,
        features: int = 32,
        num_blocks: int = 1,
        num_components: int | None = 5,
        downsample: bool = True,
        shortcuts: bool = True,
        dropout: float = 0.0,
        positions: bool = False,
    ):
        self.size = (check_int("height", height, low=1), check_int("width", width, low=1))
        check_int("features", features, low=1)
        check_int("num_blocks", num_blocks, low=1)
        check_number("dropout", dropout, low=0, high=1, open_high=True)
        head = _head(num_levels, num_components, check_int("num_channels", num_channels, low=1))
        super().__init__(height * width * num_channels, head)
        self.num_levels, self.num_channels = num_levels, num_channels
        self.stem = Stem(num_channels + 1, features)
        block = {"features": features, "dropout": dropout}
        bridge = {**block, "shortcut": shortcuts}
        self.outer_first = _blocks(num_blocks, **block)
        self.inner_first = _blocks(num_blocks, **block)
        self.inner_last = _blocks(num_blocks, **bridge)
        self.outer_last = _blocks(num_blocks, **bridge)
        self.down = Resample(features, up=False) if downsample else None
        self.up = Resample(features, up=True) if downsample else None
        self.places = nn.ParameterList(
            0.1 * torch.randn(1, features, *shape)
            for shape in (((height, 1), (1, width)) if positions else ())
        )
        if num_components is None:
            num_outputs = num_levels
        else:
            num_outputs = num_pixel_params(num_components, num_channels)
        self.write = nn.Conv2d(features, num_outputs, 1)

    def conditionals(self, x: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length params"]:
        """Return the head's parameters for every sub-pixel, from one pass over the whole pixels."""
        pixels = x.unflatten(1, (*self.size, self.num_channels))
        scaled = 2 * pixels.to(self.write.weight.dtype) / (self.num_levels - 1) - 1
        hidden = self.features(scaled.movedim(-1, 1))
        params = self.write(functional.elu(hidden)).movedim(1, -1)
        if isinstance(self.head, DiscretisedLogisticMixture):
            params = whole_pixel_conditionals(params, pixels, self.head)
        return params.reshape(len(x), self.num_variables, self.head.num_params)

    def features(
        self, image: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features height width"]:
        """Return what the raster stream knows at each pixel of all pixels before it."""
        streams = self.stem(functional.pad(image, (0, 0, 0, 0, 0, 1), value=1.0))
        for place in self.places:
            streams = (streams[0] + place, streams[1] + place)
        outer, streams = _run(self.outer_first, streams)
        if self.down is not None:
            streams = self.down(streams)
        inner, streams = _run(self.inner_first, streams)
        _, streams = _run(self.inner_last, streams, inner)
        if self.up is not None:
            streams = self.up(streams, self.size)
        _, streams = _run(self.outer_last, streams, outer)
        return streams[1]

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, "given_rows given"] | None = None,
        length: int | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "samples length"]:
        """Draw sub-pixel by sub-pixel; see ``AutoregressiveModel.sample``.

        Raises:
            ArgumentError: ``temperature`` is not 1 though the head is a mixture of logistics,
                whose parameters are no logits.
        """
        if temperature != 1.0 and not isinstance(self.head, CategoricalHead):
            raise ArgumentError(
                f"temperature: expected 1 for a mixture of logistics, got {temperature!r}"
            )
        return super().sample(
            num_samples,
            condition=condition,
            length=length,
            temperature=temperature,
            generator=generator,
        )


class Stem(nn.Module):
    """First layer: the upper stream of rows above, and the raster stream of all pixels before.

    Args:
        inputs: Number of input features.
        features: F, of each stream.
    """

    def __init__(self, inputs: int, features: int):
        super().__init__()
        self.above = ShiftedConv(inputs, features, "down")
        self.row_above = ShiftedConv(inputs, features, "down", kernel=(1, 3))
        self.left = ShiftedConv(inputs, features, "down-right", kernel=(2, 1))

    def forward(self, image: Float[Tensor, "batch inputs height width"]) -> Streams:
        """Return both streams. These shifts are the only ones in the network."""
        upper = shift_down(self.above(image))
        return upper, shift_down(self.row_above(image)) + shift_right(self.left(image))


class Block(nn.Module):
    """A gated residual layer in each stream; the raster stream also reads the upper one.

    Args:
        features: F, of each stream.
        dropout: Probability of dropping a hidden unit.
        shortcut: Whether an earlier state of both streams is read as well.
    """

    def __init__(self, features: int, dropout: float, *, shortcut: bool = False):
        super().__init__()
        extra = features if shortcut else 0
        self.shortcut = shortcut
        self.upper = GatedResidual(features, "down", side=extra, dropout=dropout)
        self.raster = GatedResidual(features, "down-right", side=features + extra, dropout=dropout)

    def forward(self, streams: Streams, earlier: Streams | None) -> Streams:
        """Return both streams one layer on."""
        if not self.shortcut or earlier is None:
            upper = self.upper(streams[0])
            return upper, self.raster(streams[1], upper)
        upper = self.upper(streams[0], earlier[0])
        return upper, self.raster(streams[1], torch.cat([upper, earlier[1]], 1))


class Resample(nn.Module):
    """Both streams at half or at twice the resolution.

    Args:
        features: F, of each stream.
        up: Whether to double the resolution instead of halving it.
    """

    def __init__(self, features: int, *, up: bool):
        super().__init__()
        if up:
            self.upper: nn.Module = ShiftedUpsample(features, features, "down")
            self.raster: nn.Module = ShiftedUpsample(features, features, "down-right")
        else:
            self.upper = ShiftedConv(features, features, "down", stride=2)
            self.raster = ShiftedConv(features, features, "down-right", stride=2)

    def forward(self, streams: Streams, *size: tuple[int, int]) -> Streams:
        """Return both streams at the other resolution; going up, cut to ``size``."""
        return self.upper(streams[0], *size), self.raster(streams[1], *size)


def _head(
    num_levels: int, num_components: int | None, num_channels: int
) -> CategoricalHead | DiscretisedLogisticMixture:
    if num_components is not None:
        return DiscretisedLogisticMixture(num_levels, num_components)
    if num_channels > 1:
        raise ArgumentError(f"num_channels: expected 1 for a categorical head, got {num_channels}")
    return CategoricalHead(num_levels)


def _blocks(number: int, **settings: int | float | bool) -> nn.ModuleList:
    return nn.ModuleList(Block(**settings) for _ in range(number))


def _run(
    blocks: nn.ModuleList, streams: Streams, earlier: list[Streams] | None = None
) -> tuple[list[Streams], Streams]:
    """Return the state after each block, and the last; ``earlier`` is read from its end."""
    states = []
    for number, block in enumerate(blocks):
        streams = block(streams, earlier[-1 - number] if earlier else None)
        states.append(streams)
    return states, streams
