"""Units of likelihood, against distributions whose values are known by hand."""

import math

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.metrics.likelihood import (
    Estimate,
    bits,
    bits_per_dim,
    nats_from_bits_per_dim,
    nats_per_example,
    perplexity,
)
from course_utils.worlds.sequences import MarkovSource


def test_uniform_pixels_and_tokens():
    """Rounding only: 64 uniform pixels of 256 levels are 8 bits each; V tokens, perplexity V."""
    assert bits(math.log(2)) == pytest.approx(1.0, rel=1e-15)
    assert bits_per_dim(64 * math.log(256), 64) == pytest.approx(8.0, rel=1e-15)
    assert nats_from_bits_per_dim(8.0, 64) == pytest.approx(64 * math.log(256), rel=1e-15)
    assert perplexity(10 * math.log(27), 10) == pytest.approx(27.0, rel=1e-14)


@pytest.mark.concept("metric.nll-perplexity")
@pytest.mark.parametrize("length", [1, 5, 500])
def test_perplexity_of_a_uniform_model_is_the_alphabet_at_any_length(length):
    """Per token it is 10; without the division it would be 10 to the power of the length."""
    assert perplexity(length * math.log(10), length) == pytest.approx(10.0, rel=1e-12)


@pytest.mark.concept("metric.nll-perplexity")
def test_nats_of_the_true_chain_are_its_entropy(generator):
    """Held-out loss of the law itself: H of 30 symbols, within 3 standard errors; its rate too."""
    source = MarkovSource.random(5, order=1, generator=generator)
    x = source.sample(4000, length=30, generator=generator)
    loss = nats_per_example(source.log_prob(x))
    assert abs(loss.value - source.entropy(30).item()) < 3 * loss.standard_error
    later = source.entropy(30) - source.entropy(29)
    assert later.item() == pytest.approx(source.entropy_rate().item(), rel=1e-6)


@pytest.mark.parametrize("num_dims", [1, 3, 64])
def test_bits_per_dim_and_back(num_dims):
    estimate = Estimate(-12.5, 0.75)
    back = nats_from_bits_per_dim(bits_per_dim(estimate, num_dims), num_dims)
    assert back.value == pytest.approx(-12.5, rel=1e-14)
    assert back.standard_error == pytest.approx(0.75, rel=1e-14)


def test_nats_per_example_by_hand():
    """Mean 2; deviations -1, 1, 0 have sample variance 1, so the standard error is 1 / sqrt 3."""
    estimate = nats_per_example(torch.tensor([-1.0, -3.0, -2.0]))
    assert estimate.value == pytest.approx(2.0, rel=1e-15)
    assert estimate.standard_error == pytest.approx(1 / math.sqrt(3), rel=1e-15)


def test_standard_error_is_the_spread_over_repetitions(generator):
    """2000 estimates from 50 draws each: their own spread has relative error 1 / sqrt(4000)."""
    law = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    draws = torch.multinomial(law.expand(2000, 3), 50, replacement=True, generator=generator)
    estimates = [nats_per_example(row) for row in law.log()[draws]]
    values = torch.tensor([e.value for e in estimates], dtype=torch.float64)
    entropy = -(law * law.log()).sum()
    true_error = math.sqrt(float((law * (-law.log() - entropy).square()).sum()) / 50)
    assert abs(values.mean() - entropy) < 4 * true_error / math.sqrt(2000)
    assert abs(values.std() / true_error - 1) < 4 / math.sqrt(4000)
    mean_square = sum(e.standard_error**2 for e in estimates) / 2000
    assert mean_square == pytest.approx(true_error**2, rel=0.05)


def test_perplexity_carries_the_error_as_the_derivative():
    """The slope of exp(a / T) by central differences; their error is of order 1e-10."""
    estimate = perplexity(Estimate(30.0, 0.2), 12)
    slope = (perplexity(30 + 1e-4, 12) - perplexity(30 - 1e-4, 12)) / 2e-4
    assert estimate.value == perplexity(30.0, 12)
    assert estimate.standard_error == pytest.approx(0.2 * slope, rel=1e-8)


def test_impossible_examples_and_single_ones():
    infinite = nats_per_example(torch.tensor([-1.0, -math.inf]))
    assert infinite.value == math.inf and math.isnan(infinite.standard_error)
    assert perplexity(infinite, 3).value == math.inf
    single = nats_per_example(torch.tensor([-1.5]))
    assert single.value == 1.5 and math.isnan(single.standard_error)
    assert perplexity(1e5, 1) == math.inf


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(1.83204, 0.00431), "1.8320 ± 0.0043"),
        (Estimate(25.1234, 0.52), "25.12 ± 0.52"),
        (Estimate(1234.5, 87.0), "1234 ± 87"),
        (Estimate(1.83204, math.nan), "1.832"),
        (Estimate(1.83204, 0.0), "1.832"),
    ],
)
def test_estimates_print_the_digits_that_carry_meaning(estimate, text):
    assert str(estimate) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bits_per_dim(1.0, 0), "num_dims: expected a whole number >= 1, got 0"),
        (lambda: perplexity(1.0, -3), "num_tokens: expected a whole number >= 1, got -3"),
        (lambda: bits(math.nan), "nats: expected a number, got nan"),
        (lambda: nats_from_bits_per_dim(math.nan, 2), "bits_per_dimension: expected a number"),
        (lambda: nats_per_example(torch.ones(2, 2)), "log_prob: expected shape (batch), got shape"),
        (lambda: nats_per_example(torch.tensor([1])), "log_prob: expected dtype float"),
        (lambda: nats_per_example(torch.ones(0)), "log_prob: expected at least one element"),
        (lambda: nats_per_example(torch.tensor([math.nan])), "log_prob: expected numbers or -inf"),
        (lambda: nats_per_example(torch.tensor([math.inf])), "log_prob: expected numbers or -inf"),
    ],
)
def test_bad_input_gets_one_line(as_user, call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
