"""llama.cpp's convert_lora_to_gguf.py as one process that converts many adapters, one a line.

Run with the script's folder as the only argument. A line of stdin is {"base", "adapter", "out",
"kind"}; the answer is one line that begins with "@@".
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback

SOURCE = sys.argv[1]
sys.path[:0] = [SOURCE, SOURCE + "/gguf-py"]
from conversion.base import ModelBase  # noqa: E402

# Without it the script asks every Qwen3.5 for the layers that predict several tokens.
ModelBase.no_mtp = True


def answer(job: dict[str, str]) -> dict[str, str]:
    script = f"{SOURCE}/convert_lora_to_gguf.py"
    options = ["--base", job["base"], "--outfile", job["out"], "--outtype", job["kind"]]
    sys.argv = [script, *options, job["adapter"]]
    try:
        runpy.run_path(script, run_name="__main__")
    except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, the test shows it
        return {"error": traceback.format_exc()[-2000:]}
    return {}


for line in sys.stdin:
    print("@@" + json.dumps(answer(json.loads(line))), flush=True)
