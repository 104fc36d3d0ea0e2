"""Ancestral sampling from a table of conditionals that is known."""

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import BernoulliHead, CategoricalHead, GaussianHead
from course_utils.samplers.decoding import ancestral, tempered


def chain(transition):
    """Conditionals of a Markov chain that starts in state 0."""
    logits = transition.log()

    def conditionals(x):
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return logits[before]

    return conditionals


@pytest.mark.concept("ar.ancestral-sampling")
def test_frequencies_of_all_sequences_pass_chi_square(generator):
    transition = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]]).double()
    samples = ancestral(chain(transition), CategoricalHead(3), 100_000, 3, generator=generator)
    counts = torch.bincount((samples * torch.tensor([9, 3, 1])).sum(1), minlength=27)
    probs = torch.einsum("a,ab,bc->abc", transition[0], transition, transition).flatten()
    assert stats.chisquare(counts.numpy(), (probs * 100_000).numpy()).pvalue > 1e-3


@pytest.mark.concept("ar.ancestral-sampling")
@pytest.mark.parametrize("given", [0, 2, 5])
def test_one_call_for_each_variable_that_is_drawn(given, generator):
    calls = []

    def conditionals(x):
        calls.append(x.clone())
        return torch.zeros(*x.shape, 1)

    prefix = torch.ones(4, given, dtype=torch.int64)
    ancestral(conditionals, BernoulliHead(), 4, 5, prefix=prefix, generator=generator)
    assert len(calls) == 5 - given


@pytest.mark.concept("ar.ancestral-sampling")
def test_variables_are_drawn_in_order_and_later_ones_still_hold_zero(generator):
    order = torch.tensor([2, 0, 1])
    seen = []

    def certain_one(x):
        seen.append(x[0].tolist())
        return torch.full((*x.shape, 1), 50.0)

    x = ancestral(certain_one, BernoulliHead(), 2, 3, order=order, generator=generator)
    assert seen == [[0, 0, 0], [0, 0, 1], [1, 0, 1]]
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_real_values_keep_their_type_and_follow_a_random_walk(generator):
    """x_t = x_{t-1} + e_t: the variance at step t is t + 1."""

    def walk(x):
        before = torch.cat([torch.zeros(len(x), 1), x[:, :-1].float()], 1)
        return torch.stack([before, torch.zeros_like(before)], -1)

    x = ancestral(walk, GaussianHead(), 20_000, 3, generator=generator)
    assert x.dtype == torch.float32
    variance = torch.arange(1.0, 4.0)
    standard_error = variance * (2 / 20_000) ** 0.5
    assert ((x.var(0) - variance).abs() < 4 * standard_error).all()


def test_the_same_generator_state_gives_the_same_samples():
    def draw():
        rng = torch.Generator().manual_seed(3)
        return ancestral(chain(torch.full((4, 4), 0.25)), CategoricalHead(4), 6, 5, generator=rng)

    assert torch.equal(draw(), draw())


def test_wrong_arguments_are_named_in_one_line(as_user):
    def call(**options):
        return ancestral(lambda x: torch.zeros(*x.shape, 1), BernoulliHead(), 2, 3, **options)

    with pytest.raises(ArgumentError, match=r"^order: expected 3 variables, got 2$"):
        call(order=torch.tensor([0, 1]))
    with pytest.raises(ArgumentError, match=r"^order: expected a permutation of 0 \.\. 2, got \["):
        call(order=torch.tensor([0, 1, 1]))
    with pytest.raises(ArgumentError, match=r"^prefix: expected 2 rows of at most 3 values, got"):
        call(prefix=torch.zeros(3, 1))
    with pytest.raises(ArgumentError, match=r"^prefix: expected 2 rows of at most 3 values, got"):
        call(prefix=torch.zeros(2, 4))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_tempered_samples_follow_powers_of_each_conditional(temperature, generator):
    transition = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]]).double()
    rows = transition ** (1 / temperature)
    rows = rows / rows.sum(1, keepdim=True)
    conditionals = tempered(chain(transition), temperature)
    samples = ancestral(conditionals, CategoricalHead(3), 100_000, 2, generator=generator)
    counts = torch.bincount((samples * torch.tensor([3, 1])).sum(1), minlength=9)
    probs = torch.einsum("a,ab->ab", rows[0], rows).flatten()
    assert stats.chisquare(counts.numpy(), (probs * 100_000).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_above_zero_gives_one_line(temperature, as_user):
    with pytest.raises(ArgumentError) as caught:
        tempered(lambda x: x, temperature)
    assert str(caught.value) == f"temperature: expected a number > 0, got {temperature}"
