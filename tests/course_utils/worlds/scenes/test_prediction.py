"""The next frames given the first ones, against enumeration over all scenes.

The oracle weighs every scene by the density of the first frames and never looks at a shorter
world or at a ratio of joint densities.
"""

import math

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.worlds.scenes import (
    GaussianScenes,
    MovingScenes,
    QuantisedScenes,
    Scenes,
    next_frames_log_prob,
    next_frames_mean,
    sample_next_frames,
)

CLIPS = MovingScenes(size=8, dtype=torch.float64, num_frames=4)
GAUSSIAN = GaussianScenes(CLIPS, noise=0.3)
QUANTISED = QuantisedScenes(CLIPS, noise=0.3, num_levels=4)


def frames(world):
    """Every scene's frames as distributions over pixels, axes (scene, frame)."""
    if isinstance(world, GaussianScenes):
        pixels = torch.distributions.Normal(CLIPS.renderings, world.noise)
    else:
        levels = torch.linspace(0, 1, 4, dtype=torch.float64)
        logits = -((levels - CLIPS.renderings[..., None]) ** 2) / (2 * world.noise**2)
        pixels = torch.distributions.Categorical(logits=logits)
    return torch.distributions.Independent(pixels, 2)


def weights(world, x, watched):
    """p(k | first frames) by Bayes' rule."""
    each = frames(world).log_prob(x.unsqueeze(1))
    return each[:, :, :watched].sum(2).softmax(1), each


@pytest.mark.parametrize("watched", [1, 2, 3])
@pytest.mark.parametrize("world", [GAUSSIAN, QUANTISED], ids=["gaussian", "quantised"])
def test_density_of_the_next_frames(world, watched, generator):
    x = world.sample(12, generator=generator)
    posterior, each = weights(world, x, watched)
    wanted = (posterior.log() + each[:, :, watched:].sum(2)).logsumexp(1)
    found = next_frames_log_prob(world, x[:, :watched], x[:, watched:])
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("watched", [1, 2])
def test_mean_of_the_next_frames(watched, generator):
    x = GAUSSIAN.sample(6, generator=generator)
    posterior, _ = weights(GAUSSIAN, x, watched)
    wanted = torch.einsum("bk,kthw->bthw", posterior, CLIPS.renderings[:, watched:])
    torch.testing.assert_close(next_frames_mean(GAUSSIAN, x[:, :watched]), wanted)


def test_one_frame_leaves_every_direction_open_and_three_leave_none():
    """With little noise: one frame says where, and the mean is a blur of the five futures."""
    world = GaussianScenes(CLIPS, noise=0.02)
    start = CLIPS.condition(shape="disc", size="large", x="middle", y="central")
    futures = CLIPS.renderings[CLIPS.matches(start)]
    assert len(futures) == 5
    blur = next_frames_mean(world, futures[:1, :1])
    torch.testing.assert_close(blur[0], futures[:, 1:].mean(0))
    clips = CLIPS.renderings
    torch.testing.assert_close(
        next_frames_mean(world, clips[:, :3]), clips[:, 3:], rtol=0, atol=1e-6
    )


def test_futures_are_drawn_from_the_predictive_density(generator):
    """Kolmogorov-Smirnov along one direction, where p(b | a) is a mixture of normals."""
    x = GAUSSIAN.sample(3, generator=generator)
    futures = sample_next_frames(GAUSSIAN, x[:, :1], 1500, generator=generator)
    assert futures.shape == (3, 1500, 3, 8, 8)
    direction = torch.randn(3 * 64, generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    means = (CLIPS.renderings[:, 1:].flatten(1) @ direction).numpy()
    posterior, _ = weights(GAUSSIAN, x, 1)
    for clip in range(3):
        t = (futures[clip].flatten(1) @ direction).numpy()
        cdf = stats.norm.cdf((t[:, None] - means) / GAUSSIAN.noise) @ posterior[clip].numpy()
        assert stats.kstest(cdf, "uniform").pvalue > 0.001


def test_quantised_futures_have_the_predictive_mean(generator):
    x = QUANTISED.sample(2, generator=generator)
    futures = sample_next_frames(QUANTISED, x[:, :2], 2000, generator=generator).double()
    probs = frames(QUANTISED).base_dist.probs[:, 2:]
    level = (probs * torch.arange(4)).sum(-1)
    posterior, _ = weights(QUANTISED, x, 2)
    wanted = torch.einsum("bk,kthw->bthw", posterior, level)
    error = futures.std(1) / math.sqrt(2000)
    assert bool(((futures.mean(1) - wanted).abs() < 5 * error).all())  # 5: 256 comparisons


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: next_frames_mean(GaussianScenes(Scenes(size=8)), torch.zeros(1, 1, 8, 8)),
            "world: expected a world over MovingScenes, got one over Scenes",
        ),
        (
            lambda: next_frames_mean(GAUSSIAN, torch.zeros(1, 4, 8, 8)),
            "first: expected fewer frames than the clip's 4, got 4",
        ),
        (
            lambda: next_frames_mean(GAUSSIAN, torch.zeros(1, 2, 8, 9)),
            "first: expected shape (batch, first, 8, 8), got shape (1, 2, 8, 9)",
        ),
        (
            lambda: next_frames_log_prob(
                GAUSSIAN, torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8)
            ),
            "following: expected shape (1, 2, 8, 8), got shape (1, 1, 8, 8)",
        ),
        (
            lambda: sample_next_frames(GAUSSIAN, torch.zeros(1, 2, 8, 8), 0),
            "num_samples: expected a whole number >= 1, got 0",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
