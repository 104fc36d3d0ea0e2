"""Sampling with a memory beside whole passes, and one LSTM step beside PyTorch's cell."""

import torch

from benchmarks.race import Program, Work
from course_utils.distributions import CategoricalHead
from course_utils.models.autoregressive import WaveNet
from course_utils.nets.recurrent import LSTM, unroll
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.stepwise import stepwise


def _queues() -> tuple[Program, Program]:
    """The peer is PyTorch's convolutions over the whole signal, once for every value."""
    torch.manual_seed(0)
    model = WaveNet(CategoricalHead(16), 16, dilations=[2**layer for layer in range(6)]).eval()

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    return (
        lambda: stepwise(model, 8, 256, generator=seeded()).double(),
        lambda: ancestral(model.conditionals, model.head, 8, 256, generator=seeded()).double(),
    )


def _lstm() -> tuple[Program, Program]:
    torch.manual_seed(0)
    ours, theirs = LSTM(32, 64), torch.nn.LSTMCell(32, 64)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(theirs, name).data.copy_(getattr(ours.kernel, f"{name}_l0").data)
    x = torch.randn(16, 200, 32)

    @torch.no_grad()
    def cell() -> torch.Tensor:
        state = (torch.zeros(16, 64), torch.zeros(16, 64))
        for now in x.unbind(1):
            state = theirs(now, state)
        return state[0]

    @torch.no_grad()
    def steps() -> torch.Tensor:
        return unroll(ours, x)[-1][0]

    return steps, cell


WORK = (
    Work("queues", "256 values from a WaveNet of field 64, 8 samples", "torch", _queues),
    Work("lstmsteps", "200 steps of an LSTM with 64 units, 16 sequences", "torch", _lstm),
)
