"""What every layer of a GGUF hands on to the next, looked at while llama.cpp computes.

Source: build_cvec and cb(cur, "l_out", il) in src/models/*.cpp of llama.cpp, as vendored in
llama-cpp-python 0.3.36: all families call a layer's output so.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt
from llama_cpp._ggml import libggml as ggml

OUTPUT = re.compile(rb"l_out-(\d+)")


class Watch:
    """llama.cpp's callback for every tensor that it computes; keeps the layers' outputs."""

    def __init__(self, tokens: int) -> None:
        """Watch a computation of so many tokens."""
        self._tokens, self._found = tokens, dict[int, npt.NDArray[np.float32]]()
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._look)
        ggml.ggml_get_name.restype = ctypes.c_char_p
        ggml.ggml_get_name.argtypes = [ctypes.c_void_p]
        ggml.ggml_nbytes.restype = ctypes.c_size_t
        ggml.ggml_nbytes.argtypes = [ctypes.c_void_p]
        ggml.ggml_backend_tensor_get.restype = None
        ggml.ggml_backend_tensor_get.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_size_t,
        ]

    def outputs(self) -> list[npt.NDArray[np.float32]]:
        """Return the outputs, first layer first, each (tokens, width)."""
        return [self._found[layer] for layer in sorted(self._found)]

    def _look(self, tensor: int, ask: bool, _: Any) -> bool:
        named = OUTPUT.fullmatch(ggml.ggml_get_name(tensor))
        if named and not ask:
            values = np.empty(ggml.ggml_nbytes(tensor) // 4, np.float32)
            ggml.ggml_backend_tensor_get(tensor, values.ctypes.data, 0, values.nbytes)
            self._found[int(named[1])] = values.reshape(self._tokens, -1)
        return not ask or named is not None
