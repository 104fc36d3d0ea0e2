r"""The highest point of a density, and what its curvature tells.

Near its mode θ̂ a smooth log density is a parabola,

    log f(θ) ≈ log f(θ̂) − ½ (θ − θ̂)ᵀ P (θ − θ̂),        P = −∇² log f(θ̂),

so f looks like a Gaussian of precision P, and its integral is about
f(θ̂) √((2π)^d / det P): Laplace's approximation. If f is a posterior density, θ̂ is the maximum a
posteriori. If f is a likelihood, θ̂ is the estimate of maximum likelihood, P the observed Fisher
information, and the roots of the diagonal of P⁻¹ are its standard errors. One algorithm finds
both: Newton's, which jumps to the top of the parabola.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import check_probabilities
from course_utils.gaussians import Gaussian

LogDensity = Callable[[Tensor], Tensor]
"""From a vector (dim,) to its log density up to a constant, a twice differentiable scalar."""

_SMALLEST_GAIN = 1e-20
_LAST_GAIN = 1e-8
_HALVINGS = 50


@dataclass(frozen=True)
class Mode:
    """A maximum of a log density, with its curvature.

    Attributes:
        point: θ̂, axis ``dim``.
        log_density: log f(θ̂).
        precision: P = −∇² log f(θ̂), positive definite.
    """

    point: Float[Tensor, " dim"]
    log_density: Float[Tensor, ""]
    precision: Float[Tensor, "dim dim"]

    @property
    def gaussian(self) -> Gaussian:
        """Laplace's approximation N(θ̂, P⁻¹) of the normalised density."""
        covariance = torch.linalg.inv(self.precision)
        return Gaussian(self.point, (covariance + covariance.mT) / 2)

    @property
    def log_evidence(self) -> Float[Tensor, ""]:
        """Laplace's log ∫ f ≈ log f(θ̂) + (dim/2) log 2π − ½ log det P, in nats.

        Accuracy:
            Exact for a Gaussian; for n data the error falls as 1/n.

        Source:
            [tierney1986accurate].
        """
        constant = len(self.point) * math.log(2 * math.pi)
        return self.log_density + 0.5 * (constant - torch.logdet(self.precision))

    @property
    def standard_errors(self) -> Float[Tensor, " dim"]:
        """Roots of the diagonal of P⁻¹, in the unit of θ."""
        return torch.linalg.inv(self.precision).diagonal().sqrt()


def find_mode(
    log_density: LogDensity,
    start: Float[Tensor, " dim"],
    *,
    num_steps: int = 200,
    longest_step: float = 1e6,
) -> Mode:
    """Climb to a maximum by Newton's method, θ ← θ + c |P|⁻¹ ∇ log f(θ).

    |P| is P with the signs of negative eigenvalues turned, so that the step leads upwards from
    everywhere; c is halved until the density rises. The last step is a whole one, because near the
    top the density is too flat for its differences to show an improvement.

    Args:
        log_density: log f, twice differentiable by automatic differentiation.
        start: Where the climb begins.
        num_steps: Most steps.
        longest_step: Euclidean length to which a step is shortened; a small one keeps to the basin
            in which the climb begins.

    Returns:
        A mode, that of the start's basin if steps are short.

    Raises:
        ArgumentError: No maximum was reached: a plateau, a saddle, an end at infinity, or a start
            where the density is not finite.

    Accuracy:
        The point to rounding of the gradient. A local maximum; there may be a higher one elsewhere.
    """
    check_tensor("start", start, shape=("dim",), dtype="float")
    check_int("num_steps", num_steps, low=1)
    check_number("longest_step", longest_step, low=0, open_low=True)
    point, value = start.detach(), log_density(start).detach()
    if value.shape != () or not bool(torch.isfinite(value)):
        raise ArgumentError(f"log_density(start): expected a finite scalar, got {value}")
    for _ in range(num_steps):
        gradient, precision = _derivatives(log_density, point)
        step = _newton_step(gradient, precision)
        step = step * min(1.0, longest_step / max(float(step.norm()), 1e-300))
        gain = float(gradient @ step)
        moved = _ascend(log_density, point, value, step, gain)
        if moved is None:
            return _checked(log_density, point + step if gain < _LAST_GAIN else point)
        point, value = moved
    raise ArgumentError(f"log_density: expected a maximum within {num_steps} steps, got none")


def _derivatives(log_density: LogDensity, point: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient and minus the Hessian."""
    with torch.enable_grad():
        theta = point.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(log_density(theta), theta, create_graph=True)
        if not gradient.requires_grad:
            return gradient, gradient.new_zeros(len(gradient), len(gradient))
        options = {"retain_graph": True, "materialize_grads": True}
        rows = [torch.autograd.grad(g, theta, **options)[0] for g in gradient]
    return gradient.detach(), -torch.stack(rows)


def _newton_step(gradient: Tensor, precision: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((precision + precision.mT) / 2)
    floor = 1e-8 * values.abs().max().clamp_min(1e-300)
    bent = torch.where(values > floor, values, values.abs().clamp_min(floor))
    return vectors @ ((vectors.mT @ gradient) / bent)


def _ascend(
    log_density: LogDensity, point: Tensor, value: Tensor, step: Tensor, gain: float
) -> tuple[Tensor, Tensor] | None:
    """The first of the step, its half, its quarter, … that rises enough; ``None`` if none does."""
    share = 1.0
    for _ in range(_HALVINGS):
        if share * gain < _SMALLEST_GAIN:
            return None
        candidate = point + share * step
        reached = log_density(candidate).detach()
        if bool(reached > value + 1e-4 * share * gain):
            return candidate, reached
        share /= 2
    return None


def _checked(log_density: LogDensity, point: Tensor) -> Mode:
    gradient, precision = _derivatives(log_density, point)
    mode = Mode(point, log_density(point).detach(), precision)
    if bool(torch.linalg.cholesky_ex(mode.precision)[1]):
        raise ArgumentError("log_density: expected a maximum, got a point that is flat or a saddle")
    left = float(gradient @ torch.linalg.solve(mode.precision, gradient)) / 2
    if left > 1e-9 * max(1.0, abs(float(mode.log_density))):
        raise ArgumentError("log_density: expected a smooth maximum, got one cut short")
    return mode


def fisher_information(
    log_prob: Callable[[Tensor], Tensor],
    parameters: Float[Tensor, " dim"],
    weights: Float[Tensor, " states"],
) -> Float[Tensor, "dim dim"]:
    r"""Fisher information I(θ) = E[s(x) s(x)ᵀ] with the score s(x) = ∇_θ log p_θ(x).

    Args:
        log_prob: From θ to log p_θ(x) of a list of states x, axis ``states``.
        parameters: θ.
        weights: Probability of each state: p_θ(x) itself for the information of one example,
            nodes' weights for a quadrature, 1/n each for the mean over a sample.

    Returns:
        I, in squared nats per squared unit of θ.

    Raises:
        ArgumentError: The weights are no probabilities, or not one per state.

    Accuracy:
        Exact for an enumeration; otherwise that of the quadrature or the sample.

    Source:
        [lehmann1998theory].
    """
    check_tensor("parameters", parameters, shape=("dim",), dtype="float")
    check_probabilities("weights", weights)
    scores = _scores(log_prob, parameters, len(weights))
    return torch.einsum("n,ni,nj->ij", weights, scores, scores)


def _scores(log_prob: Callable[[Tensor], Tensor], parameters: Tensor, count: int) -> Tensor:
    """Jacobian (states, dim) by one backward pass per parameter.

    Jᵀu is linear in u, so its derivative by u is a column of J for each of its few entries.
    """
    with torch.enable_grad():
        theta = parameters.detach().requires_grad_()
        values = log_prob(theta)
        if values.shape != (count,):
            expected = f"({count},), one per weight"
            raise ArgumentError(f"log_prob: expected shape {expected}, got {tuple(values.shape)}")
        direction = torch.zeros_like(values, requires_grad=True)
        options = {"retain_graph": True, "materialize_grads": True}
        (mixed,) = torch.autograd.grad(values, theta, direction, create_graph=True, **options)
        columns = [torch.autograd.grad(entry, direction, **options)[0] for entry in mixed]
    return torch.stack(columns, 1).detach()
