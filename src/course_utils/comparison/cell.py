"""One cell of the comparison: a model, a world, all metrics.

A cell is a function of its `Task` alone. Every random choice in it has a seed of its own, a hash of
the comparison's seed and of what the choice is for, so that neither the order of cells, nor the
number of processes, nor a metric more or less changes a number:

    data of a world     the world and the part (train, validation, test)
    parameters, fitting the world and the contender
    samples             the world and the contender
    a metric's draws    the world and the metric, the same for all contenders
"""

import contextlib
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_utils.arguments import ArgumentError
from course_utils.comparison.contenders import (
    Contender,
    DataSet,
    HeldOut,
    Lesson,
    Reference,
    Splits,
    World,
    check_splits,
)
from course_utils.comparison.costs import (
    EvaluationCount,
    Stopwatch,
    num_parameters,
    peak_memory,
)
from course_utils.comparison.metric import Evidence, Metric
from course_utils.comparison.table import COSTS, Row
from course_utils.tasks import Intractable, can
from course_utils.training.checkpoint import RandomStreams


@dataclass(frozen=True)
class Sizes:
    """Numbers of examples: to train, to validate, to test, and to sample from each model."""

    num_train: int
    num_validation: int
    num_test: int
    num_samples: int


@dataclass(frozen=True)
class Task:
    """All that determines a cell."""

    contender: Contender | Reference
    world: World | DataSet
    metrics: tuple[Metric, ...]
    sizes: Sizes
    seed: int

    @property
    def name(self) -> str:
        """Both names, for a person."""
        return f"{self.contender.name} on {self.world.name}"


def run_cell(task: Task, *, own_process: bool) -> list[Row]:
    """Make the model, fit it, sample it, and read every metric.

    Args:
        task: What to do.
        own_process: Whether nothing else has run in this process, so that its peak memory means
            something.

    Returns:
        A row for each cost and metric, absent and failed ones included.

    Raises:
        Exception: Whatever the recipes of the world, of building, of training or of sampling raise.
    """
    with _seeded(task, "world"):
        world, splits = _data(task)
    device = splits.train.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    costs: dict[str, float | None] = dict.fromkeys(COSTS)
    model = _fitted(task, world, splits, costs)
    samples = _sampled(task, model, device, costs)
    if own_process or device.type == "cuda":
        held = peak_memory(device)
        costs["peak memory"] = None if held is None else held / 2**20
    rows = [_cost_row(task, device, name, value) for name, value in costs.items()]
    return rows + [_metric_row(task, m, model, samples, splits, world) for m in task.metrics]


def failed_rows(task: Task, error: str) -> list[Row]:
    """The rows of a cell that broke: one that says why, for each cost and metric."""
    kinds = [(name, *COSTS[name]) for name in COSTS]
    kinds += [(metric.name, metric.unit, metric.better) for metric in task.metrics]
    return [_row(task, *kind, mark="failed", note=error) for kind in kinds]


def one_line(error: BaseException) -> str:
    """The error's kind and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def derived_seed(seed: int, *names: str) -> int:
    """A 63-bit seed for the purpose ``names``, by SHA-256."""
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextlib.contextmanager
def _seeded(task: Task, *purpose: str, device: torch.device | None = None) -> Iterator[int]:
    """Borrow all global streams of random numbers, seeded for ``purpose`` in this world."""
    seed = derived_seed(task.seed, task.world.name, *purpose)
    ours, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with RandomStreams(device or torch.device("cpu")).borrowed(seed):
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            yield seed
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)  # noqa: NPY002


def _data(task: Task) -> tuple[Any, Splits]:
    sizes = task.sizes
    if isinstance(task.world, DataSet):
        loaded = check_splits(task.world.name, task.world.load())
        splits = Splits(
            loaded.train[: sizes.num_train],
            loaded.validation[: sizes.num_validation],
            loaded.test[: sizes.num_test],
        )
        return HeldOut(splits.validation), splits
    world = task.world.build()
    parts = {
        "train": sizes.num_train,
        "validation": sizes.num_validation,
        "test": sizes.num_test,
    }
    return world, Splits(**{part: _draw(task, world, part, n) for part, n in parts.items()})


def _draw(task: Task, world: Any, part: str, num_samples: int) -> Tensor:
    seed = derived_seed(task.seed, task.world.name, part)
    generator = torch.Generator(task.world.device).manual_seed(seed)
    return world.sample(num_samples, generator=generator)


def _fitted(task: Task, world: Any, splits: Splits, costs: dict[str, float | None]) -> Any:
    contender, device = task.contender, splits.train.device
    with _seeded(task, contender.name, "fit", device=device) as seed:
        if isinstance(contender, Reference):
            return contender.build(world)
        generator = torch.Generator(device).manual_seed(seed)
        lesson = Lesson(splits.train.clone(), splits.validation.clone(), generator)
        watch = Stopwatch(device)
        model = contender.build(lesson)
        if isinstance(model, nn.Module):
            model.to(device)
        if contender.train is not None:
            contender.train(model, lesson)
        costs["training time"] = watch.seconds()
    if isinstance(model, nn.Module):
        model.eval()
    costs["parameters"] = num_parameters(model)
    return model


def _sampled(
    task: Task, model: Any, device: torch.device, costs: dict[str, float | None]
) -> Tensor | None:
    if not can(model, "sample"):
        return None
    num_samples, count = task.sizes.num_samples, EvaluationCount()
    network = getattr(task.contender, "network", None)
    with _seeded(task, task.contender.name, "sample", device=device) as seed, torch.no_grad():
        generator = torch.Generator(device).manual_seed(seed)
        watch = Stopwatch(device)
        with count.watching(model, network):
            samples = model.sample(num_samples, generator=generator)
        costs["sampling time"] = watch.seconds()
    if not isinstance(samples, Tensor):
        raise ArgumentError(f"sample: expected a tensor, got {type(samples).__name__}")
    few_enough = isinstance(task.world, DataSet) and isinstance(task.contender, Reference)
    if len(samples) != num_samples and not few_enough:
        raise ArgumentError(f"sample: expected {num_samples} examples, got {len(samples)}")
    if count.calls:
        costs["network calls"] = count.calls
        costs["evaluations per sample"] = count.examples / num_samples
    return samples.detach()


def _metric_row(
    task: Task, metric: Metric, model: Any, samples: Tensor | None, splits: Splits, world: Any
) -> Row:
    device = splits.train.device
    with _seeded(task, "metric", metric.name, device=device) as seed:
        evidence = Evidence(
            model=model,
            samples=samples if "samples" in metric.needs else None,
            test=splits.test,
            world=world,
            train=splits.train if "train" in metric.needs else None,
            generator=torch.Generator(device).manual_seed(seed),
        )
        kind = (metric.name, metric.unit, metric.better)
        try:
            reading = metric.read(evidence)
        except Intractable as reason:
            return _row(task, *kind, mark="absent", note=str(reason))
        except Exception as error:
            return _row(task, *kind, mark="failed", note=one_line(error))
    return _row(
        task, *kind, mark=reading.mark, value=reading.value, standard_error=reading.standard_error
    )


def _cost_row(task: Task, device: torch.device, name: str, value: float | None) -> Row:
    unit, better = COSTS[name]
    if value is None:
        return _row(task, name, unit, better, mark="absent", note="not seen or not applicable.")
    mark = "estimate" if name in ("training time", "sampling time", "peak memory") else "exact"
    if unit == "CPU s" and device.type == "cuda":
        unit = "wall s"
    return _row(task, name, unit, better, mark=mark, value=float(value))


def _row(task: Task, metric: str, unit: str, better: str, **answer: Any) -> Row:
    return Row(
        model=task.contender.name,
        world=task.world.name,
        metric=metric,
        unit=unit,
        better=better,
        reference=isinstance(task.contender, Reference),
        **answer,
    )
