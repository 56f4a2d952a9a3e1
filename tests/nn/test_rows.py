"""Rows and masks mixed: gradients, weights of 0 and 1, and unions of every kind of mask."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from vicinal.nn._rows import as_lam, as_perm, mix_rows, union_mask  # noqa: E402


def test_gradients_flow_to_both_parents():
    h = torch.randn(3, 2, 2, requires_grad=True)
    mix_rows(h, torch.tensor([1, 1, 0]), torch.tensor([0.25, 0.5, 1.5]))[0].sum().backward()
    assert torch.equal(h.grad[0], torch.full((2, 2), 0.25))
    assert torch.equal(h.grad[1], torch.full((2, 2), 0.75))


@given(
    lam=st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4),
    perm=st.permutations(range(4)),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_weights_0_and_1_give_the_parents_to_the_bit(lam, perm, dtype):
    h = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    perm = torch.tensor(perm)
    mixed = mix_rows(h, perm, torch.tensor(lam))
    for i, weight in enumerate(lam):
        assert torch.equal(mixed[i], h[i] if weight else h[perm[i]])
    assert mixed.dtype == dtype


@given(
    rows=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=4, max_size=4),
    perm=st.lists(st.integers(0, 3), min_size=4, max_size=4),
)
@settings(max_examples=40)
def test_unions_of_every_kind_of_mask_agree(rows, perm):
    boolean, index = torch.tensor(rows), torch.tensor(perm)
    expected = torch.tensor([[a or b for a, b in zip(rows[i], rows[p], strict=True)]
                             for i, p in enumerate(perm)])  # fmt: skip
    lowest = torch.finfo(torch.float32).min
    additive = torch.zeros(4, 3).masked_fill(~boolean, lowest)
    wide = boolean[:, None, None, :].expand(4, 1, 3, 3)
    assert torch.equal(union_mask(boolean, index, 0.5), expected)
    assert torch.equal(union_mask(boolean.long(), index, 0.5), expected.long())
    assert torch.equal(union_mask(additive, index, 0.5) == 0, expected)
    assert torch.equal(union_mask(wide, index, 0.5)[:, 0, 1], expected)
    assert torch.equal(union_mask(~boolean, index, 0.5, ignore=True), ~expected)
    assert torch.equal(union_mask((~boolean).long(), index, 0.5, ignore=True), (~expected).long())


@pytest.mark.parametrize("ignore", [False, True])
def test_a_parent_of_weight_0_has_no_say_in_the_union(ignore):
    own, other = torch.tensor([[True, False, False]]), torch.tensor([[False, True, False]])
    mask = torch.cat([own, other]) ^ ignore
    perm = torch.tensor([1, 0])
    both = torch.tensor([True, True, False]) ^ ignore
    for lam, expected in ((1.0, mask), (0.0, mask[perm]), (1.3, both.expand(2, 3))):
        assert torch.equal(union_mask(mask, perm, lam, ignore=ignore), expected)
        each = torch.full((2,), lam)
        assert torch.equal(union_mask(mask, perm, each, 1, ignore), expected[:1])
    wide = mask[:, None, None].expand(2, 1, 3, 3)
    mixed = union_mask(wide, perm, torch.tensor([1.0, 0.5]), ignore=ignore)
    assert torch.equal(mixed[0, 0, 1], mask[0])
    assert torch.equal(mixed[1, 0, 1], both)


def test_partners_and_weights_in_reverse():
    order = np.arange(4)[::-1]
    assert as_perm(order, 4, torch.device("cpu")).tolist() == [3, 2, 1, 0]
    assert as_lam(np.linspace(0, 1, 4)[::-1], 4, torch.device("cpu")).tolist()[0] == 1.0
