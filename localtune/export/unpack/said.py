"""What a GGUF says of its architecture: values behind "ARCH.", numbers as people wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from localtune.errors import BaseModelError
from localtune.export.read.arrays import Array
from localtune.export.unpack.gguf_source import AGAIN, GgufSource


class GgufMetadata:
    """The metadata of one architecture, and the shapes of the file's tensors."""

    def __init__(self, source: GgufSource, arch: str) -> None:
        self.file: Path = source.file
        self.arch = arch
        self._source = source
        self.tensors = {name: stored.shape for name, stored in source.tensors.items()}

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value behind "ARCH."."""
        return self._source.get(f"{self.arch}.{key}", default)

    def needed(self, key: str) -> Any:
        """Return a value; raise BaseModelError where the file hasn't it."""
        found = self.get(key)
        if found is None:
            raise BaseModelError(f"{self.file.name} doesn't say {self.arch}.{key}.", AGAIN)
        return found

    def real(self, key: str, default: float | None = None) -> Any:
        """Return a number as the shortest text says it that is the same float32."""
        found = self.get(key)
        return default if found is None else float(str(np.float32(found)))

    def tensor(self, name: str) -> Array:
        """Return a small tensor as float32."""
        return self._source.rows(name, slice(None))

    def has(self, tensor: str) -> bool:
        """Whether a layer has a tensor, such as "attn_q.bias"."""
        return any(name.endswith(f".{tensor}") for name in self.tensors)
