"""The feature networks: against the world's exact posterior, their own record, and a second run."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from course_utils.arguments import ArgumentError
from course_utils.datasets.images import digits
from course_utils.metrics.features import (
    FeatureNetwork,
    digit_features,
    scene_features,
    training_record,
)
from course_utils.metrics.features.__main__ import main
from course_utils.metrics.features.training import RECIPES, SCENE_NOISE
from course_utils.worlds.scenes import GaussianScenes, Scenes
from course_utils.worlds.scenes.factors import FACTORS

LOADERS = {"scenes": scene_features, "digits": digit_features}


@pytest.mark.parametrize("name", ["scenes", "digits"])
def test_held_out_accuracy_is_the_recorded_one(name):
    """The record has four digits; other machines may round one or two images differently."""
    record = training_record(name)
    generator = torch.Generator().manual_seed(int(record["held_out_seed"]))
    accuracy = RECIPES[name].accuracy(LOADERS[name](), generator)
    assert accuracy == pytest.approx(float(record["held_out_accuracy"]), abs=0.003)
    assert accuracy > 0.95


@pytest.mark.parametrize("name", ["scenes", "digits"])
def test_training_repeats_from_the_recorded_seed(name):
    """The first updates report the recorded losses: 1e-3 for other machines' rounding.

    A second run on one machine is the same to the bit, and another seed is not.
    """
    record = training_record(name)
    recipe, seed = RECIPES[name], int(record["seed"])
    losses = [float(loss) for loss in record["first_losses"].split()]
    network, result = recipe.train(seed, len(losses))
    assert result.losses == pytest.approx(losses, rel=1e-3)
    again, second = recipe.train(seed, len(losses))
    assert second.losses == result.losses
    for first, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(first, other)
    assert recipe.train(seed + 1, 1)[1].losses[0] != result.losses[0]


@pytest.mark.parametrize(("noise", "loss"), [(0.05, 0.002), (0.15, 0.04), (0.3, 0.15), (0.6, 0.23)])
def test_scene_classifier_is_near_the_best_possible(generator, noise, loss):
    """Share of scenes named correctly, beside that of the exact posterior on the same images.

    No classifier beats the posterior but by chance: 4 standard errors of 2000 images. The losses
    allowed are those of the stored weights, .000, .022, .124 and .199, and 2 standard errors.
    """
    world = GaussianScenes(noise=noise)
    images, scene = world.sample_with_index(2000, generator=generator)
    right = (scene_features().probabilities(images).argmax(1) == scene).double()
    best = (world.posterior(images).argmax(1) == scene).double()
    gap = best - right
    chance = 4 * gap.std().item() / math.sqrt(2000)
    assert -chance <= gap.mean() < loss


def test_noise_level_is_known_almost_exactly(generator):
    """The best test between two levels is nearly never wrong on 256 pixels; nor is the network."""
    network = scene_features()
    for place, noise in enumerate(SCENE_NOISE):
        images = GaussianScenes(noise=noise).sample(500, generator=generator)
        guessed = network.label_probabilities(images)["noise"].argmax(1)
        assert (guessed == place).double().mean() > 0.99


def test_scene_classes_are_numbered_as_the_world_numbers_them():
    """The joint class of a clear picture has the number that ``Scenes.index`` gives its factors."""
    scenes = Scenes()
    network = scene_features()
    by_factor = network.label_probabilities(scenes.renderings)
    named = torch.stack([by_factor[name].argmax(1) for name in FACTORS], 1)
    assert torch.equal(network.probabilities(scenes.renderings).argmax(1), scenes.index(named))
    assert torch.equal(named, scenes.factors)


def test_probabilities_are_the_product_over_labels(generator):
    """By loops over the values of two labels; float32 rounding. The noise level is left out."""
    torch.manual_seed(0)
    network = FeatureNetwork(4, {"first": 2, "second": 3}, (0.1, 0.2), scale=2.0).eval()
    x = torch.randn(5, 4, 4, generator=generator)
    by_label = network.label_probabilities(x)
    assert list(by_label) == ["first", "second", "noise"]
    joint = network.probabilities(x)
    assert joint.shape == (5, 6)
    for i in range(2):
        for j in range(3):
            truth = by_label["first"][:, i] * by_label["second"][:, j]
            torch.testing.assert_close(joint[:, 3 * i + j], truth, rtol=1e-6, atol=0)


def test_features_are_in_standard_deviations(generator):
    """Over the noisy training images mean 0 and variance 1; .1 for running averages and chance."""
    levels = [GaussianScenes(noise=s).sample(1000, generator=generator) for s in SCENE_NOISE]
    h = scene_features().features(torch.cat(levels))
    assert h.shape == (4000, 32)
    assert h.mean(0).abs().max() < 0.1
    assert (h.std(0) - 1).abs().max() < 0.1


def test_white_is_what_is_divided_by(generator):
    """Images and unit scaled together give the same features; float32 rounding."""
    x = torch.rand(3, 8, 8, generator=generator)
    torch.manual_seed(0)
    plain = FeatureNetwork(8, {"a": 2}, (0.1,), scale=1.0).eval()
    scaled = FeatureNetwork(8, {"a": 2}, (0.1,), scale=16.0).eval()
    scaled.load_state_dict(plain.state_dict())
    torch.testing.assert_close(scaled.features(16 * x), plain.features(x))


def test_whole_and_real_grey_levels_are_the_same_image():
    """Digits come as integers; models may return reals in single or double precision."""
    network = digit_features()
    x = digits().test[:20]
    assert torch.equal(network.features(x), network.features(x.float()))
    assert torch.equal(network.features(x), network.features(x.double()))
    double = network.double().features(x.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), digit_features().features(x), rtol=1e-4, atol=1e-4)


def test_loss_is_the_cross_entropy_of_every_label(generator):
    """Without noise on the images the loss follows from the probabilities; float32 rounding."""
    network = FeatureNetwork(4, {"a": 2, "b": 3}, (0.0,), scale=1.0).eval()
    x = torch.rand(6, 4, 4, generator=generator)
    values = torch.tensor([[0, 1], [1, 2], [0, 0], [1, 1], [0, 2], [1, 0]])
    terms = network.loss((x, values))
    for i, name in enumerate(("a", "b")):
        chosen = network.label_probabilities(x)[name].gather(1, values[:, i : i + 1])
        assert terms[name].item() == pytest.approx(-chosen.log().mean().item(), rel=1e-5)
    assert terms["noise"].item() == pytest.approx(0, abs=1e-6)
    parts = terms["a"] + terms["b"] + terms["noise"]
    assert terms["total"].item() == pytest.approx(parts.item(), rel=1e-6)


def test_training_sees_each_image_with_the_noise_of_its_label():
    """A black image's pixels have the standard deviation that the noise label says, within 5 %."""
    seen = []

    class Watched(FeatureNetwork):
        def features(self, x):
            seen.append(x)
            return super().features(x)

    network = Watched(8, {"a": 2}, (1.0, 4.0), scale=1.0)
    torch.manual_seed(0)
    network.loss((torch.zeros(400, 8, 8), torch.zeros(400, 1, dtype=torch.long)))
    spread = seen[0].flatten(1).std(1)
    assert ((spread - 1).abs() < 0.5).logical_or((spread - 4).abs() < 2).all()
    share = (spread > 2).double().mean()
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / 400)
    assert spread[spread > 2].mean().item() == pytest.approx(4, rel=0.05)
    assert spread[spread < 2].mean().item() == pytest.approx(1, rel=0.05)


def test_stored_files_are_small_and_frozen():
    for name, load in LOADERS.items():
        network = load()
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        record = training_record(name)
        assert record["command"].startswith(f"python -m course_utils.metrics.features {name} --out")
        assert set(record) == {
            "command",
            "seed",
            "torch",
            "cpu_seconds",
            "held_out_accuracy",
            "held_out_seed",
            "first_losses",
        }


def test_command_writes_what_it_trained(tmp_path, capsys):
    """Two updates from seed 3, as the recipe makes them; the printed record is the stored one."""
    path = tmp_path / "weights.safetensors"
    main(["digits", "--out", str(path), "--seed", "3", "--steps", "2"])
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    content = path.read_bytes()
    stored = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    assert printed == stored
    assert stored["command"].endswith("digits --out weights.safetensors --seed 3 --steps 2")
    network, _ = RECIPES["digits"].train(3, 2)
    weights = load_file(path)
    for name, value in network.state_dict().items():
        assert torch.equal(weights[name], value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["faces", "--out", "x"], "invalid choice: 'faces'"),
        (["digits"], "the following arguments are required: --out"),
        (["digits", "--out", "/no/such/x"], "--out: expected a file in an existing folder"),
        (["digits", "--out", "x", "--steps", "0"], "num_steps: expected a whole number >= 1"),
    ],
)
def test_command_refuses_in_one_line(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(arguments)
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_command_has_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert "python -m course_utils.metrics.features" in said
    assert "--out" in said


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: scene_features().features(torch.zeros(2, 8, 8)),
            "x: expected shape (batch, 16, 16), got shape (2, 8, 8)",
        ),
        (
            lambda: digit_features().probabilities(torch.full((1, 8, 8), math.nan)),
            "x: expected finite values, got 64 NaN or infinite of 64",
        ),
        (
            lambda: digit_features().features(torch.zeros(1, 8, 8, device="meta")),
            "x: expected device cpu, got device meta",
        ),
        (
            lambda: scene_features("cuda:99"),
            "device: expected a device of this machine, got 'cuda:99'",
        ),
        (
            lambda: training_record("faces"),
            "name: expected one of 'scenes', 'digits', got 'faces'",
        ),
        (
            lambda: FeatureNetwork(3, {"a": 2}, (0.1,), scale=1.0),
            "size: expected a whole number >= 4, got 3",
        ),
        (
            lambda: FeatureNetwork(8, {"a": 2}, (-0.1,), scale=1.0),
            "noise_levels: expected a number >= 0, got -0.1",
        ),
        (
            lambda: FeatureNetwork(8, {"a": 2}, (0.1,), scale=0.0),
            "scale: expected a number > 0, got 0.0",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value) == message
