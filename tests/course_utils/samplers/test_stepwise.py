"""A model that remembers draws what the slow sampler draws, one step per variable."""

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead, GaussianHead
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.samplers.decoding import ancestral, tempered
from course_utils.samplers.stepwise import Stepper, stepwise


class Tally(AutoregressiveModel):
    """Symbol k has the logit c_k (1 + how often k came before): every conditional needs all."""

    any_length = True

    def __init__(self, length=5):
        super().__init__(length, CategoricalHead(3))
        self.weights = torch.tensor([0.9, -0.4, 0.3], dtype=torch.float64)
        self.fed = []

    def conditionals(self, x):
        seen = torch.nn.functional.one_hot(x, 3).cumsum(1)
        before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)
        return (1 + before) * self.weights

    def start(self, num_samples):
        return torch.zeros(num_samples, 3, dtype=torch.int64)

    def step(self, cache, last):
        self.fed.append(last)
        if last is not None:
            cache = cache + torch.nn.functional.one_hot(last, 3)
        return (1 + cache) * self.weights, cache


class Walk:
    """x_t = x_{t-1} + e_t from x_0 = 0."""

    head = GaussianHead()

    def start(self, num_samples):
        return torch.zeros(num_samples)

    def step(self, cache, last):
        mean = cache if last is None else last
        return torch.stack([mean, torch.zeros_like(mean)], -1), cache


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("given", [0, 1, 4, 5])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_draws_are_those_of_ancestral(given, temperature, generator):
    model = Tally()
    prefix = torch.randint(3, (400, given), generator=generator) if given else None
    quick = stepwise(model, 400, 5, prefix=prefix, temperature=temperature, generator=seeded())
    slow = ancestral(
        tempered(model.conditionals, temperature),
        model.head,
        400,
        5,
        prefix=prefix,
        generator=seeded(),
    )
    assert quick.dtype == slow.dtype
    assert torch.equal(quick, slow)
    assert given == 0 or torch.equal(quick[:, :given], prefix)


def test_frequencies_of_all_sequences_pass_chi_square(all_tally_states, generator):
    model = Tally(length=3)
    samples = stepwise(model, 100_000, 3, generator=generator)
    counts = torch.bincount((samples * torch.tensor([9, 3, 1])).sum(1), minlength=27)
    probs = model.log_prob(all_tally_states).exp()
    assert stats.chisquare(counts.numpy(), (probs * 100_000).numpy()).pvalue > 1e-3


@pytest.fixture
def all_tally_states():
    return torch.cartesian_prod(*[torch.arange(3)] * 3)


def test_one_step_per_variable_each_fed_the_one_before(generator):
    model = Tally()
    prefix = torch.tensor([[2, 0]]).expand(4, -1)
    x = stepwise(model, 4, 5, prefix=prefix, generator=generator)
    assert model.fed[0] is None
    assert torch.equal(torch.stack(model.fed[1:], 1), x[:, :-1])
    model.fed.clear()
    whole = stepwise(model, 4, 2, prefix=prefix, generator=generator)
    assert torch.equal(whole, prefix) and not model.fed


def test_every_model_with_a_step_samples_through_it(generator):
    model = Tally(length=6)
    assert isinstance(model, Stepper)
    one_row = torch.tensor([[1, 2]])
    x = model.sample(9, condition=one_row, temperature=0.5, generator=seeded())
    assert len(model.fed) == 6
    many = one_row.expand(9, -1)
    again = stepwise(model, 9, 6, prefix=many, temperature=0.5, generator=seeded())
    assert torch.equal(x, again)


def test_real_values_keep_their_type_and_follow_a_random_walk(generator):
    x = stepwise(Walk(), 20_000, 3, generator=generator)
    assert x.dtype == torch.float32
    variance = torch.arange(1.0, 4.0)
    assert ((x.var(0) - variance).abs() < 4 * variance * (2 / 20_000) ** 0.5).all()


def test_no_gradient_is_recorded(generator):
    model = Tally()
    model.weights.requires_grad_()
    model.head = GaussianHead()
    model.step = lambda cache, last: (torch.ones(4, 2) * model.weights[:2], cache)
    assert not stepwise(model, 4, 2, generator=generator).requires_grad


def test_wrong_arguments_are_named_in_one_line(as_user):
    def message(*arguments, model=None, **options):
        with pytest.raises(ArgumentError) as caught:
            stepwise(model or Tally(), *arguments, **options)
        return str(caught.value)

    assert message(0, 3) == "num_samples: expected a whole number >= 1, got 0"
    assert message(2, 0) == "length: expected a whole number >= 1, got 0"
    assert message(2, 3, temperature=0.0) == "temperature: expected a number > 0, got 0.0"
    real = message(2, 3, temperature=0.5, model=Walk())
    assert real == "temperature: expected 1 for real variables, got 0.5"
    wide = message(2, 3, prefix=torch.zeros(2, 4, dtype=torch.int64))
    assert wide == "prefix: expected 2 rows of at most 3 values, got shape (2, 4)"
