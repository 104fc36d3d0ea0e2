"""Reading what students hand in: the right cells of good files, one sentence about bad ones."""

import json
import os
import time
from pathlib import Path

import nbformat
import pytest

import make_exercises
from course_utils.arguments import ArgumentError
from course_utils.grading.magics import without_magics
from course_utils.grading.submissions import (
    LARGEST_FILE,
    find_submissions,
    fingerprint,
    read_submission,
    safe_name,
)

ROOT = Path(__file__).resolve().parents[3]


def notebook(*sources, kind="code", **metadata) -> str:
    cells = [{"cell_type": kind, "source": source} for source in sources]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def read(tmp_path):
    """Write a file and read it as a submission."""

    def write_and_read(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_submission(path)

    return write_and_read


@pytest.mark.parametrize("master", sorted((ROOT / "solutions").glob("week*.py")), ids=str)
def test_a_script_and_its_notebook_have_the_same_cells(master, read):
    text = master.read_text(encoding="utf-8")
    script = read("a.py", text)
    book = make_exercises.to_notebook(text)
    expected = [c.source for c in nbformat.reads(book, as_version=4).cells if c.cell_type == "code"]
    assert list(script.cells) == expected
    assert list(read("b.ipynb", book).cells) == expected
    assert script.notes == () and len(script.sha256) == 64


def test_student_files_are_read_alike():
    script, book = (read_submission(ROOT / "exercises" / f"week01.{s}") for s in ("py", "ipynb"))
    assert book.cells[0].startswith("# In Colab this installs")
    assert script.cells == book.cells[1:] and script.name == book.name == "week01"
    assert script.sha256 != book.sha256 == fingerprint(book.path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if x:\n    !ls \\\n  -l\ny = 2", "if x:\n    pass\n\ny = 2"),
        ("w = !ls\nv = %env HOME", "pass\npass"),
        ("torch.where?\n?torch\nx", "pass\npass\nx"),
        ("get_ipython().run_line_magic('time', 'x')", "pass"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("%%bash\nrm x", ""),
        ("y = (x\n  % 2)\nz = x \\\n  % 3", "y = (x\n  % 2)\nz = x \\\n  % 3"),
        ("y = (x\n  %z)\nok = [x\n  != z]", "y = (x\n  %z)\nok = [x\n  != z]"),
        ("y = x \\\n  %z\n!ls", "y = x \\\n  %z\npass"),
        ('t = """\n%time\n!ls\n"""\n%time', 't = """\n%time\n!ls\n"""\npass'),
        ("s = '[ \\' ('  # it's ( [\n!ls", "s = '[ \\' ('  # it's ( [\npass"),
        ('t = """ \\"""\n!a\n"""', 't = """ \\"""\n!a\n"""'),
        ("!echo it's (\nx = 1\n!ls", "pass\nx = 1\npass"),
        ("x != y\nx == 3\nprint(a %b)", "x != y\nx == 3\nprint(a %b)"),
        ("a = b if c else d", "a = b if c else d"),
    ],
)
def test_lines_for_ipython_become_pass_and_python_stays(before, after):
    assert without_magics([before])[0] == [after]


def test_ignored_lines_are_counted(read):
    submission = read("a.ipynb", notebook("!ls\n%time\nx = 1", "%%html\n<b>\n</b>"))
    assert submission.notes == ("Lines for IPython (such as % or !) are ignored: 5.",)
    assert submission.cells == ("pass\npass\nx = 1", "")


@pytest.mark.parametrize("piece", ['\\"""', '\\"', "'''", "(", "%a\n", "!\\\n", "a.,", "a?="])
def test_no_text_takes_long(piece):
    start = time.process_time()
    without_magics([piece * (2**18 // len(piece))])
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ipynb", notebook("1")[:-40], "damaged"),
        ("a.ipynb", "", "damaged"),
        ("a.ipynb", "[" * 100_000, "nested too deeply"),
        ("a.ipynb", "1" * 10_000, "damaged"),
        ("a.ipynb", b"\x89PNG\0\0\xff", "binary"),
        ("a.ipynb", "[1, 2]", "not a notebook"),
        ("a.ipynb", '{"a": 1}', "no cells"),
        ("a.ipynb", notebook("1", language_info={"name": "R"}), "in R, not in Python"),
        ("a.ipynb", notebook("1", kernelspec={"language": "ju\nlia"}), "in ju?lia, not in Python"),
        ("a.ipynb", notebook(*["1"] * 1001), "1001 code cells"),
        ("a.ipynb", notebook("x" * 2**19, "x" * 2**20), "longer than 1024 KiB"),
        ("a.ipynb", notebook("# A", kind="markdown"), "no code"),
        ("a.py", b"\0" * 100, "binary"),
        ("a.py", "", "no code"),
        ("a.py", b"1\n" * (LARGEST_FILE // 2 + 1), "larger than 20 MiB"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(read, name, content, words):
    submission = read(name, content)
    assert not any(submission.cells)
    assert len(submission.notes) == 1 and words in submission.notes[0]
    assert "\n" not in submission.notes[0]


def test_files_that_are_no_files_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    for path in tmp_path.iterdir():
        assert "regular file" in read_submission(path).notes[0] or path.is_dir()
        assert read_submission(path).cells == () and fingerprint(path) == ""
    missing = read_submission(tmp_path / "none.py")
    assert missing.notes == ("The file cannot be read: No such file or directory.",)


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "gone", "display_name": "\ud800", "language": "python"}},
        {"kernelspec": 3, "language_info": [1]},
        {"language_info": {"name": "ipython"}, "kernelspec": {"language": "klingon"}},
        {"kernelspec": {"language": "Python 3"}},
    ],
)
def test_odd_metadata_is_ignored(read, metadata):
    submission = read("a.ipynb", notebook("x = 1", **metadata))
    assert submission.cells == ("x = 1",) and submission.notes == ()


def test_odd_cells_cost_only_themselves(read):
    book = {"cells": [3, {"cell_type": "code"}, {"cell_type": "code", "source": ["a\n", "b"]}]}
    book["cells"] += [{"cell_type": "code", "source": ["a", 1]}, {"cell_type": [], "source": "c"}]
    submission = read("a.ipynb", json.dumps(book))
    assert submission.cells == ("", "a\nb", "")
    assert [note.split(" is ")[0] for note in submission.notes] == [
        "The text of code cell 1",
        "The text of code cell 3",
    ]


def test_old_notebooks_are_read(read):
    cells = [{"cell_type": "code", "input": "x = 1"}, {"cell_type": "code", "input": ["y"]}]
    assert read("a.ipynb", json.dumps({"worksheets": [{"cells": cells}]})).cells == ("x = 1", "y")


def test_half_characters_do_not_travel_on(read):
    submission = read("a.ipynb", notebook("x = '\ud800'"))
    assert submission.cells == ("x = '?'",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(read, encoding):
    submission = read("a.py", "x = 'é'\r\n# %% [markdown]\r\n# T\r\n# %% two\r\ny".encode(encoding))
    assert submission.cells == ("x = 'é'", "y")
    assert bool(submission.notes) == (encoding == "latin-1")


def test_exported_scripts_are_read(read):
    text = "#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\nx = 1\n\n# In[ ]:\n\ny = 2\n"
    assert read("a.py", text).cells == ("x = 1", "y = 2")


def test_names_come_from_the_place_in_the_folder(tmp_path):
    for name in ("ann.ipynb", "bob/week01.py", "eve/week01.py", ".ipynb_checkpoints/ann.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
    found = find_submissions([tmp_path, tmp_path / "ann.ipynb"])
    assert list(found.paths) == ["ann", "bob__week01", "eve__week01"]
    assert found.paths["ann"] == tmp_path / "ann.ipynb"
    assert found.remarks == ()


def test_two_of_one_name_are_both_kept_and_named(tmp_path):
    for name in ("a/ann.py", "a/Ann.ipynb", "b/ann.py", "b/bob.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
    found = find_submissions([tmp_path / "a", tmp_path / "b"])
    assert list(found.paths) == ["a__Ann.ipynb", "a__ann.py", "b__ann.py", "bob"]
    assert len(found.remarks) == 1
    assert (
        "3 submissions of one name are all graded: a__Ann.ipynb, a__ann.py, b__ann.py"
        in (found.remarks[0])
    )


def test_names_chosen_to_collide_stop_nobody(tmp_path):
    for name in ("ann.py", "ann.ipynb", "ann.py.py", "ann.ipynb.ipynb", "bob.py"):
        (tmp_path / name).write_text("x = 1")
    found = find_submissions([tmp_path])
    assert len(found.paths) == 5 and {"bob", "ann.py", "ann.ipynb"} < set(found.paths)
    assert found.paths["ann.py"].name == "ann.py.py"


def test_links_and_other_files_are_skipped_in_one_line(tmp_path):
    (tmp_path / "ann.py").write_text("x = 1")
    (tmp_path / "essay.docx").write_text("x")
    (tmp_path / "link.py").symlink_to(tmp_path / "ann.py")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.py")
    found = find_submissions([tmp_path])
    assert list(found.paths) == ["ann"]
    assert found.remarks == (
        "skipped, because only regular .ipynb and .py files are read: 3, such as essay.docx",
    )


def test_nothing_to_grade_is_one_line(tmp_path):
    with pytest.raises(ArgumentError, match=r"^submissions: expected .* found none in [^\n]*$"):
        find_submissions([tmp_path])
    with pytest.raises(ArgumentError, match=r"^submissions: expected a file or folder[^\n]*$"):
        find_submissions([tmp_path / "none"])


def test_names_are_safe_and_stay_apart():
    names = ["ann", "Zoë", "a/b", "=1+1", "<script>", "../x", ".x", "a\nb", "a\tb", "\udcff", ""]
    names += ["x" * 300, "x" * 301, "con.", "a b", "日本"]
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert safe[:3] == ["ann", "Zoë", "a__b"] and "日本" in safe
    for name in safe:
        assert 0 < len(name.encode()) <= 250 and not set(name) & set("/\\<>\"'&\n\t\0:*?|")
        assert name[0] not in "=+-@." and name.isprintable()
