"""Warm-up, free bits and active units by hand, and a collapse that they prevent."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead
from course_utils.models.latent import VAE, GuardedBound, active_units, free_bits, kl_weight


def test_weight_is_a_line_and_then_one():
    assert [kl_weight(t, 4) for t in (0, 1, 2, 3, 4, 9)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert [kl_weight(t, 4, 0.2) for t in (0, 2, 4)] == pytest.approx([0.2, 0.6, 1])
    assert kl_weight(0, 0) == 1


def test_free_bits_are_per_coordinate_of_the_batch_mean():
    rate = torch.tensor([[0.0, 2.0, 0.4], [0.2, 4.0, 0.8]], requires_grad=True)
    value = free_bits(rate, 0.5)
    torch.testing.assert_close(value, torch.tensor(0.5 + 3.0 + 0.6))
    value.backward()
    torch.testing.assert_close(rate.grad, torch.tensor([[0.0, 0.5, 0.5]]).expand(2, 3))
    torch.testing.assert_close(free_bits(rate, 0.0), rate.mean(0).sum())


def test_units_are_active_when_their_mean_moves():
    means = torch.tensor([[0.0, 1.0, 0.05], [0.0, -1.0, -0.05], [0.0, 0.0, 0.0]])
    assert active_units(means) == 1
    assert active_units(means, 0.001) == 2


def test_guarded_loss_is_the_formula_and_in_evaluation_the_bound(generator):
    torch.manual_seed(0)
    model = VAE.of_perceptrons((2, 2), 3, BernoulliHead(), (5,)).double()
    x = torch.randint(2, (8, 2, 2), generator=generator)
    guarded = GuardedBound(model, warmup_steps=4, start=0.2, floor=0.3)
    for step in range(6):
        torch.manual_seed(step)
        found = guarded.loss(x)
        torch.manual_seed(step)
        terms = model.bound_terms(x, 1)
        weight = min(1, 0.2 + 0.2 * step)
        expected = -terms.log_likelihood.mean() + weight * terms.rate.mean(0).clamp(min=0.3).sum()
        torch.testing.assert_close(found["total"], expected)
        torch.testing.assert_close(found["rate"], terms.rate.sum(-1).mean())
    assert int(guarded.steps) == 6
    guarded.eval()
    torch.manual_seed(1)
    found = guarded.loss(x)["total"]
    torch.manual_seed(1)
    torch.testing.assert_close(found, model.loss(x)["total"])
    assert int(guarded.steps) == 6


def test_wrong_input_is_one_line(as_user):
    model = VAE.of_perceptrons((2,), 2, BernoulliHead(), (3,))
    for call, message in (
        (lambda: kl_weight(-1, 3), r"step: expected"),
        (lambda: GuardedBound(model, start=1.5), r"start: expected"),
        (lambda: GuardedBound(model, floor=-1), r"floor: expected"),
        (lambda: free_bits(torch.zeros(3), 0.1), r"rate: expected shape"),
        (lambda: active_units(torch.zeros(1, 3)), r"batch of means: expected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
