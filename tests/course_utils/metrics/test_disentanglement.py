"""Disentanglement scores, against exact tables, closed forms of rotated codes and enumeration."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import mutual_info_score

from course_utils.arguments import ArgumentError
from course_utils.metrics.disentanglement import (
    dci,
    disentanglement_and_completeness,
    mutual_information_gap,
    mutual_informations,
    separated_attribute_predictability,
    squared_correlations,
)
from course_utils.worlds.scenes import Scenes
from course_utils.worlds.tables import TableWorld

GAPS = (mutual_information_gap, separated_attribute_predictability)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def grid(*levels):
    """Every combination of levels once: independent factors, without any chance."""
    return torch.cartesian_prod(*(torch.arange(k) for k in levels))


def triangular_entropy(levels):
    """Entropy in nats of the sum of two independent uniform numbers 0 … levels − 1."""
    counts = [min(s + 1, 2 * levels - 1 - s) for s in range(2 * levels - 1)]
    return -sum(c / levels**2 * math.log(c / levels**2) for c in counts)


@pytest.mark.concept("dis.mig")
def test_informations_equal_those_of_the_table(generator):
    """Two coordinates and two factors whose sample is a table of counts; rounding only."""
    counts = torch.randint(1, 9, (3, 4, 2, 5), generator=generator)
    world = TableWorld(counts.double() / counts.sum())
    rows = world.states().repeat_interleave(counts.flatten(), 0)
    codes, factors = rows[:, :2], rows[:, 2:]
    found = mutual_informations(7 * codes - 3, factors)
    for d in range(2):
        for k in range(2):
            truth = world.mutual_information([d], [2 + k]).item()
            assert found[d, k].item() == pytest.approx(truth, abs=1e-12)
    gaps = []
    for k in range(2):
        best, other = sorted((world.mutual_information([d], [2 + k]) for d in (0, 1)), reverse=True)
        gaps.append((best - other) / world.entropy([2 + k]))
    value = mutual_information_gap(codes, factors, num_resamples=2).value.value
    assert value == pytest.approx(sum(gaps).item() / 2, abs=1e-12)


def test_informations_of_real_codes_agree_with_scikit_learn(generator):
    """Bins of equal width by numpy; float32 codes count as their double."""
    codes = normal(generator, 900, 3).float()
    factors = torch.randint(4, (900, 2), generator=generator)
    found = mutual_informations(codes, factors, num_bins=12)
    for d in range(3):
        column = codes[:, d].double().numpy()
        edges = np.linspace(column.min(), column.max(), 13)
        bins = np.digitize(column, edges[1:-1])
        for k in range(2):
            truth = mutual_info_score(bins, factors[:, k].numpy())
            assert found[d, k].item() == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize("real", [False, True])
def test_a_copy_of_the_factors_of_scenes_is_perfect(generator, real):
    """All 400 scenes once, factors in another order: MIG and SAP are 1 to rounding."""
    factors = Scenes().factors
    codes = factors[:, [3, 1, 0, 4, 2]]
    codes = 0.5 - 2.0 * codes if real else codes
    for metric in GAPS:
        rating = metric(codes, factors, generator=generator)
        assert rating.value.value == pytest.approx(1, abs=1e-12)
        assert rating.floor.value < 0.03


def test_forests_find_a_copy_perfect(generator):
    """Each split of a tree is best on the coordinate that is the factor: importances are 0 or 1."""
    factors = Scenes().factors
    codes = factors[:, [3, 1, 0, 4, 2]]
    result = dci(codes, factors, num_trees=4, num_resamples=2, generator=generator)
    truth = torch.eye(5, dtype=torch.float64)[[3, 1, 0, 4, 2]]
    torch.testing.assert_close(result.importances, truth, rtol=0, atol=1e-12)
    for rating in (result.disentanglement, result.completeness, result.informativeness):
        assert rating.value.value == pytest.approx(1, abs=1e-12)
        assert rating.value.standard_error == pytest.approx(0, abs=1e-12)
        assert rating.floor.value < 0.5


@pytest.mark.concept("dis.mig")
def test_a_coordinate_copied_twice_has_no_gap(generator):
    """Factor 0 is in two coordinates, factor 1 in one: the mean over factors is ½.

    The gap between two factors for one coordinate would be 1 for each coordinate.
    """
    factors = grid(4, 3).repeat(5, 1)
    codes = factors[:, [0, 0, 1]]
    for metric in GAPS:
        assert metric(codes, factors, generator=generator).value.value == pytest.approx(0.5)


@pytest.mark.parametrize("levels", [2, 3, 6])
def test_a_shear_in_closed_form(generator, levels):
    """z = (a + b, b) with K levels each: I(a+b; a) = H(a+b) − log K, I(b; b) = log K, I(b; a) = 0.

    The two gaps add up to log K, so MIG is ½; the squared correlations are ½, ½, 0, 1.
    """
    factors = grid(levels, levels).repeat(40, 1)
    codes = torch.stack([factors.sum(1), factors[:, 1]], 1)
    shared = triangular_entropy(levels) - math.log(levels)
    informations = torch.tensor([[shared, shared], [0, math.log(levels)]], dtype=torch.float64)
    torch.testing.assert_close(
        mutual_informations(codes, factors), informations, rtol=0, atol=1e-12
    )
    correlations = torch.tensor([[0.5, 0.5], [0, 1]], dtype=torch.float64)
    found = squared_correlations(codes, factors)
    torch.testing.assert_close(found, correlations, rtol=0, atol=1e-12)
    for metric in GAPS:
        value = metric(codes, factors, generator=generator).value.value
        assert value == pytest.approx(0.5, abs=1e-12)


def test_a_pair_rotated_by_45_degrees_has_no_gap(generator):
    """z = (a + b, a − b) tells as much of a in either coordinate; both scores fall from 1 to 0."""
    a, b = grid(4, 4).repeat(4, 1).unbind(1)
    for metric in GAPS:
        rating = metric(torch.stack([a + b, a - b], 1), torch.stack([a, b], 1), generator=generator)
        assert rating.value.value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("degrees", [10, 30, 60])
def test_sap_of_a_rotated_pair(generator, degrees):
    """Squared correlations cos² and sin²: the gap is |cos 2θ|; rounding only."""
    angle = math.radians(degrees)
    a, b = grid(5, 5).double().unbind(1)
    turned = [math.cos(angle) * a - math.sin(angle) * b, math.sin(angle) * a + math.cos(angle) * b]
    rating = separated_attribute_predictability(
        torch.stack(turned, 1), grid(5, 5), generator=generator
    )
    assert rating.value.value == pytest.approx(abs(math.cos(2 * angle)), abs=1e-12)


@pytest.mark.parametrize("degrees", [0, 20, 45])
def test_mig_of_rotated_normals(generator, degrees):
    """z = R x, factors the quarters of x: tables of probabilities by quadrature over x.

    P(z in bin | x) is a difference of normal distribution functions. Codes come binned in eighths.
    Within 4 standard errors and the bias, 7 · 3/(2n) nats; under .1 at 45 degrees.
    """
    n, cosine, sine = 20_000, math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    quarters = torch.special.ndtri(torch.arange(1, 4, dtype=torch.float64) / 4)
    eighths = torch.special.ndtri(torch.arange(1, 8, dtype=torch.float64) / 8)
    u = (torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000
    x = torch.special.ndtri(u)

    def information(slope, spread):
        ends = torch.cat([torch.tensor([-math.inf]), eighths, torch.tensor([math.inf])])
        below = torch.special.ndtr((ends[:, None] - slope * x) / max(spread, 1e-9))
        within = below.diff(dim=0).reshape(8, 4, -1).mean(-1) / 4
        return TableWorld(within / within.sum()).mutual_information([0], [1]).item()

    truth = abs(information(cosine, sine) - information(sine, cosine)) / math.log(4)
    latent = normal(generator, n, 2)
    turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
    codes = torch.bucketize(latent @ turn.T, eighths)
    factors = torch.bucketize(latent, quarters)
    rating = mutual_information_gap(codes, factors, num_resamples=20, generator=generator)
    allowed = 4 * rating.value.standard_error + 21 / (2 * n) / math.log(4)
    assert abs(rating.value.value - truth) < allowed
    assert allowed < 0.03
    if degrees == 45:
        assert rating.value.value < 0.1
        assert truth == pytest.approx(0, abs=1e-12)


@pytest.mark.concept("dis.sap")
def test_sap_matrix_of_a_linear_code_by_hand(generator):
    """Independent factors of one variance: R²_dk = W_dk² / Σ_k W_dk². Rounding only."""
    factors = grid(3, 3, 3)
    weights = torch.tensor([[2, 1, 0], [0, 3, 4], [1, 1, 1]])
    codes = factors @ weights.T + torch.tensor([5, 0, -2])
    truth = weights.double() ** 2 / (weights.double() ** 2).sum(1, keepdim=True)
    found = squared_correlations(codes, factors)
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-12)
    peer = np.corrcoef(codes.T, factors.T)[:3, 3:] ** 2
    np.testing.assert_allclose(found.numpy(), peer, rtol=0, atol=1e-10)
    gap = (4 / 5 - 1 / 3) + (9 / 25 - 1 / 3) + (16 / 25 - 1 / 3)
    rating = separated_attribute_predictability(codes, factors, generator=generator)
    assert rating.value.value == pytest.approx(gap / 3, abs=1e-12)


def test_a_coordinate_that_never_varies_tells_nothing():
    factors = grid(3, 3).repeat(9, 1)
    codes = torch.cat([factors.double(), torch.full((81, 1), 0.1, dtype=torch.float64)], 1)
    for matrix in (mutual_informations(codes, factors), squared_correlations(codes, factors)):
        assert matrix[2].tolist() == pytest.approx([0, 0], abs=1e-12)


def test_independent_noise_scores_its_floor(generator):
    """One draw of the same law as the shuffles: within 4 of their standard deviations."""
    factors = grid(4, 2, 5).repeat(25, 1)
    codes = normal(generator, 1000, 4)
    for metric in GAPS:
        rating = metric(codes, factors, generator=generator)
        assert abs(rating.value.value - rating.floor.value) < 4 * rating.floor.standard_error
        assert 0 < rating.floor.value < 0.02
    result = dci(codes, factors, num_trees=3, num_resamples=4, generator=generator)
    for rating in (result.disentanglement, result.completeness):
        assert rating.value.value < 0.03
        assert rating.floor.value < 0.03
    guess = result.informativeness
    assert abs(guess.value.value - guess.floor.value) < 4 * math.hypot(
        guess.floor.standard_error, guess.value.standard_error
    )


def test_bias_of_informations(generator):
    """Independent columns: mean (L − 1)(M − 1)/2n over 300 shuffles, four standard errors.

    The next term of the expansion is of relative size 1/n times the number of cells, here .01.
    """
    n, factors = 2000, grid(4, 5).repeat(100, 1)
    codes = grid(5, 4).repeat(100, 1)
    values = []
    for _ in range(300):
        order = torch.randperm(n, generator=generator)
        values.append(mutual_informations(codes[order], factors)[0, 0])
    values, truth = torch.stack(values), 4 * 3 / (2 * n)
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(300) + 0.01 * truth


@pytest.mark.parametrize("metric", GAPS)
def test_standard_error_is_the_spread_over_samples(generator, metric):
    """100 runs: spread to relative 1/√200 = .07, stated error of 10 resamples; four of them .3."""

    def draw():
        factors = torch.randint(4, (400, 2), generator=generator)
        codes = factors + 0.7 * normal(generator, 400, 2)
        return metric(codes, factors, num_resamples=10, generator=generator)

    runs = [draw().value for _ in range(100)]
    spread = torch.tensor([r.value for r in runs], dtype=torch.float64).std().item()
    assert sum(r.standard_error for r in runs) / 100 == pytest.approx(spread, rel=0.3)


@pytest.mark.concept("dis.dci")
def test_disentanglement_and_completeness_of_known_matrices():
    """A permutation gives 1 and 1, equal entries 0 and 0, whatever the scale."""
    eye = torch.eye(3, dtype=torch.float64)[[2, 0, 1]]
    cases = ((4 * eye, 1, 1), (torch.full((4, 3), 0.2, dtype=torch.float64), 0, 0))
    for matrix, disentanglement, completeness in cases:
        found = [part.item() for part in disentanglement_and_completeness(matrix)]
        assert found == pytest.approx([disentanglement, completeness], abs=1e-12)


@pytest.mark.concept("dis.dci")
def test_one_factor_in_two_coordinates():
    """Four coordinates, two factors, each split evenly in two: D = 1, C = 1 − log 2/log 4 = ½.

    With three coordinates and one factor whole, C is the mean of 1 − log 2/log 3 and 1.
    """
    split = torch.tensor([[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]], dtype=torch.float64)
    found = [part.item() for part in disentanglement_and_completeness(split)]
    assert found == pytest.approx([1, 0.5], abs=1e-12)
    mixed = torch.tensor([[0.5, 0], [0.5, 0], [0, 1]], dtype=torch.float64)
    truth = (1 - math.log(2) / math.log(3) + 1) / 2
    assert disentanglement_and_completeness(mixed)[1].item() == pytest.approx(truth, abs=1e-12)


def test_weights_of_coordinates_by_hand():
    """Rows (.6, .2), (0, 0) and (.1, 1.1) weigh .4, 0 and .6; entropies by scipy, base 2."""
    matrix = torch.tensor([[0.6, 0.2], [0, 0], [0.1, 1.1]], dtype=torch.float64)
    rows = [stats.entropy([0.6, 0.2], base=2), stats.entropy([0.1, 1.1], base=2)]
    columns = [stats.entropy([0.6, 0.1], base=3), stats.entropy([0.2, 1.1], base=3)]
    found = [part.item() for part in disentanglement_and_completeness(matrix)]
    truth = [0.4 * (1 - rows[0]) + 0.6 * (1 - rows[1]), 1 - sum(columns) / 2]
    assert found == pytest.approx(truth, abs=1e-12)
    empty = torch.tensor([[1.0, 0], [0, 0]], dtype=torch.float64)
    found = [part.item() for part in disentanglement_and_completeness(empty)]
    assert found == pytest.approx([1, 0.5], abs=1e-12)


def test_informativeness_of_a_noisy_copy(generator):
    """Each of two bits is copied wrongly with probability .2: .8 right at best, 1 − ½ by guessing.

    Within 4 standard errors of 500 held-out pairs; the error stated is near √(.16/1000).
    """
    factors = torch.randint(2, (2000, 2), generator=generator)
    wrong = torch.rand(2000, 2, generator=generator) < 0.2
    result = dci((factors + wrong) % 2, factors, num_trees=3, generator=generator)
    exact = math.sqrt(0.16 / 1000)
    assert abs(result.informativeness.value.value - 0.8) < 4 * exact
    assert 0.4 * exact < result.informativeness.value.standard_error < 2 * exact
    assert abs(result.informativeness.floor.value - 0.5) < 4 * math.sqrt(0.25 / 1000)
    assert result.disentanglement.value.value > 0.95


def test_each_refit_redraws_both_parts_and_mixes_none(generator, monkeypatch):
    """Of 48 examples 36 train and 12 judge, whose weights are counts that sum to 36 and to 12."""
    fits, judged = [], []

    class Watched(RandomForestClassifier):
        def fit(self, x, y, sample_weight=None):
            fits.append((x, sample_weight))
            return super().fit(x, y, sample_weight=sample_weight)

        def score(self, x, y, sample_weight=None):
            judged.append((x, sample_weight))
            return super().score(x, y, sample_weight)

    monkeypatch.setattr("course_utils.metrics.disentanglement.RandomForestClassifier", Watched)
    factors = grid(4, 4).repeat(3, 1)
    dci(normal(generator, 48, 2), factors, num_trees=1, num_resamples=2, generator=generator)
    assert len(fits) == len(judged) == 10
    for calls, size in ((fits, 36), (judged, 12)):
        assert all(len(x) == size and weights.sum() == size for x, weights in calls)
    redrawn = [not np.all(weights == 1) for _, weights in fits]
    assert redrawn == [not np.all(weights == 1) for _, weights in judged]
    assert sum(redrawn) == 4
    for (train, _), (test, _) in zip(fits, judged, strict=True):
        assert not set(map(tuple, train)) & set(map(tuple, test))


def test_dci_of_a_mixed_code(generator):
    """z = (a + b/2 + noise, b): coordinate 1 serves both factors, so D < 1; same seed, same digits.

    The importances of a factor sum to one; a is read from coordinate 0 first.
    """
    factors = torch.randint(3, (300, 2), generator=generator)
    codes = factors.double() + 0.1 * normal(generator, 300, 2)
    codes[:, 0] += factors[:, 1] / 2
    codes.requires_grad_()
    one, two, other = (
        dci(codes, factors, num_trees=3, num_resamples=3, generator=seeded)
        for seeded in (torch.Generator().manual_seed(s) for s in (1, 1, 2))
    )
    assert one.disentanglement == two.disentanglement
    assert one.disentanglement != other.disentanglement
    assert one.importances.sum(0).tolist() == pytest.approx([1, 1], rel=1e-12)
    assert one.importances[0, 0] > 0.6
    assert one.importances[1, 1] > 0.9
    assert 0.2 < one.disentanglement.value.value < 0.95
    assert one.disentanglement.value.standard_error > 0


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda z, v: mutual_informations(z, v[:30]),
            "factors: expected shape (60, num_factors), got shape (30, 2)",
        ),
        (
            lambda z, v: mutual_informations(torch.arange(120).reshape(60, 2), v),
            "codes: expected at least 180 examples for tables of 60 x 3 cells, got 60",
        ),
        (
            lambda z, v: mutual_informations(z, v, num_bins=1),
            "num_bins: expected a whole number >= 2, got 1",
        ),
        (
            lambda z, v: mutual_information_gap(z[:, :1], v),
            "codes: expected at least 2 examples and 2 coordinates, got shape (60, 1)",
        ),
        (
            lambda z, v: mutual_information_gap(z, v, num_resamples=1),
            "num_resamples: expected a whole number >= 2, got 1",
        ),
        (
            lambda z, v: squared_correlations(z, 0 * v),
            "factors[:, 0]: expected at least two levels, got one",
        ),
        (
            lambda z, v: separated_attribute_predictability(z, v.double()),
            "factors: expected dtype integer, got dtype torch.float64",
        ),
        (
            lambda z, v: separated_attribute_predictability(z > 0, v),
            "codes: expected dtype integer, got dtype torch.bool",
        ),
        (
            lambda z, v: squared_correlations(z * math.nan, v),
            "codes: expected finite values, got 120 NaN or infinite of 120",
        ),
        (lambda z, v: dci(z[:39], v[:39]), "codes: expected at least 40 examples, got 39"),
        (lambda z, v: dci(z, v[:, :1]), "factors: expected at least 2 factors, got 1"),
        (lambda z, v: dci(z, v, num_trees=0), "num_trees: expected a whole number >= 1, got 0"),
        (
            lambda z, v: disentanglement_and_completeness(z[:, :1].abs()),
            "importances: expected at least 2 coordinates and 2 factors, got shape (60, 1)",
        ),
        (
            lambda z, v: disentanglement_and_completeness(0 * z),
            "importances: expected a positive entry, got zeros only",
        ),
        (
            lambda z, v: disentanglement_and_completeness(0 * z - 1),
            "importances: expected values >= 0, got a value of -1.0",
        ),
    ],
)
def test_bad_input_is_one_clear_line(generator, call, message):
    factors = torch.arange(60)[:, None].expand(60, 2) % 3
    with pytest.raises(ArgumentError) as error:
        call(normal(generator, 60, 2), factors)
    assert str(error.value) == message
