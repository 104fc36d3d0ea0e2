"""Dynamic programming against sums over all sequences."""

import pytest
import torch
from scipy import stats

from course_utils.arguments import ArgumentError
from course_utils.distributions import CategoricalHead
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.enumeration import sequence_log_probs, sequences
from course_utils.samplers.lookahead import backward_weights, reweighted, tempered_markov
from course_utils.worlds.sequences import MarkovSource


def random_machine(generator, states=4, symbols=3):
    scores = torch.randn(states, symbols, generator=generator, dtype=torch.float64)
    next_state = torch.randint(states, (states, symbols), generator=generator)
    final = torch.randn(states, generator=generator, dtype=torch.float64)
    return scores, next_state, final


def log_weight(scores, next_state, final, start, x):
    total, state = 0.0, start
    for symbol in x:
        total, state = total + scores[state, symbol], next_state[state, symbol].item()
    return total + final[state]


def test_reweighted_is_the_normalised_weight_of_every_sequence(generator):
    scores, next_state, final = random_machine(generator)
    scores[1, 2] = -torch.inf
    x = sequences(3, 5)
    weights = torch.stack([log_weight(scores, next_state, final, 2, row) for row in x.tolist()])
    conditionals = reweighted(scores, next_state, final, 5, start=2)
    result = sequence_log_probs(conditionals, x)
    torch.testing.assert_close(result, weights - weights.logsumexp(0), rtol=0, atol=1e-12)
    total = backward_weights(scores, next_state, final, 5)[0, 2]
    assert total.item() == pytest.approx(weights.logsumexp(0).item(), abs=1e-12)


@pytest.mark.concept("ar.temperature")
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_tempered_chain_is_the_tempered_joint(temperature, generator):
    source = MarkovSource.random(4, generator=generator)
    x = sequences(4, 4)
    powers = source.log_prob(x) / temperature
    initial, transition = source.initial.log(), source.transition.log()
    conditionals = tempered_markov(initial, transition, 4, temperature)
    result = sequence_log_probs(conditionals, x)
    torch.testing.assert_close(result, powers - powers.logsumexp(0), rtol=0, atol=1e-12)


def test_samples_of_the_tempered_joint_pass_chi_square(generator):
    source = MarkovSource.random(3, generator=generator)
    conditionals = tempered_markov(source.initial.log(), source.transition.log(), 3, 0.5)
    samples = ancestral(conditionals, CategoricalHead(3), 50_000, 3, generator=generator)
    counts = torch.bincount((samples * torch.tensor([9, 3, 1])).sum(1), minlength=27)
    powers = source.log_prob(sequences(3, 3)).exp() ** 2
    expected = (powers / powers.sum() * 50_000).numpy()
    assert stats.chisquare(counts.numpy(), expected).pvalue > 1e-3


def test_wrong_arguments_are_named_in_one_line(as_user, generator):
    scores, next_state, final = random_machine(generator)
    with pytest.raises(ArgumentError, match=r"^length: expected a sequence of positive weight"):
        reweighted(scores, next_state, torch.full_like(final, -torch.inf), 3)
    with pytest.raises(ArgumentError, match=r"^final: expected shape \(4\), got shape \(3,\)$"):
        backward_weights(scores, next_state, final[:3], 3)
    with pytest.raises(ArgumentError, match=r"^start: expected a whole number >= 0 and <= 3"):
        reweighted(scores, next_state, final, 3, start=4)
    with pytest.raises(ArgumentError, match=r"^temperature: expected a number > 0, got 0$"):
        tempered_markov(scores[0], scores[:3], 3, 0)
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(samples, 3\)"):
        reweighted(scores, next_state, final, 3)(torch.zeros(2, 4, dtype=torch.int64))
