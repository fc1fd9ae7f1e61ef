"""What is taken out of documents and pages, what stays, and that no document is too hard."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable

import pytest

from localtune.corpus.clean.boilerplate import without_boilerplate
from localtune.corpus.clean.hyphens import unhyphenated
from localtune.corpus.clean.language import language_of
from localtune.corpus.read.pages import join_pages

APACHE = """Licensed under the Apache License, Version 2.0 (the "License");
you may not use this file except in compliance with the License.
You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software
distributed under the License is distributed on an "AS IS" BASIS."""
MIT = """MIT License

Copyright (c) 2021 Jane Doe

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction.

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND."""
BSD = """Copyright 2020 The Authors. All rights reserved.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice.

* Redistributions in binary form must reproduce the above copyright
notice, this list of conditions and the disclaimer.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"."""
GPL = """This program is free software: you can redistribute it and/or modify
it under the terms of the GNU General Public License.

This program is distributed in the hope that it will be useful,
but WITHOUT ANY WARRANTY.

You should have received a copy of the GNU General Public License."""
SMALL = [
    'SPDX-License-Identifier: MIT',
    "© 2024 Harbour Ltd. All rights reserved.",
    "This work is licensed under a Creative Commons Attribution 4.0 International License.",
    "This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0.",
    "Except where otherwise noted, content on this site is licensed under CC BY 4.0.",
]  # fmt: skip


def taken(text: str) -> list[str]:
    return [piece.what for piece in without_boilerplate(text)[1]]


def body(*headings: str) -> str:
    return "\n\n".join(f"## {heading}\n\nWhat there is to say." for heading in headings)


@pytest.mark.parametrize(
    "block",
    [
        "Introduction ........ 3\nFares ............. 7\nDogs on board .... 12",
        "1. Introduction . . . . . . 3\n2. Fares . . . . . . . 7\n2.1 Dogs . . . . . 7",
        "# Contents\n\nIntroduction ....... iii\n\nFares ....... 7\n\nDogs ....... 12",
        "Contents\nIntroduction\t3\nFares\t7\nDogs    12",
        "## Table of contents\n\n- Introduction\n- Fares\n- Dogs",
        "**Inhalt**\n\n1. Introduction\n2. Fares\n   - Dogs",
        "- Introduction\n- Fares\n- Dogs",
        "In this guide:\n\n- Introduction\n- Fares\n- Dogs",
    ],
)
def test_contents_are_taken_out(block: str) -> None:
    rest = "# Handbook\n\nWelcome.\n\n{}" + body("Introduction", "Fares", "Dogs")
    text, removed = without_boilerplate(rest.format(block + "\n\n"))
    assert {piece.what for piece in removed} == {"contents"}
    assert "Dogs" in removed[-1].text
    assert text.replace("In this guide:\n\n", "") == rest.format("")


@pytest.mark.parametrize(
    "block",
    [
        "- Bring a towel\n- Bring soap\n- Fares",  # a list with something to say
        "We offer three services:\n\n- Introduction\n- Fares\n- Dogs",  # a fact
        "Adult    4\nChild    2\nDog    1",
        "Espresso    2\nLatte    3\nMocha    4",  # prices that happen to rise
        "Soup ..... 4.50\nSalad ..... 6.00\nSteak ..... 18.00",
        "Monday\t9\nTuesday\t9\nWednesday\t12",
        "```\nIntroduction ........ 3\nFares ............. 7\nDogs .... 12\n```",
        "Sommaire\n\nUn texte qui dit quelque chose.",
        "And so it goes...\nand goes...\nand goes...",
    ],
)
def test_lists_that_say_something_stay(block: str) -> None:
    text = f"# Handbook\n\n{block}\n\n" + body("Introduction", "Fares", "Dogs")
    assert without_boilerplate(text) == (text, [])


@pytest.mark.parametrize("licence", [APACHE, MIT, BSD, GPL, *SMALL], ids=lambda text: text[:20])
def test_a_licence_is_taken_out(licence: str) -> None:
    assert without_boilerplate(licence)[0] == ""
    before, after = "# Handbook\n\nThe ferry leaves at seven.", "Dogs are welcome."
    text, removed = without_boilerplate(
        f"{before}\n\n## License\n\n{licence}\n\n## Dogs\n\n{after}"
    )
    assert text == f"{before}\n\n## Dogs\n\n{after}"
    assert {piece.what for piece in removed} == {"licence"}


def test_a_whole_licence_leaves_nothing() -> None:
    section = "The Licensor grants You a licence to reproduce Derivative Works of the Work.\n\n"
    text = "# Apache License\n\nVersion 2.0, January 2004\n\n## 1. Definitions\n\n" + section * 20
    rest, removed = without_boilerplate(text)
    assert rest == ""
    assert [piece.what for piece in removed] == ["licence"]


@pytest.mark.parametrize("mark", ["#", "//", " *"])
def test_a_licence_in_a_comment_is_taken_out_and_the_code_stays(mark: str) -> None:
    header = "\n".join(f"{mark} {line}".rstrip() for line in APACHE.split("\n"))
    text, removed = without_boilerplate(f"```\n{header}\n{mark}/\nimport os\n\nprint(os.name)\n```")
    assert "import os\n\nprint(os.name)" in text
    assert "License" not in text
    assert removed


@pytest.mark.parametrize(
    "text",
    [
        "We use the Apache licence because it grants patents.",
        "The software may be copied under the MIT licence, see the file LICENSE.",
        "Copyright belongs to whoever writes the text.",
        "This boat is licensed under the Merchant Shipping Act and carries 40 people.",
        "Ask the office whether all rights reserved by the author were bought.",
        "# Licence\n\nThe driver must show a licence.\n\n## Renewal\n\nEvery ten years.",
        "# Boat licences\n\nEach licensor of a boat signs.\n\nThe licensor pays.",
    ],
)
def test_talk_of_licences_stays(text: str) -> None:
    assert without_boilerplate(text) == (text, [])


def encoded(n: int, width: int = 0) -> str:
    text = base64.b64encode(random.Random(1).randbytes(n)).decode()
    width = width or len(text)
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


@pytest.mark.parametrize(
    "data",
    [
        encoded(200),
        encoded(600, 76),
        encoded(102, 64),
        random.Random(2).randbytes(80).hex(),
        f"data:image/png;base64,{encoded(60)}",
        f"-----BEGIN CERTIFICATE-----\n{encoded(300, 64)}\n-----END CERTIFICATE-----",
        "-----BEGIN PGP MESSAGE-----\nVersion: 1\n\nshort\n=ab12\n-----END PGP MESSAGE-----",
        "begin 644 boat.txt\nM5&AE(&9E<G)Y(&QE879E<R!A=\n`\nend",
    ],
)
def test_encoded_data_is_taken_out(data: str) -> None:
    text, removed = without_boilerplate(f"# Boats\n\nBefore it.\n\n{data}\n\nAfter it.")
    assert text.split() == ["#", "Boats", "Before", "it.", "After", "it."]
    assert {piece.what for piece in removed} == {"encoded data"}


@pytest.mark.parametrize(
    "text",
    [
        "See https://example.org/" + "a-long-path/to-some-page/" * 8 + "index.html for more.",
        "/".join(["home", "someone", "projects"] * 8),
        "_" * 200,
        "Donaudampfschifffahrtsgesellschaft" * 4,
        "船は七時に北の桟橋を出て日が暮れる前に戻ります" * 10,
        "The journey will\nbegin 644 metres from the quay\nand\nend",
    ],
)
def test_long_words_that_are_no_data_stay(text: str) -> None:
    assert without_boilerplate(text) == (text, [])


NAMES = "Arran Bute Coll Eigg Fair Gigha Harris Iona Jura Kerrera Luing Muck".split()


def pages(n: int, top: str = "", bottom: str = "") -> list[str]:
    texts = [f"On {name} the ferry is met by {word}.\n\n{name} waits." for name, word in zip(
        (NAMES * n)[:n], range(1000, 1000 + n), strict=True)]  # fmt: skip
    return [
        "\n\n".join(filter(None, [top.format(i + 1), text, bottom.format(i + 1)]))
        for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("top", "bottom", "what"),
    [
        ("Ferry Handbook 2024", "", {"page header"}),
        ("# FERRY HANDBOOK", "", {"page header"}),
        (
            "Handbook 2024 — page {} of 40",
            "Harbour Ltd.\nConfidential",
            {"page header", "page footer"},
        ),
        ("", "{}", {"page number"}),
        ("- {} -", "", {"page number"}),
        ("Handbook", "Page {} of 9", {"page header", "page number"}),
    ],
)
def test_headers_footers_and_numbers_are_taken_out(top: str, bottom: str, what: set[str]) -> None:
    text, removed = join_pages(pages(9, top, bottom))
    assert text == "\n\n".join(pages(9))
    assert {piece.what for piece in removed} == what


def test_left_and_right_headers_are_taken_out() -> None:
    both = [f"{('Ferries', 'Harbours')[i % 2]}\n\n{text}" for i, text in enumerate(pages(8))]
    text, removed = join_pages(both)
    assert text == "\n\n".join(pages(8))
    assert removed[0].text == "Ferries\nHarbours"


def test_roman_numbers_are_taken_out() -> None:
    text, _ = join_pages(
        [f"{page}\n\n{n}" for page, n in zip(pages(3), ["x", "xi", "xii"], strict=True)]
    )
    assert text == "\n\n".join(pages(3))


@pytest.mark.parametrize(
    "many",
    [
        [f"# Chapter {i}\n\nOn {name}." for i, name in enumerate(NAMES)],
        [f"# {name}\n\nWhat there is on {name}." for name in NAMES],
        [
            f"On {name}.\n\nOne.\n\nTwo.\n\nBring a coat.\n\nThree.\n\nFour.\n\n{name}."
            for name in NAMES
        ],
        ["| Name | Price |\n| --- | --- |\n| Dog | 1 |"] * 5,
        ["The code of the door is below.\n\n12"],
        ["The year was\n\n1912", "The dog was\n\n7"],
        ["Handbook\n\nOne.", "Handbook\n\nTwo."],
    ],
)
def test_content_of_pages_stays(many: list[str]) -> None:
    assert join_pages(many) == ("\n\n".join(many), [])


def test_a_sentence_goes_on_over_the_page() -> None:
    text, _ = join_pages(
        ["The ferry leaves the\nnorth", "pier at seven.", "Dogs are wel-", "come on deck"]
    )
    assert text == "The ferry leaves the\nnorth\npier at seven.\n\nDogs are welcome\non deck"


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("docu-\nment", "document"),
        ("The docu-\nment is here.\nNext.", "The document\nis here.\nNext."),
        ("docu-\nmenta-\ntion, then", "documentation,\nthen"),
        ("It is well-\nknown. A well-known one.", "It is well-known.\nA well-known one."),
        ("A well-\nknown fact; known to do well.", "A well-known\nfact; known to do well."),
        ("An over-\nview.\nAn overview over a view.", "An overview.\nAn overview over a view."),
        ("Anglo-\nAmerican trade", "Anglo-American\ntrade"),
        ("state-of-the-\nart boats", "state-of-the-art\nboats"),
        ("SCHIFF-\nFAHRT", "SCHIFFFAHRT"),
        ("die Schiff-\nfahrt über", "die Schifffahrt\nüber"),
    ],
)  # fmt: skip
def test_broken_words_are_mended(broken: str, mended: str) -> None:
    assert unhyphenated(broken) == mended


@pytest.mark.parametrize(
    "text",
    [
        "in 2019-\n2020 it was",
        "```\nlong-\nname\n```",
        "| a-\nb |",
        "Haupt-\nund Nebensaison",
        "one -\ntwo",
        "one--\ntwo",
        "- one-\n- two",
        "one-\n\ntwo",
    ],
)
def test_other_hyphens_stay(text: str) -> None:
    assert unhyphenated(text) == text


def hostile() -> dict[str, Callable[[], object]]:
    size = 5_000_000
    return {
        "one line": lambda: without_boilerplate("word " * (size // 5)),
        "one run": lambda: without_boilerplate("aB3" * (size // 3)),
        "short runs": lambda: without_boilerplate(("a" * 99 + " ") * (size // 100)),
        "short lines": lambda: without_boilerplate("- item\n" * 200_000),
        "contents": lambda: without_boilerplate("Contents\n" * 200_000),
        "comments": lambda: without_boilerplate("// Copyright (c) 2020\n" * 50_000),
        "dots": lambda: without_boilerplate("." * size),
        "lines of dots": lambda: without_boilerplate(("." * 150 + "\n") * (size // 151)),
        "begins": lambda: without_boilerplate("-----BEGIN A-----\nbegin 644 A\n" * 50_000),
        "spaces": lambda: without_boilerplate(" " * size + "x"),
        "hyphens": lambda: unhyphenated("ab-\n" * 60_000),
        "pages": lambda: join_pages(["Handbook\n\nab-\nc\n\nthe end\n\n7"] * 10_000),
        "long pages": lambda: join_pages(["x-\n" * 1000] * 50),
        "same pages": lambda: join_pages(["1"] * 10_000),
        "language": lambda: language_of("a(" * (size // 2)),
    }


@pytest.mark.parametrize("name", hostile())
def test_no_document_is_too_hard(name: str) -> None:
    began = time.process_time()
    hostile()[name]()
    assert time.process_time() - began < 8  # linear: under 2 s on an idle machine


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The ferry leaves the pier at seven and returns before dusk.", "en"),
        ("Die Fähre legt um sieben Uhr ab und kommt vor der Dämmerung zurück.", "de"),
        ("Le bateau part du quai à sept heures et revient avant la nuit.", "fr"),
        ("El barco sale del muelle a las siete y vuelve antes del anochecer.", "es"),
        ("Vaporul pleacă de la chei la ora șapte și se întoarce înainte de seară.", "ro"),
        ("Feribot saat yedide iskeleden kalkar ve hava kararmadan geri döner.", "tr"),
        ("Phà rời bến lúc bảy giờ sáng và trở về trước khi trời tối.", "vi"),
        ("Паром отходит от причала в семь часов и возвращается до темноты.", "ru"),
        ("Το πλοίο φεύγει από την προβλήτα στις επτά και επιστρέφει πριν νυχτώσει.", "el"),
        ("تغادر العبارة الرصيف في الساعة السابعة وتعود قبل حلول الظلام.", "ar"),
        ("नौका सुबह सात बजे घाट से निकलती है और अँधेरा होने से पहले लौट आती है।", "hi"),
        ("เรือข้ามฟากออกจากท่าเวลาเจ็ดโมงเช้าและกลับก่อนค่ำ", "th"),
        ("渡轮早上七点离开码头，天黑之前返回。", "zh"),
        ("船は朝七時に桟橋を出て、日が暮れる前に戻ります。", "ja"),
        ("Ferry", ""),
        ("12:30 14:45 | 17 | 9,99 €", ""),
        ("", ""),
    ],
)
def test_the_language_is_told(text: str, code: str) -> None:
    assert language_of(text) == code
    table = "| a_1 | 0x3f | 9,99 € |\n" * 40
    if code:
        assert (
            language_of(f"{table}{text}\n\n```\nfor (i = 0; i < n; i++) {{}}\n```\n" + text) == code
        )
