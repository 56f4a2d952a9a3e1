"""Hashes of what the program makes, so that a change of the code can be shown to change nothing.

    python benchmarks/golden.py --write golden.json      # before
    python benchmarks/golden.py --check golden.json      # after, on the same machine

Tables (four settings, three data sets, in memory and streamed), plans of every pairing, the
probabilities of a classifier and a morph. Hashes hold for one machine and one set of libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import vicinal
from vicinal.data import adult_sample
from vicinal.table import TableSynthesizer, stream_table

SHARED = Path(__file__).parents[2] / "shared" / "data"
SETTINGS = ("off", "balanced", "high", "max")


def digest(*parts: bytes) -> str:
    """Return a short hash."""
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def frames():
    """Yield name, table and target of three data sets."""
    yield "adult", pd.read_csv(io.BytesIO(adult_sample())), "income"
    for name, target in (
        ("california_housing.csv.gz", "median_house_value"),
        ("credit_g.csv", "default"),
    ):
        yield name.split(".")[0], pd.read_csv(SHARED / name).head(3000), target


def tables() -> dict[str, str]:
    """Hash tables of four settings, in memory and streamed."""
    found = {}
    for name, frame, target in frames():
        for setting in SETTINGS:
            model = TableSynthesizer(setting, target=target, random_state=7).fit(frame)
            made = model.sample(2000)
            found[f"table {name} {setting}"] = digest(
                made.to_csv(index=False).encode(), str(made.dtypes).encode()
            )
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder, "in.parquet")
                frame.to_parquet(source)
                stream_table(
                    TableSynthesizer(setting, target=target, random_state=7),
                    source,
                    Path(folder, "out"),
                    20000,
                    max_rows=2000,
                )
                parts = sorted(Path(folder, "out").glob("*.parquet"))
                found[f"stream {name} {setting}"] = digest(
                    *(pd.read_parquet(p).to_csv(index=False).encode() for p in parts)
                )
    model = TableSynthesizer(
        random_state=7, marginals="raw", method="rows", exact_moments=True
    ).fit(frame)
    found["table exact"] = digest(model.sample(500).to_csv(index=False).encode())
    return found


def plans() -> dict[str, str]:
    """Hash plans of every pairing with laws that fit."""
    from vicinal import (
        AcrossGroup,
        Farthest,
        LocalPermutation,
        Nearest,
        Permutation,
        Random,
        WithinGroup,
    )

    X = np.random.default_rng(0).normal(size=(3001, 5)).astype(np.float32)
    X *= np.random.default_rng(1).uniform(0.1, 1, size=(3001, 1)).astype(np.float32)
    groups = np.arange(len(X)) % 5
    pairings = {
        "random": Random(),
        "permutation": Permutation(),
        "blocks": Permutation(blocks=True),
        "local": LocalPermutation(),
        "within": WithinGroup(groups),
        "within farthest": WithinGroup(groups, Farthest(0.1)),
        "near": Nearest(4),
        "near balanced": Nearest(4, balanced=True),
        "far": Farthest(0.1),
        "far euclid": Farthest(0.1, "euclidean", balanced=True),
        "far sketch": Farthest(0.1, "cosine", method="sketch"),
        "across": AcrossGroup(groups),
        "across far": AcrossGroup(groups, Farthest(0.2)),
    }
    laws = {
        "epbeta": vicinal.EpBeta(),
        "beta": vicinal.Beta(0.3),
        "sphere": vicinal.SphereWeights(),
    }
    found = {}
    for name, pairing in pairings.items():
        for label, law in laws.items():
            if label != "sphere" or name in (
                "random",
                "permutation",
                "local",
                "within",
                "near balanced",
            ):
                plan = vicinal.make_plan(X, 9000, pairing=pairing, weights=law, random_state=11)
                found[f"plan {name} {label}"] = digest(
                    plan.parents.tobytes(), plan.weights.tobytes(), plan.apply(X).tobytes()
                )
    return found


def learning() -> dict[str, str]:
    """Hash resampled rows, probabilities of classifiers, and a morph."""
    from vicinal.learn import MixupAugmenter, MixupSampler
    from vicinal.text import MixupTextClassifier, morph

    found = {}
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 6)), (np.arange(500) % 10 == 0).astype(int)
    a, b = MixupSampler(random_state=0).fit_resample(X, y)
    found["sampler"] = digest(a.tobytes(), b.tobytes())
    a, b = MixupAugmenter(random_state=0).fit_resample(X, X[:, 0] * 2)
    found["augmenter"] = digest(np.asarray(a).tobytes(), np.asarray(b).tobytes())
    data = pd.read_csv(SHARED / "trec6.csv", keep_default_na=False).sample(120, random_state=0)
    for model in ("char", "offline"):
        for method in ("dmix", "hidden", "none"):
            one = MixupTextClassifier(model, method, epochs=2, random_state=3, dtype="float32")
            one.fit(list(data.text[:100]), list(data.label[:100]))
            found[f"train {model} {method}"] = digest(
                one.predict_proba(list(data.text[100:])).round(5).tobytes()
            )
    made = morph(
        "The film was a delight from start to finish.",
        "The battery died after two days.",
        random_state=0,
    )
    found["morph"] = digest(str(made).encode())
    return found


def main() -> None:
    """Write hashes, or hold them against earlier ones."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write")
    parser.add_argument("--check")
    parser.add_argument("--parts", default="tables,plans,learning")
    args = parser.parse_args()
    found = {}
    for part in args.parts.split(","):
        found |= {"tables": tables, "plans": plans, "learning": learning}[part]()
    if args.write:
        Path(args.write).write_text(json.dumps(found, indent=1) + "\n")
    if args.check:
        before = json.loads(Path(args.check).read_text())
        wrong = [key for key in found if before.get(key) != found[key]]
        print(f"{len(found) - len(wrong)} of {len(found)} equal", *wrong, sep="\n")
        raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
