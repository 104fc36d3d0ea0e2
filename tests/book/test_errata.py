"""The errata page and the boxes in the chapters tell the same story."""

import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course_errata  # noqa: E402
from test_ext import build, page, write_project  # noqa: E402

DOCUMENTS, ENTRIES = course_errata.read_errata(ROOT / "book" / "errata.yml")
PAGES = [path.read_text("utf-8") for path in sorted((ROOT / "book").rglob("*.md"))]
BOXES = [number for text in PAGES for number in re.findall(r"^`{3,}\{erratum\} (E\d+)", text, re.M)]

PAGE = "---\norphan: true\n---\n# Errata\n\n```{errata-table}\n```\n"
GOOD = {
    "id": "E32",
    "document": "003",
    "place": "section 1",
    "says": "One is $2$.",
    "right": "One is *one*.",
    "measured": "1.00 apart.",
    "severity": 1,
    "week": "1",
    "status": "runs",
}


def test_a_box_stands_in_the_book_for_every_entry_that_runs_and_for_no_other():
    assert len(BOXES) == len(set(BOXES))
    assert sorted(e["id"] for e in ENTRIES if e["status"] == "runs") == sorted(BOXES)


def test_entries_are_numbered_without_a_gap():
    assert [e["id"] for e in ENTRIES] == [f"E{n:02d}" for n in range(1, len(ENTRIES) + 1)]
    assert {e["document"] for e in ENTRIES} == set(DOCUMENTS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_an_entry_says_something_in_whole_sentences(entry):
    for field in ("says", "right", *(["measured"] if "measured" in entry else [])):
        assert len(entry[field]) > 8
        assert entry[field][-1] in ".?", entry[field]


def write(path: Path, *entries: dict) -> Path:
    data = {"documents": {"003": "A text"}, "errata": list(entries)}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "32"}, "id: expected a number such as E32, got '32'"),
        ({"document": "009"}, "document: expected one of 003, got '009'"),
        ({"severity": 5}, "severity: expected one of 1, 2, 3, 4, got 5"),
        ({"status": "done"}, "status: expected one of runs, waits, noted"),
        ({"week": "soon"}, "week: expected a number or a part such as R3, got 'soon'"),
        ({"extra": 1}, "expected the fields"),
    ],
)
def test_a_value_that_means_nothing_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        course_errata.read_errata(write(tmp_path / "errata.yml", GOOD | change))


def test_a_field_that_lacks_and_an_id_twice_are_refused(tmp_path):
    bare = {name: value for name, value in GOOD.items() if name != "right"}
    with pytest.raises(ValueError, match="E32: expected the fields"):
        course_errata.read_errata(write(tmp_path / "errata.yml", bare))
    with pytest.raises(ValueError, match="E32: expected once, got twice"):
        course_errata.read_errata(write(tmp_path / "errata.yml", GOOD, GOOD))


def test_a_running_entry_leads_to_its_box_and_the_others_say_what_they_wait_for(tmp_path):
    folder = write_project(tmp_path)
    waits = GOOD | {"id": "E33", "status": "waits", "week": "7"}
    part = GOOD | {"id": "E34", "status": "waits", "week": "R3"}
    noted = GOOD | {"id": "E35", "status": "noted"}
    write(folder / "book" / "errata.yml", GOOD, waits, part, noted)
    (folder / "errata.md").write_text(PAGE)
    done = build(folder)
    assert done.returncode == 0, done.stderr
    errata = page(folder, "errata")
    assert "4 errata, of which 1 run" in errata.get_text()
    rows = errata.select("table.errata-table tbody tr")
    assert [row["id"] for row in rows] == [f"errata-e{n}" for n in (32, 33, 34, 35)]
    assert rows[0].select_one("a")["href"] == "book/chapter.html#erratum-e32"
    assert [row("td")[-1].get_text() for row in rows] == [
        "running cell",
        "waits for week 7",
        "waits for part R3",
        "noted here; nothing to run",
    ]
    assert rows[0].select_one("em").get_text() == "one"
    assert rows[0].select_one(".measured").get_text() == "1.00 apart."
    assert any("concepts.js" in tag.get("src", "") for tag in errata("script"))


def test_a_link_to_a_box_that_is_not_there_fails_the_build(tmp_path):
    folder = write_project(tmp_path)
    write(folder / "book" / "errata.yml", GOOD | {"id": "E99"})
    (folder / "errata.md").write_text(PAGE)
    done = build(folder)
    assert done.returncode != 0
    assert "undefined label: 'erratum-e99'" in done.stderr
