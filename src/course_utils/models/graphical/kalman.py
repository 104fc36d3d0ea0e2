r"""Linear-Gaussian state space models, and the two passes that infer their states exactly.

    z_1 ~ N(m, P),    z_t = A z_{t-1} + N(0, Q),    y_t = C z_t + N(0, R).

Everything is jointly Gaussian, so the law of any part given any other is known; the stacked
covariance has (T · dim)² entries, though, and conditioning costs their power 3/2. The chain makes
it cheap: the *filter* goes forward and carries p(z_t | y_1 ... y_t), the *smoother* comes back with
p(z_t | y_1 ... y_T). It is the hidden Markov model's recursion with sums turned into integrals.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import multivariate_gaussian_log_prob
from course_utils.gaussians import Gaussian
from course_utils.tasks import absent


@dataclass(frozen=True)
class States:
    """Gaussian laws of the states, one for each step; the covariances are the same for all rows.

    Attributes:
        mean: E[z_t | ...], axes ``(batch, length, state)``.
        covariance: Cov[z_t | ...], axes ``(length, state, state)``.
    """

    mean: Float[Tensor, "batch length state"]
    covariance: Float[Tensor, "length state state"]

    def log_prob(self, z: Float[Tensor, "... length state"]) -> Float[Tensor, "..."]:
        r"""Return \sum_t log N(z_t; mean_t, covariance_t) in nats; leading axes broadcast.

        It is the density of the law with these marginals and independent steps. The states of a
        chain are not independent given what is seen, so for more than one step it is not their
        joint posterior.

        Accuracy:
            Exact for each step.
        """
        origin = self.mean.new_zeros(self.mean.shape[-1])
        steps = [
            multivariate_gaussian_log_prob((z - self.mean)[..., t, :], origin, covariance)
            for t, covariance in enumerate(self.covariance)
        ]
        return torch.stack(steps).sum(0)

    def std(self) -> Float[Tensor, "length state"]:
        """Standard deviation of each coordinate at each step."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()


@dataclass(frozen=True)
class Filtered:
    """What the forward pass finds.

    Attributes:
        predicted: p(z_t | y_1 ... y_{t-1}).
        updated: p(z_t | y_1 ... y_t).
        log_prob: log p(y_t | y_1 ... y_{t-1}) in nats, axes ``(batch, length)``.
    """

    predicted: States
    updated: States
    log_prob: Float[Tensor, "batch length"]


@dataclass(frozen=True)
class StateSpace:
    """Chain of hidden Gaussian states, each seen through a linear map with Gaussian noise.

    Args:
        transition: A, axes ``(state, state)``.
        transition_noise: Q, covariance of what is added to the state; may be singular.
        emission: C, axes ``(seen, state)``.
        emission_noise: R, covariance of what is added to what is seen, positive definite.
        initial: Law N(m, P) of z_1.

    Raises:
        ArgumentError: Shapes do not fit, or R is not positive definite.

    Source:
        [kalman1960new].
    """

    transition: Float[Tensor, "state state"]
    transition_noise: Float[Tensor, "state state"]
    emission: Float[Tensor, "seen state"]
    emission_noise: Float[Tensor, "seen seen"]
    initial: Gaussian

    loss = absent(
        "learn",
        "it is a law with given parameters; gradients of log_prob could fit them.",
        "the chapter on hidden states (week 0)",
    )

    def __post_init__(self) -> None:
        seen, state = self.emission.shape
        check_tensor("transition", self.transition, shape=(state, state))
        check_tensor("transition_noise", self.transition_noise, shape=(state, state))
        check_tensor("emission_noise", self.emission_noise, shape=(seen, seen))
        check_tensor("initial.mean", self.initial.mean, shape=(state,))
        Gaussian(self.emission.new_zeros(seen), self.emission_noise)

    def filter(self, y: Float[Tensor, "batch length seen"]) -> Filtered:
        r"""The Kalman filter: predict, compare with what is seen, correct.

            predict    μ⁻ = A μ,   P⁻ = A P Aᵀ + Q
            compare    e = y − C μ⁻,   S = C P⁻ Cᵀ + R
            correct    K = P⁻ Cᵀ S⁻¹,   μ = μ⁻ + K e,   P = (I − K C) P⁻ (I − K C)ᵀ + K R Kᵀ

        Args:
            y: What was seen.

        Raises:
            ArgumentError: ``y`` is empty or has another number of coordinates.

        Accuracy:
            Exact; the covariance is kept symmetric and positive by the form of the last line.

        Source:
            [kalman1960new].
        """
        self._check(y)
        mean, cov = self.initial.mean.expand(len(y), -1), self.initial.covariance
        identity = torch.eye(len(cov), dtype=cov.dtype, device=cov.device)
        zero, found = self.emission.new_zeros(len(self.emission)), []
        for t in range(y.shape[1]):
            if t > 0:
                mean = mean @ self.transition.mT
                cov = self.transition @ cov @ self.transition.mT + self.transition_noise
            before = (mean, cov)
            error = y[:, t] - mean @ self.emission.mT
            surprise = self.emission @ cov @ self.emission.mT + self.emission_noise
            gain = torch.linalg.solve(surprise, self.emission @ cov).mT
            mean = mean + error @ gain.mT
            kept = identity - gain @ self.emission
            cov = kept @ cov @ kept.mT + gain @ self.emission_noise @ gain.mT
            found.append(
                (*before, mean, cov, multivariate_gaussian_log_prob(error, zero, surprise))
            )
        before, cov_before, after, cov_after, terms = zip(*found, strict=True)
        predicted = States(torch.stack(before, 1), torch.stack(cov_before))
        updated = States(torch.stack(after, 1), torch.stack(cov_after))
        return Filtered(predicted, updated, torch.stack(terms, 1))

    def smooth(self, y: Float[Tensor, "batch length seen"]) -> States:
        r"""The smoother: p(z_t | y_1 ... y_T), from the last step back to the first.

            G = P_t Aᵀ (P⁻_{t+1})⁻¹,   μˢ_t = μ_t + G (μˢ_{t+1} − μ⁻_{t+1}),
            Pˢ_t = P_t + G (Pˢ_{t+1} − P⁻_{t+1}) Gᵀ

        Raises:
            ArgumentError: As ``filter``.

        Accuracy:
            Exact; the predicted covariances P⁻ have to be invertible.

        Source:
            [rauch1965maximum].
        """
        forward = self.filter(y)
        mean, cov = forward.updated.mean[:, -1], forward.updated.covariance[-1]
        means, covs = [mean], [cov]
        for t in range(y.shape[1] - 2, -1, -1):
            here, ahead = forward.updated.covariance[t], forward.predicted.covariance[t + 1]
            gain = torch.linalg.solve(ahead, self.transition @ here).mT
            moved = (mean - forward.predicted.mean[:, t + 1]) @ gain.mT
            mean = forward.updated.mean[:, t] + moved
            cov = here + gain @ (cov - ahead) @ gain.mT
            means.append(mean)
            covs.append(cov)
        return States(torch.stack(means[::-1], 1), torch.stack(covs[::-1]))

    def posterior(self, y: Float[Tensor, "batch length seen"]) -> States:
        """Return p(z_t | y) of every step; the same as ``smooth``.

        Accuracy:
            Exact.
        """
        return self.smooth(y)

    def log_prob(self, y: Float[Tensor, "batch length seen"]) -> Float[Tensor, " batch"]:
        r"""Return log p(y) = \sum_t log p(y_t | y_1 ... y_{t-1}) in nats per sequence.

        Accuracy:
            Exact.
        """
        return self.filter(y).log_prob.sum(1)

    def sample(
        self,
        num_samples: int,
        *,
        length: int,
        condition: None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "num_samples length seen"]:
        """Draw sequences of what is seen.

        Accuracy:
            Exact.
        """
        return self.sample_with_states(num_samples, length=length, generator=generator)[0]

    def sample_with_states(
        self, num_samples: int, *, length: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "num_samples length seen"], Float[Tensor, "num_samples length state"]]:
        """As ``sample``, with the hidden states beside what is seen."""
        check_int("num_samples", num_samples, low=1)
        check_int("length", length, low=1)
        roots = [_root(self.transition_noise), _root(self.emission_noise)]
        states = [self.initial.sample(num_samples, generator)]
        for _ in range(length - 1):
            noise = torch.empty_like(states[0]).normal_(generator=generator)
            states.append(states[-1] @ self.transition.mT + noise @ roots[0].mT)
        z = torch.stack(states, 1)
        y = z @ self.emission.mT
        noise = torch.empty_like(y).normal_(generator=generator)
        return y + noise @ roots[1].mT, z

    def stacked(self, length: int) -> Gaussian:
        r"""The joint law of (z_1 ... z_T, y_1 ... y_T), all stacked into one long vector.

        z = L (z_1, w_2, ..., w_T) with the block L_{ts} = A^{t−s} for s ≤ t, and y = (I ⊗ C) z + v.

        Accuracy:
            Exact; (T · (state + seen))² entries, so for short sequences and for checks.
        """
        check_int("length", length, low=1)
        state, like = len(self.transition), self.transition
        powers = [torch.linalg.matrix_power(like, k) for k in range(length)]
        zero = torch.zeros_like(like)
        lower = torch.cat(
            [
                torch.cat([powers[t - s] if s <= t else zero for s in range(length)], 1)
                for t in range(length)
            ]
        )
        noises = [self.initial.covariance] + [self.transition_noise] * (length - 1)
        hidden = lower @ torch.block_diag(*noises) @ lower.mT
        see = torch.block_diag(*[self.emission] * length)
        seen = see @ hidden @ see.mT + torch.block_diag(*[self.emission_noise] * length)
        mean = lower[:, :state] @ self.initial.mean
        top, bottom = torch.cat([hidden, hidden @ see.mT], 1), torch.cat([see @ hidden, seen], 1)
        return Gaussian(torch.cat([mean, see @ mean]), torch.cat([top, bottom]))

    def _check(self, y: Tensor) -> None:
        shape = ("batch", "length", len(self.emission))
        check_tensor("y", y, shape=shape, dtype=self.emission.dtype, device=self.emission.device)


def constant_velocity(step: float, push: float, noise: float) -> StateSpace:
    """A point that keeps its velocity but for random pushes; its position is seen with noise.

    State (position, velocity); the pushes are white noise of spectral density ``push``, so that
    over a step Δ the added covariance is push · [[Δ³/3, Δ²/2], [Δ²/2, Δ]].

    Args:
        step: Δ > 0, time between observations.
        push: Strength of the pushes, > 0.
        noise: Standard deviation of what is seen, > 0.
    """
    for name, value in (("step", step), ("push", push), ("noise", noise)):
        check_number(name, value, low=0, open_low=True)
    eye = torch.eye(2, dtype=torch.float64)
    transition = eye.clone()
    transition[0, 1] = step
    added = [[step**3 / 3, step**2 / 2], [step**2 / 2, step]]
    return StateSpace(
        transition,
        push * torch.tensor(added, dtype=torch.float64),
        eye[:1],
        noise**2 * eye[:1, :1],
        Gaussian(torch.zeros(2, dtype=torch.float64), eye),
    )


def _root(covariance: Tensor) -> Tensor:
    """A matrix whose product with its transpose is the covariance, singular ones included."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp_min(0).sqrt()
