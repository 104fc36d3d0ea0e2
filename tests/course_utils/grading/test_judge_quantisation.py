"""Wrong steps of a VQ-VAE and of a moving codebook: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.quantisation import _ema, _step

SEEDS = (0, 7, 20_261, 2**31)


def distances(z, codebook):
    return (z[:, None] - codebook).square().sum(-1)


def step(z, codebook, target, c, *, choose=None, loss=None, change=None):
    z, codebook = z.clone().requires_grad_(), codebook.clone().requires_grad_()
    d = distances(z, codebook)
    indices = d.argmin(-1) if choose is None else choose(z.detach(), codebook.detach(), target)
    e = codebook[indices]
    if loss is None:
        loss = lambda z, e, t, c: rebuilt(z, e, t) + pulled(z, e) + c * committed(z, e)  # noqa: E731
    grads = torch.autograd.grad(loss(z, e, target, c), (z, codebook), allow_unused=True)
    grads = grads if change is None else change(*grads)
    return indices, *grads


def rebuilt(z, e, t):
    return (t - z - (e - z).detach()).square().sum()


def pulled(z, e):
    return (z.detach() - e).square().sum()


def committed(z, e):
    return (z - e.detach()).square().sum()


def chosen(rule):
    return lambda z, codebook, target, c: step(z, codebook, target, c, choose=rule)


def with_loss(rule):
    return lambda z, codebook, target, c: step(z, codebook, target, c, loss=rule)


def changed(rule):
    return lambda z, codebook, target, c: step(z, codebook, target, c, change=rule)


def expanded(z, codebook, target):
    return (z.square().sum(1, keepdim=True) - 2 * z @ codebook.T + codebook.square().sum(1)).argmin(
        -1
    )


STEPS = {
    "farthest": (chosen(lambda z, e, t: distances(z, e).argmax(-1)), "farthest", "farthest codes"),
    "inner product": (chosen(lambda z, e, t: (z @ e.T).argmax(-1)), "product", "norm of a code"),
    "cross term": (
        chosen(lambda z, e, t: (e.square().sum(-1) - z @ e.T).argmin(-1)),
        "half-norm",
        "the factor 2",
    ),
    "target": (chosen(lambda z, e, t: distances(t, e).argmin(-1)), "target", "z is quantised"),
    "expanded square": (chosen(expanded), "other", "is precision lost"),
    "no straight-through": (
        with_loss(
            lambda z, e, t, c: (t - e).square().sum() + pulled(z, e) + c * committed(z, e)
        ),
        "no-straight-through",
        "copy that of the code to z",
    ),
    "codebook rebuilt": (
        with_loss(
            lambda z, e, t, c: rebuilt(z, e, t)
            + (t - e).square().sum()
            + pulled(z, e)
            + c * committed(z, e)
        ),
        "reconstruction",
        "must leave it out",
    ),
    "no commitment": (
        with_loss(lambda z, e, t, c: rebuilt(z, e, t) + pulled(z, e)),
        "no-commitment",
        "commitment term",
    ),
    "no weight": (
        with_loss(lambda z, e, t, c: rebuilt(z, e, t) + pulled(z, e) + committed(z, e)),
        "unweighted",
        "no weight",
    ),
    "nothing stopped": (
        with_loss(lambda z, e, t, c: rebuilt(z, e, t) + (1 + c) * (z - e).square().sum()),
        "not-stopped",
        "stop the codebook term at z",
    ),
    "commitment not stopped": (
        with_loss(
            lambda z, e, t, c: rebuilt(z, e, t) + pulled(z, e) + c * (z - e).square().sum()
        ),
        "not-stopped",
        "from the commitment term",
    ),
    "weight elsewhere": (
        changed(lambda a, b: (a, 0.3 * b)),
        "weighted",
        "it belongs to the commitment",
    ),
    "mean": (changed(lambda a, b: (a / 18, b / 18)), "mean", "z's gradient is that of a mean"),
    "mean over vectors": (changed(lambda a, b: (a / 9, b / 9)), "mean", "the loss is a sum"),
    "mean for the codes": (changed(lambda a, b: (a, b / 18)), "mean", "codebook's gradient"),
    "sign": (changed(lambda a, b: (-a, -b)), "sign", "z's gradient has the wrong"),
    "sign of the codes": (changed(lambda a, b: (a, -b)), "sign", "codebook's gradient has"),
    "still codebook": (changed(lambda a, b: (a, 0 * b)), "zero", "never learn"),
    "no codebook term": (
        with_loss(lambda z, e, t, c: rebuilt(z, e, t) + c * committed(z, e)),
        "none",
        "no term of the loss reaches it",
    ),
    "nonsense": (changed(lambda a, b: (a + 1, b)), "other", "gradients stopped"),
    "gradients alone": (lambda *a: step(*a)[1:], "type", "3 results"),
    "one-hot": (
        lambda z, codebook, target, c: (torch.eye(4)[step(z, codebook, target, c)[0]],) * 3,
        "shape",
        "One number for each vector",
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", STEPS)
def test_each_wrong_step_gets_its_message(name, seed, fails):
    answer, category, words = STEPS[name]
    fails("w04-straight-through", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_autograd_and_the_master_pass(seed, master_of):
    right = lambda z, codebook, target, c: step(z, codebook, target, c)  # noqa: E731
    for answer in (right, master_of("week04").quantiser_step):
        assert find_question("w04-straight-through").assess(answer, seed).fraction == 1


def test_without_commitment_the_gradient_of_z_is_bit_for_bit_that_of_the_code():
    args = {**find_question("w04-straight-through").instances(3)[0].args, "commitment": 0.0}
    indices, by_z, _ = _step(**args)
    code = args["codebook"][indices].clone().requires_grad_()
    (by_code,) = torch.autograd.grad((args["target"] - code).square().sum(), code)
    assert torch.equal(by_z, by_code)


def ema(codebook, counts, sums, z, decay, *, change=None):
    onehot = torch.eye(len(codebook)).double()[distances(z, codebook).argmin(-1)]
    n, m = onehot.sum(0), onehot.T @ z
    new = decay * counts + (1 - decay) * n, decay * sums + (1 - decay) * m
    codes = torch.where(new[0][:, None] > 0, new[1] / new[0][:, None], codebook)
    if change is None:
        return codes, *new
    old = codebook, counts, sums
    return change(codes, *new, old, n, m, decay)


def moved(rule):
    """Wrong counts; they come first in what the judge compares."""
    return lambda *a: ema(*a, change=lambda e, N, M, old, n, m, g: (e, rule(N, old[1], n, g), M))


def summed(rule):
    return lambda *a: ema(*a, change=lambda e, N, M, old, n, m, g: (e, N, rule(M, old[2], m, g)))


def coded(rule):
    return lambda *a: ema(*a, change=lambda e, N, M, old, n, m, g: (rule(N, M, old, n, m, g), N, M))


def as_called(answer):
    """An answer with the signature asked for."""

    def ema_update(codebook, counts, sums, z, decay):
        return answer(codebook, counts, sums, z, decay)

    return ema_update


def means(old, n, m):
    return torch.where(n[:, None] > 0, m / n[:, None], old[0])


UPDATES = {
    "exchanged": (moved(lambda N, old, n, g: (1 - g) * old + g * n), "exchanged", "in the counts"),
    "unweighted": (moved(lambda N, old, n, g: g * old + n), "unweighted", "its weight 1 - decay"),
    "forgotten": (moved(lambda N, old, n, g: n), "no-memory", "is forgotten"),
    "added up": (moved(lambda N, old, n, g: old + n), "cumulative", "without any decay"),
    "unchanged": (moved(lambda N, old, n, g: old), "unchanged", "before the step"),
    "old not decayed": (
        moved(lambda N, old, n, g: old + (1 - g) * n),
        "no-old-weight",
        "not multiplied by the decay",
    ),
    "sums exchanged": (
        summed(lambda M, old, m, g: (1 - g) * old + g * m),
        "exchanged",
        "in the sums",
    ),
    "sums forgotten": (summed(lambda M, old, m, g: m), "no-memory", "part of the sums"),
    "codes averaged": (
        coded(lambda N, M, old, n, m, g: g * old[0] + (1 - g) * means(old, n, m)),
        "averaged-codes",
        "weighs more",
    ),
    "codes unchanged": (coded(lambda N, M, old, n, m, g: old[0]), "unchanged", "codebook is that"),
    "means alone": (coded(lambda N, M, old, n, m, g: means(old, n, m)), "means", "vectors alone"),
    "old counts": (
        coded(lambda N, M, old, n, m, g: M / old[1][:, None]),
        "old-counts",
        "by the old counts",
    ),
    "sums for codes": (coded(lambda N, M, old, n, m, g: M), "sums", "divide by the counts"),
    "NaN": (coded(lambda N, M, old, n, m, g: M / N[:, None]), "empty-code", "leave it where it is"),
    "moved to zero": (
        coded(lambda N, M, old, n, m, g: M / N.clamp_min(1e-9)[:, None]),
        "other",
        "must stay where it is",
    ),
    "constant counts": (moved(lambda N, old, n, g: 0 * N + 7), "other", "moving averages"),
    "codebook alone": (lambda *a: ema(*a)[0], "type", "3 results"),
    "counts as a column": (moved(lambda N, old, n, g: N[:, None]), "shape", "shape"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", UPDATES)
def test_each_wrong_update_gets_its_message(name, seed, fails):
    answer, category, words = UPDATES[name]
    fails("w04-ema", as_called(answer), category, words, seed)


@pytest.mark.parametrize("seed", range(20))
def test_the_right_update_and_the_master_pass(seed, master_of):
    for answer in (as_called(ema), master_of("week04").ema_update):
        assert find_question("w04-ema").assess(answer, seed).fraction == 1


def test_without_memory_codes_become_the_means_of_their_vectors():
    args = find_question("w04-ema").instances(5)[1].args
    codes, counts, _ = _ema(**args)
    used = counts > 0
    indices = distances(args["z"], args["codebook"][used]).argmin(-1)
    for k in range(int(used.sum())):
        mean = args["z"][indices == k].mean(0)
        torch.testing.assert_close(codes[used][k], mean, rtol=0, atol=1e-12)
    assert torch.equal(codes[~used], args["codebook"][~used]) and int((~used).sum()) == 1
