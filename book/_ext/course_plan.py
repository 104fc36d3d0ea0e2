"""The plan of the course, ``book/progress.yml``: its weeks, checkpoints and tracks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PLAN = "book/progress.yml"
_SHAPES = {
    "weeks": {"title": str, "about?": str},
    "checkpoints": {"week": int, "kind": str, "about": list, "items": dict},
    "tracks": {"name": str, "time": str, "legs": list},
    "legs": {"when": str, "weeks": list, "besides?": str},
}


def read_plan(path: Path) -> dict[str, Any]:
    """Read weeks, checkpoints and tracks.

    Raises:
        ValueError: A key is missing or unknown, a week is not in the plan, a name is used twice.
    """
    plan = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(plan, dict) or set(plan) != {"weeks", "checkpoints", "tracks"}:
        raise ValueError(f"{path.name}: expected the keys weeks, checkpoints, tracks")
    for part, kind in (("weeks", dict), ("checkpoints", list), ("tracks", list)):
        if not isinstance(plan[part], kind):
            raise ValueError(f"{path.name}: {part}: expected {kind.__name__}, got {plan[part]!r}")
    for part, entry in _entries(plan):
        shape = _SHAPES[part]
        needed = {key for key in shape if not key.endswith("?")}
        types = {key.rstrip("?"): kind for key, kind in shape.items()}
        if not isinstance(entry, dict) or not needed <= set(entry) <= set(types):
            raise ValueError(f"{path.name}: {part}: expected the keys {', '.join(shape)}")
        for key, value in entry.items():
            if not isinstance(value, types[key]):
                raise ValueError(
                    f"{path.name}: {part}: {key}: expected {types[key].__name__}, got {value!r}"
                )
        asked = [entry.get("week", 0), *entry.get("about", []), *entry.get("weeks", [])]
        for week in asked if part != "weeks" else []:
            if week not in plan["weeks"]:
                raise ValueError(f"{path.name}: {part}: expected a week of the plan, got {week!r}")
    names = [name for checkpoint in plan["checkpoints"] for name in checkpoint["items"]]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path.name}: checkpoints: expected different names, got {name!r}")
    return plan


def _entries(plan: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from (("weeks", week) for week in plan["weeks"].values())
    yield from (("checkpoints", checkpoint) for checkpoint in plan["checkpoints"])
    for track in plan["tracks"]:
        yield "tracks", track
        yield from (("legs", leg) for leg in track["legs"])
