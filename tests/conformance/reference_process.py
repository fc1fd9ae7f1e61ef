"""llama.cpp's convert_hf_to_gguf.py as one process that converts many models, one a line.

Run with the script's folder as the only argument. A line of stdin is {"base", "out", "kind",
"pre", "options"}; the answer is one line that begins with "@@". With "pre" the tokenizer is taken
for a byte-level one split in that way: the script knows such tokenizers by a hash of what they make
of a text, and those of the tests were made a moment ago.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Iterator

SOURCE = sys.argv[1]
sys.path[:0] = [SOURCE, SOURCE + "/gguf-py"]
import convert_hf_to_gguf as script  # noqa: E402
from conversion.base import TextModel  # noqa: E402

FAMILIES = ("llama", "qwen", "gemma", "phi", "gpt2", "granite", "olmo", "starcoder")
for family in FAMILIES:
    importlib.import_module(f"conversion.{family}")


def below(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


KNOWN = {c: c.__dict__["set_vocab"] for c in below(TextModel) if "set_vocab" in c.__dict__}
BY_HASH = TextModel.get_vocab_base_pre


def answer(job: dict[str, str]) -> dict[str, str]:
    pre = job.get("pre")
    TextModel.get_vocab_base_pre = (lambda self, tokenizer: pre) if pre else BY_HASH
    for kind, set_vocab in KNOWN.items():
        kind.set_vocab = TextModel._set_vocab_gpt2 if pre else set_vocab
    kept = ["--outtype", job["kind"], *job.get("options", [])]
    sys.argv = ["convert", job["base"], "--outfile", job["out"], *kept]
    try:
        script.main()
    except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, the test shows it
        return {"error": traceback.format_exc()[-2000:]}
    return {}


for line in sys.stdin:
    print("@@" + json.dumps(answer(json.loads(line))), flush=True)
