r"""The least committed law that has given moments.

Among all p with E_p[f_j] = c_j the entropy is largest for p(x) proportional to
exp(sum_j lambda_j f_j(x)): if p has the same moments as this q, then log q is the same on
average under both, so H(q) - H(p) = KL(p || q) >= 0. The multipliers lambda are where the convex
function log Z(lambda) - lambda . c has its minimum, and Newton's method finds them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor

_STEPS = 200
_SMALLEST_STEP = 1e-6
_ROUNDING = 1e-13


def maximum_entropy(
    features: Float[Tensor, "constraints states"],
    targets: Float[Tensor, " constraints"],
    measure: Float[Tensor, " states"] | None = None,
) -> tuple[Float[Tensor, " states"], Float[Tensor, " constraints"]]:
    """Find p of maximal entropy −Σ_i p_i log(p_i / m_i) with Σ_i p_i f_j(x_i) = c_j.

    Args:
        features: f_j(x_i), linearly independent and none of them constant.
        targets: c_j, strictly inside of what laws on these states can have.
        measure: m_i > 0, the size of the cell that state i stands for; by default 1.

    Returns:
        p and the multipliers λ, p_i ∝ m_i exp(Σ_j λ_j f_j(x_i)).

    Raises:
        ArgumentError: No law on these states has the moments, or features depend on each other.

    Accuracy:
        Moments to 1e-10 of each feature's spread.

    Source:
        [jaynes1957information].
    """
    check_tensor("features", features, shape=("constraints", "states"), dtype=torch.float64)
    same = {"dtype": torch.float64, "device": features.device}
    check_tensor("targets", targets, shape=(len(features),), **same)
    if measure is None:
        measure = torch.ones_like(features[0])
    check_tensor("measure", measure, shape=features.shape[1:], low=0, **same)
    base, centre = measure.log(), targets[:, None]
    scale = (features - centre).abs().amax(1, keepdim=True)
    multipliers = _newton((features - centre) / scale, base) / scale[:, 0]
    return (base + multipliers @ features).softmax(0), multipliers


def _newton(features: Tensor, base: Tensor) -> Tensor:
    """Minimise log Σ_i exp(base_i + λ·f_i); the gradient is the mean, the Hessian a covariance."""
    multipliers = features.new_zeros(len(features))
    value = (base + multipliers @ features).logsumexp(0)
    for _ in range(_STEPS):
        probs = (base + multipliers @ features).softmax(0)
        mean = features @ probs
        if float(mean.abs().max()) < 1e-10:
            return multipliers
        centred = features - mean[:, None]
        direction, failed = torch.linalg.solve_ex((centred * probs) @ centred.T, mean)
        if bool(failed) or not bool(direction.isfinite().all()):
            break
        size, slope = 1.0, direction @ mean
        while size > _SMALLEST_STEP:
            trial = multipliers - size * direction
            lower = (base + trial @ features).logsumexp(0)
            if bool(lower <= value - 1e-4 * size * slope + _ROUNDING):
                break
            size /= 2
        multipliers, value = multipliers - size * direction, lower
    raise ArgumentError("targets: expected moments of a law on these states, got others")
