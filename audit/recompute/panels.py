"""Cases of a panel of predictions, all of them or those whose windows do not overlap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from assay.audit.recompute.conventions import Material, Panel

__all__ = ["OVERLAP", "horizons_idle", "pooled", "step_of"]

OVERLAP = ("every session", "every h-th session")


def pooled(panel: Panel, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Score and outcome of every case that has both, of every `step`-th session."""
    score, forward = panel.score[::step].ravel(), panel.forward[::step].ravel()
    known = np.isfinite(score) & np.isfinite(forward)
    return score[known], forward[known]


def step_of(panel: Panel, choice: Mapping[str, str]) -> int:
    """Sessions from one case to the next under the choice of overlapping windows or not."""
    return panel.horizon if choice.get("overlap") == OVERLAP[1] else 1


def horizons_idle(material: Material) -> tuple[str, ...]:
    """Dimensions that cannot matter: overlap, where no window is longer than a session."""
    return () if any(panel.horizon > 1 for panel in material.panels.values()) else ("overlap",)
