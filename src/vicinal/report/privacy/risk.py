"""An attack, its control, and the risk that is left."""

from __future__ import annotations

import math
from typing import NamedTuple

from vicinal._stats import Estimate


class Attack(NamedTuple):
    """How often an attack succeeds."""

    name: str
    success: Estimate  # share of attacks on training rows that succeed
    control: Estimate  # the same of rows that the generator never saw
    says: str  # what the attacker does

    @property
    def risk(self) -> Estimate:
        """What training rows have to fear beyond unseen ones: 0 is none, 1 certain success."""
        return residual_risk(self.success, self.control)


def residual_risk(success: Estimate, control: Estimate) -> Estimate:
    """Return the success beyond the control's, as a share of what there is to gain."""
    # the interval is made of the distances from both shares to the ends of their own
    s, c = success.value, control.value
    if math.isnan(s) or math.isnan(c):
        return Estimate(math.nan)
    if c >= 1.0:  # nothing is left to gain
        return Estimate(0.0, 0.0, 0.0)
    by_success, by_control = 1 / (1 - c), (1 - s) / (1 - c) ** 2
    down = math.hypot((s - success.low) * by_success, (control.high - c) * by_control)
    up = math.hypot((success.high - s) * by_success, (c - control.low) * by_control)
    risk = (s - c) / (1 - c)
    return Estimate(risk, risk - down, min(risk + up, 1.0))
