"""Writing with vLLM: the same sentences, quicker on a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from vicinal._checks import check_count, check_number
from vicinal.text.invert.decoders import Written, WrittenSeveral
from vicinal.text.invert.huggingface import HuggingFaceDecoder

__all__ = ["VllmDecoder"]


class VllmDecoder:
    """Writes with vLLM, from prompt embeddings; it cannot be trained.

    Written against vLLM's documentation (``enable_prompt_embeds``), and untested: it needs a GPU,
    which was not at hand.

    Parameters
    ----------
    source : HuggingFaceDecoder
        The same language model, frozen, whose word vectors make the prompt.
    folder : str
        Folder or hub name that vLLM loads it from.
    **settings
        As ``vllm.LLM`` takes them.

    Raises
    ------
    ImportError
        If vLLM is not installed.
    ValueError
        If the language model was trained with low-rank matrices.

    References
    ----------
    https://docs.vllm.ai/en/latest/features/prompt_embeds.html
    """

    kind = "huggingface"
    batch = 1024  # vLLM makes its own batches of them

    def __init__(self, source: HuggingFaceDecoder, folder: str, **settings: Any) -> None:
        vllm = _vllm()
        if source.tuning == "lora":
            raise ValueError(
                "backend must be 'torch' where the language model has low-rank matrices, got "
                "'vllm'. Merge them into the model first."
            )
        self.source, self.width = source, source.width
        self.trainable: list[nn.Parameter] = []
        self._vllm = vllm
        self.llm = vllm.LLM(model=folder, enable_prompt_embeds=True, **settings)

    @classmethod
    def load(cls, folder: Path, said: Mapping[str, Any], llm: Any = None) -> VllmDecoder:
        """Return the decoder that was saved.

        Parameters
        ----------
        folder : path
            Where an inverter was saved.
        said : mapping
            What it says about its language model.
        llm : str or path, optional
            The language model, where it does not lie where it lay.

        Returns
        -------
        VllmDecoder
            Ready to write.
        """
        _vllm()  # before a large model is read
        source = HuggingFaceDecoder.load(folder, said, llm)
        place = folder / "decoder" if source.tuning == "whole" else llm or said["name"]
        return cls(source, str(place))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each sentence, with its end token."""
        return self.source.tokenize(texts)

    def room(self, soft_tokens: int) -> int:
        """Return how many tokens a sentence may have beside so many soft tokens."""
        return self.source.room(soft_tokens)

    def loss(self, soft: Tensor, rows: Sequence[Sequence[int]]) -> NoReturn:
        """Refuse: vLLM passes no gradients on."""
        raise ValueError("An inverter that runs on vLLM only writes. Load it with backend='torch'.")

    def log_likelihood(self, soft: Tensor, texts: Sequence[str]) -> NoReturn:
        """Refuse: vLLM gives no likelihoods of sentences behind prompts that are embeddings."""
        raise ValueError(
            "recombine must be 0 where the language model runs on vLLM, which does not say how "
            "likely a sentence is that it did not write. Or load the inverter with backend='torch'."
        )

    def generate(
        self,
        soft: Tensor,
        *,
        temperature: float = 0.0,
        beams: int = 1,
        max_tokens: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> Written:
        """Write one sentence for each row of soft tokens; see :class:`Decoder`.

        The rule against repetition does not hold here, and there are no beams.
        """
        if beams != 1:
            raise ValueError(f"beams must be 1 with backend='vllm', got {beams}.")
        lines, likely = self._write(soft, 1, temperature, max_tokens, generator)
        return [row[0] for row in lines], likely[:, 0]

    def candidates(
        self,
        soft: Tensor,
        n: int,
        *,
        temperature: float,
        max_tokens: int | None = None,
        generator: np.random.Generator,
    ) -> WrittenSeveral:
        """Write several sentences for each row of soft tokens; see :class:`Decoder`."""
        first, likely = self._write(soft, 1, 0.0, max_tokens, None)
        if n == 1:
            return first, likely
        others, drawn = self._write(soft, n - 1, temperature, max_tokens, generator)
        rows = [one + more for one, more in zip(first, others, strict=True)]
        return rows, np.concatenate((likely, drawn), 1)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _write(
        self,
        soft: Tensor,
        each: int,
        temperature: float,
        max_tokens: int | None,
        generator: np.random.Generator | None,
    ) -> WrittenSeveral:
        heat = check_number("temperature", temperature, low=0)
        longest = self.source.max_tokens if max_tokens is None else max_tokens
        seeds: list[int | None] = [None] * len(soft)
        if generator is not None and heat > 0:
            seeds = [int(one) for one in generator.integers(1 << 31, size=len(soft))]
        settings = [
            self._vllm.SamplingParams(
                n=each,
                temperature=heat,
                max_tokens=check_count("max_tokens", longest),
                logprobs=0,
                seed=seed,
            )
            for seed in seeds
        ]
        prompts = [{"prompt_embeds": row.cpu()} for row in self.source.prefix(soft)]
        found = self.llm.generate(prompts, settings, use_tqdm=False)
        rows, likely = [], np.empty((len(soft), each), np.float32)
        for at, one in enumerate(found):
            rows.append([" ".join(written.text.split()) for written in one.outputs])
            for place, written in enumerate(one.outputs):
                likely[at, place] = written.cumulative_logprob / max(1, len(written.token_ids))
        return rows, likely

    def to(self, device: str) -> VllmDecoder:
        """Stay where vLLM put the model."""
        return self

    def train(self, mode: bool = True) -> VllmDecoder:
        """Do nothing: it cannot be trained."""
        return self

    def describe(self) -> dict[str, Any]:
        """Return what a saved inverter has to say about it."""
        return self.source.describe()

    def save(self, folder: Path) -> None:
        """Write what was trained."""
        self.source.save(folder)

    def weights(self) -> Mapping[str, Tensor]:
        """Return nothing: what was trained has a folder of its own."""
        return self.source.weights()


def _vllm() -> Any:
    try:
        import vllm
    except ImportError:
        raise ImportError(
            "backend='vllm' needs vLLM, and a GPU: pip install vllm. Or leave backend='torch'."
        ) from None
    return vllm
