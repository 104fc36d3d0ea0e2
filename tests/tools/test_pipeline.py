"""The pipeline on a tiny book: what runs again, what fails, and what an interruption leaves."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

import audit
import store

TOOLS = Path(store.__file__).parent
HEADER = """---
jupytext:
  text_representation: {format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
course: {limit: 40}
---
# Title

Some prose.

"""


def cell(code: str, options: str = "") -> str:
    """One MyST code cell."""
    return f"```{{code-cell}} ipython3\n{options}{code}\n```\n\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two chapters: ``one`` needs modules a and b (through a), ``two`` needs module c."""
    (tmp_path / "tools").mkdir()
    for path in TOOLS.glob("*.py"):
        shutil.copy(path, tmp_path / "tools")
    package = tmp_path / "src" / "course_utils"
    (package / "sub").mkdir(parents=True)
    (package / "_data").mkdir()
    (package / "__init__.py").write_text("")
    (package / "sub" / "__init__.py").write_text("")
    (package / "a.py").write_text("from course_utils.sub import b\nvalue = b.value\n")
    (package / "sub" / "b.py").write_text("from . import d\nvalue = 1\ntable = 'numbers.json'\n")
    (package / "sub" / "d.py").write_text("")
    (package / "_data" / "numbers.json").write_text("{}")
    (package / "c.py").write_text("")
    (tmp_path / "_config.yml").write_text("parse: {myst_enable_extensions: [dollarmath]}\n")
    (tmp_path / "requirements.lock").write_text("numpy==2\n")
    (tmp_path / "tests").mkdir()
    for name in ("nbval.ini", "nbval_sanitize.cfg"):
        shutil.copy(TOOLS.parent / "tests" / name, tmp_path / "tests")
    (tmp_path / "book").mkdir()
    write(tmp_path, "one", cell("import course_utils.a as a\nprint(a.value)"))
    write(tmp_path, "two", cell("from course_utils import c\nprint(2)"))
    return tmp_path


def write(project: Path, name: str, *cells: str) -> None:
    """Write a chapter of the tiny book."""
    (project / "book" / f"{name}.md").write_text(HEADER + "".join(cells))


def start(project: Path, *arguments: str) -> subprocess.Popen:
    """Start the executor in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "tools/execute.py", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def execute(project: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the executor; its exit code, stdout and stderr."""
    process = start(project, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def keys(project: Path) -> dict[str, str]:
    """The cache key of each chapter."""
    code = (
        "import chapters; print(*(f'{c.name} {chapters.key(c)}' for c in chapters.find_chapters()))"
    )
    words = subprocess.check_output(
        [sys.executable, "-c", code], cwd=project / "tools", text=True
    ).split()
    return dict(zip(words[::2], words[1::2], strict=True))


CHANGES = {
    "book/one.md": ("Some prose.", "Other prose.", set()),
    "book/two.md": ("print(2)", "print(3)", {"two"}),
    "src/course_utils/a.py": ("value = b.value", "value = b.value + 1", {"one"}),
    "src/course_utils/sub/b.py": ("value = 1", "value = 2", {"one"}),
    "src/course_utils/sub/d.py": ("", "x = 1", {"one"}),
    "src/course_utils/_data/numbers.json": ("{}", "[]", {"one"}),
    "src/course_utils/c.py": ("", "x = 1", {"two"}),
    "src/course_utils/unused.py": (None, "x = 1", set()),
    "requirements.lock": ("numpy==2", "numpy==3", {"one", "two"}),
}


@pytest.mark.parametrize("path", CHANGES)
def test_key_notices_what_a_chapter_depends_on_and_nothing_else(project, path):
    old, new, expected = CHANGES[path]
    before = keys(project)
    file = project / path
    file.write_text(new if old in (None, "") else file.read_text().replace(old, new))
    after = keys(project)
    assert {name for name in before if before[name] != after[name]} == expected


def test_executes_once_then_serves_from_the_store(project):
    code, out, err = execute(project)
    assert (code, err) == (0, "")
    assert re.search(r"\[1/2\]  ?\w+  [\d.]+ s  passed", out)
    assert execute(project)[1] == "chapters: 2 up to date, 0 to run\n"
    shutil.rmtree(project / "_build" / "executed")
    assert execute(project)[1] == "chapters: 2 up to date, 0 to run\n"
    assert '"1\\n"' in (project / "_build/executed/one.ipynb").read_text()


FAULTS = {
    "raises": (cell("1 / 0"), "ZeroDivisionError"),
    "stderr": (cell("import sys\nprint('careful', file=sys.stderr)"), "wrote to stderr: careful"),
    "warning": (cell("import warnings\nwarnings.warn('old')"), "UserWarning: old"),
    "picture": (
        cell("from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')"),
        "alternative text",
    ),
    "time": (cell("import time\ntime.sleep(60)"), "TimeoutError"),
    "killed": (cell("import os\nos.kill(os.getpid(), 9)"), "died"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_run_also_the_second_time(project, fault):
    code, message = FAULTS[fault]
    write(project, "two", code)
    path = project / "book" / "two.md"
    path.write_text(path.read_text().replace("limit: 40", "limit: 6"))
    for attempt in range(2):
        status, out, err = execute(project)
        assert status == 1
        assert "two" in out
        assert "FAILED" in out
        assert message in err
        assert not (project / "_build/executed/two.ipynb").exists()
        assert f"chapters: {attempt} up to date" in out


def test_a_chapter_that_begins_to_fail_loses_its_old_result(project):
    assert execute(project, "two")[0] == 0
    write(project, "two", cell("1 / 0"))
    assert execute(project, "two")[0] == 1
    assert not (project / "_build/executed/two.ipynb").exists()


def test_a_run_over_its_limit_fails_even_when_each_cell_is_quick(project):
    write(project, "two", *[cell("import time\ntime.sleep(2)")] * 3)
    path = project / "book" / "two.md"
    path.write_text(path.read_text().replace("limit: 40", "limit: 4"))
    status, _, err = execute(project, "two")
    assert status == 1
    assert "its limit is 4 s" in err


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interruption_keeps_whole_results_only(project, how):
    write(project, "two", cell("import time\ntime.sleep(8)\nprint('whole')"))
    process = start(project, "--jobs", "2")
    while "one" not in process.stdout.readline():
        pass
    time.sleep(0.5)
    os.killpg(process.pid, how)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert not (project / "_build/executed/two.ipynb").exists()
    status, out, _ = execute(project)
    assert status == 0
    assert "chapters: 1 up to date, 1 to run" in out
    assert "whole" in (project / "_build/executed/two.ipynb").read_text()


def test_a_damaged_file_is_dropped_and_its_chapter_runs_again(project):
    execute(project, "one")
    kept = next((project / "_build" / "cache").iterdir())
    kept.write_text(kept.read_text().replace('"1\\n"', '"7\\n"'))
    status, out, err = execute(project, "one")
    assert status == 0
    assert err == f"cache: {kept.name} is damaged; dropped, its chapter runs again\n"
    assert "1 to run" in out


def test_unknown_chapter_and_unwritable_folder_give_one_line(project):
    assert execute(project, "three")[2] == "chapter: expected one of one, two, got 'three'\n"
    (project / "_build").write_text("in the way")
    status, _, err = execute(project, "one")
    assert status == 1
    assert err.startswith("cannot write ")
    assert len(err.splitlines()) == 1


def test_full_disk_leaves_the_old_file_and_no_scraps(tmp_path, monkeypatch):
    target = tmp_path / "result"
    store.write_atomically(target, "old")

    def no_space(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        store.write_atomically(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "figure",
        "loss.png",
        "Two curves that fall together until forty",
        "Two curves fall together until step forty: curves.png",
        "A figure showing two curves that fall together until step forty.",
        "Image of two curves that fall together until step forty.",
        "The plot shows two curves that fall together until step forty.",
    ],
)
def test_alternative_text_that_says_nothing_is_refused(text):
    assert not audit.good_alt(text)


@pytest.mark.parametrize(
    "text",
    [
        "The loss falls from 4 to 1.8 bits and then stays flat.",
        "Figures in a row, each of them darker than the one before.",
    ],
)
def test_alternative_text_that_says_what_to_see_is_accepted(text):
    assert audit.good_alt(text)


def build(project: Path) -> tuple[int, str]:
    """Run the site build of the tiny book; its exit code and what it printed."""
    (project / "_toc.yml").write_text(
        "{format: jb-book, root: book/one, chapters: [{file: book/two}]}\n"
    )
    (project / "_config.yml").write_text(
        "title: Tiny\nonly_build_toc_files: true\n"
        "execute: {execute_notebooks: cache, cache: _build/.jupyter_cache}\n"
        "parse: {myst_enable_extensions: [dollarmath]}\n"
    )
    done = subprocess.run(
        [sys.executable, "tools/build.py"],
        cwd=project,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_site_shows_the_executed_outputs_and_refuses_unresolved_references(project):
    assert build(project) == (1, "not executed: one, two; run make execute\n")
    write(project, "two", cell("print(6 * 7)"))
    assert execute(project)[0] == 0
    assert build(project)[0] == 0
    assert "42" in (project / "_build/html/book/two.html").read_text()
    path = project / "book" / "one.md"
    path.write_text(path.read_text() + "See {ref}`nowhere`.\n")
    for _ in range(2):
        status, printed = build(project)
        assert status != 0
        assert "nowhere" in printed


def validate(project: Path, *words: str) -> tuple[int, str]:
    """Run strict nbval on the tiny book; its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "tools/validate.py", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_validation_compares_outputs_and_skips_nothing(project):
    assert validate(project) == (1, "not executed: one, two; run make execute\n")
    assert execute(project)[0] == 0
    assert validate(project)[0] == 0
    path = project / "_build" / "executed" / "one.ipynb"
    path.write_text(path.read_text().replace('"1\\n"', '"7\\n"'))
    status, printed = validate(project)
    assert status != 0
    assert "1 failed" in printed
    assert validate(project, "two")[0] == 0
    assert validate(project, "three")[0] == 1


def ask(project: Path, code: str) -> str:
    """What a program prints that knows the ledger of the tiny book."""
    command = [sys.executable, "-c", f"import json, compared\n{code}"]
    return subprocess.check_output(command, cwd=project / "tools", text=True)


def due(project: Path, *names: str, lot: float = 0) -> list[list[str]]:
    """The chapters that changed since they were compared, and those drawn from the others."""
    return json.loads(ask(project, f"print(json.dumps(compared.due({list(names)}, {lot})))"))


def passed(project: Path, *names: str) -> None:
    """Write down that these chapters, of one CPU second each, were compared."""
    for name in names:
        notebook = nbformat.v4.new_notebook(metadata={"course": {"cpu_seconds": 1.0}})
        path = project / "_build" / "executed" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    ask(project, f"compared.record({list(names)})")


def test_only_what_changed_since_it_was_compared_is_due_and_others_by_lot(project):
    assert due(project, "one", "two") == [["one", "two"], []]
    passed(project, "one", "two")
    ledger = project / "tests" / "compared.json"
    first = ledger.read_text()
    assert due(project, "one", "two") == [[], []]
    assert due(project, "one", "two", lot=2) == [[], ["one", "two"]]
    changed, drawn = due(project, "one", "two", lot=1.5)
    assert changed == []
    assert len(drawn) == 1
    passed(project, "one", "two")
    assert ledger.read_text() == first
    write(project, "one", cell("print('new')"))
    assert due(project, "one", "two") == [["one"], []]
    passed(project, "one")
    new = set(ledger.read_text().splitlines()) - set(first.splitlines())
    assert [line.split('"')[1] for line in new] == ["one"]
    (project / "src" / "course_utils" / "c.py").write_text("x = 1\n")
    assert due(project, "one", "two") == [["two"], []]
    sanitize = project / "tests" / "nbval_sanitize.cfg"
    sanitize.write_text(sanitize.read_text() + "\n")
    assert due(project, "one", "two") == [["one", "two"], []]


def test_lines_of_no_chapter_are_dropped(project):
    passed(project, "one", "two")
    (project / "book" / "one.md").unlink()
    passed(project, "two")
    assert list(json.loads((project / "tests" / "compared.json").read_text())) == ["two"]


def test_a_difference_is_found_by_lot_and_not_written_down(project):
    assert execute(project)[0] == 0
    ask(project, "compared.record(['one', 'two'])")
    ledger = project / "tests" / "compared.json"
    before = ledger.read_text()
    path = project / "_build" / "executed" / "one.ipynb"
    path.write_text(path.read_text().replace('"1\\n"', '"7\\n"'))
    status, printed = validate(project, "--due", "--lot", "0")
    line = "comparing 0 chapters that were not compared as they are, and 0 drawn from the other 2"
    assert (status, printed) == (0, f"{line}\n")
    status, printed = validate(project, "--due", "--lot", "1000")
    assert status == 1
    assert "1 failed" in printed
    assert ledger.read_text() == before


def test_a_ledger_that_cannot_be_read_gives_one_line(project):
    passed(project, "one", "two")
    (project / "tests" / "compared.json").write_text("<<<<<<< ours\n")
    status, printed = validate(project, "--due")
    assert status == 1
    assert printed.startswith("tests/compared.json: expected JSON, got Expecting value")
    assert printed.endswith("; delete it and run make validate\n")


def test_the_longest_known_chapter_runs_first(project):
    known = {"one": {"state": "", "cpu_seconds": 1.0}, "two": {"state": "", "cpu_seconds": 2.0}}
    (project / "tests" / "compared.json").write_text(json.dumps(known))
    printed = execute(project, "--jobs", "1")[1]
    assert [re.search(r"\] (\w+)", line)[1] for line in printed.splitlines()[1:]] == ["two", "one"]


def test_a_stored_live_control_is_refused():
    cell = nbformat.v4.new_code_cell("figure")
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "0"}, "text/plain": "VBox"}
    cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    faults = list(audit.faults(nbformat.v4.new_notebook(cells=[cell])))
    message = "stored a live control, which does nothing without a kernel"
    assert faults == [f"cell 0 (figure): {message}"]
