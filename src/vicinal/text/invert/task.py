"""An inverter that knows a task: its encoder may have moved, and its head tells classes apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes
from scipy.special import softmax

from vicinal import __version__
from vicinal._checks import first_line
from vicinal._types import Array, Floats, Floats32
from vicinal.io.atomic import replacing_folder
from vicinal.io.folders import check_folder, checksums, read_card
from vicinal.text._readers import NetworkReader
from vicinal.text.classifier.backbones import Pretrained
from vicinal.text.encoder import Encoder
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.card import read_preface, write_card
from vicinal.text.invert.decoders import Decoder
from vicinal.text.invert.folder import CARD, README, TASK, default_inverter, find_folder
from vicinal.text.invert.inverter import Inverter
from vicinal.text.models import quiet

if TYPE_CHECKING:
    from typing_extensions import Self

_WEIGHTS, _INVERTER, _ENCODER = "head.safetensors", "inverter", "encoder"
_FORMAT, _VERSION = "vicinal-task-inverter", 1


def check_target(folder: str | PathLike[str]) -> Path:
    """Return a folder that may be written to; refuse one that holds other things."""
    return check_folder(folder, TASK, _FORMAT, "an inverter with a task")


class TaskEncoder(Encoder):
    """The encoder of a task model: the mean of a network's last states."""

    def __init__(self, backbone: Pretrained, network: Any, name: str, **settings: Any) -> None:
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # never used, so it would neither be trained nor saved
        super().__init__(NetworkReader(name, backbone, network), **settings)
        self.backbone = backbone

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder."""
        with quiet():
            self.model.save_pretrained(folder)
            self.backbone.tokenizer.save_pretrained(folder)

    @classmethod
    def load(
        cls, folder: Path, name: str, max_tokens: int, *, device: Any = None, **settings: Any
    ) -> TaskEncoder:
        """Return what :meth:`save` wrote; it computes on the CPU where no device is named."""
        from transformers import AutoModel

        backbone = Pretrained(str(folder), max_tokens, "mean")
        with quiet():
            network = AutoModel.from_pretrained(folder)
        return cls(backbone, network.to(device or "cpu"), name, **settings)


class Head:
    """A linear classification head on embeddings: a row and a number for each class, sorted."""

    def __init__(self, classes: Array, coefficients: Floats32, intercepts: Floats32) -> None:
        self.classes = classes
        # safetensors writes memory as it lies, and scikit-learn's lies in columns
        self.coefficients = np.ascontiguousarray(coefficients)
        self.intercepts = np.ascontiguousarray(intercepts)

    def proba(self, embeddings: npt.ArrayLike) -> Floats:
        """Return probabilities (n, n_classes) of the classes of embeddings (n, dim)."""
        rows = np.asarray(embeddings, np.float64)
        scores = rows @ self.coefficients.T.astype(np.float64) + self.intercepts
        found: Floats = softmax(scores, axis=1)
        return found


class TaskInverter(Inverter):
    """An inverter that knows a task.

    It does what :class:`Inverter` does, in the space of the task model, and tells classes apart.

    Parameters
    ----------
    encoder : Encoder
        The task model's.
    adaptor : Adaptor
        Made for that encoder.
    decoder : Decoder
        The language model.
    head : Head
        From embeddings to classes.
    notes : dict, optional
        As of :class:`Inverter`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted; whole numbers keep their dtype.

    See Also
    --------
    vicinal.text.refine : Makes one.

    Examples
    --------
    >>> task = refine(inverter, texts, labels)  # doctest: +SKIP
    >>> task.predict(["A delight from start to finish."])  # doctest: +SKIP
    array(['positive'], dtype='<U8')
    """

    def __init__(
        self,
        encoder: Encoder,
        adaptor: Adaptor,
        decoder: Decoder,
        head: Head,
        *,
        notes: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(encoder, adaptor, decoder, notes=notes)
        self.head = head

    @property
    def classes_(self) -> Array:
        """Labels, sorted."""
        return self.head.classes

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Return probabilities (n_texts, n_classes), with columns in the order of ``classes_``."""
        return self.head.proba(self.encode(texts))

    def predict_proba_embeddings(self, embeddings: npt.ArrayLike) -> Floats:
        """Return probabilities (n_embeddings, n_classes) of the classes of embeddings."""
        return self.head.proba(self._check(embeddings))

    def predict(self, texts: Sequence[str]) -> Array:
        """Return the most probable class (n_texts,) of each text, as labels were given."""
        chosen: Array = self.classes_[self.predict_proba(texts).argmax(axis=1)]
        return chosen

    def save_pretrained(self, folder: str | PathLike[str], *, half: bool = False) -> None:
        """Write a folder that :meth:`from_pretrained` reads; see :class:`Inverter`."""
        target = check_target(folder)
        moved, classes = isinstance(self.encoder, TaskEncoder), self.classes_
        about = {"name": self.encoder.name, "max_tokens": self.encoder.max_tokens}
        said = {
            "format": _FORMAT,
            "version": _VERSION,
            "vicinal": __version__,
            "classes": classes.tolist(),
            "dtype": classes.dtype.str,
            "encoder": {"moved": moved, **about},
        }
        head = {"coefficients": self.head.coefficients, "intercepts": self.head.intercepts}
        with replacing_folder(target) as beside:
            inner = beside / _INVERTER
            super().save_pretrained(inner, half=half)
            (inner / README).unlink()  # one card is enough, and hubs show the outer one
            inner_card = json.loads((inner / CARD).read_text("utf-8"))
            card = write_card(inner_card, self.preface, said["classes"])
            (beside / README).write_text(card, "utf-8")
            if isinstance(self.encoder, TaskEncoder):
                (beside / _ENCODER).mkdir()
                self.encoder.save(beside / _ENCODER)
            (beside / _WEIGHTS).write_bytes(to_bytes(head))
            # the inverter has its own, and an encoder's weights a fingerprint there
            said["files"] = checksums(beside, README, f"{_INVERTER}/", f"{_ENCODER}/model")
            (beside / TASK).write_text(json.dumps(said, indent=1, ensure_ascii=False), "utf-8")

    @classmethod
    def _load(cls, folder: Path, encoder: Any, llm: Any, device: str | None) -> Self:
        if not (folder / TASK).is_file() and (folder / CARD).is_file():
            raise ValueError(
                f"{str(folder)!r} is an inverter without a task. Load it with load_inverter, and "
                "give it one with refine."
            )
        said = read_card(folder, TASK, _FORMAT, _VERSION, "an inverter with a task")
        try:
            about = said["encoder"]
            classes = np.array(said["classes"], dtype=np.dtype(said["dtype"]))
            head = Head(classes, **load_file(folder / _WEIGHTS))
            if about["moved"]:
                encoder = TaskEncoder.load(
                    folder / _ENCODER, about["name"], about["max_tokens"], device=device
                )
        except Exception as error:
            raise ValueError(
                f"The task inverter in {str(folder)!r} cannot be read ({first_line(error)}). Save "
                "it again."
            ) from error
        inner = Inverter._load(folder / _INVERTER, encoder, llm, device)
        wanted = (len(classes), inner.encoder.dim)
        if head.coefficients.shape != wanted:
            raise ValueError(
                f"The head in {str(folder)!r} has shape {head.coefficients.shape}, it should have "
                f"{wanted}. Files of two were mixed up; save it again."
            )
        made = cls(inner.encoder, inner.adaptor, inner.decoder, head, notes=inner.notes)
        made.preface = read_preface(folder / README) or inner.preface
        return made


def load_inverter(source: str | PathLike[str] | None = None, **given: Any) -> Inverter:
    """Return a saved inverter, with the task it was taught, if any.

    Parameters
    ----------
    source : str or path, optional
        As of :meth:`Inverter.from_pretrained`.
    **given : object
        As of :meth:`Inverter.from_pretrained`.

    Returns
    -------
    Inverter or TaskInverter
        Ready to write.

    Raises
    ------
    OSError, ValueError
        As of :meth:`Inverter.from_pretrained`.

    Examples
    --------
    >>> load_inverter("mine")  # doctest: +SKIP
    TaskInverter(encoder='offline', decoder='nano', soft_tokens=8)
    """
    source = default_inverter() if source is None else source
    kind = TaskInverter if (find_folder(source) / TASK).is_file() else Inverter
    return kind.from_pretrained(source, **given)
