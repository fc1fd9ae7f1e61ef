"""Private data and secrets in a text: find them, and put pseudonyms in their place, offline.

Takes and gives text; knows nothing of documents or build folders.
"""

from localtune.privacy.find.find import find_private
from localtune.privacy.find.finding import KINDS, Finding, told
from localtune.privacy.find.known import find_known_names, name_parts
from localtune.privacy.replace.pseudonyms import Pseudonyms, scrub

__all__ = [
    "KINDS",
    "Finding",
    "Pseudonyms",
    "find_known_names",
    "find_private",
    "name_parts",
    "scrub",
    "told",
]
