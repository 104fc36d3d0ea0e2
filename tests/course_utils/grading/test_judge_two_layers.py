"""Wrong passes back: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question
from course_utils.grading.judges.two_layers import truth

SEEDS = (0, 7, 20_261, 2**31)


def back(x, t, w1, b1, w2, b2, *, slope=None, read=None, factor=1.0):
    a = x @ w1.T + b1
    h = a.tanh()
    by_y = factor * (h @ w2.T + b2 - t) / len(x)
    by_a = by_y @ w2 * (1 - h**2 if slope is None else slope(a, h))
    return by_a.T @ x, by_a.sum(0), by_y.T @ (h if read is None else read(a)), by_y.sum(0)


def made(**options):
    return lambda *args: back(*args, **options)


def changed(change):
    return lambda *args: change(*back(*args))


ZOO = {
    "sign": (made(factor=-1), "sign", "is y - t"),
    "sum": (lambda x, *a: back(x, *a, factor=len(x)), "sum", "a sum over the batch"),
    "twice": (made(factor=2), "twice", "half in the loss"),
    "mean over outputs": (made(factor=0.5), "mean", "the number of outputs"),
    "no slope": (made(slope=lambda a, h: torch.ones_like(h)), "no-slope", "left out"),
    "slope at h": (made(slope=lambda a, h: 1 - h.tanh() ** 2), "slope-at-h", "taken at h"),
    "slope of a": (made(slope=lambda a, h: 1 - a**2), "slope-of-a", "not 1 - a^2"),
    "tanh": (made(slope=lambda a, h: h), "tanh", "where its slope belongs"),
    "not bent": (made(read=lambda a: a), "not-bent", "not with tanh"),
    "transposed": (changed(lambda a, b, c, d: (a.T, b, c.T, d)), "shape", "shape of the array"),
    "two": (changed(lambda a, b, c, d: (a, c)), "type", "4 results"),
    "order": (changed(lambda a, b, c, d: (c, d, a, b)), "shape", "shape of the array"),
    "nonsense": (changed(lambda a, b, c, d: (a, b + 1, c, d)), "other", "by_b1 is not"),
}


def first_bias(x, *a):
    by_w1, by_b1, by_w2, by_b2 = back(x, *a)
    return by_w1, by_b1 / len(x), by_w2, by_b2


def last_bias(x, *a):
    *others, by_b2 = back(x, *a)
    return *others, by_b2 / len(x)


ZOO["first bias"] = (first_bias, "bias-mean", "divided already")
ZOO["last bias"] = (last_bias, "bias-mean", "divided already")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_pass_gets_its_message(name, seed, fails):
    answer, category, words = ZOO[name]
    fails("w00-backward", answer, category, words, seed)


@pytest.mark.parametrize("seed", range(10))
def test_the_master_passes(seed, master_of):
    question = find_question("w00-backward")
    assert question.assess(master_of("week00").gradients, seed).fraction == 1


def test_the_imaginary_step_agrees_with_autograd():
    args = find_question("w00-backward").instances(5)[0].args
    x, t, *parameters = args.values()
    w1, b1, w2, b2 = (p.clone().requires_grad_() for p in parameters)
    y = (x @ w1.T + b1).tanh() @ w2.T + b2
    loss = 0.5 * (y - t).square().sum(1).mean()
    wanted = torch.autograd.grad(loss, (w1, b1, w2, b2))
    for ours, theirs in zip(truth(**args), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-14, rtol=1e-12)
