"""Commands that write sentences: one between two, or many to train on."""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vicinal._checks import check_choice, check_count, check_number, did_you_mean
from vicinal.cli.app import app
from vicinal.cli.labelled import read_labelled, weight_law
from vicinal.cli.options import Source
from vicinal.cli.reports import check_report, write_report
from vicinal.cli.streams import parse_rows
from vicinal.cli.textparts import asks_for_parts, check_alone, check_parts, write_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vicinal.pairing import Pairing
    from vicinal.text.augmentation import Augmented, Morph
    from vicinal.text.invert.inverter import Inverter
    from vicinal.text.invert.task import TaskInverter

__all__ = ["morph", "text"]

#: Fewer sentences than these hardly teach an adaptor to speak to a language model.
FEW_TO_ALIGN = 10_000
#: Up to so many sentences are written by one thread sooner than by several.
_SOON = 256
PAIRINGS = ("farthest", "random", "nearest")
#: What a set of made sentences can be reported as.
REPORTS = (".html", ".txt", ".md")

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
Resumed = Annotated[
    Path | None,
    typer.Option(help="Folder that an interrupted alignment or refinement goes on from."),
]
Kept = Annotated[Path | None, typer.Option(help="Folder to keep the new or refined inverter in.")]
Device = Annotated[str | None, typer.Option(help="Where networks run, such as cuda.")]
Rank = Annotated[str, typer.Option(help="Best candidate by both, closeness or ratio.")]
Seed = Annotated[int, typer.Option(help="The same seed, the same sentences.")]


@app.command()
def morph(
    left: Annotated[str, typer.Argument(help="A sentence, in quotes.")],
    right: Annotated[str, typer.Argument(help="Another.")],
    steps: Annotated[int, typer.Option(help="Sentences to write, both ends included.")] = 5,
    html: Annotated[Path | None, typer.Option(help="Write a page as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    candidates: Annotated[int, typer.Option(help="Sentences tried for each step.")] = 8,
    rank: Rank = "both",
    inverter: Written = None,
    llm: Model = None,
    encoder: Reader = None,
    align_on: Corpus = None,
    checkpoint: Resumed = None,
    save_inverter: Kept = None,
    device: Device = None,
    seed: Seed = 0,
) -> None:
    """Write the sentences between two sentences."""
    check_count("steps", steps, low=2, hint="Both ends count.")
    _check_common(candidates, rank, seed)
    if html is not None:
        check_report("html", html)
    wanted = _Wanted(inverter, llm, encoder, align_on, checkpoint, save_inverter, device)
    wanted.check()
    if wanted.is_new and align_on is None:
        raise ValueError(
            "llm needs sentences to be aligned on: --align-on FILE, one to a line. Or give an "
            "inverter that is aligned, with --inverter."
        )
    from vicinal.text.augmentation.morphing import morph as between

    with _one_thread() if wanted.is_small and steps * candidates <= _SOON else nullcontext():
        writer = _inverter(wanted, [], seed)
        _keep(writer, save_inverter)
        found = between(
            left,
            right,
            steps,
            inverter=writer,
            candidates=candidates,
            rank=rank,
            random_state=seed,
        )
    if html is not None:
        found.to_html(html)
    if as_json:
        typer.echo(_json(found))
    elif sys.stdout.isatty():
        typer.echo(str(found))
    else:
        typer.echo(_plain(found))


@app.command()
def text(
    source: Source,
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write; or a folder/ of many.")
    ],
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows", "-n", metavar="NUMBER", help="Sentences to make, e.g. 1e6; as many as read."
        ),
    ] = None,
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the classes.")] = "label",
    pairing: Annotated[
        str, typer.Option(help="Who is mixed: farthest, random or nearest.")
    ] = "farthest",
    tau: Annotated[
        float | None,
        typer.Option(help="Share of the texts that partners are from, farthest or nearest: 0.2."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="hyperbolic (farthest), euclidean (nearest), cosine or stereographic."),
    ] = None,
    law: Annotated[str, typer.Option(help="Law of weights: beta or epbeta.")] = "beta",
    alpha: Annotated[float, typer.Option(help="Of the Beta law.")] = 1.0,
    guard: Annotated[
        str,
        typer.Option(
            help="What becomes of sentences that are not what their label says: filter, relabel, "
            "within-class or none."
        ),
    ] = "filter",
    lopsided: Annotated[
        float, typer.Option(help="Label weight from which on a sentence has to be of its class.")
    ] = 0.7,
    keep: Annotated[
        float, typer.Option(help="Share of a class's sentences that 'filter' keeps at most.")
    ] = 0.7,
    candidates: Annotated[int, typer.Option(help="Sentences tried for each row.")] = 4,
    rank: Rank = "both",
    refine: Annotated[
        bool,
        typer.Option(
            "--refine", help="Teach the encoder the labels first, from 400 texts on (slow)."
        ),
    ] = False,
    inverter: Written = None,
    llm: Model = None,
    encoder: Reader = None,
    align_on: Corpus = None,
    checkpoint: Resumed = None,
    save_inverter: Kept = None,
    device: Device = None,
    seed: Seed = 0,
    report: Annotated[
        Path | None, typer.Option(help="Write figures and rows to look at: .html, .txt or .md.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for many machines.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster, e.g. auto.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Of Ray; as many as there is room for.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(help="GPUs of a worker, e.g. 0.25 for four to a GPU.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run into a folder.")
    ] = False,
) -> None:
    """Make labelled sentences by mixing those of a table.

    With a folder to write to, --engine ray or --resume, sentences are made and written in chunks,
    partners are looked for among 4,096 texts at a time, and the output is a folder of Parquet
    files.
    """
    from vicinal.table.files import check_output, write_table
    from vicinal.text.augmentation.guard import GUARDS, check_keep

    on_ray = {"ray": engine != "local", "address": address, "workers": workers, "gpus": gpus}
    parts = asks_for_parts(output, resume=resume, **on_ray)
    count = parse_rows(rows)
    if parts:
        of_ray = {"address": address, "workers": workers, "gpus": gpus}
        check_parts(output, resume, engine, of_ray)
        check_alone({"report": report}, {"device": device} if engine == "ray" else {})
    else:
        check_output(output)
    if report is not None:
        _check_report(report)
    check_choice("guard", guard, GUARDS)
    check_number("lopsided", lopsided, low=0.5, high=1, open_low=True)
    check_keep(keep, guard)
    _check_common(candidates, rank, seed)
    chosen = _pairing(pairing, tau, metric)
    weights = weight_law(law, alpha)
    wanted = _Wanted(inverter, llm, encoder, align_on, checkpoint, save_inverter, device)
    wanted.check(refine)
    texts, labels = read_labelled(source, text, label)
    import pyarrow as pa

    from vicinal.text.augmentation.augmenting import augment

    settings: dict[str, Any] = {
        "pairing": chosen,
        "weights": weights,
        "guard": guard,
        "lopsided": lopsided,
        "keep": keep,
        "candidates": candidates,
        "rank": rank,
        "random_state": seed,
    }
    n = len(texts) if count is None else count
    writer: Any = _inverter(wanted, texts, seed)
    if refine:
        writer = _refined(writer, texts, labels, wanted, seed)
    _keep(writer, save_inverter)
    if parts:
        settings |= {"engine": engine, "address": address, "workers": workers}
        settings |= {"gpus": gpus or 0.0, "resume": resume}
        write_parts(writer, texts, labels, n, output, settings)
        return
    made: Augmented = augment(writer, texts, labels, n, **settings)
    if not len(made):
        raise ValueError(f"No sentence was left to write. {made.summary()} {output} is as it was.")
    write_table(pa.table(made.columns()), output)
    said = f"{len(texts):,} texts read, {len(made):,} sentences written to {output}."
    typer.echo(f"{made.summary()}\n\n{said}", err=True)
    if report is not None:
        write_report(made, report)
        typer.echo(f"Report: {report}.", err=True)


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


def _check_common(candidates: int, rank: str, seed: int) -> None:
    from vicinal.text.augmentation.writing import RANKS

    check_count("candidates", candidates)
    check_choice("rank", rank, RANKS)
    check_count("seed", seed, low=0)


@dataclass(frozen=True)
class _Wanted:
    """Which inverter the options ask for."""

    inverter: str | None
    llm: str | None
    encoder: str | None
    align_on: Path | None
    checkpoint: Path | None
    save: Path | None
    device: str | None

    @property
    def is_new(self) -> bool:
        """Whether one is built and aligned."""
        return self.llm is not None and self.inverter is None

    @property
    def is_small(self) -> bool:
        """Whether it is nano, on the CPU."""
        return self.inverter in (None, "nano") and self.llm is None and self.device is None

    def check(self, refine: bool = False) -> None:
        """Refuse what does not go together, is not there or could not be written."""
        check_extras()
        learnt = {"checkpoint": self.checkpoint, "save-inverter": self.save}
        for name, given in {"align-on": self.align_on, **learnt}.items():
            if given is not None and not self.is_new and not (refine and name in learnt):
                also = ", or one that --refine teaches" if name in learnt else ""
                raise ValueError(
                    f"{name} goes with a new inverter, which --llm builds{also}. Leave it out, or "
                    "give --llm without --inverter."
                )
        if self.align_on is not None:
            _check_text_file(self.align_on)
        if self.save is not None:
            from vicinal.text._folders import check_folder
            from vicinal.text.invert import folder, task

            if refine:
                check_folder(self.save, folder.TASK, task.FORMAT, "an inverter with a task")
            else:
                check_folder(self.save, folder.CARD, folder.FORMAT, "an inverter")
        if self.device is not None:
            from vicinal.text.models import check_device

            check_device(self.device)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: several wait for each other longer than a few sentences take."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_text_file(path: Path) -> None:
    from vicinal.table.files import SUFFIXES

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


def _check_report(path: Path) -> None:
    if path.suffix.lower() == ".json":
        raise ValueError(
            f"report is written as {', '.join(REPORTS)}, got {str(path)!r}. For the rows as JSON "
            "lines, name the output .jsonl."
        )
    check_report("report", path)


def _pairing(name: str, tau: float | None, metric: str | None) -> Pairing:
    """Return who is mixed with whom."""
    from vicinal.pairing import Farthest, Nearest, Random

    check_choice("pairing", name, PAIRINGS)
    if name == "random":
        given = [one for one, value in (("tau", tau), ("metric", metric)) if value is not None]
        if given:
            raise ValueError(
                f"{' and '.join(given)} goes with farthest or nearest partners, and pairing is "
                "random. Leave it out."
            )
        return Random()
    share = 0.2 if tau is None else tau
    if name == "nearest":
        return Nearest(tau=share, metric=metric or "euclidean")
    return Farthest(share, metric=metric or "hyperbolic")


def _inverter(wanted: _Wanted, own: Sequence[str], seed: int) -> Inverter | TaskInverter:
    """Return a saved inverter, or a new one, aligned on sentences."""
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
    from vicinal.text.models import OFFLINE

    sentences = _sentences(own)
    if wanted.align_on is not None:
        sentences = _read_sentences(wanted.align_on)
    if len(sentences) < FEW_TO_ALIGN:
        warnings.warn(
            f"The language model is aligned on {len(sentences):,} sentences: too few for what it "
            f"writes to follow the mixture. Give {FEW_TO_ALIGN:,} or more with --align-on; they "
            "need no labels.",
            UserWarning,
            stacklevel=2,
        )
    built = Inverter.build(wanted.encoder or OFFLINE, wanted.llm, random_state=seed)
    if wanted.device is not None:
        built = built.to(wanted.device)
    return align(built, sentences, checkpoint=wanted.checkpoint, random_state=seed)


def _refined(
    inverter: Inverter | TaskInverter,
    texts: Sequence[str],
    labels: Sequence[Any],
    wanted: _Wanted,
    seed: int,
) -> TaskInverter:
    """Return an inverter that was taught the labels; say where that changes no sentence."""
    from vicinal.text.invert.refinement import refine

    checkpoint = wanted.checkpoint
    if checkpoint is not None and wanted.is_new:
        checkpoint = checkpoint / "refine"  # beside what alignment keeps there
    found = refine(inverter, texts, labels, checkpoint=checkpoint, random_state=seed)
    if found.notes["task"]["tune"] == "head" and not found.history_:
        typer.echo(
            f"--refine taught a head on {len(texts):,} texts, and left the encoder as it is: "
            "sentences are those that would be written without it.",
            err=True,
        )
    return found


def _keep(inverter: Inverter | TaskInverter, folder: Path | None) -> None:
    """Save an inverter where it is wanted: making it takes longer than using it."""
    if folder is not None:
        inverter.save_pretrained(folder)
        typer.echo(f"Inverter: {folder}.", err=True)


def _sentences(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(one for one in map(str.strip, texts) if one))


def _read_sentences(path: Path) -> list[str]:
    from vicinal.table.files.text_reading import read_text

    found = _sentences(read_text(path).decode("utf-8").splitlines())
    if len(found) < 2:
        raise ValueError(f"{path} holds {len(found)} sentences. Give one to a line, many of them.")
    return found


def _plain(found: Morph) -> str:
    """Return a morph as tab-separated lines, for other programs."""
    lines = ["lam\tmeasured\tcloseness\tsentence"]
    rows = zip(found.lam, found.lam_measured, found.closeness, found.sentences, strict=True)
    for lam, measured, closeness, sentence in rows:
        shown = "" if math.isnan(measured) else f"{measured:.4f}"
        lines.append(f"{lam:.4f}\t{shown}\t{closeness:.4f}\t{' '.join(sentence.split())}")
    return "\n".join(lines)


def _json(found: Morph) -> str:
    names = ("lam", "lam_measured", "closeness", "log_likelihood")
    columns = [[_number(one) for one in getattr(found, name)] for name in names]
    steps = [
        dict(zip(names, figures, strict=True)) | {"sentence": sentence}
        for *figures, sentence in zip(*columns, found.sentences, strict=True)
    ]
    whole = {"left": found.left, "right": found.right, "steps": steps}
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _number(value: Any) -> float | None:
    """Return a figure as JSON has it: JSON knows neither NaN nor infinity."""
    figure = float(value)
    return figure if math.isfinite(figure) else None
