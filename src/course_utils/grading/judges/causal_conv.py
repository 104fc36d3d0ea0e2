"""Judge of ``causal_conv2d(x, weight, bias, kind)``: a convolution of images in raster order.

The truth is the definition, position by position and tap by tap: a tap counts if the pixel it
reads comes before the one that is written, or, with kind B, is that pixel. Convolutions and masks
are not used, so a padding or a flip that is wrong in both places cannot hide.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Verdict, right
from course_utils.grading.suspects import Suspect, line_up

_TOLERANCE = 1e-5

_Keeps = Callable[[int, int], bool]
"""Whether a tap counts that lies so many rows below and columns to the right of the centre."""


def draw(seed: int) -> list[Instance]:
    """Both kinds of mask, two kernels, images that are not square, several channels."""
    generator = torch.Generator().manual_seed(seed + 404)
    return [
        Instance("mask A, kernel 3 by 3", _case("A", 2, 3, 3, (5, 4), generator), 0.5),
        Instance("mask B, kernel 5 by 5", _case("B", 3, 2, 5, (6, 7), generator), 0.5),
    ]


def _case(
    kind: str,
    channels: int,
    outputs: int,
    kernel: int,
    size: tuple[int, int],
    generator: torch.Generator,
) -> dict[str, Any]:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "x": normal(2, channels, *size),
        "weight": normal(outputs, channels, kernel, kernel),
        "bias": normal(outputs),
        "kind": kind,
    }


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare with the definition, then with masks that people draw by mistake."""
    args = instance.args
    x, weight = args["x"], args["weight"]
    shape = (len(x), len(weight), *x.shape[2:])
    name = answers.name_of(answer)
    hint = "Pad with zeros, so that an image keeps its size."
    value = answers.expect_floats(name, answers.call(answer, args), shape, hint)
    value = answers.expect_finite(name, value)
    tip = f"{name} is wrong: compare it with a loop over the pixels and the taps of the kernel."
    before = _keeps(args["kind"] == "B")
    line_up(
        value,
        _convolve(**args, keeps=before),
        _suspects(args, before),
        tolerance=_TOLERANCE,
        otherwise=_where(value, args, before) or tip,
        plain=tip,
    )
    return right("each output sees what comes before it in raster order, and nothing else.")


def _keeps(centre: bool) -> _Keeps:
    return lambda down, across: (down, across) < (0, 0) or (centre and (down, across) == (0, 0))


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor, kind: str, keeps: _Keeps, *, flip: bool = False
) -> Tensor:
    """Add up taps one by one; ``flip`` is the convolution of mathematics, with a kernel turned."""
    height, width = x.shape[2:]
    reach = weight.shape[-1] // 2
    out = bias[None, :, None, None].repeat(len(x), 1, height, width)
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            if not keeps(down, across):
                continue
            tap = weight[
                ..., reach + (-down if flip else down), reach + (-across if flip else across)
            ]
            for row in range(max(0, -down), height - max(0, down)):
                for column in range(max(0, -across), width - max(0, across)):
                    read = x[:, :, row + down, column + across]
                    out[:, :, row, column] += (tap[None] * read[:, None]).sum(-1)
    return out


def _suspects(args: dict[str, Any], before: _Keeps) -> list[Suspect]:
    centre = args["kind"] == "B"
    lines: list[tuple[str, str, _Keeps]] = [
        (
            "leak" if not centre else "no-centre",
            "with kind A the centre of the kernel is masked too: a pixel must not see itself."
            if not centre
            else "with kind B the centre of the kernel is kept: from the second layer on a "
            "position holds what the first has read before it.",
            _keeps(not centre),
        ),
        (
            "no-mask",
            "nothing is masked: every output sees the whole window, later pixels too.",
            lambda down, across: True,
        ),
        (
            "columns-first",
            "rows and columns are exchanged: in raster order whole rows come first.",
            lambda down, across: before(across, down),
        ),
        (
            "half-rows",
            "the rows above are kept whole: what lies above and to the right also comes before.",
            lambda down, across: down <= 0 and across <= 0 and before(down, across),
        ),
        (
            "rows-only",
            "the pixels to the left in the same row come before, and are not seen.",
            lambda down, across: down < 0 or (centre and (down, across) == (0, 0)),
        ),
        (
            "future",
            "the mask is the wrong way round: it keeps what comes later.",
            lambda down, across: ((down, across) == (0, 0) and centre) or (down, across) > (0, 0),
        ),
    ]
    found = [Suspect(c, text, _convolve(**args, keeps=keeps)) for c, text, keeps in lines]
    bare = args | {"bias": torch.zeros_like(args["bias"])}
    found.append(Suspect("no-bias", "the bias is missing.", _convolve(**bare, keeps=before)))
    turned = _convolve(**args, keeps=before, flip=True)
    text = "the kernel is turned round: tap [i, j] reads row i and column j of the window."
    return [*found, Suspect("flipped", text, turned)]


def _where(value: Tensor, args: dict[str, Any], before: _Keeps) -> str:
    """Whether only the border is wrong, which a padding would explain."""
    off = (value - _convolve(**args, keeps=before)).abs().amax((0, 1)) > _TOLERANCE
    reach = args["weight"].shape[-1] // 2
    inner = off[reach:-reach, reach:-reach]
    if off.any() and inner.numel() and not inner.any():
        return "only pixels near the border are wrong: outside the image stand zeros."
    return ""
