"""A recurrent language model: what it sees, what it must not see, and how far gradients flow."""

import math

import pytest
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.rnn_lm import KINDS, RecurrentLM
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.stepwise import stepwise
from course_utils.worlds.sequences import HiddenMarkovSource

LENGTH = 6


class Leaky(RecurrentLM):
    """Erratum E06: the state that predicts x_i has already read x_i."""

    def conditionals(self, x):
        return self.readout(self._outputs(self.embedding(x)))


def slopes(model):
    """The largest |d logits_i / d C(x_j)|, (i, j): every position holds a symbol of its own."""
    x = torch.arange(LENGTH)[None]
    table = model.embedding.weight
    logits = model.conditionals(x)[0]
    rows = [
        torch.stack([torch.autograd.grad(one, table, retain_graph=True)[0] for one in of_step])
        for of_step in logits
    ]
    return torch.stack(rows).abs().amax((1, 3))[:, :LENGTH]


@pytest.mark.concept("ar.rnn-lm")
@pytest.mark.parametrize("kind", KINDS)
def test_logits_have_no_derivative_at_their_own_or_a_later_symbol(kind, randomise):
    reached = slopes(randomise(RecurrentLM(LENGTH, 5, kind=kind, embed_dim=3)))
    assert torch.equal(reached > 0, torch.ones(LENGTH, LENGTH).tril(-1).bool())


@pytest.mark.concept("ar.rnn-lm")
def test_the_unshifted_version_sees_its_target_and_beats_the_entropy(randomise):
    leaky = randomise(Leaky(LENGTH, 5, embed_dim=3))
    assert torch.equal(slopes(leaky) > 0, torch.ones(LENGTH, LENGTH).tril().bool())

    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(1)
    losses = {}
    for cls in (Leaky, RecurrentLM):
        model = cls(4, 16, embed_dim=8)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(120):
            optimiser.zero_grad()
            model.loss(torch.randint(4, (32, 12), generator=rng))["total"].backward()
            optimiser.step()
        fresh = torch.randint(4, (500, 12), generator=rng)
        losses[cls] = model.loss(fresh)["nats_per_dim"].item()
    assert losses[Leaky] < 0.05
    assert math.log(4) - 1e-3 < losses[RecurrentLM] < math.log(4) + 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_steps_give_the_logits_of_the_whole_pass(kind, randomise, generator):
    model = randomise(RecurrentLM(4, 5, kind=kind, embed_dim=3))
    x = torch.randint(4, (7, 9), generator=generator)
    cache, last, logits = model.start(7), None, []
    for t in range(9):
        row, cache = model.step(cache, last)
        logits.append(row)
        last = x[:, t]
    torch.testing.assert_close(torch.stack(logits, 1), model.conditionals(x), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.rnn-lm")
@pytest.mark.parametrize("kind", KINDS)
def test_sampling_by_steps_draws_what_whole_passes_draw(kind, randomise):
    model = randomise(RecurrentLM(4, 5, kind=kind, embed_dim=3))
    prefix = torch.tensor([[1, 3]]).expand(50, -1)
    quick, slow = (torch.Generator().manual_seed(5) for _ in range(2))
    x = stepwise(model, 50, 12, prefix=prefix, generator=quick)
    naive = ancestral(model.conditionals, model.head, 50, 12, prefix=prefix, generator=slow)
    assert torch.equal(x, naive)
    again = model.sample(50, condition=prefix, length=12, generator=quick.manual_seed(5))
    assert torch.equal(x, again)


@pytest.mark.parametrize("kind", KINDS)
def test_truncation_changes_no_value_and_cuts_exactly_the_paths_across(kind, randomise):
    model = randomise(RecurrentLM(LENGTH, 5, kind=kind, embed_dim=3)).train()
    x = torch.arange(LENGTH)[None]
    whole, reached = model.conditionals(x), slopes(model) > 0
    model.truncation = 2
    torch.testing.assert_close(model.conditionals(x), whole, atol=1e-12, rtol=0)
    cut = slopes(model) > 0
    step = torch.arange(LENGTH)
    # x_j is read at step j + 1, and steps 0-1, 2-3, 4-5 are the pieces
    same_piece = step[:, None] // 2 == (step[None, :] + 1) // 2
    assert torch.equal(cut, reached & same_piece)
    model.truncation = LENGTH
    assert torch.equal(slopes(model) > 0, reached)
    model.truncation = 2
    assert torch.equal(slopes(model.eval()) > 0, reached)


@pytest.mark.concept("ar.rnn-lm")
def test_it_learns_the_forward_filter_of_a_hidden_markov_source(all_states):
    """KL(source || model) per symbol, over all 3^7 sequences, against the best bigram's."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(2)
    transition = torch.tensor([[0.95, 0.05], [0.05, 0.95]], dtype=torch.float64)
    emission = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], dtype=torch.float64)
    source = HiddenMarkovSource(transition, emission)
    x = all_states(3, 7)
    log_p = source.log_prob(x)
    data = source.sample(2000, length=30, generator=rng)
    model = RecurrentLM(3, 16, kind="rnn", embed_dim=4)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 300)
        rows = torch.randint(2000, (64,), generator=rng)
        optimiser.zero_grad()
        model.loss(data[rows])["total"].backward()
        optimiser.step()
    with torch.no_grad():
        gap = (log_p.exp() @ (log_p - model.log_prob(x).double())).item() / 7
    pair = log_p.exp().reshape(3, 3, -1).sum(-1)
    last = (pair / pair.sum(1, keepdim=True)).log()
    bigram = pair.sum(1).log()[x[:, 0]] + last[x[:, :-1], x[:, 1:]].sum(1)
    bigram_gap = (log_p.exp() @ (log_p - bigram)).item() / 7
    assert 0 < gap < 0.1 * bigram_gap


def test_logits_are_the_formula(randomise):
    model = randomise(RecurrentLM(3, 4, kind="rnn", embed_dim=2))
    kernel, x = model.recurrence.kernel, [2, 0, 1]
    h, logits = torch.zeros(4, dtype=torch.float64), []
    for read in [3, *x[:-1]]:
        e = model.embedding.weight[read]
        bias = kernel.bias_ih_l0 + kernel.bias_hh_l0
        h = torch.tanh(bias + kernel.weight_ih_l0 @ e + kernel.weight_hh_l0 @ h)
        logits.append(model.readout.bias + model.readout.weight @ h)
    found = model.conditionals(torch.tensor([x]))[0]
    torch.testing.assert_close(found, torch.stack(logits))
    nats = -functional.cross_entropy(torch.stack(logits), torch.tensor(x), reduction="none")
    torch.testing.assert_close(model.log_prob_terms(torch.tensor([x]))[0], nats)


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^kind: expected one of 'rnn', 'lstm', got 'gru'$"):
        RecurrentLM(4, kind="gru")
    with pytest.raises(ArgumentError, match=r"^truncation: expected a whole number >= 1, got 0$"):
        RecurrentLM(4, truncation=0)
    with pytest.raises(ArgumentError, match=r"^num_samples: expected a whole number >= 1, got 0$"):
        RecurrentLM(4).sample(0)
    with pytest.raises(ArgumentError, match=r"^x: expected values <= 3, got a value of 4$"):
        RecurrentLM(4).log_prob(torch.tensor([[4]]))
