"""Figures that SDMetrics has too, to 1e-6, on three real tables."""

from __future__ import annotations

import math
import warnings
from itertools import combinations

import numpy as np
import pytest

from vicinal.report.fidelity.measure import measure_fidelity
from vicinal.report.tables import align
from vicinal.table import TableSynthesizer

pd = pytest.importorskip("pandas")
sdmetrics = pytest.importorskip(
    "sdmetrics", reason="sdmetrics is not installed (it needs pandas below 3)"
)

ROWS = 5_000
SETS = ("adult_income.csv.gz", "diamonds.csv.gz", "titanic.csv")
PAIRS_OF_TABLES = [
    (name, how) for name in SETS for how in ("off", "balanced", "awkward", "few and dated")
]


def _real(folder, name):
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is not in {folder}")
    table = pd.read_csv(path)
    table = table.sample(min(ROWS, len(table)), random_state=0, ignore_index=True)
    words = table.select_dtypes(exclude="number").columns
    free = [name for name in words if table[name].nunique() > len(table) / 10]
    return table.drop(columns=free)


def _awkward(real):
    """Return rows that go wrong in most ways: range, unseen and lost categories, new gaps."""
    rng = np.random.default_rng(1)
    rows = rng.choice(len(real), len(real) * 2 // 3, replace=True)
    out = real.iloc[rows].reset_index(drop=True)
    for at, name in enumerate(out.columns):
        column = out[name]
        if pd.api.types.is_numeric_dtype(column):
            out[name] = column * (1 + 0.5 * rng.random(len(out)))
            if at % 3 == 0:
                out.loc[rng.random(len(out)) < 0.1, name] = np.nan
            if at % 3 == 1:
                out[name] = np.round(rng.permutation(out[name]), 1)
        else:
            column = column.astype(object)
            column[rng.random(len(out)) < 0.05] = "never seen"
            column[column == column.mode()[0]] = column.iloc[0]
            if at % 2:
                column[rng.random(len(out)) < 0.1] = None
            out[name] = column
    return out


def _dated(real):
    """Return the table with a date, a switch, a constant and few rows."""
    rng = np.random.default_rng(2)
    few = real.head(400).copy()
    few["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 9e7, 400), "s")
    few.loc[rng.random(400) < 0.1, "when"] = pd.NaT
    few["switch"] = rng.random(400) < 0.3
    few["same"] = 3.5
    return few


@pytest.fixture(scope="module", params=PAIRS_OF_TABLES, ids="-".join)
def compared(request, data_folder):
    """Return real and synthetic table, our figures, and the metadata that says the same kinds."""
    name, how = request.param
    real = _real(data_folder, name)
    if how == "awkward":
        synthetic = _awkward(real)
    elif how == "few and dated":
        real = _dated(real)
        synthetic = real.sample(len(real), replace=True, random_state=3, ignore_index=True)
        for column in ("when", "switch"):
            synthetic[column] = synthetic[column].sample(frac=1, random_state=4).to_numpy()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model = TableSynthesizer(privacy=how, identifiers="drop", random_state=0).fit(real)
            synthetic = model.sample()
        real = real[list(synthetic.columns)]
    tables = align(real, synthetic)
    found = measure_fidelity(tables, two_sample=False, random_state=0)
    kinds = {"boolean": "boolean", "datetime": "datetime"}
    kinds = {
        c.name: kinds.get(c.kind, "numerical" if c.name in tables.numeric else "categorical")
        for c in tables.columns
        if c.name in {*tables.numeric, *tables.categorical}
    }
    names = list(kinds)
    metadata = {"columns": {name: {"sdtype": kind} for name, kind in kinds.items()}}
    return real[names], synthetic[names], found, metadata


def _near(ours, theirs):
    if theirs is None or math.isnan(theirs):
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_columns(compared):
    from sdmetrics import single_column as their

    real, synthetic, found, metadata = compared
    assert len(found.columns) == len(metadata["columns"]) > 4
    for column in found.columns:
        one, other = real[column.name], synthetic[column.name]
        number = metadata["columns"][column.name]["sdtype"] in {"numerical", "datetime"}
        shape = their.KSComplement if number else their.TVComplement
        coverage = their.RangeCoverage if number else their.CategoryCoverage
        _near(column.score, shape.compute(one, other))
        _near(column.coverage, coverage.compute(one, other))
        _near(column.missing_score, their.MissingValueSimilarity.compute(one, other))


def test_pairs_of_numbers(compared):
    from sdmetrics.column_pairs import CorrelationSimilarity
    from sdmetrics.errors import ConstantInputError

    real, synthetic, found, _ = compared
    ours = [p for p in found.pairs if p.measure in {"pearson", "spearman"}]
    assert len(ours) > 2
    for pair in ours:
        names = [pair.first, pair.second]
        try:
            theirs = CorrelationSimilarity.compute_breakdown(
                real[names], synthetic[names], coefficient=pair.measure.capitalize()
            )
        except ConstantInputError:
            theirs = {"score": math.nan}
        _near(pair.score, theirs["score"])
        if not math.isnan(theirs["score"]):
            _near(pair.real, theirs["real"])
            _near(pair.synthetic, theirs["synthetic"])


def test_pairs_of_categories(compared):
    from sdmetrics.column_pairs import ContingencySimilarity

    real, synthetic, found, metadata = compared
    number = {
        name
        for name, of in metadata["columns"].items()
        if of["sdtype"] in {"numerical", "datetime"}
    }
    ours = [
        p for p in found.pairs if p.measure == "contingency" and not {p.first, p.second} & number
    ]
    assert ours
    for pair in ours:
        names = [pair.first, pair.second]
        _near(pair.score, ContingencySimilarity.compute(real[names], synthetic[names]))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
def test_quality_report(compared):
    from sdmetrics.reports.single_table import QualityReport

    real, synthetic, found, metadata = compared
    report = QualityReport()
    report.generate(real.copy(), synthetic.copy(), metadata, verbose=False)
    properties = report.get_properties().set_index("Property")["Score"]
    _near(found.score, properties["Column Shapes"])
    _near(found.pair_score, properties["Column Pair Trends"])
    _near(found.quality, report.get_score())
    details = report.get_details("Column Pair Trends").set_index(["Column 1", "Column 2"])
    ours = {(p.first, p.second): p for p in found.pairs if p.measure in {"pearson", "contingency"}}
    assert set(ours) == set(combinations(metadata["columns"], 2))
    for names, row in details.iterrows():
        theirs = row["Meets Threshold?"] is not pd.NA and bool(row["Meets Threshold?"])
        assert ours[names].counted == (theirs and not math.isnan(row["Score"]))
        if ours[names].counted:
            _near(ours[names].score, row["Score"])
    assert any(pair.counted for pair in ours.values())


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
def test_all_pairs_without_thresholds(compared):
    from sdmetrics.reports.single_table import QualityReport

    real, synthetic, found, metadata = compared
    report = QualityReport()
    report.real_correlation_threshold = report.real_association_threshold = 0
    report.generate(real.copy(), synthetic.copy(), metadata, verbose=False)
    properties = report.get_properties().set_index("Property")["Score"]
    _near(found.all_pairs_score, properties["Column Pair Trends"])
    details = report.get_details("Column Pair Trends").set_index(["Column 1", "Column 2"])
    ours = {(p.first, p.second): p for p in found.pairs if p.measure in {"pearson", "contingency"}}
    for names, row in details.iterrows():
        _near(ours[names].score, row["Score"])
