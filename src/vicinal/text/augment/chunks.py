"""Chunks of labelled sentences: each made by itself, anywhere, always the same.

A chunk depends on the texts, the settings, the seed and its number, and on nothing else. It is made
from a block of texts: all of them where they are few, and else a random block of as many as the
chunk has rows, or somewhat more, so that each pass over the blocks has every text once as a left
parent. Partners are looked for in the block. A block is a uniform sample, so a partner's rank there
differs from that among all texts by no more than a sample's does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._random import AugmentKey, Seeds
from vicinal.jobs.chunks import Chunk, cut_chunks
from vicinal.text.augment.augmenting import NoPairsError, augment

if TYPE_CHECKING:
    from vicinal.text.augment.augmented import Augmented

__all__ = ["CHUNK_ROWS", "FACTS", "TextPlan", "make_text_chunk"]

#: Rows of a chunk, and about as many texts of a block. As many as a sketch of distances takes for
#: reference.
CHUNK_ROWS = 4096
#: Under which a table keeps what is known of its making.
FACTS = b"vicinal.text"


@dataclass(frozen=True)
class TextPlan:
    """How texts are cut into blocks, and sentences into chunks."""

    n_texts: int  # distinct ones
    chunk_rows: int  # sentences of a chunk, about
    entropy: tuple[int, ...]  # root of the seeds

    @property
    def blocks(self) -> int:
        """Number of blocks in a pass."""
        return max(1, self.n_texts // self.chunk_rows)

    def rows_of(self, number: int) -> npt.NDArray[np.int64]:
        """Return the numbers of the texts of a chunk, in order."""
        if self.blocks == 1:
            return np.arange(self.n_texts)
        turn, block = divmod(number, self.blocks)
        order = (
            Seeds.from_entropy(self.entropy)
            .generator(AugmentKey.BLOCKS, turn)
            .permutation(self.n_texts)
        )
        return np.sort(np.array_split(order, self.blocks)[block])

    def chunks(self, n: int) -> list[Chunk]:
        """Return the chunks of ``n`` sentences, 1 or more."""
        parts = np.array_split(np.arange(self.n_texts), self.blocks)
        sizes = [self.chunk_rows] if self.blocks == 1 else [len(part) for part in parts]
        return cut_chunks(n, sizes, self.entropy, AugmentKey.CHUNKS)


def make_text_chunk(
    inverter: Any,
    texts: Sequence[str],
    labels: npt.NDArray[Any],
    plan: TextPlan,
    chunk: Chunk,
    settings: Mapping[str, Any],
    *,
    cores: int | None = None,
) -> pa.Table:
    """Make the sentences of one chunk; fewer than asked for where the label check drops too many.

    Networks use ``cores`` threads, or as many as torch does, for sentences side by side; all else
    has one, for its sums depend on how many there are. Each table has a weight for each class.
    """
    rows = plan.rows_of(chunk.number)
    with warnings.catch_warnings(record=True) as notes, _threads(cores):
        warnings.simplefilter("always", UserWarning)
        made = _augmented(inverter, [texts[at] for at in rows], labels[rows], chunk, settings)
    # of ours: what a library says once in a process is said by whoever begins, not by the chunk
    said = [str(note.message) for note in notes if note.category is UserWarning and _is_ours(note)]
    return _as_table(made, rows, np.unique(labels), said)


def _augmented(
    inverter: Any,
    texts: Sequence[str],
    labels: npt.NDArray[Any],
    chunk: Chunk,
    settings: Mapping[str, Any],
) -> Augmented:
    """Return the sentences of a chunk; none, with a note, where its block holds no pairs."""
    seed = Seeds.from_entropy(chunk.seed).generator(AugmentKey.DRAWS)
    try:
        return augment(
            texts,
            labels,
            inverter=inverter,
            n_samples=chunk.rows,
            **settings,
            random_state=seed,
        )
    except NoPairsError:
        warnings.warn(
            f"Among {len(texts)} texts of a block no class has two: nothing is made of them.",
            UserWarning,
            stacklevel=2,
        )
        none = {**settings, "label_check": "none"}
        return augment(texts, labels, inverter=inverter, n_samples=0, **none)


def _is_ours(note: warnings.WarningMessage) -> bool:
    return f"{os.sep}vicinal{os.sep}" in note.filename


def _as_table(
    made: Augmented, rows: npt.NDArray[np.int64], classes: npt.NDArray[Any], notes: list[str]
) -> pa.Table:
    """Return rows as a table of the same columns in every chunk."""
    columns = made.columns()
    names = classes.tolist()
    weights = dict.fromkeys((f"weight_{name}" for name in names), [0.0] * len(made))
    weights |= {name: columns[name] for name in weights if name in columns}
    columns["left"] = rows[made.left].tolist()
    columns["right"] = rows[made.right].tolist()
    words = {"text", "left_text", "right_text", "check"}
    kinds = {"label": pa.array(names).type, "left": pa.int64(), "right": pa.int64()}
    kinds |= dict.fromkeys(words, pa.string())
    order = ["text", "label", *weights]
    order += [name for name in columns if name not in order and not name.startswith("weight_")]
    facts = {"made": made.n_written, "rejected": len(made.rejected), "notes": notes}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in order])
    return pa.table({**columns, **weights}, schema).replace_schema_metadata(
        {FACTS: json.dumps(facts)}
    )


@contextlib.contextmanager
def _threads(cores: int | None) -> Iterator[None]:
    """Let networks use so many threads, and all else one, whatever the machine has."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    with threadpool_limits(1):
        if torch is not None:
            torch.set_num_threads(cores or before)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)
