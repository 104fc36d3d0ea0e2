"""Handed-in weights of a Transformer: the gap is recomputed exactly, with a mask."""

import math

import pytest
import torch
from safetensors.torch import save
from torch.nn import functional

from course_utils.grading import find_question
from course_utils.grading.judges.transformer_weights import gap_of, pair_gap, text_law
from course_utils.worlds.sequences import MarkovSource

INSTANCE = find_question("w02-transformer").instances()[0]
SOURCE, TOKENS = INSTANCE.args["transition"], INSTANCE.args["tokens"]
MAPS = ("query", "key", "value", "mix")


def weights(width=4, hidden=5, scale=0.0):
    generator = torch.Generator().manual_seed(3)
    shapes = {
        "symbols.weight": (5, width),
        "positions.weight": (6, width),
        **{f"{name}.weight": (width, width) for name in MAPS},
        "up.weight": (hidden, width),
        "up.bias": (hidden,),
        "down.weight": (width, hidden),
        "down.bias": (width,),
        "logits.weight": (4, width),
        "logits.bias": (4,),
    }
    return {k: scale * torch.randn(shape, generator=generator) for k, shape in shapes.items()}


def in_double(w):
    return {name: tensor.double() for name, tensor in w.items()}


def pair_network():
    """A network without attention that holds log p(x_t | x_{t-1}) in its output map."""
    w = weights(width=5, hidden=1)
    pairs = text_law(SOURCE).reshape((4,) * 6).sum((0, 1, 2, 3))
    w["symbols.weight"] = torch.eye(5)
    rows = (pairs / pairs.sum(1, keepdim=True)).log()
    first = pairs.sum(0).log()
    w["logits.weight"] = torch.cat([rows, first[None]]).T.float().contiguous()
    return w


@pytest.fixture(scope="module")
def trained(master_of):
    """Networks trained for half the budget, with the mask and without."""

    def train(attend):
        torch.manual_seed(0)
        names = master_of("week02", causal_attention=attend)
        network = names.TinyTransformer(4, 6, 32, 64)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(300):
            batch = TOKENS[torch.randint(len(TOKENS), (128,))]
            loss = functional.cross_entropy(network(batch).flatten(0, 1), batch.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return network

    def everything(q, k, v):
        return functional.scaled_dot_product_attention(q, k, v)

    return train(master_of("week02").causal_attention), train(everything)


def test_the_law_of_texts_is_the_source(generator):
    source = MarkovSource(transition=SOURCE)
    x = torch.cartesian_prod(*[torch.arange(4)] * 6)
    torch.testing.assert_close(text_law(SOURCE), source.log_prob(x).exp(), rtol=0, atol=1e-12)


def test_a_uniform_network_lies_log_v_minus_the_entropy_above():
    entropy = MarkovSource(transition=SOURCE).entropy(6).item()
    gap = gap_of(in_double(weights()), SOURCE)
    assert gap == pytest.approx(math.log(4) - entropy / 6, abs=1e-12)


def test_a_network_of_pairs_has_the_gap_of_pairs(fails):
    network = pair_network()
    gap = gap_of(in_double(network), SOURCE)
    assert gap == pytest.approx(pair_gap(SOURCE), abs=1e-6)
    fails("w02-transformer", save(network), "gap", "looks one symbol back")


def test_the_gap_equals_the_masters_network_on_all_texts(master_of):
    w = weights(scale=0.8)
    network = master_of("week02").TinyTransformer(4, 6, 4, 5)
    network.load_state_dict(w)
    x = torch.cartesian_prod(*[torch.arange(4)] * 6)
    with torch.no_grad():
        log_q = network.double()(x).log_softmax(-1).gather(-1, x[..., None])[..., 0].sum(-1)
    law = text_law(SOURCE)
    gap = (law * (law.log() - log_q)).sum().item() / 6
    assert gap_of(in_double(w), SOURCE) == pytest.approx(gap, abs=1e-12)


def test_training_reaches_it_and_training_without_a_mask_is_told(trained, fails):
    honest, leaking = trained
    verdict = find_question("w02-transformer").assess(save(honest.state_dict()))
    assert verdict.fraction >= 0.5
    fails("w02-transformer", save(leaking.state_dict()), "gap", "trained without one?")


@pytest.mark.parametrize(
    ("network", "words"),
    [(weights(), "no better than uniform"), (weights(scale=1e-3), "no better than uniform")],
)
def test_advice_fits_the_shortfall(network, words, fails):
    fails("w02-transformer", save(network), "gap", words)


def broken(name, value):
    return {**weights(), name: value}


@pytest.mark.parametrize(
    ("network", "category", "words"),
    [
        (broken("up.bias", torch.full((5,), math.nan)), "nan", "5 of 5 values"),
        (broken("up.bias", torch.zeros(4)), "shape", "up.bias: expected shape (5,)"),
        (broken("up.bias", torch.zeros(5).long()), "dtype", "floating-point"),
        (broken("symbols.weight", torch.zeros(4, 4)), "shape", "expected shape (5, 4)"),
        (broken("positions.weight", torch.zeros(5, 4)), "shape", "expected shape (6, 4)"),
        (broken("symbols.weight", torch.zeros(0, 4)), "shape", "expected a matrix"),
        (weights(width=60, hidden=100), "size", "more than the 20000 allowed"),
        ({"a": torch.zeros(1)}, "missing-tensor", "'symbols.weight'"),
    ],
)
def test_unusable_weights_are_named(network, category, words, fails):
    fails("w02-transformer", save(network), category, words)


def test_a_name_is_no_file(fails):
    fails("w02-transformer", "w.safetensors", "missing-file", "no file 'w.safetensors'")
