"""Mixtures, products and transformations against closed forms, scipy and numerical integrals."""

import math

import pytest
import scipy.stats
import torch
from torch.distributions import Beta, Exponential, Laplace, Normal
from torch.distributions.transforms import AbsTransform, AffineTransform, ExpTransform

from course_utils.arguments import ArgumentError
from course_utils.families import (
    Mixture,
    Product,
    Transformed,
    draw,
    gaussian_product,
    modes,
    moments,
)
from course_utils.tasks import Intractable


def number(value):
    return torch.tensor(value, dtype=torch.float64)


def normal(mean, std):
    return Normal(number(float(mean)), number(float(std)))


def pair(distance):
    return Mixture(number([0.5, 0.5]), (normal(0, 1), normal(distance, 1)))


def trimodal(centre):
    parts = tuple(normal(mean, 0.08) for mean in (-3, centre, 3))
    return Mixture(number([0.05, 0.9, 0.05]), parts)


@pytest.mark.concept("ops.mixture")
def test_total_variance_is_the_second_moment_of_the_density(generator):
    for _ in range(20):
        weights = torch.rand(4, generator=generator, dtype=torch.float64)
        means = 4 * torch.randn(4, generator=generator, dtype=torch.float64)
        stds = 0.3 + torch.rand(4, generator=generator, dtype=torch.float64)
        parts = tuple(Normal(m, s) for m, s in zip(means, stds, strict=True))
        law = Mixture(weights / weights.sum(), parts)
        w = law.weights
        second = (w * (stds**2 + means**2)).sum() - (w * means).sum() ** 2
        assert abs(law.variance - second) < 1e-12 * second
        assert abs(law.within - (w * stds**2).sum()) < 1e-12
        assert law.variance >= law.within
        mass, mean, variance = moments(law, -40, 40)
        assert abs(mass - 1) < 1e-12
        assert abs(mean - law.mean) < 1e-11
        assert abs(variance - law.variance) < 1e-10


@pytest.mark.concept("ops.mixture")
@pytest.mark.parametrize(("distance", "count"), [(1.0, 1), (1.99, 1), (2.01, 2), (3.0, 2)])
def test_two_equal_gaussians_have_two_modes_beyond_two_standard_deviations(distance, count):
    found = modes(pair(distance), -6, 8)
    assert len(found) == count
    half = distance / 2
    for mode in found:  # where the weighted pulls cancel: y = a tanh(a y) about the middle
        y = mode - half
        assert abs(y - half * math.tanh(half * y)) < 1e-6


@pytest.mark.concept("ops.mixture")
def test_posterior_is_bayes_rule_and_draws_follow_the_law(generator):
    law = Mixture(number([0.3, 0.7]), (normal(-1, 0.5), Exponential(number(2.0))))
    x = number([0.1, 0.5, 2.0])
    joint = torch.stack([0.3 * law.parts[0].log_prob(x).exp(), 0.7 * 2 * (-2 * x).exp()], -1)
    torch.testing.assert_close(law.posterior(x), joint / joint.sum(-1, keepdim=True))
    drawn = law.sample(20_000, generator=generator)
    cdf = lambda t: 0.3 * scipy.stats.norm.cdf(t, -1, 0.5) + 0.7 * scipy.stats.expon.cdf(2 * t)  # noqa: E731
    assert scipy.stats.kstest(drawn.numpy(), cdf).pvalue > 0.001


@pytest.mark.concept("ops.product")
def test_precisions_add_and_means_are_weighted_by_them(generator):
    means = torch.randn(3, generator=generator, dtype=torch.float64)
    stds = 0.5 + torch.rand(3, generator=generator, dtype=torch.float64)
    mean, std, log_z = gaussian_product(means, stds)
    assert abs(1 / std**2 - (1 / stds**2).sum()) < 1e-12
    assert abs(mean - (means / stds**2).sum() / (1 / stds**2).sum()) < 1e-12
    law = Product(tuple(Normal(m, s) for m, s in zip(means, stds, strict=True)), -12, 12)
    assert abs(law.log_z - log_z) < 1e-12
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    expected = scipy.stats.norm.logpdf(x.numpy(), mean.item(), std.item())
    torch.testing.assert_close(law.log_prob(x), torch.from_numpy(expected), rtol=0, atol=1e-11)
    assert std < stds.min()


@pytest.mark.concept("ops.product")
def test_a_product_can_be_wider_than_its_factors():
    """Two factors agree only in the outskirts. By Gaussian algebra: all nine pairs of parts."""
    first, second = trimodal(0.5), trimodal(-0.5)
    assert abs(first.variance - 0.9289) < 1e-10
    assert abs(second.variance - 0.9289) < 1e-10
    law = Product((first, second), -6, 6)
    pieces = []
    for v, a in zip(first.weights, first.parts, strict=True):
        for w, b in zip(second.weights, second.parts, strict=True):
            m, s, z = gaussian_product(
                torch.stack([a.mean, b.mean]), torch.stack([a.stddev, b.stddev])
            )
            pieces.append((v * w * z.exp(), m, s))
    z, m, s = map(torch.stack, zip(*pieces, strict=True))
    assert abs(law.log_z - z.sum().log()) < 1e-12
    mean = (z * m).sum() / z.sum()
    variance = (z * (s**2 + (m - mean) ** 2)).sum() / z.sum()
    mass, found_mean, found = moments(law, -6, 6)
    assert abs(mass - 1) < 1e-12 and abs(found_mean - mean) < 1e-12
    assert abs(found - variance) < 1e-10
    assert abs(found - 9.0032) < 1e-4


@pytest.mark.concept("ops.product")
def test_even_log_concave_factors_can_have_a_wider_product():
    """exp(−x) and the Laplace density about a: flat up to a, then exp(−2x)."""
    a = 10.0
    factors = (Exponential(number(1.0)), Laplace(number(a), number(1.0)))
    law = Product(factors, 0.0, 60.0, num_points=240_001)
    height, tail = a, 0.5  # mass of the flat part and of the rest, in units of the plateau
    mean = (height * a / 2 + tail * (a + 0.5)) / (height + tail)
    second = (height * a**2 / 3 + tail * (a**2 + a + 0.5)) / (height + tail)
    found = moments(law, 0.0, 60.0, num_points=240_001)
    assert found[1:] == pytest.approx((mean, second - mean**2), rel=1e-6)
    assert found[2] > 4 * max(float(f.variance) for f in factors)


@pytest.mark.concept("ops.product")
@pytest.mark.parametrize("shape", ["laplace", "a bell", "two widths"])
def test_a_factor_that_falls_symmetrically_about_the_centre_sharpens_any_symmetric_law(shape):
    base = Mixture(number([0.5, 0.5]), (normal(-2, 0.5), normal(2, 0.5)))
    falling = {
        "laplace": Laplace(number(0.0), number(1.5)),
        "a bell": normal(0, 3),
        "two widths": Mixture(number([0.5, 0.5]), (normal(0, 1), normal(0, 5))),
    }[shape]
    assert moments(Product((base, falling), -12, 12), -12, 12)[2] < base.variance


@pytest.mark.concept("ops.product")
def test_a_product_knows_its_height_and_gives_no_draw():
    law = Product((normal(0, 1), normal(2, 2)), -20, 20)
    x = number([0.3])
    assert abs(law.energy(x) + normal(0, 1).log_prob(x) + normal(2, 2).log_prob(x)) < 1e-14
    with pytest.raises(Intractable, match=r"Product cannot sample: .* See "):
        law.sample(3)


@pytest.mark.concept("ops.composition")
def test_the_exponential_of_an_affine_map_is_log_normal(generator):
    law = Transformed(
        Transformed(normal(0, 1), AffineTransform(0.4, -0.7)),
        ExpTransform(),
    )
    y = torch.linspace(0.05, 9, 50, dtype=torch.float64)
    expected = scipy.stats.lognorm.pdf(y.numpy(), 0.7, scale=math.exp(0.4))
    torch.testing.assert_close(
        law.log_prob(y).exp(), torch.from_numpy(expected), rtol=1e-12, atol=1e-14
    )
    drawn = law.sample(20_000, generator=generator).numpy()
    assert (
        scipy.stats.kstest(drawn, scipy.stats.lognorm(0.7, scale=math.exp(0.4)).cdf).pvalue > 0.001
    )
    assert abs(modes(law, 0.01, 9)[0] - math.exp(0.4 - 0.49)) < 1e-9


@pytest.mark.concept("ops.composition")
def test_operations_compose_in_any_order():
    """A product of a mixture and a log-normal, integrated by scipy's own quadrature."""
    bump = Mixture(number([0.4, 0.6]), (normal(1, 0.3), normal(3, 0.4)))
    lognormal = Transformed(normal(0.5, 0.6), ExpTransform())
    law = Product((bump, lognormal), 0.001, 9)

    def height(t):
        mixed = 0.4 * scipy.stats.norm.pdf(t, 1, 0.3) + 0.6 * scipy.stats.norm.pdf(t, 3, 0.4)
        return mixed * scipy.stats.lognorm.pdf(t, 0.6, scale=math.exp(0.5))

    z, _ = scipy.integrate.quad(height, 0.001, 9, epsabs=1e-12, points=(1, 3))
    assert abs(law.log_z - math.log(z)) < 1e-7
    assert len(modes(law, 0.01, 8)) == 2
    with pytest.raises(ArgumentError, match="expected laws that know their mean, got Transformed"):
        _ = Mixture(number([1.0]), (lognormal,)).mean


@pytest.mark.concept("ops.product")
def test_moments_are_those_of_the_normalised_density():
    """A Gaussian times 3: the mass shows the factor, mean and variance do not."""

    class Tripled:
        def log_prob(self, x):
            return normal(1.5, 0.7).log_prob(x) + math.log(3)

    assert moments(Tripled(), -8, 11) == pytest.approx((3, 1.5, 0.49), abs=1e-11)


def test_draws_need_a_quantile_function(generator):
    with pytest.raises(ArgumentError, match="law: expected one with icdf, got Beta"):
        draw(Beta(number(2.0), number(3.0)), 4, generator=generator)
    with pytest.raises(ArgumentError, match="num_samples: expected a whole number >= 1, got 0"):
        draw(normal(0, 1), 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(number([0.5, 0.6]), (normal(0, 1), normal(1, 1))), "weights: expected"),
        (lambda: Mixture(number([1.0]), (normal(0, 1), normal(1, 1))), "weights: expected shape"),
        (lambda: Product((), -1, 1), "factors: expected at least one, got none"),
        (lambda: Product((normal(0, 1),), 1, -1), "high: expected a number > 1"),
        (lambda: Product((normal(0, 0.01), normal(9, 0.01)), -1, 1), "factors: expected a product"),
        (lambda: Transformed(normal(0, 1), AbsTransform()), "transform: expected a one-to-one map"),
        (lambda: modes(normal(0, 1), -1, 1, num_points=2), "num_points: expected"),
        (lambda: moments(normal(0, 1), 2, 1), "high: expected a number > 2"),
    ],
)
def test_bad_arguments_get_one_line(make, message, as_user):
    with pytest.raises(ArgumentError, match=message):
        make()
