"""Batches of pairs, and the collate function for any modality."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import vicinal  # noqa: E402
from vicinal.nn import MixedTarget, MixupBatch, MixupCollator, PairBatchSampler  # noqa: E402


@given(
    n=st.integers(2, 40),
    half=st.integers(1, 8),
    symmetric=st.booleans(),
    epoch=st.integers(0, 3),
    seed=st.integers(0, 5),
)
def test_batches_hold_pairs_in_halves(n, half, symmetric, epoch, seed):
    partners = np.random.default_rng(seed).integers(0, n, n)
    batches = PairBatchSampler(partners, 2 * half, symmetric=symmetric, random_state=seed)
    batches.set_epoch(epoch)
    found = list(batches)
    assert found == list(batches), "the same epoch, the same batches"
    assert len(found) == len(batches)
    for batch in found:
        assert len(batch) == 2 * half
        assert partners[batch[:half]].tolist() == batch[half:]
    anchors = [row for batch in found for row in batch[:half]]
    if not symmetric:
        assert set(anchors) == set(range(n))


def test_two_epochs_make_every_row_an_anchor():
    for n in (20, 21):
        batches = PairBatchSampler(vicinal.Random(), 4, X=n, random_state=0)
        seen = []
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            seen += [row for batch in batches for row in batch[:2]]
        assert set(seen) == set(range(n))
        assert sum(len(batch) for batch in batches) == 4 * -(-n // 4)


@pytest.mark.parametrize("n", [20, 21])
def test_permutations_are_pairs_and_every_row_is_read_once_an_epoch(n):
    batches = PairBatchSampler(vicinal.Permutation(), 4, X=n, random_state=0)
    pairs = []
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        found = list(batches)
        rows = np.bincount([row for batch in found for row in batch], minlength=n)
        # a last batch is filled up, and an odd one out is by itself
        assert rows.min() == 1
        assert rows.sum() == 4 * len(found)
        assert (rows > 1).sum() <= 4
        pairs.append({frozenset(pair) for b in found for pair in zip(b[:2], b[2:], strict=True)})
    assert len(pairs[0]) == -(-n // 2)
    assert pairs[0] != pairs[1]


def test_plain_epochs_visit_every_row_once():
    for symmetric in (True, False):
        batches = PairBatchSampler(lambda epoch: None, 4, X=20, symmetric=symmetric)
        counted = [b if symmetric else b[:2] for b in batches]
        assert sorted(row for batch in counted for row in batch) == list(range(20))


def test_last_batches():
    whole = PairBatchSampler(np.arange(10), 4, drop_last=True)
    assert [len(batch) for batch in whole] == [4, 4]
    assert [len(batch) for batch in PairBatchSampler(np.arange(10), 4)] == [4, 4, 4]


def test_pairs_stay_together_when_batches_are_shared_out():
    data_loader = pytest.importorskip("accelerate.data_loader", reason="needs accelerate")
    partners = np.roll(np.arange(22), 3)
    batches = PairBatchSampler(partners, 4, random_state=0)
    shares = [
        list(data_loader.BatchSamplerShard(batches, num_processes=2, process_index=rank))
        for rank in (0, 1)
    ]
    assert len(shares[0]) == len(shares[1]) == 3
    assert shares[0] != shares[1]
    for batch in shares[0] + shares[1]:
        assert partners[batch[:2]].tolist() == batch[2:]


def test_pairs_of_like_lengths_share_a_batch():
    lengths = np.random.default_rng(0).integers(1, 100, 1200)
    for pairing in (vicinal.Permutation(), lambda epoch: None):
        batches, plain = (
            list(PairBatchSampler(pairing, 8, X=1200, lengths=told, random_state=0))
            for told in (lengths, None)
        )
        assert (np.sort(np.ravel(batches)) == np.sort(np.ravel(plain))).all()
        padded = [sum(8 * lengths[one].max() for one in of) for of in (batches, plain)]
        assert padded[0] < 0.85 * padded[1]
    with pytest.raises(ValueError, match="one for each of the 1200 rows"):
        PairBatchSampler(vicinal.Permutation(), 8, X=1200, lengths=[1, 2])


def test_bad_batches():
    with pytest.raises(ValueError, match="must be even"):
        PairBatchSampler(np.arange(4), 3)
    with pytest.raises(ValueError, match="X is missing"):
        PairBatchSampler(vicinal.Random(), 4)
    with pytest.raises(ValueError, match="from 0 to 3, got 0 to 4"):
        PairBatchSampler(np.array([0, 1, 2, 4]), 2)
    with pytest.raises(ValueError, match="Mixing needs two rows"):
        PairBatchSampler(np.array([0]), 2)
    with pytest.raises(ValueError, match="no complete batch"):
        PairBatchSampler(np.arange(4), 8, drop_last=True)
    with pytest.raises(ValueError, match="one row number for each of the 4"):
        list(PairBatchSampler(lambda epoch: [1, 2], 2, X=4))


def test_which_pairings_look_at_rows():
    groups = ["a", "b", "a", "b", "b"]
    assert not vicinal.Random().needs_points
    assert not vicinal.Permutation().needs_points
    assert not vicinal.WithinGroup(groups).needs_points
    assert vicinal.Nearest(2).needs_points
    assert vicinal.LocalPermutation().needs_points


# the collate function


def images(n=6):
    return [(torch.full((1, 2, 2), float(4**i)), i % 3) for i in range(n)]


def test_a_mixed_batch_is_what_its_target_says():
    mix = MixupCollator(weights=vicinal.EpBeta(0.2), random_state=0)
    x, target = mix(images())
    assert isinstance(target, MixedTarget)
    assert x.shape == (6, 1, 2, 2)
    assert x.dtype == torch.float32
    values = torch.tensor([float(4**i) for i in range(6)])
    assert target.labels.tolist() == [0, 1, 2, 0, 1, 2]
    for i in range(6):
        lam = target.lam[i]
        partners = [p for p in range(6) if p % 3 == int(target.partners[i])]
        possible = lam * values[i] + (1 - lam) * values[partners]
        assert (possible - x[i, 0, 0, 0]).abs().min() < 1e-3


def test_a_plan_over_a_loader_is_the_plan_applied():
    data = images()
    X = np.array([float(4**i) for i in range(6)], np.float32)[:, None]
    plan = vicinal.make_plan(X, 50, random_state=0)
    mix = MixupCollator(plan=plan, dataset=data, num_classes=3)
    loader = torch.utils.data.DataLoader(range(len(plan)), batch_size=7, collate_fn=mix)
    batches = list(loader)
    x = torch.cat([x for x, _ in batches])
    np.testing.assert_allclose(x[:, 0, 0, 0], plan.apply(X)[:, 0], rtol=1e-5)
    labels = np.eye(3, dtype=np.float32)[np.arange(6) % 3]
    y = torch.cat([y for _, y in batches])
    share = np.clip(plan.lam, 0, 1)[:, None]
    expected = share * labels[plan.left] + (1 - share) * labels[plan.right]
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_plans_that_do_not_fit_a_collator():
    plan = vicinal.MixPlan([0], [6], [0.5])
    with pytest.raises(ValueError, match="row 6, and the data set has 6 rows"):
        MixupCollator(plan=plan, dataset=images())
    with pytest.raises(ValueError, match="go together"):
        MixupCollator(plan=plan)
    for name, one in {
        "pairing": vicinal.Random(),
        "weights": vicinal.Beta(1),
        "probability": 0.5,
        "batchwise": True,
        "cutmix": vicinal.Beta(1),
        "switch_prob": 0.1,
        "embed": len,
        "random_state": 0,
    }.items():
        with pytest.raises(ValueError, match=f"plan says who .* so {name} would have no effect"):
            MixupCollator(plan=plan[:1], dataset=images(7), **{name: one})


def test_rows_that_stay_unmixed_keep_their_own_mask():
    x = {"inputs": torch.zeros(2, 3, 1), "attention_mask": torch.tensor([[1, 0, 0], [1, 1, 0]])}
    mix = MixupBatch(weights=vicinal.Fixed(1.0), random_state=0)
    mixed, _ = mix(x, torch.tensor([0, 1]))
    assert mixed["attention_mask"].tolist() == x["attention_mask"].tolist()


def test_soft_labels_and_no_mixing():
    x, y = MixupCollator(num_classes=3, random_state=0)(images())
    assert y.shape == (6, 3)
    torch.testing.assert_close(y.sum(1), torch.ones(6))
    x, target = MixupCollator(probability=0.0)(images())
    assert x[2, 0, 0, 0] == 16
    assert (target.lam == 1).all()


def test_pairing_by_the_rows_themselves_or_their_embedding():
    samples = [(torch.tensor([v, -v]), 0) for v in (0.0, 1.0, 10.0, 11.0)]
    near = MixupCollator(vicinal.Nearest(1), vicinal.Fixed(0.0), random_state=0)
    assert near(samples)[0][:, 0].tolist() == [1.0, 0.0, 11.0, 10.0]
    turned = MixupCollator(
        vicinal.Nearest(1),
        vicinal.Fixed(0.0),
        embed=lambda x: np.array([[0.0], [10.0], [0.1], [10.1]]),
    )
    assert turned(samples)[0][:, 0].tolist() == [10.0, 11.0, 0.0, 1.0]


def test_workers_and_epochs_draw_numbers_of_their_own():
    data = TensorDataset(torch.arange(16.0)[:, None], torch.zeros(16, dtype=torch.long))

    def weights(n_workers):
        generator = torch.Generator().manual_seed(0)
        mix = MixupCollator(random_state=0)
        loader = DataLoader(data, 4, collate_fn=mix, num_workers=n_workers, generator=generator)
        return [[tuple(target.lam.tolist()) for _, target in loader] for _ in range(2)]

    for n_workers in (0, 2):
        epochs = weights(n_workers)
        assert len({lam for epoch in epochs for lam in epoch}) == 8, "no batch repeats another"
        assert epochs == weights(n_workers), "the same seeds, the same numbers"


def test_yes_and_no_are_classes():
    samples = [(torch.tensor([float(i)]), i % 2 == 1) for i in range(4)]
    numbers = [(x, int(label)) for x, label in samples]
    for classes in (None, 2):
        (x, said), (same, expected) = (
            MixupCollator(num_classes=classes, random_state=0)(rows) for rows in (samples, numbers)
        )
        assert torch.equal(x, same)
        if classes is None:
            said, expected = said.soft(2), expected.soft(2)
        assert torch.equal(said, expected)


def test_images_of_like_norms_are_told_of_once_and_not_in_each_batch():
    mix = MixupBatch(vicinal.Farthest(0.2), random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for seed in range(4):
            images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            mix(images, torch.zeros(16, dtype=torch.long))
    assert [str(one.message)[:32] for one in caught] == ["All rows have nearly the same no"]


def test_bad_samples():
    mix = MixupCollator(num_classes=2)
    with pytest.raises(ValueError, match="pairs of an input and a label"):
        mix([torch.ones(2), torch.ones(2)][:1] * 3)
    with pytest.raises(ValueError, match="float tensor"):
        mix([(torch.ones(2, dtype=torch.long), 0)] * 2)
    with pytest.raises(ValueError, match="one class number for each row"):
        mix([(torch.ones(2), 0.5)] * 2)
    for label in (5, -1):
        with pytest.raises(ValueError, match=f"label {label} is beyond num_classes=2"):
            mix([(torch.ones(2), 0), (torch.ones(2), label)])
    with pytest.raises(TypeError, match="Pairing"):
        MixupCollator("far")
    with pytest.raises(TypeError, match="two parents"):
        MixupCollator(weights=vicinal.SphereWeights(3))


def test_partners_by_the_labels_of_each_batch():
    labels = [0, 0, 1, 1, 1, 2]
    samples = [(torch.tensor([float(4**i)]), label) for i, label in enumerate(labels)]
    within = MixupCollator(vicinal.WithinGroup, vicinal.Fixed(0.0), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            x, target = within(samples)
            assert target.partners.tolist() == labels
            assert x[:2, 0].tolist() == [4.0, 1.0]
            assert x[5, 0] == 4.0**5, "nobody else is of its class"

    def far(labels):
        return vicinal.AcrossGroup(labels, vicinal.Farthest(0.01, metric="euclidean"))

    x, target = MixupCollator(far, vicinal.Fixed(0.0), random_state=0)(samples)
    assert x[:, 0].tolist() == [4.0**5] * 5 + [1.0]
    assert target.partners.tolist() == [2] * 5 + [0]
    across = MixupCollator(vicinal.AcrossGroup, random_state=0)
    for _ in range(4):
        _, target = across(samples)
        assert (target.partners != target.labels).all()
    x, target = across(samples[2:5])  # one class only
    assert x[:, 0].tolist() == pytest.approx([16.0, 64.0, 256.0])


def test_pairings_by_groups_that_fit_no_batch_are_refused():
    with pytest.raises(ValueError, match=r"Pass vicinal\.WithinGroup itself"):
        MixupCollator(vicinal.WithinGroup([0, 1, 0, 1]))
    with pytest.raises(TypeError, match="must return a Pairing"):
        MixupCollator(lambda labels: labels)([(torch.ones(2), 0), (torch.ones(2), 1)])


# after collation, and labels of any kind


def test_a_batch_is_mixed_after_collation_as_in_it():
    samples = images()
    x, y = torch.stack([x for x, _ in samples]), torch.tensor([y for _, y in samples])
    after, target = MixupBatch(weights=vicinal.Beta(1), random_state=0)(x, y)
    inside, other = MixupCollator(weights=vicinal.Beta(1), random_state=0)(samples)
    torch.testing.assert_close(after, inside)
    assert target.partners.tolist() == other.partners.tolist()
    assert (x == torch.stack([x for x, _ in samples])).all(), "the batch itself stays"


def test_numbers_soft_labels_and_several_labels():
    x = torch.tensor([[0.0], [4.0]])
    mix = MixupBatch(weights=vicinal.Fixed(0.75), random_state=0)
    for y in (torch.tensor([1.0, 3.0]), torch.tensor([[1, 0, 1], [0, 0, 1]])):
        _, target = mix(x, y)
        torch.testing.assert_close(target.labels, y.float())
        torch.testing.assert_close(target.partners, y.float().flip(0))
    _, target = mix(x, torch.tensor([True, False]))
    assert target.labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match="NaN or infinity"):
        mix(x, torch.tensor([1.0, float("nan")]))
    with pytest.raises(ValueError, match="label -100 is no class number"):
        mix(x, torch.tensor([0, -100]))


def test_a_dict_of_inputs_and_its_mask():
    x = {"values": torch.tensor([[0.0, 0.0], [4.0, 8.0]]), "attention_mask": torch.eye(2).long()}
    mixed, _ = MixupBatch(weights=vicinal.Fixed(0.75), random_state=0)(x, torch.tensor([0, 1]))
    assert mixed["values"].tolist() == [[1.0, 2.0], [3.0, 6.0]]
    assert mixed["attention_mask"].tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError, match=r"Inputs 'input_ids' must be a float tensor.*HiddenMixup"):
        MixupBatch()({"input_ids": torch.ones(2, 3).long()}, torch.tensor([0, 1]))


def test_partners_by_the_targets_of_each_batch():
    x, y = torch.tensor([[0.0], [1.0], [10.0], [11.0]]), torch.tensor([0.0, 5.0, 0.1, 5.1])
    mix = MixupBatch(lambda y: vicinal.NearTarget(y, 0.1), vicinal.Fixed(0.0), random_state=0)
    assert mix(x, y)[0].flatten().tolist() == [10.0, 11.0, 0.0, 1.0]
    with pytest.raises(TypeError, match="For classes use WithinGroup"):
        MixupBatch(vicinal.NearTarget)(x, torch.tensor([0, 1, 0, 1]))


def test_a_last_batch_of_fewer_rows_takes_all_of_them():
    mix = MixupBatch(vicinal.Nearest(5), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mix(torch.randn(8, 2), torch.zeros(8).long())
        mix(torch.randn(5, 2), torch.zeros(5).long())
    with pytest.warns(UserWarning, match="k=5 is more than the 4"):
        MixupBatch(vicinal.Nearest(5))(torch.randn(5, 2), torch.zeros(5).long())


def test_processes_draw_numbers_of_their_own(monkeypatch):
    x, y = torch.randn(8, 2), torch.zeros(8).long()
    drawn = []
    for rank in ("0", "1", "0"):
        monkeypatch.setenv("RANK", rank)
        drawn.append(MixupBatch(random_state=0)(x, y)[1].lam)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_a_box_of_the_partner_is_pasted():
    x = torch.arange(4.0)[:, None, None, None].expand(4, 2, 8, 10).contiguous()
    mix = MixupBatch(cutmix=vicinal.Uniform(), switch_prob=1.0, random_state=0)
    for _ in range(5):
        found, target = mix(x, torch.arange(4))
        for row, partner, lam, image in zip(
            range(4), target.partners, target.lam, found, strict=True
        ):
            foreign = image[0] != row
            assert (image[0][foreign] == partner).all()
            assert torch.equal(image[0], image[1])
            if partner != row:
                assert float(lam) == pytest.approx(1 - float(foreign.float().mean()))
            rows, columns = foreign.any(1), foreign.any(0)
            assert foreign.sum() == rows.sum() * columns.sum(), "one box"
    with pytest.raises(ValueError, match="cutmix needs images"):
        mix(torch.randn(4, 3), torch.arange(4))


def test_some_batches_paste_and_others_mix():
    x = torch.arange(4.0)[:, None, None, None].expand(4, 1, 8, 8).contiguous()
    mix = MixupBatch(
        weights=vicinal.Fixed(0.75), cutmix=vicinal.Fixed(0.5), switch_prob=0.4, random_state=0
    )
    pasted = [bool((mix(x, torch.arange(4))[0] % 1 == 0).all()) for _ in range(200)]
    assert 0.3 < np.mean(pasted) < 0.5


def test_a_batch_may_share_one_weight():
    x, y = torch.randn(8, 3), torch.arange(8)
    each = MixupBatch(random_state=0)(x, y)[1].lam
    one = MixupBatch(batchwise=True, random_state=0)(x, y)[1].lam
    assert len(each.unique()) > 1
    assert len(one.unique()) == 1


def test_rows_of_a_mixed_batch_count_as_told():
    x, y, counts = torch.randn(4, 3), torch.arange(4), torch.tensor([1.0, 2.0, 0.0, 4.0])
    target = MixupBatch(random_state=0)(x, y, counts)[1]
    assert torch.equal(target.sample_weight[:, 0], counts)
    assert torch.equal(target.sample_weight[:, 1], counts[target.partners])
    with pytest.raises(ValueError, match="num_classes asks for soft labels"):
        MixupBatch(num_classes=4)(x, y, counts)


@pytest.mark.parametrize("n_rows", [8, 12])
def test_epochs_of_mutual_pairs_differ_and_read_all_in_turn(n_rows):
    partners = np.arange(n_rows) ^ 1
    batches = PairBatchSampler(partners, 4, random_state=0)
    epochs = []
    for epoch in range(4):
        batches.set_epoch(epoch)
        epochs.append([tuple(one) for one in batches])
    assert len(set(map(str, epochs))) == 4
    read = [set(np.ravel(one).tolist()) for one in epochs]
    assert read[0] | read[1] == set(range(n_rows))


def test_labels_of_other_rows_are_refused():
    with pytest.raises(ValueError, match="y must be one label for each of the 4 rows, got 3"):
        MixupBatch()(torch.randn(4, 2), torch.zeros(3, dtype=torch.long))
