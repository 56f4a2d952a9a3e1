"""A folder of Parquet files that appears whole or not at all, and can be gone on with.

Chunks are written into a staging folder beside the output, one file each: written under another
name, brought to the disk, then renamed. What is there under its own name is whole. When all are
there the folder takes its place by one rename.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from vicinal import __version__
from vicinal.io import replacing
from vicinal.table.stream.chunks import Chunk
from vicinal.table.synthesizer import TableSynthesizer

__all__ = [
    "MANIFEST",
    "Staging",
    "check_output_folder",
    "part_facts",
    "part_name",
    "plan_facts",
    "staging_of",
    "write_part",
]

#: The file that says what the folder holds; readers of data sets pass over names that begin so.
MANIFEST = "_manifest.json"
MODEL = "_model.vicinal"
FORMAT = 1
#: Rows of a row group, which a reader takes in at once.
GROUP_ROWS = 1 << 18


def part_name(number: int) -> str:
    """Return the name of a chunk's file."""
    return f"part-{number:06d}.parquet"


def staging_of(output: Path) -> Path:
    """Return the folder beside the output in which it is built."""
    output = settled(output)
    return output.with_name(f".{output.name}.partial")


def settled(output: Path) -> Path:
    """Return the folder's own path, where it is given as ``.``, ``..`` or a link to it."""
    return output.resolve() if output.is_symlink() or output.name in {"", ".."} else output


def _is_begun(staging: Path) -> bool:
    """Tell whether a run has left something to go on with."""
    return (staging / MODEL).exists() or any(staging.glob("part-*.parquet"))


def check_output_folder(output: Path, resume: bool) -> None:
    """Refuse a folder that cannot be written, before any work is done for it.

    Parameters
    ----------
    output : Path
        Where the data set is to be; not there yet, or empty.
    resume : bool
        Whether to go on with what is there.

    Raises
    ------
    OSError
        If it is a file or holds something, its parent folder is not there or cannot be written,
        or an interrupted run lies beside it and ``resume`` is False.
    """
    if output.is_file():
        raise FileExistsError(f"{output} is a file; name a folder to write to.")
    parent = output.resolve().parent
    if not parent.is_dir():
        raise FileNotFoundError(f"Folder {parent} does not exist; make it first (for {output}).")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(f"Folder {parent} cannot be written to (for {output}).")
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
        lock = take_lock(staging)  # or another run is at work there
        if lock is not None:
            lock.close()
        raise FileExistsError(
            f"{staging} holds an interrupted run for {output}. Add --resume (resume=True) to go on "
            "with it, or remove the folder to begin anew."
        )


def write_part(table: pa.Table, path: Path) -> int:
    """Write one file, whole or not at all.

    Parameters
    ----------
    table : pyarrow.Table
        Rows.
    path : Path
        Its name in the end.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    OSError
        If the disk is full or cannot be written.
    ValueError
        If a column does not fit into Parquet.
    """
    beside = path.with_name(f".{path.name}.part")
    # floats rarely repeat: a dictionary of them takes ten times as long and saves nothing
    repeated = [
        field.name
        for field in table.schema
        if not (pa.types.is_floating(field.type) or pa.types.is_temporal(field.type))
    ]
    try:
        with pa.OSFile(str(beside), "wb") as sink:
            parquet.write_table(
                table, sink, row_group_size=GROUP_ROWS, use_dictionary=repeated or False
            )
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
            size = os.fstat(written.fileno()).st_size
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, pa.ArrowNotImplementedError):
            raise ValueError(f"This table does not fit into Parquet ({error}).") from error
        if isinstance(error, OSError) and is_full(error):
            raise OSError(
                errno.ENOSPC,
                f"No space left to write {path.name}; what is done stays in {path.parent}. Free "
                "some, then go on with --resume (resume=True)",
            ) from error
        raise
    return size


def take_lock(staging: Path) -> IO[bytes] | None:
    """Keep other processes out of a staging folder while what is returned is open.

    Parameters
    ----------
    staging : Path
        The folder.

    Returns
    -------
    file or None
        None where the system has no such locks (Windows).

    Raises
    ------
    OSError
        If another process is at work there.
    """
    try:
        import fcntl
    except ImportError:
        return None
    lock = open(staging / "_lock", "wb")  # noqa: SIM115 - held open
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise OSError(f"Another run is writing to {staging}. Wait for it.") from error
    return lock


def is_full(error: OSError) -> bool:
    """Tell whether an error is about space; Arrow says so only in its text."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT} or "No space left" in str(error)


class Staging:
    """The folder in which an output is built.

    Parameters
    ----------
    output : Path
        Where it goes in the end.
    asked : mapping of str to JSON values
        What the run was asked for; another one does not go on with it.

    Attributes
    ----------
    folder : Path
        The staging folder.
    complete : bool
        Whether the output is there already, made by the same run.
    """

    def __init__(self, output: Path, asked: Mapping[str, Any]) -> None:
        self.output, self.folder = settled(output), staging_of(output)
        self._asked = json.loads(json.dumps(asked))
        self._lock: IO[bytes] | None = None
        self._ours = False
        self.complete = False

    def open(self, resume: bool) -> None:
        """Make the folder, or go on with one.

        Parameters
        ----------
        resume : bool
            Whether to go on with what is there.

        Raises
        ------
        OSError
            As :func:`check_output_folder`, or if another run is at work in the folder.
        ValueError
            If what is there was asked for otherwise. Says what differs.
        """
        check_output_folder(self.output, resume)
        done = self.output / MANIFEST
        if resume and done.exists():
            self._check_same(_read_manifest(done), self.output)
            self.complete = True
            return
        self.folder.mkdir(exist_ok=True)
        self._take()
        self._ours = True
        if _is_begun(self.folder):
            manifest = _read_manifest(self.folder / MANIFEST)
            self._check_same(manifest, self.folder)
            if not (self.folder / MODEL).exists():  # all was done but the last step
                self._put_in_place()
                self.complete = True
        else:  # stopped before it had learned anything: there is nothing to go on with
            self._write_manifest({})

    def _check_same(self, manifest: dict[str, Any], where: Path) -> None:
        differ = differences(manifest["asked"], self._asked)
        if where == self.folder and manifest.get("vicinal") != __version__:
            differ.append(f"vicinal ({manifest.get('vicinal')} there, {__version__} here)")
        if differ:
            raise ValueError(
                f"{where} was begun otherwise: {'; '.join(differ)}. Ask for the same again, or "
                "remove the folder to begin anew."
            )

    def _take(self) -> None:
        """Keep other processes out, until this one ends, however it ends."""
        self._lock = take_lock(self.folder)

    def close(self) -> None:
        """Let others in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours and not _is_begun(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)  # nothing to go on with
        self.close()

    def model(self) -> TableSynthesizer | None:
        """Return the synthesizer that the run has learned, if it came so far."""
        path = self.folder / MODEL
        return TableSynthesizer.load(path) if path.exists() else None

    def keep_model(self, model: TableSynthesizer) -> None:
        """Keep the learned synthesizer while the run goes on."""
        model.save(self.folder / MODEL)

    def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Say which chunks are still to be made; leftovers of an interruption are removed."""
        for path in self.folder.glob(".*.part"):
            path.unlink()
        facts = plan_facts(chunks) | {"model": _digest(self.folder / MODEL)}
        manifest = _read_manifest(self.folder / MANIFEST)
        planned = {name: manifest[name] for name in facts if name in manifest}
        if planned and planned != facts:
            raise ValueError(
                f"{self.folder} was begun otherwise: {'; '.join(differences(planned, facts))}. "
                "Remove the folder to begin anew."
            )
        self._write_manifest(facts)
        return [chunk for chunk in chunks if not self.path(chunk).exists()]

    def path(self, chunk: Chunk) -> Path:
        """Return the file of a chunk."""
        return self.folder / part_name(chunk.number)

    def _write_manifest(self, facts: Mapping[str, Any]) -> None:
        manifest = {"format": FORMAT, "vicinal": __version__, "asked": self._asked, **facts}
        with replacing(self.folder / MANIFEST) as sink:
            sink.write((json.dumps(manifest, indent=1) + "\n").encode())

    def finish(self, chunks: Sequence[Chunk]) -> None:
        """Put the folder in its place, once every chunk is there.

        Parameters
        ----------
        chunks : sequence of Chunk
            All of them.
        """
        rows = [parquet.read_metadata(self.path(chunk)).num_rows for chunk in chunks]
        sizes = [self.path(chunk).stat().st_size for chunk in chunks]
        model = _digest(self.folder / MODEL)
        self._write_manifest({**plan_facts(chunks), "model": model, **part_facts(rows, sizes)})
        if self.output.is_dir() and any(self.output.iterdir()):
            raise FileExistsError(
                f"Folder {self.output} is no longer empty; what is done stays in {self.folder}. "
                "Remove what is in it, then go on with --resume (resume=True)."
            )
        (self.folder / MODEL).unlink()  # it holds real rows
        self._put_in_place()

    def _put_in_place(self) -> None:
        (self.folder / "_lock").unlink(missing_ok=True)
        if self.output.is_dir():
            self.output.rmdir()
        os.replace(self.folder, self.output)
        self._ours = False
        _sync_folder(self.output.resolve().parent)
        self.close()

    def check_model(self, model: TableSynthesizer) -> None:
        """Refuse to call an output complete that another synthesizer has made.

        Parameters
        ----------
        model : TableSynthesizer
            Fitted.

        Raises
        ------
        ValueError
            If it is another one.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL
            model.save(path)
            same = _read_manifest(self.output / MANIFEST).get("model") == _digest(path)
        if not same:
            raise ValueError(
                f"{self.output} was made by another model. Name another folder, or remove it to "
                "begin anew."
            )


def plan_facts(chunks: Sequence[Chunk]) -> dict[str, Any]:
    """Return what a manifest says of the chunks before they are made."""
    return {
        "chunk_rows": chunks[0].rows,
        "chunks": len(chunks),
        "seed": list(chunks[0].seed),
    }


def part_facts(rows: Sequence[int], sizes: Sequence[int]) -> dict[str, Any]:
    """Return what a manifest says of parts: their rows and bytes, and all rows."""
    parts = [
        {"file": part_name(number), "rows": n, "bytes": size}
        for number, (n, size) in enumerate(zip(rows, sizes, strict=True))
    ]
    return {"rows": sum(rows), "parts": parts}


def _digest(path: Path) -> str:
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


def differences(there: Mapping[str, Any], asked: Mapping[str, Any], where: str = "") -> list[str]:
    """Say in words how two sets of settings differ.

    Parameters
    ----------
    there, asked : mapping of str to JSON values
        What was, and what is wanted now.
    where : str
        What the names belong to.

    Returns
    -------
    list of str
        Such as ``"seed (7 there, 8 asked)"``.
    """
    return list(_differences(there, asked, where))


def _differences(there: Mapping[str, Any], asked: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in sorted({*there, *asked}):
        old, new = there.get(name), asked.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, where)
        elif isinstance(old, list) and isinstance(new, list) and old != new:
            gone = [one for one in old if one not in new] or old
            added = [one for one in new if one not in old] or new
            yield f"{where}{name} ({_brief(gone)} there, {_brief(added)} asked)"
        elif _is_digest(old) and _is_digest(new) and old != new:
            yield f"{where}{name} (others there)"
        elif old != new:
            yield f"{where}{name} ({_brief(old)} there, {_brief(new)} asked)"


def _is_digest(value: Any) -> bool:
    """Tell a hash, which says nothing to anybody, from other values."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:2])) + (", ..." if len(value) > 2 else "")
    return json.dumps(value)
