"""Singling out, linkability and inference, against anonymeter, on three real tables."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("anonymeter", reason="anonymeter 1.1 needs NumPy 1; install it apart")

from vicinal.report.privacy.inference import attribute_inference
from vicinal.report.privacy.linkability import linkability
from vicinal.report.privacy.singling_out import singling_out
from vicinal.report.tables import align
from vicinal.table import TableSynthesizer

ROWS, ATTACKS = 800, 800
SETS = {"adult": "adult_income.csv.gz", "bank": "bank_marketing.csv.gz", "credit_g": "credit_g.csv"}


@pytest.fixture(scope="module", params=SETS)
def tables(request, data_folder):
    """Training, synthetic and unseen rows; a part of the synthetic ones is copied."""
    frame = pd.read_csv(data_folder / SETS[request.param])
    frame = frame.drop(columns=[name for name in ("split",) if name in frame])
    frame = frame.sample(min(2 * ROWS, len(frame)), random_state=0, ignore_index=True)
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = frame[name].fillna("none").astype(object)
    train, unseen = frame[: len(frame) // 2], frame[len(frame) // 2 :].reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = TableSynthesizer("balanced", random_state=0).fit(train).sample(len(train))
    copied = len(made) // 4
    made = pd.concat([made[copied:], train[:copied]], ignore_index=True)[list(train)]
    return train, made, unseen


def numbered(tables, names):
    """Return our tables, and the places of columns in them."""
    aligned = align(*tables)
    order = [*aligned.numeric, *aligned.categorical]
    return aligned, [order.index(name) for name in names]


def agree(attack, evaluator):
    """Both draw their own attacks: risks differ by no more than three standard errors."""
    ours, theirs = attack.risk, evaluator.risk()
    halves = (ours.high - ours.low) / 2, (theirs.ci[1] - theirs.ci[0]) / 2
    assert abs(ours.value - theirs.value) <= 3 / 1.96 * np.hypot(*halves), (ours, theirs)


def test_linkability(tables):
    from anonymeter.evaluators import LinkabilityEvaluator

    train, made, unseen = tables
    names = list(train)
    halves = names[::2], names[1::2]
    theirs = LinkabilityEvaluator(
        train, made, halves, n_attacks=len(unseen), n_neighbors=1, control=unseen
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.evaluate(n_jobs=1)
    aligned, places = numbered(tables, names)
    splits = [(places[::2], places[1::2])]
    agree(linkability(aligned, ATTACKS, np.random.default_rng(0), splits), theirs)


def test_inference(tables):
    from anonymeter.evaluators import InferenceEvaluator

    train, made, unseen = tables
    for secret in list(train)[:3]:
        theirs = InferenceEvaluator(
            train,
            made,
            aux_cols=[name for name in train if name != secret],
            secret=secret,
            n_attacks=len(unseen),
            control=unseen,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.evaluate(n_jobs=1)
        aligned, places = numbered(tables, [secret])
        agree(attribute_inference(aligned, ATTACKS, np.random.default_rng(0), places), theirs)


@pytest.mark.parametrize("n_columns", [1, 4])
def test_singling_out(tables, n_columns):
    from anonymeter.evaluators import SinglingOutEvaluator

    train, made, unseen = tables
    np.random.seed(0)  # noqa: NPY002 - the one that anonymeter draws from
    theirs = SinglingOutEvaluator(train, made, n_attacks=500, n_cols=n_columns, control=unseen)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.evaluate(mode="univariate" if n_columns == 1 else "multivariate")
    aligned, _ = numbered(tables, [])
    agree(singling_out(aligned, n_columns, 1000, np.random.default_rng(0)), theirs)
