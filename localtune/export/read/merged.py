"""A base's weights with an adapter's changes, read in blocks of rows, float32.

Rows are those of a weight as (out, in); a `turned` tensor is stored as (in, out), as GPT-2's are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from localtune.errors import ExportError
from localtune.export.read.adapter import Adapter
from localtune.export.read.arrays import Array, Raw, widen
from localtune.export.read.config_json import Config
from localtune.export.read.tensors import Tensors

Index = npt.NDArray[np.intp]
UNUSED = (".rotary_emb.inv_freq", ".attn.masked_bias", ".attn.bias", ".attention.masked_bias")
EMBEDDINGS = ("embed_tokens", "wte")
HEAD = "lm_head"
WITH_HEAD = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
# Whose linear layers are transformers' Conv1D, stored as (in, out); PEFT looks at the layers too,
# and where it also changes a head it writes fan_in_fan_out = false for all.
CONV1D = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer")


def plain(name: str, prefix: str) -> str:
    """Return a tensor's or module's name without what wrapping models put in front of it."""
    return name.replace("language_model.", "").removeprefix("model.").removeprefix(prefix)


class Merged:
    """The weights that are written, by plain name ("layers.0.mlp.up_proj.weight")."""

    def __init__(self, base: Path, adapter: Path | None, config: Config, prefix: str) -> None:
        """Open base and adapter; raise ExportError where they don't belong together."""
        self._base = Tensors(base)
        names = [name for name in self._base.names() if not name.endswith(UNUSED)]
        self._stored = {plain(name, prefix): name for name in names}
        if lost := sorted(set(names) - set(self._stored.values())):
            raise ExportError(
                f"The base holds {lost[0]} twice, once by another name.", "Fetch or save it again."
            )
        _untie(self._stored, config)
        self._turned = config.get("model_type") in CONV1D
        classes = [str(name) for name in config.get("architectures") or []]
        self._is_tied = any(name.endswith(WITH_HEAD) for name in classes)
        self._is_tied &= f"{HEAD}.weight" not in self._stored
        self.adapter = Adapter(adapter) if adapter else None
        self._modules: dict[str, str] = {}
        self._replaced: dict[str, str] = {}
        if self.adapter:
            self._modules = {plain(name, prefix): name for name in self.adapter.modules}
            self._replaced = {plain(n, prefix): s for n, s in self.adapter.replaced.items()}
            self._check()

    def names(self) -> list[str]:
        """Return the plain names of all weights, those that the adapter brings included."""
        new = [name for name in self._replaced if name not in self._stored]
        heads = [f"{m}.weight" for m in self._modules if f"{m}.weight" not in self._stored]
        heads += [f"{HEAD}.weight"] if self._head_stays() else []
        return list(dict.fromkeys([*self._stored, *new, *heads]))

    def stored_name(self, name: str) -> str:
        """Return a weight's name in the base's files, or the name that it has with PEFT."""
        return self._stored.get(name, name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a weight's shape as it is stored."""
        if name in self._replaced and self.adapter:
            return self.adapter.tensors.shape(self._replaced[name])
        if name in self._stored:
            return self._base.shape(self._stored[name])
        return self._base.shape(self._tied())

    def kind(self, name: str) -> str:
        """Return safetensors' name of the type that a weight is stored in."""
        if name in self._replaced and self.adapter:
            return self.adapter.tensors.kind(self._replaced[name])
        return self._base.kind(self._stored.get(name) or self._tied())

    def turned(self, name: str) -> bool:
        """Whether a weight that the adapter changes is stored as (in, out)."""
        module = self._modules.get(name.rpartition(".")[0])
        return module is not None and name.endswith(".weight") and self.is_turned(module)

    def has_own_head(self) -> bool:
        """Whether the adapter makes the head another than the embedding."""
        touched = HEAD in self._modules or f"{HEAD}.weight" in self._replaced
        return touched or self._head_stays()

    def _head_stays(self) -> bool:
        """Whether the adapter changes an embedding that is the head too, and not the head.

        PEFT then trains, and answers, with the head as it was, though it merges both.
        """
        touched = {*self._modules, *(name.removesuffix(".weight") for name in self._replaced)}
        return self._is_tied and HEAD not in touched and not touched.isdisjoint(EMBEDDINGS)

    def changed(self, name: str) -> bool:
        """Whether a weight is another than the stored one."""
        module, _, ending = name.rpartition(".")
        known = self._modules.get(module)
        if known is None or self.adapter is None:
            return False
        return ending == "weight" or self.adapter.bias(known) is not None

    def raw(self, name: str) -> Raw:
        """Map a weight as stored, without the adapter's changes to it."""
        if name in self._replaced and self.adapter:
            return self.adapter.tensors.raw(self._replaced[name])
        if name in self._stored:
            return self._base.raw(self._stored[name])
        return self._base.raw(self._tied())

    def rows(self, name: str, rows: slice | Index, turned: bool = False) -> Array:
        """Return rows of a weight as float32, with the adapter's changes."""
        raw = self.raw(name)
        block = widen(raw.T[rows] if turned else raw[rows])
        module, _, ending = name.rpartition(".")
        if not self.changed(name) or self.adapter is None:
            return block
        known = self._modules[module]
        if ending == "bias":
            added = self.adapter.bias(known)
            return block if added is None else block + added[rows]
        left, right = self.adapter.factors(known)
        block += left[rows] @ right
        magnitude = self.adapter.magnitude(known)
        if magnitude is not None:
            block *= (magnitude[rows] / np.linalg.norm(block, axis=1))[:, None]
        return block

    def is_turned(self, module: str) -> bool:
        """Whether an adapter's module is stored as (in, out), as GPT-2's Conv1D."""
        if self.adapter is None or self.adapter.modules[module].embedding:
            return False
        return self._turned and module.rpartition(".")[2] != HEAD

    def _tied(self) -> str:
        """Return the stored name of the embedding, which a missing head is."""
        for stem in EMBEDDINGS:
            if f"{stem}.weight" in self._stored:
                return self._stored[f"{stem}.weight"]
        raise ExportError("The base's safetensors hold no embedding.", "Fetch or save it again.")

    def _check(self) -> None:
        """Refuse an adapter of another base."""
        assert self.adapter
        self.adapter.check_numbers()
        for module, name in self._modules.items():
            weight = f"{module}.weight"
            if weight not in self._stored and module != "lm_head":
                raise _another_base(f"changes {name}, which the base doesn't have")
            wanted = self.shape(weight)
            got = self.adapter.shape(name)
            if got != wanted and (not self.is_turned(name) or got[::-1] != wanted):
                raise _another_base(f"was made for a {name} of {got}, the base's is {wanted}")
            self._check_parts(module, name)
        for name in self._replaced:
            if name not in self._stored and name != f"{HEAD}.weight":
                raise _another_base(f"brings {name}, which the base doesn't have")
            own = self._base.shape(self._stored.get(name) or self._tied())
            if self.shape(name) != own:
                raise _another_base(f"brings a {name} of {self.shape(name)}, the base's is {own}")

    def _check_parts(self, module: str, name: str) -> None:
        """Refuse what PEFT can't merge, and DoRA of an embedding."""
        assert self.adapter
        parts = self.adapter.modules[name].parts
        if "bias" in parts and f"{module}.bias" not in self._stored:
            raise ExportError(
                f"The adapter adds to the bias of {name} (lora_bias), which the base doesn't have.",
                "PEFT can't merge it either; train without lora_bias.",
            )
        if "magnitude" in parts and self.adapter.modules[name].embedding:
            raise ExportError(
                f"The adapter changes the embedding {name} with DoRA.",
                "Merge it with PEFT, or train the embedding with plain LoRA.",
            )


def _untie(stored: dict[str, str], config: Config) -> None:
    """Where two weights are tied some versions of transformers save only the head."""
    embedded = any(f"{stem}.weight" in stored for stem in EMBEDDINGS)
    if "lm_head.weight" in stored and config.get("tie_word_embeddings") and not embedded:
        stem = "wte" if any(name.startswith("h.") for name in stored) else "embed_tokens"
        stored[f"{stem}.weight"] = stored.pop("lm_head.weight")


def _another_base(what: str) -> ExportError:
    return ExportError(
        f"The adapter {what}.", "It was trained on another base; name that one, or train again."
    )
