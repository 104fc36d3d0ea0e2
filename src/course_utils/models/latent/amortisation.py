r"""How much the encoder loses: the best q for each example, found by optimising its parameters.

An encoder is *amortised*: one network for all examples. Its bound falls short of log p(x) in two
steps [cremer2018inference]:

    log p(x) − ELBO(q_x) = [log p(x) − ELBO(q*)]  +  [ELBO(q*) − ELBO(q_x)],
                            approximation gap         amortisation gap

where q* is the best member of the family for this one x. ``refine`` climbs from the encoder's
law q_x towards q*.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.gaussians import DiagonalGaussian
from course_utils.models.latent.base import LatentVariableModel

Bound = Callable[[DiagonalGaussian], Tensor]
"""From a law q for each example to its ELBO, nats, axis ``batch``."""


@dataclass(frozen=True)
class Refined:
    """What came of optimising q for each example.

    Attributes:
        law: The best law found for each example.
        before: The bound of the law it started from, nats per example.
        after: The bound of ``law``, never below ``before``.
    """

    law: DiagonalGaussian
    before: Float[Tensor, " batch"]
    after: Float[Tensor, " batch"]

    @property
    def gain(self) -> Float[Tensor, " batch"]:
        """``after`` − ``before`` ≥ 0: the amortisation gap, as far as the search got."""
        return self.after - self.before


def bound_at(
    model: LatentVariableModel,
    x: Shaped[Tensor, "batch *event"],
    noise: Float[Tensor, "samples batch latent"],
) -> Bound:
    """ELBO as a function of q alone: the draws z = μ + σ ε use the same ε whatever q is.

    Args:
        model: Gives log p(x | z).
        x: Examples.
        noise: ε, standard normal.

    Returns:
        The function q → mean over ε of log p(x | μ + σ ε) − KL(q ‖ p(z)), differentiable in q.

    Accuracy:
        Unbiased at a law chosen without looking at ε. At the law that is best for these ε it is
        too high, the less the more draws: judge that law with fresh ones.
    """
    check_tensor("noise", noise, shape=("samples", len(x), model.latent_dim), dtype="float")

    def bound(law: DiagonalGaussian) -> Tensor:
        z = law.mean + law.log_std.exp() * noise
        return model.log_likelihood(x, z).mean(0) - law.kl(model.prior)

    return bound


def refine(
    start: DiagonalGaussian,
    bound: Bound,
    *,
    num_steps: int = 100,
    learning_rate: float = 0.03,
) -> Refined:
    """Climb the bound in μ and log σ, for each example by itself, and keep the best point seen.

    Adam with a rate that falls along half a cosine. The model's own parameters are not touched.

    Args:
        start: The encoder's law, axes ``(batch, latent)``.
        bound: From a law to the ELBO of each example; ``bound_at`` makes one. It has to be a
            deterministic function, or "best" means nothing.
        num_steps: Steps.
        learning_rate: The first step's rate.

    Raises:
        ArgumentError: ``bound`` is not a function of the law, or does not give one number each.

    Accuracy:
        The bound never falls; it reaches the family's best as far as gradient ascent does.

    Source:
        [kim2018semi], [cremer2018inference].
    """
    check_int("num_steps", num_steps, low=1)
    check_number("learning_rate", learning_rate, low=0, open_low=True)
    shape = torch.broadcast_shapes(start.mean.shape, start.log_std.shape)
    place = [part.detach().expand(shape).clone() for part in (start.mean, start.log_std)]
    best = [part.clone() for part in place]
    before = top = None
    for part in place:
        part.requires_grad_()
    climber = torch.optim.Adam(place, lr=learning_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(climber, num_steps)
    for step in range(num_steps + 1):
        value = bound(DiagonalGaussian(*place))
        now = _checked(value, len(start.mean)).detach()
        if top is None:
            before = top = now
        better = now > top
        top = torch.where(better, now, top)
        best = [
            torch.where(better[:, None], p.detach(), b) for p, b in zip(place, best, strict=True)
        ]
        if step < num_steps:
            for part, slope in zip(place, torch.autograd.grad(-value.sum(), place), strict=True):
                part.grad = slope
            climber.step()
            falling.step()
    return Refined(DiagonalGaussian(*best), before, top)


def _checked(value: Tensor, batch: int) -> Tensor:
    check_tensor("bound(law)", value, shape=(batch,), dtype="float", finite=False)
    if not value.requires_grad:
        raise ArgumentError("bound: expected a differentiable function of the law, got a constant")
    return value
