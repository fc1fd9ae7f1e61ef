"""English words for numbers."""

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
DIGITS = {word: str(number) for number, word in enumerate(_WORDS)}
