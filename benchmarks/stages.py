"""The three stages with smol: a task is learned, the adaptor follows, and a classifier retrains.

Run with ``python benchmarks/stages.py`` (``--sets TREC-6 --few 300 --lines 64 --rows 60``). smol is
aligned (stage 1). Stage 2 refines it on so many labelled rows, its language model frozen and the
adaptor learning alone: with a head on the embeddings as they are, or with the encoder fine-tuned.
Stage 3 writes rows between far pairs, and a logistic regression on the encoder's embeddings learns
again with them. For smol as it comes, and after each kind of stage 2:

* closeness of held-out lines of the task, written back greedily; all read by MiniLM as it comes, so
  that a space that moved does not count;
* manifold intrusion without a label check and with the default one, by a classifier that learned
  from other rows;
* accuracy on test rows with and without the written rows.

What is measured is kept in ``.cache/stages.jsonl``, and refinements go on where they ended.
"""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np

from _common import machine, markdown, parser, progress, publish
from _jobs import Record, Store
from _sentences import CACHE, Remembers, inverter_key
from _texts import Rows, stratified
from intrusion import Linear, learn, load
from vicinal import Farthest
from vicinal._stats import Estimate
from vicinal.text.augment import augment, measure_intrusion
from vicinal.text.augment.intrusion import Rate
from vicinal.text.invert import Inverter, RefinementOptions, refine
from vicinal.text.invert.candidates import cosine

ARMS = {
    "none": "as it comes",
    "head": "refined: a head on its embeddings, the adaptor on the task's texts",
    "encoder": "refined: encoder fine-tuned, the adaptor follows",
}
CHECKS = ("none", "filter")
KEYS = ("key", "set", "arm", "few", "lines", "rows", "candidates", "epochs")
SEED, JUDGES = 0, 1000


def draw(name: str, few: int) -> tuple[Rows, Rows, Rows]:
    """Return rows to learn from, rows that judge, and rows to test on."""
    train, test = load(name)
    rng = np.random.default_rng([SEED, 19])
    train = [train[at] for at in rng.permutation(len(train))]
    return stratified(train[JUDGES:], few, rng)[0], train[:JUDGES], test


class Judge:
    """A classifier on MiniLM's embeddings, which judges texts alone."""

    def __init__(self, plain: Any, rows: Rows) -> None:
        texts, labels = zip(*rows, strict=True)
        self._linear = Linear(plain).fit(plain.encode(texts), np.array(labels))
        self.classes_, self.predict_proba = self._linear.classes_, self._linear.predict_proba


def refined(plain: Inverter, asked: Record, few: Rows) -> Inverter:
    """Return an inverter after stage 2."""
    if asked["arm"] == "none":
        return plain
    texts, labels = zip(*few, strict=True)
    place = "-".join(str(asked[one]) for one in ("key", "arm", "set", "few", "epochs"))
    (CACHE / "stages").mkdir(parents=True, exist_ok=True)
    return refine(
        plain,
        list(texts),
        list(labels),
        tune=asked["arm"],
        options=RefinementOptions(epochs=asked["epochs"]),
        checkpoint=CACHE / "stages" / place.replace(" ", "-"),
        random_state=SEED,
    )


def measure(plain: Inverter, asked: Record, rows: tuple[Rows, Rows, Rows]) -> Record:
    """Return figures of an arm."""
    few, judges, test = rows
    inverter = refined(plain, asked, few)
    found: Record = {}
    held = [text for text, _ in test[: asked["lines"]]]
    lines = inverter.generate(inverter.encode(held))[0]
    close = cosine(plain.encode(lines), plain.encode(held))
    found["closeness"] = Estimate.of_repeats(close.tolist()).__dict__
    kept, judge = Remembers(inverter), Judge(Remembers(plain), judges)
    texts, labels = ([row[at] for row in few] for at in (0, 1))
    tested = kept.encode([text for text, _ in test]), [label for _, label in test]
    found["accuracy"] = {"": learn(kept, few, None).accuracy(*tested)}
    for check in CHECKS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer rows than asked for: counted below
            made = augment(
                texts,
                labels,
                inverter=kept,
                n_samples=asked["rows"],
                pairing=Farthest(0.2),
                max_attempts=3,
                random_state=SEED,
                label_check=check,
                selection=asked["candidates"],
            )
        said = measure_intrusion(made, inverter=kept, judge=judge)
        found[check] = {
            "intrusion": [said.rate.count, said.rate.total],
            "base": [said.base.count, said.base.total],
            "kept": made.kept,
            "first": made.texts[:6],
        }
        found["accuracy"][check] = learn(kept, few, made).accuracy(*tested)
        progress(f"{asked['set']}, {asked['arm']}, {check}: {said.rate}")
    return found


def main() -> None:
    """Measure what is missing, and write the table."""
    options = parser(__doc__)
    options.add_argument("--inverter", default="smol")
    options.add_argument("--sets", nargs="+", default=["TREC-6"])
    options.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    options.add_argument("--few", type=int, default=300, help="labelled rows")
    options.add_argument("--lines", type=int, default=64, help="held-out lines")
    options.add_argument("--rows", type=int, default=60, help="rows written")
    options.add_argument("--candidates", type=int, default=4)
    options.add_argument("--epochs", type=int, default=2, help="of the adaptor, in stage 2")
    options.add_argument("--render", action="store_true", help="write the table, run nothing")
    asked = options.parse_args()
    store, key = Store(CACHE / "stages.jsonl", KEYS), inverter_key(asked.inverter)
    plain: Any = None
    rows, firsts = [], []
    for name, arm in product(asked.sets, asked.arms):
        title = ARMS[arm]
        wanted = {"key": key, "set": name, "arm": arm}
        wanted |= {one: getattr(asked, one) for one in KEYS[3:]}
        if store.get(wanted) is None and not asked.render:
            plain = plain or Inverter.from_pretrained(asked.inverter)
            store.add(wanted | measure(plain, wanted, draw(name, asked.few)))
        if one := store.get(wanted):
            rows.append([name, title, *_cells(one)])
            firsts += [f"\n{name}, {title}:\n", *(f"* {text}" for text in one["none"]["first"])]
    head = ["set", "arm", "closeness", "intrusion", "of the heavier parents", "with `filter`",
            "kept", "accuracy without", "with rows", "with `filter`"]  # fmt: skip
    publish(
        asked.name or "stages",
        f"# The three stages with {asked.inverter}\n\n"
        f"{machine('torch', 'transformers')}\n\n"
        f"{asked.few} labelled rows; closeness of {asked.lines} test lines, greedy, with its 95 % "
        f"interval; {asked.rows} rows of {asked.candidates} candidates, Wilson's intervals; the "
        f"adaptor saw the texts {asked.epochs} times at most. One seed.\n\n"
        f"{markdown(head, rows)}\n\n## First rows, no label check\n\n" + "\n".join(firsts),
    )


def _cells(one: Record) -> list[str]:
    close, said = one["closeness"], one["accuracy"]
    return [
        f"{close['value']:.3f} [{close['low']:.3f}, {close['high']:.3f}]",
        str(Rate(*one["none"]["intrusion"])),
        str(Rate(*one["none"]["base"])),
        str(Rate(*one["filter"]["intrusion"])),
        f"{100 * one['filter']['kept']:.0f} %",
        *(f"{100 * said[check]:.1f}" for check in ("", *CHECKS)),
    ]


if __name__ == "__main__":
    main()
