"""Judges of one step of a VQ-VAE and of a moving-average codebook: loops over vectors and codes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

_CODES, _DIM, _VECTORS = 4, 2, 9


def nearest(z: Tensor, codebook: Tensor) -> Tensor:
    """Index of the nearest code of each vector, distances summed one number at a time."""
    z64, codes = z.double().numpy(), codebook.double().numpy()
    found = []
    for row in z64:
        squares = [sum((a - b) ** 2 for a, b in zip(row, code, strict=True)) for code in codes]
        found.append(squares.index(min(squares)))
    return torch.tensor(found)


# One step: indices and gradients

_PARTS = ("the indices", "the gradient by z", "the gradient by the codebook")


def draw_step(seed: int) -> list[Instance]:
    """Vectors around the origin, and vectors far from it in single precision."""
    generator = torch.Generator().manual_seed(seed + 4505)
    while True:
        numbers = torch.randn(2 * _VECTORS + _CODES, _DIM, generator=generator).double()
        z, target = numbers[:_VECTORS], numbers[_VECTORS : 2 * _VECTORS]
        args = {"z": z, "codebook": numbers[2 * _VECTORS :], "target": target, "commitment": 0.3}
        indices, *gradients = _step(**args)
        distances = torch.cdist(z, args["codebook"]).square().sort(-1).values
        clear = bool((distances[:, 1] - distances[:, 0] > 0.05).all())
        counts = torch.bincount(indices, minlength=_CODES)
        wrong = _wrong_gradients(**args)
        if (
            clear
            and int(counts.min()) == 0
            and int((counts > 1).sum()) > 1
            and told_apart(indices, _wrong_indices(**args))
            and all(map(told_apart, gradients, wrong))
        ):
            break
    far = {k: (v + 3000).float() for k, v in args.items() if isinstance(v, Tensor)}
    return [
        Instance("nine vectors and four codes", args, 0.8),
        Instance("vectors far from the origin in single precision", far | {"commitment": 0.3}, 0.2),
    ]


def _step(
    z: Tensor, codebook: Tensor, target: Tensor, commitment: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices, and both gradients from the rule of each term, one vector at a time."""
    z, codebook, target = z.double(), codebook.double(), target.double()
    indices = nearest(z, codebook)
    by_z, by_code = torch.zeros_like(z), torch.zeros_like(codebook)
    for i, k in enumerate(indices.tolist()):
        by_z[i] = 2 * (codebook[k] - target[i]) + 2 * commitment * (z[i] - codebook[k])
        by_code[k] += 2 * (codebook[k] - z[i])
    return indices, by_z, by_code


def examine_step(answer: Any, instance: Instance) -> Verdict:
    """Compare the indices, then both gradients."""
    args = instance.args
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    truth, far = _step(**args), args["z"].dtype == torch.float32
    hint = "One number for each vector is asked for."
    rows = answers.expect_tensor(_PARTS[0], parts[0], (len(args["z"]),), hint)
    plain = "the indices are not those of the nearest codes."
    if far:
        plain = "the indices are right near the origin and wrong far from it: is precision lost?"
    line_up(rows, truth[0], () if far else _wrong_indices(**args), tolerance=1e-9,
            otherwise=plain, plain=plain)  # fmt: skip
    wrong = ((), ()) if far else _wrong_gradients(**args)
    for what, part, right_one, known in zip(_PARTS[1:], parts[1:], truth[1:], wrong, strict=True):
        if part is None:
            text = f"{what} is None: no term of the loss reaches it."
            raise Mistake("none", text, text)
        value = answers.expect_floats(what, part, tuple(right_one.shape))
        answers.expect_finite(what, value)
        plain = f"{what} is not that of the three terms with their gradients stopped."
        tolerance = 2e-3 if far else 1e-6
        line_up(value, right_one, known, tolerance=tolerance, otherwise=plain, plain=plain)
    return right("the indices and both gradients are right.")


def _wrong_indices(
    z: Tensor, codebook: Tensor, target: Tensor, commitment: float
) -> Iterator[Suspect]:
    distances = torch.cdist(z, codebook)
    yield Suspect("farthest", "the indices are those of the farthest codes.", distances.argmax(-1))
    yield Suspect(
        "product", "the indices have the largest inner product: the norm of a code counts as well.",
        (z @ codebook.T).argmax(-1),
    )  # fmt: skip
    yield Suspect(
        "half-norm", "the indices come from a square that is not expanded rightly: the cross term "
        "has the factor 2.", (codebook.square().sum(-1) - z @ codebook.T).argmin(-1),
    )  # fmt: skip
    yield Suspect(
        "target", "the indices are nearest to the targets: z is quantised.",
        nearest(target, codebook),
    )  # fmt: skip


def _wrong_gradients(
    z: Tensor, codebook: Tensor, target: Tensor, commitment: float
) -> tuple[list[Suspect], list[Suspect]]:
    indices, by_z, by_code = _step(z, codebook, target, commitment)
    onehot = torch.eye(len(codebook)).double()[indices]
    q = codebook[indices]
    rebuilt, committed, pulled = 2 * (q - target), 2 * (z - q), 2 * (q - z)
    count = float(z.numel())
    of_z = [
        Suspect("no-straight-through", "z gets no gradient from the reconstruction: copy that of "
                "the code to z.", commitment * committed),
        Suspect("no-commitment", "z gets no gradient from the commitment term.", rebuilt),
        Suspect("unweighted", "the commitment term has no weight.", rebuilt + committed),
        Suspect("not-stopped", "z gets too much: stop the codebook term at z, and decode the code, "
                "not z.",
                rebuilt + (1 + commitment) * committed),
        Suspect("mean", "z's gradient is that of a mean: the loss is a sum.", by_z / count),
        Suspect("mean", "z's gradient is that of a mean: the loss is a sum.", by_z / len(z)),
        Suspect("sign", "z's gradient has the wrong sign.", -by_z),
    ]  # fmt: skip
    of_code = [
        Suspect("reconstruction", "the codebook gets a gradient from the reconstruction: the "
                "straight-through copy must leave it out.", onehot.T @ (pulled + rebuilt)),
        Suspect("not-stopped", "the codebook gets a gradient from the commitment term: stop it "
                "there.", (1 + commitment) * by_code),
        Suspect("weighted", "the weight stands at the codebook term: it belongs to the commitment.",
                commitment * by_code),
        Suspect("zero", "the codebook gets no gradient: it would never learn.", 0 * by_code),
        Suspect("mean", "the codebook's gradient is that of a mean: the loss is a sum.",
                by_code / count),
        Suspect("sign", "the codebook's gradient has the wrong sign.", -by_code),
    ]  # fmt: skip
    return of_z, of_code


# Moving averages

_STATE = ("the codebook", "the counts", "the sums")


def draw_ema(seed: int) -> list[Instance]:
    """A step with a decay, and one without memory in which a code has no vectors."""
    generator = torch.Generator().manual_seed(seed + 4606)
    while True:
        numbers = torch.randn(_VECTORS + _CODES, _DIM, generator=generator).double()
        counts = 1 + 4 * torch.rand(_CODES, generator=generator).double()
        z, codebook = numbers[:_VECTORS], numbers[_VECTORS:]
        args = {"codebook": codebook, "counts": counts, "sums": counts[:, None] * codebook}
        args |= {"z": z, "decay": 0.8}
        used = torch.bincount(nearest(z, codebook), minlength=_CODES)
        if int((used == 0).sum()) == 1 and all(map(told_apart, _ema(**args), _wrong_ema(**args))):
            break
    return [
        Instance("a decay of 0.8", args, 0.7),
        Instance("no memory: one step of k-means", {**args, "decay": 0.0}, 0.3),
    ]


def _ema(
    codebook: Tensor, counts: Tensor, sums: Tensor, z: Tensor, decay: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Codebook, counts and sums after one step, code by code."""
    codes, counts, sums = codebook.clone(), counts.clone(), sums.clone()
    indices = nearest(z, codebook)
    for k in range(len(codes)):
        mine = [z[i] for i in range(len(z)) if int(indices[i]) == k]
        total = np.sum([v.numpy() for v in mine], 0) if mine else np.zeros(z.shape[1])
        counts[k] = decay * counts[k] + (1 - decay) * len(mine)
        sums[k] = decay * sums[k] + (1 - decay) * torch.from_numpy(total)
        if counts[k] > 0:
            codes[k] = sums[k] / counts[k]
    return codes, counts, sums


def examine_ema(answer: Any, instance: Instance) -> Verdict:
    """Compare counts and sums, then the codes."""
    args = instance.args
    parts = answers.expect_parts(answers.call(answer, args), _STATE)
    memory = args["decay"] > 0
    truth, wrong = _ema(**args), _wrong_ema(**args) if memory else ((), (), ())
    for at in (1, 2, 0):
        what = _STATE[at]
        value = answers.expect_floats(what, parts[at], tuple(truth[at].shape))
        if at == 0 and not memory and not bool(value.isfinite().all()):
            text = "a code without vectors becomes NaN: leave it where it is."
            raise Mistake("empty-code", text, text)
        answers.expect_finite(what, value)
        plain = f"after the step {what} are not the moving averages asked for."
        if at == 0:
            plain = "the codebook is not the ratio of the new sums and the new counts."
        if at == 0 and not memory:
            plain = "a code that has no vectors must stay where it is."
        line_up(value, truth[at], wrong[at], tolerance=1e-6, otherwise=plain, plain=plain)
    return right("the counts, the sums and the codebook are right.")


def _wrong_ema(
    codebook: Tensor, counts: Tensor, sums: Tensor, z: Tensor, decay: float
) -> tuple[list[Suspect], list[Suspect], list[Suspect]]:
    indices = nearest(z, codebook)
    onehot = torch.eye(len(codebook)).double()[indices]
    new_counts, new_sums = onehot.sum(0), onehot.T @ z
    _, right_counts, right_sums = _ema(codebook, counts, sums, z, decay)
    means = torch.where(new_counts[:, None] > 0, new_sums / new_counts[:, None], codebook)

    def pair(what: str, old: Tensor, new: Tensor, after: Tensor) -> list[Suspect]:
        return [
            Suspect("exchanged", f"decay and 1 - decay are exchanged in {what}.",
                    (1 - decay) * old + decay * new),
            Suspect("unweighted", f"the new part of {what} lacks its weight 1 - decay.",
                    decay * old + new),
            Suspect("no-memory", f"the old part of {what} is forgotten.", new),
            Suspect("cumulative", f"{what} are added up without any decay.", old + new),
            Suspect("unchanged", f"{what} are those from before the step.", old),
            Suspect("no-old-weight", f"the old part of {what} is not multiplied by the decay.",
                    after + (1 - decay) * old),
        ]  # fmt: skip

    of_codes = [
        Suspect("averaged-codes", "codes are averaged with the new means: average counts and sums, "
                "so that a mean of many vectors weighs more.",
                decay * codebook + (1 - decay) * means),
        Suspect("unchanged", "the codebook is that from before the step.", codebook),
        Suspect("means", "the codes are the means of the new vectors alone.", means),
        Suspect("old-counts", "the new sums are divided by the old counts.",
                right_sums / counts[:, None]),
        Suspect("sums", "the codebook holds sums: divide by the counts.", right_sums),
    ]  # fmt: skip
    return (
        of_codes,
        pair("the counts", counts, new_counts, right_counts),
        pair("the sums", sums, new_sums, right_sums),
    )
