"""200 sentences with private data in them, and labels that say where: python -m private_sentences.

Made from a seed, with generators of their own for every checksum, so that they know nothing of
the code that is tested. The last 60 hold nothing private, but much that looks like it.
"""

from __future__ import annotations

import hashlib
import json
import random
import string
from collections.abc import Callable
from typing import Any

FIRST = """Anna Priya Kwame Siobhán Mehmet Ingrid Rafael Yuki Fatima Dmitri Chloé Lars Ngozi Tomás
    Leila Hans Aisha Marco Zofia Ravi""".split()
LAST = """
    Keller Raghunathan Boateng O'Connell Yıldız Halvorsen Figueiredo Tanaka Al-Hashimi Volkov
    Lefebvre Lindqvist Okonjo Navarro Farahani Brandt Diallo Santoro Kowalska Chatterjee""".split()
EMAILS = [
    "Write to {} if the door is locked.", "E-mail: {}", "<{}> wrote on Monday:", "cc {}, please",
    "My old address, {}, no longer works.",
]  # fmt: skip
PHONES = [
    "Call me on {} tonight.", "Phone: {}", "Tel. {}", "You can text {} at any time.", "Mobile {}",
    "Her cell is {}.", "Fax {} still works.",
]  # fmt: skip
PHONE_SHAPES = [
    "+1 415 7## 2###", "(212) 7##-4###", "312-6##-9###", "+44 20 7### ####", "07911 1#####",
    "+49 30 2#######", "030 2#######", "+33 6 12 ## ## ##", "01 42 ## ## ##", "+34 612 ### ###",
    "+39 02 4### ####", "+31 6 2### ####", "+41 44 668 ## ##", "+43 1 5## ####", "+61 412 ### ###",
    "+91 98### #####",
]  # fmt: skip
CARDS = ["Card {} was charged.", "Visa: {}", "He paid with {} last night.", "Credit card no. {}"]
IBANS = ["IBAN: {}", "Please transfer it to {}.", "The account {} is closed.", "Konto {}"]
ADDRESSES = [
    "She lives at {}.", "Deliver to: {}", "Our office moved to {}", "The bill went to {}.",
]  # fmt: skip
ADDRESS_VALUES = [
    "14 Elm Street, Springfield, IL 62704", "27 Queen's Road, Brighton BN1 3XA",
    "350 Fifth Avenue, Suite 3300, New York, NY 10118", "88 Bloor Street West, Toronto, ON M5S 1M7",
    "5 Banksia Crescent, Fremantle WA 6160", "Lindenstraße 12a, 10969 Berlin",
    "12 rue de la Paix, 75002 Paris", "Calle de Alcalá 45, 28014 Madrid", "Via Roma 10, 00184 Roma",
    "Prinsengracht 263, 1016 GV Amsterdam", "Flat 3, 9 Abbey Lane, Leeds LS1 4AP",
    "P.O. Box 2217, Austin, TX 78768",
]  # fmt: skip
BIRTHS = [
    "She was born on {}.", "Date of birth: {}", "DOB {}", "Geboren am {}", "Née le {} à Lyon.",
    "Fecha de nacimiento: {}",
]  # fmt: skip
BIRTH_SHAPES = [
    "{2} March {0}",
    "{0}-{1:02}-{2:02}",
    "{1:02}/{2:02}/{0}",
    "{2:02}.{1:02}.{0}",
    "April {2}, {0}",
]
PEOPLE = [
    "Yesterday {} asked for a new chair.", "Please contact {} about the keys.", "Signed: {}",
    "The report was written by {}.", "{} will lead the project from May on.", "Dear {},",
    "The manager, {}, approved it.", "My name is {}.", "Minutes taken by {} on Tuesday.",
    "We talked with {} at lunch.", "{}'s laptop was stolen.", "| {} | Treasurer |",
]  # fmt: skip
TITLED = [
    "Mrs {} signed the lease.",
    "Please ask Dr. {} first.",
    "Herr {} kommt später.",
    "Ms {}'s desk is free.",
]
LONE = ["Hi {}, are you free?", "Thanks, {}", "Could you ask {} whether the van is back?"]
NOTHING = """
Our Sick Leave Policy applies to everybody.|Meet at Victoria Station at noon.
Martin Luther King Day is a holiday.|The Rose Garden closes at dusk.
Order 4921-8830-1127 has shipped.|Tracking number 1Z999AA10123456784|ISBN 978-0-306-40615-7
ISSN 2049-3630|EAN 4006381333931|doi:10.1038/s41586-020-2649-2|Upgrade to version 10.0.19041.1.
Version 1.2.3.4 fixes the crash.|See section 4.3.2.1 of the guide.
commit 9fceb02d0ae598e95dc970b74767f19372d61af8|id 550e8400-e29b-41d4-a716-446655440000
md5 d41d8cd98f00b204e9800998ecf8427e|2023-11-05T14:33:21Z started
The tower is at 48.8584, 2.2945.|It costs $1,299.00 for 1,000 units.|Part number 5C-88210-334
It covers 2019-2020 and 2021-2022.|Take 1-800 steps or 10 000 a day.
The meeting on 12 March 2024 was moved.|The Jenkins pipeline failed.
Prince Edward Island is green.|Install Visual Studio Code first.|The Red Cross runs the course.
Parkinson's disease affects movement.|Newton's law of cooling|Johnson & Johnson rose by 2 %.
He rides a Harley Davidson.|St. Mary's Hospital has a new wing.
Will you mark the bill as paid in May?|Grace period: fourteen days|Hope is not a strategy.
# Getting Started|# Travel Guide|## Human Resources|- Summer Holiday Schedule
password: see the wiki|Your password must be 12 characters long.|password: ********
password=${DB_PASSWORD}|Enter the password: <your-password>|The password is case-sensitive.
Listen on 127.0.0.1 and 0.0.0.0.|The netmask is 255.255.255.0.
For example 192.0.2.44 or 2001:db8::1|Washington Street is closed.
Follow the Johnson County rules.|The Sarbanes Oxley Act requires it.
Call volume rose from 1500 to 2400.|api_key: YOUR_API_KEY|Dear Customer,
Contact Customer Support for refunds.|Best Practices for Remote Work
Passport control is on level 2.|The company was born in 1999.|June and July are busy.
The Wall Street Journal reported it.
""".strip().replace("\n", "|").split("|")  # fmt: skip


def luhn(head: str) -> str:
    """Add the check digit that makes a card number valid."""
    doubled = [int(d) * (2 if i % 2 == 0 else 1) for i, d in enumerate(reversed(head))]
    return head + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def iban(country: str, account: str) -> str:
    """Put check digits before an account."""
    digits = "".join(
        str(string.digits.find(c)) if c.isdigit() else str(ord(c) - 55) for c in account + country
    )
    return f"{country}{98 - int(digits + '00') % 97:02}{account}"


def base58check(payload: bytes) -> str:
    """Write 21 bytes as a Bitcoin address."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, i = divmod(number, 58)
        out = alphabet[i] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def fours(value: str, gap: str = " ") -> str:
    """Write a number in groups of four."""
    return gap.join(value[i : i + 4] for i in range(0, len(value), 4))


class Maker:
    """Makes values from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def of(self, alphabet: str, count: int) -> str:
        """Draw letters: always some digit among them."""
        drawn = "".join(self.random.choice(alphabet) for _ in range(count - 2))
        return drawn + self.random.choice("23456789") + self.random.choice(alphabet)

    def poured(self, shape: str) -> str:
        """Put digits into a shape."""
        return "".join(self.random.choice("23456789") if c == "#" else c for c in shape)

    def name(self) -> str:
        return f"{self.random.choice(FIRST)} {self.random.choice(LAST)}"

    def email(self) -> str:
        first, last = (self.random.choice(names).lower() for names in (FIRST, LAST))
        name = "".join(c for c in f"{first}.{last}" if c.isascii() and c not in "'-")
        return name + self.random.choice(
            ["@acme.org", "+work@posteo.de", "@mail.co.uk", "@x-lab.io"]
        )

    def card(self) -> str:
        value = luhn(
            self.random.choice(["4", "51", "6011", "37", "2221"]).ljust(4, "2")
            + self.of("0123456789", 11)
        )
        if value.startswith("37"):
            return luhn(value[:14])
        return self.random.choice([value, fours(value), fours(value, "-")])

    def iban(self) -> str:
        country, shape = self.random.choice(
            [("DE", "#" * 18), ("GB", "NWBK" + "#" * 14), ("FR", "#" * 23), ("ES", "#" * 20),
             ("NL", "ABNA" + "#" * 10), ("CH", "#" * 17), ("AT", "#" * 16), ("IT", "X" + "#" * 22)]
        )  # fmt: skip
        value = iban(country, self.poured(shape))
        return self.random.choice([value, fours(value)])

    def birth(self) -> str:
        year, month, day = (
            self.random.randint(1935, 1999),
            self.random.randint(1, 12),
            self.random.randint(1, 28),
        )
        return self.random.choice(BIRTH_SHAPES).format(year, month, day)

    def secret(self, i: int) -> tuple[str, str, str]:
        """Return a kind, a sentence and a value of the i-th service."""
        letters = string.ascii_letters + string.digits
        kind, sentence, value = SECRETS[i % len(SECRETS)]
        return kind, sentence, value(lambda count: self.of(letters, count))


KEY = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"
Draw = Callable[[int], str]
SECRETS: list[tuple[str, str, Callable[[Draw], str]]] = [
    ("aws_key", "AWS_ACCESS_KEY_ID={}", lambda of: "AKIA" + of(16).upper()),
    ("aws_key", "aws_secret_access_key = {}", lambda of: of(40)),
    ("github_token", "token {} leaked", lambda of: "ghp_" + of(36)),
    ("slack_token", "The bot uses {} now.", lambda of: f"xoxb-2048291834-{of(24)}"),
    ("slack_token", "Post to {}", lambda of: f"https://hooks.slack.com/services/T02AB/B03CD/{of(24)}"),
    ("api_key", "OPENAI_API_KEY={}", lambda of: "sk-proj-" + of(40)),
    ("api_key", "Use {} for Claude.", lambda of: "sk-ant-api03-" + of(40)),
    ("api_key", "maps: {}", lambda of: "AIza" + of(35)),
    ("api_key", "stripe {}", lambda of: "sk_live_" + of(24)),
    ("api_key", "CI uses {}.", lambda of: "glpat-" + of(20)),
    ("api_key", "api_key = \"{}\"", lambda of: of(32)),
    ("jwt", "Cookie: session={}", lambda of: f"eyJ{of(20)}.eyJ{of(30)}.{of(43)}"),
    ("private_key", "{}", lambda of: KEY.format(of(64))),
    ("url_password", "postgres://app:{}@db.internal/prod", lambda of: of(12)),
    ("password", "The wifi password is {}.", lambda of: "Kettle" + of(6)),
    ("password", "password: {}", lambda of: of(10)),
    ("wallet", "Pay 0.1 BTC to {}", lambda of: base58check(b"\0" + of(20).encode())),
    ("wallet", "ETH {} please", lambda of: "0x" + hashlib.sha256(of(9).encode()).hexdigest()[:40]),
]  # fmt: skip


OTHERS = [
    ("ssn", "Her SSN is {}.", "5##-4#-9###"),
    ("ssn", "social security no. {}", "4####4###"),
    ("nino", "NI number {}", "JG ## ## ## A"),
    ("nino", "Payslip for {}", "CE######B"),
    ("ip", "The server {} is down.", "10.21#.3#.4#"),
    ("ip", "Login from {}", "81.#.6#.1#4"),
    ("ip", "ping {}", "2a00:1450:4001:81b::2#0e"),
    ("mac", "The printer is {}.", "3C:52:82:6F:1#:0A"),
    ("passport", "Passport no. {}", "X#######"),
    ("passport", "Reisepass {}", "C4VTX6P#L"),
]


def sentences(seed: int = 20) -> list[dict[str, Any]]:
    """Return 140 labelled sentences and 60 without private data."""
    make = Maker(seed)
    pick = make.random.choice
    wanted: list[tuple[str, str, str]] = []
    for kind, wordings, value, count in (
        ("email", EMAILS, make.email, 10),
        ("card", CARDS, make.card, 10),
        ("iban", IBANS, make.iban, 10),
        ("birth_date", BIRTHS, make.birth, 10),
        ("person", PEOPLE, make.name, 30),
    ):
        wanted += [(kind, wordings[i % len(wordings)], value()) for i in range(count)]
    wanted += [("phone", pick(PHONES), make.poured(shape)) for shape in PHONE_SHAPES]
    wanted += [("address", pick(ADDRESSES), value) for value in ADDRESS_VALUES]
    wanted += [("person", pick(TITLED), pick(LAST)) for _ in range(5)]
    wanted += [("person", pick(LONE), pick(FIRST)) for _ in range(5)]
    wanted += [(kind, wording, make.poured(shape)) for kind, wording, shape in OTHERS]
    wanted += [make.secret(i) for i in range(140 - len(wanted))]
    labelled = [_labelled(kind, wording, value) for kind, wording, value in wanted]
    return labelled + [{"text": text, "labels": []} for text in NOTHING]


def _labelled(kind: str, wording: str, value: str) -> dict[str, Any]:
    start = wording.index("{}")
    label = {"kind": kind, "start": start, "end": start + len(value)}
    return {"text": wording.replace("{}", value), "labels": [label]}


if __name__ == "__main__":
    for row in sentences():
        print(json.dumps(row, ensure_ascii=False))
