"""Judge of a small network of causes: posteriors and independences by a sum over sixteen states."""

import math
import random
from typing import Any

import numpy as np

from course_utils.grading.judges.numbers import Wrong, entry, judge_number, lie_apart
from course_utils.grading.questions import Instance, Mistake, Verdict, right

DATA = ("cloudy", "sprinkler", "rain", "wet")
"""Names of what the notebook is given."""

_NUMBERS = ("rain_given_wet", "rain_given_both")
_NETWORK = (*_NUMBERS, "independent")
_STATEMENTS = (
    ("common-cause", 1, 2, (0,)),
    ("collider", 1, 2, (0, 3)),
    ("common-cause-open", 1, 2, ()),
    ("chain", 0, 3, (1, 2)),
)
"""Sprinkler and rain given cloudy; the same given wet too; given nothing; cloudy and wet given
sprinkler and rain. Variables are numbered in the order of ``DATA``."""
_WHY = {
    "common-cause": "the first of independent is wrong: is a path through a common cause open once "
    "the cause is known?",
    "collider": "the second of independent is wrong: what does knowing a common effect do?",
    "common-cause-open": "the third of independent is wrong: does a common cause that is not known "
    "leave its effects independent?",
    "chain": "the fourth of independent is wrong: does anything still flow once all that lies "
    "between is known?",
}


def draw(seed: int) -> list[Instance]:
    """Tables of the wet lawn, other ones for every seed."""
    rng = random.Random(f"wet lawn {seed}")
    while True:
        args = {
            "cloudy": round(rng.uniform(0.3, 0.7), 2),
            "sprinkler": [round(rng.uniform(0.4, 0.7), 2), round(rng.uniform(0.05, 0.25), 2)],
            "rain": [round(rng.uniform(0.05, 0.3), 2), round(rng.uniform(0.6, 0.9), 2)],
            "wet": [
                [round(rng.uniform(0.02, 0.08), 2), round(rng.uniform(0.75, 0.9), 2)],
                [round(rng.uniform(0.75, 0.9), 2), round(rng.uniform(0.93, 0.98), 2)],
            ],
        }
        judged = [[t, *(v for _, _, v in wrong)] for t, wrong in _posteriors(args).values()]
        if all(lie_apart(values, 0.02) for values in judged):
            break
    weights = (0.35, 0.35, 0.3)
    return [Instance(name, args, w) for name, w in zip(_NETWORK, weights, strict=True)]


def joint_table(args: dict[str, Any]) -> np.ndarray:
    """Probability of all sixteen states, axes cloudy, sprinkler, rain, wet."""
    table = np.zeros((2, 2, 2, 2))
    for c, s, r, w in np.ndindex(2, 2, 2, 2):
        chances = args["cloudy"], args["sprinkler"][c], args["rain"][c], args["wet"][s][r]
        table[c, s, r, w] = math.prod(
            p if state else 1 - p for p, state in zip(chances, (c, s, r, w), strict=True)
        )
    return table


def conditional_information(table: np.ndarray, a: int, b: int, given: tuple[int, ...]) -> float:
    """I(a; b | given) in nats, zero exactly when they are independent."""

    def entropy(axes: tuple[int, ...]) -> float:
        rest = tuple(i for i in range(4) if i not in axes)
        cells = table.sum(rest).ravel()
        return -math.fsum(p * math.log(p) for p in cells if p > 0)

    return entropy((a, *given)) + entropy((b, *given)) - entropy((a, b, *given)) - entropy(given)


def independences(args: dict[str, Any]) -> list[bool]:
    """Which of the four statements hold, by the tables."""
    table = joint_table(args)
    return [conditional_information(table, a, b, given) < 1e-12 for _, a, b, given in _STATEMENTS]


def _posteriors(args: dict[str, Any]) -> dict[str, tuple[float, Wrong]]:
    table = joint_table(args)
    wet, both = table[..., 1], table[:, 1, :, 1]
    one = float(wet[:, :, 1].sum() / wet.sum())
    two = float(both[:, 1].sum() / both.sum())
    prior = float(table[:, :, 1].sum())
    backwards = float(wet[:, :, 1].sum() / table[:, :, 1].sum())
    joined = float(both[:, 1].sum() / wet.sum())
    return {
        "rain_given_wet": (one, [
            ("prior", "rain_given_wet is the probability of rain before anything is seen.", prior),
            ("joint", "rain_given_wet is that of rain and wet together: divide.",
             float(wet[:, :, 1].sum())),
            ("backwards", "rain_given_wet is the probability of wet given rain.", backwards),
            ("complement", "rain_given_wet is the probability that it does not rain.", 1 - one),
            ("other", "rain_given_wet is given the sprinkler too: it is not known here.", two),
        ]),
        "rain_given_both": (two, [
            ("other", "rain_given_both does not use that the sprinkler is on.", one),
            ("joint", "rain_given_both is that of rain and sprinkler, given wet.", joined),
            ("all-joint", "rain_given_both is that of all three together: divide.",
             float(both[:, 1].sum())),
            ("no-wet", "rain_given_both does not use that the lawn is wet.",
             float(table[:, 1, 1].sum() / table[:, 1].sum())),
            ("complement", "rain_given_both is the probability that it does not rain.", 1 - two),
        ]),
    }  # fmt: skip


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare one of the two posteriors, or the list of independences."""
    name, args = instance.name, instance.args
    value = entry(answer, name, _NETWORK)
    if name == "independent":
        return _examine_statements(value, independences(args))
    truth, wrong = _posteriors(args)[name]
    tip = f"{name} is not right: sum the joint table over what is not known, then divide."
    return judge_number(name, value, truth, wrong, tip=tip)


def _examine_statements(value: Any, truth: list[bool]) -> Verdict:
    if not isinstance(value, list | tuple) or len(value) != len(truth):
        text = f"independent: a list of {len(truth)} truth values is asked for."
        raise Mistake("type", text, text)
    if not all(isinstance(item, bool) for item in value):
        text = "independent: True or False is asked for, for each statement."
        raise Mistake("type", text, text)
    for (category, *_), said, so in zip(_STATEMENTS, value, truth, strict=True):
        if said != so:
            raise Mistake(category, _WHY[category], _WHY[category])
    return right("all four statements are judged rightly.")
