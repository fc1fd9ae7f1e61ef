"""The model card of a build -> the one of its repository on the Hugging Face Hub.

The build's own card stays as it is; a person may have written in it. What is changed: how the model
is run, and the base's licence. Knows nothing of the Hub's API.
"""

from __future__ import annotations

import re
from pathlib import Path

from localtune.formatting import size

RUN = re.compile(r"^## Run it$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FILE, BASE, PRIVATE = (
    re.compile(rf"^\| {row} \|.*$", re.MULTILINE) for row in ("file", "base", "private data")
)
REPORT = "`report.html`, which holds words of the documents."


def hub_card(
    card: str, repo: str, files: dict[str, Path], base: str, licence: str, doubt: str
) -> str:
    """Return a card for a repository that holds `files`, {level: GGUF}.

    `base` is how it is named there, never a path; `licence` is the base's, "" where none is known;
    `doubt` says why they may hold private data, "" where it was replaced as the card says.
    """
    named = ", ".join(f"`{file.name}` ({size(file.stat().st_size)})" for file in files.values())
    of_base = f"`{licence}`, as of the base" if licence else "that of the base, which names none"
    rows = {
        FILE: f"| {'files' if len(files) > 1 else 'file'} | {named} |",
        BASE: f"| base | {base} |\n| licence | {of_base} |",
        RUN: _run(repo, list(files)),
    }
    if doubt:
        rows[PRIVATE] = f"| private data | may be in it: {doubt} |"
    for pattern, text in rows.items():
        card = pattern.sub(text.replace("\\", r"\\"), card, count=1)
    return card.replace(REPORT, "the report of the build, which is not published.")


def _run(repo: str, levels: list[str]) -> str:
    first, *others = levels
    also = f"Other levels: {', '.join(f'`:{level}`' for level in others)}.\n" if others else ""
    return f"""## Run it

With [Ollama](https://ollama.com), or with [llama.cpp](https://github.com/ggml-org/llama.cpp):

```
ollama run hf.co/{repo}:{first}
llama-server -hf {repo}:{first}
```

{also}While the repository is private, Ollama needs its key (`~/.ollama/id_ed25519.pub`) among
the SSH keys of your account, and llama.cpp a token in `HF_TOKEN`.

"""
