"""The truth, spoilt in a known way: rows that a metric has to rank right before it is trusted.

    Shifted     right in shape, wrong in place
    Collapsed   right where it goes, but it goes to a part of the world only
    Diluted     a little truth in much noise

Each knows its own density exactly, so that likelihood and samples can be held against each other.
`Diluted` is the example of Theis, van den Oord and Bethge (2016): with a share w of truth its
log-likelihood is at most log 1/w worse than the truth's, because

    log(w p(x) + (1 − w) q(x)) ≥ log p(x) + log w,

whatever the noise q, while a share 1 − w of its samples is noise. For w = 1 % that is 4.605 nats
per example, however many dimensions an example has.
"""

import math
from typing import Any

import torch
from torch import Tensor

from course_utils.arguments import ArgumentError, check_number
from course_utils.tasks import absent, nothing_to_learn

_NO_POSTERIOR = absent("infer", "it is a reference row, not a model of what is hidden.", "week 12")


class Shifted:
    """A world moved by δ along every axis: x + δ with x from the world, density p(x − δ)."""

    posterior = _NO_POSTERIOR
    loss = nothing_to_learn

    def __init__(self, world: Any, offset: float) -> None:
        """Move ``world`` by ``offset``, δ in the unit of its examples, along each axis."""
        self.world = world
        self.offset = check_number("offset", offset)

    def sample(
        self, num_samples: int, *, condition: Any = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw from the world and move. Exact."""
        x = self.world.sample(num_samples, condition=condition, generator=generator)
        return x + self.offset

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x − δ), nats per example. Exact."""
        return self.world.log_prob(x - self.offset)


class Collapsed:
    """A world cut off at a value t of the examples' mean m(x): only m(x) ≤ t is left.

    The cut is the quantile ``share`` of m over a large sample. The density is p(x)/F(t) below and 0
    above, F the distribution function of m, so that held-out examples have log-probability −∞:
    likelihood does not forgive a forgotten part.
    """

    posterior = _NO_POSTERIOR
    loss = nothing_to_learn

    def __init__(self, world: Any, share: float, *, num_draws: int = 20_000) -> None:
        """Keep a part of ``world``.

        Args:
            world: What to cut.
            share: About the probability of the part that is kept, in (0, 1).
            num_draws: Size of the sample that places the cut; the standard error of log F(t) is
                √((1 − share)/(share · num_draws)).
        """
        self.world = world
        self.share = check_number("share", share, low=0, high=1, open_low=True, open_high=True)
        draws = world.sample(num_draws)
        self.cut = _means(draws).quantile(share)

    def sample(
        self, num_samples: int, *, condition: Any = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw from the world until enough examples are below the cut. Exact."""
        kept, count = [], 0
        for _ in range(1000):
            x = self.world.sample(num_samples, condition=condition, generator=generator)
            kept.append(x[_means(x) <= self.cut])
            count += len(kept[-1])
            if count >= num_samples:
                return torch.cat(kept)[:num_samples]
        raise ArgumentError(f"share: expected one that some examples reach, got {self.share}")

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) − log F(t) below the cut, −∞ above, nats per example. Exact but for F(t)."""
        inside = self.world.log_prob(x) - math.log(self.share)
        return torch.where(_means(x) <= self.cut, inside, -math.inf)


class Diluted:
    """A share w of truth and a share 1 − w of noise: w p(x) + (1 − w) N(x; 0, s² I)."""

    posterior = _NO_POSTERIOR
    loss = nothing_to_learn

    def __init__(self, world: Any, share: float, *, scale: float = 10.0) -> None:
        """Mix ``world`` with noise.

        Args:
            world: The truth p, with a density.
            share: w in (0, 1).
            scale: s > 0, the noise's standard deviation along every axis.
        """
        self.world = world
        self.share = check_number("share", share, low=0, high=1, open_low=True, open_high=True)
        self.scale = check_number("scale", scale, low=0, open_low=True)

    def sample(
        self, num_samples: int, *, condition: Any = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw both and keep one of the two. Exact."""
        x = self.world.sample(num_samples, condition=condition, generator=generator)
        noise = self.scale * torch.empty_like(x).normal_(generator=generator)
        true = torch.rand(len(x), generator=generator, device=x.device) < self.share
        return torch.where(true.reshape(-1, *[1] * (x.ndim - 1)), x, noise)

    def log_prob(self, x: Tensor) -> Tensor:
        """log(w p(x) + (1 − w) N(x; 0, s² I)), nats per example. Exact."""
        constant = math.log(self.scale) + 0.5 * math.log(2 * math.pi)
        noise = (-0.5 * (x / self.scale).square() - constant).flatten(1).sum(-1)
        truth = self.world.log_prob(x)
        return torch.logaddexp(truth + math.log(self.share), noise + math.log1p(-self.share))


def _means(x: Tensor) -> Tensor:
    return x.flatten(1).to(torch.float64).mean(-1)
