r"""Mean-field variational inference: the closest law with independent coordinates.

Among all q(z) = Π_i q_i(z_i) we look for the one with the smallest KL(q ‖ p). Only one factor is
moved at a time. With the others held fixed the best one is, for every target whatsoever,

    q_i(z_i) ∝ exp E_{z_j ~ q_j, j ≠ i}[log p(z)],

and going round lowers the divergence with every update. p may lack its normaliser: what is raised
then is the evidence lower bound, log Z − KL(q ‖ p).

Two targets are worked out: a Gaussian, where the update moves a mean, and a table, where it moves
a vector of probabilities. A density on a grid is a table too, so the second gives the free-form
factors of any posterior that fits on a grid.
"""

import string
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import categorical_entropy
from course_utils.gaussians import Gaussian


class GaussianAscent(NamedTuple):
    """The course of coordinate ascent on a Gaussian target.

    Attributes:
        means: Means of q after 0, 1, 2, … single updates, axes ``(updates, dim)``.
        variances: Variances 1/Λ_ii of q, the same after every update.
        kl: KL(q ‖ p) in nats after each update.
    """

    means: Float[Tensor, "updates dim"]
    variances: Float[Tensor, " dim"]
    kl: Float[Tensor, " updates"]


def mean_field_gaussian(
    target: Gaussian, start: Float[Tensor, " dim"], *, num_sweeps: int
) -> GaussianAscent:
    """Coordinate ascent for p = N(μ, Σ) with precision Λ = Σ⁻¹.

    The best factor is q_i = N(m_i, 1/Λ_ii) with m_i = μ_i − Σ_{j≠i} Λ_ij (m_j − μ_j) / Λ_ii: the
    conditional of z_i with the others put at their means.

    Args:
        target: p, one Gaussian.
        start: Means of q before the first update.
        num_sweeps: Passes through all coordinates.

    Returns:
        All means on the way, the variances and the divergences.

    Raises:
        ArgumentError: The start has another shape than μ.

    Accuracy:
        Exact updates. Means converge to μ at the rate of the Gauss-Seidel iteration for Λ; the
        variances are the limit's from the first update on, below Σ_ii unless z_i is independent.

    Source:
        [bishop2006pattern], section 10.1.2.
    """
    check_tensor("start", start, shape=tuple(target.mean.shape), dtype="float")
    check_tensor("target.mean", target.mean, shape=("dim",))
    check_int("num_sweeps", num_sweeps, low=1)
    precision = torch.linalg.inv(target.covariance)
    variances = 1 / precision.diagonal()
    means = [start.clone()]
    for _ in range(num_sweeps):
        for i in range(len(start)):
            mean = means[-1].clone()
            away = mean - target.mean
            mean[i] -= variances[i] * (precision[i] @ away)
            means.append(mean)
    path = torch.stack(means)
    kl = torch.stack([Gaussian(mean, variances.diag()).kl(target) for mean in path])
    return GaussianAscent(path, variances, kl)


class TableAscent(NamedTuple):
    """The course of coordinate ascent on a table.

    Attributes:
        factors: q_1, …, q_d, one vector of probabilities per axis.
        elbo: E_q[log p̃] + H(q) in nats after each sweep, the start first; never falls.
    """

    factors: tuple[Float[Tensor, " levels"], ...]
    elbo: Float[Tensor, " sweeps"]


def mean_field_table(
    log_joint: Float[Tensor, "..."],
    *,
    start: tuple[Float[Tensor, " levels"], ...] | None = None,
    num_sweeps: int = 500,
    tolerance: float = 1e-14,
) -> TableAscent:
    """Coordinate ascent for a table p̃(z_1, …, z_d), normalised or not.

    Args:
        log_joint: log p̃, one axis per variable, finite.
        start: Factors to begin with; uniform ones if not given.
        num_sweeps: Most passes through all variables.
        tolerance: Stop when a sweep changes no probability by more.

    Returns:
        The factors and the evidence lower bound on the way.

    Raises:
        ArgumentError: The table has fewer than two axes or infinite entries, or the start does not
            fit.

    Accuracy:
        Exact updates; the limit is a local optimum, and depends on the start if there are several.

    Source:
        [bishop2006pattern], section 10.1.1.
    """
    check_tensor("log_joint", log_joint, dtype="float")
    check_int("number of variables", log_joint.ndim, low=2, high=20)
    check_int("num_sweeps", num_sweeps, low=1)
    check_number("tolerance", tolerance, low=0)
    factors = _started(log_joint, start)
    elbo = [_elbo(log_joint, factors)]
    for _ in range(num_sweeps):
        before = list(factors)
        for i in range(len(factors)):
            factors[i] = _averaged(log_joint, factors, i).softmax(0)
        elbo.append(_elbo(log_joint, factors))
        moved = max(float((a - b).abs().max()) for a, b in zip(factors, before, strict=True))
        if moved <= tolerance:
            break
    return TableAscent(tuple(factors), torch.stack(elbo))


def _started(log_joint: Tensor, start: tuple[Tensor, ...] | None) -> list[Tensor]:
    if start is None:
        return [log_joint.new_full((k,), 1 / k) for k in log_joint.shape]
    if tuple(len(factor) for factor in start) != tuple(log_joint.shape):
        sizes = tuple(len(factor) for factor in start)
        raise ArgumentError(f"start: expected sizes {tuple(log_joint.shape)}, got {sizes}")
    return [factor.to(log_joint) for factor in start]


def _averaged(log_joint: Tensor, factors: list[Tensor], kept: int | None) -> Tensor:
    """E[log p̃] over all variables but one, or over all."""
    axes = string.ascii_letters[: log_joint.ndim]
    others = [i for i in range(log_joint.ndim) if i != kept]
    left = "" if kept is None else axes[kept]
    equation = ",".join([axes, *(axes[i] for i in others)]) + f"->{left}"
    return torch.einsum(equation, log_joint, *(factors[i] for i in others))


def _elbo(log_joint: Tensor, factors: list[Tensor]) -> Tensor:
    entropies = sum(categorical_entropy(factor.log()) for factor in factors)
    return _averaged(log_joint, factors, None) + entropies
