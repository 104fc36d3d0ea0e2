"""What a recipe is known by, and where its cell is kept."""

from functools import partial
from itertools import combinations

import pytest
import torch
from recipes import GAUSSIANS, MOONS, NORMAL, build_normal, killed_once, train_normal

from course_utils.comparison.cell import Sizes, Task
from course_utils.comparison.contenders import Contender
from course_utils.comparison.rulers import squared_mmd
from course_utils.comparison.store import Store, describe


def recipes() -> list:
    """Made anew at each call, so that nothing is known by its place in memory."""
    return [
        None,
        "None",
        1,
        1.0,
        True,
        "1",
        [1, 2],
        [2, 1],
        [[1], 2],
        {"a": 1},
        {"a": 2},
        {"b": 1},
        {"x", "y", "z"},
        {"x", "y"},
        torch.arange(3),
        torch.arange(3).double(),
        torch.arange(4),
        torch.float32,
        torch.device("cpu"),
        build_normal,
        train_normal,
        partial(build_normal),
        partial(build_normal, 1),
        partial(build_normal, lesson=1),
        partial(train_normal, 1),
        partial(train_normal, num_steps=torch.zeros(1)),
        partial(train_normal, num_steps=torch.ones(1)),
        Contender("a", build_normal),
        Contender("b", build_normal),
        Contender("a", build_normal, killed_once),
        Contender("a", build_normal, network="net"),
        GAUSSIANS,
        MOONS,
    ]


def test_different_recipes_differ_and_equal_ones_agree() -> None:
    first, second = ([describe(recipe) for recipe in recipes()] for _ in range(2))
    assert first == second
    for one, other in combinations(range(len(first)), 2):
        assert first[one] != first[other], (recipes()[one], recipes()[other])


@pytest.mark.parametrize("part", ["contender", "world", "metrics", "sizes", "seed"])
def test_each_part_of_a_task_moves_its_file(tmp_path, part) -> None:
    store = Store(tmp_path / "deep" / "folder", version="1")
    parts = {
        "contender": (NORMAL, Contender("normal", build_normal)),
        "world": (GAUSSIANS, MOONS),
        "metrics": ((), (squared_mmd(),)),
        "sizes": (Sizes(1, 2, 3, 4), Sizes(1, 2, 3, 5)),
        "seed": (0, 1),
    }
    task = Task(**{name: values[0] for name, values in parts.items()})
    moved = Task(**{name: values[name == part] for name, values in parts.items()})
    path = store.path(task)
    assert path.name.startswith("normal--eight-gaussians--") and path.parent.is_dir()
    assert store.path(moved) != path
    assert Store(tmp_path, version="2").path(task).name != path.name
    assert store.read(task) == (None, "")
