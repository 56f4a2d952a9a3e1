"""How likely sentences are to a language model that did not write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vicinal._types import Floats
from vicinal.text.invert.causal import open_model

#: Sentences that are read at once.
BATCH = 64


class CausalJudge:
    """Reads sentences with any causal language model and its own tokenizer."""

    def __init__(self, llm: Any) -> None:
        self._model, self._tokenizer, _ = open_model(llm, "judge")
        self._model.eval()

    def log_likelihood(self, sentences: Sequence[str]) -> Floats:
        """Return the mean log-probability a token, (n_sentences,); NaN where there is none."""
        said = [self._tokenizer(one, add_special_tokens=False)["input_ids"] for one in sentences]
        first = self._tokenizer.bos_token_id
        first = self._tokenizer.eos_token_id if first is None else first
        most = getattr(self._model.config, "max_position_embeddings", None)
        rows = [(one if first is None else [first, *one])[:most] for one in said]
        found = np.full(len(rows), np.nan)
        order = sorted(
            (at for at, row in enumerate(rows) if len(row) > 1), key=lambda a: len(rows[a])
        )
        for start in range(0, len(order), BATCH):
            few = order[start : start + BATCH]
            found[few] = self._read([rows[at] for at in few])
        return found

    def _read(self, rows: Sequence[Sequence[int]]) -> Floats:
        import torch

        longest = max(map(len, rows))
        tokens = torch.zeros((len(rows), longest), dtype=torch.long)
        there = torch.zeros((len(rows), longest), dtype=torch.long)
        for at, row in enumerate(rows):
            tokens[at, : len(row)] = torch.tensor(row)
            there[at, : len(row)] = 1
        device = next(self._model.parameters()).device
        with torch.inference_mode():
            scores = self._model(
                input_ids=tokens.to(device), attention_mask=there.to(device)
            ).logits.float()
        told = scores[:, :-1].log_softmax(-1).cpu().gather(2, tokens[:, 1:, None])[:, :, 0]
        kept = there[:, 1:]
        mean: Floats = ((told * kept).sum(1) / kept.sum(1)).double().numpy()
        return mean
