"""An importance matrix in llama.cpp's GGUF form -> what its quantizer takes.

Source: tools/quantize/quantize.cpp (load_imatrix) of llama.cpp. For each weight NAME there are
NAME.in_sum2, the sum of the squares of every input column over all rows that went in, and
NAME.counts, the number of those rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from localtune.errors import ConfigError

SUMS, COUNTS = ".in_sum2", ".counts"
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Importance:
    """What went into one weight: `sums` (experts, columns) of squares, `counts` (experts, 1)."""

    sums: Array
    counts: Array

    def mean(self) -> Array:
        """Return the mean square of each column, 1 where nothing went in, as llama.cpp does."""
        counted = np.where(self.counts > 0, self.counts, 1)
        return np.where(self.counts > 0, self.sums / counted, np.float32(1))


def read_imatrix(path: Path) -> dict[str, Importance]:
    """Return {weight: Importance}; raise ConfigError for a file that is no importance matrix."""
    found = _tensors(path)
    names = [name.removesuffix(SUMS) for name in found if name.endswith(SUMS)]
    matrix = {}
    for name in names:
        counts, sums = found.get(name + COUNTS), found[name + SUMS]
        if counts is None or sums.size % counts.size or not np.isfinite(sums).all():
            raise _unusable(path, f"what it says of {name} can't be used")
        matrix[name] = Importance(sums.reshape(counts.size, -1), counts.reshape(-1, 1))
    return matrix


def _tensors(path: Path) -> dict[str, Array]:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise _unusable(path, str(error)) from error
    kind = reader.get_field("general.type")
    if kind is None or kind.contents() != "imatrix":
        raise _unusable(path, "it is another GGUF")
    return {tensor.name: np.array(tensor.data, np.float32) for tensor in reader.tensors}


def _unusable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path} is not an importance matrix in llama.cpp's GGUF form: {why}.",
        "Give --imatrix a .gguf that llama-imatrix or a build (work/imatrix.gguf) wrote.",
    )
