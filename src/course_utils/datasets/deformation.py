r"""More images from few: digits turned, sheared, stretched and moved, without being blurred.

A digit's grey level counts the ink in a 4 x 4 block of a scan that was black or white. Bending
the 8 x 8 image itself would blur it, and a model of grey levels would learn the blur. So each
image is first unfolded into a scan that has exactly its counts: within every block the ink goes
to those places where the smoothly enlarged image is darkest. The scan is deformed, made black or
white again, and counted. Without a deformation the image comes back level for level.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


def unfolded(
    images: Integer[Tensor, "batch height width"], factor: int = 4
) -> Float[Tensor, "batch tall wide"]:
    """Return a black-and-white scan whose ``factor`` x ``factor`` blocks have the images' counts.

    Args:
        images: Counts 0 .. factor^2.
        factor: Side of a block.

    Returns:
        Zeros and ones, (batch, factor * height, factor * width).

    Raises:
        ArgumentError: ``images`` is no stack of images or has a count that no block can have.
    """
    check_int("factor", factor, low=1)
    shape = ("batch", "height", "width")
    check_tensor("images", images, shape=shape, dtype="integer", low=0, high=factor**2)
    counts = images[:, None].float()
    smooth = functional.interpolate(counts, scale_factor=factor, mode="bicubic")
    blocks = functional.unfold(smooth, factor, stride=factor)
    rank = (-blocks).argsort(dim=1, stable=True).argsort(dim=1)
    ink = (rank < counts.flatten(2)).float()
    return functional.fold(ink, smooth.shape[-2:], factor, stride=factor)[:, 0]


def deformed(
    images: Integer[Tensor, "batch height width"],
    copies: int,
    *,
    rotation: float = 0.12,
    shear: float = 0.12,
    stretch: float = 0.1,
    shift: float = 0.04,
    generator: torch.Generator | None = None,
) -> Integer[Tensor, "more height width"]:
    """Return ``copies`` randomly deformed versions of every image, of the same dtype.

    Each of the four amounts is the half width of a uniform distribution around no change.

    Args:
        images: Counts 0 .. 16, as of ``digits()``.
        copies: How often the whole stack is repeated.
        rotation: Angle in radians.
        shear: Horizontal shift per unit of height.
        stretch: Logarithm of the stretching, drawn for each axis.
        shift: Displacement in half heights or half widths, drawn for each axis.
        generator: Source of randomness, on the device of ``images``.

    Raises:
        ArgumentError: An amount is negative, or ``images`` cannot be unfolded.
    """
    amounts = {"rotation": rotation, "shear": shear, "stretch": stretch, "shift": shift}
    for name, amount in amounts.items():
        check_number(name, amount, low=0)
    if generator is not None and generator.device.type != images.device.type:
        raise ArgumentError(
            f"generator: expected one on {images.device}, got one on {generator.device}"
        )
    scans = unfolded(images).repeat(check_int("copies", copies, low=1), 1, 1)[:, None]
    drawn = torch.empty(6, len(scans), device=images.device).uniform_(-1, 1, generator=generator)
    grid = functional.affine_grid(_maps(drawn, **amounts), list(scans.shape), align_corners=False)
    bent = functional.grid_sample(scans, grid, align_corners=False) > 0.5
    return functional.avg_pool2d(bent.float(), 4)[:, 0].mul(16).round().to(images.dtype)


def _maps(drawn: Tensor, rotation: float, shear: float, stretch: float, shift: float) -> Tensor:
    """Affine maps (batch, 2, 3) from the new image's coordinates to the old one's."""
    angle, slant = rotation * drawn[0], shear * drawn[1]
    across, along = (stretch * drawn[2:4]).exp()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1)
    bend = torch.stack([across, slant, torch.zeros_like(slant), along], -1)
    linear = turn.unflatten(-1, (2, 2)) @ bend.unflatten(-1, (2, 2))
    return torch.cat([linear, shift * drawn[4:].T[..., None]], -1)
