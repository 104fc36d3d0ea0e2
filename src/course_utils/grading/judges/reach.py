"""Judge of the two receptive fields of week 1: how far a WaveNet sees, and what a PixelCNN misses.

The truth is a walk over the network's connections, layer by layer, from one output back to the
inputs. No formula is used, so the judge cannot share a mistake with one.
"""

import random
from typing import Any

from course_utils.grading.judges.numbers import EXACT, Wrong, judge_number, written_down
from course_utils.grading.questions import PUBLIC_SEED, Instance, Mistake, Verdict

_PUBLIC = {
    "kernel_size": 3,
    "dilations": [1, 2, 4, 8, 1, 2, 4, 8],
    "num_layers": 4,
    "image_size": 16,
    "row": 9,
    "column": 6,
}
REACH_DATA = tuple(_PUBLIC)
"""Names of what the notebook is given."""

_NAMES = ("samples_seen", "pixels_missed")


def draw(seed: int) -> list[Instance]:
    """The two numbers, for another stack and another pixel with every seed."""
    rng = random.Random(f"reach {seed}")
    args = dict(_PUBLIC)
    while seed != PUBLIC_SEED:
        args = _networks(rng)
        judged = [(_truth(name, args), _wrong(name, args)) for name in _NAMES]
        if all(
            len({truth, *(v for _, _, v in wrong)}) == len(wrong) + 1 for truth, wrong in judged
        ):
            break
    return [Instance(name, args, 0.5) for name in _NAMES]


def _networks(rng: random.Random) -> dict[str, Any]:
    depth, size = rng.randint(3, 6), rng.randint(14, 24)
    return {
        "kernel_size": rng.choice((3, 4, 5)),
        "dilations": [2**i for i in range(depth)] * rng.randint(2, 3),
        "num_layers": rng.randint(3, 6),
        "image_size": size,
        "row": rng.randint(7, size - 3),
        "column": rng.randint(6, size - 6),
    }


def examine(answer: Any, instance: Instance) -> Verdict:
    """Look up one of the two entries and compare."""
    name, args = instance.name, instance.args
    if not isinstance(answer, dict):
        kind = type(answer).__name__
        raise Mistake("type", f"expected a dict with {' and '.join(_NAMES)}, got a {kind}.")
    if answer.get(name) is None:
        message = f"the entry {name!r} is still to be filled in."
        raise Mistake("blank", message, message)
    truth, wrong = _truth(name, args), _wrong(name, args)
    return judge_number(name, answer[name], truth, wrong, tip=_TIPS[name], tolerance=EXACT)


_TIPS = {
    "samples_seen": "samples_seen is not right: follow the connections of one output back through "
    "the layers, and count the inputs.",
    "pixels_missed": "pixels_missed is not right: let each layer spread the set of pixels it "
    "reads, and compare what is reached with all pixels before this one.",
}


def _truth(name: str, args: dict[str, Any]) -> float:
    return float(len(_seen(args)) if name == "samples_seen" else len(_missed(args)))


def _seen(args: dict[str, Any]) -> set[int]:
    """Delays of the inputs that an output depends on, the present one being 0."""
    delays = {0}
    for dilation in args["dilations"]:
        delays = {d + k * dilation for d in delays for k in range(args["kernel_size"])}
    return delays


def _missed(args: dict[str, Any]) -> set[tuple[int, int]]:
    """Pixels before this one that no path of masked 3 by 3 convolutions leads to."""
    size, place = args["image_size"], (args["row"], args["column"])
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0)]
    reached = {place}
    for _ in range(args["num_layers"]):
        reached = {(r + dr, c + dc) for r, c in reached for dr, dc in steps}
    before = {(r, c) for r in range(size) for c in range(size) if (r, c) < place}
    return before - reached


def _wrong(name: str, args: dict[str, Any]) -> Wrong:
    public = _truth(name, _PUBLIC)
    known = _wrong_samples(args) if name == "samples_seen" else _wrong_pixels(args)
    return [*known, *written_down(name, public, _truth(name, args))]


def _wrong_samples(args: dict[str, Any]) -> Wrong:
    kernel, dilations = args["kernel_size"], args["dilations"]
    past = (kernel - 1) * sum(dilations)
    return [
        (
            "without-present",
            "samples_seen leaves out the present sample, which an output of the stack reads too.",
            past,
        ),
        (
            "kernel",
            "samples_seen counts a kernel's width where its reach counts: k taps reach back k - 1 "
            "times the dilation.",
            1 + kernel * sum(dilations),
        ),
        (
            "no-dilation",
            "samples_seen is that of the stack without dilations.",
            1 + (kernel - 1) * len(dilations),
        ),
        (
            "one-block",
            "samples_seen counts every dilation once: the list repeats them, and each layer adds.",
            1 + (kernel - 1) * sum(set(dilations)),
        ),
        (
            "product",
            "samples_seen doubles with every layer of the list: within one run of the dilations "
            "it does, but the next run starts again at 1.",
            2 ** len(dilations),
        ),
    ]


def _wrong_pixels(args: dict[str, Any]) -> Wrong:
    size, row, column, layers = (args[k] for k in ("image_size", "row", "column", "num_layers"))
    before, missed = row * size + column, len(_missed(args))
    blind = sum(size - 1 - min(size - 1, column + up) for up in range(1, row + 1))
    return [
        (
            "seen",
            "pixels_missed are the pixels that are seen: the others before this one are asked for.",
            before - missed,
        ),
        (
            "before",
            "pixels_missed is the number of all pixels before this one.",
            before,
        ),
        (
            "only-blind-spot",
            "pixels_missed counts the blind spot of a stack of any depth: with so few layers "
            "far pixels are missed as well.",
            blind,
        ),
        (
            "window",
            "pixels_missed takes the whole window of the stack as seen: to the upper right the "
            "masks cut a corner off, which is the blind spot.",
            before - _window(args),
        ),
        ("one-layer", "pixels_missed is that of a single layer.", before - 4),
        (
            "layers",
            "pixels_missed is for one layer too few.",
            len(_missed(args | {"num_layers": layers - 1})),
        ),
    ]


def _window(args: dict[str, Any]) -> int:
    """Pixels before this one in the square window that unmasked layers would see."""
    size, row, column, layers = (args[k] for k in ("image_size", "row", "column", "num_layers"))
    rows = range(max(0, row - layers), row)
    columns = range(max(0, column - layers), min(size, column + layers + 1))
    return len(rows) * len(columns) + min(column, layers)
