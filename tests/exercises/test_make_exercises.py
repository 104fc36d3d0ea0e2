"""The generator: what a stub looks like, and what it refuses."""

import ast

import nbformat
import pytest
import yaml

import make_exercises

MASTER = '''# %%
def double(x):
    """Return 2 x."""
    # begin answer w01-a: multiply
    if x:
        return 2 * x
    return 0
    # end answer w01-a


# begin answer w01-b: a number
half = 3
answer = half * 2
# end answer w01-b
# begin answer w01-c: a text
text = """
Long.
"""
# end answer w01-c
'''


def test_a_stub_keeps_signature_docstring_and_task():
    student = make_exercises.cut_answers(MASTER)
    names: dict = {}
    exec(student, names)
    assert names["double"].__doc__ == "Return 2 x."
    with pytest.raises(NotImplementedError, match="w01-a is not written yet"):
        names["double"](1)
    assert "    # To do: multiply.\n" in student
    assert names["answer"] is None and "half" not in names
    assert names["text"].strip() == ""


def test_student_files_are_python():
    ast.parse(make_exercises.cut_answers(MASTER))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MASTER.replace("    # end answer w01-a\n", ""), "answer w01-a has no end mark"),
        (MASTER.replace("# begin answer w01-b: a number\n", ""), "w01-b has no begin mark"),
        (MASTER.replace("# end answer w01-c\n", ""), "end of file: answer w01-c"),
        (MASTER.replace("answer w01-b: a number", "answer w01-b"), "expected a mark as"),
        (MASTER.replace("# end answer w01-a", "# End Answer w01-a"), "expected a mark as"),
        (MASTER.replace("answer = half * 2", "print(half)"), "last statement to assign a name"),
    ],
)
def test_marks_that_do_not_pair_are_refused(text, words):
    with pytest.raises(make_exercises.MarkError, match=words):
        make_exercises.cut_answers(text)


def test_a_changed_student_file_fails_the_check_and_is_put_right(tmp_path, capsys):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "week09.py").write_text(MASTER)
    assert make_exercises.main([], tmp_path) == 0
    assert make_exercises.main(["--check"], tmp_path) == 0
    student = tmp_path / "exercises" / "week09.py"
    student.write_text(student.read_text() + "x = 1\n")
    assert make_exercises.main(["--check"], tmp_path) == 1
    assert "week09.py: not what solutions/ gives" in capsys.readouterr().out
    assert make_exercises.main([], tmp_path) == 0
    assert make_exercises.main(["--check"], tmp_path) == 0


def test_a_broken_master_writes_nothing(tmp_path, capsys):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "week09.py").write_text("# begin answer w09-a: x\n")
    assert make_exercises.main([], tmp_path) == 1
    assert capsys.readouterr().err.startswith("week09.py: end of file")
    assert not (tmp_path / "exercises").exists()


def test_the_notebook_says_how_to_run_in_colab_and_brings_what_it_needs(tmp_path):
    (tmp_path / "solutions").mkdir()
    text = "# %% [markdown]\n# # Week 9\n\n# %%\nx = 1\n"
    (tmp_path / "solutions" / "week09.py").write_text(text)
    files = {path.name: content for path, content in make_exercises.generate(tmp_path).items()}
    notebook = nbformat.reads(files["week09.ipynb"].decode(), as_version=4)
    config = yaml.safe_load((make_exercises.ROOT / "_config.yml").read_text(encoding="utf-8"))
    repository = config["repository"]["url"]
    opened = repository.replace("https://github.com", "https://colab.research.google.com/github")
    first, install, last = notebook.cells
    assert first.source.startswith("# Week 9\n\nTo work without installing anything")
    assert f"]({opened}/blob/main/exercises/week09.ipynb)" in first.source
    assert f"git+{repository}@main" in install.source
    assert last.source == "x = 1"
    assert [cell.id for cell in notebook.cells] == ["cell-00", "cell-01", "cell-02"]
    assert files["week09.py"].decode() == text
