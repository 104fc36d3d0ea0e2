"""The shared running sum against one sum per conditional."""

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.nade import NADE

ORDER = torch.tensor([3, 0, 5, 1, 4, 2])


def naive_logits(model, x):
    """O(d^2 H): every hidden layer from scratch, from the definition."""
    rows = []
    order = model.order.tolist()
    for i in range(model.num_variables):
        total = model.hidden_bias.expand(len(x), -1)
        for j in order[: order.index(i)]:
            if model.encoding == "one-hot":
                total = total + model.input_weights[j, x[:, j]]
            else:
                number = x[:, j, None].double()
                if model.num_levels > 2:
                    number = 2 * number / (model.num_levels - 1) - 1
                total = total + number * model.input_weights[j, 0]
        rows.append(total.sigmoid() @ model.output_weights[i].T + model.output_bias[i])
    return torch.stack(rows, 1)


@pytest.mark.concept("ar.nade")
@pytest.mark.parametrize("order", [None, ORDER])
@pytest.mark.parametrize(
    ("num_levels", "encoding"), [(2, "one-hot"), (4, "one-hot"), (4, "scaled")]
)
def test_running_sum_equals_one_sum_per_conditional(
    num_levels, encoding, order, randomise, generator
):
    model = randomise(NADE(6, 5, num_levels=num_levels, encoding=encoding, order=order))
    x = torch.randint(num_levels, (30, 6), generator=generator)
    torch.testing.assert_close(model.conditionals(x), naive_logits(model, x), atol=1e-12, rtol=0)
    single = model.float().conditionals(x)
    torch.testing.assert_close(
        single, naive_logits(model.double(), x).float(), atol=1e-5, rtol=1e-5
    )


@pytest.mark.concept("ar.nade")
def test_probabilities_of_all_1024_states_sum_to_one(randomise, all_states, generator):
    model = randomise(NADE(10, 7, order=torch.randperm(10, generator=generator)))
    total = model.log_prob(all_states(2, 10)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-10)  # 1024 float64 roundings


@pytest.mark.concept("ar.nade")
def test_parameters_grow_linearly_with_the_number_of_variables():
    counts = [sum(p.numel() for p in NADE(d, 8).parameters()) for d in (10, 20, 40)]
    assert counts == [d * (2 * 8 + 1) + 8 for d in (10, 20, 40)]


def test_no_conditional_depends_on_its_own_variable_not_even_by_rounding(randomise, generator):
    model = randomise(NADE(6, 5, num_levels=3, order=ORDER))
    x = torch.randint(3, (50, 6), generator=generator)
    for i in range(6):
        other = x.clone()
        other[:, i] = (x[:, i] + 1) % 3
        assert torch.equal(model.conditionals(x)[:, i], model.conditionals(other)[:, i])


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^num_levels: expected a whole number >= 2, got 1$"):
        NADE(4, 3, num_levels=1)
    with pytest.raises(ArgumentError, match=r"^hidden: expected a whole number >= 1, got 0$"):
        NADE(4, 0)
    with pytest.raises(ArgumentError, match=r"^encoding: expected one of 'one-hot', 'scaled', got"):
        NADE(4, 3, num_levels=3, encoding="binary")
