"""What synthetic panels keep: course, variance between entities, autocorrelation; and the time.

A made panel of patients, seen 6 to 24 months each: a level of their own that hangs on the sex, a
trend, a season of twelve months, and noise that follows itself (0.6 from month to month). Ratios to
the training rows are means over seeds of panels, with t intervals; as many entities are drawn as
``--drawn`` says, so that what is seen is the method and not the draw. "Bootstrap" draws whole
patients with replacement: what is not 1 there is the measure's own error.

    python benchmarks/panels.py --seeds 5
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd

from _common import machine, markdown, parser, publish, skip
from vicinal import Estimate
from vicinal.table import PRIVACY, TableSynthesizer

NAMES = ["lag-1 autocorrelation", "trend", "season", "variance between", "variance within", "sex"]


def make_panel(
    seed: int, patients: int = 200, least: int = 6, most: int = 24, series: int = 1
) -> pd.DataFrame:
    """Return the made panel, one row for a patient and month."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(least, most + 1, patients)
    who = np.repeat(np.arange(patients), lengths)
    month = np.concatenate([np.arange(length) for length in lengths])
    sex = rng.integers(0, 2, patients)
    frame = pd.DataFrame({"patient": who + 1000, "month": month + 1, "sex": sex[who]})
    frame["sex"] = frame["sex"].map({0: "F", 1: "M"})
    for at in range(series):
        level = rng.normal(0, 4, patients) + 3 * sex
        slope = rng.normal(0.3, 0.1, patients)
        noise = rng.normal(0, 2, (patients, most))
        for step in range(1, most):
            noise[:, step] = 0.6 * noise[:, step - 1] + 0.8 * noise[:, step]
        season = 2 * np.sin(2 * np.pi * month / 12)
        values = 50 + level[who] + slope[who] * month + season + noise[who, month]
        frame["value" if not at else f"value_{at}"] = values.round(2)
    return frame


def measure(frame: pd.DataFrame) -> list[float]:
    """Return the figures of a panel, in the order of ``NAMES``."""
    frame = frame.sort_values(["patient", "month"])
    who, month, value = (frame[name] for name in ("patient", "month", "value"))
    angle = 2 * np.pi * (month - 1) / 12
    design = pd.DataFrame({"trend": month, "sin": np.sin(angle), "cos": np.cos(angle)})
    within = design - design.groupby(who).transform("mean")
    moved = value - value.groupby(who).transform("mean")
    trend, sine, cosine = np.linalg.lstsq(within.to_numpy(float), moved.to_numpy(), rcond=None)[0]
    flat = value - value.groupby(month).transform("mean")
    residual = flat - flat.groupby(who).transform("mean")
    before = residual.groupby(who).shift(1)
    counts, mean = flat.groupby(who).size(), flat.groupby(who).mean()
    n = len(counts)
    own = float((residual**2).sum() / (len(flat) - n))
    typical = (len(flat) - (counts**2).sum() / len(flat)) / (n - 1)
    between = float((counts * (mean - flat.mean()) ** 2).sum() / (n - 1) - own) / typical
    by_sex = frame.groupby("sex")["value"].mean()
    return [
        float(residual.corr(before)),
        float(trend),
        float(np.hypot(sine, cosine)),
        between,
        own,
        float(by_sex["M"] - by_sex["F"]),
    ]


def bootstrap(frame: pd.DataFrame, drawn: int, seed: int) -> pd.DataFrame:
    """Draw whole patients with replacement."""
    rng = np.random.default_rng(seed)
    whole = dict(list(frame.groupby("patient")))
    picks = rng.choice(list(whole), drawn)
    return pd.concat([whole[one].assign(patient=at) for at, one in enumerate(picks)])


def sdv_seconds(frame: pd.DataFrame, epochs: int) -> tuple[float, float, pd.DataFrame] | None:
    """Return the seconds that SDV's PARSynthesizer takes to fit and to sample, and its table."""
    try:
        from sdv.metadata import Metadata
        from sdv.sequential import PARSynthesizer
    except ImportError:
        skip("SDV is not installed; pip install sdv")
        return None
    metadata = Metadata.detect_from_dataframes({"table": frame})
    metadata.update_column(table_name="table", column_name="patient", sdtype="id")
    metadata.set_sequence_key(table_name="table", column_name="patient")
    metadata.set_sequence_index(table_name="table", column_name="month")
    model = PARSynthesizer(metadata, context_columns=["sex"], epochs=epochs)
    began = time.perf_counter()
    model.fit({"table": frame})
    fitted = time.perf_counter()
    drawn = model.sample_sequences(frame["patient"].nunique())
    drawn = drawn["table"] if isinstance(drawn, dict) else drawn
    return fitted - began, time.perf_counter() - fitted, drawn


def main() -> None:
    """Print the tables."""
    options = parser(__doc__ or "")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--drawn", type=int, default=2000)
    options.add_argument("--epochs", type=int, default=8, help="of PARSynthesizer")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    ratios: dict[str, list[list[float]]] = {name: [] for name in ["bootstrap", *PRIVACY]}
    for seed in range(asked.seeds):
        real = make_panel(seed)
        told = np.array(measure(real))
        ratios["bootstrap"].append(measure(bootstrap(real, asked.drawn, seed)) / told)
        for privacy in PRIVACY:
            model = TableSynthesizer(privacy, entity="patient", time="month", random_state=seed)
            ratios[privacy].append(measure(model.fit(real).sample(asked.drawn)) / told)
    rows = [
        [name, *(str(Estimate.of_repeats([one[at] for one in found])) for at in range(len(NAMES)))]
        for name, found in ratios.items()
    ]
    speed = []
    for series in (1, 5):
        wide = make_panel(0, 1000, 100, 100, series)
        for privacy in ("balanced", "max"):
            began = time.perf_counter()
            model = TableSynthesizer(privacy, entity="patient", time="month", random_state=0)
            model.fit(wide)
            fitted = time.perf_counter()
            model.sample()
            ended = time.perf_counter()
            speed.append([privacy, series, f"{fitted - began:.1f}", f"{ended - fitted:.1f}"])
    small = make_panel(0)
    told = sdv_seconds(small, asked.epochs)
    parts = [
        "# Panels",
        f"200 patients, 6 to 24 months; {asked.drawn:,} entities drawn, {asked.seeds} panels; "
        f"{machine('numpy', 'pyarrow')}.",
        markdown(["setting", *NAMES], rows),
        "Seconds for 1,000 entities of 100 steps each:",
        markdown(["setting", "series", "fit", "sample"], speed),
    ]
    if told is not None:
        fit, sample, drawn = told
        figures = np.array(measure(drawn)) / np.array(measure(small))
        parts.append(
            f"SDV's PARSynthesizer on the 200 patients, {asked.epochs} epochs (of 128 by default): "
            f"{fit:.0f} s to fit, {sample:.0f} s to sample 200; ratios "
            + ", ".join(f"{n} {one:.2f}" for n, one in zip(NAMES, figures, strict=True))
            + "."
        )
    publish(asked.name or "panels", "\n\n".join(parts))


if __name__ == "__main__":
    main()
