"""One of two processes: the loss and the gradients of a sharded base, beside those of a whole one.

Torch's own fully_shard, layer by layer; accelerate's FSDP is data parallel on a CPU without saying.
"""

from __future__ import annotations

import copy

import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import LlamaForCausalLM

from localtune.config.stages import BaseConfig
from localtune.training.loss import answer_loss
from localtune.training.tokenise import IGNORED, PackedRows, Tokens


def main() -> None:
    """Compare; any difference is an error."""
    dist.init_process_group("gloo")
    rank, processes = dist.get_rank(), dist.get_world_size()
    assert processes == 2
    torch.manual_seed(3)
    base = LlamaForCausalLM.from_pretrained(BaseConfig("tiny").folder(), dtype=torch.float32)
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    whole = get_peft_model(base, lora)
    sharded = copy.deepcopy(whole)
    stack, mesh = sharded.get_base_model().model, init_device_mesh("cpu", (processes,))
    for layer in stack.layers:
        fully_shard(layer, mesh=mesh)
    # The embedding stays whole: the head, which is outside the stack, may be the same weights.
    fully_shard(stack, mesh=mesh, ignored_params=set(stack.embed_tokens.parameters()))
    held = stack.layers[0].mlp.up_proj.base_layer.weight
    assert isinstance(held, DTensor) and held.to_local().numel() * processes == held.numel()

    ids = [[(n * 37 + i * 11) % 4000 for i in range(20 + n)] for n in range(8)]
    lessons = [Tokens(x, [IGNORED] * 9 + x[9:]) for x in ids]
    rows = PackedRows(lessons, 64, 0)
    batch = rows.collate([rows[i] for i in range(len(rows))])
    counted = int((batch["labels"][:, 1:] != IGNORED).sum())
    wanted = answer_loss(whole, batch)
    wanted.backward()
    found = answer_loss(sharded, {k: v[rank::processes] for k, v in batch.items()}, counted)
    found.backward()
    total = found.detach().clone()
    dist.all_reduce(total)
    torch.testing.assert_close(total, wanted.detach(), atol=1e-5, rtol=1e-5)
    compared = 0
    for (name, mine), theirs in zip(sharded.named_parameters(), whole.parameters(), strict=True):
        if theirs.grad is not None:
            grad = mine.grad.full_tensor() * processes  # fully_shard means over processes
            torch.testing.assert_close(grad, theirs.grad, atol=1e-5, rtol=1e-4, msg=name)
            compared += 1
    assert compared == 84, compared  # two for each of 6 layers' 7 matrices
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
