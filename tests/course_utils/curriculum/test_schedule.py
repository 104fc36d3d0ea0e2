"""The tracks as the book has them: every chapter once, none too early, in as many weeks as said."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from course_utils.arguments import ArgumentError
from course_utils.curriculum.chapter_parts import PARTS, missing_parts
from course_utils.curriculum.schedule import expand, faults

BOOK = Path(__file__).resolve().parents[3] / "book"
PLAN = yaml.safe_load((BOOK / "progress.yml").read_text("utf-8"))
TOC = yaml.safe_load((BOOK.parent / "_toc.yml").read_text("utf-8"))
TRACKS = {track["name"]: track for track in PLAN["tracks"]}
NUMBERS = {"ten": 10, "twelve": 12, "sixteen": 16, "twenty": 20}
REVIEWS = {"checkpoint", "assignment", "index"}


def written() -> dict[int, list[str]]:
    """The chapters of each week that exist, in the order of the table of contents."""
    chapters: dict[int, list[str]] = {}
    for part in TOC["parts"]:
        for entry in part["chapters"]:
            for section in entry.get("sections", ()):
                match = re.fullmatch(r"book/(week(\d+)/\w+)", section["file"])
                if match and (BOOK / f"{match[1]}.md").exists():
                    chapters.setdefault(int(match[2]), []).append(match[1])
    return chapters


CHAPTERS = written()
ALL = [name for week in CHAPTERS.values() for name in week]


def needs() -> dict[str, list[str]]:
    """The chapters that a chapter's box at the top links to as prerequisites."""
    found = {}
    for name in ALL:
        box = re.search(r"(?s)\nprerequisites:(.*?)\nreading:", (BOOK / f"{name}.md").read_text())
        links = re.findall(r"\]\(([\w./]+)\.md", box[1]) if box else []
        paths = [(BOOK / name).parent / link for link in links]
        found[name] = [str(path.resolve().relative_to(BOOK)) for path in paths]
    return found


NEEDS = needs()


@pytest.mark.concept("ped.track-intensive", "ped.track-standard")
@pytest.mark.parametrize("name", TRACKS)
def test_a_track_has_every_chapter_once_and_none_before_what_it_needs(name):
    order = expand(TRACKS[name]["legs"], CHAPTERS)
    assert len(order) == len(ALL) > 15
    assert faults(order, ALL, NEEDS) == []


@pytest.mark.concept("ped.track-intensive", "ped.track-standard")
@pytest.mark.parametrize("name", TRACKS)
def test_every_planned_week_is_in_a_track_once_and_in_order(name):
    weeks = [week for leg in TRACKS[name]["legs"] for week in leg["weeks"]]
    assert weeks == sorted(PLAN["weeks"])


@pytest.mark.concept("ped.track-intensive", "ped.track-standard")
@pytest.mark.parametrize("name", ["Intensive", "Standard"])
def test_legs_follow_each_other_and_take_the_time_that_is_said(name):
    """Calendar weeks without a gap, up to the upper end of the band the track names."""
    spans = []
    for leg in TRACKS[name]["legs"]:
        numbers = [int(number) for number in re.findall(r"\d+", leg["when"])]
        spans.append((numbers[0], numbers[-1]))
    assert spans[0][0] == 1
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(spans))
    low, high = (NUMBERS[word] for word in re.findall("|".join(NUMBERS), TRACKS[name]["time"]))
    assert low <= spans[-1][1] <= high


@pytest.mark.concept("ped.track-standard")
def test_prerequisites_are_read_from_the_boxes():
    assert NEEDS["week02/dependencies"] == ["week01/recurrent", "week01/wavenet", "week02/gpt"]
    assert sum(map(len, NEEDS.values())) > 20


@pytest.mark.concept("ped.philosophy")
@pytest.mark.parametrize("name", [n for n in ALL if n.split("/")[1] not in REVIEWS])
def test_every_chapter_lays_a_foundation_builds_compares_and_looks_further(name):
    source = (BOOK / f"{name}.md").read_text("utf-8")
    exempt = {"foundation"} if name == "week00/prerequisites" else set()
    assert set(missing_parts(source)) <= exempt


@pytest.mark.concept("ped.philosophy")
@pytest.mark.parametrize("week", list(CHAPTERS))
def test_every_week_grades_what_its_chapters_teach(week):
    """Each concept an assignment names is introduced in a section of the book."""
    page = (BOOK / f"week{week:02}" / "assignment.md").read_text("utf-8")
    asked = re.findall(r"\(#concept-([\w.-]+)\)", page)
    taught = {
        label
        for path in BOOK.rglob("*.md")
        for label in re.findall(r"(?m)^\(concept-([\w.-]+)\)=$", path.read_text("utf-8"))
    }
    assert len(asked) >= 5 and set(asked) <= taught


def test_faults_are_named():
    chapters = ["a", "b", "c"]
    needed = {"b": ["a"], "c": ["b", "elsewhere"]}
    assert faults(["a", "b", "c"], chapters, needed) == []
    assert faults(["b", "a", "c"], chapters, needed) == ["b is read before a"]
    assert faults(["a", "c"], chapters, needed) == ["b is missing"]
    assert faults(["a", "b", "a", "c"], chapters, needed) == ["a is read 2 times"]
    assert faults(["a", "b", "c", "d"], chapters, needed) == ["d is unknown"]


def test_legs_expand_in_order_and_skip_weeks_that_are_not_written(as_user):
    legs = [{"weeks": [0, 2]}, {"weeks": [1]}]
    assert expand(legs, {0: ["a"], 1: ["c", "d"]}) == ("a", "c", "d")
    with pytest.raises(ArgumentError, match="legs: expected weeks in every leg, got none in leg 2"):
        expand([*legs[:1], {"weeks": []}], {})


def test_each_missing_part_is_named():
    whole = (
        "$$\nx\n$$\n\n```{literalinclude} f.py\n```\n\nplotting.table(\n\n*Further reading.* It."
    )
    assert missing_parts(whole) == []
    assert missing_parts(whole.replace("$$", "")) == ["foundation"]
    assert missing_parts(whole.replace("literalinclude", "x")) == ["build"]
    assert missing_parts(whole.replace("table", "chart")) == ["compare"]
    assert missing_parts(whole.replace("Further", "More")) == ["frontier"]
    assert list(PARTS) == missing_parts("")
