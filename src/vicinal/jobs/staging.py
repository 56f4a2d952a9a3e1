"""An output that appears whole or not at all, and a folder that can be gone on with.

Chunks are written into a staging folder beside the output, one file each, whole under its own
name. When all are there the folder takes its place by one rename. An object store cannot rename:
there parts appear one by one, and the manifest that comes last tells that nothing is missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vicinal import __version__
from vicinal.io.atomic import check_parent
from vicinal.io.remote import Folder, Store, is_remote, local_path
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.limits import check_disk
from vicinal.jobs.places import MANIFEST, Place, part_name

__all__ = ["Staging", "check_destination", "digest_of", "open_staging", "staging_of"]

MODEL = "_model.vicinal"
FORMAT = 1


def staging_of(output: str | os.PathLike[str]) -> Path:
    """Return the folder beside the output in which it is built."""
    target = _settled(Path(local_path(os.fspath(output))))
    return target.with_name(f".{target.name}.partial")


def _settled(output: Path) -> Path:
    """Return the folder's own path, where it is given as ``.``, ``..`` or a link to it."""
    return output.resolve() if output.is_symlink() or output.name in {"", ".."} else output


def _is_begun(staging: Path) -> bool:
    """Tell whether a run has left something to go on with."""
    return (staging / MODEL).exists() or any(staging.glob("part-*.parquet"))


def check_destination(output: str | os.PathLike[str], resume: bool) -> None:
    """Raise where an output cannot be written, before any work is done for it.

    An OSError where it holds something, its folder is not there or cannot be written, or an
    interrupted run lies beside it and is not to be resumed; a ValueError for an address that is
    none, or cannot be resumed.
    """
    if is_remote(os.fspath(output)):
        _check_store(Store(os.fspath(output)), resume)
    else:
        _check_folder(Path(local_path(os.fspath(output))), resume)


def _check_store(store: Store, resume: bool) -> None:
    if resume:
        raise ValueError(
            f"resume goes with a folder on a disk, and output {store.address} is an address. "
            "Remove what is there and begin anew, or write to a folder."
        )
    store.check_empty()


def _check_folder(output: Path, resume: bool) -> None:
    if output.is_file():
        raise FileExistsError(f"{output} is a file; name a folder to write to.")
    check_parent(output.resolve())
    if os.path.ismount(output):
        raise OSError(
            f"{output} is a disk of its own, which cannot be put in place whole. Name a folder in "
            f"it, such as {output / 'synthetic'}."
        )
    if output.is_dir() and any(output.iterdir()) and not (resume and (output / MANIFEST).exists()):
        raise FileExistsError(
            f"Folder {output} is not empty. Name another one, or remove what is in it."
        )
    staging = staging_of(output)
    if _is_begun(staging) and not resume:
        with _locked(staging):  # or another run is at work there
            pass
        raise FileExistsError(
            f"{staging} holds an interrupted run for {output}. Add --resume (resume=True) to go on "
            "with it, or remove the folder to begin anew."
        )


@contextlib.contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """Keep other processes out of a folder until this one ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks
        yield
        return
    with open(staging / "_lock", "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OSError(f"Another run is writing to {staging}. Wait for it.") from error
        yield


class Staging(ABC):
    """Where an output is built; entered, it is begun or gone on with.

    ``kept`` is the file for what a job has learned and makes its chunks from; ``complete`` tells
    whether the output is there already, made by the same run.
    """

    place: Place
    kept: Path
    complete = False

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = json.loads(json.dumps(request))

    @abstractmethod
    def __enter__(self) -> Staging: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def check_room(self, needed: float) -> None:
        """Raise OSError where there is no room for so many bytes."""

    @abstractmethod
    def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that are still to be made."""

    @abstractmethod
    def finish(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> None:
        """Say what there is, once every chunk is there; ``rows`` are those of parts just made."""

    def _plan(self, chunks: Sequence[Chunk]) -> dict[str, Any]:
        """Return what a manifest says of the chunks before they are made."""
        plan = {"chunk_rows": chunks[0].rows, "chunks": len(chunks), "seed": list(chunks[0].seed)}
        return plan | ({"model": digest_of(self.kept)} if self.kept.exists() else {})

    def _parts(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> dict[str, Any]:
        """Return what a manifest says of the parts that are there."""
        parts = []
        for number in (chunk.number for chunk in chunks):
            size = self.place.size(number)
            if size is None:
                raise OSError(f"{part_name(number)} should be there and is not.")
            n = rows[number] if number in rows else self.place.rows(number)
            parts.append({"file": part_name(number), "rows": n, "bytes": size})
        return {"rows": sum(part["rows"] for part in parts), "parts": parts}

    def _write_manifest(self, facts: Mapping[str, Any]) -> None:
        said = {"format": FORMAT, "vicinal": __version__, "asked": self._request, **facts}
        with self.place.files.writing(MANIFEST) as sink:
            sink.write((json.dumps(said, indent=1) + "\n").encode())


def open_staging(
    output: str | os.PathLike[str], request: Mapping[str, Any], resume: bool
) -> Staging:
    """Return where an output is built; a run of another ``request`` is not gone on with."""
    where = os.fspath(output)
    if is_remote(where):
        return _StoreStaging(Store(where), request, resume)
    return _FolderStaging(Path(local_path(where)), request, resume)


class _StoreStaging(Staging):
    def __init__(self, store: Store, request: Mapping[str, Any], resume: bool) -> None:
        super().__init__(request)
        self._store, self._resume = store, resume
        self.place = Place(store)

    def __enter__(self) -> Staging:
        _check_store(self._store, self._resume)
        self._folder = tempfile.TemporaryDirectory()
        self.kept = Path(self._folder.name) / MODEL
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def check_room(self, needed: float) -> None:
        """Do nothing: a store has room."""

    def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return all chunks."""
        return list(chunks)

    def finish(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> None:
        """Write the manifest."""
        self._write_manifest(self._plan(chunks) | self._parts(chunks, rows))


class _FolderStaging(Staging):
    def __init__(self, output: Path, request: Mapping[str, Any], resume: bool) -> None:
        super().__init__(request)
        self._output, self.folder, self._resume = _settled(output), staging_of(output), resume
        self.kept = self.folder / MODEL
        self.place = Place(Folder(self.folder))
        self._lock = contextlib.ExitStack()

    def __enter__(self) -> Staging:
        _check_folder(self._output, self._resume)
        done = self._output / MANIFEST
        if self._resume and done.exists():
            self._check_same(_read_manifest(done), self._output)
            self.complete = True
            return self
        self.folder.mkdir(exist_ok=True)
        self._lock.enter_context(_locked(self.folder))
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self) -> None:
        if not _is_begun(self.folder):  # stopped before anything was learned or made
            self._write_manifest({})
            return
        manifest = _read_manifest(self.folder / MANIFEST)
        self._check_same(manifest, self.folder)
        if "parts" in manifest:  # all was done but the last step
            self.kept.unlink(missing_ok=True)
            self._put_in_place()
            self.complete = True

    def __exit__(self, *_: object) -> None:
        if not self.complete and not _is_begun(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)  # nothing to go on with
        self._lock.close()

    def _check_same(self, manifest: dict[str, Any], where: Path) -> None:
        differ = differences(manifest["asked"], self._request)
        if where == self.folder and manifest.get("vicinal") != __version__:
            differ.append(f"vicinal ({manifest.get('vicinal')} there, {__version__} here)")
        self._refuse(differ, where)

    def _refuse(self, differ: Sequence[str], where: Path) -> None:
        if differ:
            raise ValueError(
                f"{where} was begun otherwise: {'; '.join(differ)}. Ask for the same again, or "
                "remove the folder to begin anew."
            )

    def check_room(self, needed: float) -> None:
        """Raise OSError where the disk has no room for so many bytes."""
        check_disk(self._output.resolve().parent, needed)

    def _clean(self) -> None:
        for path in self.folder.glob(".*.part"):  # of an interruption, or of workers that are lost
            path.unlink()

    def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that are still to be made; leftovers of an interruption are removed."""
        self._clean()
        facts = self._plan(chunks)
        manifest = _read_manifest(self.folder / MANIFEST)
        planned = {name: manifest[name] for name in facts if name in manifest}
        if planned:
            self._refuse(differences(planned, facts), self.folder)
        self._write_manifest(facts)
        return [chunk for chunk in chunks if self.place.size(chunk.number) is None]

    def finish(self, chunks: Sequence[Chunk], rows: Mapping[int, int]) -> None:
        """Put the folder in its place."""
        self._clean()
        if self._output.is_dir() and any(self._output.iterdir()):
            raise FileExistsError(
                f"Folder {self._output} is no longer empty; what is done stays in {self.folder}. "
                "Remove what is in it, then go on with --resume (resume=True)."
            )
        self._write_manifest(self._plan(chunks) | self._parts(chunks, rows))
        self.kept.unlink(missing_ok=True)  # it may hold real rows
        self._put_in_place()

    def _put_in_place(self) -> None:
        (self.folder / "_lock").unlink(missing_ok=True)
        if self._output.is_dir():
            self._output.rmdir()
        os.replace(self.folder, self._output)
        _sync_folder(self._output.resolve().parent)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and isinstance(manifest["asked"], dict)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(
            f"{path} is no manifest of this version of vicinal. Remove the folder to begin anew."
        )
    return manifest


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Say how two sets of settings differ, such as ``["seed (7 there, 8 asked)"]``."""
    found = []
    for name in sorted({*there, *asked}):
        old, new = there.get(name), asked.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            gone = [one for one in old if one not in new] or old
            added = [one for one in new if one not in old] or new
            found.append(f"{name} ({_brief(gone)} there, {_brief(added)} asked)")
        elif _is_digest(old) and _is_digest(new):
            found.append(f"{name} (others there)")
        else:
            found.append(f"{name} ({_brief(old)} there, {_brief(new)} asked)")
    return found


def _is_digest(value: Any) -> bool:
    """Tell a hash, which says nothing to anybody, from other values."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:2])) + (", ..." if len(value) > 2 else "")
    return json.dumps(value)
