"""Which inverter a command writes with: named, or built, aligned and taught as options say."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_count, check_number, did_you_mean

if TYPE_CHECKING:
    from vicinal.text.invert.inverter import Inverter
    from vicinal.text.invert.task import TaskInverter

__all__ = [
    "Corpus",
    "Kept",
    "Learning",
    "Model",
    "Passes",
    "Reader",
    "Resumed",
    "SoftTokens",
    "Wanted",
    "Written",
    "check_extras",
    "keep_inverter",
    "make_inverter",
    "refine_inverter",
]

#: Fewer sentences than these hardly teach an adaptor to speak to a language model.
FEW_TO_ALIGN = 10_000
Written = Annotated[
    str | None,
    typer.Option("--inverter", help="nano (without other options), a saved folder or a hub name."),
]
Model = Annotated[
    str | None,
    typer.Option(help="Language model to build an inverter with: a folder or a hub name."),
]
Reader = Annotated[
    str | None, typer.Option(help="Sentence encoder: offline, a folder or a hub name.")
]
Corpus = Annotated[
    Path | None, typer.Option(help="Sentences, one to a line, that --llm is aligned on.")
]
Passes = Annotated[
    float | None, typer.Option(help="Of --llm: passes over the sentences it is aligned on, 1.")
]
SoftTokens = Annotated[
    int | None, typer.Option(help="Of --llm: vectors that stand for a sentence, 8.")
]
Resumed = Annotated[
    Path | None,
    typer.Option(help="Folder that an interrupted alignment or refinement goes on from."),
]
Kept = Annotated[Path | None, typer.Option(help="Folder to keep the new or refined inverter in.")]


@dataclass(frozen=True)
class Learning:
    """How a new inverter is aligned."""

    align_on: Path | None
    align_epochs: float | None
    soft_tokens: int | None

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by the names of the options."""
        return {
            "align-on": self.align_on,
            "align-epochs": self.align_epochs,
            "soft-tokens": self.soft_tokens,
        }


@dataclass(frozen=True)
class Wanted:
    """Which inverter the options ask for."""

    inverter: str | None
    llm: str | None
    encoder: str | None
    learning: Learning
    checkpoint: Path | None
    save: Path | None
    device: str | None

    @property
    def is_new(self) -> bool:
        """Whether one is built and aligned."""
        return self.llm is not None and self.inverter is None

    def check(self, refine: bool = False) -> None:
        """Refuse what does not go together, is not there or could not be written."""
        check_extras()
        learned = {"checkpoint": self.checkpoint, "save-inverter": self.save}
        for name, given in {**self.learning.given, **learned}.items():
            if given is not None and not self.is_new and not (refine and name in learned):
                also = ", or one that --refine teaches" if name in learned else ""
                raise ValueError(
                    f"{name} goes with a new inverter, which --llm builds{also}. Leave it out, or "
                    "give --llm without --inverter."
                )
        how = self.learning
        if how.align_on is not None:
            _check_text_file(how.align_on)
        if how.align_epochs is not None:
            check_number("align-epochs", how.align_epochs, low=0.0, open_low=True)
        if how.soft_tokens is not None:
            check_count("soft-tokens", how.soft_tokens)
        if self.save is not None:
            from vicinal.io.folders import check_folder
            from vicinal.text.invert import folder, task

            if refine:
                check_folder(self.save, folder.TASK, task.FORMAT, "an inverter with a task")
            else:
                check_folder(self.save, folder.CARD, folder.FORMAT, "an inverter")
        if self.device is not None:
            from vicinal.text.models import check_device

            check_device(self.device)


def make_inverter(wanted: Wanted, own: Sequence[str], seed: int) -> Inverter | TaskInverter:
    """Return a saved inverter, or a new one, aligned on sentences.

    Parameters
    ----------
    wanted : Wanted
        As options say.
    own : sequence of str
        Texts to align on where no others are named.
    seed : int
        Of what is drawn.
    """
    if not sys.stderr.isatty():  # read when the library is first imported
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from vicinal.text.invert.inverter import Inverter
    from vicinal.text.invert.task import load_inverter

    if not wanted.is_new:
        source = wanted.inverter or "nano"
        given: dict[str, Any] = {
            "encoder": wanted.encoder,
            "llm": wanted.llm,
            "device": wanted.device,
        }
        return load_inverter(source, **given)
    from vicinal.text.invert.alignment import align
    from vicinal.text.invert.fitting import TrainingOptions
    from vicinal.text.models import OFFLINE

    how = wanted.learning
    sentences = _sentences(own)
    if how.align_on is not None:
        sentences = _read_sentences(how.align_on)
    if len(sentences) < FEW_TO_ALIGN:
        warnings.warn(
            f"The language model is aligned on {len(sentences):,} sentences: too few for what it "
            f"writes to follow the mixture. Give {FEW_TO_ALIGN:,} or more with --align-on; they "
            "need no labels.",
            UserWarning,
            stacklevel=2,
        )
    built = Inverter.build(
        wanted.encoder or OFFLINE, wanted.llm, soft_tokens=how.soft_tokens or 8, random_state=seed
    )
    if wanted.device is not None:
        built = built.to(wanted.device)
    return align(
        built,
        sentences,
        options=TrainingOptions(epochs=how.align_epochs or 1),
        checkpoint=wanted.checkpoint,
        progress=sys.stderr.isatty(),
        random_state=seed,
    )


def refine_inverter(
    inverter: Inverter | TaskInverter,
    texts: Sequence[str],
    labels: Sequence[Any],
    wanted: Wanted,
    seed: int,
) -> TaskInverter:
    """Return an inverter that was taught the labels; say where that changes no sentence.

    Parameters
    ----------
    inverter : Inverter or TaskInverter
        To begin with.
    texts, labels : sequence
        What to learn from.
    wanted : Wanted
        As options say.
    seed : int
        Of what is drawn.
    """
    from vicinal.text.invert.refinement import refine

    checkpoint = wanted.checkpoint
    if checkpoint is not None and wanted.is_new:
        checkpoint = checkpoint / "refine"  # beside what alignment keeps there
    found = refine(
        inverter,
        texts,
        labels,
        checkpoint=checkpoint,
        progress=sys.stderr.isatty(),
        random_state=seed,
    )
    if found.notes["task"]["tune"] == "head" and not found.history_:
        typer.echo(
            f"--refine taught a head on {len(texts):,} texts, and left the encoder as it is: "
            "sentences are those that would be written without it.",
            err=True,
        )
    return found


def keep_inverter(inverter: Inverter | TaskInverter, folder: Path | None) -> None:
    """Save an inverter where it is wanted: making it takes longer than using it."""
    if folder is not None:
        inverter.save_pretrained(folder)
        typer.echo(f"Inverter: {folder}.", err=True)


def _sentences(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(one for one in map(str.strip, texts) if one))


def _read_sentences(path: Path) -> list[str]:
    from vicinal.io.text_reading import read_text

    found = _sentences(read_text(path).decode("utf-8").splitlines())
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
    """Raise where what writes sentences is not installed, before anything is loaded.

    Raises
    ------
    ImportError
        With what to install.
    """
    for needed in ("torch", "transformers", "safetensors"):
        if find_spec(needed) is None:
            raise ImportError(
                f"Writing sentences needs {needed}, which is not installed. Install it with: "
                "pip install 'vicinal[offline]'"
            )
