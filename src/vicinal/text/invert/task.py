"""An inverter that knows a task: its encoder may have moved, and its head tells classes apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import first_line
from vicinal.text._readers import NetworkReader
from vicinal.text.encoder import Encoder
from vicinal.text.invert.inverter import Inverter

if TYPE_CHECKING:
    from typing_extensions import Self

    from vicinal.text.classifier.backbones import Pretrained

__all__ = ["FORMAT", "Head", "TaskEncoder", "TaskInverter", "load_inverter"]

Floats = npt.NDArray[np.float32]
_WEIGHTS, _INVERTER, _ENCODER = "head.safetensors", "inverter", "encoder"
FORMAT, _VERSION = "vicinal-task-inverter", 1


class TaskEncoder(Encoder):
    """The encoder of a task model: the mean of a network's last states."""

    def __init__(
        self,
        backbone: Pretrained,
        network: Any,
        name: str,
        *,
        batch_size: int = 64,
        dtype: str = "auto",
    ) -> None:
        super().__init__(NetworkReader(name, backbone, network), batch_size=batch_size, dtype=dtype)
        self.backbone = backbone

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face folder."""
        from vicinal.text.classifier.backbones import quiet

        with quiet():
            self.model.save_pretrained(folder)
            self.backbone.tokenizer.save_pretrained(folder)

    @classmethod
    def load(
        cls,
        folder: Path,
        name: str,
        max_tokens: int,
        *,
        batch_size: int = 64,
        dtype: str = "auto",
        device: Any = None,
    ) -> TaskEncoder:
        """Return what :meth:`save` wrote; it computes on the CPU where no device is named."""
        from transformers import AutoModel

        from vicinal.text.classifier.backbones import Pretrained, quiet

        backbone = Pretrained(str(folder), max_tokens, "mean")
        with quiet():
            network = AutoModel.from_pretrained(folder)
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # it was not saved either
        if device is not None:
            network.to(device)
        return cls(backbone, network, name, batch_size=batch_size, dtype=dtype)


class Head:
    """A linear classification head on embeddings: a row and a number for each class, sorted."""

    def __init__(self, classes: npt.NDArray[Any], coefficients: Floats, intercepts: Floats) -> None:
        self.classes = classes
        # safetensors writes memory as it lies, and scikit-learn's lies in columns
        self.coefficients = np.ascontiguousarray(coefficients)
        self.intercepts = np.ascontiguousarray(intercepts)

    def proba(self, embeddings: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return probabilities (n, n_classes) of the classes of embeddings (n, dim)."""
        rows = np.asarray(embeddings, np.float64)
        scores = rows @ self.coefficients.T.astype(np.float64) + self.intercepts
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: npt.NDArray[np.float64] = scores / scores.sum(axis=1, keepdims=True)
        return found


class TaskInverter(Inverter):
    """An inverter that knows a task.

    It encodes, generates and inverts as :class:`Inverter` does, in the space of the task model, and
    tells classes apart.

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
        Anything that JSON can hold, kept in a saved folder.

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
        adaptor: Any,
        decoder: Any,
        head: Head,
        *,
        notes: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(encoder, adaptor, decoder, notes=notes)
        self.head = head

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Labels, sorted."""
        return self.head.classes

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        texts : sequence of str
            Any number.

        Returns
        -------
        ndarray of shape (n_texts, n_classes)
            Rows sum to 1; columns are in the order of ``classes_``.
        """
        return self.head.proba(self.encode(texts))

    def predict_proba_embeddings(self, embeddings: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability of each class of embeddings.

        Parameters
        ----------
        embeddings : array of shape (n_embeddings, dim)
            As :meth:`encode` makes them, or mixtures of such.

        Returns
        -------
        ndarray of shape (n_embeddings, n_classes)
            Rows sum to 1; columns are in the order of ``classes_``.

        Raises
        ------
        ValueError
            If embeddings have another shape, or hold what is not finite.
        """
        return self.head.proba(self._check(embeddings))

    def predict(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        """Return the most probable class.

        Parameters
        ----------
        texts : sequence of str
            Any number.

        Returns
        -------
        ndarray of shape (n_texts,)
            Labels as they were given.
        """
        chosen: npt.NDArray[Any] = self.classes_[self.predict_proba(texts).argmax(axis=1)]
        return chosen

    def _save(self, folder: str | PathLike[str], half: bool) -> None:
        from safetensors.numpy import save as to_bytes

        from vicinal import __version__
        from vicinal.io.atomic import replacing_folder
        from vicinal.io.folders import check_folder
        from vicinal.text.invert.card import write_card
        from vicinal.text.invert.folder import CARD, README, TASK

        target = check_folder(folder, TASK, FORMAT, "an inverter with a task")
        classes = self.classes_
        moved = isinstance(self.encoder, TaskEncoder)
        said = {
            "format": FORMAT,
            "version": _VERSION,
            "vicinal": __version__,
            "classes": classes.tolist(),
            "dtype": classes.dtype.str,
            "encoder": {
                "moved": moved,
                "name": self.encoder.name,
                "max_tokens": self.encoder.max_tokens,
            },
        }
        head = {"coefficients": self.head.coefficients, "intercepts": self.head.intercepts}
        with replacing_folder(target) as beside:
            inner = beside / _INVERTER
            super()._save(inner, half)
            (inner / README).unlink()  # one card is enough, and hubs show the outer one
            about = json.loads((inner / CARD).read_text("utf-8"))
            card = write_card(about, self.preface, classes.tolist())
            (beside / README).write_text(card, "utf-8")
            if isinstance(self.encoder, TaskEncoder):
                (beside / _ENCODER).mkdir()
                self.encoder.save(beside / _ENCODER)
            (beside / _WEIGHTS).write_bytes(to_bytes(head))
            (beside / TASK).write_text(json.dumps(said, indent=1, ensure_ascii=False), "utf-8")

    @classmethod
    def _load(cls, folder: Path, encoder: Any, llm: Any, device: str | None) -> Self:
        from safetensors.numpy import load_file

        from vicinal.io.folders import read_card
        from vicinal.text.invert.card import read_preface
        from vicinal.text.invert.folder import README, TASK

        if not (folder / TASK).is_file() and (folder / "config.json").is_file():
            raise ValueError(
                f"{str(folder)!r} is an inverter without a task. Load it with load_inverter, and "
                "give it one with refine."
            )
        said = read_card(folder, TASK, FORMAT, _VERSION, "an inverter with a task")
        try:
            about = said["encoder"]
            classes = np.array(said["classes"], dtype=np.dtype(said["dtype"]))
            head = load_file(folder / _WEIGHTS)
            coefficients, intercepts = head["coefficients"], head["intercepts"]
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
        if coefficients.shape != (len(classes), inner.encoder.dim):
            raise ValueError(
                f"The head in {str(folder)!r} has shape {coefficients.shape}, it should have "
                f"{(len(classes), inner.encoder.dim)}. Files of two were mixed up; save it again."
            )
        made = cls(
            inner.encoder,
            inner.adaptor,
            inner.decoder,
            Head(classes, coefficients, intercepts),
            notes=inner.notes,
        )
        made.preface = read_preface(folder / README) or inner.preface
        return made


def load_inverter(source: str | PathLike[str], **given: Any) -> Inverter:
    """Return a saved inverter, with the task it was taught, if any.

    Parameters
    ----------
    source : str or path
        "nano", a folder or a hub name.
    **given : object
        As of :meth:`Inverter.from_pretrained`.

    Returns
    -------
    Inverter or TaskInverter
        Ready to write.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    OSError
        If the hub could not be asked.
    ValueError
        If what is there does not fit together.

    Examples
    --------
    >>> load_inverter("mine")  # doctest: +SKIP
    TaskInverter(encoder='offline', decoder='nano', soft_tokens=8)
    """
    from vicinal.text.invert.folder import TASK, find_folder

    kind = TaskInverter if (find_folder(source) / TASK).is_file() else Inverter
    return kind.from_pretrained(source, **given)
