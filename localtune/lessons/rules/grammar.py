"""Just enough English grammar to cut a plain statement into clauses: subject, verb, rest.

The finite verbs are found with closed lists: auxiliaries, and the verbs that handbooks use. Knows
nothing of questions, facts or files. A statement that isn't plain gives nothing: no question is
better than a broken one.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from itertools import takewhile

from localtune.lessons.values import WHEN

AUXILIARIES = frozenset("is are was were must may can should will has have cannot".split())
_LISTS = tomllib.loads(files("localtune.lessons.rules").joinpath("verbs.toml").read_text("utf-8"))
_BASE = _LISTS["base"].split()
_PAST = dict(pair.split(":") for pair in _LISTS["past"].split())
_ONLY_PAST = frozenset(_LISTS["only_past"].split())
NO_SUBJECT = frozenset(
    """if when while during after before until since unless for in on at by with without within from
    to as because although though where whether please there it its they their this these that those
    such he his she her our your more other others here below above then also thus however often
    sometimes usually now today additionally alternatively first next finally or and but be what
    who how why which always never let one whose having being""".split()
)
_NO_PART = frozenset("if whether when that who which because so not there".split())
_LONGEST = 8  # words of a subject
_VAGUE = frozenset("it its they them their this these those he his him she her yours".split())
_OWN = frozenset("its their".split())
_MANY = frozenset("they you we people staff crew children and".split())


def upper_first(text: str) -> str:
    """Begin a text with a capital, and leave the rest."""
    return text[:1].upper() + text[1:]


def third_person(base: str) -> str:
    """Inflect a verb: "inspect" -> "inspects", "carry" -> "carries"."""
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "o")) else "s")


def _forms() -> dict[str, tuple[str, str]]:
    """Map each inflected form to (base form, the auxiliary that asks with it)."""
    forms: dict[str, tuple[str, str]] = {}
    for base in _BASE:
        y = re.search(r"[^aeiou]y$", base)
        past = base[:-1] + "ied" if y else base + ("d" if base.endswith("e") else "ed")
        forms |= {third_person(base): (base, "does"), past: (base, "did"), base: (base, "do")}
    return forms | {past: (base, "did") for past, base in _PAST.items()}


_VERBS = _forms()
_NOT_BEFORE_VERB = frozenset(
    """a an the this that these those to of in on at for and or by with its our their your every
    each no both all any""".split()
)
_MAIN = re.compile(r";\s+|, (?:and|but|while) (?=(?:the|a|an|each|every|no) |[A-Z\d])")
_CLAUSE_END = re.compile(
    r"[,;:](?=\s)|\s[–—(]|\s(?=(?:because|so|which|who|whose|when|where|while|if|unless|but|although"
    r"|though|as|that|than|even|whatever|except|including|such)\b)"
)
DANGLING = re.compile(
    r"\b(?:at|of|for|to|by|from|within|and|or|with|in|on|before|after|only|up|then|a|an|the)\??$"
    r"|\b(?:and|or|about) (?:at|of|for|from|on|in|by|to)\b"
)
# What a past tense is followed by and a participle seldom is: "replaced an earlier market".
_OBJECT_BEGINS = re.compile(r"(?:a|an|the|its|their|all|no|every|[A-Z\d][\w-]*)$")
_PARTICIPLE = re.compile(r"(?:called|named|used|made|found|held|kept|left|given|known)$")
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")


@dataclass(frozen=True)
class Clause:
    """subject + verb + rest; `asking` is the auxiliary in front, `base` the verb behind it."""

    subject: str
    verb: str
    rest: str
    asking: str
    base: str
    after: str  # the word behind it, where the statement goes on: "that", "which", or a comma

    def inverted(self, rest: str) -> str:
        """Put the subject behind the auxiliary: "does the hall hold" + rest."""
        return " ".join(f"{self.asking} {self.subject} {self.base} {rest}".split())


def clauses_of(statement: str, common: frozenset[str]) -> list[Clause]:
    """Cut a statement into its main clauses; what "and" adds to a subject is a clause too.

    Ends where the statement isn't plain. A capital that only the beginning of the sentence gave is
    lowered: `common` holds the words that the documents also write in lower case.
    """
    found: list[Clause] = []
    statement = statement.rstrip(".! ")
    for part in _MAIN.split(statement):
        clauses = _clauses_in(part, common)
        if not clauses:  # what comes next may be the rest of a list
            break
        found += clauses
    relative = _RELATIVE.search(statement)
    return found + (_clauses_in(" ".join(relative.groups()), common) if relative else [])


# "in the upper yard, which has 34 spaces": what it is said of stands just before it.
_RELATIVE = re.compile(
    r"\b((?:(?:[Tt]he|[Aa]n?) [\w'-]+|[A-Z][\w'-]+)"
    r"(?: (?!(?:of|in|on|at|for|from|to|with|by|and|or|is|are|has|have)\b)[\w'-]+){0,3})"
    r", (?:which|who) ([^,;:]+)$"
)
_FIRST_TIME = re.compile(rf"(In|On|By|Since|From|Until|At) ({WHEN}), (?=\w)")


def _clauses_in(part: str, common: frozenset[str]) -> list[Clause]:
    first, *others = _CLAUSE_END.split(part)
    if time := _FIRST_TIME.match(part):  # "In 1912, the hall opened" as "the hall opened in 1912"
        first, *others = _CLAUSE_END.split(part[time.end() :])
        first = f"{first} {time[1].lower()} {time[2]}"
    words = first.split()
    at = _finite_verb(words)
    if not at or not _may_begin(words[:at]) or _refers(words, at):
        return []
    if DANGLING.search(words[-1]) or at > _LONGEST or _NO_PART & {w.lower() for w in words[:at]}:
        return []
    subject = " ".join(words[:at])
    article = words[0] in ("The", "A", "An", "Each", "Every", "No", "All", "Most", "You", "We")
    # "Noble appointed …": a name, be it a word too.
    one_name = at == 1 and words[at] not in AUXILIARIES and _VERBS[words[at]][1] == "did"
    if article or (_is_word(words[0], common) and words[1].islower() and not one_name):
        subject = subject[:1].lower() + subject[1:]
    found = [(rest[0], " ".join(rest[1:])) for rest in _predicates(words[at:])]
    found += _listed(others)
    after = next(iter(" ".join(others).split()), "")
    clauses = [Clause(subject, verb, rest, *asking_with(verb, rest), after) for verb, rest in found]
    return clauses + [clause for other in others for clause in _beside(other, common)]


def _listed(parts: list[str]) -> list[tuple[str, str]]:
    """The other predicates of "costs £10, is valid for four years and is issued by the agents"."""
    each = (re.sub(r"^and ", "", part.strip()).split() for part in parts)
    some = takewhile(lambda words: len(words) > 1 and _is_finite(words[0]), each)
    return [(rest[0], " ".join(rest[1:])) for words in some for rest in _predicates(words)]


def _beside(part: str, common: frozenset[str]) -> list[Clause]:
    """The clauses of "paper goes in the blue bins, food waste goes in the brown bins, and …"."""
    part = re.sub(r"^ ?and ", "", part.strip())
    plain = part and not part[0].isupper() and not is_verb(part.split()[0])
    return _clauses_in(part, common) if plain else []


def _may_begin(words: list[str]) -> bool:
    """Whether a subject begins here: no order ("Be sure …"), no "What …", no preposition."""
    first, second = words[0].lower(), words[1].lower() if words[1:] else ""
    order = is_base(first) and second in ("a", "an", "the", "your", "all", "sure", "any", "every")
    odd = any(re.search(r"\w[–—]\w|[’'](?!s\b|\W|$)", word) for word in words)
    return not (order or odd or first in NO_SUBJECT)


def _refers(words: list[str], at: int) -> bool:
    """Whether a pronoun leaves open what is meant; "its" behind a subject means the subject's."""
    return bool(
        _VAGUE & {w.lower() for i, w in enumerate(words) if i < at or w.lower() not in _OWN}
    )


def _is_word(word: str, common: frozenset[str]) -> bool:
    """Whether a capital at the beginning is that of a sentence: not of a name, nor of "TTS"."""
    return word.lower() in common and word[1:].islower()


def asking_with(verb: str, rest: str) -> tuple[str, str]:
    """The auxiliary that asks with a verb, and what stays behind the subject."""
    if verb in ("has", "have") and not re.match(r"(?:\w+ly )?(?:been|had|\w+ed)\b", rest):
        return "does" if verb == "has" else "do", "have"
    if verb in AUXILIARIES:
        return "can" if verb == "cannot" else verb, ""
    base, asking = _VERBS[verb]
    return asking, base


def _finite_verb(words: list[str]) -> int:
    """The place of the finite verb, 0 where none is found; an auxiliary goes before other verbs."""
    found = [i for i in range(1, len(words) - 1) if _may_be_verb(words, i)]
    found = [i for i in found if words[i] in AUXILIARIES or i + 1 not in found]
    return next((i for i in found if words[i] in AUXILIARIES), found[0] if found else 0)


def _may_be_verb(words: list[str], i: int) -> bool:
    word, before = words[i], words[i - 1].lower()
    if before in _NOT_BEFORE_VERB:
        return False
    if word in AUXILIARIES:
        return True
    if word not in _VERBS:
        return False
    # A bare verb needs a plural before it; "-ed" is more often a participle than a past.
    asking = _VERBS[word][1]
    if asking == "do":
        return before.endswith("s") or before in _MANY
    if asking == "does" or word in _ONLY_PAST or _YEAR.search(" ".join(words)):
        return True
    return bool(_OBJECT_BEGINS.match(words[i + 1])) and not _PARTICIPLE.match(word)


def _predicates(words: list[str]) -> list[list[str]]:
    """Cut [verb, …, "and", verb, …] at each "and" or "or" before a verb.

    A second predicate counts where it is finite by itself: not the "return" of "sign and return".
    """
    cuts = [
        i
        for i in range(1, len(words) - 1)
        if words[i] in ("and", "or") and (words[i + 1] in AUXILIARIES or _is_finite(words[i + 1]))
    ]
    parts = [words[a:b] for a, b in zip([0, *(i + 1 for i in cuts)], [*cuts, None], strict=True)]
    after_and = [p for i, p in zip(cuts, parts[1:], strict=True) if words[i] == "and"]
    return parts[:1] + [p for p in after_and if len(p) > 1 and _is_finite(p[0])]


def _is_finite(verb: str) -> bool:
    return verb in AUXILIARIES or _VERBS.get(verb, ("", ""))[1] == "does"


def is_verb(word: str) -> bool:
    """Whether a word may be a finite verb."""
    return word in _VERBS or word in AUXILIARIES


def base_of(verb: str) -> str:
    """Return the base of a verb's form, "" for an unknown one: "is", "kept" -> "keep"."""
    return _VERBS.get(verb, ("", ""))[0]


def is_base(word: str) -> bool:
    """Whether a word is a verb as orders begin with it: "send"."""
    return _VERBS.get(word, ("", ""))[1] == "do"
