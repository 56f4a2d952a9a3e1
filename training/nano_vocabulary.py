"""Nano's vocabulary, and the weights that its network begins with: the encoder's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from vicinal.text import Encoder
from vicinal.text.invert.codec import SPECIALS, Codec, cut, greedy_pieces, normalize
from vicinal.text.invert.network import NanoNetwork, NanoShape
from vicinal.text.models import resolve_model

#: Where the special tokens begin, and the spread of new word vectors beside the encoder's.
ALIKE = {"[PAD]": "[PAD]", "[EOS]": "[SEP]", "[FORMAL]": "[CLS]", "[INFORMAL]": "[CLS]"}
SPREAD = 0.1


def word_counts(lines: Iterable[str]) -> Counter[str]:
    """How often each lower-cased unit occurs."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(text.lower() for text, _ in cut(normalize(line)))
    return counts


def choose_vocabulary(
    counts: Counter[str], vocabulary: Sequence[str], size: int, rare: int = 3
) -> list[str]:
    """Choose the `size` commonest pieces, and every character seen at least `rare` times.

    Pieces of the encoder's whole vocabulary come back without special tokens, the commonest first;
    a line that holds a rarer character is not trained on.
    """
    known = set(vocabulary)
    pieces: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for ch in word:
            characters[ch] += count
        for piece in greedy_pieces(word, known) or ():
            pieces[piece] += count
    singles = {ch for ch, count in characters.items() if count >= rare and ch in known}
    singles |= {"##" + ch for ch in singles if "##" + ch in known}
    for single in singles:
        pieces[single] += 0
    room = size - len(SPECIALS) - len(singles)
    kept = singles | set(
        [piece for piece, _ in pieces.most_common() if piece not in singles][:room]
    )
    return sorted(kept, key=lambda piece: (-pieces[piece], piece))


def word_pieces(encoder: Encoder) -> list[str]:
    """All WordPieces of an encoder, in id order."""
    path = Path(resolve_model(encoder.name)) / "tokenizer.json"
    ids: dict[str, int] = Tokenizer.from_file(str(path)).get_vocab()
    return sorted(ids, key=ids.__getitem__)


@torch.no_grad()
def warm_start(encoder: Encoder, codec: Codec, lines: Sequence[str]) -> NanoNetwork:
    """Return a network with the encoder's layers and word vectors; new words begin near the mean.

    Its first scores are how often each token comes in some lines.
    """
    network, bert = NanoNetwork(NanoShape(len(codec))), encoder.model
    row_of = {piece: row for row, piece in enumerate(word_pieces(encoder))}
    names = [*(ALIKE.get(one) for one in SPECIALS), *codec.tokens[len(SPECIALS) :]]
    known = torch.tensor([-1 if name is None else row_of[name] for name in names])
    rows, new = bert.words.weight.float(), known < 0
    generator = torch.Generator().manual_seed(0)
    noise = SPREAD * rows.std(0) * torch.randn(len(known), rows.shape[1], generator=generator)
    mean = rows[known[~new]].mean(0)
    network.words.weight.copy_(torch.where(new[:, None], mean + noise, rows[known.clamp(min=0)]))
    positions = bert.positions.weight + bert.kinds.weight[0]
    network.positions.weight.copy_(positions[: network.config.positions].float())
    network.norm.load_state_dict(bert.norm.state_dict())
    for mine, theirs in zip(network.blocks, bert.blocks, strict=True):
        mine.load_state_dict(theirs.state_dict())
    tokens = np.concatenate([codec.encode(line) or [] for line in lines]).astype(int)
    counts = np.bincount(tokens, minlength=len(codec)).astype(float)
    counts[:3] = 0.0  # padding and the styles are never predicted
    shares = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    network.bias.copy_(torch.from_numpy(np.log(shares)).float())
    return network
