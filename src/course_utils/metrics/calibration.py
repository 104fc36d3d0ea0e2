"""Does an event forecast with probability p happen with frequency p?

A forecaster states p_i for a yes-or-no outcome y_i, and is calibrated if P(y = 1 | p) = p. The
expected calibration error averages |P(y = 1 | p) − p| over forecasts. P(y = 1 | p) has to be
estimated by grouping forecasts into bins, and this has two consequences worth knowing by heart:

* Inside a bin errors of opposite sign cancel: wide bins hide miscalibration.
* A mean of absolute values is never zero by chance: even a perfect forecaster gets about
  √(2/π) Σ_b √(n_b p(1−p)) / n on average, so narrow bins invent miscalibration.

Hence no error is worth reading without its floor, the value that the same forecasts would get if
they were calibrated. ``calibration_test`` computes that floor by drawing outcomes from the
forecasts themselves, and ``squared_calibration_error`` has no such bias.

Bin b holds e_b < p ≤ e_{b+1}, and p = 0 belongs to the first. The edges e are equally spaced on
[0, 1] (``"width"``), or the quantiles of the forecasts (``"mass"``), in which case equal
forecasts stay together. For a classifier of many classes see ``top_label``. Calibration alone is
cheap: always saying the base rate is calibrated. The Brier score also asks for resolution. All
sums are in float64.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_utils.arguments import (
    ArgumentError,
    check_choice,
    check_int,
    check_number,
    check_tensor,
)
from course_utils.distributions import check_probabilities
from course_utils.metrics.likelihood import Estimate

Outcomes = Int[Tensor, " n"] | Bool[Tensor, " n"]
"""Classes that came true by number, or whether an event did."""


@dataclass(frozen=True)
class ReliabilityTable:
    """What happened when p was said: one row per bin that holds a forecast.

    Attributes:
        low: Lower edge e_b of the bin, not part of it (except 0).
        high: Upper edge, part of it.
        count: n_b, the number of forecasts in the bin.
        forecast: Their mean, Σ p_i / n_b.
        frequency: Share of them whose outcome was 1.
        spread: √(Σ p_i (1 − p_i)) / n_b, the standard deviation of ``frequency`` around
            ``forecast`` if the forecasts are calibrated.
    """

    low: Float[Tensor, " bins"]
    high: Float[Tensor, " bins"]
    count: Int[Tensor, " bins"]
    forecast: Float[Tensor, " bins"]
    frequency: Float[Tensor, " bins"]
    spread: Float[Tensor, " bins"]


@dataclass(frozen=True)
class CalibrationVerdict:
    """An expected calibration error beside the values of a calibrated forecaster.

    Attributes:
        error: The expected calibration error and its standard error.
        floor: Mean and standard deviation of the error when outcomes are drawn from the forecasts.
        p_value: Probability of an error at least as large under calibration.
    """

    error: Estimate
    floor: Estimate
    p_value: float


@dataclass(frozen=True)
class BrierDecomposition:
    """Brier score = reliability − resolution + uncertainty + within-bin remainder.

    Attributes:
        score: The Brier score.
        reliability: Σ_b (n_b/n) (p̄_b − ȳ_b)², 0 for a calibrated forecaster; lower is better.
        resolution: Σ_b (n_b/n) (ȳ_b − ȳ)², how far the bins tell outcomes apart; higher is better.
        uncertainty: ȳ(1 − ȳ), the score of always saying the base rate ȳ.
        within: Variance of the forecasts inside bins less twice their covariance with the
            outcomes; 0 if each bin holds one forecast value.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def top_label(
    probs: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """Confidence max_k p_ik of a classifier, and whether the class it names is the right one.

    Args:
        probs: p_ik ≥ 0, sum 1 over classes.
        labels: Right classes, 0 … K−1.

    Returns:
        Confidences and outcomes, ready for every function here. Calibration of the top label says
        nothing about the other classes.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
    """
    check_tensor("probs", probs, shape=("n", "classes"), dtype="float")
    check_probabilities("probs", probs)
    n, classes = probs.shape
    check_tensor(
        "labels", labels, shape=(n,), dtype="integer", device=probs.device, low=0, high=classes - 1
    )
    confidence, named = probs.max(-1)
    return confidence.clamp_max(1), named == labels


def reliability_table(
    probs: Float[Tensor, " n"],
    outcomes: Outcomes,
    *,
    num_bins: int = 15,
    binning: str = "width",
) -> ReliabilityTable:
    """Mean forecast and observed frequency per bin, the numbers of a reliability diagram.

    Args:
        probs: Forecasts p_i in [0, 1], n ≥ 2 and at least as many as bins.
        outcomes: y_i, 0 or 1.
        num_bins: M ≥ 1.
        binning: ``"width"`` or ``"mass"``, see the module's text.

    Returns:
        One row per bin that is not empty, in increasing order.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased for each bin.
    """
    p, y = _check_forecasts(probs, outcomes)
    edges, bins = _bin(p, num_bins, binning)
    count = bins.bincount(minlength=num_bins)
    kept = count > 0
    forecast, frequency, variance = (
        _sum_by_bin(v, bins, num_bins)[kept] / count[kept] for v in (p, y, p * (1 - p))
    )
    spread = (variance / count[kept]).sqrt()
    return ReliabilityTable(
        edges[:-1][kept], edges[1:][kept], count[kept], forecast, frequency, spread
    )


def expected_calibration_error(
    probs: Float[Tensor, " n"],
    outcomes: Outcomes,
    *,
    num_bins: int = 15,
    binning: str = "width",
) -> Estimate:
    """Expected calibration error Σ_b (n_b/n) |p̄_b − ȳ_b| = Σ_b |Σ_{i in b} (y_i − p_i)| / n.

    Args:
        probs: Forecasts p_i in [0, 1], n ≥ 2 and at least as many as bins.
        outcomes: y_i, 0 or 1.
        num_bins: M ≥ 1.
        binning: ``"width"`` or ``"mass"``, see the module's text.

    Returns:
        A probability, 0 to 1, lower is better. The standard error is that of the mean of
        ± (y_i − p_i), the sign that of the bin's sum; it says nothing about the bias.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Biased upwards for the error of the binned forecasts, most where that is small: read it
        beside ``calibration_test(...).floor``. The binned error itself is at most the true one.

    Source:
        [naeini2015obtaining]; [guo2017calibration] for classifiers, with ``top_label``.
    """
    p, y = _check_forecasts(probs, outcomes)
    _, bins = _bin(p, num_bins, binning)
    return _expected_error(y - p, bins, num_bins)


def squared_calibration_error(
    probs: Float[Tensor, " n"],
    outcomes: Outcomes,
    *,
    num_bins: int = 15,
    binning: str = "width",
) -> Estimate:
    """Squared calibration error Σ_b (n_b/n) E[y − p | b]², without the bias of a plain square.

    A product of two different examples has the right mean, a square has not: E[y − p | b]² is
    estimated by the average of (y_i − p_i)(y_j − p_j) over i ≠ j.

    Args:
        probs: Forecasts p_i in [0, 1], n ≥ 2 and at least as many as bins.
        outcomes: y_i, 0 or 1.
        num_bins: M ≥ 1.
        binning: ``"width"`` or ``"mass"``, see the module's text.

    Returns:
        A squared probability; negative by chance when calibrated. The standard error is to first
        order, too large by up to a factor √2 for calibrated forecasts.

    Raises:
        ArgumentError: If every bin holds a single forecast, or another argument is wrong.

    Accuracy:
        Unbiased given the number of forecasts in each bin; bins of one forecast count as 0.

    Source:
        Bröcker (2012); Kumar, Liang and Ma (2019).
    """
    p, y = _check_forecasts(probs, outcomes)
    _, bins = _bin(p, num_bins, binning)
    count = bins.bincount(minlength=num_bins)
    if int(count.max()) < 2:
        raise ArgumentError("num_bins: expected a bin with 2 forecasts or more, got 1 in each")
    gap = y - p
    total, squares = _sum_by_bin(gap, bins, num_bins), _sum_by_bin(gap**2, bins, num_bins)
    pairs = torch.where(count > 1, (total**2 - squares) / (count - 1).clamp_min(1), 0.0)
    mean = _bin_mean(gap, bins, num_bins)
    influence = 2 * mean * gap - mean**2
    return Estimate(pairs.sum().item() / len(p), _error_of_mean(influence))


def calibration_test(
    probs: Float[Tensor, " n"],
    outcomes: Outcomes,
    *,
    num_bins: int = 15,
    binning: str = "width",
    num_resamples: int = 499,
    generator: torch.Generator | None = None,
) -> CalibrationVerdict:
    """Test of calibration: is the error larger than outcomes drawn from the forecasts give?

    B times each y_i is drawn anew as 1 with probability p_i, which makes the forecasts perfect,
    and p = (1 + #{redrawn ≥ observed}) / (1 + B).

    Args:
        probs: Forecasts p_i in [0, 1], n ≥ 2 and at least as many as bins.
        outcomes: y_i, 0 or 1.
        num_bins: M ≥ 1.
        binning: ``"width"`` or ``"mass"``, see the module's text.
        num_resamples: B ≥ 2; the smallest p-value possible is 1/(1 + B).
        generator: Source of randomness on the device of ``probs``.

    Returns:
        The expected calibration error, its floor and the p-value.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Valid at any sample size if outcomes are independent: under calibration P(p ≤ α) ≤ α.

    Source:
        [brocker2007increasing]; Vaicenavicius and co-workers (2019).
    """
    p, y = _check_forecasts(probs, outcomes)
    check_int("num_resamples", num_resamples, low=2)
    _, bins = _bin(p, num_bins, binning)
    error = _expected_error(y - p, bins, num_bins)
    redrawn = torch.stack(
        [
            _sum_by_bin((_uniform(p, generator) < p).double() - p, bins, num_bins).abs().sum()
            / len(p)
            for _ in range(num_resamples)
        ]
    )
    at_least = (redrawn >= error.value - 1e-12).sum().item()
    floor = Estimate(redrawn.mean().item(), redrawn.std().item())
    return CalibrationVerdict(error, floor, (1 + at_least) / (1 + num_resamples))


def brier_score(probs: Float[Tensor, " n"], outcomes: Outcomes) -> Estimate:
    """Brier score Σ_i (p_i − y_i)² / n of forecasts of a yes-or-no outcome.

    Args:
        probs: Forecasts p_i in [0, 1], n ≥ 2.
        outcomes: y_i, 0 or 1.

    Returns:
        0 to 1, lower is better; ¼ for always saying ½. In expectation it is smallest for the true
        probability, then E[p(1 − p)].

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased.

    Source:
        [brier1950verification].
    """
    p, y = _check_forecasts(probs, outcomes)
    squared = (p - y) ** 2
    return Estimate(squared.mean().item(), _error_of_mean(squared))


def brier_decomposition(
    probs: Float[Tensor, " n"],
    outcomes: Outcomes,
    *,
    num_bins: int = 15,
    binning: str = "width",
) -> BrierDecomposition:
    """Brier score split into reliability, resolution and uncertainty.

    The three parts make up the score if every bin holds one forecast value; otherwise a remainder
    is left, which is given as well.

    Args:
        probs: Forecasts p_i in [0, 1], n ≥ 2 and at least as many as bins.
        outcomes: y_i, 0 or 1.
        num_bins: M ≥ 1.
        binning: ``"width"`` or ``"mass"``, see the module's text.

    Returns:
        The score and its four parts, all in the unit of a squared probability.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        The sum is exact. Each part alone is biased: uncertainty downwards by u = ȳ(1 − ȳ)/n,
        reliability upwards by about s = Σ_b ȳ_b(1 − ȳ_b)/n and resolution by about s − u.

    Source:
        [murphy1973new]; Stephenson, Coelho and Jolliffe (2008) for the remainder.
    """
    p, y = _check_forecasts(probs, outcomes)
    _, bins = _bin(p, num_bins, binning)
    forecast, frequency = (_bin_mean(v, bins, num_bins) for v in (p, y))
    base = y.mean()
    reliability = ((forecast - frequency) ** 2).mean()
    resolution = ((frequency - base) ** 2).mean()
    uncertainty = base * (1 - base)
    inside = p - forecast
    within = (inside**2 - 2 * inside * (y - frequency)).mean()
    score = ((p - y) ** 2).mean()
    parts = (score, reliability, resolution, uncertainty, within)
    return BrierDecomposition(*(part.item() for part in parts))


def rank_transform(
    forecasts: Float[Tensor, "n members"],
    outcomes: Float[Tensor, " n"],
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " n"]:
    """Probability integral transform u_i ≈ F_i(y_i) of numbers forecast by samples of F_i.

    u = (#{members < y} + U · (1 + #{members = y})) / (1 + members) with U uniform on [0, 1), the
    histogram of which is the rank histogram with its bars spread out.

    Args:
        forecasts: Samples of each forecast law F_i.
        outcomes: What came, y_i.
        generator: Source of randomness on the device of ``forecasts``.

    Returns:
        u in [0, 1), float64. A hump in the middle means forecasts too wide, a hump at each end
        too narrow, a slope a shift.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Exactly uniform, for any number of members, if y_i is drawn from the law of its members.
    """
    check_tensor("forecasts", forecasts, shape=("n", "members"), dtype="float")
    n, members = forecasts.shape
    check_tensor("outcomes", outcomes, shape=(n,), dtype="float", device=forecasts.device)
    below = (forecasts < outcomes[:, None]).sum(-1)
    ties = (forecasts == outcomes[:, None]).sum(-1)
    return (below + _uniform(outcomes, generator) * (1 + ties)) / (1 + members)


def interval_coverage(ranks: Float[Tensor, " n"], level: float) -> Estimate:
    """Share of outcomes inside the central interval that should hold ``level`` of them.

    Args:
        ranks: u_i from ``rank_transform``, or F_i(y_i) where F_i is known; in [0, 1].
        level: Probability 1 − α strictly between 0 and 1; the interval is |u − ½| ≤ (1 − α)/2.

    Returns:
        The share, ``level`` in expectation for a calibrated forecast. Its standard error is
        √(a(1 − a)/(n + 4)) with a = (k + 2)/(n + 4), positive even if all k = n are inside.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased.
    """
    check_tensor("ranks", ranks, shape=("n",), dtype="float", low=0, high=1)
    check_number("level", level, low=0, high=1, open_low=True, open_high=True)
    n = len(ranks)
    inside = int(((ranks.double() - 0.5).abs() <= level / 2).sum())
    drawn_in = (inside + 2) / (n + 4)
    return Estimate(inside / n, math.sqrt(drawn_in * (1 - drawn_in) / (n + 4)))


def _check_forecasts(probs: Tensor, outcomes: Tensor) -> tuple[Tensor, Tensor]:
    check_tensor("probs", probs, shape=("n",), dtype="float", low=0, high=1)
    if len(probs) < 2:
        raise ArgumentError(f"probs: expected at least 2 forecasts, got {len(probs)}")
    check_tensor("outcomes", outcomes, shape=(len(probs),), device=probs.device)
    if outcomes.dtype != torch.bool:
        check_tensor("outcomes", outcomes, dtype="integer", low=0, high=1)
    return probs.detach().double(), outcomes.double()


def _bin(p: Tensor, num_bins: int, binning: str) -> tuple[Tensor, Tensor]:
    """Edges and the bin of each forecast."""
    check_int("num_bins", num_bins, low=1)
    check_choice("binning", binning, ("width", "mass"))
    if len(p) < num_bins:
        raise ArgumentError(
            f"probs: expected at least as many forecasts as the {num_bins} bins, got {len(p)}"
        )
    edges = torch.linspace(0, 1, num_bins + 1, dtype=p.dtype, device=p.device)
    if binning == "mass":
        ordered, place = p.sort().values, edges * (len(p) - 1)
        before = place.floor().long()
        after = (before + 1).clamp_max(len(p) - 1)
        edges = torch.lerp(ordered[before], ordered[after], place - before)
    return edges, torch.bucketize(p, edges[1:-1].contiguous())


def _sum_by_bin(values: Tensor, bins: Tensor, num_bins: int) -> Tensor:
    return values.new_zeros(num_bins).index_add_(0, bins, values)


def _bin_mean(values: Tensor, bins: Tensor, num_bins: int) -> Tensor:
    """For each forecast the mean of ``values`` over its bin."""
    count = bins.bincount(minlength=num_bins).clamp_min(1)
    return (_sum_by_bin(values, bins, num_bins) / count)[bins]


def _expected_error(gap: Tensor, bins: Tensor, num_bins: int) -> Estimate:
    total = _sum_by_bin(gap, bins, num_bins)
    signed = total.sign()[bins] * gap
    return Estimate(total.abs().sum().item() / len(gap), _error_of_mean(signed))


def _error_of_mean(values: Tensor) -> float:
    return values.std().item() / math.sqrt(len(values))


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(len(like), generator=generator, dtype=torch.float64, device=like.device)
