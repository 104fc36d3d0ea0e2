"""Calibration, against closed forms, enumeration, scikit-learn and torchmetrics."""

import itertools
import math

import pytest
import torch
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from course_utils.arguments import ArgumentError
from course_utils.metrics.calibration import (
    brier_decomposition,
    brier_score,
    calibration_test,
    expected_calibration_error,
    interval_coverage,
    rank_transform,
    reliability_table,
    squared_calibration_error,
    top_label,
)

SAID = (0.3, 0.8)
TRUE = (0.5, 0.7)
SIZES = (10, 20)


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def two_groups(generator, truth=TRUE):
    """Ten forecasts of .3 and twenty of .8, whose outcomes have the probabilities ``truth``."""
    sizes = torch.tensor(SIZES)
    said = torch.tensor(SAID, dtype=torch.float64).repeat_interleave(sizes)
    happens = torch.tensor(truth, dtype=torch.float64).repeat_interleave(sizes)
    return said, uniform(generator, len(said)) < happens


def mean_absolute_gap(truth):
    """E Σ_b (n_b/n) |K_b/n_b − p_b| with K_b binomial, summed over all values of K_b."""
    total = 0.0
    for n, p, q in zip(SIZES, SAID, truth, strict=True):
        total += sum(stats.binom.pmf(k, n, q) * abs(k - n * p) for k in range(n + 1))
    return total / sum(SIZES)


def bent(generator, n):
    """Forecasts with ties and values on bin edges, outcomes that they misjudge."""
    p = torch.cat([uniform(generator, n), torch.linspace(0, 1, 11, dtype=torch.float64).repeat(9)])
    return p, (uniform(generator, len(p)) < p**1.5).long()


def test_reliability_table_by_hand():
    """Four bins: an edge belongs to the bin below it, and the empty third is left out."""
    p = torch.tensor([0.0, 0.25, 0.25, 0.5, 0.9, 1.0])
    y = torch.tensor([0, 1, 0, 1, 1, 0])
    table = reliability_table(p, y, num_bins=4)
    assert table.count.tolist() == [3, 1, 2]
    assert table.low.tolist() == [0, 0.25, 0.75]
    assert table.high.tolist() == [0.25, 0.5, 1]
    assert table.forecast.tolist() == pytest.approx([1 / 6, 0.5, 0.95], rel=1e-7)
    assert table.frequency.tolist() == pytest.approx([1 / 3, 1, 0.5], rel=1e-12)
    spreads = [math.sqrt(2 * 0.1875) / 3, 0.5, 0.3 / 2]
    assert table.spread.tolist() == pytest.approx(spreads, rel=1e-6)
    error = expected_calibration_error(p, y, num_bins=4).value
    assert error == pytest.approx((0.5 + 0.5 + 0.9) / 6, rel=1e-7)


@pytest.mark.parametrize(("strategy", "binning"), [("uniform", "width"), ("quantile", "mass")])
@pytest.mark.parametrize("num_bins", [1, 7, 10])
def test_table_agrees_with_scikit_learn(generator, strategy, binning, num_bins):
    p, y = bent(generator, 500)
    frequency, forecast = calibration_curve(
        y.numpy(), p.numpy(), n_bins=num_bins, strategy=strategy
    )
    table = reliability_table(p, y, num_bins=num_bins, binning=binning)
    assert table.frequency.tolist() == pytest.approx(frequency.tolist(), abs=1e-12)
    assert table.forecast.tolist() == pytest.approx(forecast.tolist(), abs=1e-12)
    error = expected_calibration_error(p, y, num_bins=num_bins, binning=binning).value
    gaps = torch.from_numpy(frequency - forecast).abs()
    assert error == pytest.approx((table.count * gaps).sum().item() / len(p), abs=1e-12)


def test_agrees_with_torchmetrics(generator):
    """Rounding only, away from edges, where torchmetrics counts an edge to the bin above it.

    1e-6 for many classes, which torchmetrics takes to single precision.
    """
    peer = pytest.importorskip("torchmetrics.functional.classification", reason="a peer")
    p = uniform(generator, 3000)
    y = (uniform(generator, 3000) < p**1.5).long()
    for num_bins in (5, 15):
        table = reliability_table(p, y, num_bins=num_bins)
        ours = expected_calibration_error(p, y, num_bins=num_bins).value
        square = (table.count * (table.frequency - table.forecast) ** 2).sum().item() / 3000
        for norm, value in (("l1", ours), ("l2", math.sqrt(square))):
            theirs = peer.binary_calibration_error(p, y, n_bins=num_bins, norm=norm).item()
            assert value == pytest.approx(theirs, abs=1e-12)
    probs = torch.softmax(3 * torch.randn(800, 4, generator=generator, dtype=torch.float64), -1)
    labels = torch.randint(4, (800,), generator=generator)
    ours = expected_calibration_error(*top_label(probs, labels)).value
    theirs = peer.multiclass_calibration_error(probs, labels, num_classes=4, n_bins=15).item()
    assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_overconfidence_in_closed_form(generator, binning):
    """p uniform on (½, 1) and truth (p + ½)/2: the gap is (p − ½)/2, its mean 1/8.

    Its mean square, over ten bins of width w = 1/20, is (1/4)(1/12 − w²/12). The gap has one
    sign, so that no bin cancels anything. Within 4 standard errors.
    """
    p = 0.5 + uniform(generator, 20_000) / 2
    y = uniform(generator, len(p)) < (p + 0.5) / 2
    num_bins = 20 if binning == "width" else 10
    error = expected_calibration_error(p, y, num_bins=num_bins, binning=binning)
    assert abs(error.value - 1 / 8) < 4 * error.standard_error
    square = squared_calibration_error(p, y, num_bins=num_bins, binning=binning)
    truth = (1 / 12 - 0.05**2 / 12) / 4
    assert abs(square.value - truth) < 4 * square.standard_error
    assert error.standard_error < 0.004
    assert square.standard_error < 0.0015


@pytest.mark.parametrize("truth", [SAID, TRUE])
def test_bias_of_the_error_by_enumeration(generator, truth):
    """The mean of 800 runs is the enumerated one, larger than the true error; 4 st. errors."""
    runs = [
        expected_calibration_error(*two_groups(generator, truth), num_bins=10).value
        for _ in range(800)
    ]
    values = torch.tensor(runs, dtype=torch.float64)
    expected = mean_absolute_gap(truth)
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(800)
    true_error = sum(n * abs(p - q) for n, p, q in zip(SIZES, SAID, truth, strict=True)) / 30
    assert expected > true_error + 0.01


@pytest.mark.parametrize("truth", [SAID, TRUE])
def test_squared_error_has_no_bias(generator, truth):
    """Mean of 800 runs, within 4 standard errors; single values may be negative."""
    runs = [
        squared_calibration_error(*two_groups(generator, truth), num_bins=10) for _ in range(800)
    ]
    values = torch.tensor([r.value for r in runs], dtype=torch.float64)
    expected = sum(n * (p - q) ** 2 for n, p, q in zip(SIZES, SAID, truth, strict=True)) / 30
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(800)
    assert values.min() < 0


def test_squared_error_by_pairs_and_its_standard_error_by_autograd(generator):
    """Average of products over i ≠ j by loops; the influence of a forecast is n ∂T/∂w_i.

    T(w) = Σ_b (Σ w_i d_i)² / (Σ w_i in b) / Σ w_i at w = 1. Rounding only.
    """
    p = uniform(generator, 12)
    y = uniform(generator, 12) < 0.3
    gaps, bins = (y.double() - p).tolist(), (p > 0.5).long().tolist()
    truth = 0.0
    for b in (0, 1):
        inside = [g for g, where in zip(gaps, bins, strict=True) if where == b]
        products = [g * h for g, h in itertools.permutations(inside, 2)]
        truth += len(inside) / 12 * sum(products) / len(products)
    weights = torch.ones(12, dtype=torch.float64, requires_grad=True)
    member = torch.nn.functional.one_hot(torch.tensor(bins)).double().T * weights
    total = member @ torch.tensor(gaps, dtype=torch.float64)
    ((total**2 / member.sum(1)).sum() / weights.sum()).backward()
    found = squared_calibration_error(p, y, num_bins=2)
    assert found.value == pytest.approx(truth, rel=1e-10)
    error = 12 * weights.grad.std().item() / math.sqrt(12)
    assert found.standard_error == pytest.approx(error, rel=1e-10)


def test_standard_errors_are_the_spread_over_samples(generator):
    """300 runs: their spread has relative error 1/√600 = .04, four of them .16."""

    def draw():
        p = uniform(generator, 1000)
        return p, uniform(generator, 1000) < 0.2 + 0.4 * p

    data = [draw() for _ in range(300)]
    for metric in (expected_calibration_error, squared_calibration_error):
        runs = [metric(*pair, num_bins=5) for pair in data]
        spread = torch.tensor([r.value for r in runs], dtype=torch.float64).std().item()
        assert sum(r.standard_error for r in runs) / 300 == pytest.approx(spread, rel=0.16)
    runs = [brier_score(*pair) for pair in data]
    spread = torch.tensor([r.value for r in runs], dtype=torch.float64).std().item()
    assert sum(r.standard_error for r in runs) / 300 == pytest.approx(spread, rel=0.16)


def test_error_of_calibrated_squares_is_at_most_root_two_too_large(generator):
    """Twenty bins of fifty: ratio of stated error to spread between 1 and √2, give or take .1."""
    runs = []
    for _ in range(400):
        p = uniform(generator, 1000)
        runs.append(squared_calibration_error(p, uniform(generator, 1000) < p, num_bins=20))
    spread = torch.tensor([r.value for r in runs], dtype=torch.float64).std().item()
    ratio = sum(r.standard_error for r in runs) / 400 / spread
    assert 1 < ratio < math.sqrt(2) + 0.1


def test_floor_by_enumeration(generator):
    """The floor is the enumerated error of calibrated forecasts, whatever the outcomes were."""
    p, y = two_groups(generator, TRUE)
    verdict = calibration_test(p, y, num_bins=10, num_resamples=4000, generator=generator)
    spread = verdict.floor.standard_error
    assert abs(verdict.floor.value - mean_absolute_gap(SAID)) < 4 * spread / math.sqrt(4000)
    variance = 0.0
    for n, s in zip(SIZES, SAID, strict=True):
        k = torch.arange(n + 1, dtype=torch.float64)
        mass = torch.from_numpy(stats.binom.pmf(k.numpy(), n, s))
        gap = (k - n * s).abs()
        variance += ((mass * gap**2).sum() - (mass * gap).sum() ** 2).item() / 900
    assert spread == pytest.approx(math.sqrt(variance), rel=4 / math.sqrt(8000))


def test_p_value_by_enumerating_all_outcomes(generator):
    """All 64 outcomes of six forecasts; 4000 draws, within 4 binomial standard errors."""
    p = torch.tensor([0.2, 0.3, 0.45, 0.6, 0.7, 0.9], dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 0, 1, 1])

    def error(outcomes):
        gaps = [a - b for a, b in zip(outcomes, p.tolist(), strict=True)]
        return (abs(sum(gaps[:3])) + abs(sum(gaps[3:]))) / 6

    observed, truth = error(y.tolist()), 0.0
    for outcomes in itertools.product((0, 1), repeat=6):
        if error(outcomes) >= observed - 1e-9:
            chosen = zip(outcomes, p.tolist(), strict=True)
            truth += math.prod(b if a else 1 - b for a, b in chosen)
    verdict = calibration_test(p, y, num_bins=2, num_resamples=4000, generator=generator)
    assert verdict.error.value == pytest.approx(observed, rel=1e-12)
    assert 0.05 < truth < 0.95
    assert abs(verdict.p_value - truth) < 4 * math.sqrt(truth * (1 - truth) / 4000)


def test_level_and_power(generator):
    """With B = 19 the level 1/5 is exact: 60 of 300 runs, within 4 standard errors."""

    def p_value(exponent):
        p = uniform(generator, 200)
        y = uniform(generator, 200) < p**exponent
        return calibration_test(p, y, num_resamples=19, generator=generator).p_value

    rejected = sum(p_value(1.0) <= 0.2 for _ in range(300))
    assert abs(rejected - 60) < 4 * math.sqrt(300 * 0.2 * 0.8)
    assert max(p_value(3.0) for _ in range(10)) == 1 / 20


def test_brier_score_agrees_with_scikit_learn(generator):
    p, y = bent(generator, 500)
    assert brier_score(p, y).value == pytest.approx(brier_score_loss(y, p), rel=1e-12)
    assert brier_score(p, y.bool()) == brier_score(p, y)


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_decomposition_adds_up(generator, binning):
    """With forecasts spread inside bins only the remainder closes the sum; rounding only."""
    p, y = bent(generator, 500)
    parts = brier_decomposition(p, y, num_bins=8, binning=binning)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within
    assert parts.score == pytest.approx(brier_score(p, y).value, rel=1e-12)
    assert total == pytest.approx(parts.score, rel=1e-12)
    assert abs(parts.within) > 1e-5


def test_decomposition_by_hand():
    """Four forecasts of ¼ with one event, four of ¾ with four events: base rate 5/8."""
    p = torch.tensor([0.25] * 4 + [0.75] * 4)
    y = torch.tensor([1, 0, 0, 0, 1, 1, 1, 1])
    parts = brier_decomposition(p, y, num_bins=4)
    assert parts.reliability == pytest.approx(0.5 * 0.25**2, rel=1e-12)
    assert parts.resolution == pytest.approx(0.5 * (3 / 8) ** 2 * 2, rel=1e-12)
    assert parts.uncertainty == pytest.approx(15 / 64, rel=1e-12)
    assert parts.within == pytest.approx(0, abs=1e-15)
    assert parts.score == pytest.approx((9 / 16 + 3 / 16 + 4 / 16) / 8, rel=1e-12)


def test_bias_of_the_decomposition(generator):
    """Forecasts ¼ or ¾ by a coin, calibrated, n = 40: every part's bias, within 4 st. errors.

    s = 2 · (3/16)/40 and u = ¼/40; second order in 1/n is below the standard errors.
    """
    runs = []
    for _ in range(1000):
        p = 0.25 + 0.5 * (uniform(generator, 40) < 0.5).double()
        parts = brier_decomposition(p, uniform(generator, 40) < p, num_bins=4)
        runs.append([parts.reliability, parts.resolution, parts.uncertainty])
    runs = torch.tensor(runs, dtype=torch.float64)
    s, u = 2 * 3 / 16 / 40, 1 / 4 / 40
    truth = torch.tensor([s, 1 / 16 + s - u, 1 / 4 - u], dtype=torch.float64)
    assert bool(((runs.mean(0) - truth).abs() < 4 * runs.std(0) / math.sqrt(1000)).all())


def test_rank_transform_is_uniform_even_with_ties(generator):
    """Outcomes drawn from the law of their three members, four possible values: uniform (KS)."""
    values = (4 * uniform(generator, 4000, 4)).floor()
    ranks = rank_transform(values[:, 1:], values[:, 0], generator=generator)
    assert stats.kstest(ranks.numpy(), "uniform").pvalue > 0.001
    assert ranks.min() >= 0
    assert ranks.max() < 1


def test_rank_transform_by_hand(generator):
    """Two of four members below, one equal: u lies in [2/5, 4/5) and fills it."""
    members = torch.tensor([[0.0, 1.0, 2.0, 3.0]]).expand(4000, 4)
    ranks = rank_transform(members, torch.full((4000,), 2.0), generator=generator)
    assert stats.kstest(ranks.numpy(), "uniform", args=(0.4, 0.4)).pvalue > 0.001


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_coverage_of_forecasts_of_the_wrong_width(generator, width):
    """Forecast N(0, w²) of N(0, 1): the 90 % interval holds 2Φ(1.645 w) − 1; 4 st. errors."""
    y = torch.randn(4000, generator=generator, dtype=torch.float64)
    ranks = torch.special.ndtr(y / width)
    found = interval_coverage(ranks, 0.9)
    truth = 2 * stats.norm.cdf(stats.norm.ppf(0.95) * width) - 1
    assert abs(found.value - truth) < 4 * found.standard_error
    assert found.standard_error == pytest.approx(math.sqrt(truth * (1 - truth) / 4000), rel=0.15)
    full = interval_coverage(torch.full((6,), 0.5), 0.9)
    assert (full.value, full.standard_error) == (1, pytest.approx(math.sqrt(0.16 / 10)))


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: brier_score(2 * p, y), "probs: expected values <= 1, got a value of 1.75"),
        (lambda p, y: brier_score(p, y + 1), "outcomes: expected values <= 1, got a value of 2"),
        (lambda p, y: brier_score(p, y.float()), "outcomes: expected dtype integer, got dtype"),
        (lambda p, y: brier_score(p, y[:2]), r"outcomes: expected shape \(4\), got shape"),
        (lambda p, y: brier_score(p[:1], y[:1]), "probs: expected at least 2 forecasts, got 1"),
        (lambda p, y: brier_score(p * math.nan, y), "probs: expected finite values, got 4 NaN"),
        (
            lambda p, y: expected_calibration_error(p, y),
            "probs: expected at least as many forecasts as the 15 bins, got 4",
        ),
        (
            lambda p, y: squared_calibration_error(p, y, num_bins=4),
            "num_bins: expected a bin with 2 forecasts or more, got 1 in each",
        ),
        (
            lambda p, y: reliability_table(p, y, num_bins=0),
            "num_bins: expected a whole number >= 1, got 0",
        ),
        (
            lambda p, y: brier_decomposition(p, y, num_bins=2, binning="wide"),
            "binning: expected one of 'width', 'mass', got 'wide'",
        ),
        (
            lambda p, y: calibration_test(p, y, num_bins=2, num_resamples=1),
            "num_resamples: expected a whole number >= 2, got 1",
        ),
        (lambda p, y: top_label(torch.ones(4, 1), y), "labels: expected values <= 0"),
        (lambda p, y: top_label(torch.ones(4, 2), y), "probs: expected"),
        (lambda p, y: rank_transform(p, p), r"forecasts: expected shape \(n, members\), got"),
        (lambda p, y: rank_transform(p[:, None], p[:2]), r"outcomes: expected shape \(4\), got"),
        (lambda p, y: interval_coverage(p, 1.0), "level: expected a number > 0 and < 1, got 1.0"),
        (lambda p, y: interval_coverage(2 * p, 0.5), "ranks: expected values <= 1"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    p, y = torch.tensor([0.125, 0.3, 0.6, 0.875]), torch.tensor([0, 1, 0, 1])
    with pytest.raises(ArgumentError, match=message) as error:
        call(p, y)
    assert "\n" not in str(error.value)
