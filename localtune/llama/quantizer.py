"""llama.cpp's quantizer as a process: requests come in on stdin, its log goes out on stdout.

A process of its own, as llama_model_quantize can't be stopped from Python, and as an assertion of
ggml that fails ends the process it is in. llama/quantize.py starts it and speaks to it, in JSON,
an object a line: out {"types": {name: [columns a block, bytes a block]}}; in a request; out
{"log": text, "level": ggml_log_level} while it works and {"failed": bool} at its end.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from localtune.llama.imatrix_file import Importance, read_imatrix
from localtune.machine.cores import cores

MEMORY = 16 << 20  # bytes of rows held at once; by default llama.cpp takes up to 8 GiB
Request = dict[str, Any]


def main() -> None:
    """Answer requests until stdin ends, as it does when the process that asks is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python would wait for llama.cpp
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    callback = llama_cpp.llama_log_callback(
        lambda level, text, _: _say({"log": text.decode("utf-8", "replace"), "level": level})
    )
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    _say({"types": _types()})
    while True:
        _say({"failed": bool(quantize(json.loads(requests.get())))})


def quantize(request: Request) -> int:
    """Do what one request says and return llama.cpp's code, 0 where it did.

    `source`, `target`: files. `level`: "Q4_K_M". `dry`: choose types, write nothing.
    `requantize`: also take quantized weights. `imatrix`: a file or null.
    """
    settings = llama_cpp.llama_model_quantize_default_params()
    kind = "ALL" if request["level"] == "F32" else "MOSTLY"
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_{kind}_{request['level']}")
    settings.nthread, settings.max_buf_size = cores(), MEMORY
    settings.dry_run, settings.allow_requantize = request["dry"], request["requantize"]
    if request["imatrix"]:
        matrix = read_imatrix(Path(request["imatrix"]))
        settings.imatrix = _importance(matrix)
    return int(
        llama_cpp.llama_model_quantize(
            os.fsencode(request["source"]), os.fsencode(request["target"]), ctypes.byref(settings)
        )
    )


def _importance(matrix: dict[str, Importance]) -> Any:
    """Return an importance matrix as llama.cpp takes it, ended by an entry without a name."""
    rows = []
    for name, importance in matrix.items():
        data = np.ascontiguousarray(importance.mean(), dtype=np.float32)
        floats = (ctypes.c_float * data.size).from_buffer_copy(data.tobytes())
        pointer = ctypes.cast(floats, ctypes.POINTER(ctypes.c_float))
        rows.append(llama_cpp.llama_model_imatrix_data(name.encode(), pointer, data.size))
    return (llama_cpp.llama_model_imatrix_data * (len(rows) + 1))(*rows)


def _types() -> dict[str, tuple[int, int]]:
    """Return every type of a tensor that the installed ggml knows."""
    from llama_cpp._ggml import libggml as ggml

    ggml.ggml_type_name.restype = ctypes.c_char_p
    ggml.ggml_blck_size.restype = ctypes.c_int64
    ggml.ggml_type_size.restype = ctypes.c_size_t
    found = {}
    for id_ in range(llama_cpp.GGML_TYPE_COUNT):
        name, columns = ggml.ggml_type_name(id_), ggml.ggml_blck_size(id_)
        if name and columns:
            found[name.decode()] = (columns, ggml.ggml_type_size(id_))
    return found


def _listen(requests: queue.Queue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
