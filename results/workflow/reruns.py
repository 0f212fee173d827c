"""A stored run made again from the study that it keeps: do the bytes agree, and if not, what changed?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from assay.data.card import Card
from assay.data.files.packed import input_digest
from assay.results.storage.differences import RunDifferences, differences
from assay.results.storage.runs import Run
from assay.results.workflow.kept_study import read_kept
from assay.results.workflow.study import CheckSection, ReportSection, Study

__all__ = ["Rerun", "rerun"]

_METRICS = "metrics.json"


@dataclass(frozen=True, repr=False)
class Rerun(Card):
    """A run beside the same run, made again.

    Of a sweep the tables alone are compared: its metrics count the trials that the ledger has by now.

    Parameters
    ----------
    run : id of the stored run.
    files : how many files of it (metrics and tables) were compared.
    is_sweep : whether it is a grid of runs.
    changed_files : inputs that are not what they were, by name.
    differences : of the stored run and the new one.

    """

    run: str
    files: int
    is_sweep: bool
    changed_files: tuple[str, ...]
    differences: RunDifferences

    @property
    def same_bytes(self) -> bool:
        """Whether metrics and tables came out the same, byte for byte."""
        return self.differences.same_bytes

    @property
    def causes(self) -> tuple[str, ...]:
        """What changed since the run was made, one sentence each."""
        found, gone = self.differences, self.changed_files
        lines = [f"{name} is not the file that it was" for name in gone]
        lines += [f"the {item.name} are other values than they were" for item in found.inputs]
        lines += [f"{item.name}: was {item.one}, is {item.two}" for item in (*found.versions, *found.config)]
        return tuple(lines) or ("no input, setting or version changed; something else is not deterministic",)

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """Whether the bytes agree, and why not."""
        if self.same_bytes:
            what = f"{self.files} tables" if self.is_sweep else f"metrics and {self.files - 1} tables"
            return f"{self.run}: the same bytes, {what}", []
        title = f"{self.run}: {len(self.differences.tables)} of {self.files} files differ"
        return title, [("changed", line) for line in self.causes]


def rerun(run: Run, make: Callable[[Study, Path], Run]) -> Rerun:
    """Make a stored run again in a folder of its own, and compare the two.

    Parameters
    ----------
    run : a stored run with its study.
    make : the run of a study, stored under a results folder.

    Raises
    ------
    InputError
        If the run keeps no study, the study cannot be run, or an input is gone.

    """
    study = read_kept(run)
    changed = [
        name
        for name, digest in study.made_from.items()
        if input_digest(name) not in (None, digest)
    ]
    # What was checked of a run, and what was drawn of it, is not part of its bytes; the tables of its styles are.
    asked = study.checks
    checks = CheckSection(
        styles=asked.styles, baselines=asked.baselines, trials_elsewhere=asked.trials_elsewhere
    )
    report = ReportSection(keep=study.report.keep)
    study = replace(study, checks=checks, gate=None, report=report, positions=None, made_from={})
    with tempfile.TemporaryDirectory(prefix="assay-rerun-") as folder:
        again = make(study, Path(folder))
        compared = differences(run, again)
    files = list(run.manifest["files"])
    if run.kind == "sweep":
        files.remove(_METRICS)
        compared = replace(compared, tables=tuple(name for name in compared.tables if name != _METRICS))
    return Rerun(run.id, len(files), run.kind == "sweep", tuple(changed), compared)
