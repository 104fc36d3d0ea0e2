"""A zoo of wrong receptive fields: each fails with the message meant for it."""

import pytest
import torch

from course_utils.grading import find_question, given
from course_utils.grading.questions import Mistake

SEEDS = (0, 7, 20_261, 2**31)
NAMES = ("samples_seen", "pixels_missed")


def samples(kernel_size, dilations, **_):
    return 1 + (kernel_size - 1) * sum(dilations)


def pixels(num_layers, image_size, row, column, **_):
    """By the derivative of a stack of convolutions with positive weights."""
    kernel = torch.tensor([[1.0, 1, 1], [1, 1, 0], [0, 0, 0]])[None, None].double()
    x = torch.zeros(1, 1, image_size, image_size, dtype=torch.float64, requires_grad=True)
    out = x
    for layer in range(num_layers):
        weight = kernel.clone()
        weight[..., 1, 1] = layer > 0
        out = torch.nn.functional.conv2d(out, weight, padding=1)
    out[0, 0, row, column].backward()
    before = torch.arange(image_size**2) < row * image_size + column
    return int((before & (x.grad.flatten() == 0)).sum())


def truth(args):
    return {"samples_seen": samples(**args), "pixels_missed": pixels(**args)}


def before(args):
    return args["row"] * args["image_size"] + args["column"]


ZOO = {
    "without the present": ("samples_seen", lambda a, t: t - 1, "without-present", "present"),
    "kernel for reach": (
        "samples_seen",
        lambda a, t: 1 + a["kernel_size"] * sum(a["dilations"]),
        "kernel",
        "k - 1",
    ),
    "no dilation": (
        "samples_seen",
        lambda a, t: 1 + (a["kernel_size"] - 1) * len(a["dilations"]),
        "no-dilation",
        "without dilations",
    ),
    "each dilation once": (
        "samples_seen",
        lambda a, t: 1 + (a["kernel_size"] - 1) * sum(set(a["dilations"])),
        "one-block",
        "repeats them",
    ),
    "a power of two": (
        "samples_seen",
        lambda a, t: 2 ** len(a["dilations"]),
        "product",
        "starts again at 1",
    ),
    "what is seen": ("pixels_missed", lambda a, t: before(a) - t, "seen", "the others"),
    "all before": ("pixels_missed", lambda a, t: before(a), "before", "all pixels before"),
    "only the blind spot": (
        "pixels_missed",
        lambda a, t: pixels(**(a | {"num_layers": 40})),
        "only-blind-spot",
        "so few layers",
    ),
    "no blind spot": (
        "pixels_missed",
        lambda a, t: sum(
            (r, c) < (a["row"], a["column"])
            and max(a["row"] - r, abs(c - a["column"])) > a["num_layers"]
            for r in range(a["image_size"])
            for c in range(a["image_size"])
        ),
        "window",
        "cut a corner off",
    ),
    "one layer": ("pixels_missed", lambda a, t: before(a) - 4, "one-layer", "a single layer"),
    "a layer too few": (
        "pixels_missed",
        lambda a, t: pixels(**(a | {"num_layers": a["num_layers"] - 1})),
        "layers",
        "one layer too few",
    ),
    "nonsense": ("pixels_missed", lambda a, t: 7 * t + 5, "other", "let each layer spread"),
    "nothing": ("samples_seen", lambda a, t: None, "blank", "still to be filled in"),
    "a text": ("samples_seen", lambda a, t: "61", "type", "expected one number"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wrong", ZOO)
def test_each_wrong_answer_gets_its_message(wrong, seed):
    name, make, category, message = ZOO[wrong]
    question = find_question("w01-reach")
    for instance in question.draw(seed):
        right = truth(instance.args)
        answer = right | {name: make(instance.args, right[name])}
        if instance.name != name:
            assert question.examine(answer, instance).fraction == 1
            continue
        with pytest.raises(Mistake) as caught:
            question.examine(answer, instance)
        assert (caught.value.category, message in str(caught.value)) == (category, True)


def test_numbers_of_the_public_networks_are_recognised():
    public = truth(given("w01-reach"))
    question = find_question("w01-reach")
    for instance in question.draw(11):
        with pytest.raises(Mistake, match="public data only"):
            question.examine(public, instance)


@pytest.mark.parametrize("seed", range(20))
def test_the_derivative_agrees_for_public_and_hidden_networks(seed):
    question = find_question("w01-reach")
    instances = question.draw(seed)
    assert {instance.name for instance in instances} == set(NAMES)
    for instance in instances:
        assert question.examine(truth(instance.args), instance).fraction == 1


def test_another_kind_of_answer_is_refused():
    question = find_question("w01-reach")
    with pytest.raises(Mistake, match="expected a dict with samples_seen and pixels_missed"):
        question.examine(61, question.draw(0)[0])
