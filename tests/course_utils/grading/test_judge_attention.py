"""Wrong attention and wrong caches: each fails with the message meant for it."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from course_utils.grading import find_question

SEEDS = (0, 7, 20_261, 2**31)


def scores(q, k):
    return q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])


def triangle(q):
    return torch.ones(q.shape[-2], q.shape[-2]).tril().to(q.dtype)


def masked(q, k, v, diagonal=0, fill=-math.inf):
    mask = torch.ones(q.shape[-2], q.shape[-2]).tril(diagonal).bool()
    return scores(q, k).masked_fill(~mask, fill)


def by_exponentials(q, k, v):
    weights = scores(q, k).exp() * triangle(q)
    return weights / weights.sum(-1, keepdim=True) @ v


ATTENTION = {
    "no mask": (lambda q, k, v: scores(q, k).softmax(-1) @ v, "no-mask", "sees every position"),
    "later positions": (
        lambda q, k, v: scores(q, k).masked_fill(triangle(q).T == 0, -math.inf).softmax(-1) @ v,
        "anti-causal",
        "later positions instead",
    ),
    "diagonal masked": (
        lambda q, k, v: masked(q, k, v, -1).softmax(-1) @ v,
        "strict",
        "diagonal must not be masked",
    ),
    "no scale": (
        lambda q, k, v: masked(2 * q, k, v).softmax(-1) @ v,
        "unscaled",
        "not divided by the root",
    ),
    "scale d": (lambda q, k, v: masked(q / 2, k, v).softmax(-1) @ v, "scale", "square root"),
    "scale length": (
        lambda q, k, v: masked(q * 2 / 5**0.5, k, v).softmax(-1) @ v,
        "scale-length",
        "scaled by the length",
    ),
    "q and k exchanged": (
        lambda q, k, v: masked(k, q, v).softmax(-1) @ v,
        "swapped",
        "queries and keys are exchanged",
    ),
    "mask after softmax": (
        lambda q, k, v: (scores(q, k).softmax(-1) * triangle(q)) @ v,
        "mask-after",
        "after the softmax",
    ),
    "mask by zero": (
        lambda q, k, v: (scores(q, k) * triangle(q)).softmax(-1) @ v,
        "zero-score",
        "exp(0) is 1",
    ),
    "zero times infinity": (
        lambda q, k, v: (scores(q, k) + (1 - triangle(q)) * -math.inf).softmax(-1) @ v,
        "nan",
        "0 times -inf",
    ),
    "softmax over queries": (
        lambda q, k, v: masked(q, k, v).softmax(-2) @ v,
        "wrong-axis",
        "over the queries",
    ),
    "no softmax": (
        lambda q, k, v: (scores(q, k) * triangle(q)) @ v,
        "no-softmax",
        "without a softmax",
    ),
    "weights": (lambda q, k, v: masked(q, k, v).softmax(-1), "shape", "as a value has"),
    "exponentials": (by_exponentials, "overflow", "use softmax"),
    "a mean": (lambda q, k, v: v.cumsum(-2), "other", "Wrong at positions 0, 1, 2, 3, 4"),
    "large negative number": (
        lambda q, k, v: masked(q, k, v, fill=-100.0).softmax(-1) @ v,
        "other",
        "wrong for large ones",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ATTENTION)
def test_each_wrong_attention_gets_its_message(name, seed, fails):
    answer, category, words = ATTENTION[name]
    if name == "a mean":
        answer = lambda q, k, v: v.cumsum(-2) + 1  # noqa: E731
    fails("w02-attention", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_library_and_the_master_pass(seed, master_of):
    def library(q, k, v):
        return scaled_dot_product_attention(q, k, v, is_causal=True)

    for answer in (library, master_of("week02").causal_attention):
        assert find_question("w02-attention").assess(answer, seed).fraction == 1


def test_an_overflow_costs_only_its_share(fails):
    verdict = fails("w02-attention", by_exponentials, "overflow", "overflow")
    assert verdict.fraction == pytest.approx(0.8)


def step(x, keys, values, w_query, w_key, w_value, *, out=None, cache=None):
    """The right step, with the output or the caches replaced by those of a mistake."""
    new_key, new_value = (x @ w_key)[:, None], (x @ w_value)[:, None]
    grown = torch.cat([keys, new_key], 1), torch.cat([values, new_value], 1)
    if cache is not None:
        grown = cache(x, keys, values, new_key, new_value)
    query = x @ w_query
    weights = (torch.einsum("bd,btd->bt", query, grown[0]) / 2).softmax(-1)
    result = torch.einsum("bt,btd->bd", weights, grown[1])
    if out is not None:
        result = out(query, *grown)
    return result, *grown


def wrong(**change):
    def cached_step(x, keys, values, w_query, w_key, w_value):
        return step(x, keys, values, w_query, w_key, w_value, **change)

    return cached_step


def attend(query, keys, values, scale=0.5):
    weights = (torch.einsum("bd,btd->bt", query, keys) * scale).softmax(-1)
    return torch.einsum("bt,btd->bd", weights, values)


STEPS = {
    "not itself": (
        wrong(out=lambda q, k, v: attend(q, k[:, :-1], v[:, :-1])),
        "stale",
        "does not see itself",
    ),
    "no scale": (wrong(out=lambda q, k, v: attend(q, k, v, 1.0)), "unscaled", "not divided"),
    "only the new value": (wrong(out=lambda q, k, v: v[:, -1]), "only-new", "new value alone"),
    "plain mean": (wrong(out=lambda q, k, v: v.mean(1)), "mean", "softmax of the scores"),
    "keys as values": (wrong(out=lambda q, k, v: attend(q, k, k)), "exchanged", "mean of keys"),
    "prepended": (
        wrong(cache=lambda x, k, v, a, b: (torch.cat([a, k], 1), torch.cat([b, v], 1))),
        "prepended",
        "append it",
    ),
    "cache as it was": (wrong(cache=lambda x, k, v, a, b: (k, v)), "shape", "One row is added"),
    "tokens stored": (
        wrong(cache=lambda x, k, v, a, b: (torch.cat([k, x[:, None]], 1), torch.cat([v, b], 1))),
        "unprojected",
        "not its projection",
    ),
    "matrices exchanged": (
        wrong(cache=lambda x, k, v, a, b: (torch.cat([k, b], 1), torch.cat([v, a], 1))),
        "exchanged",
        "other matrix",
    ),
    "output alone": (lambda *a: step(*a)[0], "signature", "cached_step"),
    "two things": (
        lambda x, keys, values, w_query, w_key, w_value: step(
            x, keys, values, w_query, w_key, w_value
        )[:2],
        "type",
        "three tensors",
    ),
    "zeros": (wrong(out=lambda q, k, v: 0 * q), "other", "not the last row"),
}
STEPS.pop("output alone")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", STEPS)
def test_each_wrong_step_gets_its_message(name, seed, fails):
    answer, category, words = STEPS[name]
    fails("w02-kv-cache", answer, category, words, seed)


def test_a_transposed_matrix_and_a_raw_query_are_named(fails):
    def transposed(x, keys, values, w_query, w_key, w_value):
        return step(x, keys, values, w_query, w_key.T, w_value)

    def raw(x, keys, values, w_query, w_key, w_value):
        return step(x, keys, values, torch.eye(4).double(), w_key, w_value)

    fails("w02-kv-cache", transposed, "transposed", "transposed matrix")
    fails("w02-kv-cache", raw, "unprojected", "used as the query")


def test_a_cache_that_grows_in_place_is_refused(fails):
    kept = []

    def forgetful(x, keys, values, w_query, w_key, w_value):
        kept.append(1)
        return step(x + len(kept), keys, values, w_query, w_key, w_value)

    fails("w02-kv-cache", forgetful, "random", "two different results")


@pytest.mark.parametrize("seed", range(20))
def test_the_right_step_passes(seed, master_of):
    for answer in (wrong(), master_of("week02").cached_step):
        assert find_question("w02-kv-cache").assess(answer, seed).fraction == 1
