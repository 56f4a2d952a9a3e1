"""The whole report: what it compares with what, and what it says."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from vicinal import EpBeta, Estimate, MixPlan
from vicinal.report import audit, evaluate
from vicinal.report.evaluation import WeightPicture, _warned
from vicinal.table import TableSynthesizer

pytestmark = pytest.mark.usefixtures("few_trees")
N = 240


def people(seed: int, n: int = N) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pa.table(
        {
            "x": x,
            "z": 0.7 * x + rng.normal(size=n),
            "city": rng.choice(["a", "b", "c"], n),
            "rich": np.where(x + rng.normal(size=n) > 0, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def fresh():
    """Report on rows that were drawn, not made: nothing to find."""
    return evaluate(people(0), people(1), people(2), target="rich", random_state=0)


@pytest.fixture(scope="module")
def copied():
    """Report on a bootstrap of the real rows."""
    real = people(0)
    drawn = real.take(np.random.default_rng(3).integers(0, N, N))
    return evaluate(real, drawn, people(2), target="rich", random_state=0)


def test_fresh_rows_are_private_and_useful(fresh):
    figures = {one.name: one for one in fresh.verdict.figures}
    assert list(figures) == ["fidelity", "privacy", "utility"]
    assert fresh.privacy.dcr_share.low <= 0.5 <= fresh.privacy.dcr_share.high
    assert figures["utility"].figure.low <= 0 <= figures["utility"].figure.high
    assert fresh.privacy.holdout_is == "given"


def test_copies_are_poor_privacy(copied):
    assert copied.privacy.dcr_share.value > 0.95
    privacy = copied.verdict.figures[1]
    assert privacy.grade == "poor"
    assert "treat it like the real table" in copied.verdict.headline


def test_the_privacy_figure_has_one_direction_with_or_without_a_holdout(fresh, copied):
    real = people(0)
    found = evaluate(real, real, random_state=0)
    assert found.privacy.holdout_is == "split"
    privacy = found.verdict.figures[1]
    good, bad = (one.verdict.figures[1] for one in (fresh, copied))
    assert min(privacy.figure.value, bad.figure.value) > 0.4 > good.figure.value
    assert (privacy.grade, bad.grade) == ("poor", "poor")
    assert any("No hold-out was given" in note for note in found.notes)
    assert found.utility is None
    assert found.verdict.figures[2].grade == "unknown"


def test_a_hold_out_of_training_rows_is_counted_and_warned_of():
    real = people(0)
    with pytest.warns(UserWarning, match="hold-out"):
        found = evaluate(
            real, people(1), pa.concat_tables([people(2), real.slice(0, 40)]), random_state=0
        )
    assert found.privacy.overlap == 40
    assert found.notes


def test_a_hold_out_of_training_rows_never_makes_privacy_good():
    real = people(0)
    with pytest.warns(UserWarning, match="cannot be relied on"):
        found = evaluate(real, real.slice(0, 60), real.slice(0, 60), random_state=0)
    assert found.privacy.tainted
    assert found.privacy.dcr_share.value <= 0.5  # as it would be for a good table
    privacy = found.verdict.figures[1]
    assert privacy.grade == "poor"
    assert any("holds training rows" in one for one in privacy.reasons)
    assert "treat it like the real table" in found.verdict.headline


def test_utility_on_rows_that_the_generator_saw_proves_nothing():
    real = people(0)
    found = evaluate(real, real, target="rich", random_state=0)
    utility = found.verdict.figures[2]
    assert utility.figure.value > 0  # copies of the tested rows teach best
    assert utility.grade == "unproven"
    assert "cannot be told" in found.verdict.headline
    flipped = real.set_column(
        3, "rich", pa.array([{"yes": "no"}.get(v.as_py(), "yes") for v in real["rich"]])
    )
    assert evaluate(real, flipped, target="rich", random_state=0).verdict.figures[2].grade == "poor"


def test_nothing_to_learn_is_nothing_lost(fresh):
    utility = fresh.utility
    scores = [
        replace(one, figure=Estimate(0.49), repeats=(0.49,) * len(one.repeats))
        if (one.trained_on, one.metric) == ("real", "AUC")
        else one
        for one in utility.scores
    ]
    found = replace(fresh, utility=replace(utility, scores=tuple(scores))).verdict.figures[2]
    assert found.grade == "unproven"
    assert found.reasons == (
        "Trained on real rows, models do no better than guessing (AUC 0.490).",
    )


def test_where_all_real_rows_have_a_twin_privacy_cannot_be_told():
    table = pa.table({"a": ["x", "y"] * 60, "b": ["u", "u", "v", "v"] * 30})
    found = evaluate(table, table, random_state=0)
    assert found.privacy.authenticity_baseline.value == 0
    assert found.verdict.figures[1].grade == "unproven"


def test_one_row_of_either_table():
    real = people(0)
    with pytest.raises(ValueError, match="The real table has one row, and without a hold-out"):
        evaluate(real.slice(0, 1), real, random_state=0)
    with pytest.warns(UserWarning, match=r"Fewer than 50 rows: synthetic \(1\)"):
        text = evaluate(real, real.slice(0, 1), random_state=0).summary()
    assert "Too few rows for a model" in text
    assert "AUC of not measured" not in text
    assert "nan" not in text.lower().split()


def test_same_seed_same_report(fresh):
    again = evaluate(people(0), people(1), people(2), target="rich", random_state=0)
    assert again.to_dict() == fresh.to_dict()
    assert again.random_state == 0


def test_json_says_everything_and_no_nan(fresh, tmp_path):
    path = tmp_path / "report.json"
    fresh.to_json(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) >= {"version", "verdict", "fidelity", "privacy", "utility", "notes"}
    assert content["privacy"]["dcr_share"]["value"] == fresh.privacy.dcr_share.value
    assert content["weights"] is None


def test_summary_names_every_figure(fresh):
    text = fresh.summary()
    for word in ("fidelity", "Membership attack", "differential privacy", "boosted trees", "city"):
        assert word in text
    assert "nan" not in text.lower().split()


def test_a_plan_brings_predictions_and_its_weights():
    rng = np.random.default_rng(0)
    real = pa.table({"x": rng.normal(size=400), "y": rng.exponential(size=400)})
    synthesizer = TableSynthesizer(
        "off", weights=EpBeta(0.3, 0.3), marginals="raw", random_state=0
    ).fit(real)
    drawn, plan = synthesizer.sample(return_plan=True)
    found = evaluate(real, drawn, plan=plan, random_state=0)
    assert found.weights is not None
    low, high = found.weights.support
    assert low < 0
    assert high > 1
    assert sum(found.weights.shares) == pytest.approx(1)
    predicted = [one for one in found.fidelity.moments.figures if not math.isnan(one.predicted)]
    assert predicted
    assert not any(one.flagged for one in predicted)


def test_weights_of_two_parents_by_hand():
    found = WeightPicture.of_plan(MixPlan([0, 1], [1, 0], [0.5, 1.0]), "by hand")
    assert found.support == (0.5, 1.0)
    assert found.rho == pytest.approx((0.5 + 1.0) / 2)
    assert found.parents == 2
    same = WeightPicture.of_plan(MixPlan([0], [1], [0.25]))
    assert sum(same.shares) == 1


def test_audit_keeps_half_unseen():
    table = people(0, 401)
    synthesizer = TableSynthesizer(target="rich", random_state=0).fit(table)
    found = audit(synthesizer, table, random_state=0)
    assert found.privacy.rows == (201, 201, 200)
    assert found.fidelity.rows == (401, 401)
    assert "201" in found.notes[0]
    assert found.target == "rich"
    assert found.weights is not None
    assert "SphereWeights" in found.weights.law


def test_audit_of_some_rows(monkeypatch):
    table = people(0, 600)
    synthesizer = TableSynthesizer("off", random_state=0).fit(table)
    assert synthesizer.rules_ == []  # they were looked for: a report does not do it again
    monkeypatch.setattr("vicinal.report.fidelity.rules.find_rules", None)
    found = audit(synthesizer, table, where="city=a", random_state=0)
    met = table["city"].to_pylist().count("a")
    assert found.fidelity.rows[0] == met
    assert found.privacy.rows[0] + found.privacy.rows[2] == met


def test_audit_needs_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        synthesizer = TableSynthesizer(random_state=0).fit(people(0, 3))
        with pytest.raises(ValueError, match="at least 4 real rows"):
            audit(synthesizer, people(0, 3), random_state=0)


def test_one_class_is_refused():
    real = people(0).set_column(3, "rich", pa.array(["yes"] * N))
    with pytest.raises(ValueError, match="class"):
        evaluate(real, real, target="rich", random_state=0)


def test_few_rows_are_noted():
    with pytest.warns(UserWarning, match="Fewer than 50 rows"):
        found = evaluate(people(0, 30), people(1, 30), people(2, 30), random_state=0)
    assert any("Fewer than 50" in note for note in found.notes)


@pytest.mark.parametrize("seed", range(3))
def test_few_rows_that_meet_a_condition_are_halved_too(seed):
    table = people(0).set_column(
        2, "city", pa.array(["few"] * 5 + ["b", "c"] * ((N - 5) // 2) + ["b"] * ((N - 5) % 2))
    )
    synthesizer = TableSynthesizer(min_count=1, random_state=0).fit(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = audit(synthesizer, table, where="city=few", random_state=seed)
    assert sorted(found.privacy.rows[::2]) == [2, 3]  # by chance alone in 5 of 8 cases


def test_the_table_delivered_is_held_against_the_real_rows():
    """An audit model of half of the rows does not see what stands in the table itself."""
    rng = np.random.default_rng(0)
    names = {
        "town": ["few"] * 3 + ["many"] * (N - 3),
        "id": [f"P{9_173 * at:07d}" for at in range(N)],
    }
    real = people(0).append_column("town", pa.array(names["town"]))
    real = real.append_column("id", pa.array(names["id"]))
    model = TableSynthesizer(identifiers="replace", random_state=0).fit(real)
    made = model.sample()
    town = pa.array(["few", *made["town"].to_pylist()[1:]])
    ids = pa.array(["P0064211", *made["id"].to_pylist()[1:]])
    x = pa.array(np.where(np.arange(N) < 60, real["x"], rng.normal(size=N)))
    spoilt = made.drop(["town", "id", "x"]).append_column("town", town)
    spoilt = spoilt.append_column("id", ids).append_column("x", x)
    clean, found = (
        {one.name: one for one in audit(model, real, table, random_state=0).privacy.figures}
        for table in (made, spoilt.select(real.column_names))
    )
    where = ", in the table delivered"
    graded = {name.removesuffix(where): one for name, one in found.items() if where in name}
    assert list(graded) == [
        "Exact copies",
        "Numbers of one row alone",
        "Rare categories",
        "Identifiers and texts",
    ]
    assert all(clean[f"{name}{where}"].grade == "good" for name in graded)
    assert graded["Exact copies"].value.value == 0
    assert "numbers in x" in graded["Numbers of one row alone"].says.lower()
    assert [one.grade for one in list(graded.values())[1:]] == ["poor", "poor", "fair"]
    assert graded["Rare categories"].value.value == 1
    assert "most are in town" in graded["Rare categories"].says
    assert graded["Identifiers and texts"].value.value == 1 / N


def test_what_is_written_for_rare_categories_is_none():
    towns = ["other"] * 3 + ["few"] * 3 + ["many"] * (N - 6)
    real = people(0).append_column("town", pa.array(towns))
    model = TableSynthesizer(random_state=0, rare="merge").fit(real)
    at = real.column_names.index("town")
    made = model.sample().set_column(at, "town", pa.array(["other"] + ["many"] * (N - 1)))
    found = audit(model, real, made, random_state=0).privacy.delivered
    assert (found.n_rare, found.rare_categories.value) == (1, 0)


def test_rare_categories_of_the_table_delivered_cap_the_verdict():
    real = people(0).append_column("town", pa.array(["few"] * 3 + ["many"] * (N - 3)))
    model = TableSynthesizer(random_state=0).fit(real)
    at = real.column_names.index("town")
    made = model.sample()
    made = made.set_column(at, "town", pa.array(["few"] + ["many"] * (N - 1)))
    privacy = audit(model, real, made, random_state=0).verdict.figures[1]
    assert privacy.grade == "poor"
    assert privacy.reasons[0].startswith("Rare categories, in the table delivered")


def test_an_entity_counts_once_in_the_table_delivered():
    """Six rows hold the town, but one entity does."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(60), 6)
    town = np.where(who == 0, "one", np.where(who % 2, "a", "b"))
    real = pa.table({"who": who, "t": np.tile(np.arange(6), 60), "x": rng.normal(size=360)})
    real = real.append_column("town", pa.array(town))
    model = TableSynthesizer(entity="who", time="t", random_state=0).fit(real)
    made = model.sample()
    found = audit(model, real, made, random_state=0).privacy.delivered
    assert (found.n_rare, found.rare_categories.value) == (1, 0)
    at = made.column_names.index("town")
    spoilt = made.set_column(at, "town", pa.array(["one"] * made.num_rows))
    found = audit(model, real, spoilt, random_state=0).privacy.delivered
    assert (found.rare_category_in, found.rare_categories.value) == ("town", 1)


def test_kinds_are_found_once_for_all_rows():
    """Among all rows the employers repeat; in half of them nearly each is another one."""
    names = [f"Firm {at}" for at in range(115)]
    real = people(0).append_column("employer", pa.array(names + names + names[:10]))
    model = TableSynthesizer(random_state=0).fit(real)
    assert model.columns_[-1].kind == "category"
    found = audit(model, real, random_state=0)
    assert found.privacy.holdout_is == "given"


def test_notes_hold_no_cell():
    """The screen shows which cells do not fit; a report is handed on."""
    days = [f"{at % 28 + 1:02d}.{at % 12 + 1:02d}.2024" for at in range(N)]
    real = people(0).append_column("when", pa.array(["Jo\nhas HIV", *days[1:]]))
    with pytest.warns(UserWarning, match="has HIV"):
        found = evaluate(real, real.slice(1), random_state=0)
    assert any("1 cell(s) of 'when'" in note for note in found.notes)
    assert "HIV" not in json.dumps(found.to_dict())
    assert "HIV" not in found.summary()


def test_what_scikit_learn_s_threads_say_now_and_then_is_no_note():
    with _warned() as caught:
        warnings.warn_explicit("of joblib", UserWarning, "/lib/sklearn/utils/parallel.py", 1)
        warnings.warn("ours", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["ours"]


@pytest.mark.parametrize("kind", ["identifier", "text"])
def test_real_identifiers_and_texts_are_found(kind):
    def cells(begin: int) -> pa.Array:
        words = "P{:07d}" if kind == "identifier" else "he came {} times in spring"
        return pa.array([words.format(9_173 * at) for at in range(begin, begin + N)])

    real, made, unseen = (
        people(seed).append_column("cell", cells(begin))
        for seed, begin in ((0, 0), (1, 3 * N), (2, N))
    )
    found = evaluate(real, made, unseen, random_state=0)
    assert found.privacy.cells_written_out[0].value == 0
    spoilt = made.set_column(4, "cell", cells(N // 2))
    found = evaluate(real, spoilt, unseen, random_state=0)
    assert found.privacy.cells_written_in == "cell"
    # as many are of training rows as of unseen ones, which have none of the training rows'
    shares = [one.value for one in found.privacy.cells_written_out]
    assert shares == pytest.approx([0.5, 0], abs=0.01)
    assert found.verdict.figures[1].grade == "poor"
    assert found.verdict.figures[1].reasons[0].startswith("Identifiers and texts")
    without = evaluate(real, made.drop(["cell"]), unseen, random_state=0)
    assert math.isnan(without.privacy.cells_written_out[0].value)
