"""Labels: what is taken, and what is refused in which words."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from vicinal.text.labels import as_label_sets, check_classes, class_numbers, listed_labels


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (["b", "a", "b", "a"], ["a", "b"], [1, 0, 1, 0]),
        ([3, 1, 3, 1], [1, 3], [1, 0, 1, 0]),
        (np.array([True, False, True, False]), [False, True], [1, 0, 1, 0]),
        (np.array(["x", "y", "x", "y"]), ["x", "y"], [0, 1, 0, 1]),
    ],
)
def test_classes_are_sorted_and_numbered(labels, classes, numbers):
    found, numbered = check_classes(labels, 4)
    assert found.tolist() == classes
    assert numbered == numbers
    assert class_numbers(labels, found, "labels") == numbers


@pytest.mark.parametrize(
    ("labels", "error", "said"),
    [
        (["a", None], ValueError, "missing value at position 1"),
        (["a", float("nan")], ValueError, "missing value at position 1"),
        ([1.0, 2.0], TypeError, "float 1.0 at position 0. Convert them to int"),
        ([0.5, 0.7], TypeError, "Cut the numbers into named classes"),
        ([0.0, 0.37], TypeError, "float 0.37 at position 1. Cut the numbers into named classes"),
        ([float("inf"), 1.0], TypeError, "float inf at position 0. Cut the numbers"),
        ("ab", TypeError, "one label for each text, got one string"),
        ([["a"], ["b"]], TypeError, "got list at position 0"),
        (np.zeros((2, 2)), TypeError, "got ndarray at position 0. Each text has one label"),
        (["a", date(2024, 1, 1)], TypeError, "got date at position 1. Convert them to str"),
        ({"a", "b"}, TypeError, "a set, which has no order"),
        (["a", 1], ValueError, "several kinds, int and str"),
        (["a", "a"], ValueError, "at least two classes, got only 'a'"),
        (["a", "b", "c"], ValueError, "got 3 labels for 2 texts"),
    ],
)
def test_bad_labels_are_refused(labels, error, said):
    with pytest.raises(error, match=said):
        check_classes(labels, 2)


def test_a_class_of_one_text_is_warned_of():
    with pytest.warns(UserWarning, match="1 of 2 classes have one text only, such as 'b'"):
        check_classes(["a", "a", "b"], 3)


def test_an_unseen_label_is_named():
    with pytest.raises(
        ValueError, match=r"holds 'hamm' at position 1, which was not.*Did you mean 'ham'"
    ):
        class_numbers(["ham", "hamm"], np.array(["ham", "spam"]), "test labels")


def test_a_label_of_another_kind_is_told_from_a_stranger():
    with pytest.raises(ValueError, match=r"holds 0 at position 0, of type int; the.*of type str"):
        class_numbers([0, 1], np.array(["0", "1", "x"]), "test labels")
    with pytest.raises(ValueError, match="holds 'x' at position 2, which was not among the 2"):
        class_numbers(["1", "0", "x"], np.array(["0", "1"]), "test labels")


def test_numpy_labels_become_plain_ones():
    assert [type(one) for one in listed_labels(np.array([1, 2]))] == [int, int]


def test_no_labels_are_no_sets():
    assert as_label_sets([], 0, ";").tolist() == []
