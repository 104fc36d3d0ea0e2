"""Scenes against torch.distributions, autograd and enumeration of tiny images.

Densities in float64; tolerance 1e-9 relative, since ‖x − r‖² is formed from three larger terms.
"""

import itertools
import math
import time

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.scenes import GaussianScenes, QuantisedScenes, Scenes, caption, parse
from course_utils.worlds.scenes.factors import FACTORS, NUM_LEVELS

EXACT = {"dtype": torch.float64}


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes(**EXACT)


@pytest.fixture(params=["gaussian", "quantised"])
def world(request, scenes):
    return GaussianScenes(scenes) if request.param == "gaussian" else QuantisedScenes(scenes)


def components(world):
    """The world's components as torch.distributions, batched over scenes."""
    renderings = world.scenes.renderings
    if isinstance(world, GaussianScenes):
        pixels = torch.distributions.Normal(renderings, world.noise)
    else:
        levels = torch.arange(world.num_levels).double() / (world.num_levels - 1)
        weights = torch.exp(-((levels - renderings[..., None]) ** 2) / (2 * world.noise**2))
        pixels = torch.distributions.Categorical(weights / weights.sum(-1, keepdim=True))
    return torch.distributions.Independent(pixels, 2)


def mixture(world):
    weights = torch.distributions.Categorical(torch.ones(len(world.scenes)).double())
    return torch.distributions.MixtureSameFamily(weights, components(world))


def test_every_scene_looks_different_and_lies_inside_the_frame(scenes):
    flat = scenes.renderings.flatten(1)
    distances = torch.cdist(flat, flat) + 9 * torch.eye(len(flat))
    assert distances.min() > 0.4
    assert flat.min() == 0 and flat.max() == 1
    border = torch.ones(16, 16, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    mass = scenes.renderings.sum((1, 2))
    assert bool((scenes.renderings[:, border].sum(1) < 0.1 * mass).all())


def test_factors_mean_what_their_names_say(scenes):
    pictures = scenes.renderings.reshape(*NUM_LEVELS, 16, 16)
    torch.testing.assert_close(pictures[:, :, 1], 2 * pictures[:, :, 0])
    mass = pictures.sum((-1, -2))
    assert bool((mass[:, 1] > 1.7 * mass[:, 0]).all())
    positions = torch.arange(16).double()
    across = (pictures.sum(-2) * positions).sum(-1) / mass
    down = (pictures.sum(-1) * positions).sum(-1) / mass
    torch.testing.assert_close(across.diff(dim=3), torch.full((4, 2, 2, 4, 5), 2.0).double())
    torch.testing.assert_close(down.diff(dim=4), torch.full((4, 2, 2, 5, 4), 2.0).double())


def test_discs_have_the_area_of_a_circle(scenes):
    bright = scenes.factors[:, 2] == 1
    for size, radius in enumerate((0.14, 0.21)):
        chosen = bright & (scenes.factors[:, 0] == 1) & (scenes.factors[:, 1] == size)
        area = scenes.renderings[chosen].sum((1, 2)) / 256
        assert bool((area / (math.pi * radius**2) - 1).abs().max() < 0.05)


def test_only_the_triangle_has_an_up_and_a_down(scenes):
    centred = scenes.renderings.reshape(*NUM_LEVELS, 16, 16)[:, :, :, 2, 2]
    for shape, pictures in zip(FACTORS["shape"], centred, strict=True):
        torch.testing.assert_close(pictures, pictures.flip(-1))
        if shape == "triangle":
            assert bool((pictures[..., 8:, :].sum() > 2 * pictures[..., :8, :].sum()).all())
        else:
            torch.testing.assert_close(pictures, pictures.flip(-2))


def test_captions_and_factors_are_inverse(scenes):
    assert len(set(scenes.captions)) == len(scenes) == 400
    for text, factors in zip(scenes.captions, scenes.factors, strict=True):
        assert torch.equal(parse(text), factors)
        assert caption(parse(text)) == text
    assert caption(torch.tensor([1, 0, 1, 0, 0])) == "a small bright disc, far left, top"


def test_index_finds_the_scene(scenes):
    assert torch.equal(scenes.index(scenes.factors), torch.arange(400))
    found = scenes.matches(torch.tensor([2, -1, 1, -1, 4]))
    wanted = [k for k, f in enumerate(scenes.factors.tolist()) if (f[0], f[2], f[4]) == (2, 1, 4)]
    assert found.tolist() == wanted


def test_log_prob_equals_torch_distributions(world, generator):
    x = world.sample(20, generator=generator)
    torch.testing.assert_close(world.log_prob(x), mixture(world).log_prob(x), rtol=1e-9, atol=1e-9)


def test_posterior_is_bayes_rule(world, generator):
    x = world.sample(8, generator=generator)
    joint = components(world).log_prob(x.unsqueeze(1)).exp() / 400
    wanted = joint / joint.sum(1, keepdim=True)
    torch.testing.assert_close(world.posterior(x), wanted, rtol=1e-6, atol=1e-9)
    for axis, (name, levels) in enumerate(FACTORS.items()):
        sums = [wanted[:, world.scenes.factors[:, axis] == k].sum(1) for k in range(len(levels))]
        torch.testing.assert_close(world.factor_posterior(x)[name], torch.stack(sums, 1))


def test_quantised_probabilities_sum_to_one():
    tiny = QuantisedScenes(Scenes(size=2, **EXACT), noise=0.3, num_levels=3)
    images = torch.tensor(list(itertools.product(range(3), repeat=4))).reshape(-1, 2, 2)
    probs = tiny.log_prob(images).exp()
    assert abs(probs.sum() - 1) < 1e-12
    conditional = tiny.component_log_prob(images).exp().sum(0)
    torch.testing.assert_close(conditional, torch.ones(400).double(), atol=1e-12, rtol=0)
    entropy, error = tiny.entropy(4000, torch.Generator().manual_seed(1))
    assert abs(entropy + (probs * probs.log()).sum()) < 4 * error < 0.05


def test_gaussian_density_integrates_to_one():
    tiny = GaussianScenes(Scenes(size=2, **EXACT), noise=0.3)
    axis = torch.linspace(-1.75, 2.75, 19, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis, axis).reshape(-1, 2, 2)
    total = sum(tiny.log_prob(part).exp().sum() for part in grid.split(20_000)) * 0.25**4
    assert abs(total - 1) < 1e-6  # trapezium rule, error exp(-2 (pi sigma / step)^2) < 1e-12


def test_entropy_equals_the_plain_average(world, generator):
    entropy, error = world.entropy(2000, generator)
    loss = -world.log_prob(world.sample(4000, generator=generator))
    assert abs(entropy - loss.mean()) < 4 * (error**2 + loss.var() / 4000).sqrt()
    assert error < 0.02 < loss.std() / math.sqrt(4000)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 2.0])
def test_score_is_the_gradient_of_the_log_density(sigma, scenes, generator):
    world = GaussianScenes(scenes)
    x = world.sample(5, generator=generator)
    x = (x + sigma * torch.randn(x.shape, generator=generator)).requires_grad_()
    variance = world.noise**2 + sigma**2
    pixels = torch.distributions.Normal(scenes.renderings, math.sqrt(variance))
    density = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(400).double()),
        torch.distributions.Independent(pixels, 2),
    )
    log_prob = density.log_prob(x)
    torch.testing.assert_close(world.noised(sigma).log_prob(x), log_prob, rtol=1e-9, atol=1e-9)
    wanted = torch.autograd.grad(log_prob.sum(), x)[0]
    torch.testing.assert_close(
        world.score_function(x.detach(), sigma), wanted, rtol=1e-6, atol=1e-8
    )


def test_denoiser_is_the_posterior_mean(scenes, generator):
    """E[x_data | x] averages, over scenes, the precision-weighted mean of rendering and image."""
    world, sigma = GaussianScenes(scenes), 0.4
    x = world.sample(6, generator=generator)
    x = x + sigma * torch.randn(x.shape, generator=generator)
    wide = torch.distributions.Normal(scenes.renderings, math.hypot(world.noise, sigma))
    weights = wide.log_prob(x.unsqueeze(1)).sum((2, 3)).softmax(1)
    precisions = 1 / world.noise**2, 1 / sigma**2
    means = precisions[0] * scenes.renderings + precisions[1] * x.unsqueeze(1)
    wanted = (weights[:, :, None, None] * means / sum(precisions)).sum(1)
    torch.testing.assert_close(world.denoiser(x, sigma), wanted)


def test_samples_have_the_world_s_moments(world, generator):
    x, index = world.sample_with_index(6000, generator=generator)
    pixels = x.double().flatten(1)
    each = components(world).base_dist
    if isinstance(world, GaussianScenes):
        means = each.mean.flatten(1)
    else:
        means = (each.probs * torch.arange(world.num_levels)).sum(-1).flatten(1)
    error = pixels.std(0) / math.sqrt(6000)
    assert bool(((pixels.mean(0) - means.mean(0)).abs() < 5 * error).all())  # 5: 256 comparisons
    residual = (pixels - means[index]).mean()
    assert abs(residual) < 4 * pixels.std() / math.sqrt(pixels.numel())
    counts = torch.bincount(index, minlength=400)
    assert (counts - 15).square().sum() / 15 < 399 + 4 * math.sqrt(2 * 399)


def test_condition_restricts_the_scenes(world, generator):
    condition = torch.tensor([3, -1, -1, 0, -1])
    _, index = world.sample_with_index(500, condition=condition, generator=generator)
    drawn = world.scenes.factors[index]
    assert bool((drawn[:, 0] == 3).all() and (drawn[:, 3] == 0).all())
    assert len(index.unique()) == 20
    assert world.sample(3, condition=condition, generator=generator).shape == (3, 16, 16)


@pytest.mark.parametrize("kind", [GaussianScenes, QuantisedScenes])
def test_ten_thousand_images_in_float32_are_fast_and_accurate(kind, generator):
    world, exact = kind(Scenes()), kind(Scenes(**EXACT))
    x = world.sample(10_000, generator=generator)
    world.log_prob(x[:10])
    start = time.process_time()
    log_prob = world.log_prob(x)
    assert time.process_time() - start < 1  # measured: 0.15 s
    wanted = exact.log_prob(x.double() if x.is_floating_point() else x)
    assert (log_prob - wanted).abs().max() < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Scenes(size=1), "size: expected a whole number >= 2, got 1"),
        (lambda: GaussianScenes(noise=0.0), "noise: expected a number > 0, got 0.0"),
        (
            lambda: GaussianScenes().log_prob(torch.zeros(2, 8, 8)),
            "x: expected shape (batch, 16, 16), got shape (2, 8, 8)",
        ),
        (
            lambda: GaussianScenes().score_function(torch.zeros(2, 16, 16), -1.0),
            "sigma: expected a number >= 0, got -1.0",
        ),
        (
            lambda: QuantisedScenes().log_prob(torch.full((2, 16, 16), 8)),
            "x: expected values <= 7, got a value of 8",
        ),
        (
            lambda: caption(torch.tensor([4, 0, 0, 0, 0])),
            "factors[0] (shape): expected values <= 3, got a value of 4",
        ),
        (
            lambda: parse("a large dim dog, left, top"),
            "text: expected a caption like 'a small bright disc, far left, top', "
            "got 'a large dim dog, left, top'",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
