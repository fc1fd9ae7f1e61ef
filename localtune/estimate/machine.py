"""What this machine has: cores, memory, a graphics card, free disk. Measures no speed."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from localtune.machine.cores import usable_cores


@dataclass(frozen=True)
class Machine:
    """Bytes of memory in all and free now, of the first card, and free on the disk."""

    system: str
    cores: int
    memory: int
    free_memory: int
    card: str
    card_memory: int
    free_disk: int


def this_machine(folder: Path) -> Machine:
    """Look at this machine, and at the disk that a folder lies on or would lie on."""
    import torch

    memory = psutil.virtual_memory()
    card, card_memory = "", 0
    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(0)
        card, card_memory = found.name, found.total_memory
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        cores=usable_cores(),
        memory=memory.total,
        free_memory=memory.available,
        card=card,
        card_memory=card_memory,
        free_disk=shutil.disk_usage(existing).free,
    )
