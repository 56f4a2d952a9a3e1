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
from vicinal.text.augment.augmenting import NoPairsError, augment

if TYPE_CHECKING:
    from vicinal.table.stream import Chunk
    from vicinal.text.augment.augmented import Augmented

__all__ = ["CHUNK_ROWS", "FACTS", "TextPlan", "make_text_chunk"]

#: Rows of a chunk, and about as many texts of a block. As many as a sketch of distances takes for
#: reference.
CHUNK_ROWS = 4096
#: Under which a table keeps what is known of its making.
FACTS = b"vicinal.text"


@dataclass(frozen=True)
class TextPlan:
    """How texts are cut into blocks, and sentences into chunks.

    Attributes
    ----------
    n_texts : int
        Distinct texts.
    chunk_rows : int
        Sentences of a chunk, about.
    entropy : tuple of int
        Root of the seeds.
    """

    n_texts: int
    chunk_rows: int
    entropy: tuple[int, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks in a pass."""
        return max(1, self.n_texts // self.chunk_rows)

    def rows_of(self, number: int) -> npt.NDArray[np.int64]:
        """Return the texts of a chunk, in order.

        Parameters
        ----------
        number : int
            Of the chunk.

        Returns
        -------
        ndarray of int
            Numbers of texts.
        """
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
        """Return the chunks of ``n`` sentences.

        Parameters
        ----------
        n : int
            At least 1.

        Returns
        -------
        list of Chunk
            In order. The first chunks of more sentences are the same but for the last one.
        """
        from vicinal.table.stream import Chunk

        if self.blocks == 1:
            sizes = [self.chunk_rows]
        else:
            parts = np.array_split(np.arange(self.n_texts), self.blocks)
            sizes = [len(part) for part in parts]
        found: list[Chunk] = []
        first = 0
        while first < n:
            number = len(found)
            rows = min(sizes[number % len(sizes)], n - first)
            child = np.random.SeedSequence(self.entropy, spawn_key=(AugmentKey.CHUNKS, number))
            seed = tuple(int(word) for word in child.generate_state(8))
            found.append(Chunk(number, first, rows, n, seed))
            first += rows
        return found


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
    """Make the sentences of one chunk.

    Parameters
    ----------
    inverter : Inverter or TaskInverter
        What embeds and writes.
    texts : sequence of str
        Distinct texts.
    labels : ndarray
        Their classes.
    plan : TextPlan
        Of these texts.
    chunk : Chunk
        Of the plan.
    settings : mapping
        Of :func:`vicinal.text.augment`.
    cores : int, optional
        Threads of the networks, which do sentences side by side; as many as torch uses where left
        out. All else has one, for its sums depend on how many there are.

    Returns
    -------
    pyarrow.Table
        As :meth:`Augmented.columns`, with a weight for each class that there is. Fewer rows than
        asked for where the label check drops too many.
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
