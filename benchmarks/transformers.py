"""GPT beside transformers' GPT-2 with the same weights, and beside x-transformers of that size.

Width 64, four blocks of four heads, 256 symbols, texts of 128. Training is one step of fused AdamW
on 32 texts; sampling draws 128 tokens with kept keys and values. The peer's GPT-2 gets our weights,
so that the losses of the first step are equal; samples are compared by their mean log-probability
per token under our model, which leaves the noise of drawing. The blocks of x-transformers differ in
details (no biases), so there only the time is compared.
"""

import importlib
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.race import Program, Work
from course_utils.models.autoregressive import GPT
from course_utils.samplers.stepwise import stepwise

SYMBOLS, LENGTH, DIM, LAYERS, HEADS, BATCH = 256, 128, 64, 4, 4, 32


def _ours() -> GPT:
    torch.manual_seed(0)
    return GPT(SYMBOLS, LENGTH, DIM, HEADS, LAYERS)


def _texts() -> Tensor:
    return torch.randint(SYMBOLS, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))


def _gpt2(model: GPT) -> nn.Module:
    """GPT-2 of transformers with the same weights; it keeps its matrices transposed."""
    library = importlib.import_module("transformers")
    config = library.GPT2Config(
        vocab_size=SYMBOLS + 1, n_positions=LENGTH, n_embd=DIM, n_layer=LAYERS, n_head=HEADS,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, tie_word_embeddings=False,
        bos_token_id=SYMBOLS, eos_token_id=None, pad_token_id=None, attn_implementation="sdpa",
    )  # fmt: skip
    peer = library.GPT2LMHeadModel(config)
    peer.lm_head = nn.Linear(DIM, SYMBOLS, bias=False)
    with torch.no_grad():
        peer.lm_head.weight.copy_(model.output.weight)
        peer.transformer.wte.weight.copy_(model.tokens.weight)
        peer.transformer.wpe.weight.copy_(model.places.table)
        peer.transformer.ln_f.load_state_dict(model.norm.state_dict())
        for theirs, block in zip(peer.transformer.h, model.blocks, strict=True):
            theirs.ln_1.load_state_dict(block.norm_attention.state_dict())
            theirs.ln_2.load_state_dict(block.norm_feedforward.state_dict())
            for target, source in (
                (theirs.attn.c_attn, block.attention.project_in),
                (theirs.attn.c_proj, block.attention.project_out),
                (theirs.mlp.c_fc, block.widen),
                (theirs.mlp.c_proj, block.narrow),
            ):
                target.weight.copy_(source.weight.T)
                target.bias.copy_(source.bias)
    return peer


def _x_transformers() -> nn.Module:
    library = importlib.import_module("x_transformers")
    decoder = library.Decoder(dim=DIM, depth=LAYERS, heads=HEADS, attn_dim_head=DIM // HEADS)
    torch.manual_seed(0)
    return library.TransformerWrapper(
        num_tokens=SYMBOLS + 1, max_seq_len=LENGTH, attn_layers=decoder
    )


def _step(model: nn.Module, loss: Callable[[], Tensor]) -> Program:
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def program() -> float:
        optimiser.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimiser.step()
        return value.item()

    return program


def _shifted(texts: Tensor) -> Tensor:
    return functional.pad(texts[:, :-1], (1, 0), value=SYMBOLS)


def _training() -> tuple[Program, Program]:
    model, texts = _ours(), _texts()
    peer, inputs = _gpt2(model).train(), _shifted(texts)

    def theirs() -> Tensor:
        logits = peer(input_ids=inputs, use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1), texts.flatten())

    return _step(model, lambda: model.loss(texts)["nats_per_dim"]), _step(peer, theirs)


def _training_x() -> tuple[Program, Program]:
    model, peer, texts = _ours(), _x_transformers(), _texts()
    inputs = _shifted(texts)

    def theirs() -> Tensor:
        return functional.cross_entropy(peer(inputs).flatten(0, 1), texts.flatten())

    return _step(model, lambda: model.loss(texts)["nats_per_dim"]), _step(peer, theirs)


def _sampling(num_samples: int) -> Callable[[], tuple[Program, Program]]:
    def prepare() -> tuple[Program, Program]:
        model = _ours().eval()
        peer = _gpt2(model).eval()
        begin = torch.full((num_samples, 1), SYMBOLS)
        options = {"do_sample": True, "top_k": 0, "max_new_tokens": LENGTH - 1, "use_cache": True}

        def theirs() -> Tensor:
            seen = torch.ones_like(begin)
            return peer.generate(begin, attention_mask=seen, **options)[:, 1:]

        return lambda: stepwise(model, num_samples, LENGTH - 1), theirs

    return prepare


def _sampling_x(num_samples: int) -> Callable[[], tuple[Program, Program]]:
    def prepare() -> tuple[Program, Program]:
        library = importlib.import_module("x_transformers")
        model = _ours().eval()
        peer = library.AutoregressiveWrapper(_x_transformers()).eval()
        begin = torch.full((num_samples, 1), SYMBOLS)
        return (
            lambda: stepwise(model, num_samples, LENGTH - 1),
            lambda: peer.generate(begin, LENGTH - 1, cache_kv=True),
        )

    return prepare


def _apart(ours: Tensor, theirs: Tensor) -> float:
    """Difference of mean log-probability per token under our model."""
    with torch.no_grad():
        means = [_ours().eval().log_prob_terms(x).mean().item() for x in (ours, theirs)]
    return abs(means[0] - means[1])


def _unlike(ours: object, theirs: object) -> float:
    return math.nan


WORK = (
    Work("gpt-train", "a training step on 32 × 128 tokens", "transformers", _training),
    Work("gpt-sample-1", "127 cached tokens, batch 1", "transformers", _sampling(1), _apart),
    Work("gpt-sample-32", "127 cached tokens, batch 32", "transformers", _sampling(32), _apart),
    Work("xt-train", "a training step on 32 × 128 tokens", "x_transformers", _training_x, _unlike),
    Work("xt-sample-1", "127 cached tokens, batch 1", "x_transformers", _sampling_x(1), _unlike),
    Work("xt-sample-32", "127 cached tokens, batch 32", "x_transformers", _sampling_x(32), _unlike),
)
