"""A scene graph: the objects of a scene with their attributes, and who stands where to whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SceneObject:
    """One object in the words of its world.

    Attributes:
        shape: ``"square"``, ``"disc"``, ``"triangle"`` or ``"cross"``.
        size: ``"small"`` or ``"large"``.
        shade: Its brightness, or in a coloured world its colour.
        x: Where it stands from left to right.
        y: Where it stands from top to bottom.
        motion: Where it moves, in a world of clips.
    """

    shape: str
    size: str
    shade: str
    x: str
    y: str
    motion: str = "still"


@dataclass(frozen=True)
class SceneGraph:
    """Objects are the nodes and relations the labelled edges.

    Attributes:
        objects: The objects; a relation names them by their position in this tuple.
        relations: Triples (i, word, j), read "object i is ``word`` object j".
    """

    objects: tuple[SceneObject, ...]
    relations: tuple[tuple[int, str, int], ...] = ()
