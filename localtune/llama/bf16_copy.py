"""A copy of a GGUF in BF16, for as long as it writes texts: faster where the processor has BF16.

Many texts at once are limited by arithmetic, not by reading weights. On an AMD EPYC with AVX-512
BF16 a copy of a Q4_K_M writes 1.4 times as many tokens a second (docs/benchmarks.md).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localtune.llama.llama import Splitter
from localtune.progress import Progress
from localtune.workspace import temporary_path

MIN_PARAMETERS = 100_000_000  # of a smaller model loading takes longer than what is saved
BYTES_PER_PARAMETER = 2
MEMORY_FACTOR, DISK_FACTOR = 1.5, 2  # of the copy's size, which must be free
IN_16_BITS = ("1", "32")  # general.file_type: F16, BF16 (enum llama_ftype of llama.h)


@contextmanager
def fastest_to_write(gguf: Path, folder: Path, progress: Progress) -> Iterator[Path]:
    """Yield the file, or a copy in a folder that is removed at the end.

    Raises RuntimeFileError and DiskFullError.
    """
    if not _is_worth_it(gguf, folder):
        yield gguf
        return
    from localtune.llama.quantize import Quantizer

    with temporary_path(folder / f"{gguf.stem}-BF16.gguf") as copy:
        with Quantizer() as quantizer:
            quantizer.unpack(gguf, copy, progress)
        yield copy


def _is_worth_it(gguf: Path, folder: Path) -> bool:
    import psutil

    splitter = Splitter(gguf)
    header = splitter.call("header")
    size = BYTES_PER_PARAMETER * header.parameters
    return (
        header.parameters >= MIN_PARAMETERS
        and header.metadata.get("file_type") not in IN_16_BITS
        and MEMORY_FACTOR * size <= psutil.virtual_memory().available
        and DISK_FACTOR * size <= shutil.disk_usage(folder).free
        and bool(splitter.call("multiplies_bf16"))
    )
