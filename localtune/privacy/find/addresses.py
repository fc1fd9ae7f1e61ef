"""Postal addresses: a street with its number, and the town and postcode that follow.

English, German, Dutch, French, Spanish, Portuguese and Italian street forms. An address that
holds "Example" is nobody's: the pseudonyms do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localtune.privacy.find.finding import Finding

_CAP = r"(?:[^\W\d_a-zà-öø-ÿ][\w'’.-]{0,24})"  # a word that begins with a capital
_ENGLISH = (
    r"Street|Str?\.?|Road|Rd\.?|Avenue|Ave?\.?|Lane|Ln\.?|Drive|Dr\.?|Boulevard|Blvd\.?|Court|"
    r"Ct\.?|Place|"
    r"Pl\.?|Terrace|Ter\.?|Way|Close|Crescent|Cres\.?|Square|Sq\.?|Gardens?|Gdns|Grove|Mews|"
    r"Hill|Row|"
    r"Parade|Pde|Highway|Hwy\.?|Parkway|Pkwy\.?|Circle|Cir\.?|Trail|Trl|Quay|Walk|Green|Rise|"
    r"View|Vale|"
    r"Esplanade|Broadway|Alley|Loop|Turnpike|Pike|Plaza|Path|Run|Bend|Ridge|Point|Crossing|"
    r"Wharf|Yard|"
    r"Bypass|Expressway|Concession|Line|Wynd|Gate|Embankment|Strand|High Street|Heights|Park|"
    r"Common|Chase|"
    r"Nagar|Marg|Marga|Salai|Bagh|Colony|Cross|Main|Layout"
)
_UNIT = (
    r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Flat|Room|Rm|Floor|Fl|Level|Lvl|Building|Bldg|"
    r"#)\.? ?#?[\w-]{1,6}(?!\w)|#\w{1,6}(?!\w)|\d{1,2}(?:st|nd|rd|th) Floor)"
)
_STATE = r"[A-Z]{2,3}"
_POSTCODE = (
    r"(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|"
    r"\d{4} ?[A-Z]{2}\b|\d{4}|\d{3} ?\d{3})"
)
_COUNTRY = (
    r"(?:U\.?S\.?A?\.?|United States(?: of America)?|U\.?K\.?|United Kingdom|England|Scotland|"
    r"Wales|Northern Ireland|"
    r"Canada|Australia|Ireland|Germany|Deutschland|France|Spain|España|Italy|Italia|"
    r"Netherlands|The Netherlands|"
    r"Nederland|Switzerland|Schweiz|Suisse|Austria|Österreich|Belgium|België|Belgique|India|"
    r"Portugal|New Zealand|Brasil|Brazil)"
)
_TOWN = (
    rf"(?:(?:St\.? )?{_CAP}(?:[ -](?:(?:upon|on|of|am|an|im|in|der|the|sur|la|le|les|de|"
    rf"del|aan|den|sous|di|en|do|da)[ -]){{0,2}}{_CAP}){{0,3}})"
)
_BREAK = r"(?:, ?\n? ?| ?\n ?| - | · )"
_STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|"
    "Hawaii|Idaho|Illinois|"
    "Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|"
    "Mississippi|Missouri|Montana|"
    "Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|"
    "Ohio|Oklahoma|Oregon|"
    "Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|"
    "Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming|Ontario|Quebec|Québec|Alberta|Manitoba|Victoria|"
    "Queensland|Tasmania"
)
# "Springfield, IL 62704", "London SW1A 2AA", "10115 Berlin", "75001 Paris", "Leeds"
_TAIL = (
    rf"(?:{_BREAK}{_UNIT}|(?<=\w) {_UNIT}){{0,2}}"
    rf"(?:{_BREAK}(?:(?:D|A|CH|F|I|E|NL|B|L)-)?{_POSTCODE},? {_TOWN}(?: ?\([A-Z]{{2}}\)| "
    rf"[A-Z]{{2}}\b)?"
    rf"|(?:{_BREAK}{_TOWN}){{0,3}}?(?:,? (?:{_STATE}|{_STATES}))?(?:{_BREAK}|,? "
    rf"{{1,2}}){_POSTCODE}(?![\w-])"
    rf"|{_BREAK}{_TOWN},? (?:{_STATE}\b|{_STATES})|,[ \n]{_TOWN}(?=[.,;)\n]|$| and | to | for |"
    rf" on | by | with | as | is | was | in | at |\s*$))?"
    rf"(?:{_BREAK}{_COUNTRY}(?!\w))?"
)
_NUMBER = r"(?<![\w.$€£/:#-])(?:\d{1,5}(?:[-–/]\d{1,3})?[A-Za-z]?|\d{1,4} ?½)"
_FLAT = (
    rf"(?:(?:Flat|Apartment|Apt\.?|Unit|Suite|Level|Room|House|Plot|Villa)(?: No\.?)? "
    rf"?#?\w{{1,5}}(?:, ?| ?/ ?| - |\n)(?:{_CAP}(?: {_CAP}){{0,3}}, ?)?)?"
)
_POINT = r"(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West|Upper|Lower|Old|New|Great|Little)\.? )"

_FORMS = [
    (tuple(needles.split("|")), pattern + _TAIL)
    for needles, pattern in (
        (  # 14 Elm Street; 350 5th Avenue NW
            "",
            rf"{_FLAT}{_NUMBER},? {_POINT}?(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th)|"
            rf"St\.) ){{1,4}}?"
            rf"(?:{_ENGLISH})(?![\w'’])(?: (?:NW|NE|SW|SE|N|S|E|W|North|South|East|West)\b)?",
        ),
        ("Broadway", rf"{_NUMBER} {_POINT}?Broadway\b"),
        ("Box |Postfach|Apartado", r"(?<!\w)(?:P\.? ?O\.? ?Box|Postfach|GPO Box|Apartado) "
                                   r"\d{1,6}\b"),
        (  # Lindenstraße 12a; Am Markt 5; Prinsengracht 263
            "traße |trasse |str. |tr. |latz |llee |asse |ufer |damm |teig |graben |weg |Weg |"
            "ring |Ring |markt |hof |haussee |traat |laan |"
            "gracht |plein |kade |dijk |singel |dreef |pad |teeg |baan |wall |promenade |Am |"
            "Im |Zu|Auf de|An de|In der|Unter|Hinter|Beim",
            rf"(?<![\w.-])(?=[^\W\d_a-zà-öø-ÿ])(?=[^\d\n]{{3,60}} \d)(?:{_CAP} "
            rf"){{0,2}}?(?:[^\W\d_a-zà-öø-ÿ][\w-]{{2,30}}(?:straße|strasse|str\.|platz|allee|"
            rf"gasse|ufer|damm|steig|"
            r"graben|weg|ring|markt|hof|chaussee|straat|laan|gracht|plein|kade|dijk|singel|"
            r"dreef|pad|steeg|baan|wall|promenade)"
            r"|[^\W\d_a-zà-öø-ÿ]\w{1,20}(?:er|e|en|s)[ -](?:Straße|Strasse|Str\.|Platz|Allee|"
            r"Weg|Ring|Ufer|Chaussee|Damm|Gasse)"
            rf"|[^\W\d_a-zà-öø-ÿ][\w-]{{1,30}}[ -](?:Straße|Strasse|Str\.|Platz|Allee|Weg|Ring|"
            rf"Ufer|Damm)"
            r"|(?:Am|An der|An den|Auf der|Auf dem|Im|In der|Zum|Zur|Unter den|Hinter der|Beim) "
            rf"[^\W\d_a-zà-öø-ÿ]\w{{2,25}}) \d{{1,4}}(?: ?[a-zA-Z]\b)?(?: ?[-/–] "
            rf"?\d{{1,4}}[a-z]?)?(?![\w.]\w|%)",
        ),
        (  # 12 bis, rue de la Paix
            "ue |oulevard |d |lace |hemin |llée|mpasse|uai |ours |oute |quare |assage |aubourg "
            "|entier |illa ",
            rf"{_NUMBER}(?: ?bis| ?ter| ?quater)?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|"
            rf"[Pp]lace|[Cc]hemin|[Aa]llées?|[Ii]mpasse|"
            r"[Qq]uai|[Cc]ours|[Rr]oute|[Ss]quare|[Pp]assage|[Ff]aubourg|[Ss]entier|[Vv]illa) "
            rf"(?:(?:de|du|des|la|le|les|d'|l'|à|aux?|en|et|sur|Saint|Sainte|St) ?)*(?:(?:d'|"
            rf"l')?{_CAP}|\d{{1,2}})(?:[ -](?:(?:de|du|des|la|le|les|en|et) ){{0,2}}(?:d'|"
            rf"l')?{_CAP}){{0,3}}",
        ),
        (  # Calle de Alcalá 45, 3º B; Via Roma, 10; Rua Augusta, 1200
            "Calle|C/|c/|Cl.|Av|Paseo|Pº|Pla|Pza|Camino|Carrera|Ronda|Trav|Via|Vial|V.le|Pia|"
            "P.za|Corso|Largo|Vic|Lung|Strada|"
            "Borgo|Rua|Pra|Alam|Estr|ul.|ulica|al.|Gran|Rambla",
            r"(?<!\w)(?=[A-Zcu])(?=[^\d\n]{3,90}\d)(?:(?:Calle|C/|c/|Cl\.|Avenida|Avda\.?|Av\.|Paseo|Pº|"
            r"Plaza|Pza\.|Camino|Carrera|Ronda|Travesía|Gran Vía|Rambla|"
            r"Via|Viale|V\.le|Piazza|P\.za|Corso|Largo|Vicolo|Piazzale|Lungotevere|Strada|"
            r"Borgo|Rua|Praça|Travessa|Alameda|Estrada|ul\.|ulica|al\.) ?"
            rf"(?:(?:de|del|della|delle|dei|degli|dell'|di|do|da|dos|das|la|el|las|los|lo|San|"
            rf"Santa|y) ?){{0,3}}{_CAP}"
            rf"(?: (?:(?:de|del|della|dei|di|do|da|dos|la|el|las|los|y|e) ){{0,2}}{_CAP}){{0,3}}|"
            rf"Gran Vía|La Rambla),? ?(?:n\.?[º°o]?\.? ?|nº ?|núm\. ?|s/n)?\d{{1,5}}(?: "
            rf"?[a-zA-Z]\b)?(?:/\w{{1,3}})?"
            r"(?:, ?\d{1,2}[º°ªo](?: ?\w{1,4}\b)?)?(?![\w.]\w)",
        ),
    )
]  # fmt: skip
_SHORT = re.compile(
    r"(?:\b(?:St|Str|Rd|Ave|Av|Ln|Dr|Blvd|Ct|Pl|Ter|Sq|Hwy|U\.S\.A|U\.K|[NSEW]))\.$"
)


def addresses(text: str) -> Iterator[Finding]:
    """Find postal addresses, from the house number or street on to the postcode and country."""
    for needles, form in _FORMS:
        if any(needle in text for needle in needles):
            for match in re.finditer(form, text):
                if "Exampl" not in match[0]:
                    yield Finding("address", match.start(), match.start() + len(_trimmed(match[0])))


def _trimmed(address: str) -> str:
    address = address.rstrip(" \n,")
    return address if _SHORT.search(address) else address.rstrip(".")
