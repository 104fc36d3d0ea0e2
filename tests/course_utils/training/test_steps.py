"""Schedules, batches, averaged weights and the optimiser, each against its formula."""

import math

import pytest
import torch
from torch import nn

from course_utils.training import rate_factor
from course_utils.training.steps import Batches, WeightAverage, make_optimiser


@pytest.mark.parametrize(
    ("step", "warmup_steps", "factor"),
    [
        (0, 0, 1.0),
        (25, 0, math.cos(math.pi / 8) ** 2),
        (50, 0, 0.5),
        (75, 0, math.sin(math.pi / 8) ** 2),
        (99, 0, math.sin(math.pi / 200) ** 2),
        (0, 20, 0.05),
        (9, 20, 0.5),
        (19, 20, 1.0),
        (20, 20, 1.0),
        (60, 20, 0.5),
    ],
)
def test_cosine_schedule(step, warmup_steps, factor):
    """By the half-angle formula (1 + cos a) / 2 = cos(a / 2)^2; rounding only."""
    value = rate_factor(step, 100, warmup_steps=warmup_steps, schedule="cosine")
    assert value == pytest.approx(factor, abs=1e-14)


def test_constant_schedule():
    factors = [rate_factor(k, 8, warmup_steps=4, schedule="constant") for k in range(8)]
    assert factors == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_each_epoch_visits_each_example_at_most_once():
    x = torch.arange(50)
    batches = Batches((x, -x), 16, seed=5)
    epochs = []
    for epoch in range(4):
        rows = []
        for step in range(3 * epoch, 3 * epoch + 3):
            first, second = batches(step)
            assert len(first) == 16 and torch.equal(first, -second)
            rows.append(first)
        epochs.append(torch.cat(rows))
        assert len(epochs[-1].unique()) == 48
    assert len({tuple(rows.tolist()) for rows in epochs}) == 4


def test_a_batch_depends_on_seed_and_step_alone():
    x = torch.arange(50)
    forward = Batches(x, 16, seed=5)
    seen = [forward(step) for step in range(12)]
    assert all(torch.equal(Batches(x, 16, seed=5)(step), seen[step]) for step in range(12))
    assert not torch.equal(Batches(x, 16, seed=6)(0), seen[0])


@pytest.mark.parametrize("batch_size", [7, 100])
def test_a_batch_of_everything_is_the_data(batch_size):
    x = torch.arange(7)
    assert Batches(x, batch_size, seed=0)(3) is x


def test_weight_average_is_the_explicit_sum(generator):
    """sum d^(n-k) theta_k over sum d^(n-k), in float64: rounding only."""
    weights = torch.randn(12, 5, dtype=torch.float64, generator=generator)
    parameter = nn.Parameter(torch.full((5,), 1e6, dtype=torch.float64))
    average = WeightAverage([parameter], 0.9)
    for n in range(1, 13):
        parameter.data.copy_(weights[n - 1])
        average.update(n)
        powers = 0.9 ** torch.arange(n - 1, -1, -1, dtype=torch.float64)
        expected = (powers[:, None] * weights[:n]).sum(0) / powers.sum()
        torch.testing.assert_close(average.values[0], expected, rtol=1e-12, atol=1e-12)
    with average.in_model():
        assert torch.equal(parameter.data, average.values[0])
    assert torch.equal(parameter.data, weights[-1])


def test_decay_of_matrices_only_and_adam_step_for_step(generator):
    """Adam with decoupled decay written out as its formulas, in float64: rounding only."""
    matrix = nn.Parameter(torch.randn(3, 2, dtype=torch.float64, generator=generator))
    bias = nn.Parameter(torch.randn(2, dtype=torch.float64, generator=generator))
    optimiser = make_optimiser([matrix, bias], 0.1, 0.5)
    for parameter, decay in ((matrix, 0.5), (bias, 0.0)):
        theta = parameter.detach().clone()
        m, v = torch.zeros_like(theta), torch.zeros_like(theta)
        for t in range(1, 7):
            gradient = torch.randn(theta.shape, dtype=torch.float64, generator=generator)
            optimiser.zero_grad()
            parameter.grad = gradient.clone()
            optimiser.step()
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient**2
            step = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
            theta = theta - 0.1 * decay * theta - 0.1 * step
            torch.testing.assert_close(parameter.detach(), theta, rtol=1e-10, atol=1e-12)
    assert all(group["fused"] for group in optimiser.param_groups)
