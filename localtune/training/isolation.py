"""No lesson of a packed row may see another: attention lesson by lesson, and a look at the model.

Knows nothing of files. transformers masks packed rows by their position ids; that costs attention
over the whole row, and doesn't reach layers that carry a state (linear attention, convolutions).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

BY_LESSON = "by_lesson"  # the name of `attend` among transformers' kinds of attention
MIN_LEAK = 1e-5  # of the largest hidden state; rounding in float32 is less on every processor
WINDOWS = ("sliding_window", "attention_chunk_size")  # settings of attention that ends sooner


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally within each lesson; query is (rows, heads, length, width of a head).

    A lesson begins where its position is 0. In float32, whatever the rest is in: PyTorch's CPU
    kernels for bfloat16 take longer, backward above all. Returns (rows, length, heads, width).
    """
    rows, heads, length, _width = query.shape
    if position_ids is None:  # a model that doesn't hand them on; `isolates` will see it
        position_ids = torch.arange(length)[None]
    starts = (position_ids.expand(rows, -1).flatten() == 0).nonzero().flatten().tolist()
    sizes = [end - start for start, end in zip(starts, [*starts[1:], rows * length], strict=True)]
    apart = (
        values.transpose(1, 2).flatten(0, 1).float().split(sizes) for values in (query, key, value)
    )
    with torch.autocast(query.device.type, enabled=False):
        seen = [
            scaled_dot_product_attention(
                q.transpose(0, 1)[None],
                k.transpose(0, 1)[None],
                v.transpose(0, 1)[None],
                dropout_p=dropout,
                is_causal=True,
                scale=scaling,
                enable_gqa=heads != key.shape[1],
            )
            for q, k, v in zip(*apart, strict=True)
        ]
    together = torch.cat([lesson[0].transpose(0, 1) for lesson in seen])
    return together.reshape(rows, length, heads, -1).to(query.dtype), None


def attend_by_lesson(model: Any, longest: int) -> None:
    """Let a model on a CPU attend lesson by lesson, where that is what its attention does anyway.

    It is not for a window shorter than the `longest` lesson, nor for what sdpa can't do, nor for
    a model whose code doesn't know transformers' AttentionInterface.
    """
    config = model.config.get_text_config()
    short = any((getattr(config, name, None) or longest) < longest for name in WINDOWS)
    if model.device.type == "cpu" and config._attn_implementation == "sdpa" and not short:
        AttentionInterface.register(BY_LESSON, attend)
        model.set_attn_implementation(BY_LESSON)
        if not isolates(model):
            model.set_attn_implementation("sdpa")


@torch.no_grad()
def isolates(model: Any) -> bool:
    """Whether a lesson in a packed row has the hidden states that it has behind any other lesson.

    Asks the model itself, so that it holds for kinds of layers nobody thought of. What differs by
    rounding (experts multiply in other groups) is no leak.
    """
    trained, size = model.training, 12
    tokens = torch.arange(3 * size, device=model.device) % model.config.get_text_config().vocab_size
    first, other, second = tokens.split(size)
    places = torch.arange(size, device=model.device).repeat(2)[None]
    model.eval()
    seen = [
        model.base_model(
            input_ids=torch.cat([before, second])[None], position_ids=places, use_cache=False
        ).last_hidden_state[0, size:]
        for before in (first, other)
    ]
    model.train(trained)
    rounding = max(2 * torch.finfo(seen[0].dtype).eps, MIN_LEAK)
    return bool((seen[0] - seen[1]).abs().max() <= rounding * seen[0].abs().max())
