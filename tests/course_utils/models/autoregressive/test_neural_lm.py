"""The neural language model learns a known source down to its entropy rate."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.neural_lm import NeuralLM
from course_utils.worlds.sequences import MarkovSource


@pytest.mark.concept("ar.neural-lm")
def test_held_out_loss_reaches_the_entropy_rate_of_an_order_two_source():
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(1)
    source = MarkovSource.random(5, 2, rng)
    train = source.sample(512, length=42, generator=rng)
    held_out = source.sample(1024, length=42, generator=rng)
    model = NeuralLM(5, context=2, embed_dim=6, hidden=64)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 300)
        rows = torch.randint(512, (64,), generator=rng)
        optimiser.zero_grad()
        model.loss(train[rows])["total"].backward()
        optimiser.step()
    with torch.no_grad():
        nats = -model.log_prob_terms(held_out)[:, 2:].mean().item()
    rate = source.entropy_rate().item()
    assert rate - 0.02 < nats < rate + 0.02


@pytest.mark.concept("ar.neural-lm")
def test_logits_are_the_formula_of_the_paper(randomise):
    """One position at a time, from the vectors of the last two symbols."""
    model = randomise(NeuralLM(4, context=2, embed_dim=3, hidden=5))
    x = torch.tensor([[2, 0, 3, 1]])
    logits = model.conditionals(x)[0]
    for t, before in enumerate([(4, 4), (4, 2), (2, 0), (0, 3)]):
        e = torch.cat([model.embedding.weight[symbol] for symbol in before])
        hidden = torch.tanh(model.into_hidden.bias + model.into_hidden.weight @ e)
        wanted = model.direct.bias + model.direct.weight @ e + model.out_of_hidden.weight @ hidden
        torch.testing.assert_close(logits[t], wanted)


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^context: expected a whole number >= 1, got 0$"):
        NeuralLM(4, 0)
    with pytest.raises(ArgumentError, match=r"^x: expected values >= 0, got a value of -1$"):
        NeuralLM(4, 2).log_prob(torch.tensor([[0, -1]]))
