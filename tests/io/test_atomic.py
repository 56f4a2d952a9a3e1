"""Files that appear whole or not at all, whatever stops them."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from vicinal.io import read_table, same_file, together, write_table
from vicinal.io.atomic import check_file, replacing, replacing_folder
from vicinal.jobs.staging import check_destination

TABLE = pa.table({"a": [1, 2]})


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")

    def write(**tables: pa.Table) -> None:
        with together():
            for name, table in tables.items():
                write_table(table, tmp_path / name.replace("_", "."))

    with pytest.raises(ValueError, match="cannot be written as text"):
        write(a_csv=TABLE, b_parquet=TABLE, c_csv=pa.table({"a": [[1]]}))
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"
    with together():
        write_table(TABLE, tmp_path / "a.csv")
        write_table(TABLE, tmp_path / "b.parquet")
        assert (tmp_path / "a.csv").read_text() == "old"
    assert read_table(tmp_path / "a.csv").equals(read_table(tmp_path / "b.parquet"))
    assert len(list(tmp_path.iterdir())) == 2
    write_table(TABLE, tmp_path / "c.csv")  # and by itself again
    assert (tmp_path / "c.csv").exists()


def test_one_file_by_many_names(tmp_path: Path) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("a")
    (tmp_path / "link.csv").symlink_to(path)
    (tmp_path / "ahead.csv").symlink_to(tmp_path / "not-yet.csv")
    os.link(path, tmp_path / "hard.csv")
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in ("a.csv", "link.csv", "hard.csv", "folder/a.csv", "folder/../a.csv"):
        assert same_file(path, tmp_path / name) == (name != "folder/../a.csv"), name
    assert same_file(tmp_path / "not-yet.csv", tmp_path / "ahead.csv")
    assert same_file(other, tmp_path / "B.CSV")  # neither is there: a disk may know no capitals
    assert same_file(tmp_path / "e\u0301.csv", tmp_path / "\u00e9.csv")
    assert not same_file(path, other)
    other.write_text("b")
    assert not same_file(path, other)
    assert not same_file(other, tmp_path / "c.csv")


def test_pipes_and_devices_are_neither_read_nor_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.csv", tmp_path / "null.csv"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, link):
        with pytest.raises(OSError, match="is a pipe or a device"):
            read_table(path)
        with pytest.raises(OSError, match="is a pipe or a device"):
            write_table(TABLE, path)
    assert Path("/dev/null").is_char_device()


def test_a_read_only_folder_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system", "hidden.part")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match=r"cannot be written to \(Read-only file system; for o.csv\)"):
        check_file(tmp_path / "o.csv")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")
def test_folders_that_take_no_file_are_named_before_work_is_done() -> None:
    for check in (check_file, lambda path: check_destination(path, resume=False)):
        with pytest.raises(OSError, match=r"Folder /proc cannot be written to .*; for out.csv"):
            check("/proc/out.csv")


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("\u6f22" * 80 + ".csv")  # 244 bytes of the 255 that a name may have
    write_table(TABLE, path)
    assert read_table(path).equals(TABLE)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EFBIG, "would be larger than a file may be here"),
        (errno.ENOSPC, "No space left to write"),
        (errno.EDQUOT, "No space left to write"),
        (errno.EIO, r"cannot be written \(Input/output error\)"),
    ],
)
def test_what_stops_a_file_is_said_with_its_name(tmp_path, monkeypatch, number, said):
    def stop(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(OSError, match=said) as caught, replacing(tmp_path / "out.bin") as sink:
        sink.write(b"1")
    assert "out.bin" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        for suffix in (".csv", ".parquet", ".arrow", ".jsonl.gz"):
            table = pa.table({"a": os.urandom(3000).hex().split("0")})
            with pytest.raises(OSError, match=rf"out{suffix} would be larger than a file may be"):
                write_table(table, tmp_path / f"out{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


SLOW = """
import os, signal, sys, time
# where the tests run in the background these two are ignored, and a child would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import vicinal.table.synthesizer
from vicinal import cli
from vicinal.io import atomic
def wait(number):
    open(sys.argv[-1] + ".ready", "w").close()
    time.sleep(60)
os.fsync = wait
source, *runs = sys.argv[1:]
for number, out in zip(runs[::2], runs[1::2]):
    child = os.fork()  # what takes long is to import
    if not child:
        os.dup2(os.open(out + ".said", os.O_CREAT | os.O_WRONLY), 2)
        signal.alarm(100)
        sys.argv[1:] = ["table", source, "-o", out]
        cli.main()
        os._exit(0)
    while not os.path.exists(out + ".ready") and not os.waitid(
        os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT
    ):
        time.sleep(0.02)
    print(any(name.endswith(".part") for name in os.listdir(os.path.dirname(out))))
    os.kill(child, int(number))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_signals_leave_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("x,y\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(60)))
    codes = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}
    words = []
    for number in codes:
        (tmp_path / number.name).mkdir()
        words += [str(int(number)), str(tmp_path / number.name / "out.csv")]
    run = subprocess.run(
        [sys.executable, "-c", SLOW, str(source), *words],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=300,
    )
    assert run.stdout.split() == [word for code in codes.values() for word in ("True", str(code))]
    for number in codes:
        said = (tmp_path / number.name / "out.csv.said").read_text()
        assert "nothing was left half-written" in said
        assert "Traceback" not in said
        left = sorted(path.name for path in (tmp_path / number.name).iterdir())
        assert left == ["out.csv.ready", "out.csv.said"]


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "old").write_text("old")
    link.symlink_to(real)
    with replacing_folder(link) as made:
        (made / "new").write_text("new")
    assert link.is_symlink()
    assert [path.name for path in real.iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch) -> None:
    folder, rename = tmp_path / "model", os.rename
    folder.mkdir()
    (folder / "old").write_text("old")

    def fails(source, target):
        if Path(target) == folder and not str(source).endswith(".old"):
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(KeyboardInterrupt), replacing_folder(folder) as made:
        (made / "new").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
