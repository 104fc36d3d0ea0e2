"""What people read after a batch: made from the results alone, and made again at any time.

    grades/feedback/NAME.html               one page per student             (``feedback``)
    grades/summary.html                     the class, for the instructor    (``summary``)
    grades/gradescope/NAME/results.json     the same points for Gradescope   (``gradescope``)

The results are the record; these are views of it. Whatever is deleted or torn here is written
again by the next run.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from course_utils.arguments import ArgumentError
from course_utils.grading.cards import Card, read_card
from course_utils.grading.feedback import feedback_page
from course_utils.grading.gradescope import gradescope_results
from course_utils.grading.pages import file_name
from course_utils.grading.results import Result
from course_utils.grading.summary import summary_page

_NO_PATHS: dict[str, Path] = {}


def write_reports(
    folder: Path, results: Iterable[Result], paths: Mapping[str, Path] = _NO_PATHS
) -> Path:
    """Write the pages and the files for Gradescope.

    Args:
        folder: The folder of the results; parts that are missing are made.
        results: Of one assignment and one seed.
        paths: Where the submissions lie, by name: to find those that hold the same code.

    Returns:
        The path of the summary.

    Raises:
        ArgumentError: There are no results, they are of several assignments or seeds, or the
            folder cannot be written to.
    """
    results = list(results)
    cards = [read_card(result) for result in results]
    kinds = {(card.title, result["seed"]) for card, result in zip(cards, results, strict=True)}
    if len(kinds) != 1:
        raise ArgumentError(
            f"results: expected some of one assignment and one seed, got {len(kinds)} kinds"
        )
    try:
        return _write(folder, cards, results[0]["seed"], paths)
    except OSError as error:
        reason = error.strerror or error
        raise ArgumentError(f"folder: cannot write to {str(folder)!r}: {reason}") from None


def _write(folder: Path, cards: list[Card], seed: int, paths: Mapping[str, Path]) -> Path:
    links = {}
    for card in cards:
        name = file_name(card.key)
        links[card.key] = quote(f"feedback/{name}.html")
        _put(folder / "feedback" / f"{name}.html", feedback_page(card))
        text = json.dumps(gradescope_results(card), indent=1) + "\n"
        _put(folder / "gradescope" / name / "results.json", text.encode())
    path = folder / "summary.html"
    _put(path, summary_page(cards, seed, links, paths))
    return path


def _put(path: Path, data: bytes) -> None:
    """Write a file in one step, since the shards of a class write the same summary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
