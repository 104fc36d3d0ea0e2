"""Masked prediction finds every full conditional; Gibbs sampling turns them into the joint."""

from itertools import product

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.masked_lm import MaskedLM
from course_utils.tasks import Intractable
from course_utils.training import fit
from course_utils.worlds.tables import TableWorld


@pytest.fixture(scope="module")
def counted():
    """A table of four binary variables with probabilities n / 100, and data in that proportion."""
    rng = torch.Generator().manual_seed(3)
    counts = torch.randint(2, 11, (16,), generator=rng)
    counts[0] += 100 - counts.sum()
    assert counts.min() > 0
    world = TableWorld((counts / 100).double().reshape(2, 2, 2, 2))
    return world, world.states().repeat_interleave(counts, 0)


@pytest.fixture(scope="module")
def fitted(counted):
    torch.manual_seed(0)
    model = MaskedLM(2, 4, 24, 2, 2, mask_rate=None)
    fit(
        model,
        counted[1],
        num_steps=300,
        batch_size=100,
        learning_rate=0.01,
        warmup_steps=20,
        generator=torch.Generator().manual_seed(0),
        progress=False,
    )
    return model


@pytest.mark.concept("ar.masked-prediction")
def test_the_minimiser_holds_every_conditional_given_all_others(counted, fitted):
    world, _ = counted
    with torch.no_grad():
        learned = fitted.full_conditionals(world.states()).exp().double()
    for i in range(4):
        for row, x in enumerate(world.states()):
            joint = torch.stack([world.probs[(*x[:i], k, *x[i + 1 :])] for k in (0, 1)])
            torch.testing.assert_close(learned[row, i], joint / joint.sum(), atol=1e-3, rtol=0)


@pytest.mark.concept("ar.masked-prediction")
def test_gibbs_sampling_with_them_returns_the_joint(counted, fitted):
    world, _ = counted
    samples = fitted.sample(12_000, num_sweeps=6, generator=torch.Generator().manual_seed(1))
    powers = torch.tensor([8, 4, 2, 1])
    share = torch.bincount((samples * powers).sum(1), minlength=16) / 12_000
    distance = (share - world.probs.flatten()).abs().sum().item() / 2
    assert distance < 0.02  # chance alone gives about 0.013 with 12,000 draws


@pytest.mark.concept("ar.masked-prediction")
def test_product_of_full_conditionals_is_no_distribution(counted, fitted):
    world, _ = counted
    x = world.states()
    with torch.no_grad():
        terms = fitted.full_conditionals(x).gather(-1, x[..., None])[..., 0].double()
    assert abs(terms.sum(1).exp().sum().item() - 1) > 0.05
    with pytest.raises(Intractable, match=r"MaskedLM cannot score: its conditionals need not"):
        fitted.log_prob(x)


@pytest.mark.concept("ar.masked-prediction")
def test_a_hidden_token_is_not_looked_at_and_every_other_is(generator):
    torch.manual_seed(0)
    model = MaskedLM(5, 4, 8, 2, 2).eval()
    x = torch.randint(5, (20, 4), generator=generator)
    for i, j in product(range(4), repeat=2):
        hidden = torch.zeros_like(x, dtype=torch.bool)
        hidden[:, i] = True
        changed = x.clone()
        changed[:, j] = (changed[:, j] + 1) % 5
        difference = model.conditionals(x, hidden) - model.conditionals(changed, hidden)
        assert bool((difference[:, i] != 0).any()) == (i != j)


@pytest.mark.concept("ar.masked-prediction")
def test_all_at_once_equals_one_position_at_a_time(generator):
    model = MaskedLM(3, 5, 8, 2, 2).double()
    x = torch.randint(3, (4, 5), generator=generator)
    together = model.full_conditionals(x)
    for i in range(5):
        hidden = torch.zeros_like(x, dtype=torch.bool)
        hidden[:, i] = True
        alone = model.conditionals(x, hidden)[:, i].log_softmax(-1)
        torch.testing.assert_close(together[:, i], alone)
    loss = model.loss(x)["total"]  # at random masks, some number; below, the exact one
    assert loss.isfinite()
    model.mask_rate = None
    exact = -together.gather(-1, x[..., None]).mean()
    torch.testing.assert_close(model.loss(x)["total"], exact)


@pytest.mark.concept("ar.masked-prediction")
def test_random_masks_hide_at_the_rate_and_never_nothing():
    """A network that always says log 1/3 has that loss; the masks are read off its inputs."""
    torch.manual_seed(0)
    model = MaskedLM(3, 6, 8, 2, 1, mask_rate=0.1)
    seen = []
    kept = model.conditionals
    model.conditionals = lambda x, hidden: (seen.append(hidden), kept(x, hidden))[1]
    model.loss(torch.zeros(4000, 6, dtype=torch.int64))
    hidden = seen[0]
    assert hidden.any(1).all()
    none = 0.9**6
    expected = 0.1 + none / 6  # rows that would hide nothing hide one position
    share = hidden.float().mean(0)
    assert ((share - expected).abs() < 4 * (expected * (1 - expected) / 4000) ** 0.5).all()


@pytest.mark.concept("ar.masked-prediction")
def test_given_tokens_stay_and_the_rest_follows_the_conditional(counted, fitted):
    world, _ = counted
    given = torch.tensor([[1, -1, 0, -1]])
    samples = fitted.sample(
        8000, condition=given, num_sweeps=4, generator=torch.Generator().manual_seed(2)
    )
    assert (samples[:, 0] == 1).all()
    assert (samples[:, 2] == 0).all()
    truth = world.probs[1, :, 0, :] / world.probs[1, :, 0, :].sum()
    share = torch.bincount(2 * samples[:, 1] + samples[:, 3], minlength=4) / 8000
    assert (share - truth.flatten()).abs().sum().item() / 2 < 0.02


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^mask_rate: expected a number > 0 and < 1, got 1"):
        MaskedLM(3, 4, 8, 2, 1, mask_rate=1)
    model = MaskedLM(3, 4, 8, 2, 1)
    with pytest.raises(ArgumentError, match=r"^x: expected shape \(batch, 4\), got shape \(3, 3"):
        model.full_conditionals(torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^x: expected values <= 2, got a value of 3"):
        model.sample(1, condition=torch.tensor([[3, -1, 0, 0]]))
