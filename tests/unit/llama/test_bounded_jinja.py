"""A chat template ends, whatever it says; those of real models render as before."""

from __future__ import annotations

import pytest

from localtune.errors import RuntimeFileError
from localtune.llama.chat import render

SAID = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ruben."}]
END = "{% endfor %}"
NESTED = "{% for a in range(99999) %}" * 5 + "x" + END * 5
STRINGS = "{% for a in 'x' * 99999 %}" * 3 + "x" + END * 3
MAPPED = "{% for a in n|map('string') %}" * 3 + END * 3
ENDLESS = {
    "loops in loops": NESTED,
    "silent loops": NESTED.replace("x", ""),
    "loops over values": STRINGS,
    "loops over a generator": "{% set n = range(99999) %}" + MAPPED,
    "ranges": "{% for a in range(99999) %}{% if range(99999)|sum %}{% endif %}" + END,
    "calls": "{% macro f(n) %}{% if n %}{{ f(n-1) ~ f(n-1) }}{% endif %}{% endmacro %}{{ f(99) }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a loop that calls itself": "{% for a in [1] recursive %}{{ loop([1, 1]) }}" + END,
    "a name of ours": "{% set _counted, range = 1, 2 %}" + STRINGS,
    "long text": "{% set t = 'x' * 999999 %}{% for a in 'x' * 99 %}{{ t }}" + END,
    "repetition": "{{ 'x' * 999999999 }}",
    "repetition of a list": "{{ ([1] * 999999999)|length }}",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "powers": "{% set n = namespace(x=9) %}{% for a in 'x' * 99 %}{% set n.x = n.x * n.x %}" + END,
    "no number": "{{ 1 / 0 }}",
}


@pytest.mark.parametrize("template", ENDLESS.values(), ids=ENDLESS)
def test_a_template_without_an_end_is_an_error(template: str) -> None:
    with pytest.raises(RuntimeFileError, match="can't render this conversation"):
        render(template, SAID, "<s>", "</s>")
    assert render("{{ messages|length }}", SAID, "<s>", "</s>") == "2"  # it has its own steps


def test_loops_know_what_they_knew() -> None:
    template = (
        "{% for said in messages %}{{ loop.index }}{{ loop.length }}{{ loop.last }}"
        "{{ loop.previtem.role if loop.previtem else '-' }}{% if loop.first %}{% continue %}"
        "{% endif %}{% endfor %}{% for a in nothing %}x{% else %}none{% endfor %}"
        "{% for k, v in messages[0]|items if k != 'role' %}{{ k }}{% endfor %}"
        "{% for n in range(3)|map('string') %}{{ n }}{{ loop.length }}{% endfor %}"
        "{{ '=' * 3 }}{{ 2 ** 3 }}{{ 2 * 3 }}{{ 2 * 0.5 }}"
    )
    wanted = "12False-22Trueusernonecontent031323===861.0"
    assert render(template, SAID, "<s>", "</s>") == wanted
