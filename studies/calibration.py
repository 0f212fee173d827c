"""How often the gate's statistical rules pass on noise, and how often on skill.

Run: ``python studies/calibration.py --out studies/calibration.md`` (about an hour on one core; ``--jobs 2`` helps).
Outcomes are kept under ``--work``: a run that was killed goes on there, and one that finds everything only judges.
Empty that folder after a change of what is simulated.

Score panels come from a known generator (`data.synthetic.score_panel`: half-life 5 sessions, h = d = 1) and run through
S2 with its overlays at 5 bps. Integrity rules are taken as passed, so what is measured is the statistics alone.
*quiet* (20 assets × 1,000 sessions, 2% a day, a common factor of 1% a day, no drift) and *drift* (the same with 0.04% a
session) draw a new market for every panel and for every round of the best of 100; *sample* is the embedded closes from
2010 on, the same for all panels. *wide* (100 assets × 2,520 sessions, with drift) shows power where there is more
evidence, *sample_1993* and *beta_1993* (without kill switches, with scores that are new every session) what beta alone
earns. ``--models`` ridge models take the whole path through the commands.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.engine.executors import run_tasks
from assay.results.gate.policy import load_policy
from studies import calibration_report as report
from studies.calibration_models import ridge_models
from studies.calibration_report import MarketFigures, Power, Share
from studies.calibration_rules import CONFIDENCE, after, alone, figures, ic_t, passes, sharpe, stubbed
from studies.calibration_runs import RANKED, STARTS, Arrays, Floats, Sizes, market_of, random_p, rows, simulated

#: Rules on single statistics, which a policy can require; what the shipped ones ask for is measured in gate_power.py.
POLICY = load_policy(Path(__file__).with_name("calibration_policy.toml"))
MARKETS = ("quiet", "drift", "sample", "wide", "sample_1993", "beta_1993")
#: Random-score runs behind a joint verdict on noise, and on skill, where many more panels come that far; with either
#: p ≤ 0.05 has exactly 5% under the null.
RUNS_NOISE, RUNS_SKILL = 199, RANKED
_YEAR = 252**0.5


class Ranks:
    """p among random scores, asked for only where every other rule passes, and kept in the work folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._path = name, folder / f"{name}-random-p.json"
        self._known: dict[str, float] = json.loads(self._path.read_text()) if self._path.is_file() else {}

    def of(self, outcome: Arrays, runs: int) -> float:
        ic, seed = float(outcome["ic_planted"]), int(outcome["seed"])
        key = f"{ic}/{seed}/{runs}"
        if key not in self._known:
            self._known[key] = random_p(market_of(self._name, outcome), ic, seed, runs)
            aside = self._path.with_suffix(f".{os.getpid()}.tmp")
            aside.write_text(json.dumps(self._known))
            os.replace(aside, self._path)
        return self._known[key]


def sizes_of(found: Arrays, name: str) -> dict[str, Share]:
    """How often each rule alone rejects noise at nominal 5%."""
    panels = list(rows(found))
    shares = {"ic": Share.of(abs(t) > critical for t, critical in map(ic_t, panels))}
    against = {"benchmark": None, "equal": None, "mean": None} if name in STARTS else {"benchmark": None}
    # What all the panels hold together is common to them: after it, no panel has an alpha by construction.
    mean = found["gross"].mean(axis=0)
    for which in against:
        for side in ("gross", "net"):
            lines = [after(one[side], mean if which == "mean" else one[which]) for one in panels]
            shares[f"alpha {side} {which}"] = Share.of(abs(line.alpha_t) > line.critical for line in lines)
            shares[f"alpha up {side} {which}"] = Share.of(line.alpha_t > line.critical for line in lines)
            shares[f"deflated {side} {which}"] = Share.of(line.deflated >= CONFIDENCE for line in lines)
    if np.isfinite(found["p"]).all():
        shares["rank"] = Share.of(p <= 0.05 + 1e-12 for p in found["p"])
    return shares


def joint_of(found: Arrays, ranks: Ranks, runs: int, *, ledger: bool = False) -> Share:
    """How often every statistical rule of the policy passes; `ledger`: all trials are known."""
    return Share.of(
        passes(POLICY, figures(one, one["sharpes"] if ledger else None), partial(ranks.of, one, runs))
        for one in rows(found)
    )


def best_of(found: Arrays, ranks: Ranks) -> dict[str, Share]:
    """The best of 100: alone, with the ledger, and the deflated Sharpe ratio of both by itself."""
    panels = list(rows(found))
    return {
        "joint alone": joint_of(found, ranks, RANKED),
        "joint ledger": joint_of(found, ranks, RUNS_NOISE, ledger=True),
        "deflated alone": Share.of(after(one["net"], one["benchmark"]).deflated >= CONFIDENCE for one in panels),
        "deflated ledger": Share.of(
            after(one["net"], one["benchmark"], one["sharpes"]).deflated >= CONFIDENCE for one in panels
        ),
    }


def power_of(found: Arrays, ranks: Ranks, runs: int) -> dict[float, Power]:
    """By IC: mean net Sharpe ratio, how often three rules pass each by itself, and all together."""
    out = {}
    for ic in np.unique(found["ic_planted"]).tolist():
        chosen = {key: values[found["ic_planted"] == ic] for key, values in found.items()}
        read = [figures(one) for one in rows(chosen)]
        out[ic] = Power(
            _mean_sharpe(chosen["net"]),
            {rule: Share.of(alone(POLICY, rule, one[rule]) for one in read) for rule in report.SHOWN},
            joint_of(chosen, ranks, runs),
        )
    return out


def _mean_sharpe(returns: Floats) -> float:
    return _YEAR * float(np.mean([sharpe(one) for one in returns]))


def study(name: str, sizes: Sizes, folder: Path) -> MarketFigures:
    """Simulate what is not in the folder, then judge."""
    found = simulated(name, sizes, folder, partial(print, file=sys.stderr, flush=True))
    ranks = Ranks(name, folder)
    noise, skilled = found.noise, found.skill
    power = {} if noise is None else power_of(noise, ranks, RUNS_NOISE)
    return MarketFigures(
        name=name,
        sizes={} if noise is None else sizes_of(noise, name),
        best={} if found.best is None else best_of(found.best, ranks),
        power=power if skilled is None else {**power, **power_of(skilled, ranks, RUNS_SKILL)},
        sharpe_gross=math.nan if noise is None else _mean_sharpe(noise["gross"]),
        alpha_t=math.nan if noise is None else _mean_alpha_t(noise),
    )


def _mean_alpha_t(noise: Arrays) -> float:
    return float(np.mean([after(one["net"], one["benchmark"]).alpha_t for one in rows(noise)]))


def wanted(options: argparse.Namespace) -> dict[str, Sizes]:
    """What is simulated on each market."""
    whole = Sizes(options.panels, options.rounds, options.power)
    beta = Sizes(math.ceil(0.1 * options.panels), 0, 0, ranked=False)
    sizes = {
        "sample_1993": beta,
        "beta_1993": beta,
        "wide": Sizes(math.ceil(0.1 * options.panels), 0, math.ceil(0.2 * options.power), ranked=False),
    }
    return {name: sizes.get(name, whole) for name in options.market or MARKETS}


def every(sizes: dict[str, Sizes], folder: Path, jobs: int) -> list[MarketFigures]:
    """All markets, the dearest first where there is more than one process."""
    dear = list(sizes) if jobs == 1 else sorted(sizes, key=lambda name: name not in STARTS)
    tasks = [(name, sizes[name], folder) for name in dear]
    found = {dear[place]: figures for place, figures in run_tasks(study, tasks, executor="process", workers=jobs)}
    return [found[name] for name in sizes]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the options, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=1000, help="noise panels a market")
    parser.add_argument("--rounds", type=int, default=200, help="repetitions of the best of 100")
    parser.add_argument("--power", type=int, default=100, help="panels at each IC")
    parser.add_argument("--models", type=int, default=50, help="ridge models through the commands")
    parser.add_argument("--market", choices=MARKETS, action="append")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "calibration")
    parser.add_argument("--out", type=Path, help="Markdown to write; the figure lies beside it as .png")
    options = parser.parse_args(arguments)
    say: Callable[[str], None] = partial(print, file=sys.stderr, flush=True)
    markets = every(wanted(options), options.work, options.jobs)
    models = ridge_models(options.models, options.work, say)
    command = f"python studies/calibration.py --panels {options.panels} --rounds {options.rounds}"
    command += f" --power {options.power} --models {options.models} --out {options.out}"
    made = f"Made by `{command}` on {pd.Timestamp.now().date()}."
    text = report.page(markets, models, stubbed(POLICY), made)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
        report.draw(markets, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
