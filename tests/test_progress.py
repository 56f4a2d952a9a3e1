"""One bar for a job and the jobs within it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vicinal._progress import compiling, reporting


def test_a_job_within_a_job_shows_itself_on_the_same_bar(capsys):
    with reporting(True) as outer:
        outer("Reading", 0, 0)
        with reporting(True) as inner:
            inner("Fitting", 1, 3)
        assert inner is outer
        outer("Drawing", 3, 3)
        print("a result")
    with reporting(True) as later:
        assert later is not outer
    assert capsys.readouterr().out == "a result\n"


def test_the_bar_names_the_stage_and_the_compiling(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    for stop in (
        lambda tell: tell("Fitting", 1, 3),
        lambda tell: (tell("Fitting", 1, 3), compiling(True)),
        lambda tell: (tell("Fitting", 0, 0), compiling(True), compiling(False)),
    ):
        with reporting(True) as tell:
            stop(tell)
    first, second, third = capsys.readouterr().err.split("\x1b[?25h")[:3]
    assert "Fitting" in first
    assert "1 of 3" in first
    assert "Compiling (first run only)" in second
    assert "Fitting" in third
    assert " of " not in third


def test_a_callback_and_silence(capsys):
    told = []
    with reporting(lambda *said: told.append(said)) as tell:
        tell("Fitting", 1, 2)
    with reporting(False) as tell:
        tell("Fitting", 1, 2)
    assert told == [("Fitting", 1, 2)]
    assert capsys.readouterr().err == ""


def test_a_failure_leaves_no_bar_open():
    with pytest.raises(ValueError, match="no"), reporting(True):
        raise ValueError("no")
    with reporting(True) as one, reporting(True) as other:
        assert one is other


@pytest.mark.parametrize("quiet", [None, False, np.False_])
def test_nothing_is_shown_where_nothing_is_asked_for(quiet, capsys):
    with reporting(quiet) as tell:
        tell("Fitting", 1, 3)
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_called_is_refused():
    message = r"progress must be True, False or a function of \(stage, done, total\), got 'yes'"
    with pytest.raises(TypeError, match=message), reporting("yes"):
        pass
