"""Personal data in columns: found by pattern, by check digits, and by the column's name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._contacts import HINT, MAC, OCTET, contacts
from vicinal.table.formats.base import as_texts

#: Distinct cells that are looked at.
SAMPLE = 5000
#: Characters of a cell that are looked at.
LONGEST = 200
#: Share of cells with a pattern that no other data have, from which a column is personal.
SOME = 0.1
#: Share of cells with a pattern that other data may have.
MOST = 0.8
#: Share of cells with a house number, from which a street is an address.
HOUSES = 0.5
#: Different cells, at least, that tell names and numbers of persons from levels of a category,
#: where the column's name alone leaves it open.
LEVELS = 10
#: The same for names in single words.
NAMES = 20
#: What is found where contacts stand within longer texts.
CONTACT = "contact in a text"


@dataclass(frozen=True)
class Personal:
    """What personal data a column holds.

    Attributes
    ----------
    kind : {"e-mail", "phone", "IBAN", "card number", "social security number", "URL", \
"IP address", "MAC address", "name", "user name", "number of a person", "street address", \
"contact in a text"}
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
    return int(luhn_check(digits[:-1])) == int(digits[-1])


def _has_iban(cell: str) -> bool:
    text = cell.replace(" ", "")
    return iban_check(text[:2], text[4:]) == text[2:4]


_EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[^\W\d_]{2,}")
_URL = re.compile(r"(?:(?:https?|ftp)://|www\.)\S+", re.I)
_IP = re.compile(
    rf"(?:{OCTET}(?:\.(?!$)|$)){{4}}|"
    r"(?=.*::|(?:[^:]*:){7})(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}",
    re.I,
)
_MAC = re.compile(MAC)
_IBAN = re.compile(r"[A-Z]{2}\d{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}")
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
_PHONE = re.compile(
    r"(?:\+|00)\d[\d ()/.-]{6,18}\d|\(\d{3}\) ?\d{3}-\d{4}|\d{3}[-.]\d{3}[-.]\d{4}|"
    r"0\d{2,5}[ /-]\d[\d -]{3,10}\d"
)
_DIGITS = re.compile(r"[+(]?\d[\d ()/.-]{4,18}\d")
_PERSON = re.compile(r"[^\W\d_](?:[^\W\d_]|[ ,'\u2019.-])*")
_HOUSE = re.compile(r"(?=.*[^\W\d_]{2})(?:.*[\W_])?\d+ ?[^\W\d_]?(?:[\W_].*)?")
#: A number at an end, beside a few words of which one begins with a capital.
_HOUSE_AT_AN_END = re.compile(
    r"(?=[^,]*[A-ZÀ-ÖØ-Þ])(?=[^,]*[^\W\d_]{2})(?=(?:[^,\s]+\s*){2,8}(?:,|$))"
    r"(?:\d+ ?[^\W\d_]?[\W_].*|[^,]*[\W_]\d+ ?[^\W\d_]?(?:,.*)?)"
)
_ORGANIZATION = re.compile(
    r"(?:.*[\W_])?(?:gmbh|ag|kg|ohg|mbh|inc|incorporated|ltd|limited|llc|llp|plc|corp|corporation|"
    r"company|group|gruppe|holdings?|bv|nv|oy|ab|aps|sarl|sas|srl|spa|bank|university|universität|"
    r"college|school|hospital|hotel|council|ministry|department|agency|association|foundation|"
    r"institute|partners|systems|solutions|services|technologies|industries|enterprises|"
    r"logisti[ck]s?|trading|foods|club|united|verein|stiftung|charity)(?:[\W_].*)?",
    re.I,
)


def _words(text: str) -> frozenset[str]:
    """Return words, with and without their accents."""
    umlauts = text.translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    marked = unicodedata.normalize("NFD", text)
    plain = "".join(letter for letter in marked if not unicodedata.combining(letter))
    return frozenset(f"{text} {umlauts} {plain}".split())


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
#: What only names of persons are called, however few there are.
_SURE_NAMES = _words(
    "fullname vollname vorname nachname familienname surname surnames lastname namelast lname "
    "familyname firstname namefirst fname forename givenname middlename maidenname geburtsname "
    "prénom apellido apellidos cognome achternaam voornaam sobrenome efternamn förnamn"
)
_NAME_WORDS = _words("name names naam navn namn nome")
_HOLDERS = _words(
    "customer client kunde kunden owner user member guest student teacher doctor physician "
    "passenger holder cardholder first last family given middle maiden full player driver "
    "candidate applicant manager"
)
_PERSONS = _words(
    "customer client user member guest student pupil teacher professor doctor physician nurse "
    "therapist surgeon passenger holder cardholder accountholder policyholder player driver "
    "candidate applicant manager employee worker patient person citizen tenant borrower debtor "
    "subscriber visitor buyer purchaser salesperson salesman author beneficiary claimant insured "
    "taxpayer voter athlete rider courier technician instructor tutor mentor trainer attendee "
    "interviewer participant respondent assignee reviewer approver supervisor owner spouse cashier "
    "attorney lawyer broker "
    "kunde kundin klient klientin nutzer nutzerin benutzer benutzerin mitglied gast patientin "
    "studentin schüler schülerin lehrer lehrerin arzt ärztin fahrer fahrerin mitarbeiter "
    "mitarbeiterin inhaber halter besitzer käufer verkäufer verkäuferin bewerber versicherter "
    "versicherte betreuer betreuerin sachbearbeiter bearbeiter mieter cliente utilisateur "
    "utilisatrice membre étudiant élève employé salarié médecin conducteur propriétaire locataire "
    "passager abonné assuré usuario usuaria miembro paciente alumno alumna estudiante empleado "
    "empleada médico conductor propietario pasajero socio utente membro paziente studente "
    "dipendente conducente klant gebruiker medewerker bestuurder eigenaar usuário utilizador aluno "
    "funcionário motorista kund bruger användare"
)
_NUMBERED = _PERSONS | _words(
    "agent host subject subj usubj individual resident staff contact cust emp usr personal"
)
_NAMED = _PERSONS | _words(
    "agent salesrep rep representative salesagent createdby updatedby modifiedby enteredby "
    "approvedby assignedto reportedby soldby reviewedby erstelltvon geändertvon bearbeitetvon "
    "zugewiesenan"
)
_LOGINS = _words(
    "username login logon loginname accountname screenname nickname benutzername nutzername "
    "anmeldename user nutzer benutzer utilisateur usuario usuário utente gebruiker createdby "
    "updatedby modifiedby enteredby approvedby assignedto erstelltvon geändertvon bearbeitetvon "
    "zugewiesenan"
)
_IDS = _words("id uid uuid guid identifier kennung")
_NUMBERS = _words(
    "number no nr nummer key code hash token ref reference kennziffer schlüssel numero número "
    "numéro codigo código codice matricule"
)
_BEFORE = _words("id uuid guid code codigo código codice numero número numéro matricule")
_BETWEEN = _words(
    "unique internal external record account master old new hashed of de del du di da do"
)
_COMPOUND = re.compile(
    r"(.+?)(?:e?n|s)?"
    r"(id|uid|uuid|guid|kennung|nr|no|nummer|number|code|key|kennziffer|schlüssel)"
)
_DOCUMENTS = _words(
    "mrn medicalrecord passport passeport pasaporte passaporto reisepass paspoort ausweis "
    "personalausweis idcard identitycard national nationalidentity nationalinsurance nhs tax "
    "taxpayer steuer steuernummer taxid nationalid licenseplate licenceplate numberplate plate "
    "platenumber kennzeichen nummernschild immatriculation targa kenteken matrícula driverlicense "
    "driverslicense driverlicence drivinglicense drivinglicence licensenumber licencenumber "
    "führerschein führerscheinnummer ausweisnummer passnummer reisepassnummer matrikelnummer "
    "sozialversicherungsnummer rentenversicherungsnummer imei imsi badge account konto "
    "kontonummer"
)
_NUMBERED_ONLY = _words(
    "national nationalidentity nationalinsurance nhs tax taxpayer steuer badge account konto"
)
_ACCOUNTS = _words("account konto kontonummer")
_STREETS = _words(
    "address addr adress adresse anschrift street str strasse straße addressline streetaddress "
    "streetname dirección direccion domicilio calle indirizzo rue adres straat endereço endereco "
    "rua"
)
#: Other things than streets, too: strings, "regret", "you".
_LOOSE_STREETS = _words("str rue calle rua")
_NO_STREETS = _words("mail email ip mac web url net memory wallet")


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
    said = _Said.of(name, not _is_text(values.type))
    if not can_be_personal(values.type) or (said.whole and not said.tells_of_integers):
        return None
    values = _some(values.drop_null(), 10 * SAMPLE)
    if said.whole and pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    distinct = pc.unique(as_texts(values))
    said = replace(said, repeated=2 * len(distinct) <= len(values))
    distinct = _some(distinct, SAMPLE)
    cells = [cell.strip()[:LONGEST] for cell in distinct.to_pylist() if cell.strip()]
    if not cells:
        return None
    for find in (_by_pattern, _by_checks, _by_name, _by_person):
        found = find(cells, said)
        if found is not None:
            return found
    return None


def find_contacts(values: pa.Array | pa.ChunkedArray) -> Personal | None:
    """Find e-mail addresses, telephones and other long numbers within longer texts.

    Parameters
    ----------
    values : pyarrow Array or ChunkedArray
        Of any type.

    Returns
    -------
    Personal or None
        None where there are none.
    """
    if not _is_text(values.type):
        return None
    cells = _some(pc.unique(pc.drop_null(as_texts(values))), 10 * SAMPLE)
    hinted = _some(cells.filter(pc.match_substring_regex(cells, HINT)), SAMPLE)
    n_found = sum(bool(contacts(cell)) for cell in hinted.to_pylist())
    return Personal(CONTACT, n_found / len(cells)) if n_found else None


def can_be_personal(kind: pa.DataType) -> bool:
    """Tell whether a column of a type may hold personal data: texts and integers.

    Parameters
    ----------
    kind : pyarrow.DataType
        Of the column.

    Returns
    -------
    bool
        Whether :func:`find_personal` looks at it.
    """
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(plain) or _is_text(plain))


@dataclass(frozen=True)
class _Said:
    """What a column's name and type say of it."""

    words: list[str]  # of its name
    joined: set[str]  # these, and each two that follow each other as one
    ends: set[str]  # the last one, two and three words as one
    whole: bool  # integers
    repeated: bool = False  # twice each on average, or more often

    @classmethod
    def of(cls, name: str, whole: bool) -> _Said:
        apart = re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-zà-ÿ])", " ", name)
        words = re.findall(r"[^\W\d_]+", apart.lower())
        joined = {*words, *map("".join, pairwise(words))}
        return cls(words, joined, _ends(words), whole)

    @property
    def tells_of_integers(self) -> bool:
        """Whether integers may be personal by the name, without which none are."""
        known = self.ends & (_PHONE_WORDS | _PERSONS) or self.joined & (_SSN_WORDS | _CARD_WORDS)
        return bool(known or self.papers or self.numbers)

    @property
    def numbers(self) -> str:
        """Whether the name says numbers of persons: "sure", "open" or not at all."""
        words = [word for word in self.words if word not in _BETWEEN] or self.words
        if words[-1:] and words[-1] in _NUMBERS and set(words[-2:-1]) & _IDS:
            words = words[:-1]
        before, last = ["", "", *words][-2:]
        parts = _COMPOUND.fullmatch(last)
        if parts and parts[1] in _NUMBERED:
            return "sure" if parts[2] in _IDS else "open"
        holders = {before, before.removesuffix("s"), before.removesuffix("n")}
        if holders & _NUMBERED and last in _IDS | _NUMBERS:
            return "sure" if last in _IDS else "open"
        if last in _NUMBERED and before in _BEFORE:  # "number of customers" counts them
            return "sure" if before in _IDS else "open"
        return ""

    @property
    def papers(self) -> frozenset[str]:
        """What the name says of a paper, a plate, an account or a device that one person has."""
        rest = list(self.words)
        while len(rest) > 1 and rest[-1] in _IDS | _NUMBERS:
            rest.pop()
        found = _DOCUMENTS & (self.ends | _ends(rest))
        return found if len(rest) < len(self.words) else found - _NUMBERED_ONLY

    @property
    def whose(self) -> bool:
        """Whether the name ends as "customer name" does."""
        before, last = ["", "", *self.words][-2:]
        return last in _NAME_WORDS and before in _NAMED


def _ends(words: list[str]) -> set[str]:
    return {"".join(words[-n:]) for n in (1, 2, 3)} - {""}


def _some(values: pa.Array | pa.ChunkedArray, most: int) -> pa.Array | pa.ChunkedArray:
    """Return values at equal steps, ``most`` at most."""
    if len(values) <= most:
        return values
    return values.take(pa.array(np.linspace(0, len(values) - 1, most).astype(int)))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _share(cells: list[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(cell)) for cell in cells) / len(cells)


def _by_pattern(cells: list[str], said: _Said) -> Personal | None:
    unlike = {"e-mail": _EMAIL, "URL": _URL, "IP address": _IP, "MAC address": _MAC}
    for kind, pattern in unlike.items():
        share = _share(cells, pattern.fullmatch)
        if share >= SOME:
            return Personal(kind, share)
    share = _share(cells, _SSN.fullmatch)
    if share >= (SOME if said.joined & _SSN_WORDS else MOST):
        return Personal("social security number", share)
    return None


def _by_checks(cells: list[str], said: _Said) -> Personal | None:
    fits = [cell for cell in cells if _IBAN.fullmatch(cell)]
    if len(fits) >= SOME * len(cells):
        checked = _share(fits, _has_iban)
        if checked >= MOST or (said.joined & {"iban", "account", "konto"}):
            return Personal("IBAN", len(fits) / len(cells), checked >= MOST)
    fits = [cell for cell in cells if _CARD.fullmatch(cell)]
    if len(fits) >= SOME * len(cells):
        checked = _share(fits, _has_luhn)
        # one number in ten carries a right digit by chance
        if (checked >= MOST and len(fits) >= 5) or said.joined & _CARD_WORDS:
            return Personal("card number", len(fits) / len(cells), checked >= MOST)
    return None


def _is_person(cell: str) -> bool:
    words = len(cell.split())
    return not cell[0].islower() and words <= 6 and _PERSON.fullmatch(cell) is not None


def _is_full_name(cell: str) -> bool:
    words = cell.split()
    return len(words) > 1 and not words[-1][0].islower() and _is_person(cell)


def _by_name(cells: list[str], said: _Said) -> Personal | None:
    share = _share(cells, _DIGITS.fullmatch)
    if said.whole:  # other numbers may be as long
        calls = said.ends & _PHONE_WORDS and _share(cells, lambda cell: len(cell) > 7) >= MOST
    else:
        calls = said.joined & _PHONE_WORDS and share >= SOME
    if calls:
        return Personal("phone", share)
    if said.joined & _SSN_WORDS and share >= MOST:
        return Personal("social security number", share)
    share = _share(cells, _PHONE.fullmatch)
    if share >= MOST:
        return Personal("phone", share)
    if _share(cells, _ORGANIZATION.fullmatch) >= MOST:  # a customer or an owner may be one
        return None
    alone, held = len(said.words) == 1, said.joined & _HOLDERS or said.whose
    named = said.joined & _FULL_WORDS or (said.joined & _NAME_WORDS and (alone or held))
    many = len(cells) >= LEVELS
    sure = bool(said.ends & _SURE_NAMES)
    if named or sure:
        any_case = sure or (said.whose and many and not said.ends & _LOGINS)
        upper = _share(cells, _PERSON.fullmatch if any_case else _is_person)
        several = _share(cells, lambda cell: " " in cell) >= 0.5
        enough = said.joined & _FULL_WORDS or held
        if upper >= MOST and (sure or several or (enough and len(cells) >= NAMES)):
            return Personal("name", upper)
    if many and said.ends & _NAMED:
        share = _share(cells, _is_full_name)
        if share >= MOST:
            return Personal("name", share)
    return None


def _by_person(cells: list[str], said: _Said) -> Personal | None:
    """Find numbers, user names and addresses of persons, which the column's name tells."""
    many = len(cells) >= LEVELS
    # ledgers number their accounts in few digits, and counts have few
    least = 8 if said.papers & _ACCOUNTS else 5 if said.whole else 1
    alone = len(said.words) == 1  # amounts, too, are named as "cost per patient" is
    own = said.ends & _PERSONS and (not said.whole or (alone and _one_length(cells, said)))
    coded = said.whole or _share(cells, re.compile(r".*\d.*").fullmatch) >= MOST
    sure = said.numbers and (many or (said.numbers == "sure" and coded))
    housed = said.ends & _STREETS and not set(said.words) & _NO_STREETS
    house = _HOUSE if said.ends & (_STREETS - _LOOSE_STREETS) else _HOUSE_AT_AN_END
    for kind, told, pattern, least_share in (
        ("number of a person", sure, r"\S+", MOST),
        ("number of a person", many and said.papers, rf"(?=.*\d).{{{least},40}}", MOST),
        ("number of a person", many and own, r"\S*\d\S*", MOST),
        ("user name", many and said.ends & _LOGINS, r"(?=.*[^\W\d_])\S+", MOST),
        ("street address", many and housed, house, HOUSES),
    ):
        share = _share(cells, re.compile(pattern).fullmatch) if told else 0.0
        if share >= least_share:
            return Personal(kind, share)
    return None


def _one_length(cells: list[str], said: _Said) -> bool:
    """Tell integers that repeat and have one length of five digits or more from counts."""
    return said.repeated and len({*map(len, cells)}) == 1 and len(cells[0]) >= 5
