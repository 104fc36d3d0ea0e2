"""Sources with one planted dependency against enumeration. Tolerance 1e-12, as all is float64."""

import itertools
import math
from fractions import Fraction

import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.sequences import BracketSource, CopySource, ParitySource

SOURCES = {
    "copies": CopySource(3, 2, 0.3),
    "copies of what is not there yet": CopySource(2, 9, 0.1),
    "exact copies": CopySource(3, 1),
    "parities": ParitySource(3, 0.2),
    "exact parities": ParitySource(4),
    "brackets": BracketSource(2, 2, 0.3),
    "deep brackets": BracketSource(1, 4, 0.7),
    "flat brackets": BracketSource(2, 1),
}


def every_sequence(num_symbols, length):
    return torch.tensor(list(itertools.product(range(num_symbols), repeat=length)))


def by_hand(name, x):
    """The probability of a sequence as a fraction, from the words that describe the source."""
    source, total = SOURCES[name], Fraction(1)
    for t, symbol in enumerate(x):
        if isinstance(source, CopySource):
            noise = Fraction(source.noise)
            if t < source.lag:
                total *= Fraction(1, source.symbols)
            else:
                total *= (1 - noise) * (x[t - source.lag] == symbol) + noise / source.symbols
        elif isinstance(source, ParitySource):
            place = t % source.block
            if place < source.block - 1:
                total *= Fraction(1, 2)
            else:
                noise = Fraction(source.noise)
                agrees = sum(x[t - place : t]) % 2 == symbol
                total *= 1 - noise if agrees else noise
        else:
            total *= bracket_by_hand(source, x[:t], symbol)
    return total


def bracket_by_hand(source, before, symbol):
    """Delete matched pairs until none is left; what remains is open."""
    word = "".join("([{"[s] if s < source.kinds else ")]}"[s - source.kinds] for s in before)
    while True:
        shorter = word.replace("()", "").replace("[]", "").replace("{}", "")
        if shorter == word:
            break
        word = shorter
    if len(word) > source.depth or any(mark in word for mark in ")]}"):
        return Fraction(0)
    opening = Fraction(source.opening)
    opens = Fraction(1) if not word else Fraction(0) if len(word) == source.depth else opening
    if symbol < source.kinds:
        return opens / source.kinds
    return (1 - opens) * (bool(word) and word[-1] == "([{"[symbol - source.kinds])


@pytest.mark.parametrize("name", SOURCES)
def test_probabilities_are_those_of_the_description(name):
    source = SOURCES[name]
    x = every_sequence(source.num_symbols, 5 if source.num_symbols > 2 else 9)
    probs = source.log_prob(x).exp()
    expected = [float(by_hand(name, row)) for row in x.tolist()]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(probs, expected, atol=1e-14, rtol=1e-12)
    assert abs(probs.sum() - 1) < 1e-12


@pytest.mark.parametrize("name", SOURCES)
def test_entropy_is_the_sum_over_all_sequences(name):
    source = SOURCES[name]
    for length in (1, 2, 5):
        log_probs = source.log_prob(every_sequence(source.num_symbols, length))
        summed = torch.special.entr(log_probs.exp()).sum()
        assert abs(source.entropy(length) - summed) < 1e-12


@pytest.mark.parametrize("name", SOURCES)
def test_entropy_grows_by_the_entropy_rate(name):
    """Over whole blocks, and over an even number of steps, since depth alternates."""
    source = SOURCES[name]
    period = 2 * getattr(source, "block", 1)
    rise = (source.entropy(300 * period) - source.entropy(299 * period)) / period
    assert abs(rise - source.entropy_rate()) < 1e-10


@pytest.mark.parametrize("name", SOURCES)
def test_samples_follow_the_probabilities(name, generator):
    source = SOURCES[name]
    x = every_sequence(source.num_symbols, 4)
    probs = source.log_prob(x).exp()
    drawn = source.sample(20_000, length=4, generator=generator)
    powers = source.num_symbols ** torch.arange(3, -1, -1)
    counts = torch.bincount(drawn @ powers, minlength=len(x))
    possible = probs > 0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        test = scipy.stats.chisquare(counts[possible], 20_000 * probs[possible])
        assert test.pvalue > 1e-3


def test_terms_are_those_of_prefixes():
    source = SOURCES["brackets"]
    x = source.sample(5, length=8, generator=torch.Generator().manual_seed(3))
    terms = source.log_prob_terms(x)
    for t in range(1, 9):
        torch.testing.assert_close(source.log_prob(x[:, :t]), terms[:, :t].sum(1))


def test_a_prefix_is_kept_and_continued():
    source = CopySource(5, 3)
    x = source.sample(4, length=7, condition=torch.tensor([4, 0, 2]))
    assert x.tolist() == [[4, 0, 2, 4, 0, 2, 4]] * 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CopySource(1, 2), "symbols: expected"),
        (lambda: CopySource(3, 0), "lag: expected"),
        (lambda: CopySource(3, 2, 1.5), "noise: expected"),
        (lambda: ParitySource(1), "block: expected"),
        (lambda: ParitySource(3, 0.6), "noise: expected"),
        (lambda: BracketSource(0, 2), "kinds: expected"),
        (lambda: BracketSource(1, 0), "depth: expected"),
        (lambda: BracketSource(1, 2, 1.0), "opening: expected"),
        (lambda: CopySource(3, 2).log_prob(torch.full((1, 2), 3)), "x: expected"),
        (lambda: CopySource(3, 2).entropy(0), "length: expected"),
        (lambda: ParitySource(3).sample(0, length=3), "num_samples: expected"),
    ],
)
def test_bad_arguments_are_named(call, message, as_user):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        call()


def test_a_copy_is_worth_log_s_less_its_noise():
    """I(x_t; x_{t-L}) = log S - h, the loss a model saves that sees far enough."""
    source = CopySource(4, 3, 0.1)
    saved = 5 * math.log(4) - (source.entropy(8) - source.entropy(3))
    assert abs(saved - 5 * (math.log(4) - source.entropy_rate())) < 1e-12
