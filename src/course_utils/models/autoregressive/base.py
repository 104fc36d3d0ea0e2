r"""What every autoregressive model shares: the chain rule, and the four tasks that follow from it.

A model of this kind gives one thing, the parameters of each conditional p(x_i | variables before
i in its order). All the rest is the same for every family and stands here once:

    score    log p(x) = \sum_i log p(x_i | x_before(i)), exact, all terms in one call
    sample   draw the variables in order, each from its conditional, exact, one call per variable
    learn    minimise the mean of -log p(x), exact
    infer    absent: there is no hidden variable to infer
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from course_utils.arguments import check_int, check_tensor
from course_utils.nets.masked import ranks
from course_utils.samplers.decoding import Head, ancestral, tempered
from course_utils.samplers.stepwise import Stepper, check_temperature, stepwise
from course_utils.tasks import absent


class AutoregressiveModel(nn.Module, ABC):
    """Joint distribution written as a product of conditionals in a fixed order.

    Args:
        num_variables: T, the number of variables of one example. A model that treats all
            positions alike also scores sequences of other lengths; see ``any_length``.
        head: The family of each conditional: its log probability and its sampler.
        order: order[k] is the variable at step k; 0, 1, ..., T - 1 if ``None``.

    Raises:
        ArgumentError: ``order`` is not a permutation of 0 .. T - 1.
    """

    any_length: bool = False
    order: Tensor

    def __init__(
        self,
        num_variables: int,
        head: Head,
        order: Int[Tensor, " length"] | None = None,
    ):
        super().__init__()
        self.num_variables = check_int("num_variables", num_variables, low=1)
        self.head = head
        order = torch.arange(num_variables) if order is None else order.clone()
        check_tensor("order", order, shape=(num_variables,), dtype="integer")
        ranks(order)
        self.register_buffer("order", order)

    @abstractmethod
    def conditionals(
        self, x: Shaped[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length params"]:
        """Return the parameters of p(x_i | variables before i in the order), for every i at once.

        Row i may depend only on variables that come before i in the order.
        """

    def log_prob_terms(self, x: Shaped[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        """Return log p(x_i | variables before i) in nats; entry i belongs to variable i.

        Args:
            x: Values (batch, length).

        Raises:
            ArgumentError: ``x`` is empty, on another device, has a value that is not one of the
                variable's, or does not have one column per variable.
        """
        self._check(x, values=True)
        return self.head.log_prob(self.conditionals(x), x)

    def log_prob(self, x: Shaped[Tensor, "batch length"]) -> Float[Tensor, " batch"]:
        r"""Return log p(x) = \sum_i log p(x_i | variables before i) in nats per example.

        The first variable's term is part of the sum: without it the probabilities would not sum
        to one.

        Accuracy:
            Exact.
        """
        return self.log_prob_terms(x).sum(-1)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Shaped[Tensor, "given_rows given"] | None = None,
        length: int | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Shaped[Tensor, "samples length"]:
        """Draw x ~ p(x) variable by variable, in the model's order.

        Args:
            num_samples: Number of independent samples.
            condition: Values of the first g variables of the order, (num_samples, g) or (1, g);
                the rest is drawn given them.
            length: Number of variables, for models that score any length.
            temperature: T > 0 by which each conditional's logits are divided.
            generator: Source of randomness.

        Returns:
            Samples (num_samples, length).

        Raises:
            ArgumentError: ``temperature`` is not above zero, or not 1 for real variables.

        Accuracy:
            Exact at T = 1; one call of ``conditionals`` for each variable drawn, or one of ``step``
            for each variable where the model has it.
        """
        length = self._length(length)
        check_temperature(temperature, self.head)
        order = self.order if length == self.num_variables else None
        if condition is not None and condition.shape[0] == 1:
            condition = condition.expand(num_samples, -1)
        if isinstance(self, Stepper):
            drawing = {"temperature": temperature, "generator": generator}
            return stepwise(self, num_samples, length, prefix=condition, **drawing)
        return ancestral(
            tempered(self.conditionals, temperature),
            self.head,
            num_samples,
            length,
            order=order,
            prefix=condition,
            generator=generator,
            device=self.order.device,
        )

    def _check(self, x: Tensor, *, values: bool) -> None:
        columns = "length" if self.any_length else self.num_variables
        levels = getattr(self.head, "num_levels", None)
        check_tensor(
            "x",
            x,
            shape=("batch", columns),
            dtype="float" if levels is None else "integer",
            device=self.order.device,
            finite=values,
            low=0 if values and levels else None,
            high=levels - 1 if values and levels else None,
        )

    def _length(self, length: int | None) -> int:
        if length is None:
            return self.num_variables
        most = None if self.any_length else self.num_variables
        return check_int("length", length, low=1 if self.any_length else most, high=most)

    def loss(self, batch: Shaped[Tensor, "batch length"]) -> dict[str, Tensor]:
        """Return the mean of -log p(x), whose expectation is the cross-entropy H(data, model).

        Args:
            batch: Values (batch, length). On an accelerator their range is not checked, since the
                check would make every step wait for the answer.

        Returns:
            ``total``: mean nats per example, at least the data's entropy in expectation.
            ``nats_per_dim``: the same divided by the number of variables.
        """
        self._check(batch, values=batch.device.type == "cpu")
        terms = -self.head.log_prob(self.conditionals(batch), batch)
        return {"total": terms.sum(-1).mean(), "nats_per_dim": terms.mean()}

    posterior = absent(
        "infer",
        "every variable of an autoregressive model is observed, so nothing is hidden.",
        "the chapter on the chain rule (week 1)",
    )
