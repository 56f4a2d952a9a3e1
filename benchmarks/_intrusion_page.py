"""How runs of the intrusion benchmark are read: tables, and the picture."""

from __future__ import annotations

import argparse
import math
from collections import defaultdict

import numpy as np

from _common import machine, markdown, skip
from _jobs import Record
from _sentences import DOCS
from _texts import mean_interval, points, signed
from vicinal.text.augment.intrusion import WEIGHT_EDGES, Rate

PICTURE = DOCS / "pictures" / "intrusion.png"

#: File, and rows of a class that sentences are made from.
SETS = {
    "TREC-6": ("trec6.csv", 20),
    "AG News": ("ag_news.csv.gz", 20),
    "SMS spam": ("sms_spam.csv", 20),
    "SST-2": ("sst2.csv.gz", 20),
    "Banking77": ("banking77.csv.gz", 5),
}
#: Label checks: the method, the judge, and the share of a class that it keeps at most, where
#: it is not the default.
WAYS = {
    "none": ("none", "both", None),
    "filter, keep 0.7": ("filter", "both", 0.7),
    "filter, keep 0.65": ("filter", "both", 0.65),
    "filter (default)": ("filter", "both", None),
    "filter, neighbors": ("filter", "neighbors", 1.0),
    "filter, saw the parents": ("filter", "classifier", 1.0),
    "relabel": ("relabel", "both", None),
    "within-class": ("within-class", "both", None),
}
#: Fewer runs say nothing of how much runs differ.
FEWEST_RUNS = 4
#: Label checks that may halve intrusion, and the share of rows that they have to keep.
FILTERS, LEAST_KEPT = [way for way in WAYS if way.startswith("filter")], 0.6
#: Rows that judge, and rows to test on.
JUDGES, TESTED = 2500, 1000
QUANTILES = 4
CANDIDATES = 4


def total(records: list[Record], name: str) -> Rate:
    """Return a rate over records."""
    pairs = [one[name] for one in records if name in one]
    return Rate(sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs))


def gain(record: Record) -> float:
    """Return the accuracy that made rows add."""
    return record["accuracy"] - record["plain"]


def evidence(records: list[Record], judge: str) -> list[list[object]]:
    """Return a line for each set and pairing, no label check."""
    rows = []
    for name in SETS:
        for pairing in ("farthest", "random"):
            of = [r for r in records if r["set"] == name and r["pairing"] == pairing]
            of = [r for r in of if r["way"] == "none" and f"{judge}_rate" in r]
            if of:
                names = (
                    "rate", "base", "embeddings", "neither_across", "neither_within",
                    "contradicted", "base_contradicted",
                )  # fmt: skip
                cells = [str(total(of, f"{judge}_{one}")) for one in names]
                rows.append([name, pairing, total(of, f"{judge}_rate").total, *cells])
    return rows


def compared(records: list[Record]) -> tuple[list[list[object]], list[list[object]]]:
    """Return a line for each set and label check, and one for each label check over the sets."""
    rows: list[list[object]] = []
    left, beyond, keep, gains = (defaultdict(list) for _ in range(4))
    for name in SETS:
        of = {way: [r for r in records if (r["set"], r["way"]) == (name, way)] for way in WAYS}
        of["none"] = [r for r in of["none"] if r["pairing"] == "farthest"]
        seeds = set.intersection(*({r["seed"] for r in each} for each in of.values()))
        if not seeds:
            continue
        without = None
        for way in WAYS:
            each = [r for r in of[way] if r["seed"] in seeds]
            rate, base = total(each, "linear_rate"), total(each, "linear_base")
            without = rate.share if way == "none" else without
            share = float(np.mean([r["kept"] for r in each]))
            added = [gain(r) for r in each]
            auc = [r["auc"] for r in each if not math.isnan(r.get("auc", math.nan))]
            remaining = rate.share / without if without else math.nan
            left[way].append(remaining)
            beyond[way].append(rate.share - base.share)
            keep[way].append(share)
            gains[way] += added
            rows.append(
                [
                    name,
                    way,
                    str(rate),
                    f"{remaining:.2f}",
                    f"{100 * (rate.share - base.share):+.1f}",
                    f"{100 * share:.0f} %",
                    points(*mean_interval([r["plain"] for r in each])),
                    signed(*mean_interval(added)),
                    f"{np.mean(auc):.2f}" if auc else "-",
                ]
            )
    short = [
        [
            way,
            len(left[way]),
            f"{np.mean(left[way]):.2f}",
            f"{100 * np.mean(beyond[way]):+.1f}",
            f"{100 * np.mean(keep[way]):.0f} %",
            signed(*mean_interval(gains[way])),
        ]
        for way in WAYS
        if left[way]
    ]
    return rows, short


def halved(records: list[Record]) -> list[str]:
    """Return sentences that say whether each filter halves intrusion, raw and beyond the base."""
    lines = []
    for way in FILTERS:
        runs = []
        for name in SETS:
            of = {
                each: {
                    r["seed"]: r
                    for r in records
                    if (r["set"], r["way"], r["pairing"]) == (name, each, "farthest")
                    and "linear_rate" in r
                }
                for each in ("none", way)
            }
            runs += [
                [
                    (
                        Rate(*r["linear_rate"]).share,
                        Rate(*r["linear_rate"]).share - Rate(*r["linear_base"]).share,
                        r["kept"],
                    )
                    for r in (of["none"][seed], of[way][seed])
                ]
                for seed in sorted(of["none"].keys() & of[way].keys())
            ]
        if not runs:
            continue
        found = np.array(runs)  # (runs, without and with the label check, rate and excess and kept)
        draws = np.random.default_rng(0).integers(0, len(found), (4000, len(found)))
        said = []
        for at, what in ((0, "raw"), (1, "beyond the base")):
            without, left = 100 * found[:, 0, at].mean(), 100 * found[:, 1, at].mean()
            shown = (
                f"{without:.1f} % to {left:.1f} %" if at == 0 else f"{without:+.1f} to {left:+.1f}"
            )
            if without <= 0:
                said.append(f"{what} {shown}: nothing was there to halve")
                continue
            drawn = found[draws][..., at].mean(axis=1)  # (4000, 2)
            # of differences, not of ratios: what is beyond the base may be nothing
            low, high = np.quantile(drawn[:, 1] - 0.5 * drawn[:, 0], [0.025, 0.975])
            open_still = len(found) < FEWEST_RUNS or low <= 0 < high
            said.append(
                f"{what} {shown}: **{'halved' if left <= 0.5 * without else 'not halved'}**"
                + (
                    " (either may be: another draw of runs could say otherwise)"
                    if open_still
                    else ""
                )
            )
        kept = found[:, 1, 2].mean()
        enough = "at least" if kept >= LEAST_KEPT else "fewer than"
        lines.append(
            f"* {way}: {'; '.join(said)}; kept {100 * kept:.0f} % ({enough} "
            f"{100 * LEAST_KEPT:.0f} %)."
        )
    return lines


def picture(records: list[Record]) -> None:
    """Draw intrusion against the heavier weight and the parents' distance, without label check."""
    try:
        import matplotlib
    except ImportError:
        skip("the picture: Matplotlib is not installed")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    sets = [name for name in SETS if any(r["set"] == name for r in records)]
    figure, axes = pyplot.subplots(
        2, len(sets), figsize=(2.9 * len(sets), 5.6), squeeze=False, sharey="col"
    )
    middles = (np.array(WEIGHT_EDGES[1:]) + WEIGHT_EDGES[:-1]) / 2
    kinds = ("mixed sentence", "mixed embedding", "heavier parent (base rate)")
    looks = (("#b3321f", "o-"), ("#2a6f97", "s--"), ("#6c757d", "^:"))
    for column, name in enumerate(sets):
        of = [
            r for r in records if (r["set"], r["way"], r["pairing"]) == (name, "none", "farthest")
        ]
        for row, (bins, x) in enumerate(
            (("linear_by_weight", middles), ("linear_by_distance", np.arange(QUANTILES) + 1.0))
        ):
            axis = axes[row, column]
            whole = [r[bins] for r in of if len(r.get(bins, [])) == len(x)]
            if not whole:
                continue
            counts = np.array(whole).sum(axis=0)  # (bins, kinds, 2)
            for kind, (label, (color, style)) in enumerate(zip(kinds, looks, strict=True)):
                rates = [Rate(int(a), int(b)) for a, b in counts[:, kind]]
                seen = [at for at, rate in enumerate(rates) if rate.total]
                shares = np.array([rates[at].share for at in seen])
                spans = np.array([rates[at].interval for at in seen]).T
                axis.errorbar(
                    x[seen] + 0.006 * (kind - 1) * (1 if row == 0 else 10),
                    100 * shares,
                    100 * np.abs(spans - shares),
                    fmt=style,
                    color=color,
                    capsize=2,
                    markersize=4,
                    linewidth=1.2,
                    label=label,
                )
            axis.grid(alpha=0.25)
            axis.set_xlabel("heavier parent's weight" if row == 0 else "parents' distance, quarter")
            if row == 0:
                axis.set_title(name)
            else:
                axis.set_xticks(x)
    for axis in axes[0]:  # once both rows are drawn, which share it
        axis.set_ylim(bottom=0)
    for row in axes:
        row[0].set_ylabel("intrusion, per cent of rows")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=120)


def report(records: list[Record], key: str, args: argparse.Namespace) -> str:
    """Return the tables."""
    head = [
        "set", "pairing", "rows", "intrusion", "parents (base)", "mixed embeddings",
        "neither, across", "neither, within", "against the ratio", "parents, against",
    ]  # fmt: skip
    rows, short = compared(records)
    sizes = ", ".join(
        f"{name} {next((r['few'] for r in records if r['set'] == name), 0)}"
        for name in SETS
        if any(r["set"] == name for r in records)
    )
    right = ", ".join(
        f"{name} {100 * np.mean([r['judge_accuracy'] for r in records if r['set'] == name]):.0f} %"
        for name in SETS
        if any(r["set"] == name for r in records)
    )
    per = f"Rows that sentences are made from: {sizes}. Right on test rows, the judge: {right}."
    cpu = sum(r["cpu_seconds"] for r in records)
    seeds = sorted({r["seed"] for r in records})
    return "\n\n".join(
        [
            "No label check, judged by a classifier that learned from other rows. Shares with "
            "Wilson's "
            "95 % intervals.",
            markdown(head, evidence(records, "linear")),
            "The same rows, judged by the votes of the ten nearest of these other rows.",
            markdown(head, evidence(records, "near")),
            "*Intrusion*: judged to be of a class without weight in the label, or, from a weight "
            "of 0.7 on, not of the heavier class. *Parents*: the heavier parent, a real sentence, "
            "in place of the mixed one: what the judge gets wrong anyhow. *Mixed embeddings*: "
            "before they are written out. *Neither*: of neither parent's class, among rows across "
            "classes and within one; between two classes of two that cannot be. *Against the "
            "ratio*: rows across classes that have a label weight from the threshold on and are "
            "of the lighter parent's class.",
            "Label checks, farthest pairs. A label check judges by the few rows that sentences "
            "are made "
            "from; the judge learned from others. By default neighbors and a linear classifier are "
            "asked together, both without the parents of the sentence, and each candidate counts. "
            "The judge of words, which may object by default now, was not asked.",
            "Does a label check halve intrusion and keep 60 % of the rows? Means over sets and "
            "seeds; "
            "beyond the base in points, against the heavier parents of the rows that were kept:",
            "\n".join(halved(records)),
            markdown(
                [
                    "set",
                    "label check",
                    "intrusion left",
                    "of none's",
                    "beyond the base",
                    "kept",
                    "accuracy without",
                    "gain",
                    "AUC of confidence",
                ],
                rows,
            ),
            markdown(
                [
                    "label check, mean over sets",
                    "sets",
                    "of none's",
                    "beyond the base",
                    "kept",
                    "gain",
                ],
                short,
            ),
            "Of none's: intrusion left, as a share of that without a label check. Beyond the base: "
            "points above what the judge finds wrong with the heavier parents of the same rows, "
            "those that were kept, so that a label check that only picks easy parents gains "
            "nothing. "
            "*What is contradicted*: the same, and all that is not contradicted stays. "
            "*Neighbors*: these alone. *Saw the parents*: a classifier that learned from them, "
            "which finds their labels again in what is near them. *Within-class* changes what is "
            "mixed, and *relabel* the labels. "
            "Gain: accuracy points of logistic regression on frozen embeddings, real and made rows "
            "over real rows alone, mean and 95 % t-interval over seeds (over sets and seeds below; "
            "runs of one set are not independent). AUC of confidence: how often an intruding row "
            "has a "
            "lower confidence than another.",
            f"{per} Up to {JUDGES:,} rows judge. {args.inverter}, weights and way of writing "
            f"{key}, {args.rows} sentences asked for each time, {CANDIDATES} candidates, Beta(1), "
            f"seeds {', '.join(map(str, seeds))}; {cpu:.0f} s of a processor. "
            f"{machine('torch', 'transformers', 'scikit-learn')}",
        ]
    )
