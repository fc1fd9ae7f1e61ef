"""Private data: what is found and what is left alone, and pseudonyms that are nobody's."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from private_sentences import luhn, sentences

from localtune.privacy import (
    KINDS,
    Finding,
    Pseudonyms,
    find_known_names,
    find_private,
    name_parts,
    scrub,
)

SET = sentences()
GROUPS = {"person": "names", "address": "addresses"}
HOSTILE = [
    "a", "1", "@", "-", "Aa ", "1 ", "A. ", "Anna ", "P.O. Box ", "a@", "1.", "ab:", "eyJ",
        "password: ",
    "-----BEGIN PRIVATE KEY-----\n", "14 Elm ", "://a:", "Straße ", "rue de la ", "Keller, ",
        "key=",
]  # fmt: skip


def values(text: str, **allow: frozenset[str]) -> list[tuple[str, str]]:
    return [(found.kind, text[found.start : found.end]) for found in find_private(text, **allow)]


def scrubbed(text: str, pseudonyms: Pseudonyms | None = None) -> str:
    return scrub(text, find_private(text), pseudonyms or Pseudonyms())


def group(kind: str) -> str:
    return GROUPS.get(kind, "structured")


def measure(rows: list[dict[str, Any]]) -> tuple[Counter[str], list[str]]:
    """Count labels and findings of each group, and those that meet; and list what went wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    for row in rows:
        found, labels = find_private(row["text"]), [Finding(**label) for label in row["labels"]]
        for name, ones, others in (("labels", labels, found), ("findings", found, labels)):
            for one in ones:
                met = any(
                    one.kind == o.kind and one.start < o.end and o.start < one.end for o in others
                )
                counts[f"{group(one.kind)} {name}"] += 1
                counts[f"{group(one.kind)} {name} met"] += met
                if not met:
                    wrong.append(
                        f"{name}: {one.kind} {row['text'][one.start : one.end]!r} in "
                        f"{row['text']!r}"
                    )
    return counts, wrong


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [("structured", 0.98, 0.97), ("names", 0.85, 0.85), ("addresses", 0.85, 0.85)],
)
def test_recall_and_precision(name: str, recall: float, precision: float) -> None:
    counts, wrong = measure(SET)
    assert counts[f"{name} labels"] > 10
    reached = counts[f"{name} labels met"] / counts[f"{name} labels"]
    right = counts[f"{name} findings met"] / counts[f"{name} findings"]
    assert reached >= recall and right >= precision, f"{reached:.3f} {right:.3f} {wrong}"


def test_the_sentences_are_as_announced() -> None:
    assert len(SET) == 200 and sum(not row["labels"] for row in SET) == 60
    assert sentences() == SET and sentences(1) != SET
    assert {label["kind"] for row in SET for label in row["labels"]} == set(KINDS)


def test_nothing_is_found_twice() -> None:
    """Whatever is put in is no finding, and scrubbing again changes nothing."""
    pseudonyms = Pseudonyms()
    for row in SET:
        once = scrubbed(row["text"], pseudonyms)
        assert find_private(once) == [], once
    for row in sentences(7):
        assert find_private(scrubbed(row["text"], pseudonyms)) == []


@pytest.mark.parametrize(
    "text",
    [
        "git clone https://ghp_4fKd9sLqWz7RtYp2Xn8VbMc3HjGa6UeT1oIq@github.com/acme/site.git",
        "Card number: 3782 822463 10005",
        "Meet at 50 UN Plaza on Mondays.",
        "The clinic is at 101 Grove St. for now.",
        "https://app:r7TzLq29x@acme.org and password: r7TzLq29x",
    ],
)
def test_one_kind_of_pseudonym_is_no_finding_of_another(text: str) -> None:
    assert find_private(text) != [] and find_private(scrubbed(text)) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([row["text"] for row in SET]), max_size=6), st.text(max_size=8))
def test_scrubbed_texts_stay_as_they_are(parts: list[str], between: str) -> None:
    once = scrubbed(f"\n{between}\n".join(parts))
    assert scrubbed(once) == once


def test_findings_are_sorted_and_apart() -> None:
    text = " ".join(row["text"] for row in SET)
    found = find_private(text)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(found.kind in KINDS and found.start < found.end for found in found)


def test_one_person_has_one_pseudonym() -> None:
    text = "Anna Keller met Ms Keller. A. Keller wrote to Priya Nair. ANNA KELLER's desk."
    out = scrubbed(text)
    first, last = out.split()[:2]
    assert out.startswith(f"{first} {last} met Ms {last}. {first[0]}. {last} wrote to ")
    assert out.endswith(f"{first.upper()} {last.upper()}'s desk.")
    assert "Keller" not in out and "Priya" not in out


def test_an_initial_that_comes_first_agrees_too() -> None:
    out = scrubbed("The note of D. Halvorsen, who is Dagny Halvorsen, is here.")
    initial, full = re.findall(r"of (\w)\. \w+, who is (\w+)", out)[0]
    assert full.startswith(initial)


def test_pseudonyms_come_in_order_and_tell_nothing() -> None:
    a, b = Pseudonyms(), Pseudonyms()
    assert a.of("person", "Anna Keller") == b.of("person", "Priya Nair")
    assert a.of("email", "x@acme.org") == b.of("email", "y@other.net")
    many = Pseudonyms()
    given_out = {many.of("email", f"{i}@acme.org") for i in range(3000)}
    assert len(given_out) == 3000
    names = {many.of("person", f"Xa{'abcdefghij'[i % 10]}{i // 10}x") for i in range(10)}
    assert len(names) == 10


@pytest.mark.parametrize(
    ("kind", "value", "shape"),
    [
        ("email", "anna@acme.org", r"[a-z]+\.[a-z]+@example\.com"),
        ("phone", "+49 (0)30 901820", r"\+49 \(0\)00 000001"),
        ("phone", "(212) 736-5000", r"\(000\) 555-0001"),
        ("card", "4111-1111-1111-1111", r"4000-0000-0000-\d{4}"),
        ("iban", "DE89 3704 0044 0532 0130 00", r"DE00 0000 0000 0000 0000 01"),
        ("ssn", "536-22-8726", r"000-00-0001"),
        ("nino", "JG 10 37 59 A", r"QQ 00 00 01 A"),
        ("ip", "10.1.2.3", r"192\.0\.2\.1"),
        ("ip", "fe80::1ff", r"2001:db8::1"),
        ("mac", "3c-52-82-6f-11-0a", r"00-00-5E-00-53-01"),
        ("birth_date", "12.04.1975", r"\d\d\.\d\d\.190\d"),
        ("birth_date", "July 4, 1955", r"July \d, 190\d"),
        ("passport", "C4VTX6P2L", r"X0XXX0X1X"),
        ("address", "14 Elm Street, Springfield, IL 62704", r"1 Example Street, Exampleton, XX "
                                                            r"00000"),
        ("aws_key", "AKIAIOSFODNN7EXAMPLE", r"AKIAx{16}"),
        ("password", "hunter2", r"\*{8}"),
        ("wallet", "0x52908400098527886E0F7030069857D2E4169EE7", r"0xx{40}"),
    ],
)  # fmt: skip
def test_a_pseudonym_keeps_the_shape_and_is_nobodys(kind: str, value: str, shape: str) -> None:
    made = Pseudonyms().of(kind, value)
    assert re.fullmatch(shape, made), made
    assert (
        (kind in ("email", "password"))
        or len(made) == len(value)
        or kind in ("address", "ip", "birth_date")
    )


def test_no_pseudonym_passes_a_check() -> None:
    pseudonyms = Pseudonyms()
    for i in range(200):
        card = pseudonyms.of("card", f"41111111111{i:05}")
        assert luhn(card[:-1]) != card
        for number, region in ((f"+44 20 7946 {i:04}", None), (f"(212) 736-{i:04}", "US")):
            parsed = phonenumbers.parse(pseudonyms.of("phone", number), region)
            assert not phonenumbers.is_valid_number(parsed)
        address = ipaddress.ip_address(pseudonyms.of("ip", f"81.2.69.{i}"))
        assert not address.is_global


def test_what_is_public_is_left() -> None:
    text = "Ada Lovelace (info@acme.org, +44 20 7183 8750) met Ms Lovelace and Anna Keller."
    allow = frozenset(["ada lovelace", "@acme.org", "+442071838750"])
    assert values(text, allow=allow) == [("person", "Anna Keller")]
    assert values("Ask Anna Keller, please.", allow=frozenset(["keller"])) == []
    assert values("Mail info@acme.org now.", allow=frozenset(["info@acme.org"])) == []
    assert values("Mail info@acme.org now.", allow=frozenset(["@acme.com"])) != []


def test_lone_mentions_of_people_found_elsewhere() -> None:
    page = "Please contact Dr. Anna B. Keller or Mark Halvorsen."
    known = name_parts(page, find_private(page))
    assert known == {"anna", "keller", "mark", "halvorsen"}
    text = "Keller's view: Mark the box on Keller Street. Later Anna Keller and KELLER agreed."
    found = find_known_names(text, find_private(text), known, frozenset(["mark", "box"]))
    said = [text[f.start : f.end] for f in found]
    assert said == ["Keller", "Anna Keller", "KELLER"]
    assert find_known_names(text, [], frozenset(), frozenset()) == []


def test_pseudonyms_of_lone_mentions_agree() -> None:
    pseudonyms = Pseudonyms()
    whole = pseudonyms.of("person", "Anna Keller").split()
    assert [pseudonyms.of("person", word) for word in ("Anna", "Keller")] == whole
    known = frozenset(["anna", "keller"])
    text = f"{whole[0]} said that {whole[1]} left."
    assert find_known_names(text, find_private(text), known, frozenset()) == []


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * (250_000 // len(unit) + 1))[:250_000]
    started = time.process_time()
    find_private(text)
    assert time.process_time() - started < 15


def test_importing_is_cheap() -> None:
    code = (
        "import sys, time; a = time.process_time(); import localtune.privacy;"
        "assert time.process_time() - a < 0.5, time.process_time() - a;"
        "assert 'phonenumbers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
