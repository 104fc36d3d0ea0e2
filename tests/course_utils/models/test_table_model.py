"""A table of two hidden and three observed values: all four tasks against the table itself."""

import pytest
import scipy.stats
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.table import TableModel

JOINT = torch.tensor([[0.10, 0.25, 0.05], [0.30, 0.10, 0.20]], dtype=torch.float64)


@pytest.fixture
def model():
    model = TableModel(2, (3,)).double()
    with torch.no_grad():
        model.logits.copy_(JOINT.log() + 1.7)  # a constant that must not matter
    return model


@pytest.mark.concept("found.four-tasks")
def test_scores_are_sums_over_the_hidden_variable(model):
    found = model.log_prob(model.states()).exp()
    torch.testing.assert_close(found, JOINT.sum(0), rtol=1e-12, atol=0)
    assert abs(found.sum() - 1) < 1e-12


@pytest.mark.concept("found.four-tasks")
def test_samples_follow_the_table(model, generator):
    drawn = model.sample(20_000, generator=generator)
    counts = drawn[:, 0].bincount(minlength=3)
    assert scipy.stats.chisquare(counts, 20_000 * JOINT.sum(0)).pvalue > 0.001


@pytest.mark.concept("found.conditional-generation")
def test_samples_given_the_hidden_variable_follow_its_row(model, generator):
    for z in (0, 1):
        row = JOINT[z] / JOINT[z].sum()
        counts = model.sample(20_000, condition=z, generator=generator)[:, 0].bincount(minlength=3)
        assert scipy.stats.chisquare(counts, 20_000 * row).pvalue > 0.001


@pytest.mark.concept("found.conditional-generation")
def test_conditional_laws_weighted_by_the_labels_give_the_marginal(model):
    prior = model.joint().exp().sum(1)
    rows = model.joint().exp() / prior[:, None]
    mixed = model.log_prob(model.states()).exp()
    torch.testing.assert_close(prior @ rows, mixed, rtol=1e-12, atol=0)


@pytest.mark.concept("found.four-tasks")
def test_posteriors_are_joint_over_marginal(model):
    found = model.posterior(model.states())
    torch.testing.assert_close(found, (JOINT / JOINT.sum(0)).T, rtol=1e-12, atol=0)


@pytest.mark.concept("found.four-tasks")
def test_learning_from_complete_data_returns_the_empirical_table(generator):
    z = torch.randint(2, (50,), generator=generator)
    x = torch.stack(
        [torch.randint(k, (50,), generator=generator) for k in (3, 2)],
        1,
    )
    model = TableModel(2, (3, 2)).double().fit_counts(z, x)
    for a in range(2):
        for b in range(3):
            for c in range(2):
                share = ((z == a) & (x[:, 0] == b) & (x[:, 1] == c)).double().mean()
                assert abs(model.joint()[a, b, c].exp() - share) < 1e-15
    best = -(model.joint()[z, x[:, 0], x[:, 1]]).mean()
    other = TableModel(2, (3, 2)).double()
    assert best < -(other.joint()[z, x[:, 0], x[:, 1]]).mean()


@pytest.mark.concept("found.four-tasks")
def test_the_loss_is_the_negative_log_likelihood_and_can_be_lowered(model):
    x = torch.tensor([[0], [2], [2]])
    loss = model.loss(x)["total"]
    by_hand = -(JOINT.sum(0)[x[:, 0]].log()).mean()
    torch.testing.assert_close(loss.detach(), by_hand, rtol=1e-12, atol=0)
    loss.backward()
    with torch.no_grad():
        model.logits -= 0.1 * model.logits.grad
    assert model.loss(x)["total"] < loss


def test_bad_arguments_get_one_line(as_user):
    model = TableModel(2, (3,)).double()
    model.fit_counts(torch.tensor([0, 0]), torch.tensor([[0], [1]]))
    for call, message in (
        (lambda: model.log_prob(torch.tensor([[3]])), r"x\[:, 0\]: expected values <= 2"),
        (lambda: model.log_prob(torch.tensor([[0, 1]])), "x: expected shape"),
        (lambda: model.posterior(torch.tensor([[2]])), "x: expected values that can occur"),
        (lambda: model.sample(3, condition=1), "condition: expected a value that can occur"),
        (lambda: model.sample(3, condition=2), "condition: expected a whole number"),
        (lambda: TableModel(2, ()), "levels: expected at least one variable, got none"),
        (lambda: model.fit_counts(torch.tensor([2]), torch.tensor([[0]])), "z: expected values"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
