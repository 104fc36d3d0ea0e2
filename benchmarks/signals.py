"""AR(p) beside statsmodels: the same estimates, the same exact likelihood."""

import torch

from benchmarks.race import Program, Work
from course_utils.models.autoregressive import ARProcess


def _series() -> torch.Tensor:
    process = ARProcess(torch.tensor((0.5, -0.7), dtype=torch.float64), 1.0)
    with torch.no_grad():
        return process.sample(1, length=2000, generator=torch.Generator().manual_seed(0))


def _yule_walker() -> tuple[Program, Program]:
    from statsmodels.regression.linear_model import yule_walker

    x = _series()
    values = x[0].numpy()
    return (
        lambda: ARProcess.yule_walker(x, 2).coefficients,
        lambda: yule_walker(values, 2, method="mle", demean=False, result_object=False)[0],
    )


def _likelihood() -> tuple[Program, Program]:
    from statsmodels.tsa.arima.model import ARIMA

    x = _series()
    fitted = ARProcess.yule_walker(x, 2)
    parameters = [*fitted.coefficients.tolist(), fitted.log_noise_std.exp().item() ** 2]
    peer = ARIMA(x[0].numpy(), order=(2, 0, 0), trend="n")
    return lambda: fitted.log_prob(x), lambda: peer.loglike(parameters)


WORK = (
    Work("yulewalker", "AR(2) fitted to 2000 values by Yule-Walker", "statsmodels", _yule_walker),
    Work("arlikelihood", "exact likelihood of 2000 values, AR(2)", "statsmodels", _likelihood),
)
