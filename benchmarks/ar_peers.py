"""AR(p) beside statsmodels: the same estimates, the same likelihood, the time of each.

    pip install statsmodels
    python benchmarks/ar_peers.py

Both fit AR(2) to one simulated series by the Yule-Walker equations and score it by its exact
Gaussian likelihood. Times are medians of processor time over 30 interleaved runs, one thread.
"""

import statistics
import time
from collections.abc import Callable

import torch
from statsmodels.regression.linear_model import yule_walker
from statsmodels.tsa.arima.model import ARIMA

from course_utils.models.autoregressive import ARProcess

PHI = (0.5, -0.7)
LENGTH = 2000
RUNS = 30


def seconds(*calls: Callable[[], object]) -> list[float]:
    """Median processor time of each call, the calls taking turns."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(RUNS):
        for call, record in zip(calls, times, strict=True):
            start = time.process_time()
            call()
            record.append(time.process_time() - start)
    return [statistics.median(record) for record in times]


def main() -> None:
    """Print estimates, log-likelihoods and times side by side."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    process = ARProcess(torch.tensor(PHI, dtype=torch.float64), 1.0)
    with torch.no_grad():
        x = process.sample(1, length=LENGTH, generator=generator)
        series = x[0].numpy()
        ours = ARProcess.yule_walker(x, 2)
        theirs, _ = yule_walker(series, 2, method="mle", demean=False, result_object=False)
        peer = ARIMA(series, order=(2, 0, 0), trend="n")
        phi = ours.coefficients.tolist()
        variance = ours.log_noise_std.exp().item() ** 2
        print(f"Yule-Walker      course {phi[0]:.8f} {phi[1]:.8f}")
        print(f"            statsmodels {theirs[0]:.8f} {theirs[1]:.8f}")
        print(f"log-likelihood   course {ours.log_prob(x).item():.6f}")
        print(f"            statsmodels {peer.loglike([*phi, variance]):.6f}")
        fit, peer_fit, score, peer_score = seconds(
            lambda: ARProcess.yule_walker(x, 2),
            lambda: yule_walker(series, 2, method="mle", demean=False, result_object=False),
            lambda: ours.log_prob(x),
            lambda: peer.loglike([*phi, variance]),
        )
    print(f"fit              course {fit * 1e3:.2f} ms, statsmodels {peer_fit * 1e3:.2f} ms")
    print(f"score            course {score * 1e3:.2f} ms, statsmodels {peer_score * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
