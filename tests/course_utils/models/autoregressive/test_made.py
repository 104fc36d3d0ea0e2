"""One masked network gives all conditionals: its Jacobian and its sum over all states say so."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.made import MADE

ORDER = torch.tensor([5, 2, 7, 0, 6, 1, 3, 4])


@pytest.mark.concept("flow.made")
@pytest.mark.parametrize("order", [None, ORDER])
@pytest.mark.parametrize("hidden", [(40,), (32, 24)])
def test_jacobian_is_strictly_lower_triangular_in_the_chosen_order(
    order, hidden, randomise, generator
):
    model = randomise(MADE(8, hidden, order=order))
    x = torch.randn(8, generator=generator, dtype=torch.float64)
    reached = torch.autograd.functional.jacobian(model.net, x) != 0
    in_order = reached[model.order][:, model.order]
    assert torch.equal(in_order, torch.ones(8, 8).tril(-1).bool())


@pytest.mark.concept("flow.made")
@pytest.mark.parametrize("order", [None, ORDER])
def test_probabilities_of_all_256_states_sum_to_one(order, randomise, all_states):
    model = randomise(MADE(8, (32, 24), order=order))
    total = model.log_prob(all_states(2, 8)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-10)  # 256 float64 roundings


@pytest.mark.concept("flow.made")
@pytest.mark.parametrize("encoding", ["one-hot", "scaled"])
def test_categorical_logits_move_for_later_variables_only(encoding, randomise, generator):
    order = torch.tensor([3, 1, 0, 2])
    model = randomise(MADE(4, (40,), num_levels=5, encoding=encoding, order=order))
    x = torch.randint(5, (60, 4), generator=generator)
    for step, variable in enumerate(order.tolist()):
        other = x.clone()
        other[:, variable] = (x[:, variable] + 1) % 5
        moved = (model.conditionals(x) != model.conditionals(other)).any(-1).any(0)
        assert set(moved.nonzero()[:, 0].tolist()) == set(order[step + 1 :].tolist())


@pytest.mark.concept("flow.made")
def test_direct_weights_keep_to_the_order(randomise):
    model = randomise(MADE(8, (16,), order=ORDER, direct=True))
    reached = model.direct.mask[model.order][:, model.order]
    assert torch.equal(reached, torch.ones(8, 8).tril(-1).bool())


def test_random_degrees_are_normalised_too(randomise, all_states, generator):
    model = randomise(MADE(6, (20, 20), generator=generator))
    assert model.log_prob(all_states(2, 6)).exp().sum().item() == pytest.approx(1, abs=1e-10)


def test_one_variable_has_a_bias_and_nothing_else(randomise):
    model = randomise(MADE(1, (3,)))
    assert model.log_prob(torch.tensor([[0], [1]])).exp().sum().item() == pytest.approx(1)


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^dropout: expected a number >= 0 and < 1, got 1.0$"):
        MADE(4, (8,), dropout=1.0)
    with pytest.raises(ArgumentError, match=r"^x: expected values <= 2, got a value of 3$"):
        MADE(2, (8,), num_levels=3).log_prob(torch.tensor([[3, 0]]))
