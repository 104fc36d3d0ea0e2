"""One mixture for every set of renderings: densities, posteriors, scores and samples.

Truth comes from torch.distributions, autograd, enumeration, and mixtures of one-dimensional
normals; float64, 1e-9 relative, since ‖x − r‖² is formed from three larger terms. Pictures have
8 × 8 pixels so that the slow oracles stay affordable.
"""

import itertools
import math

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.worlds.scenes import (
    ColourScenes,
    GaussianScenes,
    MovingScenes,
    PairScenes,
    QuantisedScenes,
    Scenes,
)

SMALL = {"size": 8, "dtype": torch.float64}
SETS = {
    "one": Scenes(**SMALL),
    "colour": ColourScenes(**SMALL),
    "pairs": PairScenes(**SMALL),
    "moving": MovingScenes(**SMALL, num_frames=3),
}
KINDS = {"gaussian": GaussianScenes, "quantised": QuantisedScenes}


@pytest.fixture(params=SETS)
def scenes(request):
    return SETS[request.param]


@pytest.fixture(params=KINDS)
def world(request, scenes):
    return KINDS[request.param](scenes, noise=0.25)


def components(world, noise=None):
    """The world's components as torch.distributions, batched over scenes."""
    renderings, noise = world.scenes.renderings, noise or world.noise
    if isinstance(world, GaussianScenes):
        pixels = torch.distributions.Normal(renderings, noise)
    else:
        levels = torch.arange(world.num_levels).double() / (world.num_levels - 1)
        weights = torch.exp(-((levels - renderings[..., None]) ** 2) / (2 * noise**2))
        pixels = torch.distributions.Categorical(weights / weights.sum(-1, keepdim=True))
    return torch.distributions.Independent(pixels, renderings.ndim - 1)


def mixture(world, noise=None):
    weights = torch.distributions.Categorical(torch.ones(len(world.scenes)).double())
    return torch.distributions.MixtureSameFamily(weights, components(world, noise))


def test_log_prob_equals_torch_distributions(world, generator):
    x = world.sample(8, generator=generator)
    assert x.shape == (8, *world.scenes.event_shape)
    torch.testing.assert_close(world.log_prob(x), mixture(world).log_prob(x), rtol=1e-9, atol=1e-9)


def test_posteriors_are_bayes_rule(world, generator):
    x = world.sample(5, generator=generator)
    joint = components(world).log_prob(x.unsqueeze(1))
    wanted = (joint - joint.amax(1, keepdim=True)).exp()
    wanted = wanted / wanted.sum(1, keepdim=True)
    torch.testing.assert_close(world.posterior(x), wanted, rtol=1e-6, atol=1e-9)
    factors = world.factor_posterior(x)
    assert list(factors) == list(world.scenes.LEVELS)
    for axis, (name, levels) in enumerate(world.scenes.LEVELS.items()):
        sums = [wanted[:, world.scenes.factors[:, axis] == k].sum(1) for k in range(len(levels))]
        torch.testing.assert_close(factors[name], torch.stack(sums, 1))
    labels = world.scenes.labels(torch.arange(len(world.scenes)))
    for label in range(world.scenes.num_classes):
        torch.testing.assert_close(
            world.class_posterior(x)[:, label], wanted[:, labels == label].sum(1)
        )


@pytest.mark.parametrize(
    ("tiny", "num_levels"),
    [
        (PairScenes(size=2, dtype=torch.float64), 3),
        (ColourScenes(size=2, dtype=torch.float64), 2),
        (MovingScenes(size=2, dtype=torch.float64, num_frames=2), 3),
    ],
    ids=["pairs", "colour", "moving"],
)
def test_quantised_probabilities_sum_to_one(tiny, num_levels, generator):
    world = QuantisedScenes(tiny, noise=0.3, num_levels=num_levels)
    dims = math.prod(tiny.event_shape)
    images = torch.tensor(list(itertools.product(range(num_levels), repeat=dims)))
    images = images.reshape(-1, *tiny.event_shape)
    log_prob = world.log_prob(images)
    assert abs(log_prob.exp().sum() - 1) < 1e-12
    entropy, error = world.entropy(2000, generator)
    assert abs(entropy + (log_prob.exp() * log_prob).sum()) < 4 * error < 0.1


def test_entropy_equals_the_plain_average(world, generator):
    entropy, error = world.entropy(600, generator)
    loss = -world.log_prob(world.sample(1500, generator=generator))
    assert abs(entropy - loss.mean()) < 4 * (error**2 + loss.var() / 1500).sqrt()
    assert error < loss.std() / math.sqrt(600)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_score_is_the_gradient_and_the_denoiser_is_tweedie(sigma, scenes, generator):
    world = GaussianScenes(scenes, noise=0.25)
    x = world.sample(4, generator=generator)
    x = (x + sigma * torch.randn(x.shape, generator=generator)).requires_grad_()
    log_prob = mixture(world, math.hypot(0.25, sigma)).log_prob(x)
    score = torch.autograd.grad(log_prob.sum(), x)[0]
    x = x.detach()
    close = {"rtol": 1e-6, "atol": 1e-8}
    torch.testing.assert_close(world.noised(sigma).log_prob(x), log_prob, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(world.score_function(x, sigma), score, **close)
    torch.testing.assert_close(world.denoiser(x, sigma), x + sigma**2 * score, **close)


def test_denoiser_is_the_posterior_mean(scenes, generator):
    """E[x_data | x] averages, over scenes, the precision-weighted mean of rendering and image."""
    world, sigma = GaussianScenes(scenes, noise=0.25), 0.4
    x = world.sample(4, generator=generator)
    x = x + sigma * torch.randn(x.shape, generator=generator)
    weights = components(world, math.hypot(0.25, sigma)).log_prob(x.unsqueeze(1)).softmax(1)
    precisions = 1 / 0.25**2, 1 / sigma**2
    means = precisions[0] * scenes.renderings + precisions[1] * x.unsqueeze(1)
    wanted = torch.einsum("bk,bk...->b...", weights, means / sum(precisions))
    torch.testing.assert_close(world.denoiser(x, sigma), wanted)


def test_samples_follow_the_density(scenes, generator):
    """Kolmogorov-Smirnov along random directions, where the world is a mixture of normals."""
    world = GaussianScenes(scenes, noise=0.25)
    x = world.sample(2000, generator=generator).flatten(1)
    centres = scenes.renderings.flatten(1)
    for _ in range(3):
        direction = torch.randn(x.shape[1], generator=generator, dtype=torch.float64)
        direction /= direction.norm()
        means = (centres @ direction).numpy()
        t = (x @ direction).numpy()
        cdf = stats.norm.cdf((t[:, None] - means) / 0.25).mean(1)
        assert stats.kstest(cdf, "uniform").pvalue > 0.001


def test_samples_come_from_all_scenes_alike_and_show_them(world, generator):
    num_scenes = len(world.scenes)
    x, index = world.sample_with_index(4000, generator=generator)
    counts = torch.bincount(index, minlength=num_scenes)
    assert stats.chisquare(counts.numpy()).pvalue > 0.001
    belief = world.class_posterior(x)
    gap = belief.mean(0) - 1 / world.scenes.num_classes
    assert bool((gap.abs() < 4 * belief.std(0) / math.sqrt(4000)).all())
    # A posterior is right as often as it says: the label's indicator minus its probability.
    labels = world.scenes.labels(index)
    surprise = 1 - belief.gather(1, labels[:, None])[:, 0]
    doubt = 1 - belief.square().sum(1)
    assert abs((surprise - doubt).mean()) < 4 * (surprise - doubt).std() / math.sqrt(4000)


def test_quantised_pixels_have_their_levels_frequencies(scenes, generator):
    world = QuantisedScenes(scenes, noise=0.25)
    x = world.sample(3000, generator=generator).flatten(1)
    probs = components(world).base_dist.probs.mean(0).flatten(0, -2)
    for pixel in torch.randperm(x.shape[1], generator=generator)[:5]:
        counts = torch.bincount(x[:, pixel], minlength=world.num_levels)
        assert stats.chisquare(counts.numpy(), (3000 * probs[pixel]).numpy()).pvalue > 0.0005


def test_a_class_can_be_asked_for(world, generator):
    """Bayes' rule in one more form: E[p(c | x) | c] = E[p(c | x)²] / p(c)."""
    scenes = world.scenes
    word = scenes.LEVELS[scenes.CLASS_FACTOR][-1]
    condition = scenes.condition(**{scenes.CLASS_FACTOR: word})
    x, index = world.sample_with_index(800, condition=condition, generator=generator)
    assert bool((scenes.labels(index) == scenes.num_classes - 1).all())
    assert len(index.unique()) > 0.5 * min(800, len(scenes) / scenes.num_classes)
    seen = world.class_posterior(x)[:, -1]
    anywhere = world.class_posterior(world.sample(800, generator=generator))[:, -1]
    weighted = scenes.num_classes * anywhere.square()
    assert seen.mean() > 1.1 / scenes.num_classes
    error = ((seen.var() + weighted.var()) / 800).sqrt()
    assert abs(seen.mean() - weighted.mean()) < 4 * error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: GaussianScenes(SETS["colour"]).log_prob(torch.zeros(2, 8, 8)),
            "x: expected shape (batch, 3, 8, 8), got shape (2, 8, 8)",
        ),
        (
            lambda: GaussianScenes(SETS["one"]).log_prob(torch.zeros(2, 8, 8, device="meta")),
            "x: expected device cpu, got device meta",
        ),
        (
            lambda: GaussianScenes(SETS["moving"]).posterior(torch.full((1, 3, 8, 8), math.nan)),
            "x: expected finite values, got 192 NaN or infinite of 192",
        ),
        (
            lambda: GaussianScenes(SETS["one"]).log_prob(torch.zeros(2, 8, 8, dtype=torch.long)),
            "x: expected dtype float, got dtype torch.int64",
        ),
        (
            lambda: QuantisedScenes(SETS["pairs"]).log_prob(torch.zeros(2, 8, 8)),
            "x: expected dtype integer, got dtype torch.float32",
        ),
        (
            lambda: GaussianScenes(SETS["pairs"]).sample(1, condition=torch.zeros(5).long()),
            "factors: expected shape (..., 8), got shape (5,)",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
