"""Do two samples come from the same law?

Each function here compares a sample x_1 … x_n of P with a sample y_1 … y_m of Q. Two kinds of
answer are given: a distance with its standard error, and a test with its p-value, the probability
under P = Q of a statistic at least as large as the one seen. A large p-value is no proof that the
laws are equal: the test may only lack the samples or the eye for the difference.

The maximum mean discrepancy and the energy distance are one formula,

    E k(X, X') + E k(Y, Y') − 2 E k(X, Y),

with the Gaussian kernel k(a, b) = exp(−‖a − b‖²/2h²) and with k(a, b) = −‖a − b‖. Everything is
computed in float64.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.special import bdtrc, kolmogorov
from torch import Tensor

from course_utils.arguments import (
    ArgumentError,
    check_choice,
    check_int,
    check_number,
    check_tensor,
)
from course_utils.metrics.likelihood import Estimate

Classifier = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Verdict:
    """What a two-sample test says.

    Attributes:
        statistic: The statistic; larger means further from P = Q.
        p_value: Probability, under P = Q, of a statistic at least as large.
    """

    statistic: float
    p_value: float


@dataclass(frozen=True)
class ClassifierVerdict:
    """What a classifier two-sample test says.

    Attributes:
        accuracy: Share of held-out points whose origin was told correctly, ½ in expectation if
            P = Q, with its binomial standard error.
        p_value: Probability of at least as many correct answers from a fair coin.
    """

    accuracy: Estimate
    p_value: float


def median_bandwidth(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> float:
    """Kernel width h: the median distance between two different points of both samples together.

    Args:
        x: First sample.
        y: Second sample.

    Returns:
        h > 0 in the unit of ``x``.

    Raises:
        ArgumentError: If more than half of the pairs coincide.

    Accuracy:
        Exact. A rule of thumb: it sees differences on the scale of the whole cloud best.
    """
    _check_samples(x, y, 1)
    pooled = torch.cat([x, y]).double()
    distances = torch.pdist(pooled)
    median = distances.median().item()
    if median == 0:
        raise ArgumentError("x, y: expected distinct points, got a median distance of 0")
    return median


def squared_mmd(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"], *, bandwidth: float | None = None
) -> Estimate:
    """Squared maximum mean discrepancy E k(X,X') + E k(Y,Y') − 2 E k(X,Y), Gaussian kernel.

    Args:
        x: First sample, n ≥ 3 points.
        y: Second sample, m ≥ 3 points.
        bandwidth: h > 0; ``median_bandwidth`` if not given.

    Returns:
        MMD², without unit, at most 2; may be negative by chance when P = Q. The standard error is
        the jackknife's, too large by up to a factor √2 when P = Q.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased for a bandwidth chosen in advance; Gretton and co-workers (2012).
    """
    return _contrast(*_blocks(x, y, "mmd", bandwidth))


def energy_distance(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Estimate:
    """Energy distance 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖.

    It is zero only if P = Q, and on the line equals 2 ∫ (F − G)². Székely and Rizzo (2013).

    Args:
        x: First sample, n ≥ 3 points.
        y: Second sample, m ≥ 3 points.

    Returns:
        The distance in the unit of ``x``, no root taken; may be negative by chance when P = Q.
        The standard error is the jackknife's, too large by up to a factor √2 when P = Q.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Unbiased.
    """
    return _contrast(*_blocks(x, y, "energy", None))


def permutation_test(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    statistic: str = "mmd",
    *,
    num_permutations: int = 999,
    bandwidth: float | None = None,
    generator: torch.Generator | None = None,
) -> Verdict:
    """Test of P = Q by relabelling: p = (1 + #{relabelled ≥ observed}) / (1 + B).

    Args:
        x: First sample, n ≥ 3 points.
        y: Second sample, m ≥ 3 points.
        statistic: ``"mmd"`` (squared) or ``"energy"``, both in their unbiased form.
        num_permutations: B ≥ 1; the smallest p-value possible is 1/(1 + B).
        bandwidth: h of the Gaussian kernel; ``median_bandwidth`` if not given.
        generator: Source of randomness on the device of ``x``.

    Returns:
        The statistic and its p-value.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        Valid at any sample size: under P = Q, P(p ≤ α) ≤ α.
    """
    check_int("num_permutations", num_permutations, low=1)
    within_x, between, within_y = _blocks(x, y, statistic, bandwidth)
    kernel = torch.cat([torch.cat([within_x, between], 1), torch.cat([between.T, within_y], 1)])
    n, total = len(x), len(kernel)
    order = torch.rand(
        num_permutations, total, generator=generator, dtype=torch.float64, device=x.device
    ).argsort(-1)
    observed = torch.arange(total, device=x.device)
    chosen = torch.cat([observed[None], order])[:, :n]
    indicator = kernel.new_zeros(num_permutations + 1, total).scatter_(1, chosen, 1.0)
    values = _relabelled(kernel, indicator, n)
    rounding = 1e-12 * kernel.abs().max()
    at_least = (values[1:] >= values[0] - rounding).sum().item()
    return Verdict(values[0].item(), (1 + at_least) / (1 + num_permutations))


def kolmogorov_smirnov(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Verdict:
    """Kolmogorov-Smirnov test on the line, D = sup_t |F(t) − G(t)|.

    Args:
        x: First sample, n numbers.
        y: Second sample, m numbers.

    Returns:
        D, between 0 and 1, and P(K ≥ √(nm/(n+m)) D), K of Kolmogorov's law.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        D exact. The p-value is the limit for large samples of a continuous law; with ties it is
        too large.
    """
    check_tensor("x", x, shape=("n",), dtype="float")
    check_tensor("y", y, shape=("m",), dtype="float", device=x.device)
    x, y = x.double().sort().values, y.double().sort().values
    points = torch.cat([x, y])
    below_x = torch.searchsorted(x, points, right=True) * len(y)
    below_y = torch.searchsorted(y, points, right=True) * len(x)
    distance = (below_x - below_y).abs().max().item() / (len(x) * len(y))
    effective = len(x) * len(y) / (len(x) + len(y))
    return Verdict(distance, float(kolmogorov(math.sqrt(effective) * distance)))


def nearest_neighbours(
    points: Float[Tensor, "train dim"], labels: Int[Tensor, " train"]
) -> Classifier:
    """Fit a classifier that takes the majority label of the nearest √N training points.

    Args:
        points: N training points; the neighbours are an odd number close to √N.
        labels: 0 or 1.

    Returns:
        A function from points (test, dim) to labels (test,).
    """
    num_neighbours = 2 * (math.isqrt(len(points)) // 2) + 1

    def predict(queries: Tensor) -> Tensor:
        nearest = torch.cdist(queries, points).topk(num_neighbours, largest=False).indices
        return (2 * labels[nearest].sum(-1) > num_neighbours).long()

    return predict


def classifier_test(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "n dim"],
    *,
    fit: Callable[[Tensor, Tensor], Classifier] = nearest_neighbours,
    generator: torch.Generator | None = None,
) -> ClassifierVerdict:
    """Classifier two-sample test: can a classifier tell the samples apart on held-out points?

    A random half of each sample trains the classifier and the other half judges it. Lopez-Paz
    and Oquab (2017). The best accuracy possible is ½ + ½ TV(P, Q), TV the total variation.

    Args:
        x: First sample, n ≥ 4 points, label 0.
        y: Second sample, as many points, label 1.
        fit: From training points and labels to a function from points to labels 0 or 1.
        generator: Source of randomness on the device of ``x``.

    Returns:
        Accuracy a on the N held-out points, standard error √(a(1−a)/N), and the p-value.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.

    Accuracy:
        The accuracy is unbiased for the classifier trained; its excess over ½ bounds
        ½ TV(P, Q) from below in expectation.
    """
    _check_samples(x, y, 4)
    if len(x) != len(y):
        raise ArgumentError(f"y: expected as many points as x, {len(x)}, got {len(y)}")
    half = len(x) // 2
    parts = [v.double()[_shuffled(len(v), v.device, generator)] for v in (x, y)]
    train = torch.cat([v[:half] for v in parts])
    test = torch.cat([v[half:] for v in parts])
    train_labels = torch.arange(2, device=x.device).repeat_interleave(half)
    test_labels = torch.arange(2, device=x.device).repeat_interleave(len(x) - half)
    guesses = check_tensor("fit", fit(train, train_labels)(test), shape=(len(test),))
    correct = int((guesses == test_labels).sum())
    accuracy = correct / len(test)
    error = math.sqrt(accuracy * (1 - accuracy) / len(test))
    p_value = float(bdtrc(correct - 1, len(test), 0.5)) if correct else 1.0
    return ClassifierVerdict(Estimate(accuracy, error), p_value)


def _check_samples(x: Tensor, y: Tensor, smallest: int) -> None:
    check_tensor("x", x, shape=("n", "dim"), dtype="float")
    check_tensor("y", y, shape=("m", x.shape[1]), dtype="float", device=x.device)
    for name, sample in (("x", x), ("y", y)):
        if len(sample) < smallest:
            raise ArgumentError(f"{name}: expected at least {smallest} points, got {len(sample)}")


def _shuffled(count: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float64, device=device).argsort()


def _blocks(
    x: Tensor, y: Tensor, statistic: str, bandwidth: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Kernel matrices x with x, x with y and y with y."""
    _check_samples(x, y, 3)
    check_choice("statistic", statistic, ("mmd", "energy"))
    pairs = ((x.double(), x.double()), (x.double(), y.double()), (y.double(), y.double()))
    exact = "donot_use_mm_for_euclid_dist"
    first, second, third = (torch.cdist(a, b, compute_mode=exact) for a, b in pairs)
    if statistic == "energy":
        return -first, -second, -third
    h = median_bandwidth(x, y) if bandwidth is None else bandwidth
    check_number("bandwidth", h, low=0, open_low=True)
    return tuple((-0.5 * (d / h) ** 2).exp() for d in (first, second, third))


def _contrast(within_x: Tensor, between: Tensor, within_y: Tensor) -> Estimate:
    """The unbiased estimate, and the jackknife's standard error from leaving out each point."""
    n, m = between.shape
    rows_x = within_x.sum(1) - within_x.diagonal()
    rows_y = within_y.sum(1) - within_y.diagonal()
    mean_x, mean_y = rows_x.sum() / (n * (n - 1)), rows_y.sum() / (m * (m - 1))
    cross = between.sum()
    variance = between.new_zeros(())
    for rows, other, across, k, size in (
        (rows_x, mean_y, between.sum(1), n, m),
        (rows_y, mean_x, between.sum(0), m, n),
    ):
        within = (rows.sum() - 2 * rows) / ((k - 1) * (k - 2))
        without = within + other - 2 * (cross - across) / ((k - 1) * size)
        variance += (k - 1) / k * (without - without.mean()).square().sum()
    value = mean_x + mean_y - 2 * cross / (n * m)
    return Estimate(value.item(), variance.sqrt().item())


def _relabelled(kernel: Tensor, indicator: Tensor, n: int) -> Tensor:
    """The unbiased estimate for each row of 0/1 labels, 1 marking the n points called x."""
    m = len(kernel) - n
    diagonal, rows = kernel.diagonal(), kernel.sum(1)
    chosen_x = ((indicator @ kernel) * indicator).sum(1)
    between = indicator @ rows - chosen_x
    chosen_y = rows.sum() - chosen_x - 2 * between
    trace_x = indicator @ diagonal
    trace_y = diagonal.sum() - trace_x
    within = (chosen_x - trace_x) / (n * (n - 1)) + (chosen_y - trace_y) / (m * (m - 1))
    return within - 2 * between / (n * m)
