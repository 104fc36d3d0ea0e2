"""How much work it takes to move one distribution onto another.

The Wasserstein distance of order p ≥ 1 between two laws is the least cost of carrying the mass
of one to the other, over all couplings π (joint laws with those two marginals):

    W_p(P, Q) = ( min_π E_π ‖X − Y‖^p )^{1/p}.

With n equally weighted points on each side an optimal coupling is a matching, so W_p is an
assignment problem; on the line the matching is the sorted one. The root 1/p makes W_p a metric:
for unit masses at 0, 1 and 2 the costs without it are 1, 1 and 2^p, against the triangle
inequality.

Between *samples* of two laws W_p is a biased estimate of the distance between the laws: two
samples of the same law are a positive distance apart, about n^{−1/d} in d > 2 dimensions. Compare
with the distance between two samples of the truth. Everything is computed in float64.
"""

import math

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.metrics.likelihood import Estimate

_ROUND = 20
_LARGEST_CHANGE = 50.0


def wasserstein_1d(x: Float[Tensor, " n"], y: Float[Tensor, " m"], order: float = 1.0) -> float:
    """Distance W_p on the line, (∫₀¹ |F⁻¹(u) − G⁻¹(u)|^p du)^{1/p}, F and G the two samples' laws.

    Args:
        x: First sample, n numbers.
        y: Second sample, m numbers; m need not equal n.
        order: p ≥ 1.

    Returns:
        W_p in the unit of ``x``, ≥ 0.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact for the two samples; biased upwards for the laws they came from.
    """
    check_tensor("x", x, shape=("n",), dtype="float")
    check_tensor("y", y, shape=("m",), dtype="float", device=x.device)
    check_number("order", order, low=1)
    return _sorted_distances(x.double()[None], y.double()[None], order).item()


def optimal_matching(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "n dim"], order: float = 2.0
) -> Int[Tensor, " n"]:
    """Permutation σ with the least total cost Σ_i ‖x_i − y_σ(i)‖^p.

    Args:
        x: First cloud.
        y: Second cloud, as many points in the same space.
        order: p ≥ 1.

    Returns:
        σ(0) … σ(n−1), int64, on the device of ``x``.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact; an assignment solver on the CPU, time O(n³) at worst, memory O(n²).
    """
    _check_clouds(x, y, order)
    if len(x) != len(y):
        raise ArgumentError(f"y: expected as many points as x, {len(x)}, got {len(y)}")
    distances = _distances(x.double(), y.double())
    cost = (distances / _positive(distances.max())) ** order
    _, columns = linear_sum_assignment(cost.detach().cpu().numpy())
    return torch.from_numpy(columns).long().to(x.device)


def wasserstein(x: Float[Tensor, "n dim"], y: Float[Tensor, "n dim"], order: float = 2.0) -> float:
    """Distance W_p = (min_σ (1/n) Σ_i ‖x_i − y_σ(i)‖^p)^{1/p} of two clouds of n points.

    Args:
        x: First cloud.
        y: Second cloud, as many points in the same space.
        order: p ≥ 1.

    Returns:
        W_p in the unit of ``x``, ≥ 0.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact for the two clouds; biased upwards for the laws they came from, badly so in many
        dimensions.
    """
    matched = y[optimal_matching(x, y, order)]
    gaps = torch.linalg.vector_norm(x.double() - matched.double(), dim=-1)
    return _power_mean(gaps, torch.full_like(gaps, 1 / len(gaps)), order).item()


def sliced_wasserstein(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    order: float = 2.0,
    *,
    num_projections: int = 256,
    generator: torch.Generator | None = None,
) -> Estimate:
    """Sliced distance SW_p = (E_θ W_p(θ·x, θ·y)^p)^{1/p}, θ uniform on the unit sphere.

    Args:
        x: First cloud, n points.
        y: Second cloud, m points in the same space.
        order: p ≥ 1.
        num_projections: Number L ≥ 2 of directions drawn.
        generator: Source of randomness on the device of ``x``.

    Returns:
        SW_p in the unit of ``x``, ≥ 0. The standard error is over the directions only, given the
        clouds, and carried through the root to first order.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Estimate; SW_p^p is unbiased over the directions, its root consistent.

    Source:
        [bonneel2015sliced].
    """
    _check_clouds(x, y, order)
    check_int("num_projections", num_projections, low=2)
    directions = torch.empty(
        num_projections, x.shape[1], dtype=torch.float64, device=x.device
    ).normal_(generator=generator)
    directions /= torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
    distances = _sorted_distances(directions @ x.double().T, directions @ y.double().T, order)
    scale = _positive(distances.max())
    powers = (distances / scale) ** order
    value = powers.mean() ** (1 / order)
    error = powers.std() / math.sqrt(num_projections) / (order * _positive(value) ** (order - 1))
    return Estimate((scale * value).item(), (scale * error).item())


@torch.no_grad()
def sinkhorn_divergence(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    epsilon: float,
    order: float = 2.0,
    *,
    tolerance: float = 1e-4,
    max_iterations: int = 10_000,
) -> float:
    """Debiased entropic cost S_ε = OT_ε(P, Q) − ½ OT_ε(P, P) − ½ OT_ε(Q, Q).

    Here OT_ε(P, Q) = min_π E_π ‖X − Y‖^p + ε KL(π ‖ P ⊗ Q). As ε → 0 the divergence tends to
    W_p^p (no root is taken), and as ε → ∞ to ‖E X − E Y‖² for p = 2. For p from 1
    to 2 it is positive.

    Args:
        x: First cloud, n points of weight 1/n.
        y: Second cloud, m points of weight 1/m in the same space.
        epsilon: ε > 0, in the unit of ``x`` to the power p.
        order: p, between 1 and 2; beyond 2 the divergence may be negative.
        tolerance: Total mass by which a marginal of the coupling may be off.
        max_iterations: Updates allowed at the final ε for each of the three problems.

    Returns:
        S_ε in the unit of ``x`` to the power p, ≥ 0, and 0 for equal clouds.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came; also if
            ``max_iterations`` did not suffice.

    Accuracy:
        Iterated on logarithms, so that no ε under- or overflows; the value is then within about
        ``tolerance`` times the largest cost of the limit. A small ε needs many iterations.

    Source:
        [genevay2018learning]; positivity by [feydy2019interpolating].
    """
    _check_clouds(x, y, order)
    check_number("epsilon", epsilon, low=0, open_low=True)
    check_number("order", order, low=1, high=2)
    check_number("tolerance", tolerance, low=0, open_low=True)
    check_int("max_iterations", max_iterations, low=1)
    x, y = x.double(), y.double()
    settings = (epsilon, tolerance, max_iterations)
    between = _entropic_cost(_distances(x, y) ** order, *settings)
    within_x = _entropic_cost(_distances(x, x) ** order, *settings, symmetric=True)
    within_y = _entropic_cost(_distances(y, y) ** order, *settings, symmetric=True)
    return between - (within_x + within_y) / 2


def _check_clouds(x: Tensor, y: Tensor, order: float) -> None:
    check_tensor("x", x, shape=("n", "dim"), dtype="float")
    check_tensor("y", y, shape=("m", x.shape[1]), dtype="float", device=x.device)
    check_number("order", order, low=1)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _positive(x: Tensor) -> Tensor:
    """A scale to divide by; where everything is zero the quotient stays zero."""
    return x.clamp_min(torch.finfo(x.dtype).tiny)


def _power_mean(gaps: Tensor, weights: Tensor, order: float) -> Tensor:
    """(Σ_i w_i gap_i^p)^{1/p} over the last axis, scaled so that no power overflows."""
    scale = _positive(gaps.amax(-1, keepdim=True))
    return scale[..., 0] * (weights * (gaps / scale) ** order).sum(-1) ** (1 / order)


def _sorted_distances(x: Tensor, y: Tensor, order: float) -> Tensor:
    """W_p of every row of ``x`` (rows, n) from the same row of ``y`` (rows, m).

    The two quantile functions jump at multiples of 1/n and of 1/m. In units of 1/(nm) these are
    whole numbers, so the steps between them are found without rounding.
    """
    n, m = x.shape[1], y.shape[1]
    steps = [torch.arange(0, n * m, m, device=x.device), torch.arange(0, n * m, n, device=x.device)]
    starts = torch.cat(steps).unique()
    widths = starts.diff(append=starts.new_tensor([n * m])).to(x.dtype) / (n * m)
    gaps = x.sort(-1).values[:, starts // m] - y.sort(-1).values[:, starts // n]
    return _power_mean(gaps.abs(), widths, order)


def _soft_minimum(cost: Tensor, potential: Tensor, epsilon: float) -> Tensor:
    """−ε log mean_j exp((g_j − C_ij)/ε), the best f_i given g."""
    total = torch.logsumexp((potential - cost) / epsilon, dim=1)
    return epsilon * (math.log(cost.shape[1]) - total)


def _entropic_cost(
    cost: Tensor, epsilon: float, tolerance: float, max_iterations: int, symmetric: bool = False
) -> float:
    """OT_ε for uniform weights, by the potentials f and g of its dual.

    The regularisation starts at the largest cost and is halved down to ε, which carries mass far
    first. In a symmetric problem f = g, and half a step converges fast (Feydy and others, 2019).
    """
    g = torch.zeros_like(cost[0])
    level = max(epsilon, cost.max().item())
    while level > epsilon:
        f = _soft_minimum(cost, g, level)
        g = (f + g) / 2 if symmetric else _soft_minimum(cost.T, f, level)
        level /= 2
    error = math.inf
    for _ in range(0, max_iterations, _ROUND):
        f = _soft_minimum(cost, g, epsilon)
        better = f if symmetric else _soft_minimum(cost.T, f, epsilon)
        error = torch.expm1((g - better) / epsilon).abs().mean().item()
        if error <= tolerance:
            return (f.mean() + g.mean()).item()
        g = (f + g) / 2 if symmetric else better
        f = g if symmetric else f
        density = ((f[:, None] + g - cost) / epsilon).exp()
        g = g + epsilon * _log_scaling(density, symmetric)
    raise ArgumentError(
        f"max_iterations: expected enough for marginals within {tolerance} at epsilon {epsilon}, "
        f"got {max_iterations}, off by {error:.2g}"
    )


def _log_scaling(density: Tensor, symmetric: bool) -> Tensor:
    """Change of g/ε in one round of updates, done by matrix-vector products.

    ``density`` is the coupling relative to P ⊗ Q. As the potentials are absorbed in it, its
    scalings stay near one; where they do not, the round is dropped and only logarithms are used.
    """
    v = torch.ones_like(density[0])
    for _ in range(_ROUND):
        if symmetric:
            v = (v * len(v) / (density @ v)).sqrt()
        else:
            u = len(v) / (density @ v)
            v = len(u) / (u @ density)
    change = v.log()
    kept = (change.abs() < _LARGEST_CHANGE).all()
    return torch.where(kept, change, torch.zeros_like(change))
