"""Dates, commits and versions: told when known, ``unknown`` otherwise."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

import nbformat

import provenance
import run_chapter
import store
from chapters import Chapter, key


def git(folder, *arguments):
    author = {
        f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, env=os.environ | author
    )


def test_the_date_is_the_one_a_reproducible_build_asks_for(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert provenance.today() == "1970-01-02"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert provenance.today() == datetime.now(UTC).date().isoformat()


def test_a_commit_is_told_and_marked_when_files_differ(tmp_path):
    assert provenance.commit(tmp_path) == "unknown"
    git(tmp_path, "init")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    clean = provenance.commit(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{10,}", clean)
    (tmp_path / "a").write_text("2")
    assert provenance.commit(tmp_path) == f"{clean}+"


def test_no_git_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit(tmp_path) == "unknown"


def test_versions_are_those_installed():
    assert provenance.package("no-such-package-anywhere") == "unknown"
    assert provenance.of_execution(store.BUILD.parent) | {"executed": "", "commit": ""} == {
        "executed": "",
        "commit": "",
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
    }


def test_an_execution_remembers_and_its_key_does_not(tmp_path, monkeypatch):
    """Facts of a run are kept with its result; the key stays a function of what decides it."""
    path = tmp_path / "one.md"
    path.write_text(
        "---\njupytext: {text_representation: {format_name: myst}}\n"
        "kernelspec: {display_name: Python 3, language: python, name: python3}\n---\n"
        "# One\n\n```{code-cell} python3\nprint(1)\n```\n"
    )
    chapter = Chapter("one", path)
    monkeypatch.setattr(run_chapter, "find_chapters", lambda names: [chapter])
    keys = []
    for day in (1, 2):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(86400 * day))
        result = run_chapter.run("one")
        assert result["fault"] == ""
        notebook = nbformat.reads(result["notebook"], as_version=4)
        assert notebook.metadata.course.executed == f"1970-01-0{day + 1}"
        assert {"cpu_seconds", "wall_seconds", "torch", "commit"} <= set(notebook.metadata.course)
        keys.append(key(chapter))
    assert keys[0] == keys[1]
    monkeypatch.setattr(store, "STORE", tmp_path / "store")
    store.save(keys[0], notebook)
    assert store.load(keys[1]).metadata.course.executed == "1970-01-03"
