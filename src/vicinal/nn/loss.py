"""Targets of mixed rows, and the loss against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from vicinal._checks import check_choice, check_number


@dataclass(frozen=True, eq=False)
class MixedTarget:
    """Targets of both parents and the weight of the first, as one object.

    Parameters
    ----------
    labels : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs)
        Class number of each row; or floats: numbers to predict, class shares, or 0 and 1 for each
        of several labels.
    partners : torch.Tensor of the same shape
        The same of the partner of each row.
    lam : torch.Tensor of float, shape (n_rows,)
        Weight of the row itself.
    sample_weight : torch.Tensor of float, shape (n_rows, 2), optional
        How much the row and its partner count in the loss; the same where left out.

    Raises
    ------
    ValueError, TypeError
        If shapes differ, class numbers have more than one dimension or are negative, labels are
        booleans, or floats are not finite.

    Examples
    --------
    >>> target = MixedTarget(torch.tensor([0]), torch.tensor([2]), torch.tensor([0.75]))
    >>> target.soft(3)
    tensor([[0.7500, 0.0000, 0.2500]])

    Any loss of torch's that gives one figure for each row:

    >>> target = MixedTarget(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([0.75]))
    >>> target.loss(torch.tensor([1.0]), torch.nn.functional.mse_loss, reduction="none")
    tensor(1.)
    """

    labels: torch.Tensor
    partners: torch.Tensor
    lam: torch.Tensor
    sample_weight: torch.Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("labels", "partners"):
            value = getattr(self, name)
            if value.dtype == torch.bool:
                raise TypeError(f"{name} must hold class numbers or floats, got {value.dtype}.")
            if not value.is_floating_point():
                object.__setattr__(self, name, value.long())
        shapes = [tuple(t.shape) for t in (self.labels, self.partners, self.lam)]
        one_each = shapes[0][:1] == shapes[2] and shapes[0] == shapes[1]
        if not one_each or (self.is_classes and len(shapes[0]) != 1):
            raise ValueError(
                "labels and partners must be of one shape, class numbers one-dimensional, and all "
                f"of one length, got shapes {shapes}."
            )
        counts = self.sample_weight
        if counts is not None and tuple(counts.shape) != (len(self.lam), 2):
            raise ValueError(
                f"sample_weight must be of shape ({len(self.lam)}, 2), one number for each parent, "
                f"got {tuple(counts.shape)}."
            )
        for one in (self.labels, self.partners):
            _check_on_host(one)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_classes(self) -> bool:
        """Whether labels are class numbers."""
        return not self.labels.is_floating_point()

    def to(self, *args: Any, **kwargs: Any) -> MixedTarget:
        """Return the target on another device, as ``torch.Tensor.to`` does; dtypes stay.

        Parameters
        ----------
        *args, **kwargs : object
            A device, first or by name; ``non_blocking`` is handed on.

        Returns
        -------
        MixedTarget
            The same target.
        """
        device = args[0] if args else kwargs["device"]
        quick = bool(kwargs.get("non_blocking", False))
        return self._each(lambda one: one.to(device=device, non_blocking=quick))

    def pin_memory(self) -> MixedTarget:
        """Return the target in pinned memory, for data loaders."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> MixedTarget:
        counts = self.sample_weight
        return MixedTarget(
            change(self.labels),
            change(self.partners),
            change(self.lam),
            None if counts is None else change(counts),
        )

    def soft(self, num_classes: int, clip: bool = True) -> torch.Tensor:
        """Return one column of weight for each class.

        Parameters
        ----------
        num_classes : int
            Number of classes.
        clip : bool, default True
            Whether weights outside [0, 1] are cut to it.

        Returns
        -------
        torch.Tensor of shape (n_rows, num_classes)
            Rows with sum 1.
        """
        if not self.is_classes:
            raise TypeError(f"soft() needs class numbers, and labels are {self.labels.dtype}.")
        for one in (self.labels, self.partners):
            _check_on_host(one, num_classes)
        lam = self.lam.clamp(0.0, 1.0) if clip else self.lam
        mixed = lam.new_zeros(len(self), num_classes)
        mixed.scatter_add_(1, self.labels[:, None], lam[:, None])
        return mixed.scatter_add_(1, self.partners[:, None], 1 - lam[:, None])

    def loss(
        self,
        outputs: Any,
        fn: Callable[..., torch.Tensor] | None = None,
        *,
        clip: bool = True,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Return ``lam fn(outputs, labels) + (1 - lam) fn(outputs, partners)``, the mean over rows.

        Where there is a ``sample_weight``, the mean is over what the parents count.

        Parameters
        ----------
        outputs : torch.Tensor of shape (n_rows, ...)
            What the model says, or whatever ``fn`` takes. Where it differs from float labels in a
            last axis of 1 alone, that axis is taken away.
        fn : callable, optional
            Any loss that gives one figure for each row (``reduction="none"``);
            :func:`soft_cross_entropy` where left out.
        clip : bool, default True
            Whether ``lam`` is cut to [0, 1]. Squared errors need no cut: their least is at the
            mixed number.
        **kwargs : dict
            Handed to ``fn``.

        Returns
        -------
        torch.Tensor
            The mean over rows.

        Raises
        ------
        ValueError
            If ``fn`` gives one figure for all rows, and their weights differ, or one for each pair
            of rows; or if it is left out and labels are no class numbers.
        """
        if fn is None and not self.is_classes:
            raise ValueError(
                f"labels are {self.labels.dtype}, and without fn they have to be class numbers. "
                "Pass fn, such as torch.nn.functional.mse_loss, and reduction='none'."
            )
        if fn is None and self.sample_weight is None:
            ends = (self.labels, self.partners, self.lam)
            return soft_cross_entropy(outputs, *ends, clip=clip, **kwargs)
        labels, partners = self.labels, self.partners
        told = outputs.shape if isinstance(outputs, torch.Tensor) else None
        if told is not None and not self.is_classes and told != labels.shape:
            # one number for each row may have an axis of its own, or it would meet every other row
            if told == (*labels.shape, 1):
                outputs = outputs.squeeze(-1)
            elif labels.shape == (*told, 1):
                labels, partners = labels.squeeze(-1), partners.squeeze(-1)
            told = outputs.shape
        if fn is None:
            fn, kwargs = _cross_entropy, kwargs | {"reduction": "none"}
        lam = self.lam.clamp(0.0, 1.0) if clip else self.lam
        own, other = (fn(outputs, one, **kwargs) for one in (labels, partners))
        n_rows = len(self)
        crossed = own.squeeze().shape[:2] == (n_rows, n_rows) and n_rows > 1 and not self.is_classes
        crossed &= told != labels.shape  # an inner axis may be as long
        meant = own.shape == labels.shape == (labels.shape if told is None else told)
        if own.dim() and not meant and (len(own) != n_rows or crossed):
            raise ValueError(
                f"The loss of {n_rows} rows has shape {tuple(own.shape)}, as if each row were "
                "compared with every other. Give outputs and labels one shape; labels have "
                f"{tuple(self.labels.shape)}."
            )
        if own.dim():
            own, other = (one.reshape(len(self), -1).mean(1) for one in (own, other))
        elif self.sample_weight is None and bool((lam == lam[0]).all()):
            lam = lam[0]
        else:
            raise ValueError(
                "The loss gives one figure for all rows, and they are mixed by different weights. "
                "Let it give one for each row: reduction='none'."
            )
        if self.sample_weight is None:
            return (lam * own + (1 - lam) * other).mean()
        each = self.sample_weight.to(lam)
        counts, total = (torch.stack([one, 1 - one], 1) * each for one in (lam, lam.clamp(0, 1)))
        return (counts * torch.stack([own, other], 1)).sum() / total.sum().clamp(min=1e-12)


def _cross_entropy(logits: torch.Tensor, y: torch.Tensor, **kwargs: Any) -> torch.Tensor:
    return soft_cross_entropy(logits, y, y, 1.0, **kwargs)


def soft_cross_entropy(
    logits: torch.Tensor,
    targets_a: torch.Tensor,
    targets_b: torch.Tensor,
    lam: float | torch.Tensor,
    weight: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
    *,
    clip: bool = True,
    reduction: str = "mean",
) -> torch.Tensor:
    """Cross-entropy against labels that are mixed from two classes.

    Equal to ``torch.nn.functional.cross_entropy`` with a soft label of ``lam`` on class a and
    ``1 - lam`` on class b, without building the soft labels.

    Parameters
    ----------
    logits : torch.Tensor of shape (n_rows, n_classes)
        Scores before the softmax; computed in float32 at least.
    targets_a, targets_b : torch.Tensor of int, shape (n_rows,)
        Class of the row itself and of its partner.
    lam : float or torch.Tensor of shape (n_rows,)
        Weight of class a.
    weight : torch.Tensor of shape (n_classes,), optional
        Weight of each class.
    label_smoothing : float, default 0.0
        Share of the label spread evenly over all classes, from 0 to below 1.
    clip : bool, default True
        Whether ``lam`` outside [0, 1], which EpBeta gives on purpose, is cut to it for the label
        (the hidden state keeps it). With False a negative weight makes the loss unbounded below.
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is over rows, as torch takes it for soft labels, also with class weights.

    Returns
    -------
    torch.Tensor
        A scalar, or shape (n_rows,) with "none".

    Raises
    ------
    ValueError
        If shapes do not fit, or a class is none of the logits'.

    Examples
    --------
    >>> logits = torch.zeros(2, 4)
    >>> classes = torch.tensor([0, 1]), torch.tensor([2, 3])
    >>> round(float(soft_cross_entropy(logits, *classes, lam=0.75)), 4)  # log 4
    1.3863
    """
    check_choice("reduction", reduction, ["mean", "sum", "none"])
    smooth = check_number("label_smoothing", label_smoothing, low=0.0, high=1.0, open_high=True)
    if logits.dim() != 2 or not targets_a.shape == targets_b.shape == logits.shape[:1]:
        raise ValueError(
            "logits must have shape (n_rows, n_classes) and targets one class for each row, got "
            f"{tuple(logits.shape)}, {tuple(targets_a.shape)} and {tuple(targets_b.shape)}."
        )
    for one in (targets_a, targets_b):
        _check_on_host(one, logits.shape[1])
    if weight is not None and tuple(weight.shape) != (logits.shape[1],):
        raise ValueError(
            f"weight must have one entry for each of the {logits.shape[1]} classes, got shape "
            f"{tuple(weight.shape)}."
        )
    wide = torch.promote_types(logits.dtype, torch.float32)
    log_p = torch.log_softmax(logits, dim=-1, dtype=wide)  # (B, C)
    share = torch.as_tensor(lam, dtype=wide, device=logits.device)
    if share.dim() not in (0, 1) or (share.dim() and len(share) != len(logits)):
        raise ValueError(
            f"lam must be a number or one weight for each of the {len(logits)} rows, got shape "
            f"{tuple(share.shape)}."
        )
    if clip:
        share = share.clamp(0.0, 1.0)
    if weight is not None:
        log_p = log_p * weight.to(log_p)
    on_a = log_p.gather(1, targets_a[:, None].long()).squeeze(1)
    on_b = log_p.gather(1, targets_b[:, None].long()).squeeze(1)
    loss = -(share * on_a + (1 - share) * on_b)
    if smooth:
        loss = (1 - smooth) * loss - smooth * log_p.mean(dim=1)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _check_on_host(labels: torch.Tensor, num_classes: int | None = None) -> None:
    if labels.device.type == "cpu":  # elsewhere a look would wait for the device
        check_values(labels, num_classes)


def check_values(labels: torch.Tensor, num_classes: int | None = None) -> None:
    """Refuse NaN among numbers, and class numbers that are none."""
    if labels.is_floating_point():
        if not bool(labels.isfinite().all()):
            raise ValueError("labels hold NaN or infinity. Drop those rows first.")
        return
    over = labels >= num_classes if num_classes else torch.zeros_like(labels, dtype=torch.bool)
    if len(beyond := labels[(labels < 0) | over]):
        what = f"beyond num_classes={num_classes}" if num_classes else "no class number"
        raise ValueError(
            f"label {int(beyond[0])} is {what}. Classes count from 0; leave rows out that are not "
            "to count (-100)."
        )
