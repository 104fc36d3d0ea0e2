"""The block: what it may see, what it contains, what it computes, and what depth does to it."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_utils.arguments import ArgumentError
from course_utils.nets.attention import causal_mask
from course_utils.nets.positions import rotation
from course_utils.nets.transformer import (
    Block,
    attention_maps,
    block_multiplications,
    block_parameters,
    initialise,
    stack,
    step_multiplications,
)


def _multiply_adds(function):
    """Multiply-adds of all matrix products, as PyTorch dispatches them (two FLOPs each)."""
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter, torch.no_grad():
        function()
    return counter.get_total_flops() / 2


@pytest.mark.concept("ar.transformer-block")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_changing_a_token_leaves_everything_before_it_bit_identical(norm, generator):
    block = Block(8, 2, norm=norm).eval()
    x = torch.randn(2, 6, 8, generator=generator)
    before = block(x)
    for j in range(6):
        changed = x.clone()
        changed[:, j] += torch.randn(8, generator=generator)  # a constant would be normed away
        moved = (block(changed) != before).any(-1).any(0)
        assert moved.tolist() == [i >= j for i in range(6)]


@pytest.mark.concept("ar.transformer-block")
def test_without_the_causal_mask_every_position_sees_every_other(generator):
    block = Block(8, 2, causal=False)
    x = torch.randn(1, 5, 8, generator=generator)
    jacobian = torch.autograd.functional.jacobian(block, x)[0, :, :, 0]
    assert (jacobian.abs().amax((1, 3)) > 0).all()


@pytest.mark.concept("ar.transformer-block")
@pytest.mark.parametrize("dim", [8, 32, 96])
def test_parameters_are_twelve_squares_and_the_biases_and_norms(dim):
    count = sum(weights.numel() for weights in Block(dim, 2).parameters())
    biases = dim + 3 * dim + 4 * dim + dim  # out of attention, into it, into F, out of it
    assert count == 12 * dim**2 + biases + 2 * 2 * dim == block_parameters(dim)
    wide = sum(weights.numel() for weights in Block(dim, 2, expansion=3).parameters())
    assert wide == block_parameters(dim, expansion=3)


@pytest.mark.concept("ar.transformer-block")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_equals_the_encoder_layer_of_pytorch(norm, generator):
    block = Block(8, 2, norm=norm).double()
    peer = nn.TransformerEncoderLayer(
        8,
        2,
        32,
        dropout=0.0,
        activation=lambda x: nn.functional.gelu(x, approximate="tanh"),
        batch_first=True,
        norm_first=norm == "pre",
        dtype=torch.float64,
    )
    pairs = {
        "self_attn.in_proj_weight": block.attention.project_in.weight,
        "self_attn.in_proj_bias": block.attention.project_in.bias,
        "self_attn.out_proj.weight": block.attention.project_out.weight,
        "self_attn.out_proj.bias": block.attention.project_out.bias,
        "linear1.weight": block.widen.weight,
        "linear1.bias": block.widen.bias,
        "linear2.weight": block.narrow.weight,
        "linear2.bias": block.narrow.bias,
        "norm1.weight": block.norm_attention.weight,
        "norm1.bias": block.norm_attention.bias,
        "norm2.weight": block.norm_feedforward.weight,
        "norm2.bias": block.norm_feedforward.bias,
    }
    for weights in pairs.values():
        nn.init.normal_(weights, std=0.5, generator=generator)
    peer.load_state_dict(pairs)
    x = torch.randn(3, 5, 8, generator=generator, dtype=torch.float64)
    forbidden = ~causal_mask(5)
    torch.testing.assert_close(block(x), peer(x, src_mask=forbidden), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.transformer-block")
@pytest.mark.parametrize("expansion", [2, 4])
def test_multiplications_are_those_that_are_dispatched(expansion):
    block = Block(16, 2, expansion=expansion).eval()
    x = torch.zeros(1, 12, 16)
    counted = _multiply_adds(lambda: block(x))
    assert counted == block_multiplications(12, 16, expansion=expansion)


@pytest.mark.concept("ar.kv-cache")
def test_a_step_costs_as_much_more_as_it_has_more_to_look_at():
    block, kept = Block(16, 2).eval(), torch.zeros(2, 1, 2, 12, 8)
    counted = [
        _multiply_adds(lambda t=t: block.step(torch.zeros(1, 1, 16), kept, t)) for t in range(12)
    ]
    assert counted == [step_multiplications(t, 16) for t in range(12)]
    assert len({b - a for a, b in pairwise(counted)}) == 1


def _gradient_of_the_last_block(norm, num_blocks):
    """Mean over five starts of the norm of the last hidden layer's gradient, Xavier weights."""
    norms = []
    for seed in range(5):
        torch.manual_seed(seed)
        blocks = nn.ModuleList(Block(32, 2, norm=norm) for _ in range(num_blocks))
        for weights in blocks.parameters():
            if weights.ndim == 2:
                nn.init.xavier_normal_(weights)
        last = stack(blocks, torch.randn(8, 16, 32))[-1]
        last = nn.functional.layer_norm(last, (32,)) if norm == "pre" else last
        logits = (last @ torch.randn(32, 8) / 32**0.5).flatten(0, 1)
        nn.functional.cross_entropy(logits, torch.randint(8, (128,))).backward()
        norms.append(blocks[-1].widen.weight.grad.norm().item())
    return sum(norms) / 5


@pytest.mark.concept("ar.transformer-block")
def test_last_gradient_falls_with_the_root_of_the_depth_for_pre_norm_only():
    """[xiong2020layer]: of the order 1/sqrt(L) with pre-norm, no such fall with post-norm."""
    fall = {
        norm: _gradient_of_the_last_block(norm, 48) / _gradient_of_the_last_block(norm, 12)
        for norm in ("pre", "post")
    }
    assert fall["pre"] == pytest.approx(48**-0.5 / 12**-0.5, rel=0.15)  # 5 starts, s.e. about 5 %
    assert fall["post"] > 0.9


@pytest.mark.concept("ar.transformer-block")
def test_the_input_stays_in_the_stream_with_pre_norm_and_is_halved_away_with_post_norm():
    """With F(x) = 0 and no attention the stack is the identity, up to the norms of post-norm."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8)
    for norm in ("pre", "post"):
        blocks = nn.ModuleList(Block(8, 2, norm=norm) for _ in range(3))
        for block in blocks:
            for last in (block.attention.project_out, block.narrow):
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
        out = stack(blocks, x)[-1]
        expected = x if norm == "pre" else nn.functional.layer_norm(x, (8,))
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=0)


def test_initial_corrections_do_not_grow_with_depth():
    for num_blocks in (2, 32):
        torch.manual_seed(0)
        blocks = nn.ModuleList(Block(64, 4) for _ in range(num_blocks))
        initialise(blocks, 64, num_blocks)
        x = torch.randn(4, 16, 64)
        with torch.no_grad():
            grown = stack(blocks, x)[-1].square().mean() / x.square().mean()
        assert 1 < grown < 1.5
    assert blocks[0].widen.weight.std().item() == pytest.approx((0.3 / 64) ** 0.5, rel=0.05)


@pytest.mark.parametrize("num_blocks", [1, 6])
def test_last_matrix_of_each_correction_starts_smaller_by_the_root_of_their_number(num_blocks):
    """2L corrections of variance 1/(2L) add up to one; all other matrices keep their size."""
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(64, 4) for _ in range(num_blocks))
    initialise(blocks, 64, num_blocks)
    for block in blocks:
        for last in (block.attention.project_out, block.narrow):
            variance = last.weight.square().mean().item()
            spread = 4 * (2 / last.weight.numel()) ** 0.5  # four standard errors
            assert variance * 2 * num_blocks == pytest.approx(0.3 / 64, rel=spread)
        assert block.widen.weight.square().mean().item() == pytest.approx(0.3 / 64, rel=0.05)


@pytest.mark.concept("ar.transformer-block")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_maps_are_those_of_the_stream_as_it_flows(norm, generator):
    blocks = nn.ModuleList(Block(8, 2, norm=norm) for _ in range(3)).double()
    x = torch.randn(2, 5, 8, generator=generator, dtype=torch.float64)
    turn = rotation(torch.arange(5), 4)
    maps = attention_maps(blocks, x, turn)
    assert maps.shape == (3, 2, 2, 5, 5)
    second = blocks[1]
    inside = blocks[0](x, turn)
    inside = second.norm_attention(inside) if norm == "pre" else inside
    torch.testing.assert_close(maps[1], second.attention.weights(inside, turn))


def test_dropout_acts_in_training_alone():
    block = Block(8, 2, dropout=0.5)
    x = torch.ones(1, 4, 8)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^norm: expected one of 'pre', 'post', got 'none'$"):
        Block(8, 2, norm="none")
    with pytest.raises(ArgumentError, match=r"^dropout: expected a number >= 0 and < 1, got 1"):
        Block(8, 2, dropout=1)
