"""A LoRA -> a GGUF adapter, which llama.cpp and Ollama lay upon a base's GGUF of any level.

Tensors and keys are those that llama.cpp's convert_lora_to_gguf.py writes, but where llama.cpp
would then answer otherwise than the trained model does:

- The format knows one alpha, and llama.cpp multiplies each product by alpha / rank. The script
  writes lora_alpha, whatever PEFT multiplied by. Here alpha is what most modules ask for (with
  rsLoRA lora_alpha * sqrt(rank)), and the B of any other module (alpha_pattern, rank_pattern) is
  multiplied by what is left.
- The script turns the factors of GPT-2's weights round, though PEFT keeps them as (out, in):
  llama.cpp refuses its file, or adds the transpose where a weight is square.
- An adapter says nothing of the base's path on this machine, which PEFT's model card holds.

Refused is what llama.cpp wouldn't apply: DoRA, biases, whole tensors, an embedding that is the head
too. Sources: convert_lora_to_gguf.py, src/llama-adapter.cpp and src/llama-graph.cpp
(build_lora_mm, build_inp_embd) of llama.cpp, as vendored in llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_VERSION, GGMLQuantizationType, GGUFWriter, Keys
from gguf.quants import quantize

from localtune.errors import ExportError
from localtune.export.families.family import Family
from localtune.export.read.adapter import Adapter
from localtune.export.read.arrays import Array, widen
from localtune.export.read.config_json import read_config
from localtune.export.read.merged import Merged, plain
from localtune.export.tokenizer.vocabulary import count_tokens
from localtune.export.write.card import read_card
from localtune.export.write.gguf_file import BYTES, TYPES
from localtune.export.write.mapping import complete, family_of, tensor_map
from localtune.export.write.parts import Written
from localtune.progress import Progress, Silent
from localtune.workspace import atomic_path

Index = npt.NDArray[np.intp]
ROWS = 4096  # of a weight, compared at once
HALF = 65504  # the largest number of F16


@dataclass(frozen=True)
class Factor:
    """One tensor of the file, out of PEFT's: `sources` are their names, and what each is times.

    There are several where a weight is that of several experts, which lie one behind another.
    `rows` and `columns` are the order of those that are left after a `turned` one was turned.
    """

    name: str
    sources: dict[str, float]
    stacked: bool
    rows: Index | None = None
    columns: Index | None = None
    turned: bool = False

    def shape(self, adapter: Adapter) -> tuple[int, ...]:
        """Return the shape it is written with, (rows, columns) or (experts, rows, columns)."""
        stored = adapter.tensors.shape(next(iter(self.sources)))
        count, width = reversed(stored) if self.turned else stored
        count = count if self.rows is None else len(self.rows)
        width = width if self.columns is None else len(self.columns)
        return (len(self.sources), count, width) if self.stacked else (count, width)

    def read(self, adapter: Adapter) -> Array:
        """Read it as float32."""
        made = [self._one(adapter, source, times) for source, times in self.sources.items()]
        return np.stack(made) if self.stacked else made[0]

    def _one(self, adapter: Adapter, source: str, times: float) -> Array:
        raw = adapter.tensors.raw(source)
        raw = raw.T if self.turned else raw
        raw = raw if self.rows is None else raw[self.rows]
        raw = raw if self.columns is None else raw[:, self.columns]
        made = widen(raw)
        return np.ascontiguousarray(made if times == 1 else made * np.float32(times))


def export_adapter(
    base: Path,
    adapter: Path,
    out: Path,
    name: str,
    *,
    kind: str = "f32",
    progress: Progress = Silent(),
) -> None:
    """Write a LoRA as a GGUF adapter, whole or not at all.

    `base` is a folder of transformers' format, of which config.json, the tokenizer and the shapes
    of the weights count; `adapter` is one of PEFT's. `kind` is "f32" (the script's default too: an
    adapter is small), "f16" or "bf16". Raises DiskFullError, and ExportError for an adapter that
    is broken, of another base, or more than a GGUF adapter can hold.
    """
    config = read_config(base)
    family = family_of(config)
    config = complete(config, family, count_tokens(base, family.tokenizer))
    Merged(base, adapter, config, family.prefix)  # refuses one of another base, or with NaN
    bare, held = Merged(base, None, config, family.prefix), Adapter(adapter)
    _check_products(held)
    found, alpha = tensor_map(family, config, bare), _alpha(held)
    factors = list(_factors(held, family, found, alpha, progress))
    _check_brought(held, bare, family)
    with atomic_path(out) as temporary, closing(GGUFWriter(temporary, family.arch)) as writer:
        _describe(writer, factors, held, TYPES[kind])
        _add_metadata(writer, adapter, name, alpha, progress)
        _write(writer, factors, held, TYPES[kind], progress)


def _check_products(held: Adapter) -> None:
    """Raise ExportError for a change that is more than a product of two factors."""
    if not held.modules and not held.replaced:
        raise ExportError(f"The adapter {held.folder} changes nothing.", "Train it again.")
    for module, factors in held.modules.items():
        if "magnitude" in factors.parts:
            raise _cannot_hold(f"was trained with DoRA ({module})")
        if "bias" in factors.parts:
            raise _cannot_hold(f"adds to the bias of {module}")


def _check_brought(held: Adapter, bare: Merged, family: Family) -> None:
    """Raise ExportError for a tensor that the adapter brings and that isn't the base's own."""
    for module, stored in held.replaced.items():
        if not _same(held, stored, bare, plain(module, family.prefix)):
            raise _cannot_hold(f"brings the whole of {module}")


def _same(held: Adapter, stored: str, bare: Merged, name: str) -> bool:
    """Whether a tensor is just the base's own, as PEFT saves that of an adapted embedding."""
    if name not in bare.names() or held.tensors.shape(stored) != bare.shape(name):
        return False
    type_ = TYPES.get(held.tensors.kind(stored).lower(), GGMLQuantizationType.F32)
    mine, theirs = held.tensors.raw(stored), bare.raw(name)
    return all(
        np.array_equal(*(quantize(widen(raw[at : at + ROWS]), type_) for raw in (mine, theirs)))
        for at in range(0, len(mine), ROWS)
    )


def _alpha(held: Adapter) -> float:
    """Return the alpha that most modules ask for; 0 would stand for "unscaled"."""
    asked = Counter(_asked(held, module) for module in held.modules)
    usual = held.config["lora_alpha"]
    del asked[0.0]
    return max(asked, key=lambda alpha: (asked[alpha], alpha == usual), default=1.0)


def _asked(held: Adapter, module: str) -> float:
    """Return the alpha with which llama.cpp would multiply a module's product as PEFT does."""
    return float(np.float32(held.scaling(module) * held.rank(module)))


def _factors(
    held: Adapter, family: Family, found: list[Written], alpha: float, progress: Progress
) -> Iterator[Factor]:
    """Yield the pairs of factors, in the order of the base's file."""
    left = {f"{plain(module, family.prefix)}.weight": module for module in held.modules}
    untied = any(tensor.name == "output.weight" for tensor in found)
    for tensor in found:
        modules = [left.pop(p.source) for p in tensor.parts if p.source in left]
        if modules:
            _check_applied(tensor, modules, held, untied)
            yield from _pair(tensor, modules, held, alpha)
    beside = tuple(start for start in family.dropped if start != "lm_head")
    for weight, module in left.items():
        if not weight.startswith(beside):
            raise _cannot_hold(f"changes {module}, which the base's GGUF doesn't hold")
    if left:
        progress.warn(f"{len(left)} changes are left away: they are of no part that writes text")


def _check_applied(tensor: Written, modules: list[str], held: Adapter, untied: bool) -> None:
    """Raise ExportError for a product that llama.cpp wouldn't add, or would add elsewhere."""
    if tensor.name.startswith("per_layer_model_proj"):  # llama.cpp's gemma4.cpp multiplies it bare
        raise _cannot_hold(f"changes {modules[0]}, to which llama.cpp adds nothing")
    if tensor.name == "position_embd.weight":
        raise _cannot_hold(f"changes the positions {modules[0]}")
    if tensor.name == "token_embd.weight" and not untied:
        raise _cannot_hold(f"changes {modules[0]}, which is the base's output head too")
    if len(modules) < len(tensor.parts):
        raise _cannot_hold(f"changes {len(modules)} of {len(tensor.parts)} experts: {modules[0]}")
    if len({held.rank(module) for module in modules}) > 1:
        raise _cannot_hold(f"has experts of several ranks: {modules[0]}")


def _pair(tensor: Written, modules: list[str], held: Adapter, alpha: float) -> Iterator[Factor]:
    """Yield A and B of a weight: A has its columns, B its rows; an embedding's A its rows."""
    first, stacked = held.modules[modules[0]], len(tensor.shape) == 3
    rows = tensor.parts[0].rows
    a = {held.modules[module].parts["A"]: 1.0 for module in modules}
    b = {held.modules[module].parts["B"]: _asked(held, module) / alpha for module in modules}
    name = f"{tensor.name}.lora"
    if first.embedding:
        yield Factor(f"{name}_a", a, stacked, rows=rows, turned=True)
        yield Factor(f"{name}_b", b, stacked)
        return
    yield Factor(f"{name}_a", a, stacked, columns=tensor.columns)
    yield Factor(f"{name}_b", b, stacked, rows=rows)


def _describe(
    writer: GGUFWriter, factors: list[Factor], held: Adapter, type_: GGMLQuantizationType
) -> None:
    for factor in factors:
        shape = factor.shape(held)
        size = int(np.prod(shape)) * BYTES[type_]
        writer.add_tensor_info(factor.name, shape, np.dtype(np.float32), size, type_)


def _add_metadata(
    writer: GGUFWriter, adapter: Path, name: str, alpha: float, progress: Progress
) -> None:
    said = read_card(adapter, name, writer.get_total_parameter_count(), progress)
    said.base_models = said.size_label = None
    said.tags = [tag for tag in said.tags or [] if not tag.startswith("base_model:")] or None
    writer.add_type("adapter")
    writer.add_string(Keys.Adapter.TYPE, "lora")
    said.set_gguf_meta_model(writer)
    writer.add_float32(Keys.Adapter.LORA_ALPHA, alpha)
    writer.add_quantization_version(GGML_QUANT_VERSION)


def _write(
    writer: GGUFWriter,
    factors: list[Factor],
    held: Adapter,
    type_: GGMLQuantizationType,
    progress: Progress,
) -> None:
    """Write the file, one factor after another."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with progress.bar("export adapter", len(factors)) as bar:
        for factor in factors:
            values = factor.read(held)
            if type_ is GGMLQuantizationType.F16:
                _check_halves(values, factor)
            writer.write_tensor_data(quantize(values, type_))
            bar.advance()


def _check_halves(values: Array, factor: Factor) -> None:
    if np.abs(values).max() > HALF:
        raise ExportError(
            f"The adapter's {next(iter(factor.sources))} holds numbers that F16 can't express.",
            "Write it as f32 or bf16, which can.",
        )


def _cannot_hold(what: str) -> ExportError:
    return ExportError(
        f"The adapter {what}, which a GGUF adapter can't hold.",
        "Export it merged into its base instead, without --adapter-only.",
    )
