"""Wrong posteriors and wrong independences of the wet lawn: each with the message meant for it."""

import networkx as nx
import pytest

from course_utils.grading import find_question
from course_utils.grading.judges.wet_lawn import (
    _STATEMENTS,
    conditional_information,
    independences,
    joint_table,
)

SEEDS = (0, 7, 20_261, 2**31)
STATEMENTS = [True, False, False, True]


def right(case):
    t = joint_table(case)
    return {
        "rain_given_wet": float(t[:, :, 1, 1].sum() / t[..., 1].sum()),
        "rain_given_both": float(t[:, 1, 1, 1].sum() / t[:, 1, :, 1].sum()),
        "independent": list(STATEMENTS),
    }


ZOO = {
    "prior": ("rain_given_wet", lambda t: t[:, :, 1].sum(), "prior", "before anything"),
    "joint": ("rain_given_wet", lambda t: t[:, :, 1, 1].sum(), "joint", "divide"),
    "backwards": (
        "rain_given_wet",
        lambda t: t[:, :, 1, 1].sum() / t[:, :, 1].sum(),
        "backwards",
        "wet given rain",
    ),
    "complement": (
        "rain_given_wet",
        lambda t: t[:, :, 0, 1].sum() / t[..., 1].sum(),
        "complement",
        "does not rain",
    ),
    "given too much": (
        "rain_given_wet",
        lambda t: t[:, 1, 1, 1].sum() / t[:, 1, :, 1].sum(),
        "other",
        "not known here",
    ),
    "sprinkler unused": (
        "rain_given_both",
        lambda t: t[:, :, 1, 1].sum() / t[..., 1].sum(),
        "other",
        "sprinkler is on",
    ),
    "joint of two": (
        "rain_given_both",
        lambda t: t[:, 1, 1, 1].sum() / t[..., 1].sum(),
        "joint",
        "rain and sprinkler",
    ),
    "wet unused": (
        "rain_given_both",
        lambda t: t[:, 1, 1].sum() / t[:, 1].sum(),
        "no-wet",
        "lawn is wet",
    ),
    "nonsense": ("rain_given_both", lambda t: 3.3, "other", "sum the joint table"),
}
FLIPS = ("common-cause", "collider", "common-cause-open", "chain")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ZOO)
def test_each_wrong_posterior_gets_its_message(name, seed, fails):
    entry, value, category, words = ZOO[name]
    case = find_question("w00-network").data(seed)
    answer = {**right(case), entry: float(value(joint_table(case)))}
    fails("w00-network", answer, category, words, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("place", range(4))
def test_each_wrong_statement_gets_its_message(place, seed, fails):
    said = [not s if i == place else s for i, s in enumerate(STATEMENTS)]
    answer = {**right(find_question("w00-network").data(seed)), "independent": said}
    words = ("first", "second", "third", "fourth")[place]
    fails("w00-network", answer, FLIPS[place], f"the {words} of independent", seed)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [([True, False], "a list of 4"), ("True", "a list of 4"), ([1, 0, 0, 1], "True or False")],
)
def test_something_else_than_four_truth_values_is_refused(wrong, words, fails):
    answer = {**right(find_question("w00-network").data()), "independent": wrong}
    fails("w00-network", answer, "type", words)


@pytest.mark.parametrize("seed", SEEDS)
def test_independences_by_the_tables_are_those_of_the_graph(seed):
    """d-separation, by networkx."""
    graph = nx.DiGraph([(0, 1), (0, 2), (1, 3), (2, 3)])
    case = find_question("w00-network").data(seed)
    separated = [nx.is_d_separator(graph, {a}, {b}, set(given)) for _, a, b, given in _STATEMENTS]
    assert independences(case) == separated == STATEMENTS
    table = joint_table(case)
    assert table.sum() == pytest.approx(1, abs=1e-15)
    for (_, a, b, given), apart in zip(_STATEMENTS, separated, strict=True):
        assert apart or conditional_information(table, a, b, given) > 1e-4
