"""How transformers' from_pretrained is called, and what its errors mean. Imports nothing heavy."""

from __future__ import annotations

from localtune.errors import BaseModelError

# False, as by default transformers asks whether to run the code that comes with a model.
UNTRUSTED = {"trust_remote_code": False}
LOCAL = {"local_files_only": True, **UNTRUSTED}


def not_loaded(error: Exception) -> BaseModelError:
    """Return the error of a base that transformers can't load."""
    if "trust_remote_code" in str(error):
        return BaseModelError(
            "The base needs code of its own, which localtune never runs.",
            "Choose a base whose architecture the installed transformers knows.",
        )
    return BaseModelError(
        f"transformers can't load the base: {str(error).splitlines()[0]}",
        "Check that --base is a causal language model saved with its tokenizer.",
    )
