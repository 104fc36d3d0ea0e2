"""Autoregressive sources: each value is a weighted sum of the last p values plus white noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.tasks import absent
from course_utils.worlds.signals.gaussian import GaussianSignal, gaussian_entropy


@dataclass(frozen=True, eq=False)
class AutoregressiveSource(GaussianSignal):
    """Stationary AR(p) source x_t = φ_1 x_{t−1} + … + φ_p x_{t−p} + σ e_t, e_t ~ N(0, 1).

    Args:
        coefficients: φ_1 … φ_p, p ≥ 1; all roots of z^p − φ_1 z^{p−1} − … − φ_p inside the unit
            circle.
        noise_std: σ > 0, the standard deviation of the innovations.

    Raises:
        ArgumentError: If the coefficients do not give a stationary source.

    Source:
        [yule1927method; walker1931periodicity; box1970time].
    """

    coefficients: Float[Tensor, " p"]
    noise_std: float = 1.0

    posterior = absent(
        "infer",
        "every value of an autoregressive source is observed; ask its noised version.",
        "the chapter on the chain rule (week 1)",
    )

    def __post_init__(self) -> None:
        check_tensor("coefficients", self.coefficients, shape=("p",), dtype="float")
        check_number("noise_std", self.noise_std, low=0, open_low=True)
        largest = torch.linalg.eigvals(self.companion()).abs().max().item()
        if not largest < 1:
            raise ArgumentError(
                "coefficients: expected a stationary source (all roots inside the unit circle), "
                f"got a root of modulus {largest:.4g}"
            )

    @property
    def order(self) -> int:
        """Number p of past values the source remembers."""
        return len(self.coefficients)

    def companion(self) -> Float[Tensor, "p p"]:
        """Matrix A of the recursion s_t = A s_{t−1} + σ e_t (1, 0, …, 0), s_t newest first."""
        shift = torch.diag(torch.ones_like(self.coefficients[1:]), -1)
        shift[0] = self.coefficients
        return shift

    def autocovariance(self, num_lags: int) -> Float[Tensor, " num_lags"]:
        """Autocovariance γ_0 … γ_{num_lags−1}.

        The covariance P of p successive values solves P = A P Aᵀ + σ² E with E = 1 in its first
        corner, that is (I − A ⊗ A) vec P = σ² vec E; its first row is γ_0 … γ_{p−1}. Later lags
        follow the recursion γ_k = Σ_j φ_j γ_{k−j}.

        Accuracy:
            Exact up to rounding.
        """
        check_int("num_lags", num_lags, low=1)
        companion, p = self.companion(), self.order
        kron = torch.kron(companion, companion)
        corner = torch.zeros_like(kron[0])
        corner[0] = self.noise_std**2
        identity = torch.eye(p * p, dtype=kron.dtype, device=kron.device)
        gamma = list(torch.linalg.solve(identity - kron, corner)[:p])
        while len(gamma) < num_lags:
            gamma.append(self.coefficients @ torch.stack(gamma[-p:]).flip(0))
        return torch.stack(gamma[:num_lags])

    def innovation_variances(self, length: int) -> Float[Tensor, " length"]:
        """Variances v_t: those of the stationary start for t ≤ p, then σ²."""
        start = super().innovation_variances(min(length, self.order))
        return torch.cat([start, start.new_full((length - len(start),), self.noise_std**2)])

    def innovations(self, x: Float[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        """Errors e_t of the best prediction: for t > p they are x_t − Σ_j φ_j x_{t−j}."""
        start = super().innovations(x[:, : self.order])
        if x.shape[1] <= self.order:
            return start
        self._check("x", x)
        past = x[:, :-1].unfold(1, self.order, 1)
        return torch.cat([start, x[:, self.order :] - past @ self.coefficients.flip(0)], 1)

    def entropy_rate(self) -> Float[Tensor, ""]:
        """Entropy rate ½ log(2πe σ²): the floor of any model's loss per value.

        Returns:
            Nats per value.

        Accuracy:
            Exact.

        Source:
            [cover2006elements].
        """
        return gaussian_entropy(self.coefficients.new_tensor(self.noise_std))
