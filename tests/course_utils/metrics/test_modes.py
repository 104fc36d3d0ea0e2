"""Mode coverage, against closed forms for samplers with prescribed mode weights."""

import math

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.metrics.modes import high_quality_share, mode_coverage
from course_utils.worlds.plane.curves import eight_gaussians, two_moons
from course_utils.worlds.plane.squares import Checkerboard
from course_utils.worlds.scenes import GaussianScenes, Scenes


def table(counts):
    """Certain posterior rows, ``counts[k]`` of mode k."""
    modes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return torch.eye(len(counts), dtype=torch.float64)[modes]


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def by_loops(q, w):
    forward = sum(a * math.log(a / b) for a, b in zip(w, q, strict=True))
    reverse = sum(b * math.log(b / a) for a, b in zip(w, q, strict=True) if b)
    return forward, reverse


def test_divergences_by_loops():
    """Plug-in value less the bias: (K − 1)/2n for KL(q‖w), Σ w_k (1 − q_k)/2n q_k for KL(w‖q)."""
    counts, w = [50, 30, 15, 5], vector(0.4, 0.3, 0.2, 0.1)
    result = mode_coverage(table(counts), w)
    q = [c / 100 for c in counts]
    forward, reverse = by_loops(q, w.tolist())
    bias = sum(a * (1 - b) / b for a, b in zip(w.tolist(), q, strict=True)) / 200
    assert result.shares.tolist() == pytest.approx(q)
    assert result.num_covered == 4
    assert result.kl.value == pytest.approx(forward - bias, rel=1e-12)
    assert result.reverse_kl.value == pytest.approx(reverse - 3 / 200, rel=1e-12)


@pytest.mark.concept("metric.mode-coverage")
def test_dropped_modes():
    """k of K equal modes, evenly: KL(q‖w) = log(K/k), less the bias of k − 1 free shares."""
    result = mode_coverage(table([100, 100, 0, 100, 0, 0, 0, 0]), torch.full((8,), 1 / 8))
    assert result.num_covered == 3
    assert result.kl.value == math.inf
    assert math.isnan(result.kl.standard_error)
    assert result.reverse_kl.value == pytest.approx(math.log(8 / 3) - 2 / 600, rel=1e-6)
    assert result.reverse_kl.standard_error == pytest.approx(math.sqrt(2 / 2) / 300, rel=1e-6)
    assert result.expected_covered == pytest.approx(8 * (1 - (7 / 8) ** 300), rel=1e-6)
    single = mode_coverage(table([10]), vector(1.0))
    assert (single.num_covered, single.kl.value, single.reverse_kl.value) == (1, 0, 0)


@pytest.mark.concept("metric.mode-coverage")
@pytest.mark.parametrize("v", [(0.25, 0.25, 0.25, 0.25), (0.4, 0.3, 0.2, 0.1)])
@pytest.mark.parametrize("soft", [False, True])
def test_means_and_errors_over_repeated_samples(generator, v, soft):
    """Mode weights v against w = ¼: 400 runs of 150 points, within 4 standard errors.

    The plug-in itself is off by 1.5/150 = .01, ten of these standard errors. The soft rows are
    (.9, .1/3 …): their mean is .8667 v + .0333. The stated variance is right at v ≠ w; at v = w
    the squared gradient is all noise, cut at 0, which adds E(C − 3)⁺ to the 3/2 there should be,
    with C of the chi-squared law of 3 degrees. Errors of 400 runs and of higher order: 15 %.
    """
    v = torch.tensor(v, dtype=torch.float64)
    rows = torch.eye(4, dtype=torch.float64)
    q = v
    if soft:
        rows = rows * (0.9 - 0.1 / 3) + 0.1 / 3
        q = v @ rows
    w = torch.full((4,), 0.25, dtype=torch.float64)
    truth = by_loops(q.tolist(), w.tolist())
    noise = stats.chi2.expect(lambda c: c - 3, args=(3,), lb=3)
    excess = math.sqrt(1 + noise / 1.5) if v[0] == w[0] else 1.0
    runs = []
    for _ in range(400):
        index = torch.multinomial(v, 150, replacement=True, generator=generator)
        runs.append(mode_coverage(rows[index], w, soft=soft))
    for name, value in zip(("kl", "reverse_kl"), truth, strict=True):
        values = torch.tensor([getattr(r, name).value for r in runs], dtype=torch.float64)
        stated = torch.tensor([getattr(r, name).standard_error for r in runs])
        assert abs(values.mean() - value) < 4 * values.std() / 20
        assert abs(stated.square().mean().sqrt() / values.std() / excess - 1) < 0.15


def test_soft_shares_of_overlapping_modes(generator):
    """Truth against itself, modes of unequal weight that overlap: soft is right, hard is not."""
    w = vector(0.8, 0.2)
    index = torch.multinomial(w, 20000, replacement=True, generator=generator)
    x = torch.randn(20000, generator=generator, dtype=torch.float64) + index
    log_joint = w.log() - 0.5 * (x[:, None] - vector(0.0, 1.0)).square()
    posterior = log_joint.softmax(-1)
    soft, hard = (mode_coverage(posterior, w, soft=flag) for flag in (True, False))
    error = posterior[:, 1].std().item() / math.sqrt(20000)
    assert abs(soft.shares[1].item() - 0.2) < 4 * error
    assert abs(soft.kl.value) < 4 * soft.kl.standard_error
    edge = 0.5 + math.log(4)
    truth = 0.8 * stats.norm.sf(edge) + 0.2 * stats.norm.sf(edge - 1)
    chance = math.sqrt(truth * (1 - truth) / 20000)
    assert abs(hard.shares[1].item() - truth) < 4 * chance
    assert hard.kl.value > 4 * hard.kl.standard_error


def test_a_soft_share_does_not_hide_a_dropped_mode():
    """A mode that is nobody's most probable one counts as dropped, however its share comes."""
    posterior = vector(1 - 1e-30, 1e-30).expand(20, 2)
    result = mode_coverage(posterior, vector(0.5, 0.5), soft=True)
    assert result.num_covered == 1
    assert result.kl.value == math.inf
    assert result.reverse_kl.value == pytest.approx(math.log(2))


def test_expected_number_of_modes(generator):
    """Mean number covered by the truth over 300 runs, within 4 standard errors; K = 12, n = 60."""
    w = torch.full((12,), 1 / 12, dtype=torch.float64)
    counts = []
    for _ in range(300):
        index = torch.multinomial(w, 60, replacement=True, generator=generator)
        counts.append(mode_coverage(torch.eye(12)[index], w).num_covered)
    values = torch.tensor(counts, dtype=torch.float64)
    expected = mode_coverage(torch.eye(12)[torch.arange(60) % 12], w).expected_covered
    assert expected < 12
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(300)


def test_works_with_every_world_that_has_a_posterior(generator):
    """Modes drawn 1 : 2 : … are found again by number, and the truth by its divergence."""
    ring, moons, squares = eight_gaussians(), two_moons(), Checkerboard()
    parts = [ring.sample(20 * (k + 1), condition=k, generator=generator) for k in range(8)]
    result = mode_coverage(ring.posterior(torch.cat(parts)), ring.weights)
    assert result.shares.tolist() == pytest.approx([(k + 1) / 36 for k in range(8)], abs=2e-3)
    x = moons.sample(500, generator=generator)
    branch = mode_coverage(moons.branch_posterior(x), torch.full((2,), 0.5))
    assert branch.num_covered == 2
    assert abs(branch.reverse_kl.value) < 4 * branch.reverse_kl.standard_error
    x = squares.sample(500, generator=generator)
    num_squares = squares.posterior(x).shape[1]
    even = torch.full((num_squares,), 1 / num_squares)
    assert mode_coverage(squares.posterior(x), even).num_covered == num_squares
    scenes = GaussianScenes(Scenes(), 0.1)
    pictures = scenes.sample(3000, generator=generator)
    for name, posterior in scenes.factor_posterior(pictures).items():
        levels = posterior.shape[1]
        found = mode_coverage(posterior, torch.full((levels,), 1 / levels))
        assert found.num_covered == levels, name


def test_high_quality_share_of_normals(generator):
    """N(0, s² I) in D dimensions: P(χ²_D ≤ t/s²) with t the 99 % point of χ²_D."""
    for dim, scale in ((2, 1.0), (2, 1.3), (50, 1.05), (50, 0.9)):
        truth = -0.5 * torch.randn(4000, dim, generator=generator).double().square().sum(1)
        noise = torch.randn(3000, dim, generator=generator).double() * scale
        estimate = high_quality_share(-0.5 * noise.square().sum(1), truth)
        exact = stats.chi2.cdf(stats.chi2.ppf(0.99, dim) / scale**2, dim)
        assert abs(estimate.value - exact) < 4 * estimate.standard_error
        assert estimate.standard_error < 0.02


def test_high_quality_share_over_repeated_samples(generator):
    """Generator N(0, 1.5²) against N(0, 1): mean and stated error of 300 runs, level 0.9."""
    runs = []
    for _ in range(300):
        truth = torch.randn(200, generator=generator, dtype=torch.float64)
        fake = 1.5 * torch.randn(300, generator=generator, dtype=torch.float64)
        runs.append(high_quality_share(-fake.square(), -truth.square(), level=0.9))
    exact = 1 - 2 * stats.norm.sf(stats.norm.isf(0.05) / 1.5)
    values = torch.tensor([r.value for r in runs], dtype=torch.float64)
    stated = torch.tensor([r.standard_error for r in runs], dtype=torch.float64)
    assert abs(values.mean() - exact) < 4 * values.std() / math.sqrt(300) + 1 / 200
    assert abs(stated.square().mean().sqrt() / values.std() - 1) < 0.2


def test_points_outside_the_world_and_a_flat_density():
    """Of a constant density the whole inside is of high quality; −inf is not."""
    inside = torch.zeros(600, dtype=torch.float64)
    generated = torch.tensor([0.0, 0.0, -math.inf, 0.0])
    assert high_quality_share(generated, inside).value == 0.75


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mode_coverage(table([20, 19]), vector(0.875, 0.125)),
            "posterior: expected at least 40 points for 2 modes, the rarest of weight 0.125, "
            "got 39",
        ),
        (
            lambda: mode_coverage(table([20, 20]), vector(1.0, 0.0)),
            "weights: expected every mode to have a weight > 0, got one of 0",
        ),
        (
            lambda: mode_coverage(table([20, 20]), vector(0.5, 0.25, 0.25)),
            "weights: expected shape (2), got shape (3,)",
        ),
        (
            lambda: mode_coverage(2 * table([20, 20]), vector(0.5, 0.5)),
            "posterior: expected probabilities that sum to 1, got a sum of 2.0",
        ),
        (
            lambda: mode_coverage(table([20, 20]), vector(0.5, 0.6)),
            "weights: expected probabilities that sum to 1, got a sum of 1.1",
        ),
        (
            lambda: high_quality_share(vector(0.0), torch.zeros(499)),
            "log_prob_truth: expected at least 500 values for level 0.99, got 499",
        ),
        (
            lambda: high_quality_share(vector(0.0), torch.zeros(499), level=1.0),
            "level: expected a number > 0 and < 1, got 1.0",
        ),
        (
            lambda: high_quality_share(vector(math.nan), torch.zeros(500)),
            "log_prob_generated: expected numbers or -inf, got NaN or +inf",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value) == message
