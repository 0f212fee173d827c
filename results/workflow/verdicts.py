"""What one does with a stored run: accept or reject it, draw it, put it beside others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from assay.data.errors import InputError
from assay.results.evidence.marginal import Marginal, marginal_of
from assay.results.gate.policy import GateDecision, judge, load_policy, write_decision
from assay.results.report.compare import Comparison, compare_runs
from assay.results.report.tearsheet import write_tearsheet
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, load_run

__all__ = ["compare", "gate", "marginal", "tearsheet"]


def _stored(run: Run | str | Path, root: Path | str) -> Run:
    return run if isinstance(run, Run) else load_run(run, root=root)


def gate(
    run: Run | str | Path,
    policy: str | Path = "production",
    *,
    champion: Run | str | Path | None = None,
    root: Path | str = DEFAULT_ROOT,
) -> GateDecision:
    """Accept or reject a run by a policy; the decision is also written to ``gate.json`` in the run's folder.

    Parameters
    ----------
    run : a stored run, its id or the start of it, or its folder.
    policy : one that ships (``production``, ``research``, ``challenger``), or a TOML file.
    champion : the run to compare with, for policies that need one.
    root : the results folder, where ids are looked up.

    Raises
    ------
    InputError
        If there is no such run or policy, or the policy cannot be read.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> gate(stored.run, "research").verdict
    'fail'

    """
    stored = _stored(run, root)
    other = None if champion is None else _stored(champion, root)
    decision = judge(stored, load_policy(policy), champion=other)
    write_decision(decision, stored)
    return decision


def tearsheet(
    run: Run | str | Path,
    path: Path | str | None = None,
    *,
    marks: Mapping[str, float] | None = None,
    root: Path | str = DEFAULT_ROOT,
) -> Path:
    """Draw a run as one HTML, PNG, PDF or Markdown file, and return where it is.

    Parameters
    ----------
    run : a stored run, its id or the start of it, or its folder.
    path : where to; the format is what it ends in. Default: ``tearsheet.html`` in the run's folder.
    marks : Sharpe ratios to draw beside the run's own, e.g. ``{"reported": 2.53}``.
    root : the results folder, where ids are looked up.

    Raises
    ------
    InputError
        If there is no such run, the format is unknown, or the file cannot be written.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> tearsheet(stored.run, "sheet.docx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.data.errors.InputError: tear sheet sheet.docx: the name ends in .docx, and is to say the format: ...

    """
    stored = _stored(run, root)
    return write_tearsheet(stored, stored.path / "tearsheet.html" if path is None else path, marks=marks)


def compare(*runs: Run | str | Path, draws: int = 2000, seed: int = 0, root: Path | str = DEFAULT_ROOT) -> Comparison:
    """Put two to six runs on the same sessions and test their differences.

    Parameters
    ----------
    runs : stored runs, their ids or the starts of them, or their folders.
    draws, seed : of the bootstrap; the same give the same answer.
    root : the results folder, where ids are looked up.

    Raises
    ------
    InputError
        With too few, too many or equal runs, or too few common sessions.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> names = ("quintile_long_short", "s5_long_only")
    >>> stored = [backtest(load_strategy(name), predictions, prices) for name in names]
    >>> compare(*(each.run for each in stored), draws=50)  # doctest: +ELLIPSIS
    2 runs over 55 sessions, 2000-01-10 … 2000-03-24
      quintile_long_short-...  net Sharpe 5.89
      s5_long_only-...         net Sharpe 3.01
      quintile_long_short-... − s5_long_only-...  Sharpe +2.87 [-2.38, 8.13]

    """
    return compare_runs([_stored(run, root) for run in runs], draws=draws, seed=seed)


def marginal(*runs: Run | str | Path, draws: int = 2000, root: Path | str = DEFAULT_ROOT) -> Marginal:
    """What the last run's signal adds to those before it, and to the baselines that walk-forwards ran beside it.

    Parameters
    ----------
    runs : stored runs, their ids or the starts of them, or their folders; two or more, the new one last.
    draws : of the bootstrap.
    root : the results folder, where ids are looked up.

    Raises
    ------
    InputError
        With fewer than two or equal runs, runs of different horizons, or fewer than 60 common sessions.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> rule, names = load_strategy("quintile_long_short"), ("there", "new")
    >>> stored = []
    >>> for seed, name in enumerate(names):
    ...     prices, _ = synthetic_market(120, 12, ic=0.1, seed=0)
    ...     _, predictions = synthetic_market(120, 12, ic=0.1, seed=seed)
    ...     stored.append(backtest(rule, predictions, prices).run)
    >>> marginal(*stored, draws=100).beside  # doctest: +ELLIPSIS
    ('quintile_long_short-...',)

    """
    chosen = [_stored(run, root) for run in runs]
    again = [run.id for place, run in enumerate(chosen) if run.id in {other.id for other in chosen[:place]}]
    if again:
        raise InputError(f"compare --marginal: {again[0]} is given twice; name different runs")
    if len(chosen) < 2:
        raise InputError("compare --marginal: name the runs that are there, and last the one that is new")
    return marginal_of(chosen, draws=draws)
