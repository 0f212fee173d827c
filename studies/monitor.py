"""How soon the monitor says that skill is gone, and how often it says so of skill that is not.

Run: ``python studies/monitor.py --out studies/monitor.md`` (under a minute). Seed 20261121.

x of 20 names (df 18) is normal with mean IC·√df and deviation 1, for ten years where the skill holds, and for one year
before and ten years after the day on which it dies. The run is held to the IC that it has, or to half of it, as the
product does with what was accepted where the interval's lower end is not above that: fewer false alarms, and a longer
delay. Brackets are 95% intervals. Beside the product's e-detector stand Page's CUSUM of the same log likelihood ratio
at the same guarantee, and a t of the last 252 sessions against that IC.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.results.gate.monitor import ALARM, detector
from assay.results.stats.proportions import wilson_interval

Floats = npt.NDArray[np.float64]

_SEED = 20261121
_DF = 18.0
_YEAR = 252
_WINDOW = 252
#: One-sided t of 252 sessions at which to say that they are below the IC: 3 errors.
_ERRORS = 3.0


def alarms(x: Floats, held_to: float) -> dict[str, Floats]:
    """(n,) whether each way of looking raises its alarm after each session."""
    step = held_to * math.sqrt(_DF)
    gap = step - x
    level, cusum = 0.0, np.empty(len(x))
    for t, gain in enumerate(step * gap - step**2 / 2):
        level = max(0.0, level + float(gain))
        cusum[t] = level
    total = np.concatenate([[0.0], np.cumsum(gap)])
    rolling = np.zeros(len(x))
    rolling[_WINDOW - 1 :] = (total[_WINDOW:] - total[:-_WINDOW]) / math.sqrt(_WINDOW)
    return {
        "e-detector": detector(x, np.full(len(x), _DF), held_to) >= ALARM,
        "e-detector held to half the IC": detector(x, np.full(len(x), _DF), held_to / 2) >= ALARM,
        "CUSUM": cusum >= math.log(ALARM),
        f"t of {_WINDOW} sessions": rolling >= _ERRORS,
    }


def first(raised: Floats) -> int:
    """Session of the first alarm, or −1."""
    return int(raised.argmax()) if raised.any() else -1


def table(ic: float, paths: int) -> list[list[str]]:
    """A row a way of looking: false alarms a year, median delay, share still silent after ten years."""
    rng = np.random.default_rng([_SEED, round(1000 * ic)])
    mean = ic * math.sqrt(_DF)
    years: dict[str, float] = {}
    false: dict[str, int] = {}
    delay: dict[str, list[float]] = {}
    for _ in range(paths):
        for name, raised in alarms(rng.normal(mean, 1, 10 * _YEAR), ic).items():
            at = first(raised)
            years[name] = years.get(name, 0.0) + (at + 1 if at >= 0 else 10 * _YEAR) / _YEAR
            false[name] = false.get(name, 0) + (at >= 0)
        died = np.concatenate([rng.normal(mean, 1, _YEAR), rng.normal(0, 1, 10 * _YEAR)])
        for name, raised in alarms(died, ic).items():
            at = first(raised[_YEAR:])
            delay.setdefault(name, []).append(math.inf if at < 0 else at + 1)
    rows = []
    for name, found in delay.items():
        silent = sum(math.isinf(item) for item in found)
        low, high = wilson_interval(silent, paths)
        least, most = _rate(false[name], years[name])
        median, upper = np.quantile(found, [0.5, 0.9], method="inverted_cdf")
        ends = np.sort(found)[_median_places(paths)]
        rows.append([f"{ic:g}", name, f"{false[name] / years[name]:.1%} [{least:.1%}, {most:.1%}]",
                     f"{_sessions(median)} [{_sessions(ends[0])}, {_sessions(ends[1])}]", _sessions(upper),
                     f"{silent / paths:.1%} [{low:.1%}, {high:.1%}]"])  # fmt: skip
    return rows


def _rate(count: int, years: float) -> tuple[float, float]:
    """Garwood's 95% interval of a Poisson rate."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(count, 0.025)) if count else 0.0
    return low / years, float(gammaincinv(count + 1, 0.975)) / years


def _median_places(n: int) -> list[int]:
    """Places in the sorted sample between which the median lies with 95%: the binomial of ½."""
    half = 1.96 * math.sqrt(n) / 2
    return [max(0, math.floor(n / 2 - half)), min(n - 1, math.ceil(n / 2 + half))]


def _sessions(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "over 2,520"


def page(paths: int) -> str:
    """The Markdown."""
    head = ["IC", "alarm", "false alarms a year", "median delay, sessions", "nine of ten within",
            "silent for ten years"]  # fmt: skip
    rows = [row for ic in (0.03, 0.05, 0.08) for row in table(ic, paths)]
    about = (__doc__ or "").split("\n\n", 2)[2].strip()
    command = f"python studies/monitor.py --paths {paths} --out studies/monitor.md"
    lines = [
        "# When skill is gone", "",
        f"Made by `{command}` on {pd.Timestamp.now().date()}; {paths} paths a row.", "", about, "",
        f"| {' | '.join(head)} |", "|---|---|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows), "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Parse the options, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=400)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = page(options.paths)
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
