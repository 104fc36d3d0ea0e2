"""Judge of a handed-in codebook for a source on the line: its distortion by exact integrals.

The source is a mixture of Gaussians. Over an interval, the mass and the first two moments of each
component are closed forms, and so is the mean squared distance to the nearest code. The best
codebook is found by Lloyd's two conditions, each exact as well, from many starts.
"""

import math
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right

_CODES, _SAMPLES = 8, 4000
_FULL, _HALF = 0.02, 0.10
_STARTS, _ROUNDS = 64, 600

_Mixture = tuple[Tensor, Tensor, Tensor]
"""Weights, means and standard deviations."""


def draw(seed: int) -> list[Instance]:
    """Three clusters of unlike weight and width, and samples from them."""
    generator = torch.Generator().manual_seed(seed + 4707)
    weights = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    weights = weights[torch.randperm(3, generator=generator)]
    jitter = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    means = torch.tensor([-6.0, 0.0, 7.0]).double() + 2 * jitter[0] - 1
    stds = 0.4 + 0.6 * jitter[1]
    which = torch.multinomial(weights, _SAMPLES, True, generator=generator)
    normal = torch.randn(_SAMPLES, generator=generator, dtype=torch.float64)
    samples = means[which] + stds[which] * normal
    args = {"samples": samples, "weights": weights, "means": means, "stds": stds}
    return [Instance("a mixture of three Gaussians", args)]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare the distortion with that of the best codebook of this size."""
    law = tuple(instance.args[name] for name in ("weights", "means", "stds"))
    codes = _read(answer)
    ratio = float(distortion(codes[None], law)[0] / distortion(best_codebook(law)[None], law)[0])
    shown = f"the distortion is {100 * (ratio - 1):.1f} % above that of the best codebook"
    if ratio <= 1 + _FULL:
        return right(f"{shown}, at most {100 * _FULL:.0f} %.")
    advice = _advice(codes, law)
    fraction = 0.5 if ratio <= 1 + _HALF else 0.0
    message = f"{shown}, more than {100 * _FULL:.0f} %: {advice}"
    return Verdict(fraction, message, "wrong", "distortion", advice)


def _advice(codes: Tensor, law: _Mixture) -> str:
    masses, centres = cells(codes[None], law)
    if bool((masses[0] < 0.005).any()):
        return "at least one code is nearest to almost nothing: a dead code has to be moved."
    moved = torch.where(masses[0] > 0, centres[0], codes)
    off = masses[0] @ (moved - codes).square() / distortion(codes[None], law)[0]
    if float(off) > 0.003:
        return "codes do not lie at the means of their cells: more steps are needed."
    return "no step improves it any more and it is not the best: try other starts."


def _read(answer: Any) -> Tensor:
    tensors = answers.read_weights(answer)
    if "codebook" not in tensors:
        raise Mistake("missing-tensor", "the file holds no tensor named 'codebook'.")
    hint = "One number for each code is asked for."
    codes = answers.expect_floats("codebook", tensors["codebook"], (_CODES,), hint)
    return answers.expect_finite("codebook", codes).sort().values


def cells(codes: Tensor, law: _Mixture) -> tuple[Tensor, Tensor]:
    """Mass and centre of gravity of the cell of each code, for several sorted codebooks."""
    mass, first, _ = _moments(codes, law)
    return mass, first / mass.clamp_min(1e-300)


def distortion(codes: Tensor, law: _Mixture) -> Tensor:
    """E min_k (x - e_k)^2 for several sorted codebooks ``(books, codes)``, exactly."""
    mass, first, second = _moments(codes, law)
    return (second - 2 * codes * first + codes.square() * mass).sum(-1)


def _moments(codes: Tensor, law: _Mixture) -> tuple[Tensor, Tensor, Tensor]:
    """Integrals of p, x p and x^2 p over the cells, which meet half-way between codes."""
    weights, means, stds = law
    far = torch.full_like(codes[:, :1], 1e3)
    edges = torch.cat([-far, (codes[:, 1:] + codes[:, :-1]) / 2, far], 1)[..., None]
    t = (edges - means) / stds
    below = 0.5 * (1 + torch.erf(t / math.sqrt(2)))
    height = torch.exp(-0.5 * t.square()) / math.sqrt(2 * math.pi)
    mass, flat, bent = (v.diff(dim=1) for v in (below, -height, -t * height))
    first = means * mass + stds * flat
    second = means.square() * mass + 2 * means * stds * flat + stds.square() * (mass + bent)
    return tuple((weights * part).sum(-1) for part in (mass, first, second))


def best_codebook(law: _Mixture) -> Tensor:
    """The codebook of least distortion among those that Lloyd's steps reach from many starts."""
    weights, means, stds = law
    generator = torch.Generator().manual_seed(0)
    which = torch.multinomial(weights.expand(_STARTS, -1), _CODES, True, generator=generator)
    which = torch.where(torch.rand(which.shape, generator=generator) < 0.5, which,
                        torch.randint(3, which.shape, generator=generator))  # fmt: skip
    normal = torch.randn(which.shape, generator=generator, dtype=torch.float64)
    codes = (means[which] + stds[which] * normal).sort(-1).values
    for _ in range(_ROUNDS):
        mass, centres = cells(codes, law)
        codes = torch.where(mass > 1e-12, centres, codes).sort(-1).values
    return codes[distortion(codes, law).argmin()]
