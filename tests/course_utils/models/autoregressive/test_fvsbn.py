"""d logistic regressions: normalised, strictly triangular, and quadratic in their parameters."""

import pytest
import torch

from course_utils.models.autoregressive.fvsbn import FVSBN

ORDER = torch.tensor([4, 1, 9, 0, 7, 2, 8, 5, 3, 6])


@pytest.mark.concept("ar.fvsbn")
@pytest.mark.parametrize("order", [None, ORDER])
def test_probabilities_of_all_1024_states_sum_to_one(order, randomise, all_states):
    model = randomise(FVSBN(10, order))
    total = model.log_prob(all_states(2, 10)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-10)  # 1024 float64 roundings


@pytest.mark.concept("ar.fvsbn")
@pytest.mark.parametrize("order", [None, ORDER])
def test_jacobian_of_the_logits_is_strictly_lower_triangular_in_the_order(order, randomise):
    model = randomise(FVSBN(10, order))
    # The logits are affine, so their Jacobian is the change from 0 to each unit vector.
    corners = torch.cat([torch.zeros(1, 10), torch.eye(10)]).long()
    logits = model.conditionals(corners)[..., 0]
    jacobian = (logits[1:] - logits[0]).T
    in_order = jacobian[model.order][:, model.order]
    assert (in_order.triu() == 0).all()
    assert (in_order[torch.ones(10, 10).tril(-1).bool()] != 0).all()


@pytest.mark.concept("ar.fvsbn")
@pytest.mark.parametrize(("num_variables", "count"), [(1, 1), (10, 55), (784, 307_720)])
def test_parameters_grow_with_the_square_of_the_number_of_variables(num_variables, count):
    assert sum(p.numel() for p in FVSBN(num_variables).parameters()) == count


@pytest.mark.concept("ar.fvsbn")
def test_each_conditional_is_a_logistic_regression(randomise, all_states):
    """One logistic function at a time, from the weights' own positions."""
    model = randomise(FVSBN(4, torch.tensor([2, 0, 3, 1])))
    weights, x = model.weight_matrix(), all_states(2, 4).double()
    before = {2: [], 0: [2], 3: [2, 0], 1: [2, 0, 3]}
    for i, earlier in before.items():
        logit = model.bias[i] + sum(weights[i, j] * x[:, j] for j in earlier)
        truth = torch.where(x[:, i] == 1, logit.sigmoid(), 1 - logit.sigmoid()).log()
        torch.testing.assert_close(model.log_prob_terms(x.long())[:, i], truth)
