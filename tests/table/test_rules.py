"""Rules between columns: found where they hold, nowhere else, and kept whatever is mixed."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from vicinal.table.rules import RuleKeeper, find_rules, parse_rule

N = 800


def orders(n: int = N, seed: int = 0) -> pa.Table:
    """Return orders with a rule of every kind."""
    rng = np.random.default_rng(seed)
    price = rng.gamma(2, 20, n).round(2)
    quantity = rng.integers(1, 30, n)
    goods = (price * quantity).round(2)
    freight = rng.gamma(2, 5, n).round(2)
    when = [datetime(2020, 1, 1) + timedelta(minutes=int(m)) for m in rng.integers(0, 900_000, n)]
    late = [
        one + timedelta(minutes=int(m)) for one, m in zip(when, rng.gamma(2, 900, n), strict=True)
    ]
    store = rng.integers(0, 40, n)
    city = store % 7
    age = rng.integers(17, 90, n)
    paid = rng.random(n) < 0.3
    return pa.table(
        {
            "price": price,
            "quantity": quantity,
            "goods": goods,
            "freight": freight,
            "total": (goods + freight).round(2),
            "tax": (0.2 * (goods + freight)).round(2),
            "ordered": pa.array(when, pa.timestamp("us")),
            "shipped": pa.array(late, pa.timestamp("us")),
            "year": np.array([one.year for one in when]),
            "store": store + 1000,
            "city": [f"city {one}" for one in city],
            "country": [f"country {one % 3}" for one in city],
            "age": age,
            "born": 2020 - age,
            "group": np.where(age < 30, "young", np.where(age < 60, "middle", "old")),
            "paid": pa.array(rng.gamma(2, 10, n).round(2), mask=paid),
            "receipt": pa.array(rng.integers(0, 9, n), mask=paid | (rng.random(n) < 0.1)),
            "hundreds": rng.integers(1, 40, n) * 100,
        }
    )


WANTED = {
    "goods = price * quantity",
    "total = goods + freight",
    "tax = 0.2 * total",
    "ordered <= shipped",
    "year = year(ordered)",
    "store -> city",
    "city -> country",
    "born = 2020 - age",
    "age -> `group`",
    "paid missing -> receipt missing",
    "hundreds is a multiple of 100",
}


def test_every_kind_is_found():
    found = {rule.text.replace("<=", "<").replace("`", "") for rule in find_rules(orders())}
    wanted = {text.replace("<=", "<").replace("`", "") for text in WANTED}
    assert not wanted - found
    assert all(rule.rows > 100 and rule.exceptions == 0 for rule in find_rules(orders()))


@pytest.mark.parametrize("seed", range(5))
def test_no_rule_between_columns_that_are_shuffled_apart(seed):
    table, rng = orders(), np.random.default_rng(seed)
    apart = pa.table(
        {name: table[name].take(pa.array(rng.permutation(N))) for name in table.schema.names}
    )
    assert [rule.text for rule in find_rules(apart) if rule.kind != "grid"] == []


def test_a_single_exception_is_no_rule():
    table = orders()
    total = table["total"].to_numpy().copy()
    total[17] += 1
    broken = table.set_column(table.schema.names.index("total"), "total", pa.array(total))
    texts = {rule.text for rule in find_rules(broken)}
    assert not any("freight" in text for text in texts)
    assert "goods = price * quantity" in texts


def test_what_is_settled_is_not_mixed_and_comes_back():
    table = orders()
    keeper = RuleKeeper.fit(table)
    mixed = keeper.reduce(table)
    assert {"goods", "total", "tax", "year", "city", "country", "group"}.isdisjoint(
        mixed.schema.names
    )
    back = keeper.restore(mixed)
    assert back.schema.names == table.schema.names
    for name in table.schema.names:
        if pa.types.is_floating(table[name].type):
            assert np.allclose(back[name].to_numpy(), table[name].to_numpy(), equal_nan=True)
        else:
            assert back[name].combine_chunks().equals(table[name].combine_chunks()), name


@pytest.mark.parametrize("seed", range(3))
def test_rules_hold_whatever_is_mixed(seed):
    table, rng = orders(), np.random.default_rng(seed)
    keeper = RuleKeeper.fit(table)
    mixed = keeper.reduce(table)
    wild = {}
    for name in mixed.schema.names:
        values = mixed[name].take(pa.array(rng.integers(0, N, 500)))
        if pa.types.is_floating(values.type):
            values = pc.round(pc.multiply(values, rng.uniform(0.5, 1.5)), 2)
        elif name not in keeper.codes and pa.types.is_integer(values.type) and name != "age":
            values = pc.add(values, int(rng.integers(-3, 4)))
        wild[name] = values
    made = keeper.restore(pa.table(wild))
    assert made.num_rows == 500
    assert set(keeper.broken(made).values()) == {0}
    assert made.schema.equals(table.schema)


def test_columns_to_avoid_are_never_settled():
    table = orders()
    keeper = RuleKeeper.fit(table, avoid=["total", "city"])
    assert {"total", "city"}.isdisjoint(keeper.settled)
    assert set(keeper.broken(keeper.restore(keeper.reduce(table))).values()) == {0}


def test_a_user_says_more():
    table = orders().append_column("cost", pc.subtract(orders()["total"], orders()["freight"]))
    keeper = RuleKeeper.fit(table, ["ordered <= shipped", "freight = total - goods"])
    assert {"ordered <= shipped", "freight = total - goods"} <= {rule.text for rule in keeper.rules}
    assert "freight" in keeper.settled
    assert set(keeper.broken(keeper.restore(keeper.reduce(table))).values()) == {0}


def test_off_keeps_the_table_as_it_is():
    table = orders()
    keeper = RuleKeeper.fit(table, "off")
    assert keeper.rules == []
    assert keeper.restore(keeper.reduce(table)).equals(table)


def test_names_with_blanks_stand_in_backquotes():
    rule = parse_rule("`Total SF` = `1st SF` + b * 2", ["Total SF", "1st SF", "b"])
    assert rule.text == "`Total SF` = `1st SF` + b * 2"
    assert rule.sources == ("1st SF", "b")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("total = goods +", "must be such as"),
        ("total", "must be such as"),
        ("a < b < c", "must be such as"),
        ("total = __import__('os')", "must be such as"),
        ("total = total + 1", "must be such as"),
        ("total = goods ** 2", "must be such as"),
        ("total = godos + freight", "'godos', which the table has not. Did you mean 'goods'"),
        ("shop -> city", "'shop', which the table has not"),
    ],
)
def test_a_rule_that_is_none_is_refused(text, match):
    with pytest.raises(ValueError, match=match):
        parse_rule(text, orders(50).schema.names)


def test_a_rule_that_rows_break_is_refused_with_the_rows():
    table = orders(60)
    total = table["total"].to_numpy().copy()
    total[[4, 9, 11, 30]] += 1
    broken = table.set_column(table.schema.names.index("total"), "total", pa.array(total))
    with pytest.raises(ValueError, match=r"4 of its 60 rows break it \(first: rows 5, 10, 12"):
        RuleKeeper.fit(broken, ["total = goods + freight"])


@pytest.mark.parametrize(
    ("rules", "match"),
    [
        (["total = goods + freight", "total = freight + goods"], "both settle 'total'"),
        (["born = 2020 - age", "age = 2020 - born"], "in a circle"),
        (["city = goods + freight"], "computes with 'city', which holds string"),
        ("total = goods + freight", "must be 'auto', 'off' or a list"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(rules, match):
    table = orders()
    with pytest.raises(ValueError, match=match):
        RuleKeeper.fit(table, rules)


def test_missing_values_of_what_is_settled_stay():
    table = orders()
    gone = np.random.default_rng(3).random(N) < 0.2
    total = pa.array(table["total"].to_numpy(), mask=gone)
    holed = table.set_column(table.schema.names.index("total"), "total", total)
    keeper = RuleKeeper.fit(holed)
    assert "total" in keeper.settled
    back = keeper.restore(keeper.reduce(holed))
    assert back["total"].null_count == gone.sum()
    assert back.schema.names == holed.schema.names


@pytest.mark.parametrize("n", [0, 1, 20])
def test_few_rows_show_nothing(n):
    assert find_rules(orders(30).slice(0, n)) == []
