"""Models × worlds × metrics, in one call: ``compare``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_utils.arguments import ArgumentError, check_int
from course_utils.comparison.cell import Sizes, Task
from course_utils.comparison.contenders import TRUTH, Contender, DataSet, Reference, World
from course_utils.comparison.metric import NEEDS, Metric
from course_utils.comparison.pool import carry_out
from course_utils.comparison.store import Store
from course_utils.comparison.table import COSTS, ComparisonTable, Row
from course_utils.runtime import show_progress


def compare(
    contenders: Sequence[Contender],
    worlds: Sequence[World | DataSet],
    metrics: Sequence[Metric],
    *,
    folder: str | Path | None = None,
    version: str = "",
    seed: int = 0,
    num_train: int = 10_000,
    num_validation: int = 1_000,
    num_test: int = 1_000,
    num_samples: int = 1_000,
    references: Sequence[Reference] = (TRUTH,),
    jobs: int = 1,
    progress: bool | None = None,
) -> ComparisonTable:
    """Train every contender afresh on every world and read every metric on held-out examples.

    A cell that breaks gives rows marked ``"failed"`` with its one-line error, and the others go on;
    it is tried again next time. On Ctrl-C finished cells are kept.

    Args:
        contenders: Recipes for models.
        worlds: Worlds and real data sets.
        metrics: What to measure; ``COSTS`` are always measured.
        folder: Where finished cells are kept and looked up; ``None`` keeps none.
        version: Version of the recipes' code: change it when what a function does has changed.
        seed: Any whole number ≥ 0.
        num_train: Training examples per world.
        num_validation: Validation examples per world.
        num_test: Test examples per world, which only metrics see.
        num_samples: Samples per model.
        references: Rows to read the others by, before them. The one named ``"truth"`` gives
            ``Row.floor``.
        jobs: Number of processes, one thread each; 0 computes here, task by task, where functions
            need not be importable but peak memory is not known.
        progress: Whether to draw a bar; ``None`` as in ``training.fit``.

    Returns:
        The table. Neither the order of the arguments nor ``jobs`` changes a number in it, seconds
        and memory apart.

    Raises:
        ArgumentError: One line: which argument, what was expected, what came.
        CheckpointError: A finished cell cannot be written.
    """
    sizes = Sizes(
        check_int("num_train", num_train, low=1),
        check_int("num_validation", num_validation, low=1),
        check_int("num_test", num_test, low=1),
        check_int("num_samples", num_samples, low=1),
    )
    check_int("seed", seed, low=0)
    check_int("jobs", jobs, low=0)
    models = (*references, *contenders)
    _check_names("contenders and references", models, (Contender, Reference))
    _check_names("worlds", worlds, (World, DataSet))
    _check_names("metrics", metrics, (Metric,))
    _check_metrics(metrics)
    tasks = [
        Task(model, world, tuple(metrics), sizes, seed) for world in worlds for model in models
    ]
    store = None if folder is None else Store(Path(folder), version)
    done: dict[int, list[Row]] = {}
    with tqdm(total=len(tasks), disable=not show_progress(progress), unit="cell") as bar:
        for i, task in enumerate(tasks):
            rows, complaint = (None, "") if store is None else store.read(task)
            if complaint:
                bar.write(complaint)
            if rows is not None:
                done[i] = rows
                bar.update()
        left = [i for i in range(len(tasks)) if i not in done]
        numbers = {id(tasks[i]): i for i in left}
        for outcome in carry_out([tasks[i] for i in left], jobs):
            if store is not None and not outcome.failed:
                store.write(outcome.task, outcome.rows)
            done[numbers[id(outcome.task)]] = outcome.rows
            bar.update()
    return _assembled([row for i in range(len(tasks)) for row in done[i]])


def _assembled(rows: list[Row]) -> ComparisonTable:
    """Write the truth's values beside all others."""
    truth = {
        (row.world, row.metric): row.value
        for row in rows
        if row.reference and row.model == TRUTH.name and row.metric not in COSTS
    }
    return ComparisonTable(
        tuple(replace(row, floor=truth.get((row.world, row.metric))) for row in rows)
    )


def _check_names(argument: str, recipes: Sequence[Any], kinds: tuple[type, ...]) -> None:
    if not recipes:
        raise ArgumentError(f"{argument}: expected at least one, got none")
    for recipe in recipes:
        if not isinstance(recipe, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ArgumentError(f"{argument}: expected {wanted}, got {type(recipe).__name__}")
    names = [recipe.name for recipe in recipes]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"{argument}: expected names that differ, got {name!r} twice")


def _check_metrics(metrics: Sequence[Metric]) -> None:
    for metric in metrics:
        if metric.name in COSTS:
            raise ArgumentError(f"metrics: expected no name of a cost, got {metric.name!r}")
        unknown = sorted(metric.needs - set(NEEDS))
        if unknown:
            raise ArgumentError(
                f"metrics: expected {metric.name!r} to need some of {', '.join(NEEDS)}, "
                f"got {unknown[0]!r}"
            )
