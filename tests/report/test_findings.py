"""What a report says first: the worst of what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from vicinal._stats import Estimate
from vicinal.report import Association, RuleCheck, TimeOrder, evaluate
from vicinal.report import findings as module
from vicinal.report.verdict import judge

pytestmark = pytest.mark.usefixtures("few_trees")

NONE = Estimate(float("nan"))


@pytest.fixture(scope="module")
def report():
    def people(seed: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        age = rng.integers(18, 80, 300)
        rich = np.where(age + rng.normal(0, 15, 300) > 50, "yes", "no")
        return pa.table({"age": age, "hours": rng.normal(40, 8, 300).round(2), "rich": rich})

    return evaluate(people(0), people(1), people(2), "rich", random_state=0)


def said(report) -> dict[str, str]:
    return {one.section: one.says for one in report.findings}


def test_at_most_six_sentences_each_with_its_figure(report):
    found = report.findings
    assert 4 <= len(found) <= 6
    for one in found[:-1]:
        assert any(letter.isdigit() for letter in one.says), one.says
        assert one.says.endswith((".", ")."))
    assert found[-1].says.startswith("What to do: ")
    order = ["poor", "unproven", "fair", "good"]
    assert [one.grade for one in found[:-1]] == sorted(
        (f.grade for f in found[:-1]), key=order.index
    )


def test_what_is_open_is_not_said_to_ask_for_nothing(report, monkeypatch):
    grades = {"utility": "unproven"}
    monkeypatch.setattr(module, "_grade_of", lambda _, name: grades.get(name, "good"))
    assert report.findings[-1].says == module.MORE_ROWS


def test_broken_rules_and_the_worst_association_are_named(report):
    rule = RuleCheck("a <= b", "order", Estimate(0.0), Estimate(0.125, 0.1, 0.15), NONE, 37)
    table = Association(("a", "b"), ((1.0, 0.8), (0.8, 1.0)), ((1.0, 0.25), (0.25, 1.0)))
    fidelity = replace(report.fidelity, rules=(rule,), association=table)
    found = said(replace(report, fidelity=fidelity))
    assert found["rules"].startswith("1 of 1 rules between columns are broken, most often a <= b")
    assert found["rules"].endswith("by 12.5% of the synthetic rows.")
    assert "of b and a: 0.80 in the real rows, 0.25 in the synthetic ones" in found["associations"]


def test_a_leaked_target_and_lost_time_come_with_what_to_do(report):
    leaked = replace(report, utility=replace(report.utility, leaked=("age",)))
    assert said(leaked)["utility"].startswith("age alone predicts rich without a fault")
    order = TimeOrder("day", "price", 0.94, 0.03)
    series = replace(leaked, fidelity=replace(leaked.fidelity, order=order))
    first, last = series.findings[0], series.findings[-1]
    assert "price with the row before it fell from 0.94 to 0.03" in first.says
    assert "make the table anew with time day" in last.says


def test_without_a_hold_out_one_is_asked_for(report):
    split = replace(report, privacy=replace(report.privacy, holdout_is="split"))
    assert any("give a hold-out" in one.advice for one in split.findings)
    assert next(one.grade for one in split.findings if one.section == "privacy") in {
        "unproven",
        "poor",
    }
    assert report.to_dict()["findings"] == [one.says for one in report.findings]


@pytest.mark.parametrize(
    "changed",
    [
        {"score": 0.5},
        {"missing": (0.0, 0.6), "missing_score": 0.4},
    ],
    ids=["values", "gaps"],
)
def test_one_column_that_differs_keeps_the_grade_down(report, changed):
    assert report.verdict.figures[0].grade == "good"
    first, *rest = report.fidelity.columns
    spoiled = replace(report.fidelity, columns=(replace(first, **changed), *rest))
    verdict = judge(spoiled, report.privacy, report.utility)
    one = next(f for f in replace(report, fidelity=spoiled).findings if f.section == "columns")
    assert (verdict.figures[0].grade, one.grade) == ("fair", "fair")
    assert first.name in one.says
    assert one.says in verdict.figures[0].reasons


@pytest.mark.parametrize(("real", "made"), [(-0.03, 0.55), (0.8, 0.5), (0.5, -0.5)])
def test_one_association_that_changed_keeps_the_grade_down(report, real, made):
    table = Association(("a", "b"), ((1.0, real), (real, 1.0)), ((1.0, made), (made, 1.0)))
    fidelity = replace(report.fidelity, association=table)
    one = next(
        f for f in replace(report, fidelity=fidelity).findings if f.section == "associations"
    )
    reasons = judge(fidelity, report.privacy, report.utility).figures[0].reasons
    assert one.grade == "fair"
    assert one.says in reasons


def test_time_that_is_lost_has_one_grade(report):
    order = TimeOrder("day", "price", 0.94, 0.03)
    fidelity = replace(report.fidelity, order=order)
    assert judge(fidelity, report.privacy, report.utility).figures[0].grade == "poor"
    assert replace(report, fidelity=fidelity).findings[0].grade == "poor"
