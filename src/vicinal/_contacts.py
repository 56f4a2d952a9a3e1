"""E-mail addresses and long numbers within texts."""

from __future__ import annotations

import re

#: An e-mail address.
EMAIL = r"(?<![\w.+%-])[\w.+%-]+(?:'[\w.+%-]+){0,3}@[\w-]+(?:\.[\w-]+)*\.[^\W\d_][\w-]+"
#: A day, written in digits with signs between them.
DATE = r"(?<!\d)(?:\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4})(?!\d)"
#: A part of a network address, and the address of a network card.
OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
MAC = r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
_YEAR = r"(?:19|20)\d\d"
#: A whole day in eight digits, and numbers as sums have them.
_DAY = rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)"
_ROUND = r"[1-9]\d{0,5}0{5,}(?!\d)"
#: Accounts, cards, social security and telephones with their signs, and other long numbers.
_NUMBERS = (
    r"[A-Z]{2}\d\d(?: ?[A-Z]{4})?(?: ?\d{4}){2,7}(?: ?\d{1,3})?",
    rf"(?!{_YEAR}[ -]{_YEAR})\d{{4}}(?:[ -]\d{{4}}){{3}}",
    r"\d{4}[ -]\d{6}[ -]\d{5}",
    r"\d{3}-\d\d-\d{4}",
    r"(?:\+|00)[1-9][\d ()/.-]{6,18}\d",
    r"\((?:\d{3}|0\d{1,5})\)[ -]?\d[\d -]{4,10}\d",
    r"\d{3}(?P<sign>[ .-])\d{3}(?P=sign)\d{4}",
    r"0[1-9]\d{1,4}[ /-]\d[\d -]{3,10}\d",
    rf"(?!{_DAY}|{_ROUND})\d{{7,}}",
)
_KINDS = {
    "URL": r"(?:https?|ftp)://\S{0,300}?(?:[@~]|/(?:u|users?|in|people|profiles?)/)\S+",
    "mail": EMAIL,
    "MAC": rf"(?<![\w:-]){MAC}(?![\w:-])",
    "IP": rf"(?<![\w.])(?=[\d.]{{11}})(?:{OCTET}\.){{3}}{OCTET}(?!\w|\.\d)",
    "number": rf"(?<!\d)(?<!\d[.,])(?:{'|'.join(_NUMBERS)})(?!\d|[.,]\d)",
}
_CONTACT = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
#: What texts with a contact have, in the regular expressions of Arrow.
HINT = r"@|://|(?:\pN[^\pN]{0,2}){6}|(?:[0-9A-Fa-f]{2}[:-]){5}"


def contacts(text: str) -> list[re.Match[str]]:
    """Return contacts of which ``lastgroup`` is the kind; a code of one word has no numbers."""
    found = list(_CONTACT.finditer(text))
    code = re.fullmatch(r"[^\s+()]+", text.strip())
    return [one for one in found if not (code and one.lastgroup in {"IP", "number"})]
