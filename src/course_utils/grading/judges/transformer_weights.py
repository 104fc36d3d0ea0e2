"""Judge of a trained Transformer: how far is its law of texts from a source known exactly?

The file holds the tensors of one block with one head, without norms:

    h = symbols[start, x_1 .. x_{T-1}] + positions
    h = h + mix(causal attention(query h, key h, value h)),   h = h + down(relu(up(h)))
    scores of x_1 .. x_T = logits(h)

The judge runs that network itself on every text of six symbols and adds up

    gap = (1 / T) sum_x p(x) (log p(x) - log q(x)),   nats per symbol, without sampling.
"""

import math
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right

_SYMBOLS, _LENGTH, _SEQUENCES = 4, 6, 4000
_FULL, _HALF = 0.02, 0.05
_MAX_WEIGHTS = 20_000
_MAPS = ("query", "key", "value", "mix")


def draw(seed: int) -> list[Instance]:
    """A source of order two, with texts drawn from it."""
    generator = torch.Generator().manual_seed(seed + 1616)
    while True:
        shape = (_SYMBOLS,) * 3
        source = (1.5 * torch.randn(shape, generator=generator, dtype=torch.float64)).softmax(-1)
        if pair_gap(source) > 3 * _HALF:
            break
    law = text_law(source)
    drawn = torch.multinomial(law, _SEQUENCES, True, generator=generator)
    tokens = all_texts()[drawn]
    return [Instance("texts of a source of order two", {"transition": source, "tokens": tokens})]


def all_texts() -> Tensor:
    """Every text of six symbols."""
    return torch.cartesian_prod(*[torch.arange(_SYMBOLS)] * _LENGTH)


def _pair_law(source: Tensor) -> Tensor:
    """The stationary law of two neighbouring symbols, by letting the chain run."""
    law = torch.full((_SYMBOLS, _SYMBOLS), _SYMBOLS**-2.0, dtype=torch.float64)
    for _ in range(3000):
        law = torch.einsum("ab,abc->bc", law, source)
    return law / law.sum()


def text_law(source: Tensor) -> Tensor:
    """Probability of every text, in the order of ``all_texts``."""
    x = all_texts()
    law = _pair_law(source)[x[:, 0], x[:, 1]]
    for t in range(2, _LENGTH):
        law = law * source[x[:, t - 2], x[:, t - 1], x[:, t]]
    return law


def pair_gap(source: Tensor) -> float:
    """The gap of the best model that sees one symbol back only, nats per symbol."""
    pairs = _pair_law(source)
    triples = pairs[..., None] * source
    one_back = (triples.sum(0) / pairs.sum(0)[:, None])[None]
    lost = (triples * (source.log() - one_back.log())).sum()
    return float(lost) * (_LENGTH - 2) / _LENGTH


def examine(answer: Any, instance: Instance) -> Verdict:
    """Recompute the gap from the file of weights."""
    source = instance.args["transition"]
    weights = _read(answer)
    gap = gap_of(weights, source)
    if not math.isfinite(gap):
        raise Mistake("overflow", "the network's outputs are not finite: did training diverge?")
    shown = f"the gap to the entropy is {gap:.4f} nats per symbol"
    if gap <= _FULL:
        return right(f"{shown}, at most {_FULL}.")
    advice = _advice(weights, source, gap)
    fraction = 0.5 if gap <= _HALF else 0.0
    return Verdict(fraction, f"{shown}, more than {_FULL}: {advice}", "wrong", "gap", advice)


def _advice(weights: dict[str, Tensor], source: Tensor, gap: float) -> str:
    if gap_of(weights, source, causal=False) < 0:
        return "without a mask these weights would beat the entropy: were they trained without one?"
    law = text_law(source)
    uniform = float((law * law.log()).sum()) / _LENGTH + math.log(_SYMBOLS)
    if gap > 0.9 * uniform:
        return "that is no better than uniform: has it been trained, and is the last state saved?"
    if gap > 0.8 * pair_gap(source):
        return "a model that looks one symbol back does as well: does attention reach further?"
    return "a larger learning rate that decays, or larger batches, reach it within the steps."


def _read(answer: Any) -> dict[str, Tensor]:
    """Check names and shapes; the width and the hidden width are the student's choice."""
    weights = answers.read_weights(answer)
    names = [f"{name}.weight" for name in ("symbols", "positions", *_MAPS, "up", "down", "logits")]
    names += [f"{name}.bias" for name in ("up", "down", "logits")]
    missing = [name for name in names if name not in weights]
    if missing:
        raise Mistake("missing-tensor", f"the file holds no tensor named {missing[0]!r}.")
    for name in ("symbols.weight", "up.weight"):
        if weights[name].ndim != 2 or weights[name].numel() == 0:
            shape = tuple(weights[name].shape)
            raise Mistake("shape", f"{name}: expected a matrix, got shape {shape}.")
    d, hidden = weights["symbols.weight"].shape[1], len(weights["up.weight"])
    shapes = {
        "symbols.weight": (_SYMBOLS + 1, d),
        "positions.weight": (_LENGTH, d),
        **{f"{name}.weight": (d, d) for name in _MAPS},
        "up.weight": (hidden, d),
        "up.bias": (hidden,),
        "down.weight": (d, hidden),
        "down.bias": (d,),
        "logits.weight": (_SYMBOLS, d),
        "logits.bias": (_SYMBOLS,),
    }
    for name, shape in shapes.items():
        answers.expect_finite(name, answers.expect_floats(name, weights[name], shape))
    total = sum(weights[name].numel() for name in shapes)
    if total > _MAX_WEIGHTS:
        raise Mistake("size", f"{total} weights are more than the {_MAX_WEIGHTS} allowed.")
    return {name: weights[name].double() for name in shapes}


def gap_of(weights: dict[str, Tensor], source: Tensor, *, causal: bool = True) -> float:
    """Return (1 / T) KL(source || network) over texts, in nats per symbol, exactly.

    Args:
        weights: The twelve tensors in float64.
        source: p(x_t | x_{t-2}, x_{t-1}), shape (V, V, V).
        causal: Whether a position is kept from seeing later ones.
    """
    x, law = all_texts(), text_law(source)
    log_q = torch.cat([_log_probs(weights, part, causal) for part in x.split(512)])
    return float((law * (law.log() - log_q)).sum()) / _LENGTH


def _log_probs(w: dict[str, Tensor], x: Tensor, causal: bool) -> Tensor:
    """log q(x) of each text."""
    start = torch.full_like(x[:, :1], _SYMBOLS)
    h = w["symbols.weight"][torch.cat([start, x[:, :-1]], 1)] + w["positions.weight"]
    q, k, v = (h @ w[f"{name}.weight"].T for name in ("query", "key", "value"))
    scores = q @ k.transpose(1, 2) / math.sqrt(h.shape[-1])
    if causal:
        seen = torch.ones(_LENGTH, _LENGTH).tril().bool()
        scores = scores.masked_fill(~seen, -torch.inf)
    h = h + scores.softmax(-1) @ v @ w["mix.weight"].T
    inner = torch.relu(h @ w["up.weight"].T + w["up.bias"])
    h = h + inner @ w["down.weight"].T + w["down.bias"]
    rows = (h @ w["logits.weight"].T + w["logits.bias"]).log_softmax(-1)
    return rows.gather(-1, x[..., None])[..., 0].sum(-1)
