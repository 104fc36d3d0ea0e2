"""The linear hierarchy against joint Gaussians of torch.distributions, sampling and autograd."""

import math

import pytest
import torch
from torch import distributions

from course_utils.arguments import ArgumentError
from course_utils.gaussians import Gaussian
from course_utils.models.latent import LinearChain, LinearHierarchy

DIMS = (3, 2)


def a_hierarchy(generator, dims=DIMS) -> LinearHierarchy:
    """Different noises on every level, so that one cannot stand for another."""
    drawn = LinearHierarchy.random(4, dims, 0.7, generator)
    assert drawn.noises == (0.7,) * len(dims)
    return LinearHierarchy(drawn.weights, (0.7, 0.4, 0.9)[: len(dims)], drawn.bias)


def a_law(generator, batch, size=5) -> Gaussian:
    factor = torch.randn(size, size, generator=generator, dtype=torch.float64)
    mean = torch.randn(batch, size, generator=generator, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.mT / 4 + 0.1 * torch.eye(size, dtype=torch.float64))


def step_by_step(model: LinearHierarchy, num: int, generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Levels and x drawn by the definition, one after the other."""
    size = model.latent_dims[-1]
    level = torch.randn(num, size, generator=generator, dtype=torch.float64)
    levels = [level]
    for weight, noise in zip(reversed(model.weights), reversed(model.noises), strict=True):
        level = level @ weight.mT
        level = level + noise * torch.randn(level.shape, generator=generator, dtype=torch.float64)
        levels.insert(0, level)
    return levels[0] + model.bias, torch.cat(levels[1:], -1)


@pytest.mark.concept("vae.dlgm")
def test_density_and_levels_follow_the_law_drawn_step_by_step(generator):
    model = a_hierarchy(generator, (3, 2, 2))
    x, z = step_by_step(model, 50_000, generator)
    covariance = model.noise_weight @ model.noise_weight.mT
    for drawn, mean, wanted in (
        (z, torch.zeros(7).double(), covariance),
        (x, model.bias, model.noise_model.marginal.covariance),
    ):
        spread = wanted.diagonal()
        assert bool(((drawn.mean(0) - mean).abs() < 4.5 * (spread / len(x)).sqrt()).all())
        error = ((spread[:, None] * spread + wanted**2) / len(x)).sqrt()
        assert bool(((torch.cov(drawn.mT) - wanted).abs() < 4.5 * error).all())
    few = x[:50]
    law = distributions.MultivariateNormal(model.bias, model.noise_model.marginal.covariance)
    torch.testing.assert_close(model.log_prob(few), law.log_prob(few), rtol=1e-10, atol=1e-10)


@pytest.mark.concept("vae.dlgm")
def test_posterior_obeys_bayes_rule(generator):
    for dims in (DIMS, (3, 2, 2)):
        model = a_hierarchy(generator, dims)
        x = model.sample(5, generator=generator)
        z = torch.randn(4, 5, sum(dims), generator=generator, dtype=torch.float64)
        found = model.posterior(x).log_prob(z)
        expected = model.log_joint(x, z) - model.log_prob(x)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.concept("vae.dlgm")
def test_joint_is_the_product_of_its_conditionals(generator):
    model = a_hierarchy(generator)
    x = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    z = torch.randn(1, 5, 5, generator=generator, dtype=torch.float64)
    low, top = z.split(DIMS, -1)
    steps = (
        (x, low @ model.weights[0].mT + model.bias, 0.7),
        (low, top @ model.weights[1].mT, 0.4),
        (top, torch.zeros_like(top), 1.0),
    )
    expected = sum(distributions.Normal(m, s).log_prob(v).sum(-1) for v, m, s in steps)
    torch.testing.assert_close(model.log_joint(x, z), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.concept("vae.dlgm")
def test_sampled_bound_with_the_exact_posterior_is_the_log_likelihood(generator):
    model = a_hierarchy(generator)
    x = model.sample(6, generator=generator)
    chain = LinearChain.of(model.posterior(x), DIMS, "top-down")
    z = chain.law.sample(20_000, generator)
    mean = z[..., :3] @ model.weights[0].mT + model.bias
    seen = distributions.Normal(mean, 0.7).log_prob(x).sum(-1)
    bound = seen.mean(0) - model.bound_terms(x, chain).rate.sum(-1)
    error = seen.std(0) / math.sqrt(len(z))
    assert bool(((bound - model.log_prob(x)).abs() < 4 * error).all())
    weights = model.log_joint(x, z) - chain.law.log_prob(z)  # no variance at all
    assert float((weights - model.log_prob(x)).abs().max()) < 1e-9


@pytest.mark.concept("vae.hierarchical")
@pytest.mark.parametrize("order", ["bottom-up", "top-down"])
def test_bound_of_the_exact_posterior_is_tight_in_both_orders(order, generator):
    for dims in ((2,), DIMS, (3, 2, 2)):
        model = a_hierarchy(generator, dims)
        x = model.sample(6, generator=generator)
        terms = model.bound_terms(x, LinearChain.of(model.posterior(x), dims, order))
        torch.testing.assert_close(terms.elbo, model.log_prob(x), rtol=0, atol=1e-8)


@pytest.mark.concept("vae.hierarchical")
def test_gap_is_the_divergence_to_the_posterior_in_both_orders(generator):
    model = a_hierarchy(generator)
    x, law = model.sample(6, generator=generator), a_law(generator, 6)
    gap = law.kl(model.posterior(x))
    bounds = []
    for order in ("bottom-up", "top-down"):
        terms = model.bound_terms(x, LinearChain.of(law, DIMS, order))
        torch.testing.assert_close(model.log_prob(x) - terms.elbo, gap, rtol=1e-8, atol=1e-8)
        bounds.append(terms.rate)
    assert float((bounds[0] - bounds[1]).abs().max()) > 0.01  # split differently


def conditional(law: Gaussian, chosen: slice, given: slice, value: torch.Tensor):
    """Law of some coordinates given others, by the inverse of the joint precision."""
    precision = torch.linalg.inv(law.covariance)
    covariance = torch.linalg.inv(precision[chosen, chosen])
    moved = (value - law.mean[..., given]) @ precision[chosen, given].mT
    mean = law.mean[..., chosen] - moved @ covariance
    return distributions.MultivariateNormal(mean, covariance)


@pytest.mark.concept("vae.hierarchical")
def test_layer_terms_are_averaged_divergences_from_the_top_and_not_from_the_bottom(generator):
    model = a_hierarchy(generator)
    x, law = model.sample(3, generator=generator), a_law(generator, 3)
    z = law.sample(40_000, generator)
    low, top = z.split(DIMS, -1)
    prior = distributions.MultivariateNormal(
        top @ model.weights[1].mT, 0.16 * torch.eye(3, dtype=torch.float64)
    )
    above = distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    low_slice, top_slice = slice(0, 3), slice(3, 5)
    first = distributions.MultivariateNormal(law.mean[:, 3:], law.covariance[3:, 3:])
    second = conditional(law, low_slice, top_slice, top)
    found = model.bound_terms(x, LinearChain.of(law, DIMS, "top-down")).rate
    divergence = distributions.kl_divergence(second, prior)
    error = divergence.std(0) / math.sqrt(len(z))
    assert bool(((found[:, 0] - divergence.mean(0)).abs() < 4 * error).all())
    torch.testing.assert_close(found[:, 1], distributions.kl_divergence(first, above))

    first = distributions.MultivariateNormal(law.mean[:, :3], law.covariance[:3, :3])
    second = conditional(law, top_slice, low_slice, low)
    found = model.bound_terms(x, LinearChain.of(law, DIMS, "bottom-up")).rate
    terms = first.log_prob(low) - prior.log_prob(low)
    error = terms.std(0) / math.sqrt(len(z))
    assert bool(((found[:, 0] - terms.mean(0)).abs() < 4 * error).all())
    divergence = distributions.kl_divergence(second, above)
    error = divergence.std(0) / math.sqrt(len(z))
    assert bool(((found[:, 1] - divergence.mean(0)).abs() < 4 * error).all())
    printed = distributions.kl_divergence(first, prior).mean(0)  # z_1 and z_2 independent: E14
    assert bool(((found[:, 0] - printed).abs() > 20 * error).all())


@pytest.mark.concept("vae.hierarchical")
def test_a_bottom_up_term_can_be_negative_and_a_top_down_term_cannot(generator):
    tree = LinearHierarchy.tree((3, 4), (1.0, 0.3))
    x = tree.sample(50, generator=generator)
    rates = {
        order: tree.bound_terms(x, LinearChain.of(tree.posterior(x), (4, 1), order)).rate
        for order in ("bottom-up", "top-down")
    }
    assert float(rates["bottom-up"].min()) < -0.1
    assert float(rates["top-down"].min()) > 0


@pytest.mark.concept("vae.hierarchical")
def test_printed_sum_is_the_bound_of_the_product_less_the_information():
    """E14: the printed sum is a bound for another q, reduced by I(z_1; z_2) under q."""
    model = LinearHierarchy(
        (torch.ones(1, 1).double(), torch.ones(1, 1).double()), (0.5, 1.0), torch.zeros(1).double()
    )
    x = torch.tensor([[1.0]], dtype=torch.float64)
    covariance = torch.tensor([[0.3, 0.15], [0.15, 0.5]], dtype=torch.float64)
    law = Gaussian(torch.tensor([[0.7, 0.2]], dtype=torch.float64), covariance)
    chain = LinearChain.of(law, (1, 1), "bottom-up")
    terms = model.bound_terms(x, chain)
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    above = distributions.Normal(law.mean[0, 1], covariance[1, 1].sqrt())
    below = distributions.Normal(law.mean[0, 0], covariance[0, 0].sqrt())
    divergence = distributions.kl_divergence(below, distributions.Normal(grid, 1.0))
    low = torch.trapezoid(above.log_prob(grid).exp() * divergence, grid)
    printed = terms.log_likelihood[0] - low - terms.rate[:, 1]
    product = Gaussian(law.mean, torch.diag(covariance.diagonal()))
    other = model.bound_terms(x, LinearChain.of(product, (1, 1), "top-down")).elbo
    information = -0.5 * torch.log(1 - covariance[0, 1] ** 2 / covariance.diagonal().prod())
    torch.testing.assert_close(printed, other - information, rtol=0, atol=1e-8)
    torch.testing.assert_close(terms.elbo - printed, covariance[0, 1:], rtol=0, atol=1e-8)


@pytest.mark.concept("vae.hierarchical")
def test_one_level_does_as_well(generator):
    model = a_hierarchy(generator, (3, 2, 2))
    x = model.sample(9, generator=generator)
    assert model.one_level.latent_dim == 3
    torch.testing.assert_close(model.one_level.log_prob(x), model.log_prob(x), rtol=0, atol=1e-9)


def test_tree_has_the_covariances_of_kinship():
    tree = LinearHierarchy.tree((2, 3), (0.5, 0.7), loading=0.8)
    covariance = tree.noise_model.marginal.covariance
    node = 0.8**2 + 0.7**2
    assert tree.latent_dims == (3, 1)
    for (i, j), wanted in {
        (0, 0): 0.8**2 * node + 0.25,
        (0, 1): 0.8**2 * node,
        (0, 2): 0.8**4,
        (1, 5): 0.8**4,
    }.items():
        assert abs(float(covariance[i, j]) - wanted) < 1e-12


def test_given_levels_fix_the_mean(generator):
    model = a_hierarchy(generator)
    z = torch.ones(20_000, 5, dtype=torch.float64)
    x = model.sample(20_000, condition=z, generator=generator)
    moved = (x.mean(0) - model.weights[0].sum(1) - model.bias).abs()
    assert bool((moved < 4 * 0.7 / math.sqrt(20_000)).all())
    assert bool(((x.std(0) - 0.7).abs() < 4 * 0.7 / math.sqrt(40_000)).all())


def test_samples_have_the_density_s_mean_log(generator):
    model = a_hierarchy(generator)
    scores = model.log_prob(model.sample(20_000, generator=generator))
    error = float(scores.std()) / math.sqrt(20_000)
    assert abs(float(scores.mean() + model.noise_model.marginal.entropy())) < 4 * error


def test_wrong_input_is_one_line(as_user, generator):
    model = a_hierarchy(generator, (3, 2, 2))
    one = torch.ones(1, 1).double()
    law = a_law(generator, 2, 7)
    x = model.sample(2, generator=generator)
    for call, message in (
        (lambda: LinearHierarchy((one, one), (1.0,), one[0]), r"noises: expected one for each"),
        (lambda: LinearHierarchy((one,), (0.0,), one[0]), r"noises: expected a number > 0"),
        (lambda: LinearHierarchy((one, one.expand(2, 1)), (1.0, 1.0), one[0]), r"weights: exp"),
        (lambda: LinearHierarchy.tree((2, 0), (1.0, 1.0)), r"branches: expected a whole number"),
        (lambda: LinearChain.of(law, (3, 2, 2), "top-down"), r"law: expected a Markov chain"),
        (lambda: LinearChain.of(law, (3, 2), "top-down"), r"dims: expected a sum of 7"),
        (lambda: LinearChain.of(law, (7,), "up"), r"order: expected one of"),
        (
            lambda: model.bound_terms(x, LinearChain.of(law, (7,), "top-down")),
            r"chain: expected levels \(3, 2, 2\), got \(7,\)",
        ),
        (lambda: model.log_joint(x, torch.zeros(1, 2, 6).double()), r"z: expected shape"),
        (lambda: model.sample(3, condition=torch.zeros(3, 2)), r"condition: expected shape"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
