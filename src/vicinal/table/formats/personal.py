"""Personal data in columns: found by pattern, by check digits, and by the column's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal.table.formats.base import as_texts

#: Distinct cells that are looked at.
SAMPLE = 5000
#: Characters of a cell that are looked at.
LONGEST = 200
#: Share of cells with a pattern that no other data have, from which a column is personal.
SOME = 0.1
#: Share of cells with a pattern that other data may have.
MOST = 0.8


@dataclass(frozen=True)
class Personal:
    """What personal data a column holds.

    Attributes
    ----------
    kind : {"e-mail", "phone", "IBAN", "card number", "social security number", "URL", \
"IP address", "name"}
        Of what.
    share : float
        Share of the distinct cells with its pattern.
    checked : bool
        Whether the cells carry right check digits, which surrogates then carry too.
    """

    kind: str
    share: float
    checked: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as what JSON can hold."""
        return asdict(self)


def luhn_check(digits: str) -> str:
    """Return the check digit that follows some digits of a card number (ISO/IEC 7812)."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 - at % 2)
        total += number - 9 * (number > 9)
    return str(-total % 10)


def iban_check(country: str, account: str) -> str:
    """Return the two check digits of an IBAN (ISO 13616: 98 minus the remainder by 97)."""
    number = "".join(str(int(letter, 36)) for letter in f"{account}{country}00".upper())
    return f"{98 - int(number) % 97:02d}"


def _has_luhn(cell: str) -> bool:
    digits = re.sub("[ -]", "", cell)
    return luhn_check(digits[:-1]) == digits[-1]


def _has_iban(cell: str) -> bool:
    text = cell.replace(" ", "")
    return iban_check(text[:2], text[4:]) == text[2:4]


_EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[^\W\d_]{2,}")
_URL = re.compile(r"(?:(?:https?|ftp)://|www\.)\S+", re.I)
_IP = re.compile(
    r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}|"
    r"(?=.*::|(?:[^:]*:){7})(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}",
    re.I,
)
_IBAN = re.compile(r"[A-Z]{2}\d{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}")
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
_PHONE = re.compile(
    r"(?:\+|00)\d[\d ()/.-]{6,18}\d|\(\d{3}\) ?\d{3}-\d{4}|\d{3}[-.]\d{3}[-.]\d{4}|"
    r"0\d{2,5}[ /-]\d[\d -]{3,10}\d"
)
_DIGITS = re.compile(r"[+(]?\d[\d ()/.-]{4,18}\d")
_PERSON = re.compile(r"[^\W\d_](?:[^\W\d_]|[ ,'\u2019.-])*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PHONE_WORDS = _words(
    "phone telephone tel telefon mobile mobil handy fax cell telefono teléfono téléphone "
    "portable móvil telefoon phonenumber msisdn"
)
_CARD_WORDS = _words("card cc creditcard pan kreditkarte karte carte tarjeta")
_SSN_WORDS = _words("ssn sin nino nif dni bsn pesel aadhaar steuerid")
_FULL_WORDS = _words(
    "fullname vollname nombre nom prénom prenom vorname nachname familienname surname lastname "
    "firstname forename givenname apellido apellidos cognome achternaam voornaam sobrenome "
    "efternamn förnamn person patient employee contact author ansprechpartner mitarbeiter"
)
_NAME_WORDS = _words("name names naam navn namn nome")
_HOLDERS = _words(
    "customer client kunde kunden owner user member guest student teacher doctor physician "
    "passenger holder cardholder first last family given middle maiden full player driver "
    "candidate applicant manager"
)


def find_personal(values: pa.Array | pa.ChunkedArray, name: str) -> Personal | None:
    """Find personal data in a column, also where it repeats.

    Parameters
    ----------
    values : pyarrow Array or ChunkedArray
        Strings or integers.
    name : str
        The column's name; phone numbers without marks and names of persons are told by it.

    Returns
    -------
    Personal or None
        None where nothing points to a person.

    Examples
    --------
    >>> import pyarrow as pa
    >>> find_personal(pa.array(["a.meier@example.org", "b.kurz@example.org"]), "kontakt").kind
    'e-mail'
    """
    kept = pa.types.is_integer(values.type) or _is_text(values.type)
    if not kept:
        return None
    values = values.drop_null()
    if len(values) > 10 * SAMPLE:
        values = values.take(pa.array(np.linspace(0, len(values) - 1, 10 * SAMPLE).astype(int)))
    distinct = pc.unique(as_texts(values))
    if len(distinct) > SAMPLE:
        rows = np.linspace(0, len(distinct) - 1, SAMPLE).astype(int)
        distinct = distinct.take(pa.array(rows))
    cells = [cell.strip()[:LONGEST] for cell in distinct.to_pylist() if cell.strip()]
    if not cells:
        return None
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", name).lower())
    said = {*words, *map("".join, pairwise(words))}
    for find in (_by_pattern, _by_checks, _by_name):
        found = find(cells, said)
        if found is not None:
            return found
    return None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _share(cells: list[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(cell)) for cell in cells) / len(cells)


def _by_pattern(cells: list[str], said: set[str]) -> Personal | None:
    for kind, pattern in (("e-mail", _EMAIL), ("URL", _URL), ("IP address", _IP)):
        share = _share(cells, pattern.fullmatch)
        if share >= SOME:
            return Personal(kind, share)
    share = _share(cells, _SSN.fullmatch)
    if share >= (SOME if said & _SSN_WORDS else MOST):
        return Personal("social security number", share)
    return None


def _by_checks(cells: list[str], said: set[str]) -> Personal | None:
    fits = [cell for cell in cells if _IBAN.fullmatch(cell)]
    if len(fits) >= SOME * len(cells):
        checked = _share(fits, _has_iban)
        if checked >= MOST or (said & {"iban", "account", "konto"}):
            return Personal("IBAN", len(fits) / len(cells), checked >= MOST)
    fits = [cell for cell in cells if _CARD.fullmatch(cell)]
    if len(fits) >= SOME * len(cells):
        checked = _share(fits, _has_luhn)
        # one number in ten carries a right digit by chance
        if (checked >= MOST and len(fits) >= 5) or said & _CARD_WORDS:
            return Personal("card number", len(fits) / len(cells), checked >= MOST)
    return None


def _is_person(cell: str) -> bool:
    words = len(cell.split())
    return cell[0].isupper() and words <= 6 and _PERSON.fullmatch(cell) is not None


def _by_name(cells: list[str], said: set[str]) -> Personal | None:
    share = _share(cells, _DIGITS.fullmatch)
    if said & _PHONE_WORDS and share >= SOME:
        return Personal("phone", share)
    if said & _SSN_WORDS and share >= MOST:
        return Personal("social security number", share)
    share = _share(cells, _PHONE.fullmatch)
    if share >= MOST:
        return Personal("phone", share)
    named = said & _FULL_WORDS or (said & _NAME_WORDS and (len(said) == 1 or said & _HOLDERS))
    if not named:
        return None
    upper = _share(cells, _is_person)
    several = _share(cells, lambda cell: " " in cell)
    if upper >= MOST and (several >= 0.5 or said & _FULL_WORDS or said & _HOLDERS):
        return Personal("name", upper)
    return None
