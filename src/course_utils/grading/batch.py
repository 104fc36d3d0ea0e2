"""Grading many submissions: each one once, none at another's expense, whatever happens meanwhile.

The unit of work is one submission under one key (see ``results``): ``grade_task`` gives it to the
engine in a process of its own (see ``workers``), and its result is on disk before the next one is
taken up. So a run may be killed at any moment and started again: what is known stays known, and
what was under way begins anew. Every beginning is counted on disk. A submission that brings the
grader down again and again is put off until all others are graded, and after ``MOST_ATTEMPTS`` it
gets a result that says so, for a person to look at.

The same unit spreads over machines with engines that exist: ``shard=(i, n)`` grades every n-th
submission, for a job array on a cluster, and ``dask`` names the scheduler of a running Dask.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from course_utils.arguments import ArgumentError
from course_utils.grading import workers
from course_utils.grading.results import Result, ResultStore, result_key, title_of
from course_utils.grading.submissions import find_submissions, fingerprint, safe_name
from course_utils.grading.weeks import questions_of
from course_utils.grading.workers import Outcome

MOST_ATTEMPTS = 5
"""How often a submission that ends its grader is tried before it is given up."""

PATIENCE = 1800.0
"""Seconds after which the engine, which has limits of its own, is taken to hang."""

Engine = Callable[..., Result]
"""Called as ``engine(path, week, seed=..., isolation=...)``; a function at the top of a module."""


def default_engine(path: Path, week: str, *, seed: int, isolation: str) -> Result:
    """Grade one submission in a sandbox."""
    from course_utils.grading.engine import grade_submission

    return grade_submission(path, week, seed=seed, isolation=isolation)


@dataclass(frozen=True)
class Plan:
    """What to grade, and how.

    Attributes:
        week: The assignment, such as ``"w01"``.
        seed: Of the hidden instances.
        isolation: A level of the sandbox, or ``"auto"``.
        num_workers: How many submissions at once.
        shard: ``(i, n)`` with ``1 <= i <= n``: grade the i-th of n parts.
        dask: Address of a Dask scheduler, or ``None`` to work on this machine.
        patience: Seconds after which a grader that does not come back is stopped.
        engine: What grades one submission.
    """

    week: str
    seed: int = 0
    isolation: str = "auto"
    num_workers: int = 1
    shard: tuple[int, int] = (1, 1)
    dask: str | None = None
    patience: float = PATIENCE
    engine: Engine = default_engine


@dataclass(frozen=True)
class Task:
    """One submission under one key."""

    name: str
    path: Path
    sha256: str
    key: str
    plan: Plan


@dataclass
class Report:
    """What a run did.

    Attributes:
        results: All results there are by now, by name.
        table: The path of ``grades.csv``.
        paths: Where the submissions lie, by name.
        fresh: How many of them this run found.
        missing: Names that have no result yet, because another shard grades them.
        remarks: One line for each thing an instructor should know.
    """

    results: dict[str, Result]
    table: Path
    paths: dict[str, Path]
    fresh: int = 0
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def ungraded(self) -> list[str]:
        """Names whose grading failed, which a person has to look at."""
        return [name for name, result in self.results.items() if result.get("ungraded")]


def grade_task(task: Task) -> Result:
    """Grade one submission and complete its result."""
    plan = task.plan
    result = plan.engine(task.path, plan.week, seed=plan.seed, isolation=plan.isolation)
    return {**result, **_label(task)}


def _label(task: Task) -> Result:
    return {"submission": task.name, "file": safe_name(task.path.name), "key": task.key}


def grade_batch(places: Sequence[Path], out: Path, plan: Plan) -> Report:
    """Grade the submissions in some places into a folder, and write the table of grades.

    Args:
        places: Files, and folders that are searched with everything below them.
        out: The folder of results; those in it that still fit are kept.
        plan: What to grade, and how.

    Raises:
        ArgumentError: Nothing to grade, or a folder or an address that cannot be used.
    """
    questions_of(plan.week)
    found = find_submissions(places)
    store = ResultStore.open(out, plan.week, plan.seed)
    tasks = [_task(name, path, plan) for name, path in found.paths.items()]
    known = _known(store, tasks)
    part, parts = plan.shard
    todo = [task for task in tasks[part - 1 :: parts] if _is_open(task, known, store)]
    todo.sort(key=lambda task: store.attempts(task.name, task.key))
    table = store.folder / "grades.csv"
    report = Report(known, table, dict(found.paths), remarks=list(found.remarks))
    try:
        for task, result in _graded(store, deque(todo), plan):
            store.save(task.name, result)
            known[task.name] = result
            report.fresh += 1
    finally:
        known.update(_known(store, [task for task in tasks if task.name not in known]))
        report.missing = [task.name for task in tasks if task.name not in known]
        store.write_table(known.values(), plan.week)
    return report


def _task(name: str, path: Path, plan: Plan) -> Task:
    sha256 = fingerprint(path)
    return Task(name, path, sha256, result_key(sha256, plan.week, plan.seed), plan)


def _known(store: ResultStore, tasks: Sequence[Task]) -> dict[str, Result]:
    loaded = {task.name: store.load(task.name, task.key) for task in tasks}
    return {name: result for name, result in loaded.items() if result is not None}


def _is_open(task: Task, known: dict[str, Result], store: ResultStore) -> bool:
    """Whether a task has no result, or one that came of a failure and may be tried again."""
    result = known.get(task.name)
    if result is None:
        return True
    return bool(result.get("ungraded")) and store.attempts(task.name, task.key) < MOST_ATTEMPTS


def _graded(store: ResultStore, todo: deque[Task], plan: Plan) -> Iterator[tuple[Task, Result]]:
    """Yield each task with its result, trying again where a process died."""
    with tqdm(
        total=len(todo), desc=title_of(plan.week), unit="submission", disable=None
    ) as progress:
        for task in [t for t in todo if store.attempts(t.name, t.key) >= MOST_ATTEMPTS]:
            todo.remove(task)
            yield task, _ungraded(task, f"was interrupted {MOST_ATTEMPTS} times")
            progress.update()
        for outcome in _outcomes(store, todo, plan):
            task, result = outcome.task, outcome.result
            tried = store.attempts(task.name, task.key)
            if result is None and outcome.failure.startswith("died") and tried < MOST_ATTEMPTS:
                todo.append(task)
                continue
            yield task, _ungraded(task, outcome.failure) if result is None else result
            progress.update()


def _outcomes(store: ResultStore, todo: deque[Task], plan: Plan) -> Iterator[Outcome]:
    def begin(task: Task) -> None:
        store.begin(task.name, task.key)

    if plan.dask is not None:
        return _through_dask(plan.dask, todo, begin)
    count, patience = plan.num_workers, plan.patience
    return workers.run(grade_task, todo, num_workers=count, patience=patience, begin=begin)


def _through_dask(
    address: str, todo: deque[Task], begin: Callable[[Task], None]
) -> Iterator[Outcome]:
    """Work through the tasks on the workers of a Dask scheduler, which see the same files."""
    try:
        from dask.distributed import Client, as_completed
    except ImportError:
        raise ArgumentError(
            "--dask: dask is not installed here; install it with pip install 'dask[distributed]'"
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ArgumentError(f"--dask: no scheduler answers at {address!r}: {error}") from None
    with client:
        while todo:
            futures = {client.submit(grade_task, task, pure=False): task for task in todo}
            todo.clear()
            for future in as_completed(futures):
                error, task = future.exception(), futures[future]
                if error is None:
                    yield Outcome(task, future.result())
                    continue
                begin(task)
                verb = "died with" if type(error).__name__ == "KilledWorker" else "raised"
                yield Outcome(task, None, f"{verb} {type(error).__name__}")


def _ungraded(task: Task, failure: str) -> Result:
    """The result of a submission that the grader could not cope with."""
    note = f"Not graded: the grader {failure}. A person has to look at this submission."
    rows = {
        question.id: {
            "score": 0.0,
            "max_score": question.points,
            "message": "Not graded; a person will look at it.",
            "kind": question.kind,
            "mistake": "ungraded",
        }
        for question in questions_of(task.plan.week)
    }
    return {
        **{"assignment": title_of(task.plan.week), "sha256": task.sha256, "score": 0.0},
        "max_score": sum(row["max_score"] for row in rows.values()),
        **{"isolation": task.plan.isolation, "seed": task.plan.seed, "seconds": 0.0},
        **{"questions": rows, "notes": [note], "ungraded": failure},
        **_label(task),
    }
