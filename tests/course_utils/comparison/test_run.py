"""The comparison as a whole: fresh models, held-out data, one table in any order."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import recipes
import torch
from recipes import BROKEN, GAUSSIANS, MOONS, NORMAL, SMALL

from course_utils.arguments import ArgumentError
from course_utils.comparison import Contender, DataSet, Metric, Splits, World, compare, rulers
from course_utils.comparison.costs import peak_memory

METRICS = (rulers.negative_log_likelihood(), rulers.sliced_wasserstein(), rulers.energy_distance())
SMALL_SIZES = dict(num_train=300, num_validation=40, num_test=100, num_samples=100)
MEASURED = {"training time", "sampling time", "peak memory"}


def quick(contenders, worlds, metrics=METRICS, **options):
    return compare(contenders, worlds, metrics, **(SMALL_SIZES | {"jobs": 0} | options))


def numbers(table) -> dict:
    """All rows by their names, seconds and memory apart."""
    return {
        (row.model, row.world, row.metric): row for row in table.rows if row.metric not in MEASURED
    }


class Spy:
    """A contender and a metric that write down what they are handed."""

    def __init__(self):
        self.lessons, self.first, self.models, self.tests = [], [], [], []

    def build(self, lesson):
        model = recipes.build_normal(lesson)
        self.lessons.append(lesson)
        self.models.append(model)
        self.first.append(torch.cat([p.detach().clone() for p in model.parameters()]))
        return model

    def look(self, evidence):
        self.tests.append(evidence.test)
        return 0.0

    def run(self, worlds, seed=0):
        contenders = [Contender(name, self.build, NORMAL.train) for name in ("one", "two")]
        metric = Metric("look", "", "neither", {"score"}, self.look)
        equal = {"num_train": 100, "num_validation": 100, "num_test": 100}
        return quick(contenders, worlds, [metric], references=(), seed=seed, **equal)


@pytest.mark.concept("eval.framework")
def test_each_pair_gets_fresh_parameters_and_held_out_test_examples() -> None:
    spy = Spy()
    spy.run([GAUSSIANS, MOONS])
    assert len({id(model) for model in spy.models}) == 4
    for i, first in enumerate(spy.first):
        trained = torch.cat([p.detach() for p in spy.models[i].parameters()])
        assert not torch.equal(first, trained)
        assert not any(torch.equal(first, other) for other in spy.first[:i])
    for lesson, test in zip(spy.lessons, spy.tests, strict=True):
        parts = torch.cat([lesson.train, lesson.validation, test])
        assert len(parts) == len(parts.unique(dim=0)) == 300
    one, two = spy.lessons[:2]
    assert torch.equal(one.train, two.train) and torch.equal(spy.tests[0], spy.tests[1])
    assert one.generator.initial_seed() != two.generator.initial_seed()


def test_sizes_are_as_asked_and_the_truth_draws_afresh() -> None:
    seen = []
    metric = Metric("look", "", "neither", {"samples", "train"}, lambda e: seen.append(e) or 0.0)
    quick([], [MOONS], [metric], num_samples=100)
    assert [len(x) for x in (seen[0].train, seen[0].test, seen[0].samples)] == [300, 100, 100]
    both = torch.cat([seen[0].samples, seen[0].test])
    assert len(both.unique(dim=0)) == 200


def test_a_contender_cannot_change_what_others_or_metrics_see() -> None:
    def vandal(lesson):
        lesson.train.zero_()
        return recipes.build_normal(lesson)

    seen = []
    metric = Metric("look", "", "neither", {"train"}, lambda e: seen.append(e.train) or 0.0)
    quick([Contender("vandal", vandal)], [SMALL], [metric], references=())
    assert torch.equal(seen[0], recipes.load_small().train)


def test_seeds_do_not_depend_on_what_else_runs() -> None:
    both, alone, other = Spy(), Spy(), Spy()
    both.run([GAUSSIANS, MOONS])
    torch.rand(3)
    state = torch.get_rng_state()
    alone.run([MOONS])
    assert torch.equal(torch.get_rng_state(), state)
    other.run([MOONS], seed=1)
    assert torch.equal(both.first[2], alone.first[0])
    assert torch.equal(both.tests[2], alone.tests[0])
    assert not torch.equal(other.first[0], alone.first[0])
    assert not torch.equal(other.tests[0], alone.tests[0])


def test_order_and_jobs_change_no_number_and_a_dead_process_stops_nobody(
    tmp_path, monkeypatch, capfd
) -> None:
    """Two spawned processes, one of which is killed, against this one in another order."""
    training = partial(recipes.killed_once, marker=str(tmp_path / "dead"))
    killed = Contender("killed", recipes.build_normal, training)
    ballast = torch.ones(300, 2**17, dtype=torch.float64)
    monkeypatch.delenv("CI", raising=False)
    once = {"references": (), "folder": tmp_path / "cells", "progress": False}
    there = quick([killed, NORMAL], [MOONS], jobs=2, **once)
    assert capfd.readouterr().err == ""
    del ballast
    metrics = METRICS[::-1]
    here = quick([NORMAL, BROKEN], [GAUSSIANS, MOONS], metrics)
    dead = there.row("killed", MOONS.name, "energy distance")
    assert (dead.mark, dead.note) == ("failed", "its process ended with exit code -9")
    memory = there.row("normal", MOONS.name, "peak memory")
    assert 100 < memory.value < peak_memory(torch.device("cpu")) / 2**20 - 200
    assert here.row("normal", MOONS.name, "peak memory").mark == "absent"
    compared = 0
    for names, row in numbers(there).items():
        if row.model == "normal":
            assert row == replace(numbers(here)[names], floor=None), names
            compared += 1
    assert compared == 3 + 3
    assert len(list((tmp_path / "cells").iterdir())) == 1
    again = quick([killed, NORMAL], [MOONS], **once)
    assert again.row("killed", MOONS.name, "energy distance").mark == "estimate"
    assert again.row("normal", MOONS.name, "peak memory") == memory


def test_a_broken_cell_is_marked_and_the_others_go_on(tmp_path) -> None:
    table = quick([BROKEN, NORMAL], [SMALL], folder=tmp_path)
    for row in table.rows:
        if row.model == "broken":
            assert (row.mark, row.note) == ("failed", "ValueError: the loss is NaN")
            assert row.value is None
    assert table.row("normal", "small", "energy distance").mark == "estimate"
    assert sorted(path.name.split("--")[0] for path in tmp_path.iterdir()) == ["normal", "truth"]


def test_kill_9_loses_only_the_cell_in_flight(tmp_path) -> None:
    """A process that is killed while it trains the second contender; then on from there."""
    code = f"""
import torch
import test_run as t
torch.set_num_threads(1)
t.resumable({str(tmp_path)!r})
"""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": str(here)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    cells = tmp_path / "cells"
    before = {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}
    assert sorted(name.split("--")[0] for name in before) == ["normal", "truth"]
    table = resumable(str(tmp_path))
    after = {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}
    assert before.items() <= after.items() and len(after) == 4
    assert {row.mark for row in table.rows} == {"exact", "estimate", "absent"}
    trained = resumable(str(tmp_path))
    assert trained == table
    assert {path.name: path.stat().st_mtime_ns for path in cells.iterdir()} == after


def resumable(folder: str):
    killed = partial(recipes.killed_once, marker=f"{folder}/dead")
    contenders = [
        NORMAL,
        Contender("killed", recipes.build_normal, killed),
        Contender("last", recipes.build_normal),
    ]
    return quick(contenders, [MOONS], folder=f"{folder}/cells", progress=False)


def test_interrupt_keeps_finished_cells(tmp_path) -> None:
    def interrupted(lesson):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick([NORMAL, Contender("slow", interrupted)], [SMALL], folder=tmp_path)
    assert sorted(path.name.split("--")[0] for path in tmp_path.iterdir()) == ["normal", "truth"]


def test_damaged_cell_is_computed_anew_and_said_so_once(tmp_path, capsys) -> None:
    first = quick([NORMAL], [SMALL], folder=tmp_path, progress=False)
    path = next(tmp_path.glob("normal*"))
    path.write_bytes(path.read_bytes()[:-20])
    second = quick([NORMAL], [SMALL], folder=tmp_path, progress=False)
    wanted = f"normal on small: '{path.name}' cannot be read and is computed anew\n"
    assert capsys.readouterr().out == wanted
    assert numbers(second) == numbers(first)
    quick([NORMAL], [SMALL], folder=tmp_path, progress=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("change", ["seed", "num_test", "version", "metrics", "argument", "none"])
def test_a_cell_is_found_only_if_nothing_that_matters_changed(tmp_path, change) -> None:
    calls = []

    def build(lesson, scale=1.0):
        calls.append(scale)
        return recipes.build_normal(lesson)

    options = {"folder": tmp_path, "references": (), "version": "1", "seed": 0}
    quick([Contender("c", partial(build, scale=1.0))], [SMALL], **options)
    contender = Contender("c", partial(build, scale=2.0 if change == "argument" else 1.0))
    changed = {
        "seed": {"seed": 1},
        "num_test": {"num_test": 99},
        "version": {"version": "2"},
        "metrics": {"metrics": METRICS[:1]},
    }
    quick([contender], [SMALL], **(options | changed.get(change, {})))
    assert len(calls) == (1 if change == "none" else 2)


def test_progress_is_silent_in_ci(monkeypatch, capsys) -> None:
    monkeypatch.setenv("CI", "true")
    quick([], [SMALL], METRICS[:1])
    assert capsys.readouterr().err == ""
    quick([], [SMALL], METRICS[:1], progress=True)
    assert "1/1" in capsys.readouterr().err


def _splits(train, test):
    return Splits(torch.tensor(train), torch.tensor([[9.0]]), torch.tensor(test))


def test_bad_input_gives_one_line(tmp_path, as_user) -> None:
    (tmp_path / "file").write_text("")
    wrong_need = Metric("m", "", "lower", {"sample"}, float)
    cost = Metric("parameters", "", "lower", {"samples"}, float)
    needs = "samples, score, world score, world posterior, train"
    importable = "recipes of functions that another process can import, or jobs=0, got"
    for call, message in (
        (lambda: quick([], [], METRICS), "worlds: expected at least one, got none"),
        (lambda: quick([], [MOONS], []), "metrics: expected at least one, got none"),
        (
            lambda: quick([NORMAL, NORMAL], [MOONS]),
            "contenders and references: expected names that differ, got 'normal' twice",
        ),
        (
            lambda: quick([recipes.Normal], [MOONS]),
            "contenders and references: expected Contender or Reference, got type",
        ),
        (lambda: quick([], ["moons"]), "worlds: expected World or DataSet, got str"),
        (
            lambda: quick([], [MOONS], [wrong_need]),
            f"metrics: expected 'm' to need some of {needs}, got 'sample'",
        ),
        (
            lambda: quick([], [MOONS], [cost]),
            "metrics: expected no name of a cost, got 'parameters'",
        ),
        (lambda: quick([], [MOONS], num_test=0), "num_test: expected a whole number >= 1, got 0"),
        (lambda: quick([], [MOONS], jobs=-1), "jobs: expected a whole number >= 0, got -1"),
        (lambda: quick([], [MOONS], seed=0.5), "seed: expected a whole number >= 0, got 0.5"),
        (
            lambda: quick([], [MOONS], folder=tmp_path / "file"),
            f"folder: expected one that can be made, got '{tmp_path / 'file'}': File exists",
        ),
        (
            lambda: quick([], [World("w", lambda: 0)], jobs=1),
            f"truth on w: expected {importable} ",
        ),
        (
            lambda: quick([], [World("w", World("v", object()))], folder=tmp_path),
            "recipe: expected functions, functools.partial, dataclasses, tensors, numbers and "
            "texts, got builtins.object",
        ),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        text = str(caught.value)
        assert text.startswith(message) if message.endswith(" ") else text == message
        assert len(text.splitlines()) == 1


def test_functions_of_a_notebook_are_refused_before_anything_runs(monkeypatch, as_user) -> None:
    def typed_here():
        return recipes.two_moons()

    main = sys.modules["__main__"]
    typed_here.__module__, typed_here.__qualname__ = "__main__", "typed_here"
    monkeypatch.setattr(main, "typed_here", typed_here, raising=False)
    monkeypatch.delattr(main, "__file__", raising=False)
    with pytest.raises(ArgumentError) as caught:
        quick([], [World("w", typed_here)], jobs=1)
    assert str(caught.value) == (
        "truth on w: expected recipes of functions that another process can import, or jobs=0, "
        "got one that is defined in this notebook or prompt"
    )


@pytest.mark.parametrize(
    ("load", "note"),
    [
        (
            partial(_splits, [[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]]),
            "d: expected test examples held out of training, got 2 of 3 that are in train",
        ),
        (
            partial(_splits, [[1.0]], [[1, 2]]),
            "test: expected shape (examples, 1), got shape (1, 2)",
        ),
        (dict, "d: expected load() to return Splits, got dict"),
    ],
)
def test_unusable_real_data(load, note, as_user) -> None:
    table = quick([], [DataSet("d", load)])
    assert {row.note for row in table.rows} == {f"ArgumentError: {note}"}


def test_samples_of_the_wrong_kind_or_number() -> None:
    class Odd:
        def __init__(self, answer):
            self.answer = answer

        def sample(self, num_samples, *, condition=None, generator=None):
            return self.answer

    for answer, note in (
        (torch.zeros(3, 2), "sample: expected 100 examples, got 3"),
        ([1.0], "sample: expected a tensor, got list"),
    ):
        contender = Contender("odd", lambda lesson, answer=answer: Odd(answer))
        table = quick([contender], [SMALL], references=())
        assert {row.note for row in table.rows} == {f"ArgumentError: {note}"}
