r"""Posterior collapse, and two objectives that prevent it: KL warm-up and free bits.

A latent variable is *collapsed* when q(z | x) does not depend on x: its rate is zero and it carries
nothing. At the start of training the code is noise to the decoder, and the rate is all cost and no
gain, so that the encoder may give up before the decoder has learned to listen. Both cures lower
the price of the first nats:

    warm-up      −E_q log p(x | z) + β_t Σ_j KL_j,    β_t rises from β_0 to 1,
    free bits    −E_q log p(x | z) + Σ_j max(λ, mean over the batch of KL_j).

A warmed-up run ends on the bound itself; free bits end on another objective, whose bound has to
be computed afterwards.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.models.latent.base import LatentVariableModel


def kl_weight(step: int, warmup_steps: int, start: float = 0.0) -> float:
    """Weight β_t of the rate at step t: a line from ``start`` at t = 0 to 1 at t = T, then 1.

    Args:
        step: t ≥ 0, updates made so far.
        warmup_steps: T ≥ 0; 0 is no warm-up.
        start: β_0 in [0, 1].

    Accuracy:
        Exact.

    Source:
        [bowman2016generating], who let it rise along a logistic curve; [sonderby2016ladder].
    """
    check_int("step", step, low=0)
    check_int("warmup_steps", warmup_steps, low=0)
    check_number("start", start, low=0, high=1)
    return 1.0 if step >= warmup_steps else start + (1 - start) * step / warmup_steps


def free_bits(rate: Float[Tensor, "batch latent"], floor: float) -> Float[Tensor, ""]:
    """Rate with the first λ nats of every coordinate free: Σ_j max(λ, mean_n KL_nj).

    A coordinate whose mean rate is below λ gets no gradient from this term.

    Args:
        rate: KL(q(z_j | x_n) ‖ p(z_j)) in nats.
        floor: λ ≥ 0, in nats for each coordinate.

    Returns:
        Nats per example.

    Accuracy:
        Exact.

    Source:
        [kingma2016improved], each coordinate a group of its own.
    """
    check_tensor("rate", rate, shape=("batch", "latent"), dtype="float")
    check_number("floor", floor, low=0)
    return rate.mean(0).clamp_min(floor).sum()


def active_units(means: Float[Tensor, "batch latent"], threshold: float = 0.01) -> int:
    """Number of coordinates whose posterior mean moves with x: variance above a threshold.

    Args:
        means: E_q z_j for each of several examples, at least 2.
        threshold: In units of the prior's variance, 1.

    Accuracy:
        Exact count for these examples.

    Source:
        [burda2016importance], section 5.
    """
    check_tensor("means", means, shape=("batch", "latent"), dtype="float")
    check_int("batch of means", len(means), low=2)
    check_number("threshold", threshold, low=0)
    return int((means.var(0) > threshold).sum())


class GuardedBound(nn.Module):
    """A latent-variable model with warm-up or free bits in its training loss, for ``fit``.

    The model's weights are the wrapper's: after ``fit(GuardedBound(model, ...), ...)`` the model
    itself is trained.

    Args:
        model: The model.
        warmup_steps: Training steps until the rate has its full weight.
        start: Weight of the rate at the first step.
        floor: Free nats of every coordinate.

    Attributes:
        steps: How often ``loss`` was called in training mode, a buffer that checkpoints keep.
    """

    steps: Tensor

    def __init__(
        self,
        model: LatentVariableModel,
        *,
        warmup_steps: int = 0,
        start: float = 0.0,
        floor: float = 0.0,
    ):
        super().__init__()
        kl_weight(0, warmup_steps, start)
        self.model = model
        self.warmup_steps, self.start = warmup_steps, start
        self.floor = float(check_number("floor", floor, low=0))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Shaped[Tensor, "batch *event"]) -> dict[str, Tensor]:
        """Distortion + β_t Σ_j max(λ, KL_j); in evaluation mode the bound itself, β = 1 and λ = 0.

        Returns:
            ``total``: nats per example. ``distortion`` and ``rate`` as in the model's own loss.
        """
        if not self.training:
            return self.model.loss(batch)
        terms = self.model.bound_terms(batch, self.model.num_samples)
        distortion, rate = -terms.log_likelihood.mean(), terms.rate.sum(-1).mean()
        weight = kl_weight(int(self.steps), self.warmup_steps, self.start)
        self.steps += 1
        priced = free_bits(terms.rate, self.floor) if self.floor else rate
        return {"total": distortion + weight * priced, "distortion": distortion, "rate": rate}
