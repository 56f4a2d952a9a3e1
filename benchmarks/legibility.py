"""Are written sentences worth keeping? A blind sheet to grade, and what the grades say.

    python benchmarks/legibility.py               # makes the rows and writes sheet and key
    python benchmarks/legibility.py --more        # adds rows of methods that the sheet lacks
    python benchmarks/legibility.py --score       # table of the grades

The sheet is shuffled and names no method; each row is a set, the label it would get, a text, and
the text given that has most words in common with it (for a morph: the two it lies between). The
key says which row is whose and is not opened before all rows are graded, in ``grades.csv.gz``: row
number, and y or n in the order of the rubric; ``second.csv.gz`` holds a second reader's grades of
some rows. The readers of the sheet here were language models, each blind, not people.

Rubric, strict; in doubt n:

    grammatical  a careful native writer could have written it as it stands, register of the set
                 allowed (tokenized reviews and headlines are; broken or repeated clauses are not)
    sense        it says one thing that could be meant; no contradiction, no word salad
    label        a reader would give it the label on the sheet, or, of two named, one of them or
                 something between; for a morph: it holds something of both lines
    keep         all three, and a careful annotator would put it into a training set unedited
    copy         it repeats the text given but for a word or two (of a morph: one of its lines);
                 a copy can be kept
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from _common import markdown
from _legibility import (
    DEFAULT,
    DRAWS,
    FIGURES,
    METHODS,
    MORPHS,
    ONE,
    SETS,
    THREE,
    TRIED,
    TWELVE,
    WRITERS,
    Record,
    acceptability,
    drawn,
    likelihood,
    nearest_given,
    pairs,
    rows_of,
)
from vicinal._stats import Estimate
from vicinal.io import replacing
from vicinal.text.invert import Confidence
from vicinal.text.invert.confidence import lengths, log_odds
from vicinal.text.invert.folder import find_folder

RESULTS = Path(__file__).parent / "results" / "legibility"
#: What confidence is told of a row.
PREDICTORS = ("closeness", "log_likelihood", "check_score")
#: Confidence from which on rows are among the surest.
SUREST = 0.6
STEPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0)
RUBRIC = ("grammatical", "sense", "label", "keep", "copy")


def make(args: argparse.Namespace) -> None:
    """Write sheet and key; with ``more`` add rows of methods that they lack."""
    held = [_read(name) if args.more else [] for name in ("sheet.csv.gz", "key.csv.gz")]
    there = {row["method"] for row in held[1]}
    rows: list[Record] = []
    for method in (one for one in METHODS if one not in there):
        for name in (*SETS, MORPHS):
            if name == MORPHS and method in ("EDA", DRAWS, DEFAULT):
                continue  # made of labeled rows alone
            n = args.morphs if name == MORPHS else args.rows
            found = rows_of(name, method, n)
            ours = method in (*WRITERS, DRAWS, DEFAULT)
            some = len(found) if ours or name == MORPHS else args.peers
            for at, row in enumerate(found[:some]):
                given = (
                    " / ".join(pairs(n)[at]) if name == MORPHS
                    else nearest_given(row["text"], drawn(name, row.get("draw", 0))[0])
                )  # fmt: skip
                own = {"set": name, "method": method, "label": "between", "given": given}
                rows.append(own | row)
    rng = np.random.default_rng()  # nobody can work the order out
    rows = [rows[at] for at in rng.permutation(len(rows))]
    scored = likelihood([row["text"] for row in rows])
    for number, (row, value) in enumerate(zip(rows, scored, strict=True), len(held[0]) + 1):
        row |= {"row": number, "english": value}
    _write("sheet.csv.gz", ["row", "set", "label", "text", "given"], held[0] + rows)
    _write("key.csv.gz", ["row", "set", "method", "draw", *FIGURES, "english"], held[1] + rows)
    print(f"{len(rows)} rows in {RESULTS}")


def score() -> None:
    """Print what the grades say, and write it as a table."""
    graded = {row["row"]: row for row in _read("grades.csv.gz")}
    texts = {row["row"]: row["text"] for row in _read("sheet.csv.gz")}
    rows = [row | graded[row["row"]] | {"text": texts[row["row"]]} for row in _read("key.csv.gz")]
    for row, odds in zip(rows, acceptability([row["text"] for row in rows]), strict=True):
        row["acceptable"] = str(odds)
    table = []
    for name in (MORPHS, *SETS, "all four"):
        for method in (*METHODS, *TRIED):
            sets = SETS if name == "all four" else [name]
            some = [row for row in rows if row["set"] in sets and row["method"] == method]
            if {row["set"] for row in some} == set(sets):
                shares = [_share(some, one, interval=one == "keep") for one in RUBRIC]
                table.append([name, method, str(len(some)), *shares, _closeness(some)])
    text = markdown(["set", "method", "rows", *RUBRIC, "closeness"], table)
    text += "\n\n" + "\n\n".join(_predictors(rows, writer) for writer in WRITERS)
    text += "\n\n" + _confidence(rows) + "\n\n" + _agreement(graded)
    with replacing(RESULTS / "table.md") as sink:
        sink.write((text + "\n").encode())
    print(text)


def _confidence(rows: list[dict[str, str]]) -> str:
    """Return how confidence is fitted to some graded rows, and what it says of the others."""
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from sklearn.linear_model import LogisticRegression

    told = Confidence.of(json.loads(find_folder("smol").joinpath("config.json").read_text("utf-8"))
                         ["notes"]["confidence"])  # fmt: skip
    taken = [told.closeness, told.log_likelihood, told.label, told.words, told.repeated]

    def part(methods: Sequence[str], sets: Sequence[str] = tuple(SETS)) -> list[dict[str, str]]:
        return [row for row in rows if row["method"] in methods and row["set"] in sets]

    def measured(some: list[dict[str, str]]) -> list[Any]:
        """Return what confidence is told."""
        return [
            [row["text"] for row in some],
            *(np.array([float(row[name]) for row in some]) for name in PREDICTORS),
        ]

    # single tries of a set stand for what is usual there, where rows are older than that measure
    usual = {name: told.of_task(*measured(part(("smol", DRAWS, ONE), [name]))) for name in SETS}

    def confidence(some: list[dict[str, str]]) -> np.ndarray:
        """Return that of each row: what it said of the newest, and would have of others."""
        return np.array([
            float(row["confidence"]) if row["method"] == DEFAULT
            else float(usual[row["set"]](*measured([row]))[0])
            for row in some
        ])  # fmt: skip

    earlier, newest = ["smol", DRAWS, TRIED[-1], THREE, ONE, TWELVE], [DEFAULT]
    said = []
    for methods in (earlier, newest, earlier + newest):
        some = part(methods)
        texts, *seen, label = measured(some)
        keep = np.array([row["keep"] == "y" for row in some])
        # slopes are within sets
        apart = np.eye(len(SETS))[[list(SETS).index(row["set"]) for row in some]]
        X = np.column_stack([*seen, log_odds(label), *lengths(texts), apart])
        fit = LogisticRegression(C=100, fit_intercept=False, max_iter=5000).fit(X, keep)
        odds = logit(confidence(some))
        move = brentq(lambda c: expit(odds + c).mean() - keep.mean(), -20, 20)  # noqa: B023
        slopes = ", ".join(f"{one:.2f}" for one in fit.coef_[0][:5])
        said.append(
            f"Confidence, fitted to {len(keep)} rows ({', '.join(methods)}), coefficients within "
            f"sets: {slopes} of closeness, log-likelihood, label check, words and words that come "
            f"again (taken: {', '.join(f'{one:g}' for one in taken)}). Log odds that are higher by "
            f"{move:.2f} would say on average what was kept."
        )
    for methods in ([one] for one in earlier + newest):
        some = part(methods)
        texts, *seen = measured(some)
        keep, sure = np.array([row["keep"] == "y" for row in some]), confidence(some)
        fewer, again = (-one for one in lengths(texts))
        ranks = {"confidence": sure} | dict(zip(PREDICTORS, seen, strict=True))
        ranks |= {"fewer words": fewer, "fewer that come again": again}
        sets = np.array([row["set"] for row in some])
        within = []
        for name, one in ranks.items():
            wins = [_wins(one[sets == at], keep[sets == at]) for at in np.unique(sets)]
            within.append(f"{name} {np.mean(wins):.2f}")
        surest = keep[sure >= SUREST]
        apart = ", ".join(
            f"{name} {sure[sets == name].mean():.2f} and {keep[sets == name].mean():.2f}"
            for name in SETS if (sets == name).any()
        )  # fmt: skip
        said.append(
            f"AUC within sets, mean of these, {methods[0]}: {', '.join(within)}. "
            f"Mean confidence {sure.mean():.2f}, kept {keep.mean():.2f} ({apart}); from {SUREST:g} "
            f"on {_percent(surest.sum(), len(surest))} of {len(surest)} rows."
        )
    lines = []
    for name, methods in (("earlier", earlier), (DEFAULT, newest)):
        some = part(methods)
        keep, sure = np.array([row["keep"] == "y" for row in some]), confidence(some)
        for low, high in pairwise(STEPS):
            there = keep[(sure >= low) & (sure < high)]
            share = _percent(there.sum(), len(there)) if len(there) else "-"
            lines.append([name, f"{low:g} to {high:g}", str(len(there)), share])
    return "\n\n".join([*said, markdown(["rows", "confidence", "of these", "kept"], lines)])


def _agreement(graded: dict[str, dict[str, str]]) -> str:
    """Return how often a second reader, as blind, grades the same rows alike."""
    from sklearn.metrics import cohen_kappa_score

    again = _read("second.csv.gz")
    lines = []
    for what in RUBRIC:
        first, second = [graded[row["row"]][what] for row in again], [row[what] for row in again]
        alike = np.mean([a == b for a, b in zip(first, second, strict=True)])
        kappa = cohen_kappa_score(first, second)
        lines.append([what, f"{alike:.0%}".replace("%", " %"), f"{kappa:.2f}"])
    return markdown([f"{len(again)} rows read twice", "graded alike", "Cohen's kappa"], lines)


def _share(rows: list[dict[str, str]], what: str, interval: bool) -> str:
    said = _percent(sum(row[what] == "y" for row in rows), len(rows))
    return said if interval else said.partition(" [")[0]


def _percent(hits: int, n: int) -> str:
    found = Estimate.of_share(hits, n)
    return f"{found.value:.0%} [{100 * found.low:.0f}, {100 * found.high:.0f}]".replace("%", " %")


def _closeness(rows: list[dict[str, str]]) -> str:
    told = [float(row["closeness"]) for row in rows if row["closeness"]]
    return f"{np.mean(told):.2f}" if told else "-"


def _predictors(rows: list[dict[str, str]], writer: str) -> str:
    """Return how well each figure of a writer's rows predicts what is kept, on each half."""
    some = [row for row in rows if row["method"] == writer and row["set"] in SETS]
    keep = np.array([row["keep"] == "y" for row in some])
    half = np.random.default_rng(0).permutation(len(some)) % 2 == 0
    names = (*FIGURES, "english", "acceptable")
    columns = {name: np.array([float(row[name]) for row in some]) for name in names}
    columns["ratio"] = -np.abs(columns.pop("lam") - columns.pop("lam_measured"))
    lines = [
        [name, *(_auc(values[part], keep[part]) for part in (half, ~half))]
        for name, values in columns.items()
    ]
    lines.sort(key=lambda one: -float(one[1][:4]))
    head = [f"predicts *keep* of {writer}'s rows", "AUC, one half", "AUC, the other"]
    return markdown(head, lines)


def _auc(values: np.ndarray, keep: np.ndarray) -> str:
    """Return the area under the ROC curve, with a bootstrap interval over rows."""
    if keep.all() or not keep.any():
        return "-"
    wins = _pairs(values, keep)
    rng, found = np.random.default_rng(0), []
    for _ in range(1000):
        at = rng.integers(len(keep), size=len(keep))
        again, other = np.split(
            np.bincount(at, minlength=len(keep))[np.argsort(~keep, kind="stable")], [keep.sum()]
        )
        if again.any() and other.any():
            found.append(again @ wins @ other / (again.sum() * other.sum()))
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{wins.mean():.2f} [{low:.2f}, {high:.2f}]"


def _pairs(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return for each pair of a kept and another row whether the kept one's value is higher."""
    good, bad = values[keep, None], values[~keep]
    return (good > bad) + 0.5 * (good == bad)


def _wins(values: np.ndarray, keep: np.ndarray) -> float:
    return float(_pairs(values, keep).mean())


def _write(name: str, columns: list[str], rows: list[Record]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    RESULTS.mkdir(parents=True, exist_ok=True)
    with replacing(RESULTS / name) as sink:
        sink.write(gzip.compress(out.getvalue().encode(), mtime=0))


def _read(name: str) -> list[dict[str, str]]:
    with gzip.open(RESULTS / name, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    """Make the sheet, or score its grades."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--morphs", type=int, default=45)
    parser.add_argument("--rows", type=int, default=60, help="of each writer on each set")
    parser.add_argument("--peers", type=int, default=30, help="of each other method on each set")
    parser.add_argument("--more", action="store_true", help="add methods that the sheet lacks")
    parser.add_argument("--score", action="store_true")
    args = parser.parse_args()
    if args.score:
        score()
    else:
        make(args)


if __name__ == "__main__":
    main()
