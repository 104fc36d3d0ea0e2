"""Two-sample distances and tests, against written-out sums, closed forms and scipy."""

import math
from itertools import combinations, permutations

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.metrics.two_sample import (
    classifier_test,
    energy_distance,
    kolmogorov_smirnov,
    median_bandwidth,
    nearest_neighbours,
    permutation_test,
    squared_mmd,
)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def written_out(x, y, kernel):
    """Average of the kernel over ordered pairs of different points, by loops."""
    x, y = x.tolist(), y.tolist()

    def within(points):
        pairs = [kernel(a, b) for a, b in permutations(points, 2)]
        return sum(pairs) / len(pairs)

    cross = [kernel(a, b) for a in x for b in y]
    return within(x) + within(y) - 2 * sum(cross) / len(cross)


def gaussian(width):
    return lambda a, b: math.exp(-(math.dist(a, b) ** 2) / (2 * width**2))


def minus_distance(a, b):
    return -math.dist(a, b)


def jackknife(x, y, kernel):
    """Leave every point out in turn and compute the estimate anew."""
    variance = 0.0
    for points, other, swap in ((x, y, False), (y, x, True)):
        without = []
        for i in range(len(points)):
            rest = torch.cat([points[:i], points[i + 1 :]])
            pair = (other, rest) if swap else (rest, other)
            without.append(written_out(*pair, kernel))
        mean = sum(without) / len(without)
        variance += (len(without) - 1) / len(without) * sum((v - mean) ** 2 for v in without)
    return math.sqrt(variance)


def test_distances_and_errors_by_loops(generator):
    """Rounding only."""
    x, y = normal(generator, 6, 2), normal(generator, 9, 2) + 1
    mmd, energy = squared_mmd(x, y, bandwidth=0.8), energy_distance(x, y)
    assert mmd.value == pytest.approx(written_out(x, y, gaussian(0.8)), rel=1e-12)
    assert mmd.standard_error == pytest.approx(jackknife(x, y, gaussian(0.8)), rel=1e-10)
    assert energy.value == pytest.approx(written_out(x, y, minus_distance), rel=1e-12)
    assert energy.standard_error == pytest.approx(jackknife(x, y, minus_distance), rel=1e-10)
    assert squared_mmd(x, y) == squared_mmd(x, y, bandwidth=median_bandwidth(x, y))


def test_median_bandwidth_by_sorting(generator):
    """Four points have six pairs; the lower of the two middle distances is taken."""
    x, y = normal(generator, 2, 3), normal(generator, 2, 3)
    pairs = sorted(math.dist(a, b) for a, b in combinations(torch.cat([x, y]).tolist(), 2))
    assert median_bandwidth(x, y) == pytest.approx(pairs[2], rel=1e-12)


def test_energy_distance_agrees_with_scipy(generator):
    """scipy's is the root of the version in which a point is paired with itself as well."""
    x, y = normal(generator, 30), normal(generator, 40) + 1
    n, m = len(x), len(y)
    inside = sum(
        torch.cdist(v[:, None], v[:, None]).sum().item() / (k * k * (k - 1))
        for v, k in ((x, n), (y, m))
    )
    truth = stats.energy_distance(x, y) ** 2 - inside
    assert energy_distance(x[:, None], y[:, None]).value == pytest.approx(truth, rel=1e-10)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_mean_and_error_over_repeated_samples(generator, shift):
    """MMD² of N(0, I) and N(s, I) in closed form: with v = h² + 2 and c = (h²/v)^{d/2}, it is
    2c(1 − exp(−|s|²/2v)). The mean of 200 runs is within 4 standard errors, and so is the
    stated error, but for the known excess, up to √2, at s = 0.
    """
    width, dim = 1.5, 2
    spread = width**2 + 2
    truth = 2 * (width**2 / spread) ** (dim / 2) * -math.expm1(-dim * shift**2 / (2 * spread))
    runs = [
        squared_mmd(normal(generator, 40, dim), normal(generator, 30, dim) + shift, bandwidth=width)
        for _ in range(200)
    ]
    values = torch.tensor([r.value for r in runs], dtype=torch.float64)
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(200)
    ratio = sum(r.standard_error for r in runs) / 200 / values.std().item()
    chance = 4 / math.sqrt(400)
    assert 1 - chance < ratio < (1 if shift else math.sqrt(2)) + chance
    if not shift:
        assert values.min() < 0


def test_energy_distance_of_two_normals(generator):
    """E|X − Y| of N(0,1) and N(s,1) is the folded normal's mean; within 4 standard errors."""
    shift = 1.5
    folded = 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    truth = 2 * folded - 4 / math.sqrt(math.pi)
    estimate = energy_distance(normal(generator, 600, 1), normal(generator, 500, 1) + shift)
    assert abs(estimate.value - truth) < 4 * estimate.standard_error
    assert estimate.standard_error < 0.1 * truth


@pytest.mark.parametrize("statistic", ["mmd", "energy"])
def test_p_value_by_enumerating_all_relabellings(generator, statistic):
    """All 35 choices of 3 of 7 points; 4000 permutations, within 4 binomial standard errors."""
    x, y = normal(generator, 3, 1), normal(generator, 4, 1) + 0.8
    pooled = torch.cat([x, y])
    kernel = gaussian(1.0) if statistic == "mmd" else minus_distance
    values = []
    for chosen in combinations(range(7), 3):
        rest = [i for i in range(7) if i not in chosen]
        values.append(written_out(pooled[list(chosen)], pooled[rest], kernel))
    truth = sum(v >= values[0] - 1e-9 for v in values) / 35
    result = permutation_test(
        x, y, statistic, num_permutations=4000, bandwidth=1.0, generator=generator
    )
    assert result.statistic == pytest.approx(values[0], rel=1e-9)
    assert 0.02 < truth < 0.98
    assert abs(result.p_value - truth) < 4 * math.sqrt(truth * (1 - truth) / 4000)


@pytest.mark.parametrize("statistic", ["mmd", "energy"])
def test_level_and_power(generator, statistic):
    """With B = 39 the level 1/5 is exact under P = Q: 60 of 300 runs, within 4 standard errors.

    Under a shift of one standard deviation each of ten runs has p ≤ .01.
    """

    def p_value(shift, size, count):
        x, y = normal(generator, size, 2), normal(generator, size, 2) + shift
        return permutation_test(
            x, y, statistic, num_permutations=count, generator=generator
        ).p_value

    rejected = sum(p_value(0.0, 10, 39) <= 0.2 for _ in range(300))
    assert abs(rejected - 60) < 4 * math.sqrt(300 * 0.2 * 0.8)
    shifted = [p_value(1.0, 50, 199) for _ in range(10)]
    assert max(shifted) <= 0.01
    assert min(shifted) == 1 / 200


@pytest.mark.concept("gan.two-sample-tests")
@pytest.mark.parametrize("sizes", [(5, 8), (200, 200), (300, 170)])
def test_kolmogorov_smirnov_agrees_with_scipy(generator, sizes):
    """D to rounding, and the p-value for exactly this D."""
    x, y = normal(generator, sizes[0]), normal(generator, sizes[1]) + 0.1
    truth = stats.ks_2samp(x, y, method="exact")
    ours = kolmogorov_smirnov(x, y)
    assert ours.statistic == pytest.approx(truth.statistic, rel=1e-12)
    assert ours.p_value == pytest.approx(truth.pvalue, rel=1e-12)


@pytest.mark.concept("gan.two-sample-tests")
def test_kolmogorov_smirnov_rejects_the_truth_one_time_in_twenty(generator):
    """2000 pairs of equal laws, level .05: within 3 standard errors, .0146.

    Sizes without a common factor give D a fine lattice; with 400 and 400 the level is .04.
    """
    pairs = (normal(generator, 400 + 397).split((400, 397)) for _ in range(2000))
    rejected = sum(kolmogorov_smirnov(x, y).p_value <= 0.05 for x, y in pairs)
    assert abs(rejected / 2000 - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_kolmogorov_smirnov_with_ties_and_at_the_ends():
    """Tied values count on both sides before the difference is taken."""
    x = torch.tensor([1.0, 1.0, 2.0, 3.0])
    y = torch.tensor([1.0, 2.0, 2.0, 3.0, 3.0])
    assert kolmogorov_smirnov(x, y).statistic == pytest.approx(0.3, rel=1e-12)
    assert kolmogorov_smirnov(x, x).p_value == 1
    assert kolmogorov_smirnov(x, x + 5).statistic == 1


def test_classifier_reaches_the_optimal_accuracy(generator):
    """N(0,1) against N(2,1): a threshold at 1 is best, right with probability Φ(1) = .8413."""
    x, y = normal(generator, 4000, 1), normal(generator, 4000, 1) + 2

    def threshold(points, labels):
        return lambda queries: (queries[:, 0] > 1).long()

    best = classifier_test(x, y, fit=threshold, generator=generator).accuracy
    assert abs(best.value - stats.norm.cdf(1)) < 4 * best.standard_error
    assert best.standard_error == pytest.approx(math.sqrt(0.8413 * 0.1587 / 4000), rel=0.05)
    found = classifier_test(x, y, generator=generator)
    assert abs(found.accuracy.value - best.value) < 0.03
    assert found.p_value < 1e-12


@pytest.mark.concept("gan.two-sample-tests")
def test_classifier_is_at_chance_under_equality(generator):
    """Mean accuracy of 100 runs of 40 held-out points: ½ within 4 √(1/16000); p by scipy."""
    runs = [
        classifier_test(normal(generator, 40, 2), normal(generator, 40, 2), generator=generator)
        for _ in range(100)
    ]
    mean = sum(r.accuracy.value for r in runs) / 100
    assert abs(mean - 0.5) < 4 * math.sqrt(0.25 / 4000)
    for run in runs[:10]:
        correct = round(run.accuracy.value * 40)
        truth = stats.binomtest(correct, 40, 0.5, alternative="greater").pvalue
        assert run.p_value == pytest.approx(truth, rel=1e-10)


def test_nearest_neighbours_by_sorting(generator):
    """Nine training points have a vote of three."""
    points, queries = normal(generator, 9, 2), normal(generator, 20, 2)
    labels = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1, 1])
    guesses = nearest_neighbours(points, labels)(queries).tolist()
    for query, guess in zip(queries.tolist(), guesses, strict=True):
        order = sorted(range(9), key=lambda i: math.dist(points[i].tolist(), query))
        assert guess == int(sum(labels[i].item() for i in order[:3]) >= 2)


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: squared_mmd(x, x[:2]), "y: expected at least 3 points, got 2"),
        (lambda x: squared_mmd(x, x, bandwidth=0.0), "bandwidth: expected a number > 0, got 0.0"),
        (lambda x: squared_mmd(0 * x, 0 * x), "x, y: expected distinct points"),
        (lambda x: energy_distance(x, x[:, :1]), r"y: expected shape \(m, 2\)"),
        (lambda x: energy_distance(x, x * math.inf), "y: expected finite values"),
        (lambda x: permutation_test(x, x, "fid"), "statistic: expected one of 'mmd', 'energy'"),
        (lambda x: permutation_test(x, x, num_permutations=0), "num_permutations: expected"),
        (lambda x: kolmogorov_smirnov(x, x), r"x: expected shape \(n\), got shape \(6, 2\)"),
        (lambda x: classifier_test(x, x[:5]), "y: expected as many points as x, 6, got 5"),
        (lambda x: classifier_test(x[:3], x[:3]), "x: expected at least 4 points, got 3"),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    with pytest.raises(ArgumentError, match=message) as error:
        call(normal(generator, 6, 2))
    assert "\n" not in str(error.value)
