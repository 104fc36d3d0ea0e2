"""Pixel by pixel, a PixelCNN computes what whole passes compute, and each thing once."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from course_utils.arguments import ArgumentError
from course_utils.models.autoregressive.pixelcnn import GatedPixelCNN, PixelCNN
from course_utils.samplers.decoding import ancestral
from course_utils.samplers.stepwise import stepwise

FAMILIES = {"plain": PixelCNN, "gated": GatedPixelCNN}
ALL = pytest.mark.parametrize("family", list(FAMILIES))


def steps(model, x):
    """The logits of every pixel, one call of ``step`` after the other."""
    cache, last, rows = model.start(len(x)), None, []
    for pixel in x.unbind(1):
        logits, cache = model.step(cache, last)
        rows.append(logits)
        last = pixel
    return torch.stack(rows, 1)


@pytest.mark.concept("ar.pixelcnn")
@ALL
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("shape", "num_layers", "kernels"),
    [((4, 5), 3, (3, 5)), ((5, 2), 2, (5, 3)), ((3, 3), 1, (3, 3)), ((1, 6), 2, (3, 3))],
)
def test_steps_give_the_logits_of_the_whole_pass(
    family, dtype, shape, num_layers, kernels, randomise, generator
):
    sizes = dict(zip(("kernel_size", "first_kernel_size"), kernels, strict=True))
    model = randomise(FAMILIES[family](*shape, 3, 6, num_layers, **sizes)).to(dtype)
    x = torch.randint(3, (7, shape[0] * shape[1]), generator=generator)
    with torch.no_grad():
        whole = model.conditionals(x)
        near = 1e-11 if dtype == torch.float64 else 1e-5 * float(whole.abs().max())
        torch.testing.assert_close(steps(model, x), whole, atol=near, rtol=0)


@pytest.mark.concept("ar.pixelcnn")
@ALL
@pytest.mark.parametrize("given", [0, 5])
def test_sampling_by_steps_draws_what_whole_passes_draw(family, given, randomise, generator):
    model = randomise(FAMILIES[family](4, 3, 4, 6, 2, first_kernel_size=5))
    prefix = torch.randint(4, (40, given), generator=generator) if given else None
    quick, slow = (torch.Generator().manual_seed(5) for _ in range(2))
    x = stepwise(model, 40, 12, prefix=prefix, generator=quick)
    naive = ancestral(model.conditionals, model.head, 40, 12, prefix=prefix, generator=slow)
    assert torch.equal(x, naive)
    again = torch.Generator().manual_seed(5)
    assert torch.equal(model.sample(40, condition=prefix, generator=again), naive)


@pytest.mark.concept("ar.pixelcnn")
@ALL
def test_all_steps_together_multiply_no_more_than_one_pass(family, generator):
    """Multiplications are counted, not timed; a masked kernel's later rows are left out."""
    model = FAMILIES[family](5, 6, 3, 8, 3, first_kernel_size=5)
    x = torch.randint(3, (2, 30), generator=generator)
    counts = []
    for run in (steps, lambda model, x: model.conditionals(x)):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            run(model, x)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] if family == "gated" else counts[0] < counts[1]


def test_wrong_arguments_are_named_in_one_line(as_user):
    for make in FAMILIES.values():
        with pytest.raises(ArgumentError, match=r"^num_samples: expected a whole number >= 1"):
            make(3, 3, 2).start(0)
