"""A track is an order in which to read; this module says what order, and what is wrong with one.

The plan of a track lists legs, each with some weeks, and every week has chapters. Expanded, a track
is a list of chapters. It is sound if it has every chapter once, and none before what it builds on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from course_utils.arguments import ArgumentError


def expand(
    legs: Sequence[Mapping[str, Any]], chapters: Mapping[int, Sequence[str]]
) -> tuple[str, ...]:
    """Return a track's chapters in the order of reading.

    Args:
        legs: Each with a list ``weeks``, as the plan of the course writes a track.
        chapters: The chapters of each week in order; a week that has none yet is passed over.

    Raises:
        ArgumentError: A leg has no weeks.
    """
    order: list[str] = []
    for number, leg in enumerate(legs):
        if not leg.get("weeks"):
            raise ArgumentError(f"legs: expected weeks in every leg, got none in leg {number + 1}")
        for week in leg["weeks"]:
            order += chapters.get(week, ())
    return tuple(order)


def faults(
    order: Sequence[str], chapters: Sequence[str], needs: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return one line for each chapter that is missing, read twice, or read too early.

    Args:
        order: A track's chapters in the order of reading.
        chapters: All chapters there are.
        needs: For each chapter those it builds on; it may leave out chapters that need none.
    """
    lines = [f"{name} is missing" for name in chapters if name not in order]
    lines += [f"{name} is unknown" for name in dict.fromkeys(order) if name not in chapters]
    repeated = (name for name in dict.fromkeys(order) if order.count(name) > 1)
    lines += [f"{name} is read {order.count(name)} times" for name in repeated]
    first = {name: order.index(name) for name in order}
    for name in first:
        for needed in needs.get(name, ()):
            if needed in first and first[needed] > first[name]:
                lines.append(f"{name} is read before {needed}")
    return lines
