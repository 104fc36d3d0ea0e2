"""The bundle for Gradescope: what is in it, what its scripts do, and what they refuse to do."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fake_results import HOSTILE, SEED, result, row

from course_utils.arguments import ArgumentError
from course_utils.grading import gradescope, sandbox
from course_utils.grading.cards import read_card

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return gradescope.bundle("week01", tmp_path_factory.mktemp("b") / "week01.zip", seed=SEED)


@pytest.fixture
def folder(tmp_path, archive) -> Path:
    """Gradescope's folders, as it makes them of a bundle."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "source")
    for name in ("submission", "results"):
        (tmp_path / name).mkdir()
    script = tmp_path / "run_autograder"
    script.write_bytes((tmp_path / "source" / "run_autograder").read_bytes())
    script.chmod(0o755)
    return tmp_path


def grade(path: Path, week: str, *, seed: int, isolation: str) -> dict:
    """A stand-in for the engine that tells what it was asked for."""
    return result(path.stem, notes=[f"{week} {seed}"], isolation=isolation)


def test_points_and_sentences_are_the_same_as_on_the_page():
    rows = {
        "w01-nade": row("w01-nade", 0.4, "many variables: too much work."),
        "w01-units": row("w01-units", 0.0, "nothing yet.", "blank"),
    }
    made = gradescope.gradescope_results(read_card(result("ada", rows, notes=["cell 3 stopped."])))
    assert made["score"] == 71 == sum(test.get("score", 0) for test in made["tests"])
    assert sum(test.get("max_score", 0) for test in made["tests"]) == 90
    said = {test["name"]: test for test in made["tests"]}
    nade = said["NADE in O(dH) (w01-nade)"]
    assert (nade["score"], nade["max_score"], nade["status"]) == (6, 15, "failed")
    assert nade["output"] == "Partly right. Many variables: too much work."
    assert said["Counting with smoothing (w01-ngram)"]["status"] == "passed"
    assert "score" not in said["When does the order matter? (w01-orderings)"]
    assert made["output"] == "Cell 3 stopped." and made["execution_time"] == 2
    assert made["stdout_visibility"] == "hidden" and str(SEED) not in json.dumps(made)


def test_texts_are_declared_plain_and_can_be_encoded():
    rows = {"w01-nade": row("w01-nade", 0.0, HOSTILE)}
    made = gradescope.gradescope_results(read_card(result(HOSTILE, rows, notes=[HOSTILE])))
    assert {made[k] for k in made if k.endswith("_format")} == {"text"}
    assert "<script>" in made["output"]
    json.dumps(made, ensure_ascii=False).encode("utf-8")


def test_a_bundle_holds_the_grader_its_versions_and_the_seed(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        modes = {i.filename: stat.S_IMODE(i.external_attr >> 16) for i in file.infolist()}
        told = json.loads(file.read("assignment.json"))
        pins = file.read("requirements.txt").decode().split()
        package = file.read("src/course_utils/grading/gradescope.py")
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert modes["assignment.json"] == 0o600
    assert told == {"assignment": "w01", "seed": SEED, "isolation": "auto"}
    assert package == Path(gradescope.__file__).read_bytes()
    assert {"torch", "safetensors", "psutil", "jinja2"} <= {pin.split("==")[0] for pin in pins}
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert not [name for name in modes if "__pycache__" in name or name.startswith("/")]
    again = gradescope.bundle("w01", tmp_path / "again.zip", seed=SEED)
    assert again.read_bytes() == archive.read_bytes()


def test_the_scripts_are_sound_bash(folder):
    for name in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", folder / "source" / name], check=True)


def test_run_autograder_starts_the_grader_of_the_bundle_and_hides_the_seed(folder):
    (folder / "source" / "assignment.json").chmod(0o644)
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$PWD|$PYTHONPATH|$*"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [folder / "run_autograder"],
        env={**os.environ, "COURSE_PYTHON": str(python)},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    asked = "-m course_utils.grading.gradescope run ."
    assert done.stdout.strip() == f"{folder}|{folder}/source/src|{asked}"
    assert stat.S_IMODE((folder / "source" / "assignment.json").stat().st_mode) == 0o600


def test_one_file_is_graded_with_the_bundles_seed(folder, monkeypatch):
    monkeypatch.setattr(gradescope, "choose", lambda wanted: "landlock")
    (folder / "submission" / "ada.py").write_text("x = 1\n")
    (folder / "submission" / "data.csv").write_text("1\n")
    made = json.loads(gradescope.autograde(folder, grade).read_text())
    assert (made["score"], made["output"]) == (90, f"w01 {SEED}")
    assert made["extra_data"]["isolation"] == "landlock"


@pytest.mark.parametrize("names", [(), ("a.txt",), ("a.py", "b.ipynb")])
def test_anything_but_one_file_earns_nothing_and_says_why(folder, names, monkeypatch):
    monkeypatch.setattr(gradescope, "choose", lambda wanted: "landlock")
    for name in names:
        (folder / "submission" / name).write_text("x = 1\n")
    made = json.loads(gradescope.autograde(folder, grade).read_text())
    count = sum(not name.endswith("txt") for name in names)
    assert made["score"] == 0
    assert made["output"].endswith(f".ipynb or .py; {count} were found.")


def test_without_isolation_nothing_is_graded_unless_asked_for(folder, monkeypatch):
    monkeypatch.setattr(gradescope, "choose", lambda wanted: "plain")
    (folder / "submission" / "ada.py").write_text("x = 1\n")
    with pytest.raises(sandbox.SandboxError, match="no isolation"):
        gradescope.autograde(folder, grade)
    assert not list((folder / "results").iterdir())
    told = folder / "source" / "assignment.json"
    told.write_text(told.read_text().replace('"auto"', '"plain"'))
    assert json.loads(gradescope.autograde(folder, grade).read_text())["score"] == 90


def test_a_failure_of_the_grader_is_not_the_students(folder, monkeypatch, capsys):
    monkeypatch.setattr(gradescope, "choose", lambda wanted: "landlock")
    (folder / "submission" / "ada.py").write_text("x = 1\n")

    def broken(*_, **__):
        raise sandbox.SandboxError("Python does not start")

    with pytest.raises(sandbox.SandboxError):
        gradescope.autograde(folder, broken)
    (folder / "source" / "assignment.json").write_text("{}")
    assert gradescope.main(["run", str(folder)]) == 2
    assert "root: expected what" in capsys.readouterr().err
    assert not list((folder / "results").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs bash and processes with limits")
def test_the_whole_way_from_a_bundle_to_results(folder):
    told = folder / "source" / "assignment.json"
    if sandbox.available()[0] == "plain":
        told.write_text(told.read_text().replace('"auto"', '"plain"'))
    (folder / "submission" / "ada.py").write_text("entropy_rate = -1.0\n")
    environment = {**os.environ, "COURSE_PYTHON": sys.executable}
    subprocess.run([folder / "run_autograder"], env=environment, check=True, timeout=300)
    made = json.loads((folder / "results" / "results.json").read_text())
    said = {test["tags"][0]: test["output"] for test in made["tests"]}
    assert made["score"] == 0 and made["extra_data"]["isolation"] == sandbox.available()[0]
    assert said["experiment"] == "Not answered. Nothing is answered here yet."
    rate = next(t for t in made["tests"] if "w01-entropy-rate" in t["name"])
    assert rate["output"].startswith("Not yet. ")


def test_the_command_says_in_one_line_what_it_cannot_do(tmp_path, capsys):
    out = str(tmp_path / "b.zip")
    wrong = {
        "week: expected one of": ["week99", "--out", out],
        "seed: expected a whole number >= 1": ["week01", "--out", out, "--seed", "0"],
        "--out: cannot write": ["week01", "--out", str(tmp_path / "no" / "b.zip"), "--seed", "3"],
    }
    for line, arguments in wrong.items():
        assert gradescope.main(["bundle", *arguments]) == 2
        error = capsys.readouterr().err
        assert line in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_command_draws_a_seed_and_says_it(tmp_path, capsys):
    seeds = set()
    for name in ("a.zip", "b.zip"):
        assert gradescope.main(["bundle", "week01", "--out", str(tmp_path / name)]) == 0
        with zipfile.ZipFile(tmp_path / name) as file:
            seed = json.loads(file.read("assignment.json"))["seed"]
        assert f"seed {seed};" in capsys.readouterr().out
        seeds.add(seed)
    assert len(seeds) == 2 and min(seeds) >= 1


def test_an_assignment_that_does_not_exist_has_no_bundle(tmp_path):
    with pytest.raises(ArgumentError, match="week99"):
        gradescope.bundle("week99", tmp_path / "b.zip", seed=1)
