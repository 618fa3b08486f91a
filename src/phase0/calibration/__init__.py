"""How well a scorer agrees with people and strong judges: labels in many layouts in, agreement with intervals out."""

from __future__ import annotations

from phase0.calibration.comparing import calibrate
from phase0.calibration.results import Baseline, Baselines, Calibration, Estimate
from phase0.calibration.rows import write_answers

__all__ = ["Baseline", "Baselines", "Calibration", "Estimate", "calibrate", "write_answers"]
