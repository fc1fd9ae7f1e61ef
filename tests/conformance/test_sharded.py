"""The loss over answers with the base spread over two processes by torch's fully_shard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import localtune


@pytest.mark.slow
def test_a_sharded_base_has_the_same_loss_and_gradients() -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = str(Path(__file__).with_name("sharded_process.py"))
    paths = {"PYTHONPATH": str(Path(localtune.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launch, script],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
