"""The made-up names that stand for real ones: neither list holds a name that people bear.

First names are 24 x 12 compositions, surnames 40 x 20, in a fixed order that mixes their parts,
less those that people bear. A build that needs more gets double-barrelled ones.
"""

from __future__ import annotations

_FIRST_HEADS = """Bram Cor Dar Fen Gar Hes Il Jor Kel Lor Mer Ner Or Per Quil Ros Syl Tam Ul Ver
    Wil Yor Zan Hol""".split()
_FIRST_TAILS = "wick rin dara sby mund thea vane lyn drel ston mira ford".split()
_LAST_HEADS = """Ash Birch Bram Clay Dun Elm Fair Glen Hazel Kes Lark Marl Nether Oak Pen Quar Rush
    Sel Thorn Under Wex Yarrow Alder Brook Copper Dray Ember Fallow Grim Heather Iver Juni Lang
    Moss North Ox Pebble Rook Silver Tarn""".split()
_LAST_TAILS = """down combe wicke more thwaite holme mere dale leigh stead bury croft garth shaw
    worthe fordham beck hurst field coty""".split()


_BORNE = frozenset(
    """
    corrin perrin verlyn holford orrin wilford roslyn fenwick merlyn holston darrin rossby underdown
    ashmore penfield grimshaw ashleigh ashcroft fairfield thornbury birchfield dunmore glendale
    claymore""".split()
)  # real names and places among the compositions


def _all(heads: list[str], tails: list[str]) -> list[str]:
    count = len(heads)
    order = ((i % count, (i + i // count) % len(tails)) for i in range(count * len(tails)))
    composed = [heads[head] + tails[tail] for head, tail in order]
    return [name for name in composed if name.lower() not in _BORNE]


FIRST_NAMES = _all(_FIRST_HEADS, _FIRST_TAILS)
SURNAMES = _all(_LAST_HEADS, _LAST_TAILS)
_WORDS = frozenset(name.lower() for name in FIRST_NAMES + SURNAMES)


def is_pseudonym(word: str) -> bool:
    """Whether a word is a made-up name, or two of them with a hyphen."""
    return all(part in _WORDS for part in word.lower().split("-"))
