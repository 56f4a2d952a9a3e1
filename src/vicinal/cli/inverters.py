"""Which inverter a command writes with: named, or built, aligned and taught as options say."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_count, check_number, did_you_mean
from vicinal._extras import need
from vicinal.cli.app import say_aside
from vicinal.cli.options import Device, advanced
from vicinal.cli.output import watched

if TYPE_CHECKING:
    from vicinal.text.invert.inverter import Inverter
    from vicinal.text.invert.task import TaskInverter

#: Fewer sentences than these hardly teach an adaptor to speak to a language model.
FEW_TO_ALIGN = 10_000


@dataclass(frozen=True, kw_only=True)
class InverterOptions:
    """Which inverter writes, and how a new one is built, aligned and kept."""

    writer: Annotated[
        str | None,
        typer.Option(
            help="smol (better English; the default where it is installed), nano (quick), a saved "
            "folder or a hub name."
        ),
    ] = None
    guide: Annotated[
        str | None,
        advanced("Quick writer whose words are favored, such as nano; without a confidence."),
    ] = None
    llm: Annotated[
        str | None,
        advanced("Language model to build an inverter with: a folder or a hub name."),
    ] = None
    encoder: Annotated[
        str | None, advanced("Sentence encoder: offline, a folder or a hub name.")
    ] = None
    align_on: Annotated[
        Path | None, advanced("Sentences, one to a line, that --llm is aligned on.")
    ] = None
    align_epochs: Annotated[
        float | None, advanced("Of --llm: passes over the sentences it is aligned on, 1.")
    ] = None
    soft_tokens: Annotated[
        int | None, advanced("Of --llm: vectors that stand for a sentence, 8.")
    ] = None
    checkpoint: Annotated[
        Path | None,
        advanced("Folder that an interrupted alignment or refinement goes on from."),
    ] = None
    save_inverter: Annotated[
        Path | None, advanced("Folder to keep the new or refined inverter in.")
    ] = None
    device: Device = None

    @property
    def is_new(self) -> bool:
        """Whether one is built and aligned."""
        return self.llm is not None and self.writer is None

    def check(self, refine: bool = False) -> None:
        """Refuse what does not go together, is not there or could not be written."""
        check_extras()
        kept = {"checkpoint": self.checkpoint, "save-inverter": self.save_inverter}
        aligned = {
            "align-on": self.align_on,
            "align-epochs": self.align_epochs,
            "soft-tokens": self.soft_tokens,
        }
        for name, given in (aligned | kept).items():
            if given is not None and not self.is_new and not (refine and name in kept):
                also = ", or one that --refine teaches" if name in kept else ""
                raise ValueError(
                    f"{name} goes with a new inverter, which --llm builds{also}. Leave it out, or "
                    "give --llm without --writer."
                )
        if self.guide is not None and (self.is_new or refine):
            raise ValueError(
                "guide goes with a saved writer, whose encoder it shares. Leave it out, or leave "
                "out --llm and --refine."
            )
        if self.align_on is not None:
            _check_text_file(self.align_on)
        if self.align_epochs is not None:
            check_number("align-epochs", self.align_epochs, low=0.0, open_low=True)
        if self.soft_tokens is not None:
            check_count("soft-tokens", self.soft_tokens)
        if self.save_inverter is not None:
            from vicinal.text.invert import folder, task

            (task if refine else folder).check_target(self.save_inverter)
        if self.device is not None:
            from vicinal.text.models import check_device

            check_device(self.device)


def make_inverter(asked: InverterOptions, own: Sequence[str], seed: int) -> Inverter | TaskInverter:
    """Return a saved inverter, or a new one, aligned on sentences or on ``own`` texts."""
    if not watched():  # read when the library is first imported
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from vicinal.text.invert.inverter import Inverter
    from vicinal.text.invert.task import load_inverter

    if not asked.is_new:
        given: dict[str, Any] = {
            "encoder": asked.encoder,
            "llm": asked.llm,
            "device": asked.device,
            "guide": asked.guide,
        }
        return load_inverter(asked.writer, **given)
    from vicinal.text.invert.alignment import align
    from vicinal.text.invert.fitting import TrainingOptions
    from vicinal.text.models import OFFLINE

    sentences = _sentences(own)
    if asked.align_on is not None:
        sentences = _read_sentences(asked.align_on, getattr(asked, "encoding", None))
    if len(sentences) < FEW_TO_ALIGN:
        warnings.warn(
            f"The language model is aligned on {len(sentences):,} sentences: too few for what it "
            f"writes to follow the mixture. Give {FEW_TO_ALIGN:,} or more with --align-on; they "
            "need no labels.",
            UserWarning,
            stacklevel=2,
        )
    built = Inverter.build(
        asked.encoder or OFFLINE, asked.llm, soft_tokens=asked.soft_tokens or 8, random_state=seed
    )
    if asked.device is not None:
        built = built.to(asked.device)
    return align(
        built,
        sentences,
        options=TrainingOptions(epochs=asked.align_epochs or 1),
        checkpoint=asked.checkpoint,
        progress=watched(),
        random_state=seed,
    )


def refine_inverter(
    inverter: Inverter | TaskInverter,
    texts: Sequence[str],
    labels: Sequence[Any],
    asked: InverterOptions,
    seed: int,
) -> TaskInverter:
    """Return an inverter that was taught the labels; say where that changes no sentence."""
    from vicinal.text.invert.refinement import refine

    checkpoint = asked.checkpoint
    if checkpoint is not None and asked.is_new:
        checkpoint = checkpoint / "refine"  # beside what alignment keeps there
    found = refine(
        inverter, texts, labels, checkpoint=checkpoint, progress=watched(), random_state=seed
    )
    if found.notes["task"]["tune"] == "head" and not found.history_:
        say_aside(
            f"--refine taught a head on {len(texts):,} texts, and left the encoder as it is: "
            "sentences are those that would be written without it."
        )
    return found


def keep_inverter(inverter: Inverter | TaskInverter, folder: Path | None) -> None:
    """Save an inverter where it is wanted: making it takes longer than using it."""
    if folder is not None:
        inverter.save_pretrained(folder)
        say_aside(f"Inverter: {folder}.")


def _sentences(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(one for one in map(str.strip, texts) if one))


def _read_sentences(path: Path, encoding: str | None = None) -> list[str]:
    from vicinal.io.text_reading import read_text

    found = _sentences(read_text(path, encoding)[0].decode("utf-8").splitlines())
    if len(found) < 2:
        raise ValueError(f"{path} holds {len(found)} sentences. Give one to a line, many of them.")
    return found


def _check_text_file(path: Path) -> None:
    from vicinal.io import SUFFIXES

    if any(path.name.lower().endswith(suffix) for suffix in SUFFIXES):
        raise ValueError(
            f"align-on is a text file of sentences, one to a line, and {path} is named like a "
            "table. Write its column of texts to a .txt file."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it.")
    if not path.exists():
        near = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise FileNotFoundError(f"There is no file {path}.{did_you_mean(path.name, near)}")


def check_extras() -> None:
    """Raise where what writes sentences is not installed, before anything is loaded."""
    need("Writing sentences", "torch", "transformers", "safetensors", extra="offline")
