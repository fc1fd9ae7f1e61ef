"""The model families, as data: tensor names, shapes and orders, metadata keys, defaults.

A row reads: the tensor's name in safetensors (behind the family's prefix and, in a layer, its
number), its name in GGUF, its shape. Shapes are written in the letters of `dimensions`: "q d" has
as many rows as all query heads are wide. All that is done to a tensor on the way is declared here
too (order of rows and columns, transposition, a one that is added), so that it can be undone.

Source: conversion/*.py of llama.cpp, as vendored in the sdist of llama-cpp-python 0.3.36, and for
`defaults` the configuration classes of transformers 5.23. Knows nothing of files or tokenizers.
"""

from __future__ import annotations

from localtune.export.families.gemma import GEMMA2, GEMMA3, GEMMA4
from localtune.export.families.llama import GRANITE, LLAMA, MISTRAL, MIXTRAL, SMOLLM3
from localtune.export.families.others import GPT2, OLMO2, OLMO3, PHI3, STARCODER2
from localtune.export.families.qwen import QWEN2, QWEN3, QWEN3_MOE, QWEN35

FAMILIES = {
    name: family
    for family in (
        *(LLAMA, MISTRAL, MIXTRAL, SMOLLM3, GRANITE, QWEN2, QWEN3, QWEN3_MOE, QWEN35),
        *(OLMO2, OLMO3, GEMMA2, GEMMA3, GEMMA4, PHI3, STARCODER2, GPT2),
    )
    for name in family.classes
}
