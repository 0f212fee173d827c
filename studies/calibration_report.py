"""The page and the figure of the calibration study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.results.stats.proportions import wilson_interval
from studies.calibration_models import RANDOM, SHUFFLES
from studies.calibration_runs import ICS, RANKED, SHAPES, STARTS, TRIED

#: What a rule's own share should lie in at nominal 5%.
BAND = (0.035, 0.065)
#: Where the null is true, so that the band applies: key of the sizes, on synthetic markets and on the sample.
HELD = {
    "HAC t of rank IC, two-sided 5%": ("ic", "ic"),
    "alpha t of gross returns, two-sided 5%": ("alpha gross benchmark", "alpha gross mean"),
    "residual deflated Sharpe of gross returns ≥ 0.95": ("deflated gross benchmark", "deflated gross mean"),
    f"rank among {RANKED} random scores, p ≤ 0.05": ("rank", "rank"),
}
#: What the gate reads, whose null is not true on noise.
READ = {
    "alpha t of net returns, two-sided 5%": ("alpha net benchmark", "alpha net benchmark"),
    "alpha t of net returns above the critical value": ("alpha up net benchmark", "alpha up net benchmark"),
    "residual deflated Sharpe of net returns ≥ 0.95": ("deflated net benchmark", "deflated net benchmark"),
}
#: Rules whose power is shown by itself.
SHOWN = {"rank_ic_t": "rank IC t", "alpha_t": "alpha t", "deflated_sharpe_residual": "residual deflated Sharpe"}
BENCHMARKS = {"benchmark": "the S&P 500", "equal": "the equal-weight mean of the 20", "mean": "the mean noise panel"}

_ABOUT = """
Shares are shown with Wilson's 95% interval. Markets: *quiet*, 20 assets × 1,000 sessions without drift; *drift*, the
same with 0.04% a session; both drawn anew for every panel. *sample*, the embedded closes from 2010 on; *sample_1993*,
from 1993 on, *beta_1993*, the same for S2 without kill switches and scores that are new every session; the same prices
for every panel. *wide*, 100 assets × 2,520 sessions with drift. `studies/calibration.png` shows sizes and power.
"""
_SIZES = f"""
The null holds for the first {len(HELD)} rows, which should lie within {BAND[0]:.1%}–{BAND[1]:.1%}. Noise earns
nothing before costs, so alpha is 0 in gross returns. The last rows are what the gate reads: net of 5 bps the true
alpha is below 0, so that alpha = 0 is rejected more often, downwards, and what has to lie above it passes less often.
All panels of the sample share one path of prices, on which S2's exposure and overlays earn something common to all:
its gross returns are held after the mean noise panel, where the null is exact again.
"""
_JOINT = """
Thresholds are those of `studies/calibration_policy.toml`, every statistic by itself and all together; the upper end
should be at most 5%. With the ledger the
deflated Sharpe ratio asks the best of 100 for 1.64 standard errors above what the best of 100 without skill is expected
to have, which chance hardly ever reaches: not 5% of them pass it, but next to none.
"""
_POWER = """
How often panels of a true IC pass; what a score knows halves every 5 sessions, as the score does. 4 to 13 years of one
daily strategy on 20 names are little evidence for a net Sharpe ratio below 1; *wide* is what 100 names over ten years
add, on a fifth of the panels.
"""
_BETA = """
Random scores through S2, which is 30% net long: what they earn on average, and how often they pass every statistical
rule. From 1993 on these are a tenth of the panels.
"""


@dataclass(frozen=True)
class Share:
    """How many of n, with Wilson's 95% interval."""

    hits: int
    n: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Share:
        found = [bool(one) for one in outcomes]
        return cls(sum(found), len(found))

    @property
    def value(self) -> float:
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.hits, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.1%} [{low:.1%}, {high:.1%}]"


@dataclass(frozen=True, eq=False)
class Power:
    """Panels of one IC: annualised mean net Sharpe ratio, how often each of `SHOWN` passes, and all rules together."""

    sharpe: float
    alone: dict[str, Share]
    joint: Share


@dataclass(frozen=True, eq=False)
class MarketFigures:
    """What was counted on one market; empty where it was not simulated.

    Parameters
    ----------
    sizes : by rule, and for alpha and the deflated Sharpe ratio by returns and benchmark.
    best : the best of 100, with and without the ledger.
    power : by IC, 0 being noise.
    sharpe_gross : annualised mean over noise panels; `alpha_t` the mean HAC t of their net alpha.

    """

    name: str
    sizes: dict[str, Share]
    best: dict[str, Share]
    power: dict[float, Power]
    sharpe_gross: float
    alpha_t: float


def page(
    markets: Sequence[MarketFigures],
    models: Sequence[dict[str, Any]],
    skipped: Sequence[str],
    made: str,
) -> str:
    """The whole study as Markdown; `made` says by which command and when."""
    about = f"{_flowing(_ABOUT)} Taken as passed: {', '.join(skipped)}."
    parts = [
        "# Calibration of the gate's statistical rules",
        made,
        about,
        _sizes(markets),
        _joint(markets),
        _power(markets),
        _beta(markets),
        _models(models),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _flowing(text: str) -> str:
    """One line: Markdown paragraphs here have no breaks of their own."""
    return " ".join(text.split())


def _table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows: list[Sequence[object]] = [header, ["---"] * len(header)]
    rows += lines
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def _key(keys: tuple[str, str], market: MarketFigures) -> str:
    return keys[market.name in STARTS]


def _sizes(markets: Sequence[MarketFigures]) -> str:
    whole = [market for market in markets if "rank" in market.sizes]
    if not whole:
        return ""
    lines: list[list[object]] = []
    for rules, held in ((HELD, True), (READ, False)):
        for text, keys in rules.items():
            shares = [market.sizes[_key(keys, market)] for market in whole]
            within = ["" if not held or BAND[0] <= s.value <= BAND[1] else " (outside)" for s in shares]
            lines.append([text, *(f"{s}{w}" for s, w in zip(shares, within, strict=True))])
    said = f"## Each rule alone on noise\n\n{_flowing(_SIZES)}"
    out = [said, _table(["rule", *(market.name for market in whole)], lines)]
    for market in whole:
        if market.name in STARTS:
            out += ["Against other benchmarks what is common stays in:", _against(market)]
    return "\n\n".join(out)


def _against(market: MarketFigures) -> str:
    lines = []
    for which, text in BENCHMARKS.items():
        cells = [market.sizes[f"{kind} {side} {which}"] for kind in ("alpha", "deflated") for side in ("gross", "net")]
        lines.append([f"{market.name}, after {text}", *cells])
    return _table(["benchmark", "alpha t, gross", "alpha t, net", "deflated ≥ 0.95, gross", "… net"], lines)


def _joint(markets: Sequence[MarketFigures]) -> str:
    whole = [market for market in markets if market.best]
    if not whole:
        return ""
    rows = {
        "one noise panel, all statistical rules": [market.power[0.0].joint for market in whole],
        f"best of {TRIED}, the ledger knowing, all statistical rules": [m.best["joint ledger"] for m in whole],
        f"best of {TRIED}, judged as the only trial, all statistical rules": [m.best["joint alone"] for m in whole],
        f"best of {TRIED}, residual deflated Sharpe, the ledger knowing": [m.best["deflated ledger"] for m in whole],
        f"best of {TRIED}, residual deflated Sharpe, as the only trial": [m.best["deflated alone"] for m in whole],
    }
    said = f"## All these rules together on noise\n\n{_flowing(_JOINT)}"
    lines = [[text, *cells] for text, cells in rows.items()]
    return f"{said}\n\n" + _table(["what passes", *(market.name for market in whole)], lines)


def _power(markets: Sequence[MarketFigures]) -> str:
    lines: list[list[object]] = [
        [market.name, f"{ic:.2f}", f"{found.sharpe:.2f}", *found.alone.values(), found.joint]
        for market in markets
        if len(market.power) > 1
        for ic, found in market.power.items()
    ]
    if not lines:
        return ""
    said = f"## Power\n\n{_flowing(_POWER)}"
    header = ["market", "IC", "mean net Sharpe", *SHOWN.values(), "all rules"]
    return f"{said}\n\n" + _table(header, lines)


def _beta(markets: Sequence[MarketFigures]) -> str:
    lines = [
        [m.name, f"{m.sharpe_gross:.2f}", f"{m.power[0.0].sharpe:.2f}", f"{m.alpha_t:.2f}", m.power[0.0].joint]
        for m in markets
        if 0.0 in m.power
    ]
    if not lines:
        return ""
    said = f"## Beta alone\n\n{_flowing(_BETA)}"
    header = ["market", "mean gross Sharpe", "mean net Sharpe", "mean t of net alpha", "pass"]
    return f"{said}\n\n" + _table(header, lines)


def _models(models: Sequence[dict[str, Any]]) -> str:
    if not models:
        return ""
    from scipy import stats

    sessions, assets, _ = SHAPES["models"]
    missing = Counter(name for one in models for name, said in one["rules"].items() if said == "insufficient")
    always = [name for name, count in missing.items() if count == len(models)]
    lines = [
        ["verdict pass", Share.of(one["verdict"] == "pass" for one in models)],
        ["no rule failed (insufficient ones counted as passed)", Share.of(one["verdict"] != "fail" for one in models)],
        ["false alarm of the leak tests", Share.of(one["leaks"] > 0 for one in models)],
        ["false alarm of the canaries", Share.of(len(one["alarms"]) > 0 for one in models)],
    ]
    uniform = []
    kinds = (("random_p", "random scores", RANDOM, 0.05), ("shuffled_p", "models of shuffled labels", SHUFFLES, 0.1))
    for key, text, runs, level in kinds:
        p = np.array([one[key] for one in models])
        lines.append([f"rank among {runs} {text}, p ≤ {level:g}", Share.of(p <= level + 1e-12)])
        uniform.append(f"{stats.kstest(p - 0.5 / (runs + 1), 'uniform').pvalue:.2f} among {text}")
    for rule in ("rank_ic_t", "alpha_t", "deflated_sharpe_residual", "random_scores_p", "beats_baselines"):
        lines.append([f"passes `{rule}`", Share.of(one["rules"].get(rule) == "passed" for one in models)])
    said = (
        f"## {len(models)} ridge models through the commands\n\nEach on a market of its own without anything to find "
        f"({assets} assets × {sessions:,} sessions): `walk-forward` with yearly retraining, two seeds, baselines, leak "
        f"tests, cross-check, {RANDOM} random scores and {SHUFFLES} retrains on shuffled labels, then `gate --policy "
        f"production`. Are their ranks uniform? Kolmogorov–Smirnov p = {', '.join(uniform)}."
    )
    if always:
        said += f" Insufficient in all of them: {', '.join(always)}."
    return f"{said}\n\n" + _table(["what", "share"], lines)


def draw(markets: Sequence[MarketFigures], path: Path) -> None:
    """Sizes against the band on the left, power on the right."""
    from matplotlib.figure import Figure

    from assay.data.drawing import COLOURS, settle

    colours = dict(zip(("quiet", "drift", "sample", "wide"), ("blue", "orange", "green", "purple"), strict=True))
    figure = Figure(figsize=(11, 4.4), layout="constrained", facecolor="white")
    left, right = (settle(axes) for axes in figure.subplots(1, 2, width_ratios=(1.25, 1)))
    whole = [market for market in markets if "rank" in market.sizes]
    texts = {**HELD, **READ}
    left.axvspan(*BAND, color=COLOURS["grey"], alpha=0.2, linewidth=0, label="3.5%–6.5%")
    left.axvline(0.05, color=COLOURS["grey"], linewidth=0.8)
    for place, market in enumerate(whole):
        shares = [market.sizes[_key(keys, market)] for keys in texts.values()]
        value = np.array([share.value for share in shares])
        ends = np.array([share.interval for share in shares]).T
        height = np.arange(len(texts))[::-1] + 0.22 * (1 - place)
        left.errorbar(value, height, xerr=np.abs(ends - value), fmt="o", markersize=4, capsize=2,
                      color=COLOURS[colours[market.name]], label=market.name)  # fmt: skip
    left.set_yticks(np.arange(len(texts))[::-1], [_wrapped(text) for text in texts], fontsize=8)
    left.axhline(len(READ) - 0.5, color=COLOURS["grey"], linewidth=0.6, linestyle=":")
    left.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    left.set_xlim(0, None)
    left.set_xticks(np.arange(0, left.get_xlim()[1], 0.05))
    left.set_title("Each rule alone on noise, nominal 5%", fontsize=10, loc="left")
    left.legend(frameon=False, fontsize=8, loc="lower right")
    for market in markets:
        if len(market.power) < 2:
            continue
        ics, colour = list(market.power), COLOURS[colours[market.name]]
        joint = [market.power[ic].joint for ic in ics]
        value = np.array([share.value for share in joint])
        ends = np.array([share.interval for share in joint]).T
        right.errorbar(ics, value, yerr=np.abs(ends - value), fmt="-o", markersize=3, capsize=2,
                       color=colour, label=f"{market.name}, all rules")  # fmt: skip
        ic_alone = [market.power[ic].alone["rank_ic_t"].value for ic in ics]
        right.plot(ics, ic_alone, ":", linewidth=1, color=colour)
    right.plot([], [], ":", color=COLOURS["grey"], label="rank IC t alone")
    right.set_ylim(0, 1.02)
    right.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    right.set_xticks([0.0, *ICS])
    right.set_xlabel("true IC", fontsize=9)
    right.set_title("Share of panels that pass all rules together", fontsize=10, loc="left")
    right.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _wrapped(text: str) -> str:
    head, _, tail = text.rpartition(" of ") if len(text) > 34 else (text, "", "")
    return f"{head}\nof {tail}" if head and tail else text
