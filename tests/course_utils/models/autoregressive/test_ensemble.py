"""The mean of conditionals is a distribution, and never worse than the average member."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive import FVSBN, MADE, Ensemble, PixelCNNPP, WindowModel

MEANS = pytest.mark.parametrize("mean", ["arithmetic", "geometric"])


@pytest.fixture
def pair(randomise):
    """One member with each kind of head, 2 x 2 pixels with 3 levels."""
    mixture = randomise(PixelCNNPP(2, 2, 3, features=3, num_components=2))
    return mixture, randomise(WindowModel(2, 2, 3, 1, 5, level_dim=4))


def test_each_term_is_the_log_of_the_members_mean(pair, all_states):
    x = all_states(3, 4)
    members = torch.stack([model.log_prob_terms(x).exp() for model in pair])
    torch.testing.assert_close(Ensemble(pair).log_prob_terms(x), members.mean(0).log())


def test_the_geometric_mean_is_the_normalised_root_of_the_product(pair, all_states):
    """By explicit products over the three levels; two members, so the root is a square root."""
    x = all_states(3, 4)
    mixture, window = pair
    tables = mixture.head.log_pmf(mixture.conditionals(x)).exp(), window.conditionals(x).softmax(-1)
    roots = torch.sqrt(tables[0] * tables[1])
    wanted = (roots / roots.sum(-1, keepdim=True)).gather(-1, x[..., None])[..., 0]
    terms = Ensemble(pair, "geometric").log_prob_terms(x)
    torch.testing.assert_close(terms.exp(), wanted, atol=1e-12, rtol=0)


@MEANS
def test_a_single_member_is_its_own_mean(mean, pair, all_states):
    x = all_states(3, 4)
    terms = Ensemble(pair[:1], mean).log_prob_terms(x)
    torch.testing.assert_close(terms, pair[0].log_prob_terms(x), atol=1e-12, rtol=0)


@MEANS
def test_probabilities_sum_to_one_and_the_loss_is_at_most_the_average(mean, pair, all_states):
    ensemble, x = Ensemble(pair, mean), all_states(3, 4)
    log_prob = ensemble.log_prob(x)
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    average = sum(model.log_prob(x) for model in pair) / 2
    assert (log_prob >= average - 1e-12).all()
    assert (log_prob > average + 0.1).any()


def test_it_samples_in_the_order_of_its_members(randomise, all_states, chi_square_p, generator):
    order = torch.tensor([2, 0, 1])
    members = [randomise(MADE(3, (4,), num_levels=3, order=order)) for _ in range(2)]
    with torch.no_grad():
        members[1].net[-1].bias.neg_()
    ensemble = Ensemble(members)
    assert torch.equal(ensemble.order, order)
    probs = ensemble.log_prob(all_states(3, 3)).detach().exp()
    assert chi_square_p(ensemble.sample(50_000, generator=generator), probs, 3) > 1e-3


def test_members_that_do_not_fit_together_are_named(as_user):
    window = WindowModel(2, 2, 3, 1, 5, level_dim=4)
    with pytest.raises(ArgumentError, match=r"^members: expected at least one model, got none$"):
        Ensemble([])
    with pytest.raises(ArgumentError, match=r"^members: expected models with the same number of"):
        Ensemble([window, WindowModel(2, 2, 4, 1, 5, level_dim=4)])
    with pytest.raises(ArgumentError, match=r"^members: expected models with the same order of"):
        Ensemble([window, MADE(4, (3,), num_levels=3, order=torch.tensor([1, 0, 2, 3]))])
    with pytest.raises(ArgumentError, match=r"^members: expected heads over levels, got Bernoulli"):
        Ensemble([FVSBN(4)])
    with pytest.raises(ArgumentError, match=r"^mean: expected one of 'arithmetic', 'geometric', g"):
        Ensemble([window], "harmonic")
