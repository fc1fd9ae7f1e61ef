"""Markdown as people write it -> Markdown that says only what the document says.

Front matter, template markup (Liquid, Jinja, Nunjucks), comments, HTML tags, link targets and
images go; headings, lists, tables and code stay.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from localtune.corpus.read.elements import table_to_markdown

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TITLE = re.compile(r"^\"?title\"?\s*[:=][ \t]*(.*(?:\n[ \t]+\S.*)*)", re.M | re.I)
_RAW = re.compile(r"\{%-?\s*(?:end)?raw\s*-?%\}")
_ARGUMENT = re.compile(r"""\{%-?\s*\w+\s+["']([^"'/.<>]+)["']\s*-?%\}""")
_ALONE = re.compile(r"^[ \t]{0,40}\{%[^\n]{0,500}?%\}[ \t]{0,40}$", re.M)
_CODE_SPAN = r"(?P<code>(?<!`)(?P<ticks>`+)(?!`)[^\n]{0,500}?(?<!`)(?P=ticks)(?!`))"
# Lengths are bounded so that no line, however long and odd, takes quadratic time.
_SHORT = r"(?:[^\n]|\n(?!\s*\n)){0,500}?"  # within one paragraph
_TEMPLATE = re.compile(rf"{_CODE_SPAN}|\{{%{_SHORT}%\}}|\{{\{{{_SHORT}\}}\}}|\{{#{_SHORT}#\}}")
_ATTRIBUTES = re.compile(r"\{:[^{}\n]{0,200}\}|\{#[\w-]{1,80}\}[ \t]{0,40}$", re.M)
_BREAK = re.compile(r"<br\s*/?>", re.I)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+|[\w.+-]+@[\w.-]+)>")
_BLOCK_TAGS = (
    "address|article|aside|blockquote|body|button|center|dd|details|div|dl|dt|figcaption|figure"
    "|footer|form|head|header|hr|html|main|nav|ol|p|pre|section|summary|table|tbody|td|tfoot|th"
    "|thead|tr|ul|video"
)
_INLINE_TAGS = (
    "a|abbr|b|big|cite|code|del|dfn|em|font|i|iframe|img|input|ins|kbd|label|link|mark|meta|path"
    "|q|samp|small|source|span|strike|strong|sub|sup|svg|time|title|tt|u|var|wbr"
)
_ATTRIBUTE = r"(?:\s[^<>]*|/)?"
_TAG = re.compile(
    rf"{_CODE_SPAN}|<(?P<heading>h[1-6])\b{_ATTRIBUTE}>|(?P<heading_end></h[1-6]\s*>)"
    rf"|(?P<item><li\b{_ATTRIBUTE}>)|(?P<item_end></li\s*>)"
    rf"|(?P<block></?(?:{_BLOCK_TAGS}){_ATTRIBUTE}>[ \t]{{0,40}})"
    rf"|(?P<inline></?(?:{_INLINE_TAGS}){_ATTRIBUTE}>)",
    re.I,
)
_IMAGE = re.compile(r"!\[[^\[\]\n]*\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[[^\[\]\n]*\])")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\]){0,2000})\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_DEFINITION = re.compile(r"^ {0,3}\[([^\[\]\n]+)\]:[ \t]*\S+.*\n?", re.M)
_REFERENCE = re.compile(r"\[([^\[\]\n]+)\]\[([^\[\]\n]*)\]")
_ENTITY = re.compile(
    rf"{_CODE_SPAN}|" r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
)
_OPENING = re.compile(rf"{_CODE_SPAN}|" r"<(?=[A-Za-z/!?])")
_ESCAPED = re.compile(r"\\(?:(?<=\w\\)_(?=\w)|(?=[<>]))")


def split_front_matter(text: str) -> tuple[str, str]:
    """Return (title, body) of a text that may begin with YAML (---) or TOML (+++)."""
    mark = text[:3]
    lines = text.split("\n")
    if mark not in ("---", "+++") or lines[0].rstrip() not in (mark, "---js", "---json"):
        return "", text
    ends = (mark, "...") if mark == "---" else (mark,)
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() in ends), 0)
    # A rule above prose is no front matter: that has a key in its first lines.
    if not end or not any(re.match(r"\s*[\w\"-]+\s*[:=]", line) for line in lines[1:end]):
        return "", text
    found = _TITLE.search("\n".join(lines[1:end]))
    return (_value(found[1]) if found else ""), "\n".join(lines[end + 1 :])


def _value(written: str) -> str:
    value = re.sub(r"^[>|][+-]?\s*\n", "", written)
    value = " ".join(value.split())
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return re.sub(r"\{[{%].*?[}%]\}", "", value).strip()


def plain_markdown(text: str) -> str:
    """Return Markdown without template markup, HTML, link targets and images; code is kept."""
    text = _without(text, "<!--", "-->")
    text = _without_template_blocks(text)
    return "".join(part if is_code else _prose(part) for is_code, part in _code_apart(text))


def _code_apart(text: str) -> list[tuple[bool, str]]:
    """Cut a text into (is it a fenced code block, its lines)."""
    parts: list[tuple[bool, list[str]]] = [(False, [])]
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if not fence and found:
            fence = found[1]
            parts.append((True, [line]))
            continue
        parts[-1][1].append(line)
        closes = found and found[1].startswith(fence) and not line.strip().strip(fence[0])
        if fence and closes:
            fence = ""
            parts.append((False, []))
    return [(is_code, "".join(lines)) for is_code, lines in parts]


def _prose(text: str) -> str:
    text = _without_template(text)
    for name in ("script", "style"):
        text = _without(text, f"<{name}", f"</{name}>")
    text = _replace(text, "<table", "</table>", lambda found: f"\n\n{table_to_markdown(found)}\n\n")
    if "<" in text:
        text = _TAG.sub(_tag, _BREAK.sub(" ", _AUTOLINK.sub(r"\1", text)))
    text = _unlinked(text) if "[" in text else text
    text = literal(text)
    return re.sub(r"\n\s*\n\s*\n", "\n\n", text)


def literal(text: str) -> str:
    """Decode entities, drop needless escapes, make text of what looks like a tag (<your name>)."""
    text = _ESCAPED.sub(lambda found: "_" if "_" in found[0] else "", _unescaped(text))
    return _OPENING.sub(lambda found: found["code"] or "< ", text) if "<" in text else text


def without_template(text: str) -> str:
    """Drop the template markup of a page's source, its comments included."""
    return _without_template(_without_template_blocks(text))


def _without_template_blocks(text: str) -> str:
    """Drop {% comment %} with its content; unwrap {% raw %}."""
    text = re.sub(r"\{%-?\s*(comment|endcomment)\b[^%\n]*%\}", r"{%\1%}", text)
    return _RAW.sub("", _without(text, "{%comment%}", "{%endcomment%}"))


def _without_template(text: str) -> str:
    """Drop tags, expressions and kramdown attributes; `ask in {% channel "help" %}` keeps help."""
    if "{" not in text:
        return text
    text = _ARGUMENT.sub(r"\1", _ALONE.sub("", text))
    return _ATTRIBUTES.sub("", _TEMPLATE.sub(lambda found: found["code"] or "", text))


def _tag(found: re.Match[str]) -> str:
    """Say what Markdown stands for a tag; code spans are left as they are."""
    kind = found.lastgroup
    if found["code"]:
        return found[0]
    if found["heading"]:
        return f"\n\n{'#' * int(found['heading'][1])} "
    return {"item": "\n- ", "item_end": "\n", "inline": ""}.get(kind or "", "\n\n")


def _unlinked(text: str) -> str:
    """Put a link's text in its place and drop images; `[text][label]` too where it is defined."""
    labels = {" ".join(label.lower().split()) for label in _DEFINITION.findall(text)}
    text = _DEFINITION.sub("", text) if labels else text
    text = _LINK.sub(r"\1", _IMAGE.sub("", text))

    def resolve(found: re.Match[str]) -> str:
        label = " ".join((found[2] or found[1]).lower().split())
        return found[1] if label in labels else found[0]

    return _REFERENCE.sub(resolve, text)


def _unescaped(text: str) -> str:
    """Turn entities into characters until none is left, so that no reader finds another one."""
    if "&" not in text:
        return text
    for _ in range(4):
        plain = _ENTITY.sub(lambda found: found["code"] or html.unescape(found[0]), text)
        if plain == text:
            return text
        text = plain
    return _ENTITY.sub(lambda found: found["code"] or " ", text)


def _without(text: str, opening: str, closing: str) -> str:
    return _replace(text, opening, closing, lambda _: "")


def _replace(text: str, opening: str, closing: str, new: Callable[[str], str]) -> str:
    """Replace what lies from `opening` to the next `closing`, in linear time, case ignored."""
    lower, parts, at = text.lower(), [], 0
    if len(lower) != len(text):  # a few letters change length; then trust the case as written
        lower = text
    while (begin := lower.find(opening, at)) >= 0:
        end = lower.find(closing, begin + len(opening))
        if end < 0:
            break
        end += len(closing)
        parts += [text[at:begin], new(text[begin:end])]
        at = end
    return "".join([*parts, text[at:]])
