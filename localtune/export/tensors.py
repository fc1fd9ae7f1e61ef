"""A base's safetensors, read one tensor at a time. Pickled weights are never opened."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from localtune.errors import ExportError


class Tensors:
    """The tensors of every *.safetensors file of a folder, mapped and not yet read."""

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self._open, self._files = ExitStack(), dict[str, Any]()
        for file in sorted(folder.glob("*.safetensors")):
            try:
                # torch's view, as numpy has no bfloat16
                held = self._open.enter_context(safe_open(file, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise ExportError(
                    f"{file} can't be read: {error}.", "Fetch or save the model again."
                ) from error
            self._files.update(dict.fromkeys(held.keys(), held))
        if not self._files:
            raise ExportError(
                f"{folder} holds no safetensors.", "Save the model with save_pretrained() first."
            )

    def __enter__(self) -> Tensors:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def names(self) -> list[str]:
        """Return the names of all tensors."""
        return list(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape without reading it."""
        return tuple(self._files[name].get_slice(name).get_shape())

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """Read one tensor as float32."""
        array: npt.NDArray[np.float32] = self._files[name].get_tensor(name).float().numpy()
        return array
