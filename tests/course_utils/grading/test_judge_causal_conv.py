"""A zoo of convolutions that look where they must not: each fails with the message meant for it."""

import pytest
import torch
from torch.nn import functional

from course_utils.grading import find_question
from course_utils.grading.questions import Mistake

SEEDS = (0, 7, 20_261, 2**31)


def raster(size, kept):
    return (torch.arange(size * size) < kept).reshape(size, size)


def mask_of(weight, kind):
    size = weight.shape[-1]
    return raster(size, size * (size // 2) + size // 2 + (kind == "B"))


def convolve(x, weight, bias):
    return functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def masked_by(make):
    return lambda x, weight, bias, kind: convolve(x, weight * make(weight, kind), bias)


def other(kind):
    return "B" if kind == "A" else "A"


def half_rows(weight, kind):
    size = weight.shape[-1]
    quarter = torch.zeros(size, size)
    quarter[: size // 2 + 1, : size // 2 + 1] = 1
    return quarter * mask_of(weight, kind)


def rows_only(weight, kind):
    size = weight.shape[-1]
    mask = torch.zeros(size, size)
    mask[: size // 2] = 1
    mask[size // 2, size // 2] = kind == "B"
    return mask


def in_place(x, weight, bias, kind):
    weight *= mask_of(weight, kind)
    return convolve(x, weight, bias)


def always(category, message):
    return (category, message, category, message)


ZOO = {
    "kinds exchanged": (
        masked_by(lambda w, kind: mask_of(w, other(kind))),
        ("leak", "must not see itself", "no-centre", "the centre of the kernel is kept"),
    ),
    "always A": (
        masked_by(lambda w, kind: mask_of(w, "A")),
        (None, None, "no-centre", "the centre of the kernel is kept"),
    ),
    "always B": (
        masked_by(lambda w, kind: mask_of(w, "B")),
        ("leak", "must not see itself", None, None),
    ),
    "no mask": (
        masked_by(lambda w, kind: 1),
        always("no-mask", "nothing is masked"),
    ),
    "columns first": (
        masked_by(lambda w, kind: mask_of(w, kind).T),
        always("columns-first", "whole rows come first"),
    ),
    "upper left only": (masked_by(half_rows), always("half-rows", "above and to the right")),
    "rows above only": (masked_by(rows_only), always("rows-only", "in the same row")),
    "the future": (
        masked_by(lambda w, kind: ~mask_of(w, other(kind))),
        always("future", "wrong way round"),
    ),
    "no bias": (
        lambda x, w, b, kind: convolve(x, w * mask_of(w, kind), None),
        always("no-bias", "bias is missing"),
    ),
    "kernel turned": (
        lambda x, w, b, kind: convolve(x, w.flip(-1, -2) * mask_of(w, kind), b),
        always("flipped", "turned round"),
    ),
    "no padding": (
        lambda x, w, b, kind: functional.conv2d(x, w * mask_of(w, kind), b),
        always("shape", "Pad with zeros"),
    ),
    "border repeated": (
        lambda x, w, b, kind: functional.conv2d(
            functional.pad(x, [w.shape[-1] // 2] * 4, mode="replicate"), w * mask_of(w, kind), b
        ),
        always("other", "outside the image stand zeros"),
    ),
    "weight changed": (in_place, always("mutation", "in place")),
    "weights doubled": (
        lambda x, w, b, kind: convolve(x, 2 * w * mask_of(w, kind), b),
        always("other", "compare it with a loop"),
    ),
    "whole numbers": (
        lambda x, w, b, kind: convolve(x, w * mask_of(w, kind), b).long(),
        always("dtype", "floating-point"),
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wrong", ZOO)
def test_each_wrong_answer_gets_its_message(wrong, seed):
    question = find_question("w01-masked-conv")
    answer, expected = ZOO[wrong]
    pairs = zip(question.draw(seed), (expected[:2], expected[2:]), strict=True)
    for instance, (category, message) in pairs:
        if category is None:
            assert question.examine(answer, instance).fraction == 1
            continue
        with pytest.raises(Mistake) as caught:
            question.examine(answer, instance)
        assert caught.value.category == category
        assert message in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_the_master_passes_public_and_hidden_instances(seed, master):
    assert find_question("w01-masked-conv").assess(master.causal_conv2d, seed).fraction == 1
