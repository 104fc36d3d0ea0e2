"""Finished cells on disk, so that a comparison can be interrupted and go on.

A cell's file is named after the model, the world and a hash of all that determines its numbers: the
recipes with their arguments, the sizes, the seed, the versions of PyTorch and of the caller's code.
If any of that changes the file is not found and the cell is computed anew. The file is written
whole or not at all, with a checksum (``training.checkpoint``); one that is damaged is computed anew
as well, and a line says so.

A recipe is known by its functions' names and the arguments that ``functools.partial`` holds. What
stands inside a function, or in the object a method belongs to, is not looked at: that is what the
caller's ``version`` is for.
"""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils.arguments import ArgumentError
from course_utils.comparison.cell import Task
from course_utils.comparison.table import COSTS, Row
from course_utils.training import CheckpointError
from course_utils.training.checkpoint import fingerprint, read_checkpoint, write_checkpoint


class Store:
    """A folder of finished cells."""

    def __init__(self, folder: Path, version: str) -> None:
        """Open ``folder``, and make it if it is not there."""
        self.folder = folder
        self.version = version
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArgumentError(
                f"folder: expected one that can be made, got '{folder}': {error.strerror}"
            ) from None

    def path(self, task: Task) -> Path:
        """Return where the cell is, or will be."""
        columns = [field.name for field in fields(Row)]
        identity = [describe(task), self.version, torch.__version__, columns, list(COSTS)]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        names = (task.contender.name, task.world.name)
        words = (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] for name in names)
        return self.folder / f"{'--'.join(words)}--{key}.cell"

    def read(self, task: Task) -> tuple[list[Row] | None, str]:
        """Return the rows of a finished cell, or ``None`` and what is wrong with its file."""
        path = self.path(task)
        try:
            saved = read_checkpoint(path)
        except CheckpointError:
            return None, f"{task.name}: '{path.name}' cannot be read and is computed anew"
        return (None if saved is None else [Row(**row) for row in saved["rows"]]), ""

    def write(self, task: Task, rows: list[Row]) -> None:
        """Store the rows of a finished cell."""
        write_checkpoint(self.path(task), {"rows": [asdict(row) for row in rows]})


def describe(recipe: Any) -> Any:
    """Lists and texts that say what a recipe is, the same in every process.

    Args:
        recipe: Functions, ``functools.partial``, dataclasses, collections, tensors, numbers, texts.

    Raises:
        ArgumentError: Something else, whose identity cannot be told.
    """
    if recipe is None or isinstance(recipe, bool | int | float | str):
        return repr(recipe)
    if isinstance(recipe, functools.partial):
        return ["partial", *map(describe, (recipe.func, recipe.args, recipe.keywords))]
    if isinstance(recipe, Tensor):
        return ["tensor", fingerprint((recipe,))]
    if isinstance(recipe, Mapping):
        return ["mapping", *([describe(k), describe(recipe[k])] for k in recipe)]
    if isinstance(recipe, tuple | list):
        return ["sequence", *map(describe, recipe)]
    if isinstance(recipe, set | frozenset):
        return ["set", *sorted(map(repr, recipe))]
    if isinstance(recipe, torch.dtype | torch.device):
        return repr(recipe)
    if hasattr(recipe, "__qualname__"):
        return f"{recipe.__module__}.{recipe.__qualname__}"
    kind = f"{type(recipe).__module__}.{type(recipe).__qualname__}"
    if is_dataclass(recipe):
        return [kind, *([f.name, describe(getattr(recipe, f.name))] for f in fields(recipe))]
    raise ArgumentError(
        "recipe: expected functions, functools.partial, dataclasses, tensors, numbers and texts, "
        f"got {kind}"
    )
