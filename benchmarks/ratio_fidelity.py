"""Asked and measured ratio of sentences between two, and what the sentences are like.

Run with ``python benchmarks/ratio_fidelity.py``. Pairs of held-out open lines of 5 to 20 words are
mixed at nine ratios (0.1 to 0.9) and written by the inverter; each sentence is embedded again and
its ratio measured on the segment between its parents. Four and eight candidates are written, each
as a user gets them; the first of them is the greedy one. Random pairs are those of the headline;
the farthest (DMIX) and the nearest are fewer, of four candidates. The ends, ratio 1 and 0, are
lines that are written back.

Runs are kept in ``.cache/ratio_fidelity.jsonl`` by the weights' fingerprint, so that what was cut
short goes on where it stood.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from _common import machine, markdown, progress, publish, skip
from _jobs import Record, Store
from _sentences import CACHE, CORPUS, Remembers, distinct, held_out_lines, inverter_key, overlap
from vicinal import Farthest, Nearest, make_plan
from vicinal._stats import spearman
from vicinal.text.augment.pairs import text_key
from vicinal.text.augment.ratio import project
from vicinal.text.augment.selection import SelectionConfig, score_candidates, select_sentences

NAME = "ratio_fidelity"
RATIOS = tuple(round(0.1 * step, 1) for step in range(9, 0, -1))
#: Pairs written at once and kept as one record.
BLOCK = 10
#: Lines that partners are drawn from.
POOL = 1000
#: Perplexity is that of so many sentences of a kind.
SCORED = 300
#: Candidates that are written for each pairing.
PAIRINGS = {"random": (8, 4), "ends": (8, 4), "farthest (DMIX)": (4,), "nearest": (4,)}
SEED = 0
#: A pairing, and how many candidates are written.
Kind = tuple[str, int]


def pairs_of(pairing: str, embeddings: np.ndarray, count: int) -> np.ndarray:
    """Return pairs of lines, shape (count, 2); for the ends, a line twice."""
    if pairing == "ends":
        return np.repeat(np.arange(count), 2).reshape(-1, 2)
    if pairing == "random":
        order = np.random.default_rng(SEED).permutation(len(embeddings) // 2 * 2)
        return order.reshape(-1, 2)[:count]
    chooses = Farthest(0.2) if pairing.startswith("farthest") else Nearest(k=10)
    plan = make_plan(embeddings, count, pairing=chooses, random_state=SEED)
    return np.stack([plan.left, plan.right], axis=1)


def write(
    inverter: Any, embeddings: np.ndarray, pairs: np.ndarray, count: int, seed: Any
) -> Record:
    """Write all ratios of some pairs, and measure every candidate."""
    begin = time.perf_counter(), time.process_time()
    given = Remembers(inverter)
    ends = bool((pairs[:, 0] == pairs[:, 1]).all())
    lam = np.array([1.0] if ends else RATIOS)
    left, right = (np.repeat(embeddings[pairs[:, side]], len(lam), 0) for side in (0, 1))
    asked = np.tile(lam, len(pairs))
    target = (asked[:, None] * left + (1 - asked[:, None]) * right).astype(np.float32)
    found = given.candidates(target, count, random_state=np.random.default_rng(seed))
    seconds, busy = time.perf_counter() - begin[0], time.process_time() - begin[1]
    better = select_sentences(
        given,
        target,
        left,
        right,
        asked,
        SelectionConfig(count, "closeness" if ends else "both", crossover=3, fluency=0.5),
        random_state=np.random.default_rng(seed),
    )
    measured = project(found.embeddings, left[:, None], right[:, None])
    return {
        "pairs": pairs.tolist(),
        "asked": asked.tolist(),
        "sentences": found.sentences,
        "closeness": found.closeness(target).round(4).tolist(),
        "measured": np.nan_to_num(measured).round(4).tolist(),
        "likelihood": np.asarray(found.log_likelihood, float).round(3).tolist(),
        "recombined": {
            "sentences": better.texts,
            "closeness": better.closeness.round(4).tolist(),
            "measured": np.nan_to_num(better.lam_measured).round(4).tolist(),
        },
        "seconds": round(seconds, 2),
        "cpu_seconds": round(busy, 2),
        "recombining": round(time.process_time() - begin[1] - busy, 2),
    }


def gather(args: argparse.Namespace, store: Store, key: str) -> dict[Kind, list[Record]]:
    """Return the records of each pairing and number of candidates, written now where missing."""
    lines = held_out_lines()[:POOL]
    sizes = {
        name: args.pairs if name in ("random", "ends") else max(1, round(0.12 * args.pairs))
        for name in PAIRINGS
    }
    inverter = embeddings = None
    begin = time.perf_counter()
    found: dict[Kind, list[Record]] = {
        (name, candidates): [] for name, all_of in PAIRINGS.items() for candidates in all_of
    }
    for (name, candidates), records in found.items():
        count = sizes[name]
        for block in range(-(-count // BLOCK)):
            wanted = {
                "key": key,
                "pairing": name,
                "candidates": candidates,
                "block": block,
                "size": min(BLOCK, count - block * BLOCK),
            }
            record = store.get(wanted)
            if record is None:
                if args.render or (time.perf_counter() - begin) / 60 > args.budget_minutes:
                    continue
                if inverter is None:
                    from vicinal.text.invert.inverter import Inverter

                    inverter = Inverter.from_pretrained(args.inverter)
                    embeddings = inverter.encode(lines)
                assert embeddings is not None
                chosen = pairs_of(name, embeddings, max(count, 1))
                chosen = chosen[block * BLOCK : (block + 1) * BLOCK]
                seed = [SEED, list(PAIRINGS).index(name), block]
                record = wanted | write(inverter, embeddings, chosen, candidates, seed)
                store.add(record)
                progress(
                    f"{name}, {candidates}: {block * BLOCK + record['size']} of {count}, "
                    f"{record['seconds']} s"
                )
            records.append(record)
    return found


class Chosen:
    """What is taken of all candidates by a rank, over all records.

    Or the greedy ones, "greedy"; or what becomes of candidates after a crossover, "crossover".
    """

    def __init__(self, records: list[Record], rank: str) -> None:
        pairs = np.concatenate([np.array(one["pairs"]) for one in records])
        asked = np.concatenate([np.array(one["asked"], float) for one in records])
        self.asked, self.pairs = asked, np.repeat(pairs, len(asked) // len(pairs), axis=0)
        if rank == "crossover":
            found = [one["recombined"] for one in records]
            self.closeness, self.measured = (
                np.concatenate([one[name] for one in found]) for name in ("closeness", "measured")
            )
            self.sentences = [text for one in found for text in one["sentences"]]
            return
        arrays = {
            name: np.concatenate([np.array(one[name], float) for one in records])
            for name in ("closeness", "measured", "likelihood")
        }
        among = slice(1) if rank == "greedy" else slice(None)
        first = {name: values[:, among] for name, values in arrays.items()}
        score = score_candidates(
            first["closeness"], first["measured"], asked, first["likelihood"], rank, 0.5
        )
        best = score.argmax(axis=1)
        rows = np.arange(len(best))
        self.closeness, self.measured = (
            first["closeness"][rows, best],
            first["measured"][rows, best],
        )
        written = [row for one in records for row in one["sentences"]]
        self.sentences = [row[at] for row, at in zip(written, best, strict=True)]

    def spearman(self) -> tuple[float, float, float]:
        """Return Spearman's correlation, and its interval by drawing pairs anew."""
        each = len(RATIOS)
        rng = np.random.default_rng(SEED)
        groups = np.arange(len(self.asked)).reshape(-1, each)
        drawn = [groups[rng.integers(0, len(groups), len(groups))].ravel() for _ in range(200)]
        repeats = [spearman(self.asked[rows], self.measured[rows]) for rows in drawn]
        low, high = np.percentile(repeats, [2.5, 97.5])
        return spearman(self.asked, self.measured), float(low), float(high)

    def copies(self, lines: list[str]) -> tuple[float, float]:
        """Return the share of rows equal to a parent, and the mean share of parents' words."""
        parents = [[lines[a], lines[b]] for a, b in self.pairs]
        both = list(zip(self.sentences, parents, strict=True))
        same = [text_key(text) in {text_key(one) for one in two} for text, two in both]
        return float(np.mean(same)), float(np.mean([overlap(text, two) for text, two in both]))


def perplexity_of(groups: dict[str, list[str]]) -> tuple[dict[str, float], str]:
    """Return the perplexity of a word under the independent language model, and its name."""
    from _perplexity import scorer

    judge, reason = scorer()
    if judge is None:
        skip(f"perplexity: {reason}")
        return {}, ""
    found = {}
    for name, texts in groups.items():
        order = np.random.default_rng(SEED).permutation(len(texts))[:SCORED]
        found[name] = judge.per_word([texts[at] for at in order])
    return found, judge.described()


def report(
    found: dict[Kind, list[Record]], key: str, args: argparse.Namespace
) -> tuple[str, Record]:
    """Return the tables, and their figures."""
    lines = held_out_lines()[:POOL]
    chosen: dict[str, Chosen] = {}
    for name, count in sorted(found, key=lambda kind: (list(PAIRINGS).index(kind[0]), kind[1])):
        records = found[name, count]
        if records:
            if count == PAIRINGS[name][-1]:  # the fewest
                chosen[f"{name}|1|greedy"] = Chosen(records, "greedy")
            for rank in ("crossover", "both", "closeness", "ratio"):
                chosen[f"{name}|{count}|{rank}"] = Chosen(records, rank)
    mixed = {name: one for name, one in chosen.items() if not name.startswith("ends")}
    scored = {
        name: one.sentences
        for name, one in mixed.items()
        if name.endswith(("|crossover", "|greedy", "|both"))
        and (name.startswith("random") or "|4|" in name)
    }
    perplexity, judge = perplexity_of({"real lines": lines, **scored})
    rows, data = [], {}
    for name, one in mixed.items():
        pairing, count, rank = name.split("|")
        rho, low, high = one.spearman()
        same, shared = one.copies(lines)
        data[name] = {
            "pairs": len(one.asked) // len(RATIOS),
            "spearman": rho,
            "low": low,
            "high": high,
            "closeness": float(one.closeness.mean()),
            "miss": float(np.abs(one.measured - one.asked).mean()),
            "distinct_1": distinct(one.sentences, 1),
            "distinct_2": distinct(one.sentences, 2),
            "copies": same,
            "overlap": shared,
            "perplexity": perplexity.get(name),
        }
        figures = data[name]
        rows.append(
            [
                pairing,
                figures["pairs"],
                "greedy" if rank == "greedy" else f"{count}, {rank}",
                f"{rho:.3f} [{low:.3f}, {high:.3f}]",
                f"{figures['miss']:.3f}",
                f"{figures['closeness']:.3f}",
                "-" if figures["perplexity"] is None else f"{figures['perplexity']:.0f}",
                f"{figures['distinct_1']:.3f}",
                f"{figures['distinct_2']:.3f}",
                f"{100 * same:.1f} %",
                f"{100 * shared:.0f} %",
            ]
        )
    header = [
        "pairs", "number", "candidates, rank", "Spearman [95 %]", "mean miss", "closeness",
        "perplexity", "distinct-1", "distinct-2", "equal to a parent", "words of the parents",
    ]  # fmt: skip
    parts = [markdown(header, rows)]
    by_ratio = _by_ratio(chosen)
    if by_ratio:
        parts.append(by_ratio)
    ends = _ends(chosen)
    if ends:
        parts.append(ends[0])
        data["ends"] = ends[1]
    size = sum(len(one["pairs"]) for one in found["random", 8]) * len(RATIOS)
    real = (
        f"Perplexity of a word under {judge}, {SCORED} sentences of each; real lines: "
        f"{perplexity['real lines']:.0f}. "
        if perplexity
        else ""
    )
    parts.append(
        f"Spearman: asked against measured ratio, with an interval over pairs. Miss: absolute "
        f"difference of the two. Closeness: cosine of the sentence's embedding and the mixed one. "
        f"{real}Distinct-n over all sentences of a line of the table: {len(lines)} real lines "
        f"have {distinct(lines, 1):.3f} and {distinct(lines, 2):.3f}, and more of them would have "
        "less. 'both': closeness, ratio and a little of the likelihood; 'crossover': the best by "
        "these then takes over words from the others, three times at most, which is the default "
        "of morph and augment (the ends, by closeness alone)."
    )
    seconds = sum(one["seconds"] for records in found.values() for one in records)
    cpu = sum(one["cpu_seconds"] for records in found.values() for one in records)
    written = sum(
        len(row) for records in found.values() for one in records for row in one["sentences"]
    )
    recombining = sum(one["recombining"] for records in found.values() for one in records)
    parts.append(
        f"{args.inverter} (weights and way of writing {key}), {size:,} mixtures of random "
        f"pairs; {written:,} sentences written and embedded again in {seconds:.0f} s "
        f"({cpu:.0f} s of a processor, {written / max(cpu, 1e-9):.0f} a second of it), "
        f"crossover in {recombining:.0f} s of a processor. {machine('torch', 'transformers')}"
    )
    return "\n\n".join(parts), data | {"weights": key, "sentences": written, "cpu_seconds": cpu}


def _by_ratio(chosen: dict[str, Chosen]) -> str:
    """Return closeness and measured ratio at each asked one."""
    one = chosen.get("random|8|crossover")
    if one is None:
        return ""
    rows = []
    for lam in RATIOS:
        at = one.asked == lam
        spread = np.percentile(one.measured[at], [10, 50, 90])
        rows.append(
            [f"{lam:.1f}", f"{one.closeness[at].mean():.3f}", *(f"{x:.2f}" for x in spread)]
        )
    header = [
        "asked ratio (8 candidates, crossover)",
        "closeness",
        "measured, 10 %",
        "median",
        "90 %",
    ]
    return markdown(header, rows)


def _ends(chosen: dict[str, Chosen]) -> tuple[str, Record] | None:
    """Return how near lines come that are written back."""
    rows, data = [], {}
    ways = [(1, "greedy"), *((n, rank) for n in (4, 8) for rank in ("closeness", "crossover"))]
    for count, rank in ways:
        one = chosen.get(f"ends|{count}|{rank}")
        if one is None:
            continue
        error = one.closeness.std(ddof=1) / np.sqrt(len(one.closeness))
        same = np.mean([one.closeness > 0.9995])
        way = {"greedy": "greedy", "closeness": str(count)}.get(rank, f"{count}, crossover")
        data[way] = float(one.closeness.mean())
        rows.append(
            [
                way,
                len(one.closeness),
                f"{one.closeness.mean():.3f} ± {1.96 * error:.3f}",
                f"{np.percentile(one.closeness, 10):.3f}",
                f"{100 * same:.0f} %",
            ]
        )
    if not rows:
        return None
    header = [
        "ratio 1 (a line written back), candidates",
        "lines",
        "closeness",
        "10 %",
        "the same embedding",
    ]
    return markdown(header, rows), data


def main() -> None:
    """Write what is missing, and the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--inverter", default="nano")
    parser.add_argument("--budget-minutes", type=float, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--render", action="store_true", help="write the tables, run nothing")
    parser.add_argument("--name", default=NAME)
    args = parser.parse_args()
    if not CORPUS.is_dir():
        skip(f"the held-out lines are not at {CORPUS}")
        return
    import torch

    torch.set_num_threads(args.threads)
    key = inverter_key(args.inverter)
    store = Store(CACHE / f"{NAME}.jsonl", ("key", "pairing", "candidates", "block", "size"))
    found = gather(args, store, key)
    if not any(records for (name, _), records in found.items() if name != "ends"):
        skip("no mixtures were written yet with these weights")
        return
    text, _ = report(found, key, args)
    publish(args.name, text)


if __name__ == "__main__":
    main()
