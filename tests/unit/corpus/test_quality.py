"""What isn't worth training on is rejected, and a manual's tables, lists and code never are."""

from __future__ import annotations

import base64
import random
import string
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localtune.corpus.clean.quality import reject
from localtune.corpus.read.formats import read_text
from localtune.corpus.split.passages import cut

HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook"
PROSE = (
    "The ferry leaves the north pier at seven in the morning and returns before dusk. Passengers "
    "with bicycles board first; the crew ties them down on the lower deck. In rough weather the "
    "master may cancel a crossing without notice, and tickets stay valid for a month. Dogs are "
    "welcome on the open deck if they are kept on a lead, but not in the saloon. Freight has to be "
    "at the quay one hour before departure, with a label that shows the name of the consignee."
)
KEYWORDS = (
    "cheap best buy online discount shoes boots sandals sale store price free shipping".split()
)
Make = Callable[[random.Random], str]


def shuffled_bytes(rng: random.Random) -> str:
    return bytes(rng.choices(range(256), k=rng.randint(300, 2000))).decode("latin-1")


def printable_bytes(rng: random.Random) -> str:
    kept = [*range(0x20, 0x7F), *range(0xA0, 0x100)]
    return bytes(rng.choices(kept, k=rng.randint(300, 2000))).decode("latin-1")


def misread(rng: random.Random) -> str:
    """What a scanner makes of a stained page: look-alikes and specks inside the words."""
    like = {
        "l": "1",
        "o": "0",
        "i": "!",
        "e": "c",
        "s": "5",
        "t": "+",
        "a": "@",
        "h": "|i",
        "m": "^^",
    }
    return "".join(like.get(c, c) if rng.random() < 0.3 else c for c in PROSE)


def torn(rng: random.Random) -> str:
    """What a scanner makes of a faint page: spaces inside the words."""
    return "".join(c + (" " if rng.random() < 0.45 else "") for c in PROSE)


def specks(rng: random.Random) -> str:
    marks = [". ,", "' ;", "~", "|", "- _", ": .", "^", "•", "/ \\"]
    return "The " + " ".join(w if rng.random() < 0.5 else rng.choice(marks) for w in PROSE.split())


def one_word(rng: random.Random) -> str:
    return " ".join([rng.choice(KEYWORDS)] * rng.randint(40, 400))


def one_line(rng: random.Random) -> str:
    return "\n".join([" ".join(rng.sample(PROSE.split(), 7))] * 50)


def one_sentence(rng: random.Random) -> str:
    return " ".join([rng.choice(PROSE.split(". ")) + "."] * rng.randint(8, 30))


def keywords(rng: random.Random) -> str:
    return ", ".join(" ".join(rng.sample(KEYWORDS, rng.randint(2, 3))) for _ in range(40))


def hashtags(rng: random.Random) -> str:
    return " ".join("#" + "".join(rng.sample(KEYWORDS, 2)) for _ in range(40))


def hex_dump(rng: random.Random) -> str:
    lines = range(rng.randint(10, 40))
    return "\n".join(
        f"{n * 16:08x}: " + " ".join(rng.randbytes(2).hex() for _ in range(8)) for n in lines
    )


def hex_dump_with_text(rng: random.Random) -> str:
    lines = []
    for n in range(20):
        data = rng.randbytes(16)
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in data)
        lines.append(f"{n * 16:08x}  {data.hex(' ')}  |{shown}|")
    return "\n".join(lines)


def base64_remains(rng: random.Random) -> str:
    text = base64.b64encode(rng.randbytes(900)).decode()
    return "\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def base64_broken(rng: random.Random) -> str:
    text = base64.b64encode(rng.randbytes(900)).decode()
    return " ".join(text[at : at + 20] for at in range(0, len(text), 20))


def ascii_art(rng: random.Random) -> str:
    lines = range(12)
    return "\n".join("".join(rng.choices(r"/\|_-=()<>*.o  ", k=60)) for _ in lines)


def lorem(rng: random.Random) -> str:
    return (
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit, " + PROSE[: rng.randint(50, 200)]
    )


def teasers(rng: random.Random) -> str:
    return "\n\n".join(" ".join(rng.sample(PROSE.split(), 9)) + "..." for _ in range(8))


def replacement(rng: random.Random) -> str:
    return "".join("\ufffd" if rng.random() < 0.05 else c for c in PROSE)


def keyboard(rng: random.Random) -> str:
    letters = "bcdfghjklmnpqrstvwxz" * 3 + string.ascii_lowercase
    return " ".join("".join(rng.choices(letters, k=rng.randint(4, 9))) for _ in range(60))


GARBAGE: list[Make] = [
    shuffled_bytes, printable_bytes, misread, torn, specks, one_word, one_line, one_sentence,
    keywords, hashtags, hex_dump, hex_dump_with_text, base64_remains, base64_broken, ascii_art,
    lorem, teasers, replacement, keyboard,
]  # fmt: skip


@pytest.mark.parametrize("make", GARBAGE, ids=lambda make: make.__name__)
def test_garbage_is_rejected(make: Make) -> None:
    samples = [make(random.Random(seed)) for seed in range(50)]
    missed = [sample for sample in samples if not reject(sample)]
    assert len(missed) <= 5, missed[0]


FINE = {
    "prices": "| Fare | Adult | Child |\n| --- | --- | --- |\n"
    + "\n".join(f"| Zone {n} | £{n}.50 | £{n}.00 |" for n in range(1, 40)),
    "phones": "\n".join(f"- Pier {n}: +44 1688 30{n:04}" for n in range(40)),
    "plain phones": "\n".join(f"North pier {n}   01688 30{n:04}" for n in range(40)),
    "hours": "\n".join(f"- {day}: 9:00-12:30, 13:30-17:00" for day in ("Mon", "Tue", "Sat")),
    "closed": "| Day | Open |\n| --- | --- |\n" + "| any day | closed |\n" * 30,
    "commands": "```\n"
    + "\n".join(f"$ ls /{n} | grep -v '^#' > {n}.txt" for n in range(30))
    + "\n```",
    "code": "\n".join(f"    if (x[{n}] != y->z) {{ *p++ = 0x{n:02x}; }}" for n in range(30)),
    "bare table": "Say | Don't say\n--- | ---\n" + "may | is authorised to\n" * 12,
    "short": "Closed on Mondays.",
    "script": "If the timesheet stays empty, enable JavaScript in the settings of your browser, "
    "load the page again, and sign in with the number on your badge. The office resets passwords "
    "on weekdays between nine and twelve; call first, the desk may be empty.",
    "links": "\n".join(f"See https://example.org/{'x' * 70}/{n} for zone {n}." for n in range(9)),
    "german": "Die Donaudampfschifffahrtsgesellschaft veröffentlicht Fahrplanänderungen an den "
    "Anlegestellen. Fahrkartenkontrolleure tragen Dienstausweise. Gepäckstücke werden in den "
    "Aufbewahrungsräumen angenommen; Wertgegenstände gehören nicht in die Schließfächer.",
    "czech": "Strč prst skrz krk. Loď odplouvá v sedm hodin ráno a vrací se před setměním. Psi "
    "smějí na palubu jen na vodítku a kola se přivazují na dolní palubě.",
    "chinese": "渡轮早上七点离开北码头，天黑之前返回。带自行车的乘客先上船，船员会把车固定好。",
    "thai": "เรือข้ามฟากออกจากท่าเรือทางเหนือเวลาเจ็ดโมงเช้าและกลับก่อนค่ำ ผู้โดยสารที่มีจักรยานขึ้นก่อน",
    "hindi": "नौका सुबह सात बजे उत्तरी घाट से निकलती है और अँधेरा होने से पहले लौट आती है। साइकिल "
    "वाले यात्री पहले चढ़ते हैं; कर्मचारी उन्हें निचले डेक पर बाँध देते हैं। कुत्तों को डेक पर आने "
    "दिया जाता है।",
    "arabic": "تغادر العبارة الرصيف الشمالي في الساعة السابعة صباحا وتعود قبل حلول الظلام. يصعد "
    "الركاب الذين معهم دراجات أولا، ويربطها الطاقم على السطح السفلي، ويسمح بالكلاب على السطح.",
    "greek": "Το πλοίο φεύγει από τη βόρεια προβλήτα στις επτά το πρωί και επιστρέφει πριν "
    "νυχτώσει. Οι επιβάτες με ποδήλατα επιβιβάζονται πρώτοι και το πλήρωμα τα δένει.",
}


@pytest.mark.parametrize("name", FINE)
def test_what_a_manual_is_made_of_stays(name: str) -> None:
    assert reject(FINE[name]) == ""


def test_the_handbook_stays_whole() -> None:
    files = [file for file in HANDBOOK.iterdir() if file.suffix in (".md", ".txt")]
    texts = [read_text(file.read_bytes(), file.suffix[1:]) for file in files]
    passages = [
        p.text
        for text in texts
        if text
        for most in (100, 300, 1000)
        for p in cut(text.markdown, most)
    ]
    assert len(passages) > 50
    assert [reason for reason in map(reject, passages) if reason] == []


def test_the_reason_names_the_rule_and_its_figure() -> None:
    assert reject("anticonstitutionnellement " * 30) == "mean word length 25.0, over 12 (Gopher)"
    assert reject(torn(random.Random(1))).endswith("under 3 (Gopher)")


@pytest.mark.parametrize(
    "text",
    ["|" * 1_000_000, "a" * 1_000_000, "a1" * 500_000, "aB" * 500_000, "> " * 500_000,
     "`" * 1_000_000, "- " * 500_000, "deadbeef " * 110_000, "…" * 1_000_000, "\n" * 1_000_000],
    ids=lambda text: repr(text[:4]),
)  # fmt: skip
def test_hostile_passages_take_linear_time(text: str) -> None:
    began = time.process_time()
    reject(text)
    assert time.process_time() - began < 3
