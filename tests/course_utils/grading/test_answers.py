"""Whatever a student's function is or does, the notebook says one clear sentence."""

import random

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.grading import answers, find_question
from course_utils.grading.weeks import questions_of


def raises_inside(scores, x):
    table = scores[0]
    return table @ table[:2]


def helper(table):
    return table.reshape(7)


def raises_in_a_helper(scores, x):
    return helper(scores[0])


def raises_with_many_lines(scores, x):
    raise ValueError("first line\nsecond line " + "x" * 500)


def raises_the_unprintable(scores, x):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    raise Odd


def leaves(scores, x):
    raise SystemExit(0)


def recurses(scores, x):
    return recurses(scores, x)


def changes_a_table(scores, x):
    scores[0][0] += 1.0
    return torch.zeros(len(x))


def changes_the_list(scores, x):
    scores.pop()
    return torch.zeros(len(x))


def changes_x(scores, x):
    x.sub_(1)
    return torch.zeros(len(x))


calls = []


def remembers(scores, x):
    calls.append(1)
    return torch.full((len(x),), -float(len(calls)))


def takes_one(scores):
    return scores[0]


def takes_a_keyword(scores, x, *, base):
    return scores[0]


ODDITIES = {
    "list": (lambda s, x: [0.0] * len(x), "type", "expected a tensor of shape (81,), got a value"),
    "nothing": (lambda s, x: None, "type", "NoneType"),
    "numpy": (lambda s, x: torch.zeros(len(x)).numpy(), "type", "ndarray"),
    "shape": (lambda s, x: torch.zeros(len(x), 1), "shape", "expected shape (81,), got (81, 1)"),
    "int": (lambda s, x: torch.zeros(len(x)).long(), "dtype", "floating-point"),
    "complex": (lambda s, x: torch.zeros(len(x)).cfloat(), "dtype", "real numbers"),
    "sparse": (lambda s, x: torch.zeros(len(x)).to_sparse(), "dtype", "dense"),
    "meta": (lambda s, x: torch.zeros(len(x), device="meta"), "dtype", "on meta"),
    "NaN": (lambda s, x: torch.full((len(x),), torch.nan), "nan", "81 of 81 values are NaN"),
    "exception": (
        raises_inside,
        "exception",
        "raises_inside: `return table @ table[:2]`)",
    ),
    "long exception": (raises_with_many_lines, "exception", "ValueError: first line (line"),
    "unprintable": (raises_the_unprintable, "exception", "raises_the_unprintable raised"),
    "exit": (leaves, "exception", "SystemExit"),
    "recursion": (recurses, "exception", "RecursionError"),
    "changes a table": (changes_a_table, "mutation", "changes its input scores in place"),
    "changes the list": (changes_the_list, "mutation", "changes its input scores in place"),
    "changes x": (changes_x, "mutation", "changes its input x in place"),
    "random": (lambda s, x: torch.rand(len(x)), "random", "two different results"),
    "Python's random": (
        lambda s, x: torch.full((len(x),), random.random()),
        "random",
        "two different results",
    ),
    "remembers": (remembers, "random", "keep something from one call to the next"),
    "too few arguments": (takes_one, "signature", "takes_one(scores, x), but yours takes (scores)"),
    "keyword": (takes_a_keyword, "signature", "is called as"),
    "result": (torch.zeros(81), "not-a-function", "got a tensor of shape (81,): pass its name"),
    "number": (3, "not-a-function", "type int"),
    "text": ("log_prob", "not-a-function", "type str"),
    "module": (nn.Linear(2, 2), "not-a-function", "type Linear"),
    "class": (nn.Linear, "not-a-function", "expected the function itself"),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_one_clear_sentence(name, fails):
    answer, category, words = ODDITIES[name]
    verdict = fails("w01-log-prob", answer, category, words)
    assert verdict.fraction == 0
    assert len(verdict.message) < 400


def test_the_line_of_an_error_is_the_students_own(fails):
    message = fails("w01-log-prob", raises_inside, "exception", "raised RuntimeError").message
    line = raises_inside.__code__.co_firstlineno + 2
    assert f"(line {line}, in raises_inside" in message
    message = fails("w01-log-prob", raises_in_a_helper, "exception", "raised RuntimeError").message
    line = helper.__code__.co_firstlineno + 1
    assert f"(line {line}, in helper: `return table.reshape(7)`)" in message


@pytest.mark.parametrize("answer", [None, "", "  \n"])
def test_nothing_yet_is_no_mistake(answer):
    for question in questions_of("w01"):
        assert question.assess(answer).status == "blank"


def test_a_stub_is_no_mistake():
    def log_prob(scores, x):
        raise NotImplementedError

    verdict = find_question("w01-log-prob").assess(log_prob)
    assert verdict.status == "blank" and verdict.message == "log_prob is not written yet."


def test_an_interrupt_passes_through():
    def interrupted(scores, x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_question("w01-log-prob").assess(interrupted)


def test_gradients_are_welcome(master):
    def answer(scores, x):
        return master.log_prob([s.requires_grad_() for s in scores], x)

    assert find_question("w01-log-prob").assess(answer).fraction == 1


def test_a_judge_that_stumbles_says_so():
    class Odd:
        def __fspath__(self):
            raise OSError("odd\nand more")

    verdict = find_question("w01-markov").assess(Odd())
    assert verdict.mistake == "unusable"
    assert verdict.message == "the answer could not be judged: it led to OSError: odd"


def shows_its_input(scores, x):
    raise ValueError(f"scores {scores[0].tolist()}")


def test_what_is_said_of_hidden_instances_holds_nothing_of_them():
    verdict = find_question("w01-log-prob").assess(shows_its_input, 7)
    assert "scores [" in verdict.message
    expected = "every sequence: it raises an error on this kind of input."
    assert verdict.discreet() == expected


def test_a_hidden_shape_is_named_with_its_hint():
    verdict = find_question("w01-log-prob").assess(lambda scores, x: torch.zeros(1), 7)
    assert verdict.discreet().endswith("than asked for. " + verdict.message.split(". ", 1)[1])


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        ("w01-log-prob", None, "nothing is answered here yet."),
        ("w01-units", {}, "the entry 'bits_per_dim' is still to be filled in."),
        ("w01-markov", "a.safetensors", "a source of order two: there is no file of the name"),
    ],
)
def test_what_is_missing_is_said_for_hidden_instances_too(question, answer, words):
    assert find_question(question).assess(answer, 7).discreet().startswith(words)


def test_right_is_right(master):
    verdict = find_question("w01-ngram").assess(master.ngram_table, 7)
    assert verdict.discreet() == "right on every kind of input."


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", True])
def test_a_seed_that_is_none_is_named(seed, as_user):
    for question in questions_of("w01"):
        with pytest.raises(ArgumentError, match="seed: expected"):
            question.assess(1, seed)


def test_of_a_long_file_only_the_beginning_is_read(tmp_path):
    with (tmp_path / "long").open("wb") as file:
        file.truncate(3 * answers.MAX_FILE_BYTES)
    assert len(answers.handed_in(tmp_path / "long")) == answers.MAX_FILE_BYTES + 1
    assert answers.handed_in(7) == 7
