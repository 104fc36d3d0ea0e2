"""Grammars against enumeration of all parse trees and against series with a known sum.

Tolerance 1e-12 where both roads are float64 sums; 1e-9 where a series is cut off.
"""

import itertools
import math
from collections import defaultdict
from functools import cache

import numpy as np
import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.sequences import GrammarSource

# Every bracketing of a sentence is a tree of its own: as ambiguous as a grammar can be.
SPLIT, LETTER_A, LETTER_B = 0.3, 0.5, 0.2


@pytest.fixture
def ambiguous() -> GrammarSource:
    return GrammarSource.from_rules({"S": {"S S": SPLIT, "a": LETTER_A, "b": LETTER_B}})


@pytest.fixture
def mixed(generator) -> GrammarSource:
    """Three non-terminals, two words, every rule possible, few splits."""
    rules = torch.rand(3, 11, generator=generator, dtype=torch.float64)
    rules[:, 9:] *= 60
    rules = rules / rules.sum(1, keepdim=True)
    return GrammarSource(rules[:, :9].reshape(3, 3, 3), rules[:, 9:])


@pytest.fixture(scope="module")
def agreement() -> GrammarSource:
    return GrammarSource.agreement()


def all_trees(source, longest):
    """List of (words, probability, spans) of all trees with at most ``longest`` words."""
    rules = source.binary.nonzero().tolist()

    @cache
    def trees(parent, length):
        if length == 1:
            probs = source.lexical[parent].tolist()
            return [((w,), p, ((0, 0, parent),)) for w, p in enumerate(probs) if p > 0]
        found = []
        for cut, (_, left, right) in itertools.product(
            range(1, length), [rule for rule in rules if rule[0] == parent]
        ):
            rule = float(source.binary[parent, left, right])
            for (x, p, a), (y, q, b) in itertools.product(
                trees(left, cut), trees(right, length - cut)
            ):
                moved = tuple((i + cut, j + cut, k) for i, j, k in b)
                found.append((x + y, rule * p * q, (*a, *moved, (0, length - 1, parent))))
        return found

    return [tree for length in range(1, longest + 1) for tree in trees(0, length)]


def padded(sentences):
    longest = max(map(len, sentences))
    return torch.tensor([[*words, *[-1] * (longest - len(words))] for words in sentences])


@pytest.mark.parametrize("name", ["ambiguous", "mixed"])
def test_log_prob_is_the_sum_over_all_trees(name, request):
    source = request.getfixturevalue(name)
    sums = defaultdict(float)
    for words, prob, _ in all_trees(source, 4):
        sums[words] += prob
    x = padded(list(sums))
    wanted = torch.tensor(list(sums.values())).double()
    torch.testing.assert_close(source.log_prob(x).exp(), wanted, atol=1e-12, rtol=1e-6)
    assert len(sums) == 2 + 4 + 8 + 16


@pytest.mark.parametrize("name", ["ambiguous", "mixed"])
def test_posterior_is_the_share_of_trees_with_the_span(name, request):
    source = request.getfixturevalue(name)
    sentence = (0, 1, 1, 0)
    trees = [tree for tree in all_trees(source, 4) if tree[0] == sentence]
    total = sum(prob for _, prob, _ in trees)
    wanted = torch.zeros(4, 4, len(source.binary), dtype=torch.float64)
    for _, prob, spans in trees:
        for span in spans:
            wanted[span] += prob / total
    x = torch.tensor([[*sentence, -1], [1, 1, 1, 1, 1]])
    posterior = source.posterior(x)
    torch.testing.assert_close(posterior[0, :4, :4], wanted)
    assert posterior[0, 4].abs().sum() == 0 and posterior[0, :, 4].abs().sum() == 0


def test_entropy_and_length_equal_the_series_over_trees(ambiguous):
    """A tree of n words: Catalan(n−1) shapes, n − 1 splits, n letters."""
    letters = LETTER_A + LETTER_B
    spelling = sum(p / letters * math.log(p / letters) for p in (LETTER_A, LETTER_B))
    length = entropy = 0.0
    for n in range(1, 400):
        log_trees = math.lgamma(2 * n - 1) - math.lgamma(n) - math.lgamma(n + 1)
        log_prob = (n - 1) * math.log(SPLIT) + n * math.log(letters)
        mass = math.exp(log_trees + log_prob)
        length += mass * n
        entropy -= mass * (log_prob + n * spelling)
    assert abs(ambiguous.mean_length() - length) < 1e-9
    assert abs(ambiguous.entropy() - entropy) < 1e-9


def test_entropy_and_length_equal_enumeration(mixed):
    """Enumerate up to 4 words; what is left out is shown to be small by the missing mass."""
    trees = all_trees(mixed, 4)
    mass = sum(prob for _, prob, _ in trees)
    entropy = -sum(prob * math.log(prob) for _, prob, _ in trees)
    length = sum(prob * len(words) for words, prob, _ in trees)
    assert 0.99 < mass < 1
    assert 0 < mixed.entropy() - entropy < 25 * (1 - mass)
    assert 0 < mixed.mean_length() - length < 8 * (1 - mass)


def test_agreement_grammar_is_unambiguous_and_self_delimiting(agreement):
    trees = all_trees(agreement, 7)
    sentences = [words for words, _, _ in trees]
    assert {len(words) for words in sentences} == {3, 7}
    known = set(sentences)
    assert len(known) == len(sentences)
    assert not any(words[:cut] in known for words in known for cut in (3,) if cut < len(words))


def test_entropy_is_the_sampled_loss(agreement, generator):
    x = agreement.sample(2000, generator=generator)
    loss, length = -agreement.log_prob(x), (x >= 0).sum(1).double()
    assert abs(loss.mean() - agreement.entropy()) < 4 * loss.std() / math.sqrt(2000)
    assert abs(length.mean() - agreement.mean_length()) < 4 * length.std() / math.sqrt(2000)
    wanted = agreement.entropy() / agreement.mean_length()
    assert abs(agreement.entropy_rate() - wanted) < 1e-12


def test_samples_pass_chi_square(mixed, generator):
    draws = mixed.sample(20_000, generator=generator)
    counts = defaultdict(int)
    for row in draws.tolist():
        counts[tuple(w for w in row if w >= 0)] += 1
    sums = defaultdict(float)
    for words, prob, _ in all_trees(mixed, 3):
        sums[words] += prob
    observed = [counts[words] for words in sums]
    observed.append(20_000 - sum(observed))
    expected = 20_000 * np.array([*sums.values(), 1 - sum(sums.values())])
    assert scipy.stats.chisquare(observed, expected).pvalue > 1e-4


def test_verbs_agree_with_their_far_subjects(agreement):
    def number(text):
        index = [agreement.words.index(word) for word in text.split()]
        return float(agreement.log_prob(torch.tensor([index]))[0])

    right = "the dog that the cats that the dog sees chase runs"
    wrong = "the dog that the cats that the dog sees chase run"
    assert number(right) > -20 and number(wrong) == -math.inf
    assert agreement.spell(torch.tensor([[0, 1, -1]]))[0].count(" ") == 1


def test_long_sentences_do_not_underflow(ambiguous):
    x = torch.zeros(1, 300, dtype=torch.int64)
    log_trees = math.lgamma(599) - math.lgamma(300) - math.lgamma(301)
    wanted = log_trees + 299 * math.log(SPLIT) + 300 * math.log(LETTER_A)
    assert abs(ambiguous.log_prob(x)[0] - wanted) < 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: GrammarSource.from_rules({"S": {"S S": 0.6, "a": 0.4}}),
            "binary: expected a spectral radius of the child counts < 1, got 1.2000",
        ),
        (
            lambda: GrammarSource.from_rules({"S": {"S S": 0.2, "a": 0.4}}),
            "binary and lexical: expected probabilities that sum to 1, got a sum of 0.6",
        ),
        (
            lambda: GrammarSource.agreement().log_prob(torch.tensor([[0, -1, 1]])),
            "x: expected words first and padding -1 after them, got otherwise",
        ),
        (
            lambda: GrammarSource.agreement().posterior(torch.tensor([[0, 0]])),
            "log_prob(x): expected finite values, got 1 NaN or infinite of 1",
        ),
        (
            lambda: GrammarSource.agreement().sample(2, condition=torch.tensor([0])),
            "condition: expected None (grammars draw whole sentences), got one",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value).startswith(message)
