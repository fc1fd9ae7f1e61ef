"""The product of a linear layer with its LoRA matrices, in as few passes over memory as it takes.

PEFT's own forward converts the input twice, multiplies three times and adds two tensors of the
output's size; on a CPU that takes as long as the products of a small base themselves.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch.nn.functional import linear


class _Product(torch.autograd.Function):
    """x W^T + b + s x A^T B^T, in the type of the frozen W."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        """Return (…, rows of W). `a` is (rank, columns), `b` (rows, rank), in float32."""
        with torch.autocast(x.device.type, enabled=False):
            flat = x.reshape(-1, x.shape[-1]).to(weight.dtype)
            down, up = a.to(weight.dtype), (b * scaling).to(weight.dtype)
            inner = flat @ down.T
            out = linear(flat, weight, None if bias is None else bias.to(weight.dtype))
            out.addmm_(inner, up.T)
        ctx.save_for_backward(flat, inner, weight, down, up)
        ctx.scaling, ctx.shape, ctx.dtype = scaling, x.shape, x.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of x, A and B."""
        flat, inner, weight, down, up = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1]).to(weight.dtype)
        through = grad @ up
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (grad @ weight).addmm_(through, down).view(ctx.shape).to(ctx.dtype)
        of_a = (through.T @ flat).float()
        of_b = (grad.T @ inner).float().mul_(ctx.scaling)
        return of_x, None, None, of_a, of_b, None


def fuse_lora(model: torch.nn.Module) -> None:
    """Let LoRA layers compute by one function while they train; others stay as they are.

    These are layers of another kind than torch's Linear, with dropout, or a variant such as DoRA.
    """
    for layer in model.modules():
        if type(layer) is Linear and _is_plain(layer):
            layer.forward = partial(_forward, layer, layer.forward)  # type: ignore[method-assign]


def _is_plain(layer: Linear) -> bool:
    (name,) = layer.active_adapters
    return (
        type(layer.get_base_layer()) is torch.nn.Linear
        and not layer.lora_variant
        and isinstance(layer.lora_dropout[name], torch.nn.Identity)
        and not layer.lora_bias[name]
        and layer.lora_A[name].weight.dtype == torch.float32
    )


def _forward(layer: Linear, usual: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    if args or kwargs or layer.disable_adapters or layer.merged or not layer.training:
        found: torch.Tensor = usual(x, *args, **kwargs)
        return found
    base, (name,) = layer.get_base_layer(), layer.active_adapters
    result: torch.Tensor = _Product.apply(
        x,
        base.weight,
        base.bias,
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.scaling[name],
    )
    return result
