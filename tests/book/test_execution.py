"""What pages tell of their execution: the status table and the stamp, honest when unknown."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course_execution  # noqa: E402
from test_ext import build, page, write_project  # noqa: E402

NOTEBOOK = """---
jupytext: {text_representation: {format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
orphan: true
%s
---
# Title of %s
"""
FACTS = {
    "cpu_seconds": 11.74,
    "wall_seconds": 12.3,
    "python": "3.11.7",
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "executed": "2026-01-31",
    "commit": "0123456789",
}
STATUS = "---\norphan: true\n---\n# Status\n\n```{status-table}\n```\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Three chapters: one that tells everything, one executed long ago, one not executed."""
    folder = write_project(tmp_path_factory.mktemp("status"))
    (folder / "status.md").write_text(STATUS)
    for name, course in (("new", "course: {limit: 40}"), ("old", ""), ("never", "")):
        (folder / "book" / f"{name}.md").write_text(NOTEBOOK % (course, name))
    executed = folder / "_build" / "executed"
    executed.mkdir(parents=True)
    for name, facts in (("new", FACTS), ("old", {"cpu_seconds": 3.0, "wall_seconds": 4.0})):
        metadata = {"course": facts, "language_info": {"version": "3.10.1"}}
        notebook = {"cells": [], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        (executed / f"{name}.ipynb").write_text(json.dumps(notebook))
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = "1769817600"  # 2026-01-31
    try:
        done = build(folder)
    finally:
        os.environ.pop("SOURCE_DATE_EPOCH")
        if before is not None:
            os.environ["SOURCE_DATE_EPOCH"] = before
    assert done.returncode == 0, done.stderr
    names = ("status", "index", "book/new", "book/old", "book/never")
    return {name: page(folder, name) for name in names}


def test_the_table_tells_what_is_known_of_every_chapter(site):
    rows = site["status"].select("table.status-table tbody tr")
    assert [[cell.get_text() for cell in row(["th", "td"])] for row in rows] == [
        ["Title of never", "not executed", "", "", "", "", ""],
        [
            "Title of new",
            "without error or warning",
            "11.7",
            "12.3 of 40",
            "Python 3.11.7, torch 2.13.0, numpy 2.4.6",
            "2026-01-31",
            "0123456789",
        ],
        [
            "Title of old",
            "without error or warning",
            "3.0",
            "4.0 of 150",
            "Python 3.10.1",
            "not recorded",
            "not recorded",
        ],
    ]
    assert rows[1].select_one("a")["href"] == "book/new.html"
    assert "3 chapters, 15 CPU seconds" in site["status"].get_text()


def test_every_page_ends_with_one_stamp(site):
    texts = {name: soup.select(".course-stamp") for name, soup in site.items()}
    assert all(len(found) == 1 for found in texts.values())
    shown = {name: found[0].get_text().strip() for name, found in texts.items()}
    # The folder is in no repository, and the date is the one asked for.
    assert all(
        t.startswith("Built on 2026-01-31 · commit unknown · torch ") for t in shown.values()
    )
    assert shown["book/new"].endswith("torch 2.13.0 · executed in 11.7 CPU seconds")
    assert shown["book/old"].endswith("executed in 3.0 CPU seconds")
    assert shown["index"].endswith("nothing to execute on this page")


def test_a_damaged_notebook_is_no_execution(tmp_path):
    path = tmp_path / "x.ipynb"
    assert course_execution.read_execution(path) is None
    for text in ("", "[]", '{"metadata": {}}', '{"metadata": {"course": {"cpu_seconds": "x"}}}'):
        path.write_text(text)
        assert course_execution.read_execution(path) is None


def test_the_stamp_escapes_what_it_shows():
    shown = course_execution.stamp("2026-01-31", "<b>", "2", None)
    assert "<b>" not in shown
    assert re.search(r'<time datetime="2026-01-31">2026-01-31</time>', shown)
