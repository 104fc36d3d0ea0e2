"""The driver killed at random moments: grades as if nothing had happened, and nothing left behind.

The engine is a stand-in, and processes are killed by their own number only.
"""

import json
import multiprocessing
import random
import time
from pathlib import Path
from unittest import mock

import fake_engine
import psutil

from course_utils.grading import results
from course_utils.grading.batch import Plan, Report, grade_batch

PLAN = Plan("w01", seed=7, isolation="none", num_workers=2, engine=fake_engine.grade)
SUBMISSIONS = 30
KILLS = 4


def drive(folder: Path, out: Path) -> Report:
    """Grade with a fixed hash of the grader: its files may change while the tests run."""
    with mock.patch.object(results, "grader_hash", lambda: "fixed"):
        return grade_batch([folder], out, PLAN)


def start(folder: Path, out: Path):
    context = multiprocessing.get_context("forkserver")
    driver = context.Process(target=drive, args=(folder, out))
    driver.start()
    return driver


def written(folder: Path, *texts: str) -> Path:
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"s{number:02}.py").write_text(text)
    return folder


def known(out: Path) -> list[Path]:
    return list(out.glob("results/*.json"))


def begun(folder: Path) -> int:
    log = folder / "log.txt"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_killed_at_random_moments_the_grades_are_the_same(tmp_path):
    folder = written(tmp_path / "in", *(f"x = {i}" for i in range(SUBMISSIONS)))
    quiet = drive(folder, tmp_path / "quiet")
    out, chance = tmp_path / "out", random.Random(5)
    for _ in range(KILLS):
        driver = start(folder, out)
        aim = len(known(out)) + chance.randrange(1, 6)
        while len(known(out)) < aim:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        driver.kill()
        driver.join()
        assert len(known(out)) < SUBMISSIONS
        for path in known(out):
            assert path.read_bytes() == (quiet.table.parent / "results" / path.name).read_bytes()
    driver = start(folder, out)
    driver.join()
    assert driver.exitcode == 0 and len(known(out)) == SUBMISSIONS
    assert (out / "grades.csv").read_bytes() == quiet.table.read_bytes()
    again = begun(folder) - 2 * SUBMISSIONS
    assert 0 <= again <= KILLS * PLAN.num_workers
    records = [json.loads(path.read_text()) for path in out.glob("records/*.json")]
    assert {record["attempts"] for record in records} == {0}


def test_killing_the_driver_leaves_no_process(tmp_path):
    folder = written(tmp_path / "in", "fake: hang", "fake: hang")
    driver = start(folder, tmp_path / "out")
    while begun(folder) < 2:
        time.sleep(0.01)
    below = psutil.Process(driver.pid).children(recursive=True)
    assert len(below) >= 2
    driver.kill()
    driver.join()
    assert psutil.wait_procs(below, timeout=20)[1] == []
