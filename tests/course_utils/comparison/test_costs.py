"""Counting network evaluations and parameters, and whose memory is measured."""

import resource
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from course_utils.arguments import ArgumentError
from course_utils.comparison.costs import (
    EvaluationCount,
    Stopwatch,
    num_parameters,
    peak_memory,
)


class Steps(nn.Module):
    """Calls its network 7 times on twice the batch, as guidance does, and embeds the time."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(1, 3)
        self.net = nn.Sequential(nn.Linear(2, 4), nn.SiLU(), nn.Linear(4, 2))
        self.tied = self.net

    def sample(self, num_samples):
        x = torch.zeros(num_samples, 2)
        for step in range(7):
            self.embed(torch.tensor([[float(step)]]))
            x = self.net(input=torch.cat([x, x]))[:num_samples]
        return x


def count(network: str | None, num_samples: int = 5) -> tuple[int, int]:
    model, counter = Steps(), EvaluationCount()
    with counter.watching(model, network):
        model.sample(num_samples)
    model.sample(num_samples)
    return counter.calls, counter.examples


def test_only_outermost_calls_count() -> None:
    """7 steps of one network, its layers inside it not counted; 2 x 5 examples each."""
    assert count("net") == (7, 70)
    assert count(None) == (14, 77)
    assert count("net.0") == (7, 70)


def test_a_call_that_raises_is_left(generator) -> None:
    model, counter = nn.Linear(2, 2), EvaluationCount()
    with counter.watching(model, None):
        with pytest.raises(RuntimeError):
            model(torch.zeros(3, 5))
        model(torch.zeros(3, 2))
    assert (counter.calls, counter.examples) == (2, 6)


def test_parameters_count_once_and_only_if_trained() -> None:
    model = Steps()
    assert num_parameters(model) == (1 * 3 + 3) + (2 * 4 + 4) + (4 * 2 + 2)
    model.embed.requires_grad_(False)
    assert num_parameters(model) == 22
    assert num_parameters("no module") is None


def test_unknown_network(as_user) -> None:
    with pytest.raises(ArgumentError) as caught:
        count("net.layer")
    assert str(caught.value) == "network: expected the name of a module, got 'net.layer'"


def test_peak_memory_is_that_of_the_process_itself() -> None:
    """A new array raises it by its size, and a process started by a big one begins small."""
    before = peak_memory(torch.device("cpu"))
    big = bytearray(before + 300 * 2**20)
    big[::4096] = b"1" * len(big[::4096])
    grown = peak_memory(torch.device("cpu"))
    assert grown > before + 290 * 2**20
    if sys.platform == "linux":
        by_other_road = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        assert grown == pytest.approx(by_other_road, rel=0.01)
    code = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    if sys.platform == "linux":
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert int(child.stdout) * 1024 < 100 * 2**20


def test_stopwatch_reads_the_processor_not_the_wall() -> None:
    watch = Stopwatch(torch.device("cpu"))
    time.sleep(0.2)
    assert watch.seconds() < 0.1
    begin = time.process_time()
    while time.process_time() - begin < 0.05:
        pass
    assert watch.seconds() >= 0.05
