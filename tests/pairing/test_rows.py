"""What pairings make of the rows they look at: any size of numbers, and nothing but numbers."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import Farthest, LocalPermutation, Nearest, Permutation, WithinGroup

LOOKING = [
    Farthest(0.2),
    Farthest(0.2, metric="cosine"),
    Farthest(0.2, metric="euclidean"),
    Farthest(0.2, balanced=True),
    Nearest(3),
    Nearest(3, metric="hyperbolic", median_radius=0.5),
    Nearest(3, balanced=True),
]
X = np.random.default_rng(0).normal(size=(60, 3)) * 4  # partly outside the ball, and so rescaled


@pytest.mark.parametrize("pairing", LOOKING, ids=repr)
@pytest.mark.parametrize("exponent", [-700, -120, 90, 200, 900])
def test_partners_do_not_depend_on_the_unit(pairing, exponent):
    # below the ball's radius hyperbolic pairings leave rows where they are, unless told otherwise
    if exponent < 0 and getattr(pairing, "metric", "") == "hyperbolic":
        pairing = type(pairing)(**{**vars(pairing), "median_radius": 0.5})
    expected = pairing.pair(X, random_state=0)
    assert len(set(expected.tolist())) > 2
    assert pairing.pair(X * 2.0**exponent, random_state=0).tolist() == expected.tolist()
    if -120 <= exponent <= 90:
        thin = X.astype(np.float32)
        expected = pairing.pair(thin, random_state=0)
        found = pairing.pair(thin * np.float32(2.0**exponent), random_state=0)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("pairing", [*LOOKING, LocalPermutation()], ids=repr)
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.array([["a", "b"], ["c", "d"]]), "must be numbers, got dtype <U1"),
        (np.array([["1", "2"], ["3", "4"]]), "Embed texts"),
        (np.array([[1 + 2j, 1], [1, 2]]), "got dtype complex128"),
        (np.array([["2020-01-01"], ["2021-01-01"]], "datetime64[D]"), "got dtype datetime64"),
        (np.array([["a", 1.0], [None, 2.0]], object), "must be real numbers"),
    ],
    ids=["text", "digits", "complex", "dates", "objects"],
)
def test_rows_that_are_no_numbers_are_refused(pairing, rows, words):
    with pytest.raises(TypeError, match=f"{type(pairing).__name__} looks at the rows.*{words}"):
        pairing.pair(rows, random_state=0)


def test_rows_of_several_widths():
    with pytest.raises(ValueError, match="the same number of features"):
        Farthest(0.1).pair([[1.0, 2.0], [3.0]])


def test_columns_of_objects_that_are_numbers_will_do():
    rows = np.array([[0.0, 1], [0.1, 2], [5, 3], [5.1, 3]], object)
    assert Nearest(1).pair(rows, random_state=0).tolist() == [1, 0, 3, 2]


def test_a_text_among_objects_is_no_number_even_if_it_reads_like_one():
    rows = np.array([[0.0, "1"], [1.0, "2"]], object)
    for look in (Nearest(1).pair, lambda X: Nearest(1).distances(X, [1, 0])):
        with pytest.raises(TypeError, match="column 1, counted from 0, holds the text '1'"):
            look(rows)


@pytest.mark.parametrize("pairing", [Farthest(0.1), Nearest(1), Permutation(), WithinGroup([0, 0])])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_distances_of_tensors_that_are_learned(pairing, kind):
    torch = pytest.importorskip("torch", reason="needs torch")
    rows = torch.tensor([[0.25, 0.0], [0.0, 0.5]], dtype=getattr(torch, kind), requires_grad=True)
    expected = pairing.distances(rows.detach().float().numpy(), [1, 0])
    np.testing.assert_allclose(pairing.distances(rows, torch.tensor([1, 0])), expected)


@pytest.mark.parametrize("pairing", [Farthest(0.1), Permutation()])
@pytest.mark.parametrize("partners", [[-1, 0], [1, 2], [0], [0.0, 1.0]])
def test_distances_to_what_is_no_row(pairing, partners):
    with pytest.raises(ValueError, match="partners must be"):
        pairing.distances([[0.25], [0.5]], partners)
