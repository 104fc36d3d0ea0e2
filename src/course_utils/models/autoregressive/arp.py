r"""AR(p): the linear autoregressive process of time-series analysis [yule1927method; box1970time].

    x_t = \phi_1 x_{t-1} + ... + \phi_p x_{t-p} + \sigma e_t,      e_t ~ N(0, 1) independent

The process is stationary if every root of z^p - \phi_1 z^{p-1} - ... - \phi_p lies inside the unit
circle. Then the covariance of x_s and x_t is \gamma_{|s-t|}, and multiplying the recursion by
x_{t-k} and taking expectations gives the Yule-Walker equations

    \gamma_k = \sum_j \phi_j \gamma_{|k-j|} + \sigma^2 [k = 0].

The first p values have no full past. Their conditionals are those of the stationary process: the
best linear prediction from the i values seen so far, whose weights a and error variance v solve
the same equations with i instead of p unknowns.
"""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import GaussianHead
from course_utils.models.autoregressive.base import AutoregressiveModel


def toeplitz(first: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
    r"""Return the symmetric matrix with entries \gamma_{|i-j|}."""
    lags = torch.arange(len(first), device=first.device)
    return first[(lags[:, None] - lags[None, :]).abs()]


class ARProcess(AutoregressiveModel):
    r"""Stationary Gaussian AR(p) process with mean zero.

    Args:
        coefficients: \phi_1 .. \phi_p, p >= 1.
        noise_std: \sigma > 0, standard deviation of the innovations.
        length: How many values ``sample`` draws unless told otherwise.

    Raises:
        ArgumentError: A coefficient is not finite, ``noise_std`` is not positive, or the process
            is not stationary.

    Accuracy:
        Exact, the start included.

    Source:
        [yule1927method; walker1931periodicity; box1970time].
    """

    any_length = True

    def __init__(
        self, coefficients: Float[Tensor, " p"], noise_std: float = 1.0, *, length: int = 64
    ):
        super().__init__(length, GaussianHead())
        check_number("noise_std", noise_std, low=0, open_low=True)
        largest = _largest_root(coefficients)
        if not largest < 1:
            raise ArgumentError(
                "coefficients: expected a stationary process (all roots inside the unit circle), "
                f"got a root of modulus {largest:.4g}"
            )
        self.coefficients = nn.Parameter(coefficients.detach().clone())
        log_std = coefficients.new_tensor(noise_std).log()
        self.log_noise_std = nn.Parameter(log_std)
        self.to(coefficients.device)

    def autocovariance(self, num_lags: int) -> Float[Tensor, " num_lags"]:
        r"""Return \gamma_0 .. \gamma_{num_lags - 1}.

        The first p + 1 come from the Yule-Walker equations as a linear system, the rest from
        \gamma_k = \sum_j \phi_j \gamma_{k-j}.
        """
        check_int("num_lags", num_lags, low=1)
        phi = self.coefficients
        p = len(phi)
        k = torch.arange(p + 1, device=phi.device)
        which = functional.one_hot((k[:, None] - k[None, 1:]).abs(), p + 1).to(phi.dtype)
        system = torch.eye(p + 1).to(phi) - torch.einsum("kjc,j->kc", which, phi)
        source = functional.one_hot(k[0], p + 1).to(phi) * (2 * self.log_noise_std).exp()
        gamma = list(torch.linalg.solve(system, source))
        while len(gamma) < num_lags:
            gamma.append(phi @ torch.stack(gamma[-p:]).flip(0))
        return torch.stack(gamma[:num_lags])

    def conditionals(self, x: Shaped[Tensor, "batch length"]) -> Float[Tensor, "batch length 2"]:
        """Return the mean and the log standard deviation of each conditional."""
        x = x.to(self.coefficients.dtype)
        p = len(self.coefficients)
        length = x.shape[1]
        gamma = self.autocovariance(p + 1)
        starts = [_best_linear_prediction(gamma[: i + 1]) for i in range(min(p, length))]
        means = [x[:, :i].flip(1) @ weights for i, (weights, _) in enumerate(starts)]
        log_stds = [0.5 * variance.log() for _, variance in starts]
        mean, log_std = torch.stack(means, 1), torch.stack(log_stds)
        if length > p:
            full_past = x[:, :-1].unfold(1, p, 1).flip(-1)
            mean = torch.cat([mean, full_past @ self.coefficients], 1)
            log_std = torch.cat([log_std, self.log_noise_std.expand(length - p)])
        return torch.stack([mean, log_std.expand_as(mean)], -1)

    @classmethod
    def yule_walker(cls, x: Float[Tensor, "batch length"], num_lags: int) -> "ARProcess":
        r"""Estimate \phi and \sigma by putting sample autocovariances into the equations.

        The sample autocovariance \hat\gamma_k = (1/T) \sum_t x_t x_{t+k} is divided by T, not by
        T - k, which makes the estimated process stationary always.

        Args:
            x: Series (batch, length) of the same process, with mean zero.
            num_lags: p >= 1.

        Returns:
            The fitted process.

        Raises:
            ArgumentError: ``x`` has NaN or is shorter than p + 1.

        Accuracy:
            Consistent; bias of order 1 / length.

        Source:
            [yule1927method; walker1931periodicity].
        """
        check_tensor("x", x, shape=("batch", "length"), dtype="float")
        check_int("num_lags", num_lags, low=1, high=x.shape[1] - 1)
        length = x.shape[1]
        gamma = torch.stack(
            [(x[:, k:] * x[:, : length - k]).sum(1).mean() / length for k in range(num_lags + 1)]
        )
        weights, variance = _best_linear_prediction(gamma)
        return cls(weights, variance.sqrt().item(), length=length)

    def spectral_density(self, frequencies: Float[Tensor, " f"]) -> Float[Tensor, " f"]:
        r"""Return S(f) = \sigma^2 / |1 - \sum_j \phi_j e^{-2 \pi i f j}|^2.

        Args:
            frequencies: In cycles per step, [-1/2, 1/2].

        Returns:
            Variance per unit frequency; its integral over one period is \gamma_0.
        """
        lags = torch.arange(1, len(self.coefficients) + 1, device=frequencies.device)
        angles = -2 * torch.pi * frequencies[:, None] * lags
        waves = torch.polar(torch.ones_like(angles), angles)
        gain = 1 - (waves * self.coefficients).sum(-1)
        return (2 * self.log_noise_std).exp() / gain.abs().square()


def _best_linear_prediction(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """Weights on the last i values (newest first) and error variance, from lags 0 .. i."""
    if len(gamma) == 1:
        return gamma[:0], gamma[0]
    weights = torch.linalg.solve(toeplitz(gamma[:-1]), gamma[1:])
    return weights, gamma[0] - weights @ gamma[1:]


def _largest_root(coefficients: Tensor) -> float:
    check_tensor("coefficients", coefficients, shape=("p",), dtype="float")
    companion = torch.diag(torch.ones_like(coefficients[1:]), -1)
    companion[0] = coefficients.detach()
    return float(torch.linalg.eigvals(companion).abs().max())
