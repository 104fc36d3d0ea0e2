"""What ten thousand log densities cost on one core, and that nothing leaves the device."""

import time

import pytest
import torch

from course_utils.worlds.scenes import (
    ColourScenes,
    GaussianScenes,
    MovingScenes,
    PairScenes,
    QuantisedScenes,
)


@pytest.mark.parametrize("kind", [GaussianScenes, QuantisedScenes])
@pytest.mark.parametrize("cls", [ColourScenes, PairScenes, MovingScenes])
def test_ten_thousand_log_densities_take_less_than_a_second(kind, cls, generator):
    world = kind(cls())
    x = world.sample(500, generator=generator).repeat(20, *(1 for _ in world.scenes.event_shape))
    world.log_prob(x[:10])
    start = time.process_time()
    log_prob = world.log_prob(x)
    assert time.process_time() - start < 1  # measured: 0.55 s
    assert log_prob.dtype == torch.float32
    exact = kind(cls(dtype=torch.float64))
    some = x[:50].double() if x.is_floating_point() else x[:50]
    assert (log_prob[:50] - exact.log_prob(some)).abs().max() < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", [GaussianScenes, QuantisedScenes])
@pytest.mark.parametrize("cls", [ColourScenes, PairScenes, MovingScenes])
def test_everything_stays_on_the_device(kind, cls):
    world = kind(cls(size=8, device="cuda"))
    generator = torch.Generator("cuda").manual_seed(0)
    x = world.sample(3, condition=world.scenes.condition(), generator=generator)
    answers = [x, world.log_prob(x), world.class_posterior(x), *world.entropy(4, generator)]
    if kind is GaussianScenes:
        answers.append(world.denoiser(x, 0.5))
    assert {answer.device.type for answer in answers} == {"cuda"}
