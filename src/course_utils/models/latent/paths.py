r"""Ways between two codes: the straight line and the arc.

A draw of N(0, I) in d dimensions has a norm near √d, within about ±0.7 whatever d is. The middle
of a straight line between two independent draws has a norm near √(d/2): a code that the prior
hardly ever gives. An arc turns from one direction to the other and keeps to the shell
[white2016sampling].
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_tensor


def straight(
    start: Float[Tensor, "*batch dim"],
    end: Float[Tensor, "*batch dim"],
    share: Float[Tensor, " steps"],
) -> Float[Tensor, "steps *batch dim"]:
    """Points (1 − t) a + t b.

    Args:
        start: a.
        end: b.
        share: t; 0 is a, 1 is b.

    Accuracy:
        Exact.
    """
    check_tensor("share", share, shape=("steps",), dtype="float")
    t = share.reshape(-1, *(1,) * start.ndim)
    return (1 - t) * start + t * end


def arc(
    start: Float[Tensor, "*batch dim"],
    end: Float[Tensor, "*batch dim"],
    share: Float[Tensor, " steps"],
) -> Float[Tensor, "steps *batch dim"]:
    r"""Points sin((1 − t) ω)/sin ω · a + sin(t ω)/sin ω · b, with ω the angle between a and b.

    For ‖a‖ = ‖b‖ all points have that norm. Where a and b point the same way or the opposite way
    there is no plane to turn in, and the straight line is returned.

    Args:
        start: a, not zero.
        end: b, not zero.
        share: t; 0 is a, 1 is b.

    Accuracy:
        Exact.

    Source:
        [shoemake1985animating], [white2016sampling].
    """
    check_tensor("share", share, shape=("steps",), dtype="float")
    cosine = torch.cosine_similarity(start, end, dim=-1).unsqueeze(-1).clamp(-1, 1)
    angle = cosine.arccos()
    t = share.reshape(-1, *(1,) * start.ndim)
    sine = angle.sin()
    bent = (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / sine
    return torch.where(sine < 1e-6, straight(start, end, share), bent)
