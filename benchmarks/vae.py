"""A variational autoencoder on the digits: time of a step, and the bound after equal time.

    python benchmarks/vae.py [--seconds 12] [--seeds 1] [--test]

The peer is a VAE written by hand in plain PyTorch, in the style of the small example programs that
circulate with it: two linear layers each way, ReLU, log-variance, Adam, a DataLoader, a softmax
over the 17 levels of each pixel, no augmentation. "Steps" are updates with batches of 128; both
networks get about as many weights. One CPU thread; seconds are processor time, data preparation
included.

Where pythae is installed (extra ``benchmarks-vae``) a second race follows. Its likelihoods are
Gaussian of variance one or Bernoulli, so the digits are black and white there: its perceptron of
512 units as it comes, in a plain loop without its trainer's logging and checkpoints, against the
course's with the same layers and the same mean rate of Adam (ours falls from twice that to zero).
"""

import argparse
import importlib.util
import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from course_utils.datasets import LabelledImages, deformed, digits
from course_utils.distributions import BernoulliHead, CategoricalHead
from course_utils.logistic_mixtures import DiscretisedLogisticMixture
from course_utils.metrics.likelihood import Estimate, bits_per_dim, nats_per_example
from course_utils.models.latent import VAE, GuardedBound
from course_utils.training import fit

BATCH = 128


class PlainVAE(nn.Module):
    """The peer."""

    def __init__(self, hidden: int = 256, latent: int = 16) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, hidden), nn.ReLU())
        self.mean, self.log_var = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, 64 * 17)
        )

    def elbo(self, x: Tensor, num_samples: int = 1) -> Tensor:
        """Nats per image."""
        hidden = self.encoder(x.flatten(1) / 16)
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        rate = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
        total = 0.0
        for _ in range(num_samples):
            z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
            logits = self.decoder(z).unflatten(-1, (64, 17)).mT
            total = total - functional.cross_entropy(logits, x.flatten(1), reduction="none").sum(-1)
        return total / num_samples - rate


def plain(
    data: LabelledImages, seconds: float, seed: int, peer: type[nn.Module] = PlainVAE
) -> tuple[nn.Module, int]:
    """Train a peer until the time is up; return it and the number of its steps."""
    torch.manual_seed(seed)
    begin, steps = time.process_time(), 0
    model = peer()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(data.train), batch_size=BATCH, shuffle=True, drop_last=True)
    while time.process_time() - begin < seconds:
        for (x,) in loader:
            optimiser.zero_grad()
            (-model.elbo(x).mean()).backward()
            optimiser.step()
            steps += 1
    return model.eval(), steps


def ours(
    data: LabelledImages, num_steps: int, seed: int, head: str = "ordered", augment: bool = True
) -> VAE:
    """The model of the chapter, or with the peer's head and data."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    law = DiscretisedLogisticMixture(17, 3) if head == "ordered" else CategoricalHead(17)
    model = VAE.of_perceptrons((8, 8), 16, law, (256, 256) if augment else (256,))
    images = data.train
    if augment:
        images = torch.cat([deformed(images, 25, generator=generator), images])
    fit(
        GuardedBound(model, warmup_steps=200, start=0.1),
        images,
        num_steps=num_steps,
        batch_size=BATCH,
        learning_rate=2e-3,
        warmup_steps=50,
        weight_decay=0.01,
        ema_decay=0.995,
        validate=lambda guarded: guarded.model.loss(data.validation)["total"].item(),
        validate_every=200,
        generator=generator,
        progress=False,
    )
    return model


class Library(nn.Module):
    """The VAE of pythae for black and white digits."""

    def __init__(self, latent: int = 16) -> None:
        super().__init__()
        from pythae.models import VAE as PythaeVAE
        from pythae.models import VAEConfig

        config = VAEConfig(input_dim=(1, 8, 8), latent_dim=latent, reconstruction_loss="bce")
        self.model: Any = PythaeVAE(config)

    def elbo(self, x: Tensor, num_samples: int = 1) -> Tensor:
        """Nats per image when evaluated; in training their mean, by pythae's own ``forward``."""
        batch = {"data": x.float().unsqueeze(1)}
        if self.training:
            return -self.model(batch).loss
        found = [self.model({"data": image[None]}).loss for image in batch["data"]]
        more = [self.model(batch).loss for _ in range(num_samples)]
        single = -torch.stack(found)
        return single - single.mean() - torch.stack(more).mean()


def course_on_binary(data: LabelledImages, num_steps: int, seed: int) -> VAE:
    """The course's VAE with the layers, the optimiser and the mean rate of the library's race."""
    torch.manual_seed(seed)
    model = VAE.of_perceptrons((8, 8), 16, BernoulliHead(), (512,))
    fit(
        model,
        data.train,
        num_steps=num_steps,
        batch_size=BATCH,
        learning_rate=2e-3,
        generator=torch.Generator().manual_seed(seed),
        progress=False,
    )
    return model


def bits(bound: Tensor) -> Estimate:
    """Bits per pixel."""
    return bits_per_dim(nats_per_example(bound), 64)


@torch.no_grad()
def report(name: str, model: nn.Module, part: Tensor, steps: int, seconds: float) -> None:
    """Print one line."""
    bound = bits(model.elbo(part, num_samples=20))
    rate = 1000 * seconds / steps
    line = f"{name:38} {steps:6d} {rate:8.2f} {seconds:7.1f}   {bound!s}"
    if isinstance(model, VAE):
        weighted = model.log_weights(part, 100).logsumexp(0) - math.log(100)
        line += f"   {bits(weighted)!s}"
    print(line, flush=True)


def main() -> None:
    """Print a table; the test images only when asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="for the peer")
    parser.add_argument("--steps", type=int, default=1000, help="for ours")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--test", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = digits()
    part = data.test if arguments.test else data.validation
    print(f"{'model':38} {'steps':>6} {'ms/step':>8} {'CPU s':>7}   −ELBO, bits/dim    IW-100")
    for seed in range(arguments.seeds):
        for name, options in (
            ("ours: ordered levels, deformed digits", {}),
            ("ours: softmax, no deformation, 256", {"head": "softmax", "augment": False}),
        ):
            begin = time.process_time()
            model = ours(data, arguments.steps, seed, **options)
            report(name, model, part, arguments.steps, time.process_time() - begin)
        begin = time.process_time()
        peer, steps = plain(data, arguments.seconds, seed)
        report("plain PyTorch", peer, part, steps, time.process_time() - begin)
    if importlib.util.find_spec("pythae") is None:
        print("pythae is not installed: no race on black and white digits")
        return
    black = replace(data, train=(data.train > 7).float())
    part = (part > 7).float()
    for seed in range(arguments.seeds):
        begin = time.process_time()
        peer, steps = plain(black, arguments.seconds / 2, seed, Library)
        library_seconds = time.process_time() - begin
        report("pythae, black and white", peer, part, steps, library_seconds)
        begin = time.process_time()
        model = course_on_binary(black, steps, seed)
        own_seconds = time.process_time() - begin
        report("ours, as many steps", model, part, steps, own_seconds)
        more = round(steps * library_seconds / own_seconds)
        begin = time.process_time()
        model = course_on_binary(black, more, seed)
        report("ours, as many seconds", model, part, more, time.process_time() - begin)


if __name__ == "__main__":
    main()
