"""Sums of independent numbers against scipy, counting, and the bounds of the theorems."""

import itertools
import math

import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.families import (
    berry_esseen_bound,
    coins_law,
    le_cam_bound,
    normal_distance,
    poisson_distance,
    repeated_sum,
    sum_law,
    uniform_sum_cdf,
    uniform_sum_distance,
)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.concept("dist.discrete-network")
@pytest.mark.parametrize(("n", "chance"), [(1, 0.3), (7, 0.3), (64, 0.9)])
def test_sum_of_coins_is_binomial(n, chance):
    law = repeated_sum(number([1 - chance, chance]), n)
    expected = torch.from_numpy(scipy.stats.binom.pmf(range(n + 1), n, chance))
    torch.testing.assert_close(law, expected, rtol=0, atol=1e-12)


@pytest.mark.concept("dist.discrete-network")
def test_marginals_of_the_multinomial_are_binomial():
    """All counts of three faces in six throws; each count alone, and the sum of two of them."""
    n, chances = 6, (0.2, 0.3, 0.5)
    counts = [c for c in itertools.product(range(n + 1), repeat=3) if sum(c) == n]
    table = {c: scipy.stats.multinomial.pmf(c, n, chances) for c in counts}
    for face, chance in enumerate(chances):
        marginal = [sum(p for c, p in table.items() if c[face] == k) for k in range(n + 1)]
        law = repeated_sum(number([1 - chance, chance]), n)
        torch.testing.assert_close(number(marginal), law, rtol=0, atol=1e-12)


@pytest.mark.concept("dist.discrete-network")
def test_sums_of_dice_by_counting_and_of_unequal_coins_by_enumeration(generator):
    dice = [sum(d) for d in itertools.product(range(6), repeat=3)]
    law = repeated_sum(torch.full((6,), 1 / 6, dtype=torch.float64), 3)
    torch.testing.assert_close(
        law, torch.bincount(torch.tensor(dice)).double() / 216, atol=1e-14, rtol=0
    )
    probs = torch.rand(5, generator=generator, dtype=torch.float64)
    expected = torch.zeros(6, dtype=torch.float64)
    for tosses in itertools.product((0, 1), repeat=5):
        tossed = torch.tensor(tosses)
        expected[sum(tosses)] += torch.where(tossed > 0, probs, 1 - probs).prod()
    torch.testing.assert_close(coins_law(probs), expected, rtol=1e-12, atol=0)
    short, long = number([0.5, 0.5]), number([0.1, 0.2, 0.7])
    assert sum_law(short, long).tolist() == pytest.approx([0.05, 0.15, 0.45, 0.35])
    torch.testing.assert_close(sum_law(short, long), sum_law(long, short))


@pytest.mark.concept("dist.process-network")
@pytest.mark.parametrize("n", [10, 100, 1000])
@pytest.mark.parametrize("rate", [0.5, 3.0])
def test_total_variation_to_the_poisson_law_stays_below_le_cam(n, rate):
    probs = torch.full((n,), rate / n, dtype=torch.float64)
    k = range(n + 200)
    apart = abs(scipy.stats.binom.pmf(k, n, rate / n) - scipy.stats.poisson.pmf(k, rate)).sum() / 2
    assert abs(poisson_distance(probs) - apart) < 1e-11
    assert abs(le_cam_bound(probs) - rate**2 / n) < 1e-12
    assert poisson_distance(probs) < le_cam_bound(probs)


@pytest.mark.concept("dist.process-network")
def test_le_cam_holds_for_unequal_coins_and_counts_what_lies_beyond_the_last(generator):
    for _ in range(20):
        probs = 0.6 * torch.rand(9, generator=generator, dtype=torch.float64)
        assert 0 < poisson_distance(probs) < le_cam_bound(probs)
    certain = number([1.0])  # one head surely: TV = 1 - P(N = 1) = 1 - 1/e
    assert abs(poisson_distance(certain) - (1 - math.exp(-1))) < 1e-14


@pytest.mark.concept("dist.normal-clt")
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12, 20, 30])
def test_sums_of_uniforms_stay_below_berry_and_esseen(n):
    rho, std = 1 / 32, math.sqrt(1 / 12)
    distance = uniform_sum_distance(n)
    assert 0 < distance < berry_esseen_bound(rho, std, n)
    assert abs(berry_esseen_bound(rho, std, n) - 0.4748 * 12**1.5 / 32 / math.sqrt(n)) < 1e-12


@pytest.mark.concept("dist.normal-clt")
def test_one_uniform_is_farthest_from_the_bell_where_the_densities_cross():
    """The bell's density equals 1/√12 at z; there the gap is Φ(z) − ½ − z/√12."""
    z = math.sqrt(-2 * math.log(math.sqrt(2 * math.pi / 12)))
    gap = scipy.stats.norm.cdf(z) - 0.5 - z / math.sqrt(12)
    assert abs(uniform_sum_distance(1) - gap) < 1e-7


@pytest.mark.concept("dist.normal-clt")
@pytest.mark.parametrize("n", [1, 3, 10, 100])
@pytest.mark.parametrize("chance", [0.5, 0.1, 0.9])
def test_counts_stay_below_berry_and_esseen_and_the_distance_is_that_of_both_sides(n, chance):
    law = repeated_sum(number([1 - chance, chance]), n)
    std = math.sqrt(chance * (1 - chance))
    rho = chance * (1 - chance) * (chance**2 + (1 - chance) ** 2)
    distance = normal_distance(law)
    assert distance < berry_esseen_bound(rho, std, n)
    steps = torch.arange(n + 1).repeat_interleave(2).double()
    steps[::2] -= 1e-9
    staircase = torch.from_numpy(scipy.stats.binom.cdf(steps.numpy(), n, chance))
    normal = torch.special.ndtr((steps - n * chance) / (std * math.sqrt(n)))
    assert abs(distance - (staircase - normal).abs().max()) < 1e-7


@pytest.mark.concept("dist.normal-clt")
def test_irwin_hall_is_the_convolution_of_uniforms():
    """n = 1 and 2 by hand; n = 5 against a fine lattice; n = 30 against its own symmetry."""
    x = torch.linspace(-0.5, 2.5, 61, dtype=torch.float64)
    torch.testing.assert_close(uniform_sum_cdf(x, 1), x.clamp(0, 1))
    two = torch.where(x < 1, x.clamp_min(0) ** 2 / 2, 1 - (2 - x).clamp_min(0) ** 2 / 2)
    torch.testing.assert_close(uniform_sum_cdf(x, 2), two)
    cells = 200
    lattice = repeated_sum(torch.full((cells,), 1 / cells, dtype=torch.float64), 5).cumsum(0)
    at = (torch.arange(len(lattice)).double() + 3) / cells  # half a cell for each of five, and one
    assert (uniform_sum_cdf(at, 5) - lattice).abs().max() < 2e-5
    wide = torch.linspace(0, 30, 301, dtype=torch.float64)
    cdf = uniform_sum_cdf(wide, 30)
    assert (cdf.diff() > -1e-11).all()
    torch.testing.assert_close(cdf, 1 - cdf.flip(0), rtol=0, atol=1e-11)
    assert abs(uniform_sum_cdf(number([15.0]), 30) - 0.5) < 1e-11


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: repeated_sum(number([0.5, 0.5]), 0), "times: expected a whole number >= 1"),
        (lambda: sum_law(number([-0.5, 1.5]), number([1.0])), "first: expected values >= 0"),
        (lambda: coins_law(number([1.5])), "probs: expected values <= 1"),
        (lambda: le_cam_bound(number([-0.1])), "probs: expected values >= 0"),
        (lambda: poisson_distance(number([0.0])), "probs.sum"),
        (lambda: normal_distance(number([0.0, 1.0])), "variance of law: expected"),
        (lambda: uniform_sum_cdf(number([1.0]), 31), "num_terms: expected a whole number"),
        (lambda: berry_esseen_bound(0.1, 1.0, 5), "third_moment: expected at least"),
        (lambda: berry_esseen_bound(1.0, 1.0, 0), "num_terms: expected"),
    ],
)
def test_bad_arguments_get_one_line(call, message, as_user):
    with pytest.raises(ArgumentError, match=message):
        call()
