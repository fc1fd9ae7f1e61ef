"""Which layer of two models that should be the same is the first whose output differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Of the length of a token's vector: what BF16 products cost stays below, a wrong weight doesn't.
LIKE = 0.1
# Tokens that must be alike; in a mixture BF16 may send one to another expert.
MOST = 0.9
Outputs = Sequence[npt.NDArray[np.float32]]


def torch_layers(trained: Any, ids: list[int]) -> list[npt.NDArray[np.float32]]:
    """Return what every layer of a transformers model hands on, each (len(ids), width)."""
    import torch

    found = list[npt.NDArray[np.float32]]()

    def keep(_: Any, __: Any, output: Any) -> None:
        rows = output[0] if isinstance(output, tuple) else output
        found.append(rows.float().reshape(len(ids), -1).numpy())

    hooks = [layer.register_forward_hook(keep) for layer in _layers(trained)]
    with torch.inference_mode():
        trained(torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return found


def _layers(trained: Any) -> Any:
    """Return the layers: the outermost list of modules that is as long as the model is deep."""
    import torch

    depth = trained.config.get_text_config().num_hidden_layers
    lists = (part for part in trained.modules() if isinstance(part, torch.nn.ModuleList))
    return next((part for part in lists if len(part) == depth), ())


def first_difference(wanted: Outputs, got: Outputs) -> str:
    """Say which layer differs first, by how much and where most; "" where that can't be told."""
    if not wanted or [rows.shape for rows in wanted] != [rows.shape for rows in got]:
        return ""
    for number, (mine, theirs) in enumerate(zip(wanted, got, strict=True), 1):
        apart = _apart(mine, theirs)
        if not apart < LIKE:  # so put that NaN counts
            by = f"by {apart:.0%}" if apart < 10 else "altogether"
            return (
                f"layer {number} of {len(wanted)} is the first whose output differs ({by}; "
                + _most(mine, theirs)
            )
    return f"the outputs of all {len(wanted)} layers agree, so look at the last norm and the head"


def _apart(mine: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    """Return how far two outputs are apart, of their length; NaN where one holds no numbers."""
    with np.errstate(all="ignore"):
        lengths = np.maximum(np.linalg.norm(mine, axis=1), np.finfo(np.float32).tiny)
        return float(np.quantile(np.linalg.norm(mine - theirs, axis=1) / lengths, MOST))


def _most(mine: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> str:
    """Say where two outputs differ most; what is no number differs more than any."""
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(mine - theirs), nan=np.inf)
    at = np.unravel_index(int(apart.argmax()), mine.shape)
    return (
        f"most at token {at[0] + 1}, dimension {at[1] + 1}: PyTorch has {mine[at]:.3g}, llama.cpp "
        f"{theirs[at]:.3g})"
    )
