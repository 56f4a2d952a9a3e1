"""The soft-label loss against torch's own, and typed targets."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

import torch.nn.functional as F  # noqa: E402, N812
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from vicinal.nn import MixedTarget, soft_cross_entropy  # noqa: E402

ROWS, CLASSES = 5, 4
numbers = st.floats(-4, 4)
lams = st.one_of(st.floats(-0.3, 1.3), st.lists(st.floats(-0.3, 1.3), min_size=ROWS, max_size=ROWS))


def drawn(seed):
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(ROWS, CLASSES, generator=rng, dtype=torch.float64) * 3
    a, b = torch.randint(CLASSES, (2, ROWS), generator=rng)
    return logits, a, b


def soft_labels(a, b, lam):
    lam = torch.as_tensor(lam, dtype=torch.float64).expand(ROWS)[:, None]
    return lam * F.one_hot(a, CLASSES) + (1 - lam) * F.one_hot(b, CLASSES)


@given(
    seed=st.integers(0, 50),
    lam=lams,
    weighted=st.booleans(),
    smooth=st.sampled_from([0.0, 0.1, 0.5]),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    clip=st.booleans(),
)
def test_equals_torchs_cross_entropy_with_soft_labels(seed, lam, weighted, smooth, reduction, clip):
    logits, a, b = drawn(seed)
    weight = torch.tensor([1.0, 0.2, 3.0, 0.7], dtype=torch.float64) if weighted else None
    share = torch.as_tensor(lam, dtype=torch.float64)
    soft = soft_labels(a, b, share.clamp(0, 1) if clip else share)
    expected = F.cross_entropy(
        logits, soft, weight=weight, label_smoothing=smooth, reduction=reduction
    )
    got = soft_cross_entropy(logits, a, b, share, weight, smooth, reduction=reduction, clip=clip)
    torch.testing.assert_close(got, expected)


def test_a_weight_of_1_is_the_plain_loss_with_its_gradient():
    logits, a, b = drawn(0)
    one, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    soft_cross_entropy(one, a, b, 1.0).backward()
    F.cross_entropy(other, a).backward()
    torch.testing.assert_close(one.grad, other.grad)


def test_without_clipping_the_loss_has_no_floor():
    near, far = torch.tensor([[9.0, 0.0]]), torch.tensor([[90.0, 0.0]])
    a, b = torch.tensor([0]), torch.tensor([1])
    free = [float(soft_cross_entropy(x, a, b, 1.2, clip=False)) for x in (near, far)]
    cut = [float(soft_cross_entropy(x, a, b, 1.2)) for x in (near, far)]
    assert free[1] < free[0] < 0
    assert min(cut) >= 0


def test_half_precision_is_summed_in_single():
    logits, a, b = drawn(1)
    loss = soft_cross_entropy(logits.half(), a, b, 0.5)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss.double(), soft_cross_entropy(logits.half().double(), a, b, 0.5), atol=1e-5, rtol=1e-5
    )


@given(seed=st.integers(0, 50), lam=st.lists(st.floats(-0.3, 1.3), min_size=ROWS, max_size=ROWS))
def test_targets_give_rows_with_sum_1(seed, lam):
    logits, a, b = drawn(seed)
    target = MixedTarget(a, b, torch.tensor(lam, dtype=torch.float64))
    assert len(target) == ROWS
    torch.testing.assert_close(target.soft(CLASSES, clip=False), soft_labels(a, b, target.lam))
    clipped = target.soft(CLASSES)
    torch.testing.assert_close(clipped.sum(1), torch.ones(ROWS, dtype=torch.float64))
    assert clipped.min() >= 0
    torch.testing.assert_close(
        target.loss(logits, label_smoothing=0.1),
        F.cross_entropy(logits, clipped, label_smoothing=0.1),
    )


def test_a_target_moves_as_one():
    target = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]))
    moved = target.to("meta", non_blocking=True)
    assert {t.device.type for t in (moved.labels, moved.partners, moved.lam)} == {"meta"}
    with pytest.raises(AttributeError):
        target.lam = None


def test_bad_input():
    logits, a, b = drawn(0)
    with pytest.raises(ValueError, match="one class for each row"):
        soft_cross_entropy(logits, a[:3], b, 0.5)
    with pytest.raises(ValueError, match="one weight for each of the 5 rows"):
        soft_cross_entropy(logits, a, b, torch.ones(3))
    with pytest.raises(ValueError, match="each of the 4 classes"):
        soft_cross_entropy(logits, a, b, 0.5, weight=torch.ones(3))
    with pytest.raises(ValueError, match="label_smoothing"):
        soft_cross_entropy(logits, a, b, 0.5, label_smoothing=1.0)
    with pytest.raises(ValueError, match="Did you mean 'mean'"):
        soft_cross_entropy(logits, a, b, 0.5, reduction="men")
    with pytest.raises(TypeError, match="class numbers"):
        MixedTarget(torch.ones(2) > 0, torch.ones(2) > 0, torch.ones(2))
    with pytest.raises(ValueError, match="of one length"):
        MixedTarget(a, b, torch.ones(2))


@pytest.mark.parametrize(
    ("fn", "target"),
    [
        (F.mse_loss, lambda rows: torch.randn(rows, CLASSES, dtype=torch.float64)),
        (
            F.binary_cross_entropy_with_logits,
            lambda rows: torch.randint(2, (rows, CLASSES)).double(),
        ),
        (F.cross_entropy, lambda rows: torch.randint(CLASSES, (rows,))),
    ],
)
def test_any_loss_of_both_parents_by_their_weights(fn, target):
    torch.manual_seed(0)
    a, b, outputs = target(ROWS), target(ROWS), torch.randn(ROWS, CLASSES, dtype=torch.float64)
    lam = torch.tensor([0.2, 0.5, 1.0, 0.0, 0.9], dtype=torch.float64)
    each = [
        share * fn(outputs[i : i + 1], a[i : i + 1])
        + (1 - share) * fn(outputs[i : i + 1], b[i : i + 1])
        for i, share in enumerate(lam)
    ]
    got = MixedTarget(a, b, lam).loss(outputs, fn, reduction="none")
    torch.testing.assert_close(got, torch.stack(each).mean())
    with pytest.raises(ValueError, match="reduction='none'"):
        MixedTarget(a, b, lam).loss(outputs, fn)
    even = MixedTarget(a, b, torch.full((ROWS,), 0.3, dtype=torch.float64))
    torch.testing.assert_close(even.loss(outputs, fn), even.loss(outputs, fn, reduction="none"))


def test_targets_of_other_kinds_have_shapes_and_no_soft_labels():
    numbers = torch.randn(3, 2)
    with pytest.raises(ValueError, match="of one shape"):
        MixedTarget(numbers, numbers[:2], torch.ones(3))
    with pytest.raises(ValueError, match="class numbers one-dimensional"):
        MixedTarget(numbers.long(), numbers.long(), torch.ones(3))
    with pytest.raises(TypeError, match="needs class numbers"):
        MixedTarget(numbers, numbers, torch.ones(3)).soft(2)


def test_a_target_that_is_none_is_refused_and_gives_no_nan():
    good, bad = torch.ones(2), torch.tensor([1.0, float("nan")])
    for ends in ((good, bad), (bad, good)):
        with pytest.raises(ValueError, match="labels hold NaN or infinity"):
            MixedTarget(*ends, torch.ones(2))
    with pytest.raises(ValueError, match="label -100 is no class number"):
        MixedTarget(torch.tensor([0]), torch.tensor([-100]), torch.ones(1))
    beyond = MixedTarget(torch.tensor([0]), torch.tensor([3]), torch.ones(1))
    for use in (lambda: beyond.soft(3), lambda: beyond.loss(torch.zeros(1, 3))):
        with pytest.raises(ValueError, match="label 3 is beyond num_classes=3"):
            use()


def test_parents_count_as_told():
    logits, a, b = drawn(2)
    lam = torch.tensor([0.2, 0.5, 1.0, 0.0, 0.9], dtype=torch.float64)
    counts = torch.rand(ROWS, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    target = MixedTarget(a, b, lam, counts)
    shares = torch.stack([lam, 1 - lam], 1) * counts
    each = torch.stack([F.cross_entropy(logits, y, reduction="none") for y in (a, b)], 1)
    expected = (shares * each).sum() / shares.sum()
    torch.testing.assert_close(target.loss(logits), expected)
    own = target.loss(logits, F.cross_entropy, reduction="none")
    torch.testing.assert_close(own, expected)
    assert target.to("cpu").sample_weight is not None
    with pytest.raises(ValueError, match=r"shape \(5, 2\)"):
        MixedTarget(a, b, lam, counts[:, 0])


def test_numbers_have_no_loss_of_their_own():
    target = MixedTarget(torch.tensor([0.7, 0.3]), torch.tensor([0.3, 0.7]), torch.ones(2))
    with pytest.raises(ValueError, match=r"labels are torch\.float32, and without fn"):
        target.loss(torch.randn(2, 1))


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32])
def test_class_numbers_of_any_width(kind):
    labels, lam = torch.tensor([0, 2, 1]), torch.tensor([0.2, 0.5, 0.9])
    wide, narrow = (MixedTarget(one, one.flip(0), lam) for one in (labels, labels.to(kind)))
    assert torch.equal(narrow.soft(3), wide.soft(3))


def test_counts_weigh_the_same_beyond_the_parents():
    target = MixedTarget(
        torch.zeros(1), torch.ones(1), torch.tensor([-0.2]), torch.tensor([[5.0, 0.1]])
    )
    found = target.loss(torch.zeros(1), torch.nn.functional.mse_loss, clip=False, reduction="none")
    assert abs(found.item()) < 10


@pytest.mark.parametrize(("told", "known"), [((4, 1), (4,)), ((4,), (4, 1))])
@pytest.mark.parametrize("fn", ["mse_loss", "binary_cross_entropy_with_logits"])
def test_a_last_axis_of_one_number_is_no_axis(told, known, fn):
    fn = getattr(torch.nn.functional, fn)
    lam, said = torch.tensor([0.9, 0.2, 0.5, 1.0]), torch.tensor([0.1, 0.5, 0.2, 0.9])
    own, other = torch.tensor([0.0, 1.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 0.0, 0.0])
    flat = MixedTarget(own, other, lam).loss(said, fn, reduction="none")
    target = MixedTarget(own.view(known), other.view(known), lam)
    assert target.loss(said.view(told), fn, reduction="none") == flat


@pytest.mark.parametrize(
    ("told", "known"), [((4, 4), (4,)), ((4,), (4, 4)), ((4, 1, 1), (4,)), ((1, 4), (4,))]
)
def test_a_loss_that_compares_each_row_with_every_other_is_refused(told, known):
    target = MixedTarget(torch.zeros(known), torch.zeros(known), torch.ones(4))

    def square(said, y):
        return (said - y) ** 2

    with pytest.raises(ValueError, match="compared with every other"):
        target.loss(torch.zeros(told), square)
    if known == (4,):
        with pytest.raises(ValueError, match="compared with every other"):  # of a whole output
            target.loss({"logits": torch.zeros(told)}, lambda out, y: square(out["logits"], y))


def test_several_figures_for_a_row_are_averaged():
    said, y = torch.zeros(4, 3), torch.tensor([0.0, 1.0, 2.0, 3.0])
    target = MixedTarget(y, y, torch.ones(4))
    assert target.loss(said, lambda out, y: (out - y[:, None]).abs()) == 1.5
    square = MixedTarget(torch.ones(4, 4), torch.ones(4, 4), torch.ones(4))
    assert square.loss(torch.zeros(4, 4), torch.nn.functional.mse_loss, reduction="none") == 1


def test_classes_with_an_axis_of_their_own_are_refused():
    y = torch.zeros(4, 1, dtype=torch.long)
    with pytest.raises(ValueError, match=r"one class for each row, got .*\(4, 1\)"):
        soft_cross_entropy(torch.zeros(4, 3), y, y, 0.5)


def test_an_inner_axis_as_long_as_the_batch_is_no_comparison_of_rows():
    torch.manual_seed(0)
    labels, outputs = torch.rand(4, 3, 4, 4).softmax(1), torch.randn(4, 3, 4, 4)
    target = MixedTarget(labels, labels.flip(0), torch.full((4,), 0.3))
    each = torch.nn.functional.cross_entropy
    wanted = 0.3 * each(outputs, labels) + 0.7 * each(outputs, labels.flip(0))
    torch.testing.assert_close(target.loss(outputs, each, reduction="none"), wanted)
