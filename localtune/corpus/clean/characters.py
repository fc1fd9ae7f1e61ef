"""Text that is safe to train on: repaired, composed, without invisible or control characters.

Knows characters only, nothing of Markdown's structure.
"""

from __future__ import annotations

import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")

# Tokens that chat templates and tokenizers give a meaning to. Whatever stands between "<|" and
# "|>" is caught as a whole; these are the others, as published with Llama, Mistral, Gemma,
# Phi, ChatGLM, T5, BERT, Qwen and DeepSeek models.
_IN_ANGLES = (
    "s", "unk", "pad", "bos", "eos", "mask", "cls", "sep", "<SYS>", "start_of_turn",
    "end_of_turn", "start_of_image", "end_of_image", "tool_call", "tool_response", "tools",
    "think", "turn|", "channel|", "tool|", "sop", "eop", "im_start", "im_end", "endoftext",
    "fim_prefix", "fim_middle", "fim_suffix", "extra_id_", "unused", "image", "audio", "video",
    "end_of_utterance", "function_call", "begin_of_text", "end_of_text",
)  # fmt: skip
_IN_BRACKETS = (
    "INST", "SYSTEM_PROMPT", "AVAILABLE_TOOLS", "TOOL_CALLS", "TOOL_RESULTS", "TOOL_CONTENT",
    "ARGS", "CALL_ID", "PREFIX", "MIDDLE", "SUFFIX", "IMG", "IMG_BREAK", "IMG_END", "CLS", "SEP",
    "PAD", "MASK", "UNK", "BOS", "EOS", "gMASK", "sMASK", "THINK", "control_",
)  # fmt: skip
_MARKUP = r"[\\*_`~]*"  # may stand inside a token in Markdown and vanish when it is rendered


def _spelt(word: str) -> str:
    return _MARKUP.join(re.escape(letter) for letter in word)


_CONTROL = re.compile(
    rf"<(?={_MARKUP}[|｜])"  # <|… and DeepSeek's <｜…
    rf"|\|(?={_MARKUP}>)"  # …|>
    rf"|<(?={_MARKUP}/?{_MARKUP}(?:{'|'.join(map(_spelt, _IN_ANGLES))}))"
    rf"|\[(?={_MARKUP}/?{_MARKUP}(?:{'|'.join(map(_spelt, _IN_BRACKETS))}))"
)


_CURLY = "‘’‚‛“”„‟"
_STRAIGHT = str.maketrans(_CURLY, "'" * 4 + '"' * 4)
_HARMLESS = re.compile(rf"[\x00-\x7f{_CURLY}–—…•·→©®°é€£§×½\xa0]*+")
_LOOKALIKES = str.maketrans({"<": "‹", "[": "(", "]": ")", "|": "¦", "｜": "¦", "&": "& "})


def repair(text: str) -> str:
    """Mend mojibake, compose (NFC), and drop what can't be seen: controls, zero-width, bidi.

    Quotes become straight and ligatures letters (ftfy's defaults), so that a question typed on
    a keyboard meets the same characters.
    """
    if not text.isascii():
        text = "".join(map(_mended, text.splitlines(keepends=True)))
    return visible(text)


def _mended(line: str) -> str:
    # ftfy takes a second for 2 MB; a line with no more than quotes and dashes is not damaged.
    if line.isascii():
        return line
    if _HARMLESS.fullmatch(line):
        return line.translate(_STRAIGHT)
    import ftfy

    return ftfy.fix_text(line, unescape_html=False, normalization="NFC")


def visible(text: str) -> str:
    """Drop what can't be seen, make every line end a newline and every space a space; NFC."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    return unicodedata.normalize("NFC", _SPACES.sub(" ", text))


def neutralise(text: str) -> str:
    """Put a space into whatever a tokenizer could take for a control token.

    "<|im_start|>" becomes "< |im_start| >": still readable, but ordinary text, also after
    Markdown marks inside it ("<|im_**start**|>") are rendered away.
    """
    return _CONTROL.sub(lambda found: found[0] + " ", text)


def holds_control(text: str) -> bool:
    """Whether a control token stands in a text."""
    return _CONTROL.search(text) is not None


def without_brackets(text: str) -> str:
    """Replace every bracket that a control token can begin with by one that looks like it.

    Dull, but nothing gets past it: no entity that stands for one is left either.
    """
    return text.translate(_LOOKALIKES)
