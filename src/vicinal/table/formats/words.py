"""Words that formats are known by: months, weekdays, yes and no, marks of missing values."""

from __future__ import annotations

import re


def _table(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Names of months by language, in the usual lower or upper case; several spellings each.
MONTHS: dict[str, tuple[tuple[str, ...], ...]] = {
    "en": (
        _table(
            "January February March April May June July August September October November December"
        ),
        _table("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
        _table("Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec"),
        _table("Jan. Feb. Mar. Apr. May Jun. Jul. Aug. Sep. Oct. Nov. Dec."),
        _table("Jan. Feb. March April May June July Aug. Sept. Oct. Nov. Dec."),
    ),
    "de": (
        _table(
            "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
        ),
        _table("Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
        _table("Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
        _table("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
        _table("Jan. Feb. Mär. Apr. Mai Jun. Jul. Aug. Sep. Okt. Nov. Dez."),
    ),
    "fr": (
        _table(
            "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
        ),
        _table("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."),
        _table("janv févr mars avr mai juin juil août sept oct nov déc"),
    ),
    "es": (
        _table(
            "enero febrero marzo abril mayo junio julio agosto "
            "septiembre octubre noviembre diciembre"
        ),
        _table("ene feb mar abr may jun jul ago sep oct nov dic"),
        _table("ene feb mar abr may jun jul ago sept oct nov dic"),
        _table("ene. feb. mar. abr. may. jun. jul. ago. sep. oct. nov. dic."),
    ),
    "it": (
        _table(
            "gennaio febbraio marzo aprile maggio giugno luglio "
            "agosto settembre ottobre novembre dicembre"
        ),
        _table("gen feb mar apr mag giu lug ago set ott nov dic"),
    ),
    "pt": (
        _table(
            "janeiro fevereiro março abril maio junho julho "
            "agosto setembro outubro novembro dezembro"
        ),
        _table("jan fev mar abr mai jun jul ago set out nov dez"),
    ),
    "nl": (
        _table(
            "januari februari maart april mei juni juli augustus "
            "september oktober november december"
        ),
        _table("jan feb mrt apr mei jun jul aug sep okt nov dec"),
    ),
    "sv": (
        _table(
            "januari februari mars april maj juni juli augusti september oktober november december"
        ),
        _table("jan feb mar apr maj jun jul aug sep okt nov dec"),
    ),
    "da": (
        _table(
            "januar februar marts april maj juni juli august september oktober november december"
        ),
    ),
    "no": (
        _table(
            "januar februar mars april mai juni juli august september oktober november desember"
        ),
        _table("jan feb mar apr mai jun jul aug sep okt nov des"),
    ),
    "pl": (
        _table(
            "stycznia lutego marca kwietnia maja czerwca lipca "
            "sierpnia września października listopada grudnia"
        ),
        _table("sty lut mar kwi maj cze lip sie wrz paź lis gru"),
    ),
}

#: Names of weekdays from Monday.
WEEKDAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "en": (
        _table("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        _table("Mon Tue Wed Thu Fri Sat Sun"),
    ),
    "de": (
        _table("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
        _table("Mo Di Mi Do Fr Sa So"),
        _table("Mo. Di. Mi. Do. Fr. Sa. So."),
    ),
    "fr": (
        _table("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        _table("lun. mar. mer. jeu. ven. sam. dim."),
        _table("lun mar mer jeu ven sam dim"),
    ),
    "es": (
        _table("lunes martes miércoles jueves viernes sábado domingo"),
        _table("lun mar mié jue vie sáb dom"),
    ),
    "it": (
        _table("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
        _table("lun mar mer gio ven sab dom"),
    ),
    "nl": (
        _table("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
        _table("ma di wo do vr za zo"),
    ),
}

#: Halves of a day, as they are written.
HALVES = (("AM", "PM"), ("am", "pm"), ("a.m.", "p.m."), ("A.M.", "P.M."), ("Am", "Pm"))

#: Pairs of yes and no, in lower case.
YES_NO = (
    ("yes", "no"),
    ("y", "n"),
    ("true", "false"),
    ("t", "f"),
    ("ja", "nein"),
    ("j", "n"),
    ("wahr", "falsch"),
    ("oui", "non"),
    ("o", "n"),
    ("vrai", "faux"),
    ("sí", "no"),
    ("si", "no"),
    ("s", "n"),
    ("verdadero", "falso"),
    ("sì", "no"),
    ("vero", "falso"),
    ("sim", "não"),
    ("verdadeiro", "falso"),
    ("ja", "nee"),
    ("ja", "nej"),
    ("ja", "nei"),
    ("tak", "nie"),
    ("on", "off"),
)

#: Cells that stand for a missing value, in lower case.
_MARKS = """
    - | -- | --- | \u2013 | \u2014 | ? | ?? | . | * | # | n/a
    #n/a | na | n.a. | n. a. | nan | null | none | nil | <na>
    nat | unknown | not available | missing | (null) | unbekannt | k.a. | k. a. | k.a | keine angabe
    fehlt | inconnu | inconnue | nd | n.d. | non renseigné
    desconocido | sin datos | s/d | sconosciuto
    n.v.t. | desconhecido | onbekend | okänd | brak
    #value! | #ref! | #div/0! | #null! | 0000-00-00
    0000-00-00 00:00:00 | 00.00.0000 | 00/00/0000 | 9999-12-31
    31.12.9999 | 12/31/9999 | 31/12/9999
"""
MISSING = frozenset(["", *(mark.strip() for mark in re.split(r"[|\n]", _MARKS.strip()))])

_CODES = (
    "USD EUR GBP JPY CHF CNY INR AUD CAD NZD SEK NOK DKK PLN CZK HUF RON BGN TRY RUB BRL MXN ARS "
    "CLP COP PEN ZAR KRW SGD HKD TWD THB IDR MYR PHP VND ILS AED SAR EGP NGN KES UAH ISK"
)
_SIGNS = ["US$", "R$", "A$", "C$", "kr.", "kr", "zł", "Kč", "Ft", "Fr.", "SFr.", "Rs.", "Rs"]


def currency_pattern() -> str:
    """Return a regular expression of currency signs and codes."""
    signs = [sign.replace("$", r"\$").replace(".", r"\.") for sign in _SIGNS]
    return "|".join([*signs, "[$¢£¤¥฿₠-⃀]", *_CODES.split()])
