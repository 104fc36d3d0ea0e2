"""What the map claims is found in the models, by looking for the classes themselves."""

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.curriculum.foundation_map import (
    BLOCKS,
    MODELS,
    PAIRS,
    count_blocks,
    foundation_map,
)
from course_utils.models.autoregressive import GPT
from course_utils.models.latent import VAE


def holds(thing, kinds, depth=0):
    """Whether a part is of one of the kinds: attributes and children, written as a recursion."""
    if isinstance(thing, kinds):
        return True
    if depth > 8 or not isinstance(thing, nn.Module):
        return False
    children = [*thing._modules.values(), *vars(thing).values()]
    return any(holds(child, kinds, depth + 1) for child in children if child is not None)


@pytest.mark.concept("ped.foundation-map")
@pytest.mark.parametrize(("block", "model"), PAIRS)
def test_every_pair_of_the_map_is_there(block, model):
    built = MODELS[model]()
    assert holds(built, BLOCKS[block])
    assert count_blocks(built, block) > 0


@pytest.mark.concept("ped.foundation-map")
def test_what_the_map_does_not_show_is_not_there():
    found = foundation_map()
    assert list(found) == list(MODELS)
    for model, counts in found.items():
        built = MODELS[model]()
        assert list(counts) == list(BLOCKS)
        for block, count in counts.items():
            assert (count > 0) == holds(built, BLOCKS[block])


@pytest.mark.concept("ped.foundation-map")
def test_counts_are_those_of_the_architecture():
    """Two blocks, each with attention and two norms, and one norm at the end."""
    model = GPT(3, 8, dim=8, num_heads=2, num_layers=2)
    assert count_blocks(model, "Transformer block") == count_blocks(model, "attention") == 2
    assert count_blocks(model, "normalisation") == 2 * 2 + 1
    vae = MODELS["VAE"]()
    assert isinstance(vae, VAE) and count_blocks(vae, "latent variable") == 1
    assert count_blocks(vae, "affine map") == 2 + 2


@pytest.mark.concept("ped.foundation-map")
@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_by_backpropagation(model):
    """Its parameters ask for gradients: none is a constant."""
    built = MODELS[model]()
    parameters = list(built.parameters())
    assert parameters and all(parameter.requires_grad for parameter in parameters)
    total = sum(parameter.square().sum() for parameter in parameters)
    total.backward()
    assert all(isinstance(parameter.grad, torch.Tensor) for parameter in parameters)


def test_an_unknown_block_gets_one_line(as_user):
    with pytest.raises(ArgumentError, match="block: expected one of 'affine map', "):
        count_blocks(nn.Linear(1, 1), "capsule")
