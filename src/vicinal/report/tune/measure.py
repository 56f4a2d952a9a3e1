"""Settings of the synthesizer, tried on a table: the Pareto front, and which to choose."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal._checks import check_count, check_number
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import RandomState, Seeds, TuneKey
from vicinal._stats import Estimate
from vicinal.page.frame import Page
from vicinal.page.result import RowsResult
from vicinal.report.tables import FEW_ROWS, Tables, align, check_target
from vicinal.report.tune.settings import command_of, default_settings, synthesizer_of

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.report.privacy.risk import Attack
    from vicinal.table.schema import Column
    from vicinal.table.synthesizer import TableSynthesizer

#: Rows to learn from, at most; as many are held out.
MOST_ROWS = 10_000
#: Synthetic rows whose nearest neighbors are sought, at most.
NEAREST_ROWS = 5_000

#: Fidelities that differ by less than this over the root of the training rows count as equal. The
#: standard deviation between splits was 0.06 to 0.5 times that root in ten trials on four sets.
#: Nothing rests on the third digit: fidelities and utilities that differ by less are equal.
SLACK, DIGIT = 0.2, 0.005
#: Steps of DCR shares and of risks within which two settings are as private.
SHARE_STEP, RISK_STEP = 0.01, 0.05
#: Attacks of each kind on a setting.
N_ATTACKS = 500


@dataclass(frozen=True)
class Setting:
    """A setting of the synthesizer, and what was measured of it.

    Attributes
    ----------
    name : str
        What it is, in words.
    command : str
        Command line that uses it on the whole table.
    options : dict of str to str or int
        The same for :class:`vicinal.table.TableSynthesizer`; weights as
        :func:`vicinal.weights.parse_law` reads them.
    fidelity : Estimate
        Mean similarity of columns and of pairs of columns; 1 = identical.
    dcr_share : Estimate
        Share of synthetic rows that lie closer to a training row than to one held out, by Gower's
        distance; 0.5 is ideal.
    utility : Estimate or None
        AUC or R2 of boosted trees trained on its rows, tested on the rows held out; None without
        a target.
    on_pareto_front : bool
        Whether no other setting is at least as good in all of them and better in one.
    risk : Estimate or None
        What rows have to fear of the worst attack (by the upper end of its interval) beyond rows
        held out; None with fewer than 50 training rows.
    attack : str
        Which attack that is.
    """

    name: str
    command: str
    options: dict[str, Any]
    fidelity: Estimate
    dcr_share: Estimate
    utility: Estimate | None
    on_pareto_front: bool
    risk: Estimate | None = None
    attack: str = ""

    def synthesizer(self, **more: Any) -> TableSynthesizer:
        """Return an unfitted synthesizer of this setting.

        Parameters
        ----------
        **more
            Further parameters, such as ``random_state``.

        Returns
        -------
        TableSynthesizer
            To be fitted.
        """
        return synthesizer_of(self.options, **more)


@dataclass(frozen=True)
class TuningResult(RowsResult):
    """Settings side by side.

    Attributes
    ----------
    settings : tuple of Setting
        What was tried.
    recommended : int or None
        Place of the most faithful setting that stays below the limits (see :func:`tune`); None
        where there is none.
    limit, max_risk : float
        Largest DCR share, and largest risk of an attack, that are accepted.
    target : str or None
        Column that models predict.
    metric : str
        "AUC" or "R2"; empty without a target.
    real : Estimate or None
        The same models' figure when they learn from the real rows.
    rows : tuple of int
        Training rows, and rows held out.
    notes : tuple of str
        Warnings, in words.
    """

    settings: tuple[Setting, ...]
    recommended: int | None
    limit: float
    target: str | None
    metric: str
    real: Estimate | None
    rows: tuple[int, int]
    notes: tuple[str, ...]
    max_risk: float = 1.0

    @property
    def best(self) -> Setting | None:
        """The recommended setting, if there is one."""
        return None if self.recommended is None else self.settings[self.recommended]

    @property
    def why_none(self) -> str:
        """Why no setting is recommended; empty where one is."""
        if self.best is not None:
            return ""
        said = []
        near, safe = min(self.settings, key=_upper), min(self.settings, key=_upper_risk)
        if not _is_below(_upper(near), self.limit):
            said.append(
                f"No setting surely keeps the DCR share below {self.limit:g}: {near.name} comes "
                f"nearest with {near.dcr_share}."
            )
        if not _is_below(_upper_risk(safe), self.max_risk):
            said.append(
                f"No setting surely keeps the risk of every attack below {self.max_risk:g}: "
                f"{safe.name} comes nearest with {safe.risk} ({safe.attack})."
            )
        if not said:
            said.append(
                f"No setting keeps both the DCR share below {self.limit:g} and the risk of every "
                f"attack below {self.max_risk:g}: by DCR share {near.name} comes nearest "
                f"({near.dcr_share}), by attacks {safe.name} ({safe.risk}, {safe.attack})."
            )
        return " ".join([*said, "Allow more, or pass more rows: fewer rows, wider intervals."])

    def summary(self) -> str:
        """Return the settings as a text of one line each, and the recommendation."""
        width = max(len(one.name) for one in self.settings)
        head = f"  {'setting':<{width}}  {'fidelity':>8}  {'DCR share':>22}  {'worst risk':>22}"
        lines = [f"{head}  {self.metric:>8}".rstrip()]
        order = sorted(range(len(self.settings)), key=lambda at: -_key(self.settings[at].fidelity))
        for at in order:
            one = self.settings[at]
            mark = ">" if at == self.recommended else "*" if one.on_pareto_front else " "
            line = f"{mark} {one.name:<{width}}  {one.fidelity.value:>8.3f}  {one.dcr_share!s:>22}"
            line += f"  {'-' if one.risk is None else str(one.risk):>22}"
            lines.append(line + (f"  {one.utility.value:>8.3f}" if one.utility else ""))
        lines += ["", "> recommended, * on the Pareto front: no other is better in everything."]
        if self.real is not None:
            lines.append(f"Training on real rows reaches {self.metric} {self.real.value:.3f}.")
        best = self.best
        if best is None:
            lines.append(self.why_none)
        else:
            said = f" and every attack's risk below {self.max_risk:g}"
            if best.risk is None:
                said = f" (no attack was run: each needs {FEW_ROWS} training rows)"
            lines.append(
                f"Best fidelity and utility with a DCR share below {self.limit:g}{said}: "
                f"{best.name}."
            )
            lines += ["", f"$ {best.command}"]
        return "\n".join([*lines, *(("", *self.notes) if self.notes else ())])

    def _columns(self) -> dict[str, Any]:
        every = self.settings
        return {
            "name": [one.name for one in every],
            "fidelity": [one.fidelity.value for one in every],
            "dcr_share": [one.dcr_share.value for one in every],
            "risk": [one.risk and one.risk.value for one in every],
            "attack": [one.attack for one in every],
            "utility": [one.utility and one.utility.value for one in every],
            "on_pareto_front": [one.on_pareto_front for one in every],
            "recommended": [at == self.recommended for at in range(len(every))],
            "command": [one.command for one in every],
        }

    def _page(self) -> Page:
        from vicinal.report.page.collapse_and_tune import tuning_page

        return tuning_page(self)


def tune(
    table: Any,
    target: str | None = None,
    *,
    limit: float = 0.55,
    max_risk: float = 0.2,
    settings: Sequence[Mapping[str, Any]] | None = None,
    kinds: Mapping[str, str] | None = None,
    max_rows: int = MOST_ROWS,
    repeats: int = 1,
    source: str = "people.csv",
    random_state: RandomState = None,
    progress: bool | ProgressCallback = False,
) -> TuningResult:
    """Try settings of the synthesizer on a table, and recommend one.

    Parameters
    ----------
    table : pandas, Polars or PyArrow table
        The real rows.
    target : str, optional
        Column that a model will predict.
    limit : float, default 0.55
        What the DCR share is to stay below: the share of synthetic rows that lie closer to a
        training row than to one held out. Fresh rows would have 0.5; 1 allows any.
    max_risk : float, default 0.2
        What the risk of every attack is to stay below: its success on training rows beyond that on
        rows held out (see :func:`evaluate`), 0 for fresh rows and 1 for copies; 1 allows any.
    settings : sequence of mapping, optional
        Settings to try, as parameters of :class:`vicinal.table.TableSynthesizer`, weights as texts
        such as ``"sphere:8"``. Left out: the privacy settings, and around them EpBeta's delta and
        eps, neighbors, parents, and the same without grouping by the target.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong.
    max_rows : int, default 10000
        Training rows, at most. As many are held out: half of the table where it is smaller.
    repeats : int, default 1
        How often to split and draw anew. From 2 on, intervals are Student's over repeats.
    source : str, default "people.csv"
        Name of the table's file, for the command line.
    random_state : int, numpy.random.Generator or None, default None
        Seed.
    progress : bool or callable, default False
        True shows a bar; a callable is given the name of the next setting, the trials done and
        the number of all.

    Returns
    -------
    TuningResult
        The settings with their figures, and a recommendation.

    Raises
    ------
    ValueError
        If the table has fewer than eight rows, the target is not there or has one class, or a
        setting is not possible.

    Warns
    -----
    UserWarning
        With fewer than 100 rows, half of which are for training.

    Notes
    -----
    Settings qualify whose DCR share and whose attacks, at the *upper ends* of their intervals, stay
    below the limits: the best of many is partly luck. Recommended is the most faithful of these; of
    settings that are equally faithful (within 0.2 over the root of the training rows, or 0.005) the
    most useful one; of those equally useful (within 0.005) the one with the least risk, in steps of
    0.05, and then the least DCR share, in steps of 0.01.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 3))
    >>> table = pa.table({name: x[:, at].round(2) for at, name in enumerate("abc")})
    >>> tried = [{"privacy": "off"}, {"neighbors": 40, "weights": "sphere:8"}]
    >>> found = tune(table, settings=tried, limit=0.9, random_state=0)
    >>> found.settings[0].fidelity.value > 0.9, found.rows
    (True, (200, 200))
    """
    from vicinal.table.frames import to_arrow
    from vicinal.table.infer import infer

    limit = check_number("limit", limit, low=0.5, high=1, hint="Fresh rows would have 0.5.")
    max_risk = check_number("max_risk", max_risk, low=0, high=1, hint="Fresh rows would have 0.")
    repeats = check_count("repeats", repeats)
    arrow, schema = infer(to_arrow(table), kinds)
    columns = list(schema.columns)
    half = _half(arrow.num_rows, check_count("max_rows", max_rows, low=4))
    if target is not None:
        check_target(target, columns)
    tried = [dict(one) for one in settings] if settings else default_settings(columns, target, half)
    for one in tried:  # a setting that cannot be is refused first
        synthesizer_of(one)
    seeds = Seeds(random_state)
    trials = [_Trial(arrow, columns, target, half, seeds, at) for at in range(repeats)]
    total = len(trials) * len(tried)
    found: list[list[_Measured]] = [[] for _ in tried]
    with warnings.catch_warnings(), reporting(progress) as report:
        warnings.simplefilter("ignore", UserWarning)  # the same notes again for every setting
        # first, since a target that cannot be predicted is refused here
        reference = [trial.real() for trial in trials] if target is not None else []
        for done, (trial, at) in enumerate(product(trials, range(len(tried)))):
            report(command_of(tried[at], source)[0], done, total)
            found[at].append(trial.measure(tried[at], at))
        report("", total, total)
    made = [
        _setting(options, one, source, kinds, target)
        for options, one in zip(tried, found, strict=True)
    ]
    return TuningResult(
        settings=_ranked(made),
        recommended=_recommended(made, limit, max(SLACK / math.sqrt(half), DIGIT), max_risk),
        max_risk=max_risk,
        limit=limit,
        target=target,
        metric=found[0][0].metric,
        real=Estimate.of_repeats(reference) if reference else None,
        rows=(half, half),
        notes=_notes(arrow, half, repeats),
    )


def _ranked(made: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return the settings as they are called among each other, with their places on the front."""
    unsaid = "" if any("target" in one.options for one in made) else ", no target"
    return tuple(
        replace(one, name=one.name.removesuffix(unsaid), on_pareto_front=_is_undominated(one, made))
        for one in made
    )


def _half(n_rows: int, max_rows: int) -> int:
    """Return how many rows are for training; as many are held out."""
    half = min(n_rows // 2, max_rows)
    if half < 4:
        raise ValueError(
            f"The table has {n_rows} row(s); half of them are held out, and the rest must be "
            "mixed. Pass at least 8."
        )
    if half < FEW_ROWS:
        warnings.warn(
            f"There are {half} training rows and as many are held out. Intervals are wide; the "
            "recommendation may be luck.",
            UserWarning,
            stacklevel=3,
        )
    return half


class _Measured(NamedTuple):
    fidelity: float
    dcr_share: Estimate
    utility: float
    metric: str
    attacks: Sequence[Attack]


class _Trial:
    """One split of the rows, on which every setting is tried."""

    def __init__(
        self,
        arrow: pa.Table,
        columns: list[Column],
        target: str | None,
        half: int,
        seeds: Seeds,
        number: int,
    ) -> None:
        order = seeds.generator(TuneKey.SPLIT, number).permutation(arrow.num_rows)
        self._train = arrow.take(np.sort(order[:half]))
        self._held = arrow.take(np.sort(order[half : 2 * half]))
        # what was found on all rows holds for a part of them
        self._kinds = {c.name: c.kind for c in columns if c.kind not in {"constant", "missing"}}
        self._columns, self._target = columns, target
        self._seeds, self._number = seeds, number

    def measure(self, options: Mapping[str, Any], at: int) -> _Measured:
        """Learn one part with these options, and compare with the other."""
        from vicinal.report.fidelity.measure import measure_fidelity
        from vicinal.report.privacy.attacks import run_attacks
        from vicinal.report.privacy.dcr import dcr_shares

        rng = self._seeds.generator(TuneKey.SAMPLE, self._number, at)
        model = synthesizer_of(
            options, kinds=self._kinds, identifiers="drop", text="drop", random_state=rng
        )
        tables = self._align(model.fit(self._train).sample())
        measure = self._seeds.generator(TuneKey.MEASURE, self._number, at)
        fidelity = measure_fidelity(tables, random_state=measure, two_sample=False).quality
        share = dcr_shares(tables, metrics=("gower",), max_rows=NEAREST_ROWS, rng=measure)["gower"]
        utility, metric = self._utility(tables, "synthetic")
        attacks = run_attacks(tables, measure, N_ATTACKS)
        return _Measured(fidelity, share, utility, metric, attacks)

    def real(self) -> float:
        """Return the utility of the real rows."""
        return self._utility(self._align(self._train), "real")[0]

    def _align(self, synthetic: pa.Table) -> Tables:
        kept = [c.name for c in self._columns if c.kind not in {"identifier", "text"}]
        parts = (one.select(kept) for one in (self._train, synthetic, self._held))
        columns = [c for c in self._columns if c.name in kept]
        return align(*parts, target=self._target, columns=columns)

    def _utility(self, tables: Tables, trained_on: str) -> tuple[float, str]:
        from vicinal.report.utility.measure import measure_utility

        if self._target is None:
            return math.nan, ""
        # the same draws for every setting: what differs is the setting
        found = measure_utility(
            tables,
            repeats=1,
            models=["boosted trees"],
            sources=[trained_on],
            random_state=self._seeds.generator(TuneKey.MEASURE, self._number),
        )
        return found.score(trained_on).figure.value, found.metric


def _setting(
    options: dict[str, Any],
    found: Sequence[_Measured],
    source: str,
    kinds: Mapping[str, str] | None,
    target: str | None,
) -> Setting:
    name, command = command_of(options, source, kinds)
    share = found[0].dcr_share
    if len(found) > 1:
        share = Estimate.of_repeats([one.dcr_share.value for one in found])
    risks: dict[str, list[Estimate]] = {}
    for attack in (attack for one in found for attack in one.attacks):
        risks.setdefault(attack.name, []).append(attack.risk)
    over = {name: _over_repeats(some) for name, some in risks.items()}
    worst = max(over, key=lambda name: np.nan_to_num(over[name].high), default="")
    return Setting(
        name=name,
        command=command,
        options=options,
        fidelity=Estimate.of_repeats([one.fidelity for one in found]),
        dcr_share=share,
        utility=Estimate.of_repeats([one.utility for one in found]) if target else None,
        on_pareto_front=False,
        risk=over.get(worst),
        attack=worst,
    )


def _over_repeats(risks: Sequence[Estimate]) -> Estimate:
    """Return the mean risk of an attack; its interval is no narrower than those of the splits."""
    if len(risks) == 1:
        return risks[0]
    found = Estimate.of_repeats([one.value for one in risks])
    low, high = (float(np.mean([getattr(one, end) for one in risks])) for end in ("low", "high"))
    return Estimate(found.value, min(found.low, low), max(found.high, high))


def _upper(one: Setting) -> float:
    share = one.dcr_share
    return share.value if math.isnan(share.high) else share.high


def _upper_risk(one: Setting) -> float:
    """Return the upper end of a risk; 0 where nothing was attacked."""
    if one.risk is None:
        return 0.0
    return one.risk.value if math.isnan(one.risk.high) else one.risk.high


def _privacy(one: Setting) -> tuple[float, float]:
    """Return risk and DCR share in coarse steps; a share below 0.5 is no better than 0.5."""
    steps = _upper_risk(one) / RISK_STEP, max(one.dcr_share.value, 0.5) / SHARE_STEP
    return float(round(steps[0])), float(round(steps[1]))


def _key(figure: Estimate | None) -> float:
    return -math.inf if figure is None or math.isnan(figure.value) else figure.value


def _merits(one: Setting) -> tuple[float, ...]:
    """Return what is the better the larger; a share below 0.5 is no better than 0.5."""
    share, risk = max(one.dcr_share.value, 0.5), _privacy(one)[0]
    return _key(one.fidelity), -share, -risk, _key(one.utility)


def _is_undominated(one: Setting, others: Sequence[Setting]) -> bool:
    mine = _merits(one)
    return not any(
        theirs != mine and all(a >= b for a, b in zip(theirs, mine, strict=True))
        for theirs in map(_merits, others)
    )


def _is_below(figure: float, limit: float) -> bool:
    """Tell whether a share stays below a limit; 1 allows any."""
    return figure < limit or limit >= 1.0


def _recommended(
    settings: Sequence[Setting], limit: float, slack: float, max_risk: float = math.inf
) -> int | None:
    """Return the place of the setting to choose: faithful, then useful, then private."""
    left = [
        at
        for at, one in enumerate(settings)
        if _is_below(_upper(one), limit) and _is_below(_upper_risk(one), max_risk)
    ]
    if not left:
        return None
    best = max(_key(settings[at].fidelity) for at in left)
    left = [at for at in left if _key(settings[at].fidelity) >= best - slack]
    best = max(_key(settings[at].utility) for at in left)
    left = [at for at in left if _key(settings[at].utility) >= best - DIGIT]
    return min(left, key=lambda at: (_privacy(settings[at]), -_key(settings[at].fidelity)))


def _notes(table: pa.Table, half: int, repeats: int) -> tuple[str, ...]:
    from vicinal.table.panel.find import find_panel

    total, panel = table.num_rows, find_panel(table)
    entities: tuple[str, ...] = ()
    if panel is not None and panel.entity is not None:
        entities = (
            f"Rows belong to entities ({panel.entity}), which stand on both sides of each split: "
            "DCR shares, risks and utility look better than they are.",
        )
    often = f", {repeats} times." if repeats > 1 else ", once: another split gives other figures."
    return (
        f"Each setting was trained on {half:,} of {total:,} rows and compared with {half:,} others"
        + often,
        f"The command trains on all {total:,} rows. A neighborhood of the same size is then "
        "nearer: let a report measure what it makes.",
        *entities,
    )
