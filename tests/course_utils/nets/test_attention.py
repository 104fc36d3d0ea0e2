"""Attention against PyTorch's own, against a loop over positions, and under permutations."""

import math

import pytest
import torch
from torch.nn import functional

from course_utils.arguments import ArgumentError
from course_utils.nets.attention import (
    MultiHeadAttention,
    additive_mask,
    attention,
    attention_weights,
    causal_mask,
)
from course_utils.nets.positions import rotation


def _normal(*shape, generator):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture
def heads(generator):
    """Two examples of three heads with five queries and keys of size four, values of size four."""
    return [_normal(2, 3, 5, 4, generator=generator) for _ in range(3)]


@pytest.mark.concept("ar.attention")
@pytest.mark.parametrize("causal", [False, True])
def test_equals_the_fused_kernel_of_pytorch(heads, causal):
    ours = attention(*heads, causal_mask(5) if causal else None)
    theirs = functional.scaled_dot_product_attention(*heads, is_causal=causal)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)  # float64, five terms
    single = [part.float() for part in heads]
    torch.testing.assert_close(
        attention(*single, causal_mask(5) if causal else None),
        functional.scaled_dot_product_attention(*single, is_causal=causal),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.concept("ar.attention")
def test_each_output_is_the_mean_that_the_definition_says(heads):
    """One query at a time, with exponentials and sums of Python numbers."""
    queries, keys, values = (part[0, 0] for part in heads)
    for query, output in zip(queries, attention(queries, keys, values), strict=True):
        fit = [math.exp(sum((query * key).tolist()) / math.sqrt(4)) for key in keys]
        mean = sum(f * value for f, value in zip(fit, values, strict=True)) / sum(fit)
        torch.testing.assert_close(output, mean)


@pytest.mark.concept("ar.attention")
def test_scores_of_random_vectors_have_variance_one(generator):
    """Entries N(0, 1): q k has variance d, and the scale makes it 1 at every d."""
    for dim in (4, 64):
        queries, keys = (_normal(400, dim, generator=generator) for _ in range(2))
        log_weights = attention_weights(queries, keys).log()
        scores = log_weights - log_weights.mean(1, keepdim=True)  # up to a constant per query
        assert scores.var(1).mean().item() == pytest.approx(1, abs=0.06)  # 4 SE, 400 queries


@pytest.mark.concept("ar.attention")
def test_a_sharp_query_reads_the_one_value_whose_key_fits():
    keys, values = torch.eye(4), torch.arange(4.0)[:, None]
    found = attention(100 * keys[[2, 0]], keys, values)
    torch.testing.assert_close(found, torch.tensor([[2.0], [0.0]]))


@pytest.mark.concept("ar.attention")
@pytest.mark.parametrize("causal", [False, True])
def test_permutes_with_its_inputs_unless_a_mask_forbids(causal, generator):
    module = MultiHeadAttention(6, 2, causal=causal).double()
    x = _normal(3, 5, 6, generator=generator)
    order = torch.tensor([3, 0, 4, 1, 2])
    difference = (module(x[:, order]) - module(x)[:, order]).abs().max().item()
    assert (difference < 1e-12) == (not causal)


@pytest.mark.concept("ar.attention")
def test_heads_are_one_head_each_on_a_block_of_a_block_diagonal_matrix(generator):
    """h heads of size d/h are h separate one-head attentions, their results stacked and mixed."""
    dim, num_heads = 6, 3
    module = MultiHeadAttention(dim, num_heads, causal=False).double()
    x = _normal(2, 5, dim, generator=generator)
    weights = module.project_in.weight.view(3, num_heads, dim // num_heads, dim)
    biases = module.project_in.bias.view(3, num_heads, dim // num_heads)
    stacked = []
    for head in range(num_heads):
        parts = [x @ weights[i, head].T + biases[i, head] for i in range(3)]
        stacked.append(attention(*parts))
    by_hand = module.project_out(torch.cat(stacked, -1))
    torch.testing.assert_close(module(x), by_hand, atol=1e-12, rtol=0)
    # the same with full-size keys: a block-diagonal projection keeps each head to its own block
    blocks = torch.zeros(num_heads, dim, dim, dtype=torch.float64)
    for head in range(num_heads):
        own = slice(2 * head, 2 * head + 2)
        blocks[head, own, own] = torch.eye(2, dtype=torch.float64)
    queries, keys, values = module.project_in(x).unflatten(-1, (3, dim)).unbind(2)
    scale = math.sqrt(dim / (dim // num_heads))  # the softmax divides by sqrt(dim / heads) instead
    full = sum(attention(scale * queries @ b, keys @ b, values @ b) for b in blocks)
    torch.testing.assert_close(module(x), module.project_out(full), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.attention")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_weights_are_those_that_forward_uses(causal, turned, generator):
    module = MultiHeadAttention(8, 2, causal=causal).double()
    x = _normal(3, 5, 8, generator=generator)
    turn = rotation(torch.arange(5), 4) if turned else None
    values = module.queries_keys_values(x, turn)[2]
    mixed = (module.weights(x, turn) @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(module(x, turn), module.project_out(mixed), atol=1e-12, rtol=0)


@pytest.mark.concept("ar.attention")
def test_equals_the_module_of_pytorch(generator):
    module = MultiHeadAttention(8, 4, causal=False).double()
    peer = torch.nn.MultiheadAttention(8, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        peer.in_proj_weight.copy_(module.project_in.weight)
        peer.in_proj_bias.copy_(module.project_in.bias)
        peer.out_proj.weight.copy_(module.project_out.weight)
        peer.out_proj.bias.copy_(module.project_out.bias)
    x = _normal(3, 5, 8, generator=generator)
    theirs, weights = peer(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(module(x), theirs, atol=1e-12, rtol=0)
    torch.testing.assert_close(module.weights(x), weights, atol=1e-12, rtol=0)


@pytest.mark.concept("ar.causal-mask")
def test_mask_is_zero_or_minus_infinity_and_keeps_the_future_out(heads):
    mask = additive_mask(causal_mask(5), torch.float64)
    assert not mask.isnan().any()
    assert set(mask.flatten().tolist()) == {0.0, -math.inf}
    weights = attention_weights(heads[0], heads[1], causal_mask(5))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5, dtype=torch.float64))
    above = torch.ones(5, 5).triu(1).bool()
    assert (weights[..., above] == 0).all()
    assert (weights[..., ~above] > 0).all()


@pytest.mark.concept("ar.causal-mask")
def test_ones_times_minus_infinity_is_no_mask(heads):
    """The printed recipe, a triangle of ones times -inf, has 0 * -inf = NaN wherever it has 0."""
    printed = torch.ones(5, 5, dtype=torch.float64).triu(1) * -math.inf
    assert int(printed.isnan().sum()) == 15
    scores = heads[0] @ heads[1].mT + printed
    assert scores.softmax(-1).isnan().all()


@pytest.mark.concept("ar.causal-mask")
def test_mask_of_the_last_queries_is_the_end_of_the_square_one():
    for num_keys in range(1, 7):
        square = torch.tensor([[j <= i for j in range(num_keys)] for i in range(num_keys)])
        for num_queries in range(1, num_keys + 1):
            assert torch.equal(causal_mask(num_queries, num_keys), square[-num_queries:])


@pytest.mark.concept("ar.causal-mask")
@pytest.mark.parametrize("turned", [False, True])
def test_derivative_by_a_later_position_is_zero(turned, generator):
    module = MultiHeadAttention(4, 2).double()
    turn = rotation(torch.arange(6), 2) if turned else None
    x = _normal(1, 6, 4, generator=generator)
    jacobian = torch.autograd.functional.jacobian(lambda x: module(x, turn), x)
    reached = jacobian[0, :, :, 0].abs().amax((1, 3)) > 0
    assert torch.equal(reached, causal_mask(6))


@pytest.mark.concept("ar.kv-cache")
def test_steps_with_kept_keys_and_values_equal_the_whole_at_once(generator):
    module = MultiHeadAttention(8, 2).double()
    x = _normal(3, 6, 8, generator=generator)
    kept = torch.full((2, 3, 2, 6, 4), math.nan, dtype=torch.float64)
    steps = [module.step(x[:, [t]], kept, t) for t in range(6)]
    torch.testing.assert_close(torch.cat(steps, 1), module(x), atol=1e-12, rtol=0)


def test_wrong_arguments_are_named_in_one_line(as_user):
    with pytest.raises(ArgumentError, match=r"^num_heads: expected a divisor of dim = 6, got 4$"):
        MultiHeadAttention(6, 4)
    with pytest.raises(ArgumentError, match=r"^num_keys: expected a whole number >= 3, got 2$"):
        causal_mask(3, 2)
    x = torch.ones(2, 3)
    with pytest.raises(ArgumentError, match=r"^keys: expected shape \(\.\.\., keys, 3\), got"):
        attention(x, torch.ones(2, 4), x)
    with pytest.raises(ArgumentError, match=r"^values: expected shape \(\.\.\., 2, out\), got"):
        attention(x, x, torch.ones(3, 3))
    with pytest.raises(ArgumentError, match=r"^allowed: expected a key for every query, got a q"):
        attention(x, x, x, torch.tensor([[True, True], [False, False]]))
