"""Two photographs that come with scikit-learn, whole and cut into patches.

They show a temple and a flower, 427 × 640 pixels in colour, and may be used under the Creative
Commons Attribution licence (CC BY 2.0). Neighbouring patches overlap or nearly do, so that a random
split would put almost the same pixels into training and test. Here each photograph is cut into
three upright strips first, and patches are taken within a strip.
"""

import itertools

import torch
from jaxtyping import UInt8
from sklearn.datasets import load_sample_image
from torch import Tensor

from course_utils.arguments import check_choice, check_int
from course_utils.datasets.images import LabelledImages

PHOTOGRAPHS = {"temple": "china.jpg", "flower": "flower.jpg"}
"""Short names of the two photographs, and scikit-learn's file of each."""

_STRIPS = (0, 448, 544, 640)
_GREY = (0.299, 0.587, 0.114)


def photograph(name: str) -> UInt8[Tensor, "3 427 640"]:
    """A whole photograph, axes (colour, row, column), on the CPU.

    Args:
        name: ``"temple"`` or ``"flower"``.

    Raises:
        ArgumentError: For another name.
    """
    check_choice("name", name, PHOTOGRAPHS)
    return torch.tensor(load_sample_image(PHOTOGRAPHS[name])).permute(2, 0, 1).contiguous()


def photograph_patches(
    size: int = 16, *, stride: int | None = None, grey: bool = True
) -> LabelledImages:
    """Square patches of both photographs, labelled by the photograph.

    The left 448 columns give the training part, the next 96 the validation part, the last 96 the
    test part.

    Args:
        size: Height and width of a patch, 2 to 96 pixels.
        stride: Distance of neighbouring patches; ``size`` if not given, so that none overlap.
        grey: Whether to weigh red, green and blue into one brightness, as for broadcast television
            (ITU-R BT.601); otherwise three channels stay.

    Returns:
        Patches of values 0 … 255, uint8, axes (patch, row, column) or (patch, colour, row, column),
        on the CPU.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    check_int("size", size, low=2, high=_STRIPS[2] - _STRIPS[1])
    stride = size if stride is None else check_int("stride", stride, low=1)
    parts: list[list[Tensor]] = [[], [], []]
    labels: list[list[Tensor]] = [[], [], []]
    for label, name in enumerate(PHOTOGRAPHS):
        picture = photograph(name)
        if grey:
            weights = torch.tensor(_GREY)[:, None, None]
            picture = (weights * picture).sum(0).round().to(torch.uint8)
        for part, (left, right) in enumerate(itertools.pairwise(_STRIPS)):
            patches = _patches(picture[..., left:right], size, stride)
            parts[part].append(patches)
            labels[part].append(torch.full((len(patches),), label))
    images, classes = ([torch.cat(p) for p in lists] for lists in (parts, labels))
    return LabelledImages(*images, *classes, 256, tuple(PHOTOGRAPHS))


def _patches(picture: Tensor, size: int, stride: int) -> Tensor:
    """All patches, first axis the patch, row by row."""
    cut = picture.unfold(-2, size, stride).unfold(-2, size, stride)
    return cut.flatten(-4, -3).movedim(-3, 0).contiguous()
