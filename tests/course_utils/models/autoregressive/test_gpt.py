"""GPT: a distribution over sequences, blind to the future, the same with and without a cache."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.gpt import GPT, POSITIONS, gpt_parameters
from course_utils.nets.transformer import block_multiplications, step_multiplications
from course_utils.samplers.stepwise import stepwise
from course_utils.training import fit
from course_utils.worlds.sequences import HiddenMarkovSource, MarkovSource

every_form = pytest.mark.parametrize(
    "form",
    [{"positions": kind} for kind in POSITIONS] + [{"norm": "post"}, {"tied": True}],
    ids=lambda form: "-".join(map(str, form.values())),
)


def _multiply_adds(function):
    """Multiply-adds of all matrix products, as PyTorch dispatches them (two FLOPs each)."""
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter, torch.no_grad():
        function()
    return counter.get_total_flops() / 2


@pytest.mark.concept("ar.gpt")
@every_form
def test_probabilities_of_all_1024_sequences_sum_to_one(form, randomise, all_states):
    model = randomise(GPT(4, 5, 8, 2, 2, **form))
    total = model.log_prob(all_states(4, 5)).exp().sum().item()
    assert total == pytest.approx(1, abs=1e-10)  # 1024 float64 roundings


@pytest.mark.concept("ar.gpt")
def test_shorter_sequences_are_the_marginals_of_longer_ones(randomise, all_states):
    """No later token enters: summing out the end leaves the model's own law of the beginning."""
    model = randomise(GPT(3, 5, 8, 2, 2))
    whole = model.log_prob(all_states(3, 5)).exp().reshape(3**3, 9).sum(1)
    torch.testing.assert_close(whole, model.log_prob(all_states(3, 3)).exp())


@pytest.mark.concept("ar.gpt")
@every_form
def test_logits_move_for_later_tokens_only_and_bit_for_bit(form, generator):
    torch.manual_seed(0)
    model = GPT(5, 7, 16, 2, 3, **form).eval()
    x = torch.randint(5, (30, 7), generator=generator)
    before = model.conditionals(x)
    for j in range(7):
        changed = x.clone()
        changed[:, j] = (changed[:, j] + 1) % 5
        moved = (model.conditionals(changed) != before).any(-1).any(0)
        assert moved.tolist() == [i > j for i in range(7)]


@pytest.mark.concept("ar.gpt")
def test_held_out_loss_is_within_two_hundredths_of_the_entropy_rate(generator):
    """Order two, eight symbols, lawless rows: nothing helps but reading two tokens back."""
    source = MarkovSource.random(8, order=2, generator=generator, concentration=0.5)
    torch.manual_seed(0)
    model = GPT(8, 32, 32, 2, 2, positions="rotary")
    data = source.sample(8000, length=32, generator=generator)
    fit(
        model,
        data,
        num_steps=400,
        batch_size=32,
        learning_rate=0.01,
        warmup_steps=20,
        generator=generator,
        progress=False,
    )
    held_out = source.sample(2000, length=32, generator=generator)
    with torch.no_grad():
        lost = (source.log_prob(held_out) - model.log_prob(held_out)) / 32
    assert 0 < lost.mean().item() < 0.02  # nats per token, the same texts under model and truth
    loss = -model.log_prob_terms(held_out)[:, 2:].mean().item()
    assert loss == pytest.approx(source.entropy_rate().item(), abs=0.02)


@pytest.mark.concept("ar.gpt")
def test_a_hidden_state_is_followed_to_two_hundredths_of_a_nat(generator):
    source = HiddenMarkovSource.random(4, 8, generator=generator, concentration=0.3)
    torch.manual_seed(0)
    model = GPT(8, 32, 32, 2, 2, positions="rotary")
    data = source.sample(8000, length=32, generator=generator)
    fit(
        model,
        data,
        num_steps=150,
        batch_size=32,
        learning_rate=0.01,
        warmup_steps=20,
        generator=generator,
        progress=False,
    )
    held_out = source.sample(1000, length=32, generator=generator)
    with torch.no_grad():
        lost = (source.log_prob(held_out) - model.log_prob(held_out)).mean().item() / 32
    assert 0 < lost < 0.02


@pytest.mark.concept("ar.kv-cache")
@every_form
def test_logits_of_steps_equal_those_of_the_whole_prefix(form, generator, randomise):
    """In float64, with every number drawn: a fresh norm scales by one, as any other fresh one."""
    model = randomise(GPT(5, 9, 16, 2, 3, **form)).eval()
    x = torch.randint(5, (4, 9), generator=generator)
    cache, last = model.start(4), None
    for t in range(9):
        logits, cache = model.step(cache, last)
        whole = model.conditionals(x[:, : t + 1])[:, t]
        torch.testing.assert_close(logits, whole, atol=1e-9, rtol=1e-9)
        last = x[:, t]
    assert cache.length == 9


@pytest.mark.concept("ar.kv-cache")
def test_multiplications_per_token_grow_linearly_and_without_a_cache_quadratically():
    model = GPT(4, 12, 16, 2, 3).eval().requires_grad_(False)
    cache, last, cached = model.start(1), None, []
    for t in range(12):
        box = []
        cached.append(_multiply_adds(lambda c=cache, y=last, b=box: b.append(model.step(c, y))))
        cache, last = box[0][1], torch.zeros(1, dtype=torch.int64)
        assert cached[t] == 3 * step_multiplications(t, 16) + 16 * 4
    whole = [
        _multiply_adds(lambda n=n: model.conditionals(torch.zeros(1, n, dtype=torch.int64)))
        for n in range(1, 13)
    ]
    assert whole == [3 * block_multiplications(n, 16) + n * 16 * 4 for n in range(1, 13)]
    assert torch.tensor(cached).diff().unique().tolist() == [3 * 2 * 16]
    assert torch.tensor(whole).diff().diff().unique().tolist() == [3 * 4 * 16]


@pytest.mark.concept("ar.kv-cache")
def test_samples_are_those_of_whole_passes(randomise, generator):
    model = randomise(GPT(4, 7, 8, 2, 2, positions="rotary"))
    given = torch.tensor([[3, 1]]).expand(50, 2)
    whole = model.sample(50, condition=given, generator=torch.Generator().manual_seed(1))
    kept = stepwise(model, 50, 7, prefix=given, generator=torch.Generator().manual_seed(1))
    assert torch.equal(whole, kept)


@pytest.mark.concept("ar.kv-cache")
def test_chosen_rows_go_on_by_themselves(randomise):
    model = randomise(GPT(4, 5, 8, 2, 2))
    _, cache = model.step(model.start(3), None)
    _, cache = model.step(cache, torch.tensor([0, 1, 2]))
    twice = cache.rows(torch.tensor([2, 2]))
    logits, _ = model.step(twice, torch.tensor([0, 3]))
    whole = model.conditionals(torch.tensor([[2, 0, 0], [2, 3, 0]]))[:, 2]
    torch.testing.assert_close(logits, whole)
    original, _ = model.step(cache, torch.tensor([1, 1, 1]))
    torch.testing.assert_close(original[2], model.conditionals(torch.tensor([[2, 1, 0]]))[0, 2])


@pytest.mark.concept("ar.gpt")
@pytest.mark.parametrize("tied", [False, True])
def test_parameters_are_counted_by_the_formula(tied):
    model = GPT(6, 9, 16, 2, 3, tied=tied)
    counts = gpt_parameters(6, 9, 16, 3, tied=tied)
    assert sum(counts.values()) == sum(weights.numel() for weights in model.parameters())
    assert counts["blocks"] == sum(weights.numel() for weights in model.blocks.parameters())


def test_the_smallest_gpt_2_has_124_million_parameters_and_twelve_squares_are_85_million():
    """[radford2019language] with 50,257 tokens and no begin token of its own."""
    counts = gpt_parameters(50_257 - 1, 1024, 768, 12, tied=True)
    assert sum(counts.values()) == 124_439_808
    assert 12 * 12 * 768**2 == 84_934_656


@pytest.mark.concept("ar.gpt")
def test_streams_and_maps_belong_to_the_same_pass(randomise, generator):
    model = randomise(GPT(5, 6, 8, 2, 2, positions="rotary"))
    x = torch.randint(5, (3, 6), generator=generator)
    stream = model.streams(x)
    assert [tuple(h.shape) for h in stream] == [(3, 6, 8)] * 3
    torch.testing.assert_close(model.output(model.norm(stream[-1])), model.conditionals(x))
    maps = model.attention_maps(x)
    assert maps.shape == (2, 3, 2, 6, 6)
    turn = model.turns(0, 6)
    inside = model.blocks[1].norm_attention(stream[1])
    torch.testing.assert_close(maps[1], model.blocks[1].attention.weights(inside, turn))


def test_a_tied_output_map_reads_each_symbol_at_its_own_row():
    """A symbol whose row is zero has logit zero; the others have not."""
    torch.manual_seed(0)
    model = GPT(4, 5, 8, 2, 1, tied=True)
    for symbol in range(4):
        with torch.no_grad():
            model.tokens.weight.normal_()
            model.tokens.weight[symbol] = 0
            logits = model.conditionals(torch.tensor([[1, 3, 0, 2, 2]]))[0]
        assert (logits == 0).all(0).tolist() == [k == symbol for k in range(4)]


def test_vectors_are_those_of_the_tokens_before_plus_those_of_the_places():
    model = GPT(4, 5, 8, 2, 1, positions="sinusoidal")
    x = torch.tensor([[1, 3, 0, 2, 2]])
    read = model.tokens.weight[[4, 1, 3, 0, 2]]  # the begin token has the last row
    place = model.streams(x)[0][0] - read
    angle = torch.arange(5)  # of the fastest pair of coordinates
    assert place.square().sum(1).allclose(torch.full((5,), 4.0), atol=1e-5)  # four pairs
    assert any(place[:, j].allclose(angle.sin(), atol=1e-5) for j in range(8))


def test_wrong_arguments_are_named_in_one_line(as_user):
    model = GPT(4, 3, 8, 2, 1)
    with pytest.raises(ArgumentError, match=r"^x: expected at most 3 tokens, got 4$"):
        model.log_prob(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(ArgumentError, match=r"^length: expected a whole number >= 1 and <= 3, got"):
        model.sample(1, length=4)
    with pytest.raises(ArgumentError, match=r"^positions: expected one of 'learned', 'sinusoida"):
        GPT(4, 3, 8, 2, 1, positions="absolute")
    with pytest.raises(ArgumentError, match=r"^last: expected None in the first step only, got st"):
        model.step(model.start(2), torch.tensor([1, 2]))
    _, cache = model.step(model.start(2), None)
    with pytest.raises(ArgumentError, match=r"^last: expected None in the first step only, got st"):
        model.step(cache, None)
    for _ in range(2):
        _, cache = model.step(cache, torch.tensor([1, 2]))
    with pytest.raises(ArgumentError, match=r"^cache: expected fewer than 3 tokens read"):
        model.step(cache, torch.tensor([1, 2]))
