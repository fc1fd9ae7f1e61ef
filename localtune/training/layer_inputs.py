"""The inputs of the first layer that is trained, computed once for each token and kept.

The layers below it are frozen, so their output for a lesson is the same in every pass. It is cached
in a memory-mapped file in bfloat16: 2 x width bytes per token (1.2 kB for SmolLM2-135M).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from localtune.progress import Progress

MAX_ERROR = 1e-5  # of the largest state; rounding in float32 is less
SAMPLE = 24  # tokens of the check
SPARE_DISK = 2  # times what is kept, that must be free


class LayerInputs:
    """Cache of the inputs of layer `first`, (tokens, width).

    Tokens are numbered from 0 to `tokens` - 1. The number `tokens` is the padding token.
    """

    def __init__(self, causal: Any, first: int, tokens: int, file: Path) -> None:
        """Reserve the file, so that a full disk is an OSError here and not a crash later."""
        layers = decoder_layers(causal)
        assert layers
        width = causal.config.get_text_config().hidden_size
        size = (tokens + 1) * width
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with file.open("wb") as reserved:
            _reserve(reserved.fileno(), 2 * size)
        self._kept = torch.from_file(str(file), True, size, dtype=torch.bfloat16).view(-1, width)
        self._known = torch.zeros(tokens + 1, dtype=torch.bool)
        self._kept[tokens], self._known[tokens] = 0, True
        self._places: torch.Tensor | None = None
        self._all_known = False
        layers[first].register_forward_pre_hook(self._enter, with_kwargs=True)
        for layer in layers[:first]:
            self._skip(layer)

    @torch.no_grad()
    def is_exact(self, causal: Any) -> bool:
        """Whether a pass over kept inputs ends in the same states; nothing stays kept of it."""
        size = min(SAMPLE, len(self._kept) - 1)
        ids = (
            torch.arange(size, device=causal.device)[None]
            % causal.config.get_text_config().vocab_size
        )
        states = []
        for _ in range(2):
            with self.of(torch.arange(size)[None]):
                found = causal.base_model(input_ids=ids, use_cache=False)
            states.append(found.last_hidden_state)
        self._known[:size] = False
        first, again = states
        return bool((first - again).abs().max() <= MAX_ERROR * first.abs().max())

    @contextmanager
    def of(self, places: torch.Tensor) -> Iterator[None]:
        """Take the inputs of these tokens, (rows, length), from what is kept, or keep them."""
        self._places = places.cpu()
        self._all_known = bool(self._known[self._places].all())
        try:
            yield
        finally:
            self._places, self._all_known = None, False

    def _skip(self, layer: torch.nn.Module) -> None:
        """Let a layer return its input where its output is not needed."""
        usual = layer.forward

        def forward(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if self._all_known:
                return hidden_states
            return usual(hidden_states, *args, **kwargs)

        layer.forward = forward  # type: ignore[method-assign]

    def _enter(
        self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Replace a layer's input by what is kept; it is rounded in the first pass too."""
        if self._places is None:
            return None
        hidden = args[0] if args else kwargs["hidden_states"]
        if not self._all_known:
            real = self._places != len(self._kept) - 1
            self._kept[self._places[real]] = hidden.detach()[real].to("cpu", torch.bfloat16)
            self._known[self._places] = True
        kept = self._kept[self._places].to(hidden.device, hidden.dtype)
        if args:
            return (kept, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": kept}


def keep_layer_inputs(
    causal: Any, first: int, tokens: int, folder: Path, progress: Progress
) -> LayerInputs | None:
    """Keep the inputs of layer `first` in a file below `folder`, where a model allows that.

    None where no layer lies below it, where the disk lacks room (said), and where a model's states
    are not all of its layers' inputs, as it shows itself.
    """
    size = 2 * (tokens + 1) * causal.config.get_text_config().hidden_size
    if not first:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < SPARE_DISK * size:
        progress.note("the disk lacks room to keep what the lower layers compute: it takes longer")
        return None
    inputs = LayerInputs(causal, first, tokens, folder / "layer-inputs")
    return inputs if inputs.is_exact(causal) else None


def _reserve(file: int, size: int) -> None:
    """Give an open file its size and, where the system can, its room on the disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def decoder_layers(causal: Any) -> torch.nn.ModuleList | None:
    """Return the layers of a causal LM, None where they are not one list of the right length."""
    count = causal.config.get_text_config().num_hidden_layers
    lists = [
        module
        for module in causal.base_model.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == count
    ]
    return lists[0] if len(lists) == 1 else None
