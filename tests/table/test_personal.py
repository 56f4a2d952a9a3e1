"""Personal data are found, and surrogates keep what a value looks like."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vicinal._contacts import contacts
from vicinal.table import TableSynthesizer
from vicinal.table.formats import SurrogateMaker, find_personal
from vicinal.table.formats.personal import iban_check, luhn_check

CASES = Path(__file__).parents[2] / "shared" / "cases" / "tables"
if not CASES.exists():
    CASES = Path(__file__).parents[3] / "shared" / "cases" / "tables"
RNG = np.random.default_rng(5)


def digits(n: int) -> str:
    return "".join(map(str, RNG.integers(0, 10, n)))


def case(name: str, column: str) -> pa.Array:
    file = CASES / f"{name}.csv"
    if not file.exists():
        pytest.skip(f"the shared cases are not at {CASES}")
    with file.open(encoding="utf-8-sig") as lines:
        rows = list(csv.reader(lines))
    at = rows[0].index(column)
    return pa.array([row[at] for row in rows[1:]])


def test_check_digits():
    # textbook numbers: ISO/IEC 7812 and ISO 13616
    assert luhn_check("7992739871") == "3"
    assert iban_check("GB", "WEST12345698765432") == "82"
    assert iban_check("DE", "370400440532013000") == "89"


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("pii", "email", "e-mail"),
        ("pii", "name", "name"),
        ("pii", "iban", "IBAN"),
        ("us", "Phone", "phone"),
        ("us", "SSN", "social security number"),
        ("us", "Revenue", None),
        ("us", "Zip", None),
        ("prefix", "Item", None),
        ("prefix", "Transaction ID", None),
    ],
)
def test_personal_data_of_the_shared_cases(name, column, kind):
    found = find_personal(case(name, column), column)
    assert (found and found.kind) == kind


CARDS = [body + luhn_check(body) for body in (f"4{digits(14)}" for _ in range(200))]
IBANS = [f"DE{iban_check('DE', body)}{body}" for body in (digits(18) for _ in range(200))]


FAMILIES = ("Koch", "Li", "Ek", "Ay")
NAMES = [f"{first} {last}" for first in ("Anna", "Ben", "Eva") for last in FAMILIES]
NUMBERS = [f"P{digits(6)}" for _ in range(60)]
FIRMS = [f"{one} {kind}" for one in FAMILIES for kind in ("GmbH", "Trading Ltd", "Hotel Group")]
PLATES = [f"B-{one[0]}{one[-1].upper()} {digits(3)}" for one in NAMES]
LOGINS = [name.lower().replace(" ", "") for name in NAMES]
STREETS = [f"{name.split()[1]}straße {at + 1}" for at, name in enumerate(NAMES)]
HOLDERS = ["Client", "Kunde", "Doctor", "Manager", "Sales Rep", "student", "assigned_to", "Fahrer"]


@pytest.mark.parametrize(
    ("cells", "name", "kind"),
    [
        (["a.b@c.de", "x@y.org", "none"], "kontakt", "e-mail"),
        (CARDS, "x", "card number"),
        (IBANS, "x", "IBAN"),
        (["https://a.b/1", "www.c.de"], "x", "URL"),
        (["192.168.0.1", "10.1.2.255"], "x", "IP address"),
        (["0a:1b:2c:3d:4e:5f", "0A-1B-2C-3D-4E-5F"], "x", "MAC address"),
        (["2001:db8::1", "fe80::2:1"], "x", "IP address"),
        (["+49 30 1234567", "+49 89 7654321"], "x", "phone"),
        (["(212) 555-0101", "(212) 555-0102"], "x", "phone"),
        (["030123456", "089654321"], "Telefon privat", "phone"),
        (["Anna", "Bo", "Cy"], "first_name", "name"),
        (["KOCH", "EK", "KOCH", "KOCH"], "Last Name", "name"),
        (["koch", "ek"] * 20, "patient_surname", "name"),
        *[(FAMILIES, name, "name") for name in ("lname", "Nachname", "primer apellido")],
        *[(FAMILIES, name, None) for name in ("visitor", "team", "team_name", "nom", "driver")],
        (["Anna Li", "Bo Ek"], "customerName", "name"),
        (["Anna Li", "Bo Ek"] * 50, "name", "name"),
        (["Li, Anna", "Ek, Bo"], "Patient", "name"),
        (["Coffee", "Cake"], "name", None),
        (["New York", "Los Angeles"], "city_name", None),
        (["Big Cola", "Small Tea"], "product name", None),
        (["10:20:30", "11:22:33"], "x", None),
        (NUMBERS, "patient_id", "number of a person"),
        (NUMBERS[:3], "userID", "number of a person"),
        ([f"ALF{a}{b}" for a in "KIRT" for b in "IAO"], "CustomerID", "number of a person"),
        (NUMBERS, "Kundennummer", "number of a person"),
        (NUMBERS, "numero de cliente", "number of a person"),
        (NUMBERS, "MRN", "number of a person"),
        (NUMBERS, "Passport No.", "number of a person"),
        (PLATES, "license_plate", "number of a person"),
        (PLATES, "License Plate State", None),
        (NUMBERS, "Customer", "number of a person"),
        (LOGINS, "username", "user name"),
        (LOGINS, "created_by", "user name"),
        (STREETS, "address", "street address"),
        (STREETS, "Straße", "street address"),
        (STREETS, "email address", None),
        (NAMES, "street", None),
        *[(NAMES, name, "name") for name in HOLDERS],
        (NAMES[:9], "Customer", None),
        (NAMES, "customer_city", None),
        ([name.lower() for name in NAMES], "customer_name", "name"),
        (["First Owner", "Second Owner", "Third Owner"], "owner", None),
        (["Retail", "Wholesale"], "Customer", None),
        (["yes", "no"], "teacher", None),
        (["yes", "no"], "passport", None),
        (NUMBERS, "store_id", None),
        (NUMBERS, "product_id", None),
        (NUMBERS, "department_id", None),
        (NUMBERS, "customer_segment_id", None),
        (NUMBERS, "customer_zip_code", None),
        (NUMBERS, "policy_type", None),
        *[(FIRMS, name, None) for name in ("owner", "visitor", "Customer", "customer_name")],
        (FIRMS[:4] + NAMES, "customer", "name"),
        ([f"Wait {n} days or call the office" for n in range(20)], "comment_str", None),
        ([f"take {n} pills" for n in range(20)], "rue", None),
        ([f"Rue Hugo {n}" for n in range(20)], "rue", "street address"),
        ([f"{n} rue de la Paix, 75002 Paris" for n in range(20)], "Rue", "street address"),
        ([f"Hauptstr. {n}a" for n in range(20)], "str", "street address"),
        ([f"{n} main street, floor 2" for n in range(20)], "address", "street address"),
        ([], "name", None),
        ([None], "email", None),
    ],
)
def test_find_personal(cells, name, kind):
    found = find_personal(pa.array(cells, pa.string()), name)
    assert (found and found.kind) == kind


def test_integers_and_other_types():
    phones = pa.array([491700000000 + 7919 * at for at in range(50)])
    assert find_personal(phones, "phone").kind == "phone"
    assert find_personal(phones, "amount") is None
    few = pa.array([7, 12, 7, 30] * 15)
    assert find_personal(few, "customer_id").kind == "number of a person"
    assert find_personal(few.dictionary_encode(), "customer_id").kind == "number of a person"
    long = pa.array([10_000 + 7 * at for at in range(50)] * 2)
    assert find_personal(long, "Kunde").kind == "number of a person"
    for counts in ("customers", "number of customers", "num_employees", "guest", "passport"):
        assert find_personal(few, counts) is None
    assert find_personal(pa.array([1.5]), "phone") is None
    assert find_personal(pa.array(CARDS).dictionary_encode(), "x").kind == "card number"


def maker(cells: list, name: str = "x", **options) -> SurrogateMaker:
    values = pa.array(cells)
    return SurrogateMaker(values, name, personal=find_personal(values, name), **options)


COLUMNS = {
    "txn": [f"TXN_{1961373 + 4711 * at}" for at in range(300)],
    "phone": [f"01{digits(8)}" for _ in range(300)],
    "code": [f"K{at:05d}" for at in range(600)],
    "dense": [f"A{at:03d}" for at in range(900)],
    "uuid": [str(uuid.UUID(int=int(digits(30)))) for _ in range(300)],
    "card": CARDS,
    "iban": IBANS,
    "email": [f"user{at}@example.org" for at in range(150)],
    "name": ["Anna Li", "Bo Ek", "Cy Fox"],
    "ip": [f"10.0.0.{at}" for at in range(200)],
    "url": [f"https://a.b/{at}" for at in range(50)],
    "tiny": ["a", "b", "c"],
    "same": ["same", "same"],
    "mixed": [f"{'AB'[at % 2]}-{at}" for at in range(500)],
    "empty": pa.array([], pa.string()),
    "integer": list(range(100)),
    "username": LOGINS,
    "address": STREETS,
    "ünï": [f"Ü{at:04d}ß" for at in range(100)],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_surrogates_are_fresh_and_go_on(name):
    cells = COLUMNS[name]
    made = maker(cells, name, seed=1).make(0, 3000).to_pylist()
    assert len(set(made)) == 3000
    assert not set(made) & set(pa.array(cells).to_pylist())
    assert maker(cells, name, seed=1).make(1000, 500).to_pylist() == made[1000:1500]
    if name not in {"integer"}:
        assert maker(cells, name, seed=2).make(0, 100).to_pylist() != made[:100]


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "empty"])
def test_the_same_value_has_the_same_surrogate(name):
    cells = COLUMNS[name]
    one = maker(cells, name, key=b"secret")
    twice = pa.array([*cells, *cells, None], pa.array(cells).type)
    made = one.replace(twice).to_pylist()
    assert made[: len(cells)] == made[len(cells) : -1]
    assert made[-1] is None
    assert len(set(made)) == len(set(cells)) + 1
    assert not set(made) & set(cells)
    assert maker(cells[::-1], name, key=b"secret").replace(twice).to_pylist() == made
    other = maker(cells, name).replace(twice).to_pylist()
    assert len(set(cells)) < 50 or other != made


def test_tables_that_share_a_key_agree():
    customers = [f"TXN_{1961373 + 4711 * at}" for at in range(400)]
    whole = maker(customers, key=b"k")
    part = maker(customers[50:150], key=b"k")
    values = pa.array(customers[50:150])
    assert whole.replace(values).equals(part.replace(values))


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("txn", r"TXN_[1-9]\d{6}"),
        ("phone", r"01\d{8}"),
        ("code", r"K\d{5}"),
        ("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        ("email", r"user\d+@example\.org"),
        ("name", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("username", r"[a-z]+"),
        ("address", r"[A-Z][a-z]+ \d+"),
        ("ünï", r"Ü\d{4}ß"),
    ],
)
def test_surrogates_keep_the_pattern(name, expression):
    made = maker(COLUMNS[name], name).make(0, 300)
    assert pa.compute.all(pa.compute.match_substring_regex(made, f"^{expression}$")).as_py()


def test_surrogates_carry_check_digits():
    for card in maker(CARDS).make(0, 200).to_pylist():
        assert card[0] == "4"
        assert len(card) == 16
        assert luhn_check(card[:-1]) == card[-1]
    spaced = [" ".join(card[at : at + 4] for at in range(0, 16, 4)) for card in CARDS]
    for card in maker(spaced).make(0, 200).to_pylist():
        plain = card.replace(" ", "")
        assert (len(plain), luhn_check(plain[:-1])) == (16, plain[-1])
    for iban in maker(IBANS).make(0, 200).to_pylist():
        assert iban[2:4] == iban_check("DE", iban[4:])


def test_types_are_kept():
    assert maker(list(range(9))).make(0, 3).to_pylist() == [10, 11, 12]
    wide = np.random.default_rng(0).choice(10**8, 50, replace=False) + 10**8
    made = SurrogateMaker(pa.array(wide), "x").make(0, 60).to_pylist()
    assert len(set(made)) == 60
    assert min(made) % 10**7 == 0  # so that the largest real one is not the number before
    full = SurrogateMaker(pa.array(range(1, 151), pa.uint8()), "x").make(0, 106).to_pylist()
    assert set(full) == {0, *range(151, 256)}
    small = SurrogateMaker(pa.array([120], pa.int8()), "x")
    assert small.make(0, 20).to_pylist()[:8] == [121, 122, 123, 124, 125, 126, 127, 119]
    large = pa.array(COLUMNS["txn"], pa.large_string())
    assert SurrogateMaker(large, "x").make(0, 2).type == pa.large_string()
    assert SurrogateMaker(large.dictionary_encode(), "x").make(0, 2).type == pa.large_string()


def test_what_surrogates_cannot_be_made_of():
    with pytest.raises(TypeError, match="strings and integers"):
        SurrogateMaker(pa.array([1.5]), "x")
    with pytest.raises(ValueError, match="no room"):
        SurrogateMaker(pa.array([0], pa.uint8()), "x").make(0, 300)
    with pytest.raises(ValueError, match="1 values of column 'x'"):
        maker(["a", "b"]).replace(pa.array(["c"]))


@pytest.mark.parametrize("name", ["vor_name", "NachName", "SurName", "Last Name", "given-name"])
def test_the_words_of_a_name_are_joined_in_their_order(name):
    # joined from a set, they came in an order that the hash seed of the process drew
    cells = pa.array([f"{'ABCDEFGHIJ'[at % 10]}{'aeiou' * (1 + at // 10)}n" for at in range(40)])
    assert find_personal(cells, name).kind == "name"
    script = (
        "import pyarrow as pa; from vicinal.table.formats import find_personal;"
        f"print(find_personal(pa.array({cells.to_pylist()!r}), {name!r}).kind)"
    )
    for seed in ("0", "3"):
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == "name"


def test_letters_of_a_few_texts_are_not_kept():
    rng = np.random.default_rng(0)
    many = [f"AB-{at:04d}" for at in rng.permutation(400)]
    alone = ["SPECIAL_MUELLER-1", "Z-9-YOUNG"]
    made = SurrogateMaker(pa.array(many + alone), "code", seed=3).make(0, 2000).to_pylist()
    assert sum(text.startswith("AB-") for text in made) > 1900
    odd = [text for text in made if not text.startswith("AB-")]
    assert odd
    assert not any("SPECIAL" in text or "MUELLER" in text or "YOUNG" in text for text in odd)


def test_names_in_mail_addresses_are_not_kept():
    people = [f"maria.schmidt{at}@mail.de" for at in range(30)]
    others = [f"{'abcdefghijklmnopqrst'[at % 20] * (3 + at % 7)}@mail.de" for at in range(140)]
    values = pa.array(people + others)
    maker = SurrogateMaker(values, "mail", personal=find_personal(values, "mail"), seed=1)
    for made in (maker.make(0, 500), maker.replace(values)):
        assert not any("maria" in text or "schmidt" in text for text in made.to_pylist())
    alike = pa.array([f"user{at:03d}@mail.de" for at in range(100)])
    maker = SurrogateMaker(alike, "mail", personal=find_personal(alike, "mail"), seed=1)
    assert all(text.startswith("user") for text in maker.make(0, 50).to_pylist())


@pytest.mark.parametrize("host", ["", "@x.org"])
def test_letters_and_digits_of_every_script_vary(host):
    alone = ["Иван-٠١٢٣٤٥٦٧", "李小龙९८७६५४३", "김철수", "नेहा", "רות-1"]
    alone += ["\uff2aörg_Müller\uff11\uff12\uff13\uff14\uff15"]  # of full width
    values = pa.array([f"{text}{host}" for text in alone] * 3)
    maker = SurrogateMaker(
        values, "key", personal=find_personal(values, "key"), seed=1, key=bytes(16)
    )
    runs = {text[at : at + 4] for text in alone for at in range(len(text) - 3)}
    for made in (maker.make(0, 200), maker.replace(values)):
        assert not [text for text in made.to_pylist() if any(run in text for run in runs)]
    scripts = r"\p{Cyrillic}{4}-[\x{660}-\x{669}]{8}|\p{Han}{3}[\x{966}-\x{96f}]{7}|"
    scripts += r"[\x{ff21}-\x{ff3a}]\pL{3}_\pL{6}[\x{ff10}-\x{ff19}]{5}|"
    scripts += r"\p{Hangul}{3}|[\x{900}-\x{97f}]{4}|\p{Hebrew}{3}-[1-9]"
    wanted = pa.compute.match_substring_regex(
        maker.replace(values), f"^({scripts})(@example.org)?$"
    )
    assert pa.compute.all(wanted).as_py()


def test_digits_of_another_script_vary_as_others_do():
    for zero in "\u0660\u0966\uff10":
        table = {48 + at: ord(zero) + at for at in range(10)}
        cells = [f"ID-{digits(6)}".translate(table) for _ in range(300)]
        made = maker(cells, "key", seed=1)
        for texts in (made.make(0, 200).to_pylist(), made.replace(pa.array(cells)).to_pylist()):
            assert not set(texts) & set(cells)
            assert all(text[:3] == "ID-" and len(text) == 9 for text in texts)
            assert {ord(one) - ord(zero) for text in texts for one in text[3:]} == set(range(10))
        cards = [card.translate(table) for card in CARDS]
        for card in maker(cards, "card").make(0, 20).to_pylist():
            assert luhn_check(card[:-1]) == str(int(card[-1]))
            assert {ord(one) - ord(zero) for one in card} <= set(range(10))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_what_surrogates_leave_does_not_tell_the_real_ones(share):
    real = np.random.default_rng(2).choice(10_000, round(10_000 * share), replace=False)
    cells = [f"{one:04d}" for one in real]
    made = maker(cells, "key", seed=1)
    for texts in (made.make(0, 9000).to_pylist(), made.replace(pa.array(cells)).to_pylist()):
        assert not set(texts) & set(cells)
        assert len({text for text in texts if len(text) == 4} | set(cells)) <= max(5000, len(cells))
    short = [str(one) for one in real]  # one digit more is the length of others
    made = maker(short, "key", seed=1)
    for texts in (made.make(0, 9000).to_pylist(), made.replace(pa.array(short)).to_pylist()):
        left = set(map(str, range(10_000))) - set(texts)
        assert len(left & set(short)) <= max(0.61, share) * len(left)


@pytest.mark.parametrize(
    "name", ["sum_insured", "revenue_per_customer", "cost_per_patient", "loan_to_borrower"]
)
def test_amounts_of_persons_are_no_numbers_of_persons(name):
    amounts = pa.array(np.resize(np.arange(20_000, 97_000, 3_300), 600))
    assert find_personal(amounts, name) is None
    assert find_personal(amounts, "customer").kind == "number of a person"


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("subject_id", ["MATH", "BIO", "CHEM"]),
        ("contact_id", ["cellular", "telephone"]),
        ("vin", [f"Merlot {year}" for year in range(2000, 2015)]),
    ],
)
def test_few_words_and_wines_are_no_numbers_of_persons(name, levels):
    assert find_personal(pa.array(np.resize(levels, 300)), name) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("to anna.o'k@mail.x-y.org now", ["anna.o'k@mail.x-y.org"]),
        ("2 pcs@10.50, 3@4.99 each", []),
        ("over 1000000 or 25000000 EUR", []),
        ("call 0800 1000000 now", ["0800 1000000"]),
        ("card 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
        ("in 2010 2011 2012 2013 again", []),
        ("up +0.1234567 or +49 30 1234567", ["+49 30 1234567"]),
        ("version 1.2.3.4 of 2024-01-05 12:30:45", []),
        ("at 52.520008, 13.404954", []),
    ],
)
def test_contacts_by_hand(text, found):
    assert [one.group() for one in contacts(text)] == found


@pytest.mark.parametrize("part", ["a'", "https://", "1 ", "1.", "+1 ", "a@", "00:", "(0"])
def test_contacts_are_found_in_linear_time(part):
    def seconds(n: int) -> float:
        begin = time.perf_counter()
        contacts(part * n)
        return time.perf_counter() - begin

    assert min(seconds(8000) for _ in range(3)) < 30 * max(seconds(1000) for _ in range(3)) + 0.1


def test_contacts_and_keys_that_are_held_as_bytes_are_not_written_again():
    rng = np.random.default_rng(0)
    mail = [f"p{at}.miller@mail{at % 7}.org".encode() for at in range(200)]
    table = pa.table({
        "mail": pa.array(mail, pa.binary()),
        "raw": pa.array([b"\xff" + rng.bytes(8) for _ in mail], pa.binary()),
        "uuid": pa.array([rng.bytes(16) for _ in mail], pa.binary(16)),
        "key": pa.array(rng.permutation(10**6)[:200]).dictionary_encode(),
        "x": rng.normal(size=200),
    })  # fmt: skip
    with pytest.warns(UserWarning, match="raw, uuid: left out"):
        made = TableSynthesizer(random_state=0).fit(table).sample()
    assert made.column_names == ["mail", "key", "x"]
    assert made.schema.field("mail").type == pa.binary()
    for name in ("mail", "key"):
        assert not set(made[name].to_pylist()) & set(table[name].to_pylist()), name
    message = "'uuid' holds bytes of a fixed length, which have no surrogates"
    with pytest.raises(ValueError, match=message):
        TableSynthesizer(random_state=0, text="replace").fit(table)
