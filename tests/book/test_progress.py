"""The progress page: a plan that is read strictly, and lists made from the pages themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "book" / "_ext"
sys.path.insert(0, str(EXTENSION))

import course_plan  # noqa: E402

CONFIG = f"""
import sys
sys.path.insert(0, {str(EXTENSION)!r})
extensions = ["myst_nb", "course"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_execution_mode = "off"
html_theme = "basic"
exclude_patterns = ["_build"]
"""
INDEX = """
# Book

```{weeks}
```

```{toctree}
book/progress
book/first
book/week01/index
book/plain
```
"""
PROGRESS = "# Progress\n\n" + "\n".join(
    f"## The {part}\n\n```{{progress}} {part}\n```\n"
    for part in ("summary", "chapters", "checkpoints", "tracks", "controls")
)
GLANCE = """
```{glance}
question: "Why?"
solves: {sample: exact, score: exact, infer: exact, learn: exact}
prerequisites: nothing
reading: 5
outcomes: [something]
```
"""
QUIZ = """
```{quiz}
:name: %s
Which?

- [ ] one :: no
- [x] two :: yes
```
"""
PLAN = """
weeks:
  0: {title: Foundations}
  1: {title: Chains, about: one by one}
  2: {title: Later}
checkpoints:
  - {week: 2, kind: What you built, about: [1, 2], items: {chain: "Build $x$ a chain."}}
  - {week: 1, kind: What you know, about: [1], items: {rule: The rule.}}
tracks:
  - name: Fast
    time: a day
    legs:
      - {when: Morning, weeks: [0, 1]}
      - {when: Evening, weeks: [2], besides: a walk}
"""


def write(folder: Path, **more: str) -> Path:
    files = {
        "conf.py": CONFIG,
        "index.md": INDEX,
        "book/progress.md": PROGRESS,
        "book/progress.yml": PLAN,
        "book/first.md": "# First *things*\n" + GLANCE,
        "book/plain.md": "# Plain\n" + QUIZ % "plain",
        "book/week01/index.md": "# Week 1\n\n```{toctree}\nb\na\n```\n",
        "book/week01/a.md": "# Read second\n" + GLANCE + QUIZ % "a-1",
        "book/week01/b.md": "# Read first\n" + GLANCE + QUIZ % "b-1" + "\n" + QUIZ % "b-2",
    }
    for name, text in (files | more).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def build(folder: Path, builder: str = "html") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-j", "2"]
    return subprocess.run(
        [*command, "-b", builder, str(folder), str(folder / "_build" / builder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


def page(folder: Path, name: str) -> BeautifulSoup:
    text = (folder / "_build" / "html" / f"{name}.html").read_text("utf-8")
    return BeautifulSoup(text, "html.parser")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("progress"))
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


def rows(soup: BeautifulSoup) -> list[list[str]]:
    body = soup.select("table.progress-table tbody tr")
    return [[cell.get_text(" ", strip=True) for cell in row(["td", "th"])] for row in body]


def test_chapters_and_their_questions_come_from_the_pages_in_reading_order(folder):
    assert rows(page(folder, "book/progress")) == [
        ["First things", "", "0"],
        ["Week 0: Foundations", "not written yet", ""],
        ["Week 1: Read first", "", "2"],
        ["Week 1: Read second", "", "1"],
        ["Week 2: Later", "not written yet", ""],
    ]
    cells = page(folder, "book/progress").select(".progress-passed")
    assert [(cell["data-page"], cell["data-checks"]) for cell in cells] == [
        ("book/first", ""),
        ("book/week01/b", "b-1 b-2"),
        ("book/week01/a", "a-1"),
    ]


def test_the_progress_page_follows_a_change_of_another_page(tmp_path):
    folder = write(tmp_path)
    assert build(folder).returncode == 0
    second = folder / "book/week01/a.md"
    second.write_text(second.read_text() + QUIZ % "a-2")
    assert build(folder).returncode == 0
    assert ["Week 1: Read second", "", "2"] in rows(page(folder, "book/progress"))


def test_checkpoints_have_headings_items_and_an_honest_line(folder):
    soup = page(folder, "book/progress")
    parts = soup.select("#the-checkpoints section")
    assert [part.h3.contents[0] for part in parts] == [
        "Week 2: what you built",
        "Week 1: what you know",
    ]
    points = soup.select(".progress-point")
    assert [point["data-point"] for point in points] == ["chain", "rule"]
    assert points[0].select_one(".math")
    assert [part.select_one(".progress-rests").get_text() for part in parts] == [
        "It looks back on weeks 1 and 2; not written yet: 2.",
        "It looks back on week 1.",
    ]


def test_a_track_leads_through_the_same_pages(folder):
    (track,) = page(folder, "book/progress").select("#the-tracks section")
    assert track.h3.contents[0] == "Fast: a day"
    legs = track.select(".progress-legs > li")
    lines = [" ".join(line.get_text().split()) for line in legs[0].select("li")]
    assert lines == [
        "Before the weeks: First things",
        "Week 1, Chains: one by one. Read first; Read second",
        "Not written yet: week 0, Foundations.",
    ]
    assert [a["href"] for a in legs[0]("a")] == [
        "first.html",
        "week01/index.html",
        "week01/b.html",
        "week01/a.html",
    ]
    assert " ".join(legs[1].get_text().split()) == (
        "Evening. Besides: a walk. Not written yet: week 2, Later."
    )


def test_weeks_are_linked_where_they_exist(folder):
    weeks = page(folder, "index").select("ol.weeks > li")
    assert [week.get_text(strip=True) for week in weeks] == [
        "Foundations",
        "Chains: one by one",
        "Later",
    ]
    assert [bool(week.a) for week in weeks] == [False, True, False]
    assert page(folder, "index").select_one("ol.weeks")["start"] == "0"


def test_only_a_chapter_can_be_marked_as_read_and_only_by_script(folder):
    place = page(folder, "book/week01/a").select_one(".reading")
    assert place["data-page"] == "book/week01/a"
    assert place.has_attr("hidden")
    assert place.button["aria-pressed"] == "false"
    assert place.a["href"] == "../progress.html"
    for name in ("index", "book/plain", "book/week01/index", "book/progress"):
        assert not page(folder, name).select(".reading")


def test_without_scripts_the_page_says_so_and_shows_no_dead_controls(folder):
    soup = page(folder, "book/progress")
    assert "needs JavaScript" in soup.noscript.get_text()
    assert not soup.select(".progress-point input")
    assert soup.select_one(".progress-controls").has_attr("hidden")


def test_other_formats_get_the_lists_too(folder):
    for builder in ("text", "latex"):
        done = build(folder, builder)
        assert done.returncode == 0, done.stderr
    text = (folder / "_build/text/book/progress.txt").read_text()
    assert "Build" in text
    assert "Week 1: Read first" in text


# --- The plan ---


def broken(edit) -> str:
    plan = yaml.safe_load(PLAN)
    edit(plan)
    return yaml.safe_dump(plan)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda p: p.pop("tracks"), "expected the keys weeks, checkpoints, tracks"),
        (lambda p: p.update(weeks=[]), "weeks: expected dict, got []"),
        (lambda p: p["weeks"][1].pop("title"), "weeks: expected the keys title, about?"),
        (lambda p: p["weeks"].update({3: "x"}), "weeks: expected the keys title, about?"),
        (lambda p: p["weeks"][1].update(more=1), "weeks: expected the keys title, about?"),
        (lambda p: p["weeks"][1].update(title=1), "weeks: title: expected str, got 1"),
        (lambda p: p["checkpoints"][0].pop("kind"), "checkpoints: expected the keys week, kind"),
        (
            lambda p: p["checkpoints"][0].update(week=9),
            "checkpoints: expected a week of the plan, got 9",
        ),
        (
            lambda p: p["checkpoints"][0].update(about=[1, 7]),
            "checkpoints: expected a week of the plan, got 7",
        ),
        (
            lambda p: p["checkpoints"][1]["items"].update(chain="again"),
            "checkpoints: expected different names, got 'chain'",
        ),
        (lambda p: p["tracks"][0].pop("time"), "tracks: expected the keys name, time, legs"),
        (lambda p: p["tracks"][0].update(legs=3), "tracks: legs: expected list, got 3"),
        (
            lambda p: p["tracks"][0]["legs"][0].update(weeks=[5]),
            "legs: expected a week of the plan, got 5",
        ),
    ],
)
def test_a_plan_that_cannot_be_shown_is_refused_in_one_line(tmp_path, edit, message):
    path = tmp_path / "progress.yml"
    path.write_text(broken(edit))
    with pytest.raises(ValueError) as caught:
        course_plan.read_plan(path)
    assert str(caught.value).startswith(f"progress.yml: {message}")


def test_mistakes_fail_the_build_and_name_the_directive(tmp_path):
    more = {
        "book/progress.yml": PLAN.replace("week: 2", "week: 9"),
        "book/plain.md": "# Plain\n\n```{progress} charts\n```\n",
    }
    done = build(write(tmp_path, **more))
    assert done.returncode != 0
    for message in (
        "progress: progress.yml: checkpoints: expected a week of the plan, got 9",
        "progress: expected one of summary, chapters, checkpoints, tracks, controls, got 'charts'",
    ):
        assert message in done.stderr


def test_the_books_own_plan_has_its_checkpoints_and_tracks():
    plan = course_plan.read_plan(ROOT / course_plan.PLAN)
    assert list(plan["weeks"]) == list(range(13))
    assert {checkpoint["week"] for checkpoint in plan["checkpoints"]} == {4, 6, 8, 10, 12}
    assert [track["name"] for track in plan["tracks"]] == ["Intensive", "Standard", "Research"]
    for track in plan["tracks"]:
        visited = [week for leg in track["legs"] for week in leg["weeks"]]
        assert visited == list(plan["weeks"]), track["name"]
