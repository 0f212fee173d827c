"""How often the production policy passes noise and skill, at one look and at every monthly look.

Run: ``python studies/gate_power.py --out studies/gate_power.md``. Outcomes are kept under ``--work``: a run that was
killed goes on there, ``--minutes`` ends it, and what lies there is what the page is made of. Seeds are fixed
(`gate_power_runs.seed_of`); each market, noise panel and skill panel has its own.

Every panel goes through S2 with its overlays at 5 bps. What is judged are the rules of `production` on skill and money,
with the product's own figures; its rules on integrity are taken as passed.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.engine.executors import Workers, run_tasks
from assay.results.stats.proportions import wilson_interval
from studies import gate_power_runs, gate_power_styles
from studies.calibration_runs import ICS
from studies.gate_power_runs import KINDS, NEEDED, TRIED, made, stored, violated

#: part → what makes a unit of it.
PARTS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "noise": gate_power_runs.noise,
    "skill": gate_power_runs.skill,
    "rounds": gate_power_runs.rounds,
    "luck": gate_power_runs.luck,
    "overlap": gate_power_runs.overlap,
    "whole skill": gate_power_styles.skill,
    "whole sectors": gate_power_styles.sectors,
    "whole rounds": gate_power_styles.rounds,
    "whole noise": gate_power_styles.noise,
}
#: Units of work: part, market, how many at scale 1.
PLAN = (
    ("noise", "quiet", 400),
    ("noise", "drift", 200),
    ("noise", "sample", 400),
    ("noise", "structured", 250),
    ("noise", "wide", 200),
    ("skill", "quiet", 400),
    ("skill", "structured", 300),
    ("skill", "sample", 60),
    ("skill", "wide", 20),
    ("rounds", "quiet", 100),
    ("rounds", "sample", 20),
    ("luck", "quiet", 300),
    ("overlap", "structured", 300),
    ("whole skill", "quiet", 320),
    ("whole skill", "structured", 240),
    ("whole skill", "sample", 48),
    ("whole sectors", "structured", 120),
    ("whole rounds", "quiet", 80),
    ("whole rounds", "sample", 16),
    ("whole noise", "quiet", 120),
    ("whole noise", "sample", 40),
    ("whole noise", "structured", 40),
)
#: Parts of the plan are made in so many slices, so that what is there after any time is balanced.
_SLICES = 20
_HURDLE = math.log(NEEDED)
_MANY = math.log(NEEDED * TRIED)

#: Of x that is made, not measured.
_PATHS = 4000

_Row = dict[str, Any]
_RULES: dict[str, Callable[[_Row], bool]] = {
    "production, E ≥ 20 at any monthly look": lambda row: row["first_pass"] >= 0,
    "production, E ≥ 20 at the end": lambda row: row["log_e"] >= _HURDLE and row["sound"] > 0,
    "selection, max-t p ≤ 0.05 at one look": lambda row: row["t"] >= 1.645 and row["sound"] > 0,
    "production with the break-even's estimate, monthly": lambda row: row["first_point"] >= 0,
    "selection with the break-even's estimate": lambda row: row["t"] >= 1.645 and row["sound_point"] > 0,
    "rules until now, without random scores": lambda row: row["old"] > 0,
    "rank IC t ≥ 2": lambda row: row["rank_t"] >= 2,
    "alpha t ≥ 2": lambda row: row["alpha_t"] >= 2,
    "DSR of the residual ≥ 0.95": lambda row: row["deflated"] >= 0.95,
    "E ≥ 20 at any monthly look": lambda row: row["log_e_max"] >= _HURDLE,
    "t > 1.645 at any monthly look": lambda row: row["naive_max"] > 1.645,
}
_AMONG: dict[str, Callable[[_Row], bool]] = {
    "production, E ≥ 2,000 at any monthly look": lambda row: row["first_pass"] >= 0,
    "selection, max-t p ≤ 0.05 at one look": lambda row: row["max_t_p"] <= 0.05 and row["sound"] > 0,
    "selection with the break-even's estimate": lambda row: row["max_t_p"] <= 0.05 and row["sound_point"] > 0,
    "Šidák, t ≥ 3.28": lambda row: row["t"] >= 3.283 and row["sound"] > 0,
    "rules until now, without random scores and PBO": lambda row: row["old"] > 0,
    "SPA p ≤ 0.05": lambda row: row["spa_p"] <= 0.05,
    "StepM p ≤ 0.05": lambda row: row["step_p"] <= 0.05,
    "DSR of the residual ≥ 0.95": lambda row: row["deflated"] >= 0.95,
    "PBO ≤ 0.5": lambda row: row["pbo"] <= 0.5,
}


def share(rows: Iterable[_Row], rule: Callable[[_Row], bool]) -> str:
    """A share with Wilson's 95% interval."""
    listed = [rule(row) for row in rows]
    if not listed:
        return "–"
    low, high = wilson_interval(sum(listed), len(listed))
    return f"{np.mean(listed):.1%} [{low:.1%}, {high:.1%}]"


def work(folder: Path, scale: float, jobs: int, minutes: float, begin: str = "") -> None:
    """Make what is not there, slice by slice, until the time is up; of parts whose names begin so."""
    until = time.monotonic() + 60 * minutes
    units = []
    for piece in range(_SLICES):
        for part, name, count in (unit for unit in PLAN if unit[0].startswith(begin)):
            total = math.ceil(scale * count)
            first, last = (math.ceil(total * (piece + end) / _SLICES) for end in (0, 1))
            units += [(PARTS[part], part, name, i) for i in range(first, last)]
    with Workers("process", jobs) as on:
        for start in range(0, len(units), 4 * jobs):
            if time.monotonic() > until:
                return
            list(run_tasks(made, [(folder, *unit) for unit in units[start : start + 4 * jobs]], executor=on))


def tables(folder: Path, scale: float) -> list[str]:
    """The page's tables from what lies in the folder."""
    found = {(part, name): stored(folder, part, name, math.ceil(scale * count)) for part, name, count in PLAN}
    lines = ["## Noise", "", "One panel, a ledger of one.", ""]
    groups = {name: [row["scores"] for row in found["noise", name]] for name in ("quiet", "drift", "sample", "wide")}
    groups |= {f"structured: {kind}": [row[kind] for row in found["noise", "structured"]] for kind in KINDS}
    groups = {name: rows for name, rows in groups.items() if rows}
    lines += _table(["market", "panels", *_RULES], [
        [name, str(len(rows)), *(share(rows, rule) for rule in _RULES.values())] for name, rows in groups.items()
    ])  # fmt: skip
    lines += ["", "## The best of 100", "", "Panels that know nothing, all 100 in the ledger.", ""]
    rows = []
    for name in ("quiet", "sample"):
        for picked in ("best sharpe", "best t"):
            chosen = [row[picked] for row in found["rounds", name]]
            if chosen:
                rows.append([f"{name}, {picked.replace('best', 'best by')}", str(len(chosen)),
                             *(share(chosen, rule) for rule in _AMONG.values())])  # fmt: skip
    lines += _table(["chosen", "rounds", *_AMONG], rows)
    lucky = [row["best"] for row in found["luck", "quiet"]]
    if lucky:
        told = f"The most skilful of 100 by t in {len(lucky)} further rounds on *quiet*, whatever it earns: "
        told += f"max-t p ≤ 0.05 in {share(lucky, lambda row: row['max_t_p'] <= 0.05)}, "
        lines += ["", told + f"t ≥ 3.28 in {share(lucky, lambda row: row['t'] >= 3.283)}."]
    lines += ["", "## Skill", "", "One panel, a ledger of one.", ""]
    rows = []
    for name in ("quiet", "structured", "sample", "wide"):
        for ic in ICS:
            chosen = [row[f"{ic:g}"] for row in found["skill", name]]
            if chosen:
                rows.append([name, f"{ic:g}", str(len(chosen)), *(share(chosen, rule) for rule in _RULES.values())])
    lines += _table(["market", "IC", "panels", *_RULES], rows)
    lines += ["", "## Skill among 100 trials", "", "One panel that knows something and 99 that do not, all known.", ""]
    rows = []
    for name in ("quiet", "sample"):
        for ic in ICS:
            chosen = [row[f"{ic:g}"] for row in found["rounds", name]]
            if chosen:
                rows.append([name, f"{ic:g}", str(len(chosen)), *(share(chosen, rule) for rule in _AMONG.values())])
    lines += _table(["market", "IC", "rounds", *_AMONG], rows)
    lines += _whole(found)
    return lines + _conditions(found["overlap", "structured"], groups)


def _whole(found: Mapping[tuple[str, str], Sequence[_Row]]) -> list[str]:
    """The production policy as it ships, beside what else could be asked of styles."""
    lines = ["", "## The whole policy: styles and memberships, too", "", _STYLES.strip(), ""]
    head = ["production", "production, one look at the end", "without the alpha after styles",
            "proof after styles (`skill_e_styles`)", "two tests, as before", "without styles",
            "selection, one look", "selection with production's rules on styles"]  # fmt: skip
    names = ("production", "no alpha", "evidence after styles", "two tests", "no styles")
    rows = []
    for label, part, name, stored_as, rule in (
        ("quiet", "whole skill", "quiet", "skill", lambda row: row["t"] >= 1.645),
        ("structured", "whole skill", "structured", "skill", lambda row: row["t"] >= 1.645),
        ("structured, sectors taken out", "whole sectors", "structured", "skill", lambda row: row["t"] >= 1.645),
        ("sample", "whole skill", "sample", "skill", lambda row: row["t"] >= 1.645),
        ("quiet, among 100 trials", "whole rounds", "quiet", "rounds", lambda row: row["max_t_p"] <= 0.05),
        ("sample, among 100 trials", "whole rounds", "sample", "rounds", lambda row: row["max_t_p"] <= 0.05),
    ):
        chosen = [row["0.03"] for row in found[part, name]]
        before = [row["0.03"] for row in found[stored_as, name]]
        both = [{"chosen": rule(one) and one["sound"] > 0, **two} for one, two in zip(before, chosen, strict=False)]
        after = [{"passed": row["chosen"] and row["share"] >= gate_power_styles.HALF and row["expected_styles"] >= 0}
                 for row in both]  # fmt: skip
        if chosen:
            monthly = [share(chosen, lambda row, of=of: row[f"first {of}"] >= 0) for of in names]
            rows.append([label, str(len(chosen)), monthly[0], share(chosen, lambda row: row["end production"] > 0),
                         *monthly[1:], share(both, lambda row: row["chosen"]),
                         share(after, lambda row: row["passed"])])  # fmt: skip
    lines += _table(["IC 0.03", "panels", *head], rows)
    rows = []
    for name in ("quiet", "sample", "structured"):
        units = found["whole noise", name]
        for kind in units[0] if units else ():
            chosen = [row[kind] for row in units]
            rows.append([f"{name}: {kind}", str(len(chosen)),
                         *(share(chosen, lambda row, of=of: row[f"first {of}"] >= 0) for of in names)])  # fmt: skip
    return [*lines, "", "Noise, at any monthly look:", "", *_table(["market", "panels", head[0], *head[2:6]], rows)]


def _conditions(overlaps: Sequence[_Row], groups: Mapping[str, Sequence[_Row]]) -> list[str]:
    """What the evidence reaches where its condition fails."""
    lines = ["", "## Evidence where its condition fails", "", _CONDITION.strip(), ""]
    rows = []
    for name in overlaps[0] if overlaps else ():
        horizon, kind = name.split()
        chosen = [row[name] for row in overlaps]
        reached = [share(chosen, lambda row, at=at: row[at] >= _HURDLE) for at in ("end", "looks", "ever")]
        rows.append([f"{kind}, windows of {horizon} sessions", str(len(chosen)), *reached])
    lines += _table(["structured", "panels", "E ≥ 20 at the end", "at any monthly look", "at any session"], rows)
    rows = []
    for kind in ("normal", "t 4", "garch", "skew 0.5", "skew 1", "skew -0.25", "skew -0.5", "skew -1"):
        highest = violated(kind, _PATHS)
        rows.append([kind, f"{_PATHS:,}", share([{"e": value} for value in highest], lambda row: row["e"] >= _HURDLE)])
    lines += ["", *_table(["x", "paths", "E ≥ 20 at any session"], rows), ""]
    skews = {name: float(np.mean([row["skew"] for row in rows])) for name, rows in groups.items()}
    least, most = min(skews, key=skews.__getitem__), max(skews, key=skews.__getitem__)
    between = f"{skews[least]:.2f} ({least}) and {skews[most]:.2f} ({most})"
    return [*lines, f"The mean skewness of x in the noise above lies between {between}."]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


_STYLES = """
Markets as before, by the same seeds, with what who trades for real has: every asset a member by a file, which the rule
`universe` asks for, and volume on synthetic markets, so that beta, momentum, volatility, reversal and liquidity are
taken out. *production* asks on top of the above that styles leave half of the skill (`skill_share_styles`, an estimate,
paired with the skill itself) and an expected alpha after styles not below 0. Before, it asked for a t of 1.75 of the
skill after styles and a realised alpha after styles not below 0: *two tests*, the second of which repeats the first on
14 of 18 degrees of freedom. *Proof after styles* asks for E ≥ 20 of the scores with styles projected out, in the place
of E and share: then no style passes more than one time in 20 at whatever look, and an IC of 0.03 on 20 names loses what
14/18 of the information lose. Where not stated otherwise, shares are of any monthly look. A clone of a strong style,
looked at monthly, passes the share's rule more often than at one look (`studies/styles.md`), for the look is then
chosen where its evidence is lucky.
"""
_CONDITION = """
The e-process is a supermartingale where x is symmetric given the past and windows do not overlap. Below, it is looked
at with 1/20 as the level: scores that know nothing over windows of 5 and 20 sessions, dealt into sequences without
overlap and averaged; and x that is made with mean 0 and variance 1 over 1,000 sessions of 20 names, symmetric (normal,
t of 4 degrees, GARCH) and not (a gamma's skewness). Skew to the left is what lets E reach too high, by λ³·|skewness|/3
of log E a session.
"""
_ABOUT = """# Power of the gate

{made}

Shares with Wilson's 95% interval; counts of panels and rounds stand in each table. Scores have a half-life of 5
sessions, horizon and delay 1, and go through S2 with its overlays at 5 bps. *quiet*: 20 assets × 1,000 sessions, no
drift; *drift*: 0.04% a session; *sample*: the embedded closes from 2010 on, the same for all panels; *wide*: 100
assets × 2,520 sessions with drift; *structured*: 20 assets × 1,000 sessions with betas 0.4 to 1.6, five sectors,
Student's t of 4 and 5 degrees, GARCH and a premium, where *ar5* and *ar120* are slow random scores (half-lives), and
the others are functions of past prices that load on structure without knowing residual returns. Markets are drawn
anew for every panel, except the sample. Skill on *structured* is planted in what is left after the true betas.

*production* asks for E ≥ 20 × the trials at the look, an expected net alpha above 0 (the mean of the realised one and
the one that the IC implies), realised less implied alpha not below −2.5 errors, a break-even cost on the expected
alpha that is not clearly below twice the assumed one (the upper end of its 95% interval), drawdown and turnover. With
*the break-even's estimate* the estimate itself has to reach twice: a second test of significance in all but name,
which costs a tenth of the power at an IC of 0.03, where the true ratio is about 3. What the upper end lets through
instead is skill that is real and earns about its costs: the rows of IC 0.01. *selection* asks for Romano and Wolf's p
instead of E; in a ledger of one that is t ≥ 1.645. Looks are every 21 sessions from the 252nd, each with what was known
then. The rules on integrity are taken as passed. *Rules until now* are the rank IC's t and alpha's t ≥ 2, residual DSR
≥ 0.95, drawdown, turnover and break-evens on total return; their rank among random scores is left out, which only
lowers them.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the options, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop simulating after so long")
    parser.add_argument("--parts", default="", help="make only what begins so, such as whole")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "gate_power")
    parser.add_argument("--out", type=Path, help="Markdown to write")
    options = parser.parse_args(arguments)
    work(options.work, options.scale, options.jobs, options.minutes, options.parts)
    made_by = f"Made by `python studies/gate_power.py --out studies/gate_power.md` on {pd.Timestamp.now().date()}."
    text = "\n".join([_ABOUT.format(made=made_by), *tables(options.work, options.scale), ""])
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
