"""Judge of the mutual information gap: informations from entropies, cell by cell."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

_FACTORS, _LATENTS, _STATES, _CODES = 3, 4, 3, 5


def draw(seed: int) -> list[Instance]:
    """Tables of a joint law, and tables of a code that copies and repeats factors."""
    generator = torch.Generator().manual_seed(seed + 4303)
    while True:
        tables = _tables(generator)
        if told_apart(_truth(tables), _suspects(tables)):
            break
    return [
        Instance("tables of a joint law", {"tables": tables}, 0.7),
        Instance("a copied factor, a doubled one, a lost one", {"tables": _copies()}, 0.3),
    ]


def _tables(generator: torch.Generator) -> Tensor:
    """p(v_k, z_j) of one law in which each latent depends on all factors, on some more."""
    laws = (0.8 * torch.randn(_FACTORS, _STATES, generator=generator).double()).softmax(-1)
    joint = torch.einsum("a,b,c->abc", *laws)
    scores = torch.randn(_LATENTS, _FACTORS, _STATES, _CODES, generator=generator).double()
    scores = scores * (2 * torch.rand(_LATENTS, _FACTORS, 1, 1, generator=generator).double() + 0.2)
    logits = scores[:, 0, :, None, None] + scores[:, 1, None, :, None] + scores[:, 2, None, None, :]
    whole = joint[None, ..., None] * logits.softmax(-1)
    pairs = [whole.sum((2, 3)), whole.sum((1, 3)), whole.sum((1, 2))]
    return torch.stack(pairs)


def _copies() -> Tensor:
    """Factor 0 stands in latent 0, factor 1 in latents 1 and 2, factor 2 nowhere."""
    law = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    copy = torch.zeros(_STATES, _CODES).double()
    copy[range(_STATES), range(_STATES)] = law
    apart = torch.outer(law, copy.sum(0))
    constant = torch.zeros(_CODES).double()
    constant[0] = 1
    rows = [[copy, apart, apart], [apart, copy, copy], [apart, apart, apart]]
    return torch.stack([torch.stack([*row, torch.outer(law, constant)]) for row in rows])


def _entropy(cells: list[float]) -> float:
    return -math.fsum(p * math.log(p) for p in cells if p > 0)


def _informations(tables: Tensor) -> tuple[Tensor, Tensor]:
    """I(v_k; z_j) = H(v) + H(z) - H(v, z) for each pair, and H(v_k)."""
    table = [
        [
            _entropy(pair.sum(1).tolist()) + _entropy(pair.sum(0).tolist())
            - _entropy(pair.flatten().tolist())
            for pair in row
        ]
        for row in tables
    ]  # fmt: skip
    entropies = [_entropy(row[0].sum(1).tolist()) for row in tables]
    return torch.tensor(table, dtype=torch.float64), torch.tensor(entropies, dtype=torch.float64)


def _truth(tables: Tensor) -> Tensor:
    informations, entropies = _informations(tables)
    ordered = [sorted(row, reverse=True) for row in informations.tolist()]
    gaps = torch.tensor([one - two for one, two, *_ in ordered], dtype=torch.float64)
    return gaps / entropies


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare the gap of each factor."""
    tables = instance.args["tables"]
    value = answers.call(answer, instance.args)
    name = f"{answers.name_of(answer)}(tables)"
    hint = "One gap for each factor is asked for."
    value = answers.expect_floats(name, value, (len(tables),), hint)
    copied = bool((tables == 0).any())
    if copied and not bool(value.isfinite().all()):
        text = "there are NaN values: an empty cell counts 0, since p log p goes to 0 with p."
        raise Mistake("empty-cell", text, text)
    answers.expect_finite(name, value)
    plain = "it is not the gap between the two latents that say most about each factor."
    if copied:
        plain = "a copied factor has a gap of 1, a factor held twice or not at all one of 0."
    suspects = _suspects(tables) if not copied else _copied_suspects(tables)
    line_up(value, _truth(tables), suspects, tolerance=1e-6, otherwise=plain, plain=plain)
    return right("the gap of every factor is right.")


def _gap(rows: Tensor) -> Tensor:
    top = rows.topk(2, -1).values
    return top[..., 0] - top[..., 1]


def _copied_suspects(tables: Tensor) -> Iterator[Suspect]:
    informations, entropies = _informations(tables)
    best = informations.argmax(1)
    across = [
        informations[k, j] - max(informations[i, j] for i in range(len(tables)) if i != k)
        for k, j in enumerate(best)
    ]
    yield Suspect(
        "over-factors", "the gap is taken between factors for one latent: take it between latents.",
        torch.stack(across) / entropies,
    )  # fmt: skip


def _suspects(tables: Tensor) -> Iterator[Suspect]:
    informations, entropies = _informations(tables)
    truth = _truth(tables)
    code_rows = [[_entropy(pair.sum(0).tolist()) for pair in row] for row in tables]
    codes = torch.tensor(code_rows, dtype=torch.float64)
    best = informations.argmax(1)
    yield from _copied_suspects(tables)
    yield Suspect(
        "not-divided", "the gaps are not divided by the entropies of the factors.",
        truth * entropies,
    )  # fmt: skip
    yield Suspect(
        "code-entropy", "it is divided by the entropy of the latent: that of the factor is wanted.",
        truth * entropies / codes[range(len(codes)), best],
    )  # fmt: skip
    yield Suspect(
        "log-states", "it is divided by log of the number of states: take the factor's entropy.",
        truth * entropies / math.log(tables.shape[2]),
    )  # fmt: skip
    yield Suspect(
        "relative", "it is divided by the largest information, not by the entropy.",
        truth * entropies / informations.amax(1),
    )  # fmt: skip
    yield Suspect(
        "largest", "it is the largest information alone: subtract the second.",
        informations.amax(1) / entropies,
    )  # fmt: skip
    yield Suspect(
        "smallest", "the smallest information is subtracted: the second largest is wanted.",
        (informations.amax(1) - informations.amin(1)) / entropies,
    )  # fmt: skip
    yield Suspect(
        "mean", "the mean information of the others is subtracted, not the largest of them.",
        (informations.amax(1) - (informations.sum(1) - informations.amax(1)) / (_LATENTS - 1))
        / entropies,
    )  # fmt: skip
    yield Suspect(
        "factors", "the mean over the factors is taken: one gap for each is asked for.",
        truth.mean().expand(len(truth)),
    )  # fmt: skip
    yield Suspect("sign", "it has the wrong sign.", -truth)
