"""What the sets of renderings show, against regular expressions, a loop and the one-object scenes.

Two-object scenes, colours and clips are all compared pixel by pixel with ``Scenes``, whose own
pictures are held against geometry in ``test_scenes``.
"""

import colorsys
import dataclasses
import functools
import re

import pytest
import torch

from course_utils.arguments import ArgumentError
from course_utils.worlds.scenes import (
    ColourScenes,
    MovingScenes,
    PairScenes,
    SceneGraph,
    SceneObject,
    Scenes,
)

EXACT = {"dtype": torch.float64}
ONE = Scenes(**EXACT)
SETS = {
    "one": ONE,
    "colour": ColourScenes(**EXACT),
    "pairs": PairScenes(**EXACT),
    "moving": MovingScenes(**EXACT),
}
LOOK = r"a (?P<{0}size>\w+) (?P<{0}{1}>\w+) (?P<{0}shape>\w+)"
CAPTIONS = {
    "one": LOOK.format("", "brightness") + r", (?P<x>.+), (?P<y>\w+)",
    "colour": LOOK.format("", "colour") + r", (?P<x>.+), (?P<y>\w+)",
    "pairs": LOOK.format("first_", "brightness")
    + " (?P<relation>left of|above) "
    + LOOK.format("second_", "brightness")
    + r", (?P<place>\w+)",
    "moving": r"a (?P<size>\w+) (?P<shape>\w+), (?P<x>.+), (?P<y>\w+), "
    r"(moving|standing) (?P<motion>\w+)",
}
PLACES = {"left of": ("top", "central", "bottom"), "above": ("left", "middle", "right")}
X = {"left": 0, "middle": 2, "right": 4}
Y = {"top": 0, "central": 2, "bottom": 4}


@pytest.fixture(params=SETS)
def kind(request):
    return request.param


@functools.cache
def picture(thing: SceneObject) -> torch.Tensor:
    """The one-object scene that shows this object alone."""
    words = {"shape": thing.shape, "size": thing.size, "brightness": thing.shade}
    levels = [ONE.LEVELS[name].index(word) for name, word in words.items()]
    levels += [X.get(thing.x, -1), Y.get(thing.y, -1)]
    return ONE.renderings[int(ONE.index(torch.tensor(levels)))]


def test_captions_name_every_factor_and_are_read_back(kind):
    scenes = SETS[kind]
    captions = scenes.captions
    assert len(set(captions)) == len(scenes) == len(scenes.factors) == len(scenes.renderings)
    for text, factors in zip(captions, scenes.factors, strict=True):
        assert torch.equal(scenes.parse(text), factors)
        assert scenes.caption(factors) == text
        words = re.fullmatch(CAPTIONS[kind], text).groupdict()
        assert set(words) == set(scenes.LEVELS)
        for name, level in zip(scenes.LEVELS, factors.tolist(), strict=True):
            names = PLACES[words["relation"]] if name == "place" else scenes.LEVELS[name]
            assert words[name] == names[level]
    assert scenes.EXAMPLE in captions


def test_every_pair_can_be_told_from_either_side():
    scenes = SETS["pairs"]
    tellings = [scenes.paraphrases(factors) for factors in scenes.factors]
    assert len({text for pair in tellings for text in pair}) == 2 * len(scenes)
    for k, (text, converse) in enumerate(tellings):
        assert torch.equal(scenes.parse(converse), scenes.factors[k])
        first, relation, second, place = re.fullmatch(
            "(.+) (left of|above) (.+), (.+)", text
        ).groups()
        other = {"left of": "right of", "above": "below"}[relation]
        assert converse == f"{second} {other} {first}, {place}"


def test_scene_graphs_are_read_back(kind):
    scenes = SETS[kind]
    graphs = [scenes.scene_graph(factors) for factors in scenes.factors]
    assert len(set(graphs)) == len(scenes)
    for graph, factors in zip(graphs, scenes.factors, strict=True):
        assert torch.equal(scenes.parse_graph(graph), factors)
    with pytest.raises(ArgumentError, match="graph: expected the graph of one of the scenes, got"):
        scenes.parse_graph(SceneGraph(graphs[0].objects * 3))


def test_graphs_of_single_objects_carry_the_factors():
    for kind, shade in (("one", "brightness"), ("colour", "colour")):
        scenes = SETS[kind]
        names = ("shape", "size", shade, "x", "y")
        for factors in scenes.factors[::7]:
            words = [scenes.LEVELS[n][i] for n, i in zip(names, factors.tolist(), strict=True)]
            assert scenes.scene_graph(factors) == SceneGraph((SceneObject(*words),))
    thing = SceneObject("disc", "large", "bright", "far left", "upper", "down")
    assert SETS["moving"].scene_graph(torch.tensor([1, 1, 0, 1, 4])) == SceneGraph((thing,))


def test_a_pair_is_the_two_objects_of_its_graph_side_by_side_without_overlap():
    scenes = SETS["pairs"]
    for graph, rendering in zip(
        map(scenes.scene_graph, scenes.factors), scenes.renderings, strict=True
    ):
        first, second = map(picture, graph.objects)
        assert torch.equal(rendering, first + second)
        assert not bool((first * second).any())
        a, b = graph.objects
        (i, relation, j), converse = graph.relations
        assert (i, j) == (0, 1)
        if relation == "left of":
            assert X[a.x] < X[b.x] and a.y == b.y and converse == (1, "right of", 0)
        else:
            assert Y[a.y] < Y[b.y] and a.x == b.x and converse == (1, "below", 0)


@pytest.mark.parametrize("kind", ["colour", "pairs", "moving"])
def test_no_two_scenes_look_alike(kind):
    flat = SETS[kind].renderings.flatten(1)
    distances = torch.cdist(flat, flat) + 9 * torch.eye(len(flat))
    assert distances.min() > 0.4
    assert flat.min() == 0 and flat.max() == 1


def test_colours_look_as_they_are_called():
    scenes = SETS["colour"]
    hues = {"red": (0, 10), "yellow": (40, 65), "green": (100, 150), "blue": (210, 240)}
    pixels = scenes.renderings.amax((2, 3))
    for level, colour in zip(scenes.factors[:, 2].tolist(), pixels.tolist(), strict=True):
        low, high = hues[scenes.LEVELS["colour"][level]]
        assert low <= 360 * colorsys.rgb_to_hsv(*colour)[0] <= high
    bright = scenes.factors.clone()
    bright[:, 2] = 1
    grey = ONE.renderings[ONE.index(bright)][:, None]
    wanted = pixels[:, :, None, None] * grey / grey.amax((2, 3), keepdim=True)
    torch.testing.assert_close(scenes.renderings, wanted)


def bounce(place: int, step: int, num_frames: int) -> list[int]:
    """Places of a ball on 0 … 4 that spends one frame turning at the wall."""
    places = []
    for _ in range(num_frames):
        places.append(place)
        if 0 <= place + step <= 4:
            place += step
        else:
            step = -step
    return places


def test_objects_move_and_bounce():
    scenes = MovingScenes(**EXACT, num_frames=12)
    steps = {"still": (0, 0), "left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
    for k, (shape, size, x, y, motion) in enumerate(scenes.factors.tolist()):
        dx, dy = steps[scenes.LEVELS["motion"][motion]]
        path = list(zip(bounce(x, dx, 12), bounce(y, dy, 12), strict=True))
        assert scenes.places[k].tolist() == [list(place) for place in path]
        levels = torch.tensor([[shape, size, 1, *place] for place in path])
        assert torch.equal(scenes.renderings[k], ONE.renderings[ONE.index(levels)])


def test_every_frame_is_as_likely_to_show_one_scene_as_another():
    places = SETS["moving"].places
    for frame in range(4):
        counts = torch.bincount(5 * places[:, frame, 0] + places[:, frame, 1])
        assert counts.tolist() == [40] * 25


def test_two_frames_cannot_tell_a_turn_from_standing_still():
    for num_frames, distinct in ((1, 200), (2, 840), (3, 1000)):
        clips = MovingScenes(size=8, num_frames=num_frames).renderings.flatten(1)
        assert len(clips.unique(dim=0)) == distinct


def test_labels_and_conditions_follow_the_words(kind):
    scenes = SETS[kind]
    index = torch.arange(len(scenes))
    classes = scenes.LEVELS[scenes.CLASS_FACTOR]
    assert scenes.num_classes == len(classes) == (2 if kind == "pairs" else 4)
    for label, word in enumerate(classes):
        found = scenes.matches(scenes.condition(**{scenes.CLASS_FACTOR: word}))
        assert torch.equal(found, (scenes.labels(index) == label).nonzero().flatten())
        assert found.tolist() == [k for k, text in enumerate(scenes.captions) if word in text]
    assert len(scenes.matches(scenes.condition())) == len(scenes)
    last = scenes.factors[-1].tolist()
    words = {n: names[i] for (n, names), i in zip(scenes.LEVELS.items(), last, strict=True)}
    assert scenes.matches(scenes.condition(**words)).tolist() == [len(scenes) - 1]


def test_size_precision_and_device_are_the_user_s(kind):
    small = dataclasses.replace(SETS[kind], size=8, dtype=torch.float32)
    assert small.renderings.dtype == torch.float32
    assert small.renderings.shape == (len(small), *small.event_shape)
    assert small.event_shape[-2:] == (8, 8)
    # Four pixels of the finer picture cover one of the coarser, up to where the points lie.
    coarse = torch.nn.functional.avg_pool2d(SETS[kind].renderings.flatten(0, -3), 2)
    gap = coarse.reshape(small.renderings.shape) - small.renderings
    assert gap.abs().max() < 0.2
    if torch.cuda.is_available():
        on_gpu = dataclasses.replace(small, device="cuda")
        torch.testing.assert_close(on_gpu.renderings.cpu(), small.renderings)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: SETS["colour"].parse("a small pink disc, far left, top"),
            "text: expected a caption like 'a small red disc, far left, top', "
            "got 'a small pink disc, far left, top'",
        ),
        (
            lambda: SETS["pairs"].parse("a small bright disc near a large dim cross, top"),
            "text: expected a caption like 'a small bright disc left of a large dim cross, top', "
            "got 'a small bright disc near a large dim cross, top'",
        ),
        (
            lambda: SETS["moving"].parse("a disc"),
            "text: expected a caption like 'a small disc, far left, top, moving right', "
            "got 'a disc'",
        ),
        (
            lambda: SETS["moving"].caption(torch.tensor([0, 0, 0, 0, 5])),
            "factors[4] (motion): expected values <= 4, got a value of 5",
        ),
        (
            lambda: SETS["pairs"].index(torch.zeros(2, 5, dtype=torch.long)),
            "factors: expected shape (..., 8), got shape (2, 5)",
        ),
        (
            lambda: SETS["one"].labels(torch.tensor([400])),
            "index: expected values <= 399, got a value of 400",
        ),
        (
            lambda: SETS["one"].condition(colour="red"),
            "condition: expected one of 'shape', 'size', 'brightness', 'x', 'y', got 'colour'",
        ),
        (
            lambda: SETS["one"].condition(size="huge"),
            "size: expected one of 'small', 'large', got 'huge'",
        ),
        (
            lambda: MovingScenes(num_frames=0),
            "num_frames: expected a whole number >= 1, got 0",
        ),
    ],
)
def test_wrong_arguments_are_named_in_one_line(call, message, as_user):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == message
