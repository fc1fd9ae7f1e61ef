"""Collect llama.cpp's names of pre-tokenizers: `python tools/pre_tokenizers.py LLAMA_CPP`.

Reads conversion/base.py of a llama.cpp source tree and writes
localtune/export/tokenizer/pre_tokenizers.json: the text that its converter encodes, and for the
SHA-256 of the ids the name that it writes.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "localtune" / "export" / "tokenizer" / "pre_tokenizers.json"


def collect(source: str) -> dict[str, object]:
    """Return {"text", "names"} from the source of conversion/base.py."""
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "get_vocab_base_pre"
    ]
    text, names = "", {}
    for node in ast.walk(functions[0]):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "chktxt":
            text = ast.literal_eval(node.value)
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("chkhsh =="):
            assert isinstance(node.test, ast.Compare) and isinstance(node.body[0], ast.Assign)
            names[ast.literal_eval(node.test.comparators[0])] = ast.literal_eval(node.body[0].value)
    return {"text": text, "names": names}


if __name__ == "__main__":
    found = collect((Path(sys.argv[1]) / "conversion" / "base.py").read_text(encoding="utf-8"))
    OUT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
