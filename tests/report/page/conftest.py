"""Results as the page gets them, made up: what they hold is checked where it is measured."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vicinal._stats import Estimate
from vicinal.report import (
    Association,
    ColumnFidelity,
    Fidelity,
    GroupFidelity,
    Marginal,
    Moment,
    Moments,
    PairCells,
    PairFidelity,
    RareLevels,
    RuleCheck,
    TwoSample,
)
from vicinal.report.collapse.measure import Collapse, CollapseCurve
from vicinal.report.evaluation import Report, WeightPicture
from vicinal.report.fidelity.cells import coarse_edges
from vicinal.report.privacy.audit import AuditResult, ExposedRecord
from vicinal.report.privacy.epsilon import epsilon_bound
from vicinal.report.privacy.measure import DistanceCurves, Privacy
from vicinal.report.privacy.membership import attack_shadows
from vicinal.report.privacy.risk import Attack
from vicinal.report.tune.measure import Setting, TuningResult
from vicinal.report.utility.measure import Utility, UtilityScore

NAN = math.nan
UNKNOWN = Estimate(NAN)
SPIKES = {"capital_gain": (0.0, 0.92, 0.9)}


def near(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def number_column(
    name, rng, *, score=0.99, unit="", edges=None, kind="numeric", missing=(0.0, 0.0), spike=None
):
    edges = np.linspace(17, 90, 31) if edges is None else np.asarray(edges, float)
    real = rng.dirichlet(20 * np.exp(-(np.linspace(-2, 2, len(edges) - 1) ** 2)) + 1)
    made = rng.dirichlet(400 * real)
    return ColumnFidelity(
        name=name,
        kind=kind,
        score=score,
        coverage=0.97,
        missing=missing,
        missing_score=1 - abs(missing[0] - missing[1]),
        mean=(38.6, 38.5),
        std=(13.7, 13.6),
        marginal=Marginal(
            labels=(),
            edges=tuple(edges),
            real=tuple(real),
            synthetic=tuple(made),
            unit=unit,
            spike=spike,
        ),
        quantiles=tuple((level, 17 + 73 * level, 18 + 72 * level) for level in (0.05, 0.5, 0.95)),
    )


def category_column(name, rng, levels, *, score=0.98, missing=(0.056, 0.058)):
    real = np.sort(rng.dirichlet(np.ones(len(levels))))[::-1]
    return ColumnFidelity(
        name=name,
        kind="category",
        score=score,
        coverage=1.0,
        missing=missing,
        missing_score=1.0,
        mean=(NAN, NAN),
        std=(NAN, NAN),
        marginal=Marginal(
            labels=tuple(levels),
            edges=(),
            real=tuple(real),
            synthetic=tuple(rng.dirichlet(300 * real + 1)),
            unit="",
        ),
        rare=RareLevels(7, 5, 0.021, 0.018),
    )


def make_report(n_numbers=6, n_categories=5, *, names=None, utility=True, plan=True, seed=0):
    """Return a report on columns of these numbers, named as given or as census columns are."""
    rng = np.random.default_rng(seed)
    usual = ["age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
    others = ["workclass", "education", "marital_status", "occupation", "native_country"]
    numbers = [usual[i] if i < len(usual) else f"number {i}" for i in range(n_numbers)]
    categories = [others[i] if i < len(others) else f"category {i}" for i in range(n_categories)]
    if names is not None:
        numbers, categories = names[:n_numbers], names[n_numbers:]
    levels = ["Private", "Self-emp-not-inc", "Local-gov", "?", "State-gov", "Self-emp-inc",
              "Federal-gov", "Without-pay", "Never-worked"]  # fmt: skip
    columns = [
        number_column(name, rng, score=0.999 - 0.01 * i, kind="integer", spike=SPIKES.get(name))
        for i, name in enumerate(numbers)
    ]
    columns += [
        category_column(name, rng, levels[: 2 + 3 * i % 8], score=0.99 - 0.005 * i)
        for i, name in enumerate(categories)
    ]
    every = [*numbers, *categories]
    size = len(every)
    real = np.tanh(rng.normal(0, 0.4, (size, size)))
    real = np.where(np.eye(size, dtype=bool), 1.0, (real + real.T) / 2)
    noise = rng.normal(0, 0.03, (size, size))
    made = np.where(np.eye(size, dtype=bool), 1.0, real + (noise + noise.T) / 2)
    pairs = [
        PairFidelity(
            first=every[i],
            second=every[j],
            measure="spearman",
            real=real[i, j],
            synthetic=made[i, j],
            score=1 - abs(real[i, j] - made[i, j]) / 2,
            counted=True,
        )
        for i in range(size)
        for j in range(i)
    ]
    fidelity = Fidelity(
        rows=(16_280, 16_280),
        columns=tuple(columns),
        pairs=tuple(pairs),
        moments=make_moments(numbers, rng, plan=plan),
        two_sample=TwoSample(auc=near(0.546, 0.012), rows=20_000),
        association=Association(
            names=tuple(every),
            real=tuple(map(tuple, real.tolist())),
            synthetic=tuple(map(tuple, made.tolist())),
        ),
        cells=make_cells(columns, rng),
        groups=(
            GroupFidelity("sex", "Male", (10_900, 10_871), 0.981, "fnlwgt, 0.941"),
            GroupFidelity("sex", "Female", (12, 9), NAN),
        )
        if size > 2
        else (),
        rules=(
            RuleCheck(
                f"{every[0]} <= {every[1]}",
                "order",
                near(0.0, 0.0),
                near(0.012, 0.002),
                UNKNOWN,
                195,
                (every[0], every[1]),
            ),
        )
        if size > 2
        else (),
    )
    return Report(
        fidelity=fidelity,
        privacy=make_privacy(),
        utility=make_utility() if utility else None,
        weights=make_weights(rng) if plan else None,
        target="income" if utility else None,
        notes=(
            "Privacy and utility are those of an audit model: the same settings were trained on "
            "16,281 of the rows, and the other 16,280 stayed unseen.",
        ),
    )


def make_cells(columns, rng):
    """Return where rows lie by the first column and each of the next ten."""

    def cells(one):
        return len(one.marginal.labels) or len(coarse_edges(one.marginal)) - 1

    found = []
    for other in columns[1:11]:
        shape = cells(columns[0]), cells(other)
        sides = [rng.dirichlet(np.ones(shape[0] * shape[1]) / 4).reshape(shape) for _ in range(2)]
        real, made = (tuple(map(tuple, side.round(5).tolist())) for side in sides)
        found.append(PairCells(columns[0].name, other.name, real, made))
    return tuple(found)


def make_moments(numbers, rng, *, plan=True):
    figures = []

    def add(kind, columns, real, error):
        off = 8.0 if kind == "kurtosis" and columns[0] == numbers[0] else rng.normal()
        name = f"{kind} of {' and '.join(columns)}"
        predicted = real * (1 if kind != "variance" else 0.98) if plan else NAN
        figures.append(
            Moment(
                name=name,
                kind=kind,
                columns=columns,
                real=real,
                synthetic=(predicted if plan else real) + off * error,
                predicted=predicted,
                error=error,
                flagged=abs(off) > 4,
            )
        )

    scale = {name: 10.0 ** rng.integers(0, 5) for name in numbers}
    for i, name in enumerate(numbers):
        add("mean", (name,), 3 * scale[name], 0.01 * scale[name])
        add("variance", (name,), scale[name] ** 2, 0.02 * scale[name] ** 2)
        add("skewness", (name,), float(rng.exponential(2)), 0.1)
        add("kurtosis", (name,), float(rng.exponential(20)), 2.0)
        for other in numbers[:i]:
            unit = scale[name] * scale[other]
            add("covariance", (other, name), rng.uniform(-0.5, 0.6) * unit, 0.01 * unit)
    law = "EpBeta(delta=0.1, eps=0.3) between independent parents" if plan else ""
    return Moments(names=tuple(numbers), figures=tuple(figures), law=law)


def make_privacy(holdout_is="given"):
    levels = (0.0, 0.01, *(step / 40 for step in range(1, 40)), 0.99, 1.0)
    at = np.array(levels)
    base = 0.02 + 0.11 * at**0.8 / (1.02 - at) ** 0.35

    return Privacy(
        rows=(16_280, 16_280, 16_281),
        compared=5_000,
        sampled="",
        holdout_is=holdout_is,
        overlap=3,
        dcr_share=near(0.603, 0.008),
        dcr_share_euclidean=near(0.598, 0.008),
        distances=DistanceCurves(
            levels=levels,
            synthetic_train=tuple(base * 0.8),
            synthetic_holdout=tuple(base * 0.95),
            holdout_train=tuple(base),
        ),
        nndr=(near(0.81, 0.01), near(0.86, 0.01)),
        copies=(near(0.0004, 0.0003), near(0.0011, 0.0005)),
        near_duplicates=(near(0.021, 0.004), near(0.01, 0.003)),
        authenticity=near(0.44, 0.01),
        authenticity_baseline=near(0.52, 0.01),
        membership=near(0.531, 0.009),
        rare_combinations=(near(0.58, 0.03), near(0.54, 0.03)),
        membership_by_density=near(0.541, 0.009) if holdout_is == "given" else None,
        attacks=(
            (Attack("Linkability", near(0.02, 0.01), near(0.01, 0.008), "Records are joined."),)
            if holdout_is == "given"
            else ()
        ),
    )


def make_audit():
    rng = np.random.default_rng(0)
    inside = rng.random((32, 40)) < 0.5
    membership = attack_shadows(rng.normal(size=(32, 40, 2)) + inside[:, :, None], inside)
    return AuditResult(
        rows=5_000,
        shadows=32,
        membership=membership,
        by_distance=near(0.61, 0.01),
        by_density=near(0.64, 0.01),
        epsilon=epsilon_bound(700, 1_000, 1_280),
        worst_records=tuple(ExposedRecord(at, near(0.9 - at / 100, 0.05), 0.4) for at in range(40)),
        privacy=make_privacy(),
        notes=("5,000 of 16,280 rows took part.",),
        random_state=0,
    )


def make_utility(task="class"):
    figures = {
        ("boosted trees", "AUC"): (0.919, 0.904, 0.918),
        ("linear", "AUC"): (0.899, 0.896, 0.9),
        ("boosted trees", "F1"): (0.795, 0.771, 0.79),
        ("linear", "F1"): (0.77, 0.761, 0.769),
    }
    if task == "number":
        figures = {
            ("boosted trees", "R2"): (0.82, 0.7, 0.81),
            ("linear", "R2"): (0.64, -0.12, 0.6),
        }
    sources = ("real", "synthetic", "real + synthetic")
    scores = tuple(
        UtilityScore(
            model=model,
            trained_on=source,
            metric=metric,
            figure=near(value, 0.004),
            repeats=tuple(value + 0.002 * step for step in (-1, 0, 1)),
        )
        for (model, metric), values in figures.items()
        for source, value in zip(sources, values, strict=True)
    )
    whole = Utility(
        target="income",
        task=task,
        metric="AUC" if task == "class" else "R2",
        rows=(16_280, 16_280, 16_281),
        train_rows=16_280,
        test_rows=16_281,
        scores=scores,
        sampled="",
    )
    return replace(whole, groups=(replace(whole, group="Male", test_rows=10_899),))


def make_weights(rng):
    weights = 1.6 * rng.beta(0.9, 0.33, 50_000) - 0.3
    shares, edges = np.histogram(weights, bins=80, range=(-0.3, 1.3))
    return WeightPicture(
        law="EpBeta(delta=0.1, eps=0.3)",
        parents=2,
        edges=tuple(edges.tolist()),
        shares=tuple((shares / len(weights)).tolist()),
        support=(-0.3, 1.3),
        rho=1.0003,
    )


def make_collapse(generations=50, laws=("uniform", "beta:0.1", "epbeta:0.1"), *, utility=True):
    rng = np.random.default_rng(1)
    curves = []
    for at, law in enumerate(laws):
        rho = (2 / 3, 0.917, 1.0)[at % 3] - 0.001 * (at // 3)
        a = (0.75, 0.965, 0.9)[at % 3]
        steps = np.arange(generations + 1)
        jitter = np.cumsum(rng.normal(0, 0.004, generations + 1))
        variance = rho**steps + jitter
        attenuation = np.clip(a**steps + jitter, 0, 1)
        curves.append(
            CollapseCurve(
                law=law,
                rho=rho,
                a=a,
                variance=tuple(variance),
                variance_error=tuple(0.01 * np.sqrt(steps)),
                correlation_error=tuple(0.01 + 0.002 * steps * (1.5 - rho) + abs(jitter)),
                coverage=tuple(np.clip(1 - 0.004 * steps, 0, 1)),
                utility=tuple(0.5 + 0.42 * attenuation) if utility else (NAN,) * (generations + 1),
                attenuation=tuple(attenuation),
                predicted_variance=tuple(rho**steps),
                predicted_attenuation=tuple(a**steps),
            )
        )
    return Collapse(
        curves=tuple(curves),
        generations=generations,
        rows=4_000,
        marginals="raw",
        within=("sex",),
        target="income" if utility else None,
        metric="AUC" if utility else "",
        sampled="4,000 of 32,561 rows, drawn at random.",
    )


def make_front(*, recommended=5, utility=True):
    settings = []
    for at, k in enumerate((0, 10, 20, 40, 60, 100, 200, 60, 40)):
        closer = 0.89 - 0.05 * at if at < 7 else 0.6 + 0.05 * (at - 7)
        fidelity = 0.995 - 0.004 * at if at < 7 else 0.965
        settings.append(
            Setting(
                name="off" if not k else f"{k} neighbors" + (", 4 parents" if at >= 7 else ""),
                command=f"vicinal table people.csv -o synthetic.csv --target income --near {k}",
                options={"near": k},
                fidelity=near(fidelity, 0.001),
                dcr_share=near(closer, 0.012),
                utility=near(0.905, 0.004) if utility else None,
                on_pareto_front=at < 7,
            )
        )
    return TuningResult(
        settings=tuple(settings),
        recommended=recommended,
        limit=0.5 if recommended is None else 0.68,
        target="income" if utility else None,
        metric="AUC" if utility else "",
        real=near(0.919, 0.003) if utility else None,
        rows=(10_000, 10_000),
        notes=("Closer is measured on 5,000 rows.",),
    )


@pytest.fixture(scope="session")
def makers(made_texts):
    """Return the functions that make results up."""
    return SimpleNamespace(
        **vars(made_texts),
        report=make_report,
        privacy=make_privacy,
        utility=make_utility,
        collapse=make_collapse,
        front=make_front,
        audit=make_audit,
        number_column=number_column,
        category_column=category_column,
        near=near,
        unknown=UNKNOWN,
    )
