"""How a text file is written: its encoding, found or named, and its bytes as UTF-8 and back."""

from __future__ import annotations

import codecs
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from encodings.aliases import aliases
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from vicinal._checks import did_you_mean

#: Bytes that are decoded, or looked at to find an encoding, at once.
_BLOCK = 1 << 20
_SAMPLE = 1 << 16
#: Encodings that are guessed; the first where it reads nearly as well as any.
_USUAL = [
    *("cp1252", "cp1250", "iso8859_2", "iso8859_15", "cp1251", "koi8_r", "cp1253", "cp1254"),
    *("cp1255", "cp1256", "cp1257", "cp874", "cp932", "euc_jp", "gb18030", "big5", "cp949"),
    *("cp850", "cp852", "mac_roman"),
]
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: By how much the mess of a text, and its likeness to a language, may be worse.
MESS, LIKELY = 0.01, 0.1
_REMEDY = "Mend it, or name the file's encoding: encoding='latin-1' (--encoding), for instance."
_KEY = b"vicinal.dialect"
_SAID = re.compile(rb'"?sep=(.)"?[\t,;|]*(?=[\r\n])', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a text file is written; what is None is found by looking."""

    separator: str | None = None
    encoding: str | None = None
    line_end: str | None = None
    #: Line of the first row, where each row is one line.
    first_row: int | None = None
    #: The file begins with a line that names the separator, as Excel writes it.
    said_first: bool = False

    def __post_init__(self) -> None:
        separator = {"tab": "\t", "\\t": "\t"}.get(str(self.separator), self.separator)
        if separator is not None and not re.fullmatch(r'[^\w\s"]|[\t ]', separator, re.ASCII):
            raise ValueError(
                f"separator must be one character such as ';', '|' or 'tab', got {separator!r}."
            )
        object.__setattr__(self, "separator", separator)
        if self.encoding is not None:
            object.__setattr__(self, "encoding", _known(self.encoding))


def _known(encoding: str) -> str:
    try:
        info = codecs.lookup(encoding)
        text = getattr(info, "_is_text_encoding", True)
    except (LookupError, ValueError):
        text = False
    if not text:
        hint = did_you_mean(encoding.lower().replace("-", "_"), [*aliases, *aliases.values()])
        raise ValueError(
            f"encoding must be one that Python knows, such as utf-8, cp1252 or latin-1, got "
            f"{encoding!r}.{hint}"
        )
    return info.name


def said_separator(data: bytes) -> tuple[bytes, str | None]:
    """Return UTF-8 with a blank line where the first says ``sep=;``, and what that says."""
    said = _SAID.match(data)
    return (data, None) if said is None else (data[said.end() :], said[1].decode("ascii", "ignore"))


def dialect_of(table: pa.Table) -> Dialect:
    """Return how the file was written that a table was read from."""
    said = (table.schema.metadata or {}).get(_KEY)
    if said is None:
        return Dialect()
    return Dialect(*json.loads(said))


def with_dialect(table: pa.Table, dialect: Dialect) -> pa.Table:
    """Return a table that remembers how its file is written."""
    said = json.dumps(astuple(dialect)).encode()
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: said})


def without_dialect(table: pa.Table) -> pa.Table:
    """Return a table for a file that is no text."""
    kept = {key: value for key, value in (table.schema.metadata or {}).items() if key != _KEY}
    return table.replace_schema_metadata(kept or None)


def to_utf8(path: Path, data: bytes, encoding: str | None = None) -> tuple[bytes, str]:
    """Return the bytes of a text file as UTF-8 without a mark, and the encoding that it has."""
    for mark, marked in _MARKS:
        if data.startswith(mark) and encoding in (None, "utf-8", marked):
            encoding = marked
            break
    if encoding is None and b"\0" in data[:_SAMPLE]:
        encoding = _wide(data[:_SAMPLE])
    if encoding in ("utf-8", "utf-8-sig") or (encoding is None and _is_utf8(data)):
        if not _is_utf8(data):
            raise ValueError(f"{path} is not UTF-8: {_fault(data, 'utf-8')} {_REMEDY}")
        return data.removeprefix(codecs.BOM_UTF8), encoding or "utf-8"
    if encoding is not None:
        return _recoded(path, data, encoding), encoding
    encoding = _guessed(path, data)
    found = _recoded(path, data, encoding)
    warnings.warn(
        f"{path} is not UTF-8; it is read as {encoding}, which its bytes look like. "
        "encoding='latin-1' (--encoding), for instance, names another.",
        UserWarning,
        stacklevel=5,
    )
    return found, encoding


def _is_utf8(data: bytes) -> bool:
    ends = pa.py_buffer(b"\0" * 8 + len(data).to_bytes(8, "little"))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _wide(head: bytes) -> str | None:
    """Return the encoding of two bytes a letter in which most letters are Latin."""
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) > len(zeros) // 2:
            return encoding
    return None


def _guessed(path: Path, data: bytes) -> str:
    """Return the encoding that lines with other than ASCII letters look like."""
    if b"\0" in data[:_SAMPLE]:
        raise ValueError(f"{path} holds bytes of zero: it is no text file, or a damaged one.")
    lines = list(_sample(data))
    broken = sum(not _is_utf8(line) for line in lines)
    if 2 * broken <= len(lines):  # UTF-8, but for a few lines
        raise ValueError(f"{path} is not UTF-8: {_fault(data, 'utf-8')} {_REMEDY}")
    from charset_normalizer import from_bytes

    text = b"\n".join(lines)
    found = list(from_bytes(text, cp_isolation=_USUAL))
    # short texts are no mess in many encodings: then in the commonest
    common = from_bytes(text, cp_isolation=_USUAL[:1], threshold=1.0).best()
    if found and common is not None:
        best = found[0]
        if common.chaos <= best.chaos + MESS and common.coherence >= best.coherence - LIKELY:
            found.insert(0, common)
    for encoding in (match.encoding for match in found):
        if _fault(data, encoding) is None:
            return encoding
    raise ValueError(
        f"{path} is not UTF-8: {_fault(data, 'utf-8')} No usual encoding fits it either. {_REMEDY}"
    )


def _sample(data: bytes) -> Iterator[bytes]:
    """Give the first lines that hold other than ASCII letters, up to a number of bytes."""
    left = _SAMPLE
    for line in re.finditer(rb"[^\n\x80-\xff]*[\x80-\xff][^\n]*", data):
        yield line[0][:_SAMPLE]
        left -= len(line[0])
        if left < 0:
            return


def _blocks(data: bytes, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(data), _BLOCK):
        yield decoder.decode(data[start : start + _BLOCK], final=start + _BLOCK >= len(data))


def _recoded(path: Path, data: bytes, encoding: str) -> bytes:
    """Return bytes as UTF-8, decoded block by block."""
    made = bytearray()
    try:
        for text in _blocks(data, encoding):
            made += text.encode()
    except UnicodeError:
        raise ValueError(f"{path} is not {encoding}: {_fault(data, encoding)} {_REMEDY}") from None
    return bytes(made).removeprefix(codecs.BOM_UTF8)


def _fault(data: bytes, encoding: str) -> str | None:
    """Say where bytes are not of an encoding; None if they are."""
    line = 1
    try:
        for text in _blocks(data, encoding):
            line += text.count("\n")
    except UnicodeDecodeError as error:
        line += error.object[: error.start].decode(encoding, "ignore").count("\n")
        wrong = error.object[error.start : error.start + 1].hex()
        return f"line {line:,} holds a byte {wrong} that stands for no letter there."
    except UnicodeError:
        return "it lacks the mark that such a file begins with."
    return None


class Encoding:
    """A sink for UTF-8 that writes another encoding; a whole text at a time."""

    def __init__(self, sink: IO[bytes] | Any, encoding: str) -> None:
        self._sink, self._name = sink, encoding
        self._encoder = codecs.getincrementalencoder(encoding)()

    def write(self, data: Any) -> None:
        """Write bytes that end with a whole letter."""
        try:
            self._sink.write(self._encoder.encode(str(memoryview(data), "utf-8")))
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{error.object[error.start]!r} cannot be written in {self._name}, the encoding "
                "of the file that was read. Write to .parquet, or convert that file to UTF-8."
            ) from None
