"""Direct sampling, against distribution functions, counts of refusals, exact moments."""

import math

import pytest
import torch
from scipy.stats import beta, expon, kstest, norm

from course_utils.arguments import ArgumentError
from course_utils.distributions import gaussian_log_prob
from course_utils.metrics.sampled_likelihood import log_mean_weight
from course_utils.models.latent import LinearHierarchy
from course_utils.samplers.basic import importance, inverse_cdf, quantile, rejection, top_down


def standard_normal(num, generator):
    return torch.randn(num, generator=generator, dtype=torch.float64)


def normal_log_density(x, mean=0.0, std=1.0):
    zero = torch.zeros((), dtype=x.dtype)
    return gaussian_log_prob(x, zero + mean, zero + math.log(std))


@pytest.mark.concept("found.latent-ancestral")
def test_three_levels_have_the_covariance_of_the_product_of_maps(generator):
    """10⁵ draws level by level: every entry of Cov x and Cov(x, z_2) within 4 standard errors."""
    world = LinearHierarchy.random(3, (2, 2), 0.7, generator)
    low, high = world.weights
    levels = top_down(
        100_000,
        prior=lambda n, g: torch.randn(n, 2, generator=g, dtype=torch.float64),
        conditionals=[
            lambda z, g: z @ high.mT + 0.7 * torch.randn(z.shape, generator=g, dtype=z.dtype),
            lambda z, g: (
                z @ low.mT + world.bias + 0.7 * torch.randn(len(z), 3, generator=g, dtype=z.dtype)
            ),
        ],
        generator=generator,
    )
    top, middle, x = levels
    assert (top.shape, middle.shape, x.shape) == ((100_000, 2), (100_000, 2), (100_000, 3))
    noise = 0.49 * torch.eye(3).double()
    truth = low @ high @ high.mT @ low.mT + 0.49 * low @ low.mT + noise
    centred = x - world.bias
    for other, expected in ((centred, truth), (top, low @ high)):
        products = centred[:, :, None] * other[:, None]
        error = products.std(0) / math.sqrt(100_000)
        assert ((products.mean(0) - expected).abs() < 4 * error).all()
    torch.testing.assert_close(world.noise_model.marginal.covariance, truth, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("law", "low", "high"), [(expon(scale=2), 0, 100), (beta(0.7, 2), 0, 1), (norm(1, 3), -40, 40)]
)
def test_quantile_turns_the_distribution_function_round(law, low, high):
    """scipy's quantiles to 1e-10 of the interval, at the ends too."""
    probs = torch.tensor([1e-6, 0.1, 0.5, 0.77, 1 - 1e-6], dtype=torch.float64)
    cdf = lambda x: torch.from_numpy(law.cdf(x.numpy()))  # noqa: E731
    found = quantile(cdf, probs, low=low, high=high)
    truth = torch.from_numpy(law.ppf(probs.numpy()))
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-10 * (high - low))


def test_quantile_of_a_staircase_is_its_smallest_step():
    """A die: F(x) = ⌊x⌋/6; the quantile of u is the smallest face with F ≥ u."""
    die = lambda x: x.floor().clamp(0, 6) / 6  # noqa: E731
    probs = torch.tensor([0.01, 1 / 6 - 1e-9, 0.5, 0.51, 1.0], dtype=torch.float64)
    faces = quantile(die, probs, low=0.0, high=6.0)
    torch.testing.assert_close(faces, torch.tensor([1, 1, 3, 4, 6]).double(), rtol=0, atol=1e-9)


def test_inverse_cdf_draws_the_law(generator):
    x = inverse_cdf(lambda x: 1 - (-x / 2).exp(), 20_000, low=0.0, high=200.0, generator=generator)
    assert kstest(x.numpy(), expon(scale=2).cdf).pvalue > 1e-3


def test_rejection_keeps_the_target_and_one_in_c(generator):
    """Beta(2, 3) from uniforms, c = 16/9: law by Kolmogorov-Smirnov, cost within 4 errors."""
    bound = math.log(16 / 9)
    drawn = rejection(
        20_000,
        propose=lambda n, g: torch.rand(n, generator=g, dtype=torch.float64),
        log_proposal=torch.zeros_like,
        log_target=lambda x: math.log(12) + x.log() + 2 * (1 - x).log(),
        log_bound=bound,
        generator=generator,
        batch_size=30_000,
    )
    assert drawn.samples.shape == (20_000,)
    assert kstest(drawn.samples.numpy(), beta(2, 3).cdf).pvalue > 1e-3
    c = math.exp(bound)
    error = math.sqrt(20_000 * (c**2 - c))
    assert abs(drawn.num_proposed - 20_000 * c) < 4 * error


def test_a_bound_that_does_not_hold_is_noticed(as_user, generator):
    with pytest.raises(ArgumentError, match="log_bound: expected at least"):
        rejection(
            100,
            propose=standard_normal,
            log_proposal=normal_log_density,
            log_target=lambda x: normal_log_density(x, std=2.0),
            log_bound=0.0,
            generator=generator,
        )


def test_nothing_passes_a_bound_out_of_reach(as_user, generator):
    with pytest.raises(ArgumentError, match="log_bound: expected a bound some draw can meet"):
        rejection(
            1,
            propose=standard_normal,
            log_proposal=normal_log_density,
            log_target=normal_log_density,
            log_bound=500.0,
            generator=generator,
            batch_size=10,
        )


@pytest.mark.concept("mcmc.monte-carlo")
def test_weights_have_the_mean_and_the_square_that_gaussians_have(generator):
    """Target N(0.5, 1), proposal N(0, 1.5²): E w = Z = 2 and ESS/N = 1/E w² in closed form."""
    drawn = importance(
        100_000,
        propose=lambda n, g: 1.5 * standard_normal(n, g),
        log_proposal=lambda x: normal_log_density(x, std=1.5),
        log_target=lambda x: math.log(2) + normal_log_density(x, mean=0.5),
        generator=generator,
    )
    weights = drawn.log_weights.exp()
    error = weights.std() / math.sqrt(len(weights))
    assert abs(weights.mean() - 2) < 4 * error
    spread = 2 - 1 / 1.5**2  # A = 2 P − Q of the Rényi divergence of order two
    square = 1.5 / math.sqrt(spread) * math.exp(0.5 * 0.25 * (2 / spread / 2.25))
    # by quadrature: ∫ N(x; ½, 1)² / N(x; 0, 1.5²) dx
    grid = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    log_square = 2 * normal_log_density(grid, mean=0.5) - normal_log_density(grid, std=1.5)
    exact = torch.trapezoid(log_square.exp(), grid).item()
    assert square == pytest.approx(exact, rel=1e-9)
    share = log_mean_weight(drawn.log_weights).effective_sample_size.item() / len(weights)
    assert share == pytest.approx(1 / exact, rel=0.02)


def test_wrong_input_is_one_line(as_user, generator):
    uniform = torch.rand(3, dtype=torch.float64)
    laws = {"propose": standard_normal, "log_proposal": normal_log_density}
    for call, message in (
        (lambda: quantile(torch.sigmoid, uniform, low=0.0, high=1.0), "low, high: expected"),
        (lambda: quantile(torch.sigmoid, uniform + 1, low=-9.0, high=9.0), "probs: expected"),
        (lambda: quantile(torch.sigmoid, uniform, low=1.0, high=1.0), "low: expected"),
        (lambda: inverse_cdf(torch.sigmoid, 0, low=-50.0, high=50.0), "num_samples: expected"),
        (lambda: importance(5, log_target=lambda x: x * math.nan, **laws), "log_target: expected"),
        (lambda: importance(0, log_target=normal_log_density, **laws), "num_samples: expected"),
        (
            lambda: rejection(1, log_target=normal_log_density, log_bound=math.inf, **laws),
            "log_bound: expected a number",
        ),
        (
            lambda: top_down(2, prior=standard_normal, conditionals=[lambda z, g: z[:1]]),
            "conditionals: expected 2 draws",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
