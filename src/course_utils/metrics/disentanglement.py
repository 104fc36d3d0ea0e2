"""Does each coordinate of a code speak of one factor, and each factor live in one coordinate?

Given codes z (n examples, D coordinates) and the factors v that made the examples (K of them,
known because the world is known), three scores answer in three ways:

* MIG: the information gap. How many nats does the best coordinate tell of a factor more than the
  second best, as a share of the factor's entropy? The two that compete are coordinates for one
  factor; the gap between two factors for one coordinate would not see a coordinate copied twice.
* SAP: the same gap with squared correlation in place of information. It sees straight lines only.
* DCI: forests predict each factor from all coordinates. Disentanglement asks whether a
  coordinate's importance goes to one factor, completeness whether a factor's importance comes
  from one coordinate, informativeness whether the factors can be predicted at all.

All are 1 for a code that copies the factors in any order. None is 0 for a code that knows nothing:
estimated information and importance are positive by chance. Each score therefore comes with its
floor, the value after the rows of ``factors`` have been shuffled against those of ``codes``.

Two warnings. Turning the latents of a model with a N(0, I) prior changes neither the prior nor,
once the decoder turns them back, the likelihood; these scores change. So likelihood alone cannot
lead to disentanglement (Locatello and co-workers, 2019). And there is no agreed definition of the
word: the scores can rank two codes differently.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor
from torch.nn.functional import one_hot

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.metrics.bootstrap import bootstrap
from course_utils.metrics.likelihood import Estimate

Codes = Float[Tensor, "n code_dim"] | Int[Tensor, "n code_dim"]
"""A representation of each example."""

Factors = Int[Tensor, "n num_factors"]
"""The true factors of each example, by number."""

_TEST_SHARE = 4


@dataclass(frozen=True)
class Rating:
    """A score and what chance alone gives.

    Attributes:
        value: The score and its bootstrap standard error.
        floor: Mean and standard deviation of the score with the rows of factors shuffled.
    """

    value: Estimate
    floor: Estimate


@dataclass(frozen=True)
class Dci:
    """Disentanglement, completeness and informativeness.

    Attributes:
        disentanglement: 0 to 1, higher is better.
        completeness: 0 to 1, higher is better.
        informativeness: Share of factors predicted correctly on held-out examples, mean over
            factors; its floor is what guessing reaches.
        importances: R_dk ≥ 0, the share of coordinate d in predicting factor k; columns sum to 1,
            or to 0 for a factor that no coordinate helped to predict.
    """

    disentanglement: Rating
    completeness: Rating
    informativeness: Rating
    importances: Float[Tensor, "code_dim num_factors"]


def mutual_informations(
    codes: Codes, factors: Factors, *, num_bins: int = 20
) -> Float[Tensor, "code_dim num_factors"]:
    """Mutual information I(z_d; v_k) of each coordinate with each factor, from counts.

    Args:
        codes: z. Whole numbers are levels as they are; real numbers are cut into bins of equal
            width between the smallest and the largest value of their coordinate.
        factors: v, levels of each factor.
        num_bins: Bins for real codes, ≥ 2.

    Returns:
        Nats, ≥ 0, at most H(v_k); axes (coordinate, factor).

    Raises:
        ArgumentError: If there are fewer examples than cells in a table of coordinate against
            factor, a factor never varies, or another argument is wrong.

    Accuracy:
        Exact for the sample. For the law behind it biased upwards, by about (L − 1)(M − 1)/2n for
        L levels of z_d and M of v_k, and low by what binning loses.
    """
    return _informations(*_levels(codes, factors, num_bins))[0]


def squared_correlations(codes: Codes, factors: Factors) -> Float[Tensor, "code_dim num_factors"]:
    """Squared correlation of each coordinate with each factor, R² of a straight line.

    Args:
        codes: z, as numbers.
        factors: v, levels as numbers: of little meaning for a factor whose levels have no order.

    Returns:
        0 to 1; 0 for a coordinate that never varies; axes (coordinate, factor).

    Raises:
        ArgumentError: If a factor never varies, or another argument is wrong.

    Accuracy:
        Exact for the sample; biased upwards by about 1/n where the truth is 0.
    """
    _check(codes, factors)
    return _correlations(codes.double(), factors.double())


def mutual_information_gap(
    codes: Codes,
    factors: Factors,
    *,
    num_bins: int = 20,
    num_resamples: int = 100,
    generator: torch.Generator | None = None,
) -> Rating:
    """MIG = mean over k of (I(z_{d*}; v_k) − max over d ≠ d* of I(z_d; v_k)) / H(v_k).

    d* is the coordinate that tells most of v_k.

    Args:
        codes: z, at least two coordinates; see ``mutual_informations``.
        factors: v, levels of each factor.
        num_bins: Bins for real codes, ≥ 2.
        num_resamples: Resamples for the standard error, and shuffles for the floor, ≥ 2.
        generator: Source of randomness on the device of ``codes``.

    Returns:
        0 to 1.

    Raises:
        ArgumentError: As ``mutual_informations``.

    Accuracy:
        The biases of the two informations cancel only where both coordinates have as many levels;
        for a code without any gap it is positive by chance, see ``floor``.

    Source:
        [chen2018isolating].
    """
    z, v = _levels(codes, factors, num_bins)

    def score(z: Tensor, v: Tensor, counts: Tensor | None = None) -> Tensor:
        informations, entropies = _informations(z, v, counts)
        return (_gap(informations) / entropies.clamp_min(1e-300)).mean()

    return _rate(score, z, v, num_resamples, generator)


def separated_attribute_predictability(
    codes: Codes,
    factors: Factors,
    *,
    num_resamples: int = 100,
    generator: torch.Generator | None = None,
) -> Rating:
    """SAP = mean over k of the gap between the two largest squared correlations with v_k.

    This is the form for factors that are numbers.

    Args:
        codes: z, at least two coordinates.
        factors: v, levels as numbers; see ``squared_correlations``.
        num_resamples: Resamples for the standard error, and shuffles for the floor, ≥ 2.
        generator: Source of randomness on the device of ``codes``.

    Returns:
        0 to 1.

    Raises:
        ArgumentError: If a factor never varies, or another argument is wrong.

    Accuracy:
        Consistent; for a code without any gap positive by chance, about 1/n, see ``floor``.

    Source:
        [kumar2018variational].
    """
    _check(codes, factors)

    def score(z: Tensor, v: Tensor, counts: Tensor | None = None) -> Tensor:
        return _gap(_correlations(z, v, counts)).mean()

    return _rate(score, codes.double(), factors.double(), num_resamples, generator)


def dci(
    codes: Codes,
    factors: Factors,
    *,
    num_trees: int = 10,
    num_resamples: int = 10,
    generator: torch.Generator | None = None,
) -> Dci:
    """Disentanglement, completeness and informativeness.

    One random forest (scikit-learn's classifier, every coordinate considered at every split) is
    fitted per factor to three quarters of the examples, drawn at random. R_dk is its impurity
    importance, and ``disentanglement_and_completeness`` does the rest. The remaining quarter
    gives the informativeness. Resamples draw anew inside each part, so that no example is in both.

    Args:
        codes: z, at least two coordinates.
        factors: v, at least two factors.
        num_trees: Trees of each forest, ≥ 1.
        num_resamples: Refits for the standard error, and as many for the floor, ≥ 2.
        generator: Source of randomness on the device of ``codes``, which also seeds the forests.

    Returns:
        The three scores and the importances.

    Raises:
        ArgumentError: If there are fewer than 40 examples, a factor never varies, or another
            argument is wrong.

    Accuracy:
        An estimate for this predictor: other predictors give other importances. The standard
        error includes examples and forests. Forests run on the CPU, on codes in float32.

    Source:
        [eastwood2018framework]; there informativeness is an error, here it is an accuracy.
    """
    _check(codes, factors)
    check_int("num_trees", num_trees, low=1)
    n, num_factors = factors.shape
    if n < 40:
        raise ArgumentError(f"codes: expected at least 40 examples, got {n}")
    if num_factors < 2:
        raise ArgumentError(f"factors: expected at least 2 factors, got {num_factors}")
    order = _shuffled(n, codes.device, generator)
    z, v = codes.detach().double()[order], factors[order]

    def score(z: Tensor, v: Tensor, counts: Tensor | None = None) -> Tensor:
        importances, accuracy = _forests(z, v, counts, num_trees, generator)
        parts = disentanglement_and_completeness(importances)
        return torch.cat([torch.stack([*parts, accuracy]), importances.flatten()])

    held_out = n // _TEST_SHARE
    values, errors, floors, spreads = _moments(
        score, z, v, (held_out, n - held_out), num_resamples, generator
    )
    ratings = [
        Rating(Estimate(a, b), Estimate(c, d))
        for a, b, c, d in zip(
            *(m[:3].tolist() for m in (values, errors, floors, spreads)), strict=True
        )
    ]
    return Dci(*ratings, values[3:].reshape(-1, num_factors))


def disentanglement_and_completeness(
    importances: Float[Tensor, "code_dim num_factors"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Disentanglement D and completeness C of a matrix of importances R_dk.

    D = Σ_d ρ_d (1 − H(R_d· / Σ_k R_dk) / log K), with ρ_d the share of coordinate d in all
    importance: coordinates nobody uses do not count. C is the mean over factors of
    1 − H(R_·k / Σ_d R_dk) / log D, 0 for a factor without any importance.

    Args:
        importances: R ≥ 0, at least 2 × 2, not all zero.

    Returns:
        D and C, each 0 to 1.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exact.
    """
    check_tensor("importances", importances, shape=("code_dim", "num_factors"), dtype="float")
    check_tensor("importances", importances, low=0)
    if min(importances.shape) < 2:
        raise ArgumentError(
            "importances: expected at least 2 coordinates and 2 factors, got shape "
            f"{tuple(importances.shape)}"
        )
    total = importances.sum()
    if total == 0:
        raise ArgumentError("importances: expected a positive entry, got zeros only")
    share = importances.sum(1) / total
    return (share * _concentration(importances)).sum(), _concentration(importances.T).mean()


def _concentration(weights: Float[Tensor, "rows columns"]) -> Float[Tensor, " rows"]:
    """One less entropy over log of the number of columns; 0 for a row of zeros."""
    total = weights.sum(1, keepdim=True)
    shares = torch.where(total > 0, weights / total, 1 / weights.shape[1])
    return 1 - _entropy(shares, -1) / _entropy(torch.full_like(shares, 1 / shares.shape[1]), -1)


def _entropy(probs: Tensor, axes: int | tuple[int, ...]) -> Tensor:
    return -torch.special.xlogy(probs, probs).sum(axes)


def _gap(scores: Float[Tensor, "code_dim num_factors"]) -> Float[Tensor, " num_factors"]:
    best, second = scores.topk(2, dim=0).values
    return best - second


def _check(codes: Tensor, factors: Tensor) -> None:
    check_tensor("codes", codes, shape=("n", "code_dim"))
    check_tensor("codes", codes, dtype="float" if codes.is_floating_point() else "integer")
    n, code_dim = codes.shape
    if n < 2 or code_dim < 2:
        raise ArgumentError(
            f"codes: expected at least 2 examples and 2 coordinates, got shape ({n}, {code_dim})"
        )
    check_tensor("factors", factors, shape=(n, "num_factors"), dtype="integer", device=codes.device)
    for k, column in enumerate(factors.unbind(1)):
        if bool((column == column[0]).all()):
            raise ArgumentError(f"factors[:, {k}]: expected at least two levels, got one")


def _levels(codes: Tensor, factors: Tensor, num_bins: int) -> tuple[Tensor, Tensor]:
    """Codes and factors as indicators, axes (example, variable, level)."""
    _check(codes, factors)
    check_int("num_bins", num_bins, low=2)
    if codes.is_floating_point():
        x = codes.detach().double()
        low, high = x.amin(0), x.amax(0)
        width = torch.where(high > low, (high - low) / num_bins, 1.0)
        codes = ((x - low) / width).long().clamp_max(num_bins - 1)
    z, v = (
        one_hot(torch.stack([c.unique(return_inverse=True)[1] for c in m.unbind(1)], 1)).double()
        for m in (codes, factors)
    )
    if len(z) < z.shape[2] * v.shape[2]:
        raise ArgumentError(
            f"codes: expected at least {z.shape[2] * v.shape[2]} examples for tables of "
            f"{z.shape[2]} x {v.shape[2]} cells, got {len(z)}"
        )
    return z, v


def _informations(z: Tensor, v: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """I(z_d; v_k) and H(v_k): every table of counts at once is one matrix product."""
    weighted = v if counts is None else v * counts[:, None, None]
    joint = (z.flatten(1).T @ weighted.flatten(1)) / len(z)
    joint = joint.reshape(*z.shape[1:], *v.shape[1:]).transpose(1, 2)
    entropies = _entropy(joint[0].sum(1), -1)
    informations = _entropy(joint.sum(3), -1) + entropies - _entropy(joint, (2, 3))
    return informations.clamp_min(0), entropies


def _correlations(z: Tensor, v: Tensor, counts: Tensor | None = None) -> Tensor:
    weights = torch.ones_like(z[:, 0]) if counts is None else counts
    z, v = (x - (weights @ x) / len(x) for x in (z, v))
    spread = (weights @ z**2)[:, None] * (weights @ v**2)
    squared = ((weights[:, None] * z).T @ v) ** 2
    return torch.where(spread > 0, squared / spread.clamp_min(1e-300), 0.0)


def _forests(
    z: Tensor,
    v: Tensor,
    counts: Tensor | None,
    num_trees: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Importances and mean accuracy; the first rows are held out."""
    held_out = len(z) // _TEST_SHARE
    weights = (torch.ones_like(z[:, 0]) if counts is None else counts).cpu().numpy()
    x, y = z.cpu().numpy(), v.cpu().numpy()
    importances, accuracy = [], 0.0
    for labels in y.T:
        seed = torch.randint(2**31, (), generator=generator, device=z.device).item()
        forest = RandomForestClassifier(num_trees, max_features=None, random_state=seed)
        forest.fit(x[held_out:], labels[held_out:], sample_weight=weights[held_out:])
        importances.append(torch.from_numpy(forest.feature_importances_))
        accuracy += forest.score(x[:held_out], labels[:held_out], weights[:held_out]) / len(y.T)
    stacked = torch.stack(importances, 1).to(z)
    return stacked, stacked.new_tensor(accuracy)


def _rate(
    score: Callable[..., Tensor],
    z: Tensor,
    v: Tensor,
    num_resamples: int,
    generator: torch.Generator | None,
) -> Rating:
    parts = _moments(score, z, v, (len(z),), num_resamples, generator)
    value, error, floor, spread = (part.item() for part in parts)
    return Rating(Estimate(value, error), Estimate(floor, spread))


def _moments(
    score: Callable[..., Tensor],
    z: Tensor,
    v: Tensor,
    blocks: tuple[int, ...],
    num_resamples: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Score, its bootstrap error, and its mean and spread with the rows of ``v`` shuffled.

    Examples are redrawn within each of the consecutive ``blocks``.
    """
    check_int("num_resamples", num_resamples, low=2)
    options = {"generator": generator, "device": z.device, "num_resamples": num_resamples}
    counts = torch.cat([bootstrap(lambda c: c, size, **options) for size in blocks], 1)
    redrawn = torch.stack([score(z, v, row) for row in counts])
    shuffled = torch.stack(
        [score(z, v[_shuffled(len(v), z.device, generator)]) for _ in range(num_resamples)]
    )
    return score(z, v), redrawn.std(0), shuffled.mean(0), shuffled.std(0)


def _shuffled(count: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float64, device=device).argsort()
