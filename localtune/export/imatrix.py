"""A trained model and texts -> an importance matrix in llama.cpp's GGUF form.

It says of every input column of every linear layer how much goes through it, so that quantization
spends its bits there. Source: tools/imatrix/imatrix.cpp of llama.cpp, whose sums these are: the
squares of what goes into each weight of a layer, over pieces of text of the same length that each
begin with BOS where the model wants one. The output's weight is left out, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from localtune.errors import ExportError
from localtune.export.families.family import Family
from localtune.export.read.config_json import Config, read_config
from localtune.export.write.mapping import complete, family_of, gguf_names
from localtune.machine.threads import TorchThreads
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path

if TYPE_CHECKING:
    import torch

GENERAL = Path(__file__).parent / "general.txt"
CHUNK = 512  # tokens
SHORTEST = 32  # tokens of a last piece


@dataclass(frozen=True)
class LinearWeight:
    """The GGUF tensor of a linear layer, and its columns' order there where it is another."""

    name: str
    columns: npt.NDArray[np.intp] | None = None


class Sums:
    """What has gone into a linear layer: `squares` (experts, columns) over `rows` (experts) tokens.

    A layer without experts counts as one.
    """

    def __init__(self, columns: int, experts: int = 1) -> None:
        self.squares = np.zeros((experts, columns), np.float64)
        self.rows = np.zeros(experts, np.int64)

    def add(self, x: torch.Tensor, expert: int = 0) -> None:
        """Count the inputs of one call, (…, columns)."""
        rows = x.detach().float().flatten(0, -2)
        self.squares[expert] += rows.square().sum(0).cpu().numpy()
        self.rows[expert] += len(rows)


def write_imatrix(
    model: Any,
    tokenizer: Any,
    base: Path,
    passages: Iterable[str],
    out: Path,
    tokens: int,
    progress: Progress = Silent(),
) -> int:
    """Run the model over up to `tokens` tokens, half of them of `passages`, half general English.

    `model`, `tokenizer` are transformers', `base` is the folder with config.json. Returns how many
    weights are described: none where the architecture isn't one of our families, as only those tell
    which GGUF tensor a layer becomes. The file is written in any case.
    """
    config = read_config(base)
    length = min(CHUNK, getattr(model.config, "max_position_embeddings", None) or CHUNK)
    most = max(2, tokens // length)
    general = GENERAL.read_text(encoding="utf-8").split("\n\n", 1)[1]
    own = list(pieces(tokenizer, passages, length, most // 2))
    others = list(pieces(tokenizer, [general], length, most - len(own)))
    sums = measure(model, linear_layers(model, config), [*own, *others], progress)
    _write(out, sums, ["passages", GENERAL.name], len(own) + len(others), length)
    return len(sums)


def pieces(tokenizer: Any, texts: Iterable[str], length: int, most: int) -> Iterator[list[int]]:
    """Yield up to `most` pieces of `length` token ids, BOS included; the last may be shorter."""
    start = list(tokenizer("").input_ids)[:1]
    start = start if start == [tokenizer.bos_token_id] else []
    left: list[int] = []
    room, made = length - len(start), 0
    for text in texts:
        left += tokenizer(text + "\n\n", add_special_tokens=False).input_ids
        while len(left) >= room and made < most:
            yield start + left[:room]
            left, made = left[room:], made + 1
        if made == most:
            return
    if len(left) >= SHORTEST:
        yield start + left


def linear_layers(model: Any, config: Config) -> dict[str, LinearWeight]:
    """Return {module: its GGUF tensor} for the linear layers of a family; {} for other models."""
    import torch
    from transformers.pytorch_utils import Conv1D

    found = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear | Conv1D)]
    try:
        family = family_of(config)
    except ExportError:
        return {}
    config = complete(config, family, 0)
    return {
        module: LinearWeight(name, _columns(family, name, config))
        for module, name in gguf_names(found, config).items()
        if name.startswith("blk.")
    }


def _columns(family: Family, name: str, config: Config) -> npt.NDArray[np.intp] | None:
    """Return the order in which the family writes the columns of "blk.0.NAME.weight"."""
    order = family.columns.get(name.split(".")[2])
    return order(config) if order else None


def measure(
    model: Any,
    layers: dict[str, LinearWeight],
    texts: list[list[int]],
    progress: Progress = Silent(),
) -> dict[str, Sums]:
    """Run the model over token ids; return {GGUF tensor: Sums}, those of experts too."""
    import torch

    sums, hooks = dict[str, Sums](), []
    for name, module in model.named_modules():
        if name in layers:
            hooks.append(_listen(module, layers[name].name, sums))
        elif layers and hasattr(module, "gate_up_proj") and hasattr(module, "num_experts"):
            hooks.append(_listen_to_experts(module, name, sums))
    try:
        with (
            torch.inference_mode(),
            TorchThreads() as threads,
            progress.bar("importance", len(texts)) as bar,
        ):
            for ids in texts if layers else []:
                with threads.timed(len(ids)):
                    model.base_model(input_ids=torch.tensor([ids], device=model.device))
                bar.advance()
    finally:
        for hook in hooks:
            hook.remove()
    for weight in layers.values():
        if weight.columns is not None:
            sums[weight.name].squares = sums[weight.name].squares[:, weight.columns]
    return sums


def _listen(module: Any, name: str, sums: dict[str, Sums]) -> Any:
    """Count what goes into a linear layer; return the hook."""
    turned = not hasattr(module, "in_features")  # GPT-2's Conv1D holds its weight as (in, out)
    sums[name] = counted = Sums(module.weight.shape[0 if turned else 1])
    return module.register_forward_pre_hook(lambda _, inputs: counted.add(inputs[0]))


def _listen_to_experts(module: Any, name: str, sums: dict[str, Sums]) -> Any:
    """Count what goes into the experts of a layer, each its own tokens; return the hook.

    `module` is one of transformers 5's experts: weights (experts, out, in), called with the tokens
    and the experts chosen for each. What goes into the last product is computed a second time.
    """
    layer = next(part for part in name.split(".") if part.isdecimal())
    experts, wide, columns = module.gate_up_proj.shape
    kinds = {"gate": columns, "up": columns, "down": wide // 2}
    counted = {kind: Sums(width, experts) for kind, width in kinds.items()}
    sums |= {f"blk.{layer}.ffn_{kind}_exps.weight": found for kind, found in counted.items()}

    def count(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        tokens, chosen = inputs[0], inputs[1]
        for expert in chosen.unique().tolist():
            x = tokens[(chosen == expert).any(-1)]
            gate, up = (x @ module.gate_up_proj[expert].T).chunk(2, dim=-1)
            counted["gate"].add(x, expert)
            counted["up"].add(x, expert)
            counted["down"].add(module.act_fn(gate) * up, expert)

    return module.register_forward_pre_hook(count)


def _write(out: Path, sums: dict[str, Sums], datasets: list[str], chunks: int, length: int) -> None:
    """Write NAME.in_sum2, (experts, columns), and NAME.counts, (experts, 1), as float32."""
    from gguf import GGUFWriter

    with atomic_path(out) as temporary:
        writer = GGUFWriter(temporary, "")
        writer.add_string("general.type", "imatrix")
        writer.add_array("imatrix.datasets", datasets)
        writer.add_uint32("imatrix.chunk_count", chunks)
        writer.add_uint32("imatrix.chunk_size", length)
        for name, counted in sorted(sums.items()):
            writer.add_tensor(f"{name}.in_sum2", counted.squares.astype(np.float32))
            writer.add_tensor(f"{name}.counts", counted.rows[:, None].astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
