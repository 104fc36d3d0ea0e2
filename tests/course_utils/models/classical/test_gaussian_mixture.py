"""Gaussian mixtures and their fit, against Bayes' rule written out, quadrature, scipy, autograd."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest, multivariate_normal, norm
from sklearn.mixture import GaussianMixture as Peer

from course_utils.arguments import ArgumentError
from course_utils.models.classical import (
    GaussianMixture,
    ascend,
    fit_mixture,
    maximise,
    mixture_step,
)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture
def line() -> GaussianMixture:
    """Three overlapping bells on a line, of different width and share."""
    return GaussianMixture(
        tensor(0.5, 0.3, 0.2), tensor([-1.0], [0.5], [3.0]), tensor([[0.6]], [[1.5]], [[0.4]])
    )


@pytest.fixture
def space(generator) -> GaussianMixture:
    """Four slanted Gaussians in three dimensions."""
    factors = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64)
    means = 2 * torch.randn(4, 3, generator=generator, dtype=torch.float64)
    return GaussianMixture(tensor(0.1, 0.2, 0.3, 0.4), means, factors @ factors.mT / 5)


@pytest.mark.concept("found.gmm")
def test_density_and_responsibilities_are_bayes_rule_written_out(space, generator):
    """scipy's densities, multiplied and divided; to 1e-12."""
    x = space.sample(50, generator=generator)
    direct = torch.stack(
        [
            w * torch.from_numpy(multivariate_normal(m.numpy(), c.numpy()).pdf(x.numpy()))
            for w, m, c in zip(space.weights, space.means, space.covariances, strict=True)
        ],
        -1,
    )
    total = direct.sum(-1)
    torch.testing.assert_close(space.log_prob(x), total.log(), rtol=0, atol=1e-12)
    torch.testing.assert_close(space.posterior(x), direct / total[:, None], rtol=0, atol=1e-12)


@pytest.mark.concept("found.gmm")
def test_density_integrates_to_one_and_draws_follow_its_distribution_function(line, generator):
    """Quadrature to 1e-10; Kolmogorov-Smirnov of 20,000 draws against the sum of normal cdfs."""
    density = lambda x: line.log_prob(tensor([x])).exp().item()  # noqa: E731
    total = quad(density, -12, 12, epsabs=1e-12, limit=200)[0]
    assert total == pytest.approx(1, abs=1e-10)
    stds = line.covariances[:, 0, 0].sqrt().tolist()
    parts = list(zip(line.weights.tolist(), line.means[:, 0].tolist(), stds, strict=True))
    x = line.sample(20_000, generator=generator)[:, 0]
    assert (
        kstest(x.numpy(), lambda a: sum(w * norm.cdf(a, m, s) for w, m, s in parts)).pvalue > 1e-3
    )


def test_index_says_where_a_draw_came_from(space, generator):
    """Shares within 4 standard errors; moments of one component, also when it is asked for."""
    x, index = space.sample_with_index(40_000, generator=generator)
    share = (index == 3).double()
    assert abs(share.mean() - 0.4) < 4 * share.std() / 200
    asked = space.sample(40_000, condition=1, generator=generator)
    for draws, k in ((x[index == 3], 3), (asked, 1)):
        error = (space.covariances[k].diagonal() / len(draws)).sqrt()
        assert ((draws.mean(0) - space.means[k]).abs() < 4 * error).all()
        centred = draws - space.means[k]
        products = centred[:, :, None] * centred[:, None]
        error = products.std(0) / math.sqrt(len(draws))
        assert ((products.mean(0) - space.covariances[k]).abs() < 4 * error).all()


def test_far_from_everything_the_responsibilities_are_still_a_law(line):
    far = line.posterior(tensor([1000.0]))
    torch.testing.assert_close(far, tensor([0.0, 1.0, 0.0]), rtol=0, atol=1e-12)
    assert torch.isfinite(line.log_prob(tensor([1000.0]))).all()


@pytest.mark.concept("found.em")
def test_bound_lies_below_by_the_divergence_and_touches_after_the_e_step(space, generator):
    """log p − F = KL(q ‖ p(k | x)), summed by hand, to 1e-10; a one-hot q has no entropy."""
    x = space.sample(30, generator=generator)
    q = torch.rand(30, 4, generator=generator, dtype=torch.float64)
    q = q / q.sum(-1, keepdim=True)
    posterior = space.posterior(x)
    log_posterior = space.log_joint(x) - space.log_prob(x)[:, None]
    gap = (q * (q.log() - log_posterior)).sum(-1)
    torch.testing.assert_close(space.log_prob(x) - space.elbo(x, q), gap, rtol=0, atol=1e-10)
    touching = space.elbo(x, posterior)
    torch.testing.assert_close(touching, space.log_prob(x), rtol=0, atol=1e-10)
    sure = torch.nn.functional.one_hot(torch.arange(30) % 4, 4).double()
    joint = space.log_joint(x)[sure.bool()]
    torch.testing.assert_close(space.elbo(x, sure), joint, rtol=0, atol=1e-12)


@pytest.mark.concept("found.em")
@pytest.mark.parametrize("tied", [False, True])
def test_m_step_is_a_stationary_point_of_the_bound(space, generator, tied):
    """Autograd of the mean bound in logits, means and covariances vanishes at the maximiser."""
    x = space.sample(60, generator=generator)
    q = space.posterior(x)
    best = maximise(x, q, tied=tied)
    logits = best.weights.log().requires_grad_()
    means = best.means.clone().requires_grad_()
    one = best.covariances[:1] if tied else best.covariances
    factors = torch.linalg.cholesky(one).clone().requires_grad_()
    covariances = (factors @ factors.mT).expand(4, 3, 3)
    value = 0
    for k in range(4):
        law = torch.distributions.MultivariateNormal(means[k], covariances[k])
        value = value + (q[:, k] * (logits.log_softmax(-1)[k] + law.log_prob(x))).mean()
    for gradient in torch.autograd.grad(value, (logits, means, factors)):
        assert gradient.abs().max() < 1e-9
    worse = GaussianMixture(best.weights, best.means + 0.1, best.covariances)
    assert worse.elbo(x, q).mean() < best.elbo(x, q).mean()


@pytest.mark.concept("found.em")
@pytest.mark.parametrize("tied", [False, True])
def test_likelihood_never_falls(space, generator, tied):
    """200 steps, each at least the one before less 1e-10, and the record is of the models met."""
    x = space.sample(300, generator=generator)
    run = fit_mixture(x, 4, num_steps=200, tied=tied, generator=generator)
    assert len(run.log_likelihoods) == 201 and not run.converged
    spread = (run.model.covariances - run.model.covariances[0]).abs().max()
    assert (spread < 1e-12) == tied
    assert run.log_likelihoods.diff().min() > -1e-10
    assert run.log_likelihoods[-1] - run.log_likelihoods[0] > 0.1
    torch.testing.assert_close(run.log_likelihoods[-1], run.model.log_prob(x).mean())
    first, value = mixture_step(space, x)
    torch.testing.assert_close(value, space.log_prob(x).mean(), rtol=0, atol=1e-12)
    again = maximise(x, space.posterior(x))
    torch.testing.assert_close(first.means, again.means, rtol=0, atol=1e-12)


@pytest.mark.concept("found.em")
def test_equal_components_stay_at_a_saddle(generator):
    """Identical components never part; pushed apart by 0.1 they end more than 0.4 nats higher.

    The saddle is flat: one step moves a small push d by a term of order d³ only.
    """
    bells = torch.ones(2, 1, 1).double()
    x = GaussianMixture(tensor(0.5, 0.5), tensor([-3.0], [3.0]), bells).sample(
        400, generator=generator
    )
    one = maximise(x, torch.ones(400, 1).double())
    spread = one.covariances.expand(2, 1, 1)
    same = GaussianMixture(tensor(0.3, 0.7), one.means.expand(2, 1), spread)
    stuck = fit_mixture(x, same, num_steps=300)
    torch.testing.assert_close(stuck.model.means, one.means.expand(2, 1), rtol=0, atol=1e-12)
    assert stuck.log_likelihoods[-1] == pytest.approx(one.log_prob(x).mean().item(), abs=1e-12)
    push = tensor([-1.0], [1.0])
    moved = []
    for size in (0.1, 0.2):
        start = GaussianMixture(tensor(0.5, 0.5), one.means + size * push, spread)
        following = mixture_step(start, x)[0]
        moved.append(float((following.means[1] - one.means[0] - size).abs()))
    assert moved[1] / moved[0] == pytest.approx(8, rel=0.2)
    free = fit_mixture(x, start, num_steps=600)
    assert free.log_likelihoods[-1] - stuck.log_likelihoods[-1] > 0.4


def test_agrees_with_scikit_learn_step_by_step(space, generator):
    """Same start and 20 steps of both; every parameter to 1e-8."""
    x = space.sample(500, generator=generator)
    ridge = 1e-3
    start = GaussianMixture(
        tensor(0.25, 0.25, 0.25, 0.25), x[:4].clone(), torch.eye(3).double().repeat(4, 1, 1)
    )
    ours = fit_mixture(x, start, num_steps=20, ridge=ridge).model
    precisions = torch.linalg.inv(start.covariances).numpy()
    peer = Peer(
        4,
        tol=0.0,
        max_iter=20,
        reg_covar=ridge,
        weights_init=start.weights.numpy(),
        means_init=start.means.numpy(),
        precisions_init=precisions,
    )
    with pytest.warns(match="converge"):
        peer.fit(x.numpy())
    for mine, theirs in (
        (ours.weights, peer.weights_),
        (ours.means, peer.means_),
        (ours.covariances, peer.covariances_),
    ):
        torch.testing.assert_close(mine, torch.from_numpy(theirs), rtol=0, atol=1e-8)


def test_ascent_stops_when_it_gains_too_little():
    """A step that halves the way to 0: values −1, −½, −¼, …; the first gain below 0.2 is ⅛."""
    step = lambda value: (value / 2, torch.tensor(-value))  # noqa: E731
    run = ascend(1.0, step, tolerance=0.2)
    assert run.converged and run.model == 0.125
    assert run.log_likelihoods.tolist() == [-1, -0.5, -0.25, -0.125]
    assert ascend(1.0, step, num_steps=2).model == 0.25


def test_ridge_is_added_to_every_variance(generator):
    x = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    whole = torch.ones(40, 1).double()
    plain, held = maximise(x, whole), maximise(x, whole, ridge=0.5)
    gap = held.covariances - plain.covariances
    torch.testing.assert_close(gap[0], 0.5 * torch.eye(2).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        plain.covariances[0], torch.cov(x.T, correction=0), rtol=0, atol=1e-12
    )


def test_single_precision_stays(space):
    single = GaussianMixture(space.weights.float(), space.means.float(), space.covariances.float())
    x = torch.randn(5, 3)
    assert single.log_prob(x).dtype == single.sample(3).dtype == torch.float32


def test_wrong_input_is_one_line(as_user, line):
    eye = torch.eye(2).double().repeat(2, 1, 1)
    for build, message in (
        (lambda: GaussianMixture(tensor(0.5, 0.6), eye[:, 0], eye), "weights: expected prob"),
        (lambda: GaussianMixture(tensor(1.0), eye[:, 0], eye), "weights: expected shape"),
        (lambda: GaussianMixture(tensor(0.5, 0.5), eye[:, 0], -eye), "covariances: expected pos"),
        (lambda: line.log_prob(torch.zeros(3, 2).double()), "x: expected shape"),
        (lambda: line.sample(0), "num_samples: expected"),
        (lambda: line.sample(1, condition=3), "condition: expected"),
        (lambda: line.elbo(tensor([0.0]), tensor([0.5, 0.5])), "q: expected shape"),
        (lambda: maximise(tensor([0.0], [1.0]), tensor([1.0, 0.0], [1.0, 0.0])), "responsib"),
        (lambda: maximise(tensor([0.0], [0.0]), tensor([1.0], [1.0])), "covariances: expected"),
        (lambda: fit_mixture(tensor([0.0], [1.0]), 3), "start: expected"),
        (lambda: fit_mixture(tensor([0.0], [1.0]), 1, num_steps=0), "num_steps: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            build()
