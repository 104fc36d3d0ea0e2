"""Device, budget and seed: what wins over what, and what is said when it cannot be."""

import random

import numpy as np
import pytest
import torch

from course_utils import runtime
from course_utils.arguments import ArgumentError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in ("COURSE_DEVICE", "COURSE_BUDGET"):
        monkeypatch.delenv(name, raising=False)
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def test_the_cpu_where_there_is_no_gpu(no_gpu):
    assert runtime.pick_device() == torch.device("cpu")
    assert runtime.budget() == runtime.Budget("cpu")


def test_a_gpu_where_there_is_one(two_gpus):
    assert runtime.pick_device() == torch.device("cuda")
    assert runtime.pick_device("cuda:1") == torch.device("cuda:1")
    assert runtime.pick_device("cpu") == torch.device("cpu")
    assert runtime.budget() == runtime.Budget("gpu")
    assert runtime.budget("cpu") == runtime.Budget("cpu")


def test_the_environment_wins(two_gpus, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert runtime.pick_device() == runtime.pick_device("cuda:1") == torch.device("cpu")
    assert runtime.budget().profile == "cpu"
    monkeypatch.setenv("COURSE_BUDGET", "gpu")
    assert runtime.budget().profile == runtime.budget("cpu").profile == "gpu"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tpu", "expected 'cpu', 'cuda' or 'cuda:N', got 'tpu'"),
        ("meta", "expected 'cpu', 'cuda' or 'cuda:N', got 'meta'"),
        ("cuda:2", "expected a device of this machine (2 CUDA devices), got 'cuda:2'"),
    ],
)
def test_a_device_that_is_not_there(as_user, two_gpus, monkeypatch, name, message):
    with pytest.raises(ArgumentError) as error:
        runtime.pick_device(name)
    assert str(error.value) == f"prefer: {message}"
    monkeypatch.setenv("COURSE_DEVICE", name)
    with pytest.raises(ArgumentError) as error:
        runtime.start()
    assert str(error.value) == f"COURSE_DEVICE: {message}"


def test_cuda_without_a_gpu(no_gpu):
    with pytest.raises(ArgumentError, match=r"prefer: .*\(0 CUDA devices\), got 'cuda'"):
        runtime.pick_device("cuda")


def test_an_unknown_profile(as_user, no_gpu, monkeypatch):
    with pytest.raises(ArgumentError, match="profile: expected one of 'cpu', 'gpu', got 'tpu'"):
        runtime.budget("tpu")
    monkeypatch.setenv("COURSE_BUDGET", "huge")
    with pytest.raises(ArgumentError, match=r"COURSE_BUDGET: expected one of .* got 'huge'"):
        runtime.start()


def test_budget_picks():
    assert runtime.Budget("cpu").pick(cpu=400, gpu=5000) == 400
    assert runtime.Budget("gpu").pick(cpu=400, gpu=5000) == 5000


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "0"])
def test_a_bad_seed(as_user, seed):
    with pytest.raises(ArgumentError, match="seed: expected a whole number >= 0 and <= 4294967295"):
        runtime.seed_everything(seed)


def test_a_seed_fixes_every_stream():
    def draws(seed):
        generator = runtime.seed_everything(seed)
        assert generator.device == torch.device("cpu")
        numbers = torch.rand(2), torch.rand(2, generator=generator)
        return random.random(), np.random.rand(), *torch.cat(numbers).tolist()  # noqa: NPY002

    first, again, other = draws(7), draws(7), draws(8)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_start_settles_everything_and_says_so_in_one_line(no_gpu, capsys):
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(2)
    run = runtime.start(seed=11)
    version = torch.__version__.split("+")[0]
    out, err = capsys.readouterr()
    assert out == f"device cpu, budget cpu, seed 11, torch {version}\n" and err == ""
    assert (run.device, run.budget.profile, run.seed) == (torch.device("cpu"), "cpu", 11)
    assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    expected = torch.rand(3, generator=torch.Generator().manual_seed(11))
    assert torch.equal(torch.rand(3, generator=run.generator), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_start_on_a_gpu():
    run = runtime.start(seed=11)
    assert run.device.type == run.generator.device.type == "cuda"
    assert run.budget.profile == "gpu"
