"""Learning in one pass: the model it comes to, and what it refuses to read."""

from __future__ import annotations

import pickle
import re
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal._random import Seeds
from vicinal.io import Dialect
from vicinal.table import TableSynthesizer, detect_columns
from vicinal.table.stream import fit_stream
from vicinal.table.stream import source as sources
from vicinal.table.stream.fit import learn, plan_fit, summarize
from vicinal.table.stream.source import find_source


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    n = 60_000
    factor = rng.normal(size=n)
    group = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    return pa.table(
        {
            "x": (factor + rng.normal(size=n)).astype(np.float32),
            "y": np.exp(factor + 0.5 * rng.normal(size=n)),
            "count": rng.poisson(np.exp(3 + 0.3 * factor)),
            "price": np.round(rng.gamma(2, 10, n), 2),
            "gap": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.2),
            "group": pa.array(group).dictionary_encode(),
            "id": np.arange(n) + 5,
            "name": [f"user-{i:x}" for i in rng.permutation(n)],
        }
    )


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows")
    for number, start in enumerate(range(0, rows.num_rows, 20_000)):
        part = rows.slice(start, 20_000)
        pq.write_table(part, path / f"{number}.parquet", row_group_size=5000)
    return path


def quiet(privacy: str = "off", **settings: object) -> TableSynthesizer:
    settings = {"random_state": 3, "identifiers": "replace", **settings}
    return TableSynthesizer(privacy, **settings)


@pytest.fixture(scope="module")
def pooled(folder):
    return fit_stream(quiet(), folder, max_rows=8000)


def test_all_rows_in_the_pool_is_the_same_as_fit(rows, folder, tmp_path):
    streamed = fit_stream(quiet(), folder)
    plain = quiet().fit(rows)
    assert streamed.columns_ == plain.columns_
    streamed.save(tmp_path / "a")
    plain.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert streamed.sample(500).equals(plain.sample(500))


def test_kinds_are_those_of_all_rows(rows, pooled):
    from vicinal.table import detect_columns

    kinds = [(c.name, c.kind, c.n_missing, c.type) for c in detect_columns(rows)]
    assert [(c.name, c.kind, c.n_missing, c.type) for c in pooled.columns_] == kinds
    assert pooled.n_rows_ == 60_000
    assert pooled._state.rows.num_rows == 8000


def test_parts_merge_to_the_same_model_however_they_are_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "PART_ROWS", 10_000)
    source = find_source(folder)
    assert len(source.parts) == 6
    files = []
    for name, pickled in (("a", False), ("b", True)):
        seeds = Seeds(3)
        plan = plan_fit(source, seeds, 8000)
        summaries = [summarize(part, plan) for part in source.parts]
        if pickled:
            summaries = [pickle.loads(pickle.dumps(one)) for one in reversed(summaries)][::-1]
        whole = summaries[0]
        for one in summaries[1:]:
            whole.merge(one)
        learn(quiet(), whole, seeds).save(tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    fit_stream(quiet(), source, max_rows=8000).save(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == files[0]


def test_another_cut_gives_the_same_pool_and_counts(folder, pooled, monkeypatch):
    monkeypatch.setattr(sources, "PART_ROWS", 7000)
    other = fit_stream(quiet(), folder, max_rows=8000)
    assert other._state.rows.equals(pooled._state.rows)
    assert other.columns_ == pooled.columns_
    for name, marginal in pooled._state.population.marginals.items():
        same = other._state.population.marginals[name]
        assert np.array_equal(marginal.low, same.low)
        assert np.array_equal(marginal.levels, same.levels)


def test_the_pool_knows_its_places(rows, pooled):
    learned = pooled._state
    assert learned.rows["x"].equals(rows["x"].take(learned.order))
    assert len(np.unique(learned.order)) == 8000


def test_marginals_are_those_of_all_rows(rows, pooled, dkw_limit):
    """Against all 60,000 rows, though 8,000 are held: a sample of all marginals would show."""
    n = 60_000
    made = pooled.sample(n, random_state=1)
    for name in ("x", "y", "price", "count"):
        real, drawn = (np.sort(t[name].to_numpy()) for t in (rows, made))
        points = np.unique(np.concatenate([real, drawn]))
        shares = [np.searchsorted(one, points, side="right") / n for one in (real, drawn)]
        # drawn rows scatter about their law; the law is within half a level of the quantiles,
        # and calibration adds the scatter of the scores that it is learned from
        limit = dkw_limit(n) + dkw_limit(2**17) + 1 / 2048
        assert np.abs(shares[0] - shares[1]).max() < limit, name
    assert made["y"].to_numpy().max() <= rows["y"].to_numpy().max()
    assert set(made["count"].to_pylist()) <= set(rows["count"].to_pylist())


def test_quantiles_agree_with_an_independent_sketch(rows, pooled):
    """KLL of Apache DataSketches over all rows, within its own stated rank error."""
    datasketches = pytest.importorskip("datasketches")
    for name in ("x", "y"):
        sketch = datasketches.kll_doubles_sketch(1000)
        sketch.update(rows[name].to_numpy().astype(np.float64))
        marginal = pooled._state.population.marginals[name]
        at = np.linspace(0.02, 0.98, 49)
        ours = marginal.high[np.searchsorted(marginal.levels, at)]
        ranks = np.array([sketch.get_rank(float(value)) for value in ours])
        # twice the error that holds with 99 %, which is six standard errors, and one level
        assert np.abs(ranks - at).max() < 2 * sketch.normalized_rank_error(False) + 1 / 1024


def test_raw_mixing_has_mean_and_variance_of_all_rows(folder, rows, z_limit):
    model = fit_stream(quiet(marginals="raw"), folder, max_rows=2000)
    scores = model._training.scores
    for at, column in enumerate(model._training._mixed):
        name = column.name
        if name not in ("x", "y"):
            continue
        decoded = column.scale.decode(scores[:, at])
        real = rows[name].to_numpy().astype(float)
        assert decoded.mean() == pytest.approx(real.mean(), rel=1e-4)
        assert decoded.std() == pytest.approx(real.std(), rel=1e-4)


def test_shares_of_levels_and_gaps_are_a_sample_s(rows, pooled, z_limit):
    made = pooled.sample(30_000, random_state=1)
    for name, value in (("group", "c"), ("gap", None)):
        real, drawn = (
            np.mean([one == value for one in table[name].to_pylist()]) for table in (rows, made)
        )
        error = np.sqrt(real * (1 - real) * (1 / 8000 + 1 / 30_000))
        assert abs(real - drawn) < z_limit(2) * error


def test_identifiers_are_none_of_the_real_ones(rows, pooled):
    made = pooled.sample(5000)
    assert min(made["id"].to_pylist()) > max(rows["id"].to_pylist())
    names = made["name"].to_pylist()
    assert len(set(names)) == 5000
    assert not set(names) & set(rows["name"].to_pylist())


def test_placeholders_avoid_real_names(tmp_path):
    n = 3000
    names = [f"user-{i}" for i in range(n)]
    pq.write_table(pa.table({"x": np.arange(n) % 777, "user": names}), tmp_path / "a.parquet")
    model = fit_stream(quiet(), tmp_path, max_rows=500)
    assert model._state.population.prefixes == {"user": "user-new-"}


def test_saved_and_loaded_it_draws_the_same(pooled, tmp_path):
    pooled.save(tmp_path / "model")
    loaded = TableSynthesizer.load(tmp_path / "model")
    assert loaded.n_rows_ == pooled.n_rows_
    assert loaded.sample(300).equals(pooled.sample(300))


def test_settings_hold(folder):
    model = fit_stream(
        quiet(within="group", kinds={"count": "category"}, identifiers="drop"),
        folder,
        max_rows=3000,
    )
    assert model.settings_.within == ("group",)
    assert {c.name: c.kind for c in model.columns_}["count"] == "category"
    assert model.sample(10).column_names == ["x", "y", "count", "price", "gap", "group"]


def test_neighborhoods_and_groups_of_a_pool(folder):
    model = fit_stream(quiet("balanced", target="group"), folder, max_rows=2000)
    assert model.settings_.method == "neighborhood"
    assert model.sample(100).num_rows == 100


def test_csv_files(rows, tmp_path):
    from vicinal.io import write_table

    for number in range(3):
        write_table(
            rows.select(["x", "group"]).slice(number * 500, 500), tmp_path / f"{number}.csv"
        )
    streamed = fit_stream(quiet(), tmp_path / "*.csv", max_rows=300)
    assert streamed.n_rows_ == 1500
    assert sorted(streamed._state.order // 500)[::299] == [0, 2]


# Bad input


def test_infinity_is_named_with_its_file(tmp_path):
    pq.write_table(pa.table({"x": [1.0, 2.0, 3.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1.0, np.inf]}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet: column 'x' holds infinity"):
        fit_stream(quiet(), tmp_path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"x": [1.0], "z": ["a"]}, r"2\.parquet has no column 'y'"),
        ({"x": [1], "y": ["a"]}, r"2\.parquet: column 'x' is int64, but double in .*1\.parquet"),
        ({"x": [1.0], "y": ["a"], "z": [1]}, r"2\.parquet has a column 'z'"),
    ],
)
def test_a_schema_that_differs_names_file_and_column(tmp_path, other, said):
    pq.write_table(pa.table({"x": [1.0], "y": ["a"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table(other), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=said):
        find_source(tmp_path)


def test_columns_in_another_order_are_the_same_columns(tmp_path):
    pq.write_table(pa.table({"x": [1.0], "y": ["a"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"y": ["b"], "x": [2.0]}), tmp_path / "2.parquet")
    model = fit_stream(quiet(kinds={"x": "numeric"}), tmp_path)
    assert model._state.rows.column_names == ["x", "y"]


def test_a_part_that_cannot_be_read_is_named(folder, tmp_path):
    data = (folder / "0.parquet").read_bytes()
    (tmp_path / "0.parquet").write_bytes(data)
    (tmp_path / "1.parquet").write_bytes(data[:-100])
    with pytest.raises(ValueError, match=r"1\.parquet is cut short"):
        find_source(tmp_path)
    middle = bytearray(data)
    middle[1000:30_000] = bytes(29_000)  # the footer is whole, pages are not
    (tmp_path / "1.parquet").write_bytes(middle)
    with pytest.raises(ValueError, match=r"1\.parquet cannot be read"):
        fit_stream(quiet(), tmp_path)


@pytest.mark.parametrize(
    ("pattern", "error", "said"),
    [
        ("*.parq", FileNotFoundError, "No file matches"),
        ("nowhere/*.parquet", FileNotFoundError, "does not exist"),
        ("empty", FileNotFoundError, "holds no table"),
        ("0.parqet", FileNotFoundError, "Did you mean '0.parquet'"),
        ("[0n]*", ValueError, "not known"),
    ],
)
def test_nothing_to_read(folder, tmp_path, monkeypatch, pattern, error, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "0.parquet").write_bytes((folder / "0.parquet").read_bytes())
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(error, match=said):
        find_source(pattern)


def test_memory_too_small_says_the_least(folder):
    with pytest.raises(ValueError, match=r"too small: these columns need at least 0\.\d+GB"):
        fit_stream(quiet(), folder, memory="50MB")
    with pytest.raises(ValueError, match="memory must be a size"):
        fit_stream(quiet(), folder, memory="lots")


def test_short_memory_takes_a_smaller_pool_and_says_so(folder, monkeypatch):
    from vicinal.table.stream import memory

    source = find_source(folder)
    need = memory._standing(source) + 30_000 * memory._cost(quiet(), source)
    with pytest.warns(UserWarning, match="leaves room for a pool of 16,384 rows instead of 60,000"):
        assert memory.pool_size(quiet(), source, None, int(need)) == 16_384
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert memory.pool_size(quiet(), source, None, 10**12) == memory.POOL_ROWS["rows"]


def test_a_real_table_blown_up_is_as_good_as_in_memory(tmp_path):
    """Adult's bundled rows, 30 times over, from a pool of as many rows as the table has."""
    from io import BytesIO

    from pyarrow import csv

    from vicinal.data import adult_sample
    from vicinal.report.fidelity.measure import measure_fidelity
    from vicinal.report.tables import align
    from vicinal.table import detect_columns

    adult = csv.read_csv(BytesIO(adult_sample()))
    m = adult.num_rows
    for number in range(3):
        pq.write_table(pa.concat_tables([adult] * 10), tmp_path / f"{number}.parquet")
    kinds = detect_columns(adult)
    scores = []
    for seed in range(2):
        settings = {"target": "income", "random_state": seed}
        models = (
            TableSynthesizer("off", **settings).fit(adult),
            fit_stream(TableSynthesizer("off", **settings), tmp_path, max_rows=m),
        )
        tables = [align(adult, model.sample(m), columns=kinds) for model in models]
        found = [measure_fidelity(one, two_sample=False, random_state=0) for one in tables]
        scores.append([(one.score, one.pair_score) for one in found])
    plain, streamed = np.mean(scores, axis=0)
    # a pool of m rows knows any share to 1 / (2 sqrt(m)), one standard error, and a correlation
    # to 1 / sqrt(m); scores are means of such differences
    assert (streamed > plain - 1 / np.sqrt(m)).all(), (plain, streamed)


def test_values_too_rare_for_the_pool_are_said(tmp_path):
    n = 20_000
    city = ["A", "B"] * (n // 2)
    city[7], city[11] = "Rare", "Rarer"
    rng = np.random.default_rng(0)
    table = pa.table({"city": city, "x": rng.normal(size=n)})
    pq.write_table(table, tmp_path / "in.parquet")
    words = r"Rare values.*none of the 500 rows held.*city \(2 of 4, 0.01 % of rows\)"
    with pytest.warns(UserWarning, match=words):
        fit_stream(TableSynthesizer("off", random_state=0), tmp_path / "in.parquet", max_rows=500)


@pytest.mark.parametrize("repeated", [0, 3000])
def test_integers_of_which_few_repeat_are_no_identifiers(tmp_path, repeated):
    n = 150_000
    rng = np.random.default_rng(0)
    values = np.arange(n)
    values[n - repeated - 1 : -1] = values[:repeated]  # 2 %, batches apart: a sketch cannot tell
    table = pa.table({"n": values, "x": rng.normal(size=n)})
    pq.write_table(table, tmp_path / "in.parquet")
    model = TableSynthesizer("off", identifiers="replace", random_state=0)
    fit_stream(model, tmp_path / "in.parquet", max_rows=1000)
    in_memory = detect_columns(table)[0].kind
    assert model.columns_[0].kind == in_memory == ("integer" if repeated else "identifier")


def test_formats_of_texts_are_found_and_written_in_a_stream(tmp_path):
    rng = np.random.default_rng(0)
    days = np.datetime64("2020-01-01") + rng.integers(0, 900, 3000)
    amounts = [f"{value:.2f} €".replace(".", ",") for value in rng.gamma(2.0, 500.0, 3000)]
    cells = [f"{day.item():%d.%m.%Y}" for day in days]
    cells[1700] = "gestern"
    mails = [f"user{at}@mail.example" for at in rng.integers(0, 60, 3000)]
    for at in range(2):
        rows = slice(1500 * at, 1500 * (at + 1))
        lines = map(";".join, zip(cells[rows], amounts[rows], mails[rows], strict=True))
        text = "\n".join(["Tag;Größe;Post", *lines, ""])
        (tmp_path / f"part{at}.csv").write_bytes(text.encode("cp1252"))
    source = find_source(tmp_path, Dialect(encoding="cp1252"))
    with pytest.warns(
        UserWarning, match=r"1 cell.*'Tag', which is %d.%m.%Y: row 201 of .*part1.csv \('gestern"
    ):
        model = fit_stream(quiet(), source, max_rows=1000)
    assert {one.name: one.kind for one in model.columns_} == {
        "Tag": "date",
        "Größe": "numeric",
        "Post": "identifier",
    }
    made = model.sample(500, random_state=0)
    dates = made["Tag"].drop_null().to_pylist()
    assert all(re.fullmatch(r"\d\d\.\d\d\.20\d\d", one) for one in dates)
    assert all(re.fullmatch(r"\d+,\d\d €", one) for one in made["Größe"].to_pylist())
    assert not set(made["Post"].to_pylist()) & set(mails)
    with pytest.raises(ValueError, match=r"row 201 of .*part1.csv \('gestern'\)"):
        fit_stream(quiet(strict=True), source, max_rows=1000)
