"""Keys and tokens of services, by their published prefixes; generic ones by their entropy."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from localtune.privacy.find.context import spots
from localtune.privacy.find.finding import Finding

# kind, what must stand in the text in lower case before the pattern is tried, the pattern.
_PREFIXED: list[tuple[str, tuple[str, ...], re.Pattern[str]]] = [
    (kind, tuple(needles.split()), re.compile(rf"(?<![A-Za-z0-9_]){pattern}(?![A-Za-z0-9_])"))
    for kind, needles, pattern in (
        ("aws_key", "akia asia aroa aida", r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"),
        ("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,255}"),
        ("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,255}"),
        ("slack_token", "xox xapp-", r"(?:xox[a-z](?:-\d)?|xapp)-[A-Za-z0-9-]{10,255}"),
        ("slack_token", "hooks.slack", r"https://hooks\.slack\.com/(?:services|workflows|triggers)/"
         r"[A-Za-z0-9/_-]{8,200}"),
        ("api_key", "sk-", r"sk-[A-Za-z0-9_-]{16,255}"),  # OpenAI, Anthropic, OpenRouter
        ("api_key", "hf_", r"hf_[A-Za-z0-9]{20,80}"),
        ("api_key", "aiza", r"AIza[A-Za-z0-9_-]{30,45}"),  # Google
        ("api_key", "gocspx- ya29.", r"(?:GOCSPX-|ya29\.)[A-Za-z0-9_-]{16,255}"),
        ("api_key", "_live_ _test_", r"(?:[srp]k|whsec)_(?:live|test)_[A-Za-z0-9]{10,255}"),
        ("api_key", "whsec_", r"whsec_[A-Za-z0-9+/=]{20,100}"),
        ("api_key", "glpat- gldt- glrt- glptt- glsoat-", r"gl(?:pat|dt|rt|ptt|"
                                                         r"soat)-[A-Za-z0-9_.-]{16,100}"),
        ("api_key", "npm_", r"npm_[A-Za-z0-9]{20,60}"),
        ("api_key", "pypi-", r"pypi-[A-Za-z0-9_-]{16,255}"),
        ("api_key", "sg.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
        ("api_key", "ac sk", r"(?:AC|SK)[0-9a-f]{32}"),  # Twilio
        ("api_key", ":aa", r"\d{8,10}:AA[A-Za-z0-9_-]{30,36}"),  # Telegram
        ("api_key", "shp", r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
        ("api_key", "do", r"do[opr]_v1_[a-f0-9]{64}"),
        ("api_key", "dckr_pat_ gsk_ xai- lin_api_ dapi ntn_ figd_ hvs. atatt key- rzp_ sq0 "
                    "pplx- r8_",
         r"(?:dckr_pat_|gsk_|xai-|lin_api_|dapi|ntn_|figd_|hvs\.|ATATT|key-|rzp_live_|rzp_test_|"
         r"sq0[a-z]{3}-|pplx-|r8_)[A-Za-z0-9_-]{22,255}"),
        ("api_key", "discord.com/api/webhooks", r"https://discord\.com/api/webhooks/\d{10,20}/[\w-]{20,90}"),
        ("jwt", "eyj", r"eyJ[A-Za-z0-9_-]{6,4096}\.eyJ[A-Za-z0-9_-]{6,8192}"
         r"(?:\.[A-Za-z0-9_-]{0,2048})?"),
    )
]  # fmt: skip

_NAMED = re.compile(
    r"(?:keys?|secret(?:[ _-]?(?:access)?[ _-]?key)?|tokens?|credentials?|bearer)[\"'`*\]]{0,3}"
    r"(?:\s{0,3}(?::=|=>|[:=])\s{0,3}|\s(?:is|was|ist|est|es)?:?\s?)(?:bearer |basic |token "
    r")?[\"'`*]{0,3}"
    r"([A-Za-z0-9_\-./+=~]{16,512})",
    re.IGNORECASE,
)
_NEEDLES = ("key", "secret", "token", "credential", "bearer")
_KEY_OF = re.compile(
    r"(?:api|access|account|private|signing|encryption|subscription|license|secret|auth|"
    r"service|master|shared|"
    r"maps|openai|anthropic|server|app|webhook|storage)[ _-]?$", re.IGNORECASE
)  # fmt: skip
_AWS = re.compile(r"aws|secret.{0,5}access", re.IGNORECASE)
_UUID_OR_PATH = re.compile(
    r"[./]{0,2}(?:[a-z]+[-_./]){2,}[a-z]+|https?://.*|.*\.(?:py|js|json|ya?ml|md|com|org|gov)|"
    r"[a-z_]+\.[a-z_.]+",
    re.IGNORECASE,
)

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\n){0,8000}")


def tokens(text: str, lower: str) -> Iterator[Finding]:
    """Find keys and tokens by their prefixes; `lower` is the text in lower case."""
    for kind, needles, pattern in _PREFIXED:
        if any(needle in lower for needle in needles):
            for match in pattern.finditer(text):
                if re.search(r"\d", match[0]) and is_random(match[0][-12:], 2.0):
                    yield Finding(kind, *match.span())


def named(text: str, lower: str) -> Iterator[Finding]:
    """Find random-looking values that the text calls a key, secret or token."""
    for match in filter(None, (_NAMED.match(text, at) for at in spots(lower, _NEEDLES))):
        if match[0][0] not in "kK" or _KEY_OF.search(
            text[max(0, match.start() - 15) : match.start()]
        ):
            value = match[1].rstrip(".=-/") + (
                "=" * match[1].count("=") if match[1].endswith("=") else ""
            )
            if is_random(value, 3.0) and not _UUID_OR_PATH.fullmatch(value):
                lead = text[max(0, match.start() - 25) : match.start(1)]
                kind = "aws_key" if len(value) == 40 and _AWS.search(lead) else "api_key"
                yield Finding(kind, match.start(1), match.start(1) + len(value))


def is_random(value: str, bits: float) -> bool:
    """Whether a value has at least `bits` of entropy a character; from 3 on, a digit too."""
    counts = Counter(value).values()
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    return entropy >= bits and (bits < 3 or re.search(r"\d", value) is not None)


def private_keys(text: str) -> Iterator[Finding]:
    """Find PEM and PGP private keys, whole; a key without an end is as long as its body."""
    closed = True
    for match in _BEGIN.finditer(text):
        end = text.find("-----END", match.end()) if closed else -1
        closed = end >= 0
        if closed:
            line = re.compile(r"-----END [A-Z0-9 ]{1,50}-----").match(text, end)
            end, stop = end, line.end() if line else end
        else:
            body = _KEY_BODY.match(text, match.end())
            end = stop = len(text[: body.end()].rstrip()) if body else match.end()
        if set(text[match.end() : end]) - set("xX\\n\r\n \t.…*"):
            yield Finding("private_key", match.start(), stop)
