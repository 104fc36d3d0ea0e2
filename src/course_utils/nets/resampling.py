"""Convolutional stacks that make a picture smaller or larger by powers of two.

Halving is a 4 x 4 convolution with stride 2, doubling its transpose; residual blocks between them
keep the size. These are the encoder and the decoder of an autoencoder for pictures.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import check_int

Picture = Float[Tensor, "batch channels height width"]
"""Pictures, or maps of features, as convolutions read them."""


class ResidualBlock(nn.Module):
    """h + W_1 f(W_3 f(h)) with a 3 x 3 convolution W_3 and a 1 x 1 convolution W_1.

    Args:
        channels: C.

    Source:
        [oord2017neural] section 4.1, with a smooth non-linearity.
    """

    def __init__(self, channels: int):
        super().__init__()
        check_int("channels", channels, low=1)
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.point = nn.Conv2d(channels, channels, 1)

    def forward(self, h: Picture) -> Picture:
        """Return features of the same shape."""
        return h + self.point(functional.silu(self.wide(functional.silu(h))))


def shrinking(
    num_inputs: int, channels: int, num_outputs: int, num_halvings: int, *, num_blocks: int = 1
) -> nn.Sequential:
    """Stack from (batch, num_inputs, H, W) to (batch, num_outputs, H / 2^n, W / 2^n).

    Args:
        num_inputs: Channels of the input.
        channels: C of all layers between.
        num_outputs: Channels of the output.
        num_halvings: n; H and W must be multiples of 2^n.
        num_blocks: Residual blocks at the end.

    Raises:
        ArgumentError: A size is out of range.
    """
    _check_sizes(num_inputs, channels, num_outputs, num_halvings, num_blocks)
    layers: list[nn.Module] = [nn.Conv2d(num_inputs, channels, 3, padding=1)]
    for _ in range(num_halvings):
        layers += [nn.SiLU(), nn.Conv2d(channels, channels, 4, stride=2, padding=1)]
    layers += [ResidualBlock(channels) for _ in range(num_blocks)]
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(channels, num_outputs, 1))


def growing(
    num_inputs: int, channels: int, num_outputs: int, num_doublings: int, *, num_blocks: int = 1
) -> nn.Sequential:
    """Stack from (batch, num_inputs, H, W) to (batch, num_outputs, 2^n H, 2^n W).

    Args:
        num_inputs: Channels of the input.
        channels: C of all layers between.
        num_outputs: Channels of the output.
        num_doublings: n.
        num_blocks: Residual blocks at the start.

    Raises:
        ArgumentError: A size is out of range.
    """
    _check_sizes(num_inputs, channels, num_outputs, num_doublings, num_blocks)
    layers: list[nn.Module] = [nn.Conv2d(num_inputs, channels, 3, padding=1)]
    layers += [ResidualBlock(channels) for _ in range(num_blocks)]
    for _ in range(num_doublings):
        layers += [nn.SiLU(), nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(channels, num_outputs, 3, padding=1))


def _check_sizes(
    num_inputs: int, channels: int, num_outputs: int, num_steps: int, num_blocks: int
) -> None:
    for name, value, low in (
        ("num_inputs", num_inputs, 1),
        ("channels", channels, 1),
        ("num_outputs", num_outputs, 1),
        ("number of halvings or doublings", num_steps, 0),
        ("num_blocks", num_blocks, 0),
    ):
        check_int(name, value, low=low)
