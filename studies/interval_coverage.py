"""Do the 95% intervals that are printed hold the truth in 95% of samples?

Run: ``python studies/interval_coverage.py [--repetitions 2000] [--workers 1] --out studies/interval_coverage.md``

Draws returns, or information coefficients, whose Sharpe ratio, alpha or mean is known, asks the product's own functions
for their intervals, and counts how often these hold it. Same seed, same page; a figure is drawn beside the page.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.engine.executors import run_tasks
from assay.results.stats.bootstrap import bootstrap
from assay.results.stats.information_coefficient import ic_metrics, ic_table
from assay.results.stats.long_run_variance import critical_value, hac_mean, regress
from assay.results.stats.performance import sharpe_interval
from assay.results.stats.proportions import wilson_interval
from assay.results.stats.sharpe import studentised_sharpe

Interval = tuple[float, float]

SIZES = (60, 250, 1000, 3000)
#: Sharpe ratio a session (one a year), alpha a session in deviations, mean IC in deviations.
SHARPE, ALPHA, IC = 1 / math.sqrt(252), 0.03, 0.1
DRAWS = 399
BAND = (0.93, 0.97)
_WARM = 300


def _noise(name: str, rows: int, n: int, rng: np.random.Generator) -> Floats:
    """(rows, n) series of mean 0 and variance 1 of a kind."""
    kind, _, rest = name.partition(" ")
    if kind == "independent":
        return rng.standard_normal((rows, n))
    if kind == "t":
        freedom = int(rest)
        return rng.standard_t(freedom, (rows, n)) / math.sqrt(freedom / (freedom - 2))
    if kind == "AR":
        rho = float(rest.split()[0])
        shape = (rows, n + _WARM)
        shocks = _noise("t 5", *shape, rng) if rest.endswith("t 5") else rng.standard_normal(shape)
        for step in range(1, n + _WARM):
            shocks[:, step] += rho * shocks[:, step - 1]
        return shocks[:, _WARM:] * math.sqrt(1 - rho**2)
    if kind == "overlap":
        width = int(rest)
        total = np.cumsum(rng.standard_normal((rows, n + width)), axis=1)
        return (total[:, width:] - total[:, :-width]) / math.sqrt(width)
    if kind == "GARCH":
        shocks = rng.standard_normal((rows, n + _WARM))
        variance = np.ones(rows)
        for step in range(n + _WARM):
            shocks[:, step] *= np.sqrt(variance)
            variance = 0.02 + 0.08 * shocks[:, step] ** 2 + 0.90 * variance
        return shocks[:, _WARM:]
    raise ValueError(name)


def _sharpe(noise: str, rows: int, n: int, rng: np.random.Generator, ask: Callable[[Floats], Interval]) -> int:
    return sum(low <= SHARPE <= high for low, high in map(ask, _noise(noise, rows, n, rng) + SHARPE))


def _printed(returns: Floats) -> Interval:
    return sharpe_interval(returns, periods=1)[1:]


def _percentile(returns: Floats) -> Interval:
    found = bootstrap(returns, draws=DRAWS, seed=0)
    return found.low / math.sqrt(252), found.high / math.sqrt(252)


def _studentised(returns: Floats) -> Interval:
    found = studentised_sharpe(returns, periods=1, draws=DRAWS, seed=0)
    return (math.nan, math.nan) if found is None else (found.low, found.high)


def sharpe_printed(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """Times the HAC interval of the Sharpe ratio holds it."""
    return _sharpe(noise, rows, n, rng, _printed)


def sharpe_bootstrap(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """Times the percentile interval of the stationary bootstrap holds the Sharpe ratio."""
    return _sharpe(noise, rows, n, rng, _percentile)


def sharpe_studentised(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """Times the interval of the studentised bootstrap holds the Sharpe ratio."""
    return _sharpe(noise, rows, n, rng, _studentised)


def alpha_printed(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """Times the HAC interval of alpha holds it; beta 0.5 on a market with the same kind of noise."""
    market, own = _noise(noise, rows, n, rng), _noise(noise, rows, n, rng)
    found = 0
    for index in range(rows):
        line = regress(ALPHA + 0.5 * market[index] + own[index], market[index])
        assert line is not None
        found += abs(line.alpha - ALPHA) <= line.critical * line.alpha_error
    return found


def ic_printed(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """Times the HAC interval of a mean IC holds it; the horizon is known where windows overlap."""
    horizon = int(noise.split()[1]) if noise.startswith("overlap") else 1
    found = 0
    for values in _noise(noise, rows, n, rng) + IC:
        mean, error, _, lag = hac_mean(values, horizon=horizon)
        found += abs(mean - IC) <= critical_value(n, lag) * error
    return found


def ic_usual(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """The same with the usual short window and 1.96, which this project does not use."""
    horizon = int(noise.split()[1]) if noise.startswith("overlap") else 1
    lag = max(int(4 * (n / 100) ** (2 / 9)), horizon - 1)
    found = 0
    for values in _noise(noise, rows, n, rng) + IC:
        mean, error, _, _ = hac_mean(values, lag=lag)
        found += abs(mean - IC) <= 1.959964 * error
    return found


def ic_of_panel(noise: str, rows: int, n: int, rng: np.random.Generator) -> int:
    """Times the printed interval of the mean rank IC of 30 scores that know nothing, half-life 5 sessions, holds 0."""
    horizon, names = int(noise.split()[1]), 30
    index = pd.bdate_range("2000-01-03", periods=n)
    decay = 0.5 ** (1 / 5)
    found = 0
    for _ in range(rows):
        score = rng.standard_normal((n + 30, names))
        for step in range(1, n + 30):
            score[step] += decay * score[step - 1]
        total = np.cumsum(_noise("t 4", n + horizon, names, rng), axis=0)
        table = ic_table(pd.DataFrame(score[30:], index), pd.DataFrame(total[horizon:] - total[:-horizon], index))
        printed = next(item for item in ic_metrics(table, horizon) if item.name == "rank_ic_mean")
        found += printed.low is not None and printed.high is not None and printed.low <= 0 <= printed.high
    return found


_RETURNS = ("independent", "AR 0.1", "AR 0.3", "AR -0.1", "AR -0.3", "t 4", "t 5", "AR 0.3 t 5", "GARCH")
_ICS = ("independent", "t 4", "AR 0.3", "AR 0.5", "AR 0.8", "overlap 5", "overlap 10", "overlap 20")
_FEW = ("independent", "AR 0.3", "AR -0.3", "t 4", "GARCH")
_PANELS = ("horizon 1", "horizon 5", "horizon 20")

FIGURES: dict[str, tuple[Callable[[str, int, int, np.random.Generator], int], tuple[str, ...], tuple[int, ...]]] = {
    "net Sharpe, HAC": (sharpe_printed, _RETURNS, SIZES),
    "alpha, HAC": (alpha_printed, _RETURNS, SIZES),
    "mean IC, HAC": (ic_printed, _ICS, SIZES),
    "mean rank IC of 30 persistent scores, HAC": (ic_of_panel, _PANELS, (250, 1000)),
    "net Sharpe, bootstrap percentiles": (sharpe_bootstrap, _FEW, (250, 1000)),
    "net Sharpe, studentised bootstrap": (sharpe_studentised, _FEW, (250, 1000, 3000)),
    "mean IC, the usual short window": (ic_usual, _ICS, SIZES),
}
#: Figures that are shown for comparison and need not hold.
COMPARED = ("mean IC, the usual short window",)


@dataclass(frozen=True)
class Cell:
    """How often one interval covered the true figure for one kind of noise and length."""

    figure: str
    noise: str
    n: int
    held: int
    repetitions: int

    @property
    def share(self) -> float:
        """Of the samples."""
        return self.held / self.repetitions

    @property
    def interval(self) -> Interval:
        """Wilson's 95%."""
        return wilson_interval(self.held, self.repetitions)

    @property
    def inside(self) -> bool:
        """Whether the share lies in the band that is asked for."""
        return BAND[0] <= self.share <= BAND[1]


def measure(job: tuple[str, str, int, int, int]) -> Cell:
    """One cell: figure, noise, length, repetitions, seed; what else is measured does not change it."""
    figure, noise, n, repetitions, seed = job
    rng = np.random.default_rng([seed, zlib.crc32(f"{figure}/{noise}/{n}".encode())])
    held, left = 0, repetitions
    while left > 0:
        rows = min(left, 500)
        held += FIGURES[figure][0](noise, rows, n, rng)
        left -= rows
    return Cell(figure, noise, n, int(held), repetitions)


def jobs(repetitions: int, seed: int = 0) -> list[tuple[str, str, int, int, int]]:
    """All cells."""
    return [
        (figure, noise, n, repetitions, seed)
        for figure, (_, kinds, sizes) in FIGURES.items()
        for noise in kinds
        for n in sizes
    ]


def page(cells: Sequence[Cell], about: str) -> str:
    """The study as Markdown."""
    asked = [cell for cell in cells if cell.figure not in COMPARED]
    outside = [cell for cell in asked if not cell.inside]
    lines = [
        "# Coverage of the printed 95% intervals",
        "",
        about,
        "",
        *_ABOUT.strip().splitlines(),
        "",
        f"{len(asked) - len(outside)} of {len(asked)} shares lie within 93–97% (the last table is not counted). "
        + _said(outside),
        "",
    ]
    for figure in dict.fromkeys(cell.figure for cell in cells):
        mine = [cell for cell in cells if cell.figure == figure]
        sizes = sorted({cell.n for cell in mine})
        lines += [
            f"## {figure}",
            "",
            "| noise | " + " | ".join(f"n = {n:,}" for n in sizes) + " |",
            "|---" * (len(sizes) + 1) + "|",
        ]
        for noise in dict.fromkeys(cell.noise for cell in mine):
            found = {cell.n: _text(cell) for cell in mine if cell.noise == noise}
            lines.append(f"| {noise} | " + " | ".join(found.get(n, "") for n in sizes) + " |")
        lines.append("")
    return "\n".join(lines)


_ABOUT = """
Share of samples whose interval covers the true figure, in %, with Wilson's 95% interval; asked for is 93–97%, and what
lies outside is **bold**. `studies/interval_coverage.png` draws the same.

Noise: *AR ρ* is Gaussian with autocorrelation ρ at lag 1, *AR ρ t 5* the same with shocks of 5 degrees of freedom,
*t ν* independent with ν degrees of freedom (the fourth moment of t 4 does not exist), *GARCH* Gaussian with variance
0.02 + 0.08·r² + 0.90·v, *overlap h* sums of h sessions one session apart (autocorrelation at lag 1: 0.8 for h = 5, 0.95
for h = 20). The true Sharpe ratio is 1 a year; a bootstrap has 399 draws here, 1,000 or more in a report. In *mean rank
IC of 30 persistent scores* scores with a half-life of 5 sessions meet the returns of the next h sessions, t with 4
degrees of freedom; the figure is that of a report, from the panel on.

The intervals are those of `long_run_variance`: Bartlett weights up to max(1.3·√n, 3·h) lags and the critical values
that belong to so long a window (Lazarus, Lewis, Stock & Watson 2018; Kiefer & Vogelsang 2005). *The usual short
window*, max(4·(n/100)^(2/9), h − 1) lags with 1.96, stands last for comparison: it was measured first, and given
up for this.
"""


def _text(cell: Cell) -> str:
    low, high = cell.interval
    share = f"{100 * cell.share:.1f}"
    return f"{share if cell.inside or cell.figure in COMPARED else f'**{share}**'} [{100 * low:.1f}, {100 * high:.1f}]"


def _said(outside: Iterable[Cell]) -> str:
    parts = [f"{cell.figure}, {cell.noise}, n = {cell.n:,}: {100 * cell.share:.1f}%" for cell in outside]
    return "\n".join(["Outside:", "", *(f"- {part}" for part in parts)]) if parts else "None lies outside."


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Coverage with its Wilson interval, a panel a figure, a row a kind of noise, a mark a length."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figures = list(dict.fromkeys(cell.figure for cell in cells))
    kinds = {figure: list(dict.fromkeys(cell.noise for cell in cells if cell.figure == figure)) for figure in figures}
    across = 2
    down = math.ceil(len(figures) / across)
    canvas, axes = plt.subplots(down, across, figsize=(10, 2.6 * down), layout="constrained", squeeze=False)
    styles = dict(zip(SIZES, (("o", "#999999"), ("s", "#0072b2"), ("^", "#d55e00"), ("D", "#009e73")), strict=True))
    for place in axes.ravel()[len(figures) :]:
        place.set_axis_off()
    for figure, place in zip(figures, axes.ravel(), strict=False):
        place.axvspan(*(100 * end for end in BAND), color="#0072b2", alpha=0.12, linewidth=0)
        place.axvline(95, color="black", linewidth=0.7)
        for offset, (n, (mark, colour)) in enumerate(styles.items()):
            mine = [cell for cell in cells if cell.figure == figure and cell.n == n]
            shares = np.array([100 * cell.share for cell in mine])
            ends = 100 * np.array([cell.interval for cell in mine]).reshape(-1, 2)
            rows = [kinds[figure].index(cell.noise) + 0.16 * (offset - 1.5) for cell in mine]
            place.errorbar(shares, rows, xerr=np.abs(ends.T - shares), fmt=mark, color=colour, markersize=3.5,
                           linewidth=1, label=f"n = {n:,}" if mine else None)  # fmt: skip
        place.set_yticks(range(len(kinds[figure])), kinds[figure], fontsize=8)
        place.invert_yaxis()
        place.set_title(figure, fontsize=9)
        place.set_xlim(min(90.0, *(100 * cell.share - 2 for cell in cells if cell.figure == figure)), 100)
        place.tick_params(axis="x", labelsize=8)
    axes[0, 0].legend(fontsize=7, loc="lower left")
    canvas.supxlabel("samples whose nominal 95% interval covers the true figure, %", fontsize=9)
    canvas.savefig(path, dpi=90)
    plt.close(canvas)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the page and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("studies/interval_coverage.md"))
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    work = jobs(options.repetitions)
    done = {}
    for place, cell in run_tasks(measure, [(item,) for item in work], executor="process", workers=options.workers):
        done[place] = cell
        print(f"{time.perf_counter() - started:6.0f} s  {cell.figure}, {cell.noise}, {cell.n}: {cell.share:.3f}",
              file=sys.stderr, flush=True)  # fmt: skip
    cells = [done[place] for place in range(len(work))]
    minutes = (time.perf_counter() - started) / 60
    about = (
        f"{options.repetitions:,} samples a share. Made by `python studies/interval_coverage.py --repetitions "
        f"{options.repetitions}` on {time.strftime('%Y-%m-%d')}, {minutes:.0f} minutes, workers: {options.workers}."
    )
    options.out.write_text(page(cells, about), encoding="utf-8")
    draw(cells, options.out.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
