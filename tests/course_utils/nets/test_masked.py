"""Masks let information flow forward in the order and never backward or sideways."""

from itertools import permutations

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.nets.masked import MaskedLinear, hidden_degrees, made_masks, ranks


def test_ranks_invert_the_order():
    order = torch.tensor([2, 0, 3, 1])
    assert ranks(order).tolist() == [1, 3, 0, 2]
    assert ranks(order)[order].tolist() == [0, 1, 2, 3]


@pytest.mark.concept("flow.made")
@pytest.mark.parametrize("hidden", [(), (5,), (6, 4), (3, 7, 5)])
def test_paths_exist_exactly_from_earlier_to_later_variables(hidden):
    """The product of the masks counts the paths from each input to each output.

    Evenly spread degrees with width >= D - 1 lose no dependence; without hidden layers none
    are lost either.
    """
    for order in permutations(range(4)):
        masks = made_masks(torch.tensor(order), hidden)
        paths = torch.eye(4)
        for mask in masks:
            paths = mask.float() @ paths
        rank = ranks(torch.tensor(order))
        assert torch.equal(paths > 0, rank[:, None] > rank[None, :])


@pytest.mark.concept("flow.made")
def test_units_of_one_variable_share_its_place():
    masks = made_masks(torch.tensor([1, 0, 2]), (8,), num_inputs_each=3, num_outputs_each=2)
    paths = (masks[1].float() @ masks[0].float()) > 0
    rank = torch.tensor([1, 0, 2])
    wanted = rank.repeat_interleave(2)[:, None] > rank.repeat_interleave(3)[None, :]
    assert torch.equal(paths, wanted)


@pytest.mark.concept("flow.made")
def test_random_degrees_stay_causal_and_within_range(generator):
    degrees = hidden_degrees(6, 500, generator=generator)
    assert degrees.unique().tolist() == [1, 2, 3, 4, 5]
    for _ in range(20):
        order = torch.randperm(6, generator=generator)
        first, second = made_masks(order, (7,), generator=generator)
        rank = ranks(order)
        assert not ((second.int() @ first.int() > 0) & (rank[:, None] <= rank[None, :])).any()


def test_even_degrees_give_every_step_its_share():
    assert hidden_degrees(5, 8).bincount().tolist() == [0, 2, 2, 2, 2]
    assert hidden_degrees(1, 3).tolist() == [1, 1, 1]


def test_masked_weights_neither_act_nor_learn(generator):
    mask = torch.rand(4, 3, generator=generator) < 0.5
    layer = MaskedLinear(mask)
    x = torch.randn(6, 3, generator=generator)
    out = layer(x)
    torch.testing.assert_close(out, x @ torch.where(mask, layer.weight, 0.0).T + layer.bias)
    out.square().sum().backward()
    assert (layer.weight.grad[~mask] == 0).all() and (layer.weight.grad[mask] != 0).all()


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^order: expected a permutation of 0 \.\. 1, got"):
        made_masks(torch.tensor([1, 1]), (4,))
    with pytest.raises(ArgumentError, match=r"^width: expected a whole number >= 1, got 0$"):
        made_masks(torch.tensor([0, 1]), (0,))
