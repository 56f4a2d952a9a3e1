"""The synthesizer: what is refused, and what is warned of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vicinal.table import TableSynthesizer

pytestmark = pytest.mark.filterwarnings("ignore:(identifier|text) column:UserWarning")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"privacy": "hihg"}, r"privacy must be one of 'off', .*got 'hihg'. Did you mean 'high'\?"),
        ({"marginals": "rwa"}, r"marginals must be one of .*got 'rwa'.*'raw'"),
        ({"method": "row"}, r"method must be one of .*got 'row'. Did you mean 'rows'"),
        ({"categories": "all"}, "categories must be one of 'parent', 'columnwise', got 'all'"),
        ({"identifiers": "keep"}, "identifiers must be one of 'replace', 'drop', got 'keep'"),
        ({"text": "keep"}, "text must be one of 'drop', 'replace', got 'keep'"),
        ({"neighbors": 1}, "neighbors must be at least 2, got 1"),
        ({"neighbors": 5, "method": "rows"}, r"neighbors=5 means nothing .*Leave one"),
        ({"exact_moments": True}, r'exact_moments=True needs marginals="raw"'),
    ],
)
def test_bad_settings(told, message):
    synthesizer = TableSynthesizer(**told)
    with pytest.raises(ValueError, match=message):
        synthesizer.fit(pa.table({"x": [1.0, 2.0, 3.0]}))


def test_bad_weights():
    with pytest.raises(TypeError, match=r"weights must be a law such as EpBeta\(0.1\), got 0.5"):
        TableSynthesizer(weights=0.5).fit(pa.table({"x": [1.0, 2.0, 3.0]}))


@pytest.mark.parametrize(
    ("table", "told", "message"),
    [
        ({"x": []}, {}, r"The table has 0 row\(s\); mixing needs at least 2. Pass more rows"),
        ({"x": [1.0]}, {}, r"The table has 1 row\(s\)"),
        ({}, {}, "The table has 0 row"),
        (
            {"x": [1, 1], "y": [None, None]},
            {},
            r"usable column. Say .*. Columns: x \(constant\), y \(missing\)",
        ),
        ({"user_id": [5, 1, 9]}, {}, r"no usable column. Say .* Columns: user_id \(identifier\)"),
        ({"x": [1.0, np.inf, 2.0]}, {}, r"'x' holds infinity"),
        ({"age": [1.0, 2.0]}, {"within": "aeg"}, r"within: no column 'aeg' .*Did you mean 'age'\?"),
        ({"age": [1.0, 2.0]}, {"target": "aeg"}, r"target: no column 'aeg' .*Did you mean 'age'\?"),
        ({"age": [1.0, 2.0]}, {"kinds": {"aeg": "text"}}, r"kinds: no column 'aeg' .*'age'\?"),
        (
            {"x": [1.0, 2.0, 3.0], "user_id": [5, 1, 9]},
            {"within": "user_id"},
            "within: column 'user_id' is identifier.*'category'",
        ),
        (
            {"x": [1.0, 2.0, 3.0], "user_id": [5, 1, 9]},
            {"target": "user_id"},
            "target: column 'user_id' is identifier",
        ),
    ],
)
def test_bad_tables(table, told, message):
    with pytest.raises(ValueError, match=message):
        TableSynthesizer(random_state=0, **told).fit(pa.table(table))


def test_duplicated_names_are_refused():
    table = pa.Table.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["x", "x"])
    with pytest.raises(ValueError, match=r"unique, got 'x' \(2 times\). Rename"):
        TableSynthesizer(random_state=0).fit(table)


@pytest.mark.parametrize(
    ("told", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1, got 0"),
        ({"n_samples": -3}, ValueError, "n_samples must be at least 1, got -3"),
        ({"n_samples": 2.5}, TypeError, "n_samples must be a whole number, got 2.5"),
        (
            {"where": "city=Boon"},
            ValueError,
            r"where: no row meets city=Boon, or fewer than min_count=5 training rows do. Values of "
            r"'city': .*'Bonn'",
        ),
        ({"where": "ctiy=Bonn"}, ValueError, r"where: no column 'ctiy' .*Did you mean 'city'\?"),
        (
            {"where": "age=old"},
            ValueError,
            "where: 'old' is no value for column 'age', which holds int8",
        ),
        ({"where": "note=x"}, ValueError, "where: column 'note' is free text, which is not kept"),
        ({"random_state": -1}, ValueError, "random_state must be 0 or larger, got -1"),
        ({"random_state": "x"}, TypeError, "random_state must be an int"),
    ],
)
def test_bad_samples(people, told, error, message):
    with pytest.raises(error, match=message):
        TableSynthesizer(random_state=0).fit(people).sample(**told)


def test_nothing_learned():
    with pytest.raises(RuntimeError, match=r"learned nothing yet: call fit\(table\)"):
        TableSynthesizer().sample()


def test_a_refused_table_leaves_what_was_learned(people):
    synthesizer = TableSynthesizer(random_state=0).fit(people)
    wanted = synthesizer.sample(10)
    with pytest.raises(ValueError, match="infinity"):
        synthesizer.fit(pa.table({"x": [1.0, np.inf]}))
    assert synthesizer.sample(10).equals(wanted)


@pytest.mark.filterwarnings("default")
def test_warnings_point_at_the_user(people):
    with pytest.warns(UserWarning, match="column|group") as caught:
        TableSynthesizer(random_state=0, within="pay", rare="keep").fit(people)
    messages = [str(one.message) for one in caught]
    assert any("identifier column(s) id: replaced" in one for one in messages)
    assert any("text column(s) note: left out" in one for one in messages)
    assert any("have a single row, which can only be copied" in one for one in messages)
    assert {one.filename for one in caught} == {__file__}


@pytest.mark.filterwarnings("error")
def test_no_warning_where_all_is_said(people):
    synthesizer = TableSynthesizer(random_state=0, identifiers="drop", text="drop").fit(people)
    out = synthesizer.sample(10)
    assert {"id", "note"}.isdisjoint(out.column_names)


@pytest.mark.filterwarnings("ignore:Every category:UserWarning")
@pytest.mark.parametrize("privacy", ["off", "balanced", "high", "max"])
def test_odd_tables_run_to_the_end_at_every_setting(privacy):
    rng = np.random.default_rng(0)
    n = 60
    odd = {
        "constant": [7.5] * n,
        "one": ["same"] * n,
        "void": pa.nulls(n),
        "empty": pa.array([None] * n, pa.float64()),
        "many": [f"level {at % 40}" for at in range(n)],  # few rows of each
        "target": ["u", "v"] * (n // 2),
    }
    wide = {f"x{at}": rng.normal(size=n) for at in range(2 * n)}  # more columns than rows
    for target in (None, "target"):
        kinds = {"many": "category"}
        made = TableSynthesizer(privacy, target=target, kinds=kinds, random_state=0)
        drawn = made.fit(pa.table(odd | wide)).sample(80)
        assert drawn.num_rows == 80
        assert drawn.column_names == [*odd, *wide]
        assert set(drawn["constant"].to_pylist()) == {7.5}
        assert set(drawn["one"].to_pylist()) == {"same"}
        assert drawn["void"].null_count == drawn["empty"].null_count == 80
        assert set(drawn["many"].to_pylist()) <= {*odd["many"], "other"}
        assert set(drawn["target"].to_pylist()) == {"u", "v"}
        for name in ("x0", f"x{2 * n - 1}"):
            numbers = drawn[name].to_numpy()
            assert np.isfinite(numbers).all()
            assert wide[name].min() <= numbers.min() < numbers.max() <= wide[name].max()
