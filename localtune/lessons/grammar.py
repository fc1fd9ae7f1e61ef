"""Just enough English grammar to turn a plain statement into questions.

The main clause of a statement is cut at its finite verb, found with closed lists (auxiliaries, and
the verbs that handbooks use); a name, amount, time, number or place in it becomes the answer of a
question. Takes and gives strings only. A statement that isn't plain gives nothing: no question is
better than a broken one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

AUXILIARIES = frozenset("is are was were must may can should will has have cannot".split())
_BASE = """
accept add admit allow answer apply approve arrange arrive ask attend award bake begin belong book
borrow bring buy call carry change charge check chair choose clean close collect come complete
consist contain contact cost count cover cut deal decide deliver depart depend donate drive earn
employ end enter entitle expire face fill find finish fit follow get give go grant guide handle
hang happen head help hire hold host house include inform inspect join keep know last lead leave
lend lie limit list live load lock look maintain make manage measure meet move need notify offer
open order organise oversee own park pay permit pick plan play post practise prepare print produce
provide publish purchase put reach read receive record recycle refund register reimburse remain
remind rent repair replace reply report represent require rest return review ride run sail say
schedule seat seek sell send serve set share ship show shut sign sit sleep speak spend stand start
state stay stock stop store submit supervise supply support take teach test train travel treat
trigger turn unlock use visit wait warn wash watch wear weigh welcome work write
""".split()
_PAST = dict(
    pair.split(":")
    for pair in """
began:begin brought:bring bought:buy came:come chose:choose found:find gave:give got:get held:hold
kept:keep led:lead left:leave lent:lend made:make met:meet paid:pay ran:run sent:send sold:sell
spent:spend stood:stand took:take taught:teach went:go wrote:write drove:drive wore:wear
""".split()
)
_NO_SUBJECT = frozenset(
    """if when while during after before until since unless for in on at by with without within from
    to as because although though where please there it its they their this these that those such
    he his she her we our you your anyone everyone""".split()
)
_VAGUE = frozenset("it its they them their this these those he his him she her yours".split())
_MANY = frozenset("they you we people staff crew children and".split())


def _forms() -> dict[str, tuple[str, str]]:
    """Map each inflected form to (base form, the auxiliary that asks with it)."""
    forms: dict[str, tuple[str, str]] = {}
    for base in _BASE:
        y = re.search(r"[^aeiou]y$", base)
        es = base.endswith(("s", "sh", "ch", "x", "o"))
        third = base[:-1] + "ies" if y else base + ("es" if es else "s")
        past = base[:-1] + "ied" if y else base + ("d" if base.endswith("e") else "ed")
        forms |= {third: (base, "does"), past: (base, "did"), base: (base, "do")}
    return forms | {past: (base, "did") for past, base in _PAST.items()}


_VERBS = _forms()
_NOT_BEFORE_VERB = frozenset(
    """a an the this that these those to of in on at for and or by with its our their your every
    each no both all any""".split()
)
MONEY = r"(?:[£$€]\s?\d[\d,.]*\d|[£$€]\d)"
COUNT = (
    r"(?:(?<![\d:.,£$€])\d[\d,]*(?:\.\d+)?(?![\d:]|\.\d)|two|three|four|five|six|seven|eight|nine"
    r"|ten|eleven|twelve|fourteen|fifteen|twenty|thirty|forty|fifty|sixty|ninety)"
)
CLOCK = r"(?:\d{1,2}[:.]\d\d(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?|noon|midnight)"
MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
DATE = rf"(?:\d{{1,2}} {MONTH}(?: \d{{4}})?|{MONTH} \d{{1,2}}(?:, \d{{4}})?|{_DAY}s?|{MONTH})"
_WHEN = rf"(?:{CLOCK}|{DATE})"
_TIME = re.compile(
    rf"\b(at|from|until|by|before|after|on|in|every|between)\s+(?:the (?:last|first) )?({_WHEN})"
    rf"(?: (?:to|and|until|on|at|or) {_WHEN})*(?: (?:morning|afternoon|evening|night)s?)?"
    r"(?! (?:of|and|or|to)\b|\w)",
)
_AMOUNT = re.compile(rf"(?:^|\b(for|at|to|of|by) )(?:up to |about |at most |at least )?({MONEY})")
_NUMBER = re.compile(
    r"(?:^|\b(?<!up )(?<!after )(for|within|after|in|by|with|at|to|every|room for) )"
    rf"(?:the |up to |about |at most |at least |no more than )?({COUNT})\s+"
    r"((?:[a-z-]+ )?(?:[a-z-]+s|people|sheep|cattle|children|per cent))\b(?! ago)"
    r"( of(?: the)?(?: (?!(?:a|an|the|at|in|on|for|to|and|or|before|after|each|every|per)\b)"
    r"[a-z-]+){1,3})?",
)
_PLACE = re.compile(
    r"(?:^|(?<=kept )|(?<=stored )|(?<=held )|(?<=found )|(?<=served )|(?<=parked ))"
    r"((?:in|on|behind|beside|next to|opposite|above|below|under|inside|near|at) "
    r"((?:(?:the|a|an) |[A-Z])[\w'-]*(?: (?!in |on |at |of |for |from |to |until )[\w'-]+){0,4})"
    r"(?: of (?:the )?[\w'-]+(?: [A-Z0-9][\w'-]*)*)?)"
)
_NO_PLACE = re.compile(
    rf"\b(?:same|day|week|month|year|morning|evening|afternoon|time|case|event|way|{MONTH}|{_DAY}s?"
    r"|\d+(?:st|nd|rd|th)|first|last|basis|rate|end|company)\b"
)
_NAME = re.compile(r"^(?:(?:Dr|Mr|Mrs|Ms)\.? )?[A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2}$")
_BY = re.compile(r"\bby ([A-Z][\w'-]+(?: [A-Z][\w'-]+){1,2})(?! and| or)")
_OBJECT = re.compile(r"^(?:(?:the|a|an) )((?!same |whole )[\w'-]+(?: [\w'-]+){1,3})$")
_CLAUSE_END = re.compile(
    r"[,;:](?=\s)|\s[–—(]|\s(?=(?:because|so|which|who|whose|when|where|while|if|unless|but|although"
    r"|though|as|that|than|even|whatever|except|including|such)\b)"
)
_DANGLING = re.compile(
    r"\b(?:at|of|for|to|by|from|within|and|or|with|in|on|before|after|only|up|then|a|an|the)\??$"
    r"|\b(?:and|or|about) (?:at|of|for|from|on|in|by|to)\b"
)
_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")


@dataclass(frozen=True)
class Clause:
    """subject + verb + rest; `asking` is the auxiliary in front, `base` the verb behind it."""

    subject: str
    verb: str
    rest: str
    asking: str
    base: str

    def inverted(self, rest: str) -> str:
        """Put the subject behind the auxiliary: "does the hall hold" + rest."""
        return " ".join(f"{self.asking} {self.subject} {self.base} {rest}".split())


Asked = Iterator[tuple[str, tuple[str, ...]]]  # question, any of these answers


def clause_of(statement: str, common: frozenset[str]) -> Clause | None:
    """Cut a statement's main clause at its finite verb, or return None where it isn't plain.

    A capital that only the beginning of the sentence gave is lowered: `common` holds the words
    that the documents also write in lower case.
    """
    words = _CLAUSE_END.split(statement.rstrip(".! "))[0].split()
    at = _finite_verb(words)
    if not at or words[0].lower() in _NO_SUBJECT or _VAGUE & {w.lower() for w in words}:
        return None
    if _DANGLING.search(words[-1]):
        return None
    subject, verb, rest = " ".join(words[:at]), words[at], _one_predicate(words[at + 1 :])
    article = words[0] in ("The", "A", "An", "Each", "Every", "No", "All", "Most")
    if article or (words[0].lower() in common and words[1].islower()):
        subject = subject[:1].lower() + subject[1:]
    return Clause(subject, verb, rest, *_asking(verb, rest))


def _asking(verb: str, rest: str) -> tuple[str, str]:
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
    return asking == "does" or bool(_YEAR.search(" ".join(words)))


def _one_predicate(rest: list[str]) -> str:
    """The words behind the verb, up to an "and" that begins a second predicate."""
    for i in range(1, len(rest) - 1):
        if rest[i] in ("and", "or") and (rest[i + 1] in AUXILIARIES or rest[i + 1] in _VERBS):
            return " ".join(rest[:i])
    return " ".join(rest)


def span_questions(clause: Clause, common: frozenset[str]) -> Asked:
    """Ask for the names, amounts, times, numbers and places in a clause, else for its object.

    Gives (question, short answers); any of the answers will do.
    """
    asks: list[Asked] = [_persons(clause, common), _amounts(clause), _times(clause)]
    asks += [_numbers(clause), _places(clause)]
    found = [asked for some in asks for asked in some] or list(_object(clause))
    return ((question, answers) for question, answers in found if not _DANGLING.search(question))


def is_name(text: str, common: frozenset[str]) -> bool:
    """Whether a text looks like a person's name: capitals, and no word that is a common one."""
    return bool(_NAME.match(text)) and not common & set(text.lower().split())


def _persons(c: Clause, common: frozenset[str]) -> Asked:
    if is_name(c.subject, common):
        yield f"Who {c.verb} {c.rest}?", (c.subject,)
    elif c.verb in ("is", "are") and is_name(c.rest, common):
        yield f"Who {c.verb} {c.subject}?", (c.rest,)
    elif (by := _BY.search(c.rest)) and is_name(by[1], common):
        yield f"By whom {c.inverted(_without(c.rest, by))}?", (by[1],)


def _amounts(c: Clause) -> Asked:
    found = list(_AMOUNT.finditer(c.rest))
    if len(found) == 1 and found[0][1] != "of":
        asked = f"{found[0][1].capitalize()} how much" if found[0][1] else "How much"
        yield f"{asked} {c.inverted(_without(c.rest, found[0]))}?", (found[0][2],)


def _times(c: Clause) -> Asked:
    if match := _TIME.search(c.rest):
        asked = {"by": "By when", "until": "Until when"}.get(match[1], "When")
        yield f"{asked} {c.inverted(_without(c.rest, match))}?", (match[2],)


def _numbers(c: Clause) -> Asked:
    """ "within five days of delivery" -> "Within how many days of delivery …?"; only one number."""
    found = list(_NUMBER.finditer(c.rest))
    if len(found) != 1 or re.search(r"\b(?:and|or) (?:up to )?\d", c.rest):
        return
    (match,) = found
    before, number, thing, of = match.groups()
    if thing.split()[0] in _NO_UNIT or (before == "in" and thing.split()[-1] not in _SPANS):
        return
    rest, answers = _without(c.rest, match), (f"{number} {thing}", number)
    if before == "every":
        yield f"How often {c.inverted(rest)}?", (match[0],)
    elif before == "room for":
        start, end = match.span()
        rest = f"{c.rest[:start]}room {c.rest[end:]}".strip()
        yield f"For how many {thing}{of or ''} {c.inverted(rest)}?", answers
    else:
        asked = f"{before.capitalize()} how many" if before else "How many"
        yield f"{asked} {thing}{of or ''} {c.inverted(rest)}?", answers


_SPANS = frozenset("minutes hours days weeks months years".split())
_NO_UNIT = frozenset("hundred thousand million of in at for on the to by from and or".split())


def _places(c: Clause) -> Asked:
    match = _PLACE.search(c.rest)
    copula = c.verb in ("is", "are") or c.base in ("lie", "stand", "hang", "sit", "meet")
    if match and copula and not _NO_PLACE.search(match[1]):
        yield f"Where {c.inverted(_without(c.rest, match))}?", (match[1], _bare(match[2]))


def _object(c: Clause) -> Asked:
    match = _OBJECT.match(c.rest)
    if match and (c.base or c.verb in ("is", "are")):
        yield f"What {c.inverted('')}?", (match[1],)


def _without(rest: str, match: re.Match[str]) -> str:
    return " ".join(f"{rest[: match.start()]} {rest[match.end() :]}".split())


def _bare(phrase: str) -> str:
    return re.sub(r"^(the|a|an) ", "", phrase)


def is_verb(word: str) -> bool:
    """Whether a word may be a finite verb."""
    return word in _VERBS or word in AUXILIARIES
