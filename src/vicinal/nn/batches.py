"""Batches of pairs, and what mixes the inputs of a batch: as it is collated, or afterwards."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vicinal._checks import check_count, check_number
from vicinal._points import plain
from vicinal._random import RandomState, Seeds, TrainKey
from vicinal._types import Array, Ints
from vicinal.nn._discover import ATTEND_MASKS, IGNORE_MASKS
from vicinal.nn._rows import check_plan, count_rows, mix_rows, swapped_halves, union_mask
from vicinal.nn.loss import MixedTarget, check_values
from vicinal.pairing import AcrossGroup, Pairing, Permutation
from vicinal.pairing.base import as_rows, check_partners
from vicinal.plan import MixPlan
from vicinal.weights import Beta, WeightLaw, check_law

#: Batches that are sorted by length together.
_SORTED = 50


class PairBatchSampler:
    """Batches of row numbers, packed as [anchors, partners].

    Swapping the halves gives each row its partner, and pairs stay together when batches are shared
    out to processes. All batches are of one size.

    Parameters
    ----------
    partners : ndarray of int, Pairing, int or callable
        One partner for each row; a pairing; or a function of the epoch that returns partners, or
        None for an epoch of plain shuffled batches.
    batch_size : int
        Rows in a batch, even: half anchors, half partners.
    X : int or array_like of shape (n_rows, n_features), optional
        Number of rows, or the rows a pairing looks at. Needed unless ``partners`` is an array.
    symmetric : bool, default True
        Whether both directions of a pair count: half of the rows are anchors, the others in the
        next epoch. Partners of each other are taken together, and ``Permutation`` then makes such
        pairs, so that every row is read once an epoch; with other pairings some rows are read
        often and some not at all. If False every row is an anchor in each epoch, which reads two
        rows for each.
    drop_last : bool, default False
        Whether to drop a last incomplete batch; otherwise other rows fill it up.
    lengths : array_like of shape (n_rows,), optional
        Length of each row: pairs of a batch are then of like lengths, so that little is padded.
    random_state : int, numpy.random.Generator or None
        Seed. Epochs differ (see :meth:`set_epoch`).

    Raises
    ------
    ValueError
        If the batch size is odd, there are too few rows, or not one length for each.

    Examples
    --------
    >>> batches = PairBatchSampler(np.array([1, 2, 3, 0]), batch_size=4, random_state=0)
    >>> [len(batch) for batch in batches]
    [4]
    """

    def __init__(
        self,
        partners: npt.ArrayLike | Pairing | Callable[[int], npt.ArrayLike | None],
        batch_size: int,
        *,
        X: int | npt.ArrayLike | None = None,
        symmetric: bool = True,
        drop_last: bool = False,
        lengths: npt.ArrayLike | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.batch_size = check_count("batch_size", batch_size, low=2)
        if self.batch_size % 2:
            raise ValueError(
                f"batch_size must be even, half anchors and half partners, got {batch_size}."
            )
        drawn = isinstance(partners, Pairing) or callable(partners)
        given: Any = partners if drawn else plain(partners)
        self._given = given
        if X is None:
            if drawn:
                raise ValueError("X is missing: a pairing needs the rows, or how many there are.")
            X = len(given)
        self._X = int(X) if isinstance(X, (int, np.integer)) else as_rows(X)
        self.n_rows = self._X if isinstance(self._X, int) else len(self._X)
        check_count("n_rows", self.n_rows, low=2, hint="Mixing needs two rows.")
        self.symmetric, self.drop_last, self.epoch = bool(symmetric), bool(drop_last), 0
        self._seeds = Seeds(random_state)
        self._lengths = None if lengths is None else plain(lengths)
        if self._lengths is not None and self._lengths.shape != (self.n_rows,):
            raise ValueError(
                f"lengths must be one for each of the {self.n_rows} rows, got shape "
                f"{self._lengths.shape}."
            )
        if not drawn:
            check_partners("partners must be", given, self.n_rows)
        if not len(self):
            raise ValueError(
                f"{self.n_rows} rows give no complete batch of {batch_size}. Use smaller batches, "
                "or drop_last=False."
            )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next.

        Parameters
        ----------
        epoch : int
            From 0. The same epoch gives the same batches.
        """
        self.epoch = check_count("epoch", epoch, low=0)

    def __len__(self) -> int:
        step = self.batch_size if self.symmetric else self.batch_size // 2
        return self.n_rows // step if self.drop_last else -(-self.n_rows // step)

    def __iter__(self) -> Iterator[list[int]]:
        partners = self._partners(self.epoch)
        count, half = len(self), self.batch_size // 2
        if partners is None:
            order = self._seeds.generator(TrainKey.ANCHORS, self.epoch, 1).permutation(self.n_rows)
            if self.symmetric:
                order = order[self._alike(order)]
                yield from np.resize(order, (count, self.batch_size)).tolist()
                return
            left, right = order, np.roll(order, self.n_rows // 2)  # the first half is what counts
        else:
            turn, late = divmod(self.epoch, 2) if self.symmetric else (self.epoch, 0)
            left = self._seeds.generator(TrainKey.ANCHORS, turn).permutation(self.n_rows)
            if self.symmetric and (partners[partners] == np.arange(self.n_rows)).all():
                left = left[left <= partners[left]]  # one of each pair
                if late:  # those that were not read in the epoch before come first
                    rng = self._seeds.generator(TrainKey.ANCHORS, turn, 2)
                    read = rng.permutation(left[: count * half])
                    left = np.concatenate([left[count * half :], read])
            elif late:  # rows that were not anchors in the epoch before
                left = np.roll(left, -(self.n_rows // 2))
            right = partners[left]
        alike = self._alike(left, right)
        left, right = left[alike], right[alike]
        yield from np.hstack([np.resize(side, (count, half)) for side in (left, right)]).tolist()

    def _alike(self, *sides: Array) -> Array:
        """Return an order in which neighbors are of like lengths, but far ones are not."""
        n_rows = len(sides[0])
        if self._lengths is None:
            return np.arange(n_rows)
        longest = np.max([self._lengths[side] for side in sides], axis=0)
        # sorted within some batches only, or each epoch would have the same ones
        within = np.arange(n_rows) // (_SORTED * self.batch_size // len(sides))
        return np.lexsort([-longest, within])

    def _partners(self, epoch: int) -> Array | None:
        if isinstance(self._given, np.ndarray):
            return self._given
        if isinstance(self._given, Pairing):
            rng = self._seeds.generator(TrainKey.PAIRS, epoch)
            return draw_partners(self._given, self._X, self.symmetric, rng)
        drawn = self._given(epoch)
        return None if drawn is None else check_partners("partners must be", drawn, self.n_rows)


def draw_partners(pairing: Pairing, X: Any, symmetric: bool, rng: np.random.Generator) -> Array:
    """Draw partners of an epoch; in place of a permutation pairs of two, each row in one."""
    # with both directions of a pair in a batch, every row is then read as often as any other
    if not symmetric or type(pairing) is not Permutation:
        return pairing.pair(X, random_state=rng)
    order = rng.permutation(X if isinstance(X, int) else len(X))
    half, partners = len(order) // 2, np.arange(len(order))  # an odd one out stays by itself
    partners[order[:half]], partners[order[half : 2 * half]] = order[half : 2 * half], order[:half]
    return partners


class MixupBatch:
    """Mixes the inputs of a batch after it was collated, on the device where it lies.

    Each row of the batch gets a partner from the same batch and a weight of its own.

    Parameters
    ----------
    pairing : Pairing or callable, optional
        Who mixes with whom; ``Permutation()`` where left out. One that looks at rows sees the
        flattened inputs, or what ``embed`` makes of them. One by groups is given as a function of
        the batch's labels: ``vicinal.WithinGroup`` itself, or ``lambda labels:
        vicinal.AcrossGroup(labels, vicinal.Farthest(0.2))``. Rows without a partner of that kind
        stay as they are. ``vicinal.NearTarget`` goes with numbers to predict. For images say
        ``metric="euclidean"``: their norms hardly differ.
    weights : WeightLaw, optional
        By how much; ``Beta(0.4)`` where left out.
    num_classes : int, optional
        Return soft labels of shape (n_rows, num_classes) in place of a :class:`MixedTarget`.
    probability : float, default 1.0
        Share of batches that are mixed.
    batchwise : bool, default False
        Whether all rows of a batch share one weight.
    cutmix : WeightLaw, optional
        For images (n_rows, channels, height, width): paste a box of the partner, whose share of
        the area is 1 minus a weight of this law. Nothing is pasted where left out.
    switch_prob : float, default 0.5
        With ``cutmix``: share of the mixed batches that paste in place of mixing.
    embed : callable, optional
        Takes the batch's inputs and returns an array of shape (n_rows, n_features) to pair by.
    random_state : int, numpy.random.Generator or None
        Seed. Workers of a loader and processes of a cluster draw numbers of their own, new in
        every epoch.

    References
    ----------
    Yun, Han, Oh, Chun, Choe and Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers
    with Localizable Features", ICCV 2019 (for ``cutmix``).

    Examples
    --------
    >>> import vicinal
    >>> mix = MixupBatch(weights=vicinal.Fixed(0.75), num_classes=2, random_state=0)
    >>> x, y = mix(torch.tensor([[0.0], [4.0]]), torch.tensor([0, 1]))
    >>> x.flatten(), y
    (tensor([1., 3.]), tensor([[0.7500, 0.2500], [0.2500, 0.7500]]))
    """

    def __init__(
        self,
        pairing: Pairing | Callable[[Array], Pairing] | None = None,
        weights: WeightLaw | None = None,
        *,
        num_classes: int | None = None,
        probability: float = 1.0,
        batchwise: bool = False,
        cutmix: WeightLaw | None = None,
        switch_prob: float = 0.5,
        embed: Callable[[Any], Any] | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.pairing = Permutation() if pairing is None else pairing
        self.weights = check_law(Beta(0.4) if weights is None else weights, parents=2)
        if not isinstance(self.pairing, Pairing) and not callable(self.pairing):
            raise TypeError(
                "pairing must be a Pairing such as vicinal.Permutation(), or a function that "
                f"makes one of a batch's labels such as vicinal.WithinGroup, got {pairing!r}."
            )
        if isinstance(self.pairing, Pairing) and self.pairing.grouped:
            kind = type(self.pairing).__name__
            raise ValueError(
                f"pairing is a {kind} of given rows, and batches have other rows each time. Pass "
                f"vicinal.{kind} itself to group each batch by its labels, or a function of them."
            )
        if num_classes is not None:
            check_count("num_classes", num_classes, low=2)
        self.num_classes, self.embed = num_classes, embed
        self.probability = check_number("probability", probability, low=0.0, high=1.0)
        self.batchwise = bool(batchwise)
        self.cutmix = None if cutmix is None else check_law(cutmix, parents=2)
        self.switch_prob = check_number("switch_prob", switch_prob, low=0.0, high=1.0)
        self._entropy = Seeds(random_state).entropy
        self._calls = self._most = 0

    def __call__(
        self, x: Any, y: torch.Tensor, sample_weight: torch.Tensor | None = None
    ) -> tuple[Any, MixedTarget | torch.Tensor]:
        """Mix a batch.

        Parameters
        ----------
        x : torch.Tensor or mapping of str to torch.Tensor
            Inputs, rows first: floats are mixed, masks (``attention_mask`` and the like) joined.
        y : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs)
            Class numbers, or floats as of :class:`MixedTarget`.
        sample_weight : torch.Tensor of shape (n_rows,), optional
            How much each row counts in the target's loss.

        Returns
        -------
        tuple of torch.Tensor or dict, and MixedTarget or torch.Tensor
            Mixed inputs, and their targets: soft labels if ``num_classes`` was given.

        Raises
        ------
        ValueError
            If inputs are neither floats nor masks, labels not what they should be, or there are
            sample weights and soft labels, which cannot hold them.
        """
        y, rng = self._checked(x, y), self._generator()
        if sample_weight is not None and self.num_classes is not None:
            raise ValueError(
                "sample_weight needs a MixedTarget, and num_classes asks for soft labels. Leave "
                "one of them out."
            )
        n_rows, device = count_rows(x)
        if len(y) != n_rows:
            raise ValueError(f"y must be one label for each of the {n_rows} rows, got {len(y)}.")
        if sample_weight is not None:
            sample_weight = torch.as_tensor(sample_weight)
        perm = torch.arange(n_rows, device=device)
        lam = torch.ones(n_rows, device=device)
        if n_rows > 1 and rng.random() < self.probability:
            perm = torch.from_numpy(self._partners(x, y, rng)).to(device)
            pastes = self.cutmix is not None and rng.random() < self.switch_prob
            law = self.cutmix if self.cutmix is not None and pastes else self.weights
            drawn = law.sample(1 if self.batchwise else n_rows, rng)
            lam = torch.from_numpy(np.resize(drawn, n_rows)).float().to(device)
            if pastes:
                x, lam = _pasted(x, perm, lam, rng)
            else:
                x = self._mixed(x, lambda name, one: _joined(name, one, perm, lam))
        there = perm.to(y.device)
        counts = None
        if sample_weight is not None:
            counts = torch.stack([sample_weight, sample_weight[there]], 1)
        return x, self._target(MixedTarget(y, y[there], lam.to(y.device), counts))

    def _mixed(self, x: Any, mix: Callable[[str, torch.Tensor], torch.Tensor]) -> Any:
        if isinstance(x, Mapping):
            return {name: mix(name, one) for name, one in x.items()}
        return mix("", x)

    def _target(self, target: MixedTarget) -> MixedTarget | torch.Tensor:
        return target if self.num_classes is None else target.soft(self.num_classes)

    def _checked(self, x: Any, y: Any) -> torch.Tensor:
        """Check inputs, and return labels as numbers."""
        for name, one in x.items() if isinstance(x, Mapping) else (("", x),):
            _check_input(name, one)
        if isinstance(y, torch.Tensor) and (y.dtype == torch.bool or y.dim() == 2):
            y = y.float() if y.dim() == 2 else y.long()
        flat = isinstance(y, torch.Tensor) and y.dim() == 1 and not y.is_floating_point()
        if not flat and (self.num_classes is not None or not isinstance(y, torch.Tensor)):
            shape = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
            raise ValueError(f"Labels must be one class number for each row, got {shape}.")
        if y.device.type == "cpu":  # elsewhere a look would wait for the device
            check_values(y, self.num_classes)
        return y

    def _partners(self, x: Any, y: torch.Tensor, rng: np.random.Generator) -> Ints:
        if isinstance(self.pairing, Pairing):
            return self._paired(self.pairing, x, rng)
        pairing = self.pairing(y.cpu().numpy())
        if not isinstance(pairing, Pairing):
            raise TypeError(
                f"pairing must return a Pairing of a batch's labels, got {pairing!r}. Wrap them, "
                "for instance: lambda labels: vicinal.WithinGroup(labels)."
            )
        if isinstance(pairing, AcrossGroup) and len(np.unique(plain(pairing.groups))) == 1:
            return np.arange(len(y))  # a small batch may well be of one class
        with warnings.catch_warnings():  # as may a class have one row in it
            warnings.filterwarnings("ignore", ".*have a single row", UserWarning)
            return self._paired(pairing, x, rng)

    def _paired(self, pairing: Pairing, x: Any, rng: np.random.Generator) -> Ints:
        n_rows, _ = count_rows(x)
        X: Any = n_rows
        if pairing.needs_points:
            own = [v for k, v in x.items() if not _is_mask(k)] if isinstance(x, Mapping) else [x]
            points = own[0] if self.embed is None else torch.as_tensor(self.embed(x))
            X = points.detach().reshape(n_rows, -1).float().cpu().numpy()
        told, self._most = self._most > 0, max(self._most, n_rows)
        with warnings.catch_warnings():
            if told:  # of the first batch, not of each
                warnings.filterwarnings("ignore", "All rows have nearly the same norm", UserWarning)
            if n_rows < self._most:  # a last batch holds what was left
                warnings.filterwarnings("ignore", "k=.* is more than the", UserWarning)
            return pairing.pair(X, random_state=rng).astype(np.int64)

    def _generator(self) -> np.random.Generator:
        """Return numbers for one batch; a worker's copy, or a process, has its own."""
        worker = torch.utils.data.get_worker_info()
        key: tuple[int, ...] = (self._calls,)
        if worker is not None:
            key += (int(worker.seed) % 2**63,)
        self._calls += 1
        if rank := _rank():
            key += (rank,)
        return Seeds.from_entropy(self._entropy).generator(*key)


def _pasted(
    x: Any, perm: torch.Tensor, lam: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paste a box of each row's partner; return images, and the share of each that is its own."""
    if not isinstance(x, torch.Tensor) or x.dim() != 4:
        raise ValueError("cutmix needs images of shape (n_rows, channels, height, width).")
    within = []
    for size in x.shape[2:]:
        middle = torch.from_numpy(rng.random((len(x), 1)) * size).to(lam)
        half = (1 - lam.clamp(0, 1)).sqrt()[:, None] * size / 2
        within.append((torch.arange(size, device=x.device) + 0.5 - middle).abs() < half)
    inside = within[0][:, None, :, None] & within[1][:, None, None, :]  # (B, 1, H, W)
    own = 1 - inside.float().mean(dim=(1, 2, 3))
    return torch.where(inside, x.index_select(0, perm), x), own


def _rank() -> int:
    """Return the number of this process among those that train together."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if there else int(os.environ.get("RANK", 0))


def _is_mask(name: str) -> bool:
    return name in ATTEND_MASKS or name in IGNORE_MASKS


def _check_input(name: str, one: Any) -> None:
    if _is_mask(name) or (isinstance(one, torch.Tensor) and one.is_floating_point()):
        return
    kind = one.dtype if isinstance(one, torch.Tensor) else type(one).__name__
    of = f" {name!r}" if name else ""
    raise ValueError(
        f"Inputs{of} must be a float tensor to be mixed, got {kind}. Scale first; to mix texts "
        "use vicinal.nn.HiddenMixup."
    )


def _joined(
    name: str, one: torch.Tensor, perm: torch.Tensor, lam: torch.Tensor, keep: int | None = None
) -> torch.Tensor:
    if _is_mask(name):
        return union_mask(one, perm, lam, keep, ignore=name in IGNORE_MASKS)
    return mix_rows(one, perm, lam, keep)


class MixupCollator(MixupBatch):
    """Collate function that mixes the inputs of a batch: images, feature vectors, spectra.

    Parameters
    ----------
    pairing, weights : object, optional
        As of :class:`MixupBatch`.
    collate : callable, optional
        Makes (inputs, labels) of samples; torch's ``default_collate`` where left out.
    plan : MixPlan, optional
        Pairs of rows of ``dataset`` and their weights, in place of drawing them. Samples are then
        row numbers of the plan: a loader runs over ``range(len(plan))``.
    dataset : sequence of (input, label), optional
        What the plan's row numbers count.
    **settings : object
        More of :class:`MixupBatch`; with a plan ``num_classes`` alone.

    Examples
    --------
    >>> import vicinal
    >>> mix = MixupCollator(weights=vicinal.Fixed(0.75), num_classes=2, random_state=0)
    >>> x, y = mix([(torch.tensor([0.0]), 0), (torch.tensor([4.0]), 1)])
    >>> x.flatten(), y
    (tensor([1., 3.]), tensor([[0.7500, 0.2500], [0.2500, 0.7500]]))

    A plan that was drawn before:

    >>> data = [(torch.tensor([float(i)]), i) for i in range(3)]
    >>> plan = vicinal.MixPlan([0, 1], [2, 2], [0.5, 0.75])
    >>> mix = MixupCollator(plan=plan, dataset=data, num_classes=3)
    >>> loader = torch.utils.data.DataLoader(range(len(plan)), batch_size=2, collate_fn=mix)
    >>> next(iter(loader))[0].flatten()
    tensor([1.0000, 1.2500])
    """

    def __init__(
        self,
        pairing: Pairing | Callable[[Array], Pairing] | None = None,
        weights: WeightLaw | None = None,
        *,
        collate: Callable[[Sequence[Any]], Any] | None = None,
        plan: MixPlan | None = None,
        dataset: Any = None,
        **settings: Any,
    ) -> None:
        if (plan is None) != (dataset is None):
            raise ValueError(
                "plan and dataset go together: the plan counts the rows of the data set. Give both."
            )
        if plan is not None:
            check_plan(plan, len(dataset), "data set")
            given = {"pairing": pairing, "weights": weights}
            idle = [name for name, one in given.items() if one is not None]
            idle += [name for name in settings if name != "num_classes"]
            if idle:
                raise ValueError(
                    f"plan says who mixes and by how much, so {' and '.join(idle)} would have no "
                    f"effect. Leave {'it' if len(idle) == 1 else 'them'} out, or leave plan out."
                )
        super().__init__(pairing, weights, **settings)
        self.collate, self.plan, self.dataset = collate, plan, dataset

    def __call__(  # type: ignore[override]
        self, samples: Sequence[Any]
    ) -> tuple[Any, MixedTarget | torch.Tensor]:
        """Make a mixed batch of samples.

        Parameters
        ----------
        samples : sequence of (input, label), or of int
            As a data set gives them; row numbers of the plan where there is one.

        Returns
        -------
        tuple of torch.Tensor or dict, and MixedTarget or torch.Tensor
            As of :class:`MixupBatch`.

        Raises
        ------
        ValueError
            If samples are not pairs, or as :class:`MixupBatch`.
        """
        if self.plan is None:
            return super().__call__(*self._collated(samples))
        planned = self.plan[np.asarray(samples, np.int64)]
        both = np.concatenate([planned.left, planned.right])
        x, y = self._collated([self.dataset[int(row)] for row in both])
        y, n = self._checked(x, y), len(planned)
        lam = torch.from_numpy(np.array(planned.lam, np.float32))
        perm = swapped_halves(2 * n)
        x = self._mixed(x, lambda name, one: _joined(name, one, perm, lam, n))
        return x, self._target(MixedTarget(y[:n], y[n:], lam))

    def _collated(self, samples: Sequence[Any]) -> Any:
        batch = (self.collate or torch.utils.data.default_collate)(samples)
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(
                "Samples must be pairs of an input and a label. Pass collate= with a function "
                "that returns (inputs, labels)."
            )
        return batch
