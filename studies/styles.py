"""Are clones of styles called clones, and does what is no style survive?

Run: ``python studies/styles.py [--markets 100] [--noise 8] [--prices FILE] [--work DIR] --out studies/styles.md``

Six minutes of one core. With ``--work`` each market is kept there as it is done, and a run that was stopped goes on
where it was; what other code made is not found again.

Each market has five priced styles (momentum, reversal, low volatility, low beta, small size) whose factor returns vary
around their premium, market betas, and assets of different volatility. Scores are traded by the quintile rule without
costs: clones that measure a style in another way than the product does, noise (half of it persistent), and a signal of
IC 0.03 about what no style touches. The product's own function takes the styles out. Same seed, same page.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd

from assay.data.align import align
from assay.data.atomic import replacing
from assay.data.characteristics import characteristics, trailing_beta
from assay.data.files.prices import load_prices
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.data.sample import load_sample, load_sample_predictions
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.results.evidence.skill import alpha_line, skill_metrics, skill_of
from assay.results.evidence.styles import StyleInputs, against_styles
from assay.results.stats.proportions import wilson_interval
from assay.results.stats.skill import evidence_path, skill_series, skill_t, trailing_risk
from assay.results.stats.styles import after_factors, style_model
from assay.strategies.catalog import load_strategy

ASSETS, BURN, SESSIONS, IC = 40, 300, 1000, 0.03
PREMIUM, SPREAD = 0.0006, 0.003
#: t of skill after styles, which `production` asked for as a second test before.
SKILL = 1.75
#: What it asks for now: evidence of skill after beta, and the share of the skill that is no style; first look, step.
EVIDENCE, HALF, FIRST, STEP = 20.0, 0.5, 252, 21
#: Regressions on independent normal series, where the null holds exactly.
EXACT = 4000
CLONES = ("momentum", "reversal", "low volatility", "low beta", "small size")


def market(seed: int) -> tuple[PricePanel, pd.DataFrame, pd.DataFrame]:
    """Prices, market values, and each session's own shocks in deviations, which no style touches."""
    rng = np.random.default_rng(seed)
    count = BURN + SESSIONS
    beta, sigma = rng.uniform(0.5, 1.5, ASSETS), rng.uniform(0.008, 0.024, ASSETS)
    shares = rng.normal(0, 1, ASSETS)
    logs, shocks, week = np.zeros((count, ASSETS)), rng.normal(0, 1, (count, ASSETS)), np.zeros(ASSETS)

    def z(values: np.ndarray) -> np.ndarray:
        spread = values.std()
        return (values - values.mean()) / spread if spread > 0 else np.zeros(ASSETS)

    for t in range(1, count):
        winners = logs[t - 22] - logs[t - 253] if t > 253 else np.zeros(ASSETS)
        styles = np.stack([z(winners), z(-week), z(-np.log(sigma)), z(-beta), z(-(logs[t - 1] + shares))])
        earned = rng.normal(PREMIUM, SPREAD, len(styles))
        step = beta * rng.normal(0.0003, 0.009) + styles.T @ earned + sigma * shocks[t]
        logs[t] = logs[t - 1] + step
        week = 0.5 ** (1 / 5) * week + step
    dates, names = pd.bdate_range("2010-01-04", periods=count), [f"A{i:02d}" for i in range(ASSETS)]
    close = pd.DataFrame(50 * np.exp(logs), dates, names)
    caps = close * np.exp(shares) * 1e6
    return PricePanel(close), caps, pd.DataFrame(shocks, dates, names)


def scores(
    prices: PricePanel, caps: pd.DataFrame, shocks: pd.DataFrame, noise: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Name → (T, N) scores: the clones, the signal, and noise."""
    rng = np.random.default_rng([seed, 1])
    close, returns = prices.close, simple_returns(prices.close)
    logs = pd.DataFrame(np.log(close.to_numpy()), close.index, close.columns)
    out = {
        "momentum": logs.shift(10) - logs.shift(189),
        "reversal": logs.shift(5) - logs,
        "low volatility": -returns.rolling(120).std(),
        "low beta": -trailing_beta(returns).rolling(20).mean(),
        "small size": -np.log(caps) + rng.normal(0, 0.2, caps.shape),
        # Filled at the close of t + 1, a decision stamped t earns the shock of t + 2.
        "signal": IC * shocks.shift(-2) + np.sqrt(1 - IC**2) * rng.normal(0, 1, shocks.shape),
    }
    for place in range(noise):
        draws = rng.normal(0, 1, shocks.shape)
        if place % 2:
            for t in range(1, len(draws)):
                draws[t] = 0.97 * draws[t - 1] + np.sqrt(1 - 0.97**2) * draws[t]
        out[f"noise {place}"] = pd.DataFrame(draws, close.index, close.columns)
    return {name: frame.iloc[BURN:-2] for name, frame in out.items()}


def measured(prices: PricePanel, score: pd.DataFrame, inputs: StyleInputs) -> dict[str, float]:
    """t of alpha and of skill, before and after styles, and whether alpha's interval lies off 0."""
    predictions = PredictionPanel(score, unit="rank", name="study")
    benchmark = simple_returns(prices.close).mean(axis="columns").rename("market")
    rule = load_strategy("quintile_long_short")
    result = run_backtest(rule, predictions, prices, benchmark=benchmark, costs=CostModel.zero())
    check, _ = against_styles(result, predictions, prices, inputs, analyses=False)
    line, skill = alpha_line(result), skill_of(predictions, prices, fill="close")
    left, t = check.metric("alpha_ann_styles_net"), check.metric("alpha_t_styles_net")
    known = check.metric("skill_t_styles")
    after = {item.name: item for item in skill_metrics(skill, result)} if skill else {}
    assert line is not None
    assert left is not None
    assert t is not None
    assert left.low is not None
    assert left.high is not None
    return {
        "before": line.alpha_t,
        "found_before": float(line.alpha_t >= line.critical),
        "after": t.value,
        "found_after": float(left.low > 0),
        "off": float(left.low > 0 or left.high < 0),
        "skill_before": after["skill_t"].value if "skill_t" in after else np.nan,
        "skill_after": np.nan if known is None else known.value,
        "accepted": float(known is not None and known.value >= SKILL and t.value >= 0),
    }


def run(markets: int, noise: int, work: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a market and score: what is found, and which rules pass."""
    started, parts = time.perf_counter(), []
    for seed in range(markets):
        parts.append(kept(work, seed, noise))
        if seed % 10 == 9:
            print(f"{seed + 1} of {markets} markets, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return pd.concat([one for one, _ in parts], ignore_index=True), pd.concat([two for _, two in parts])


def kept(work: Path | None, seed: int, noise: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of one market, read back where they are there."""
    if work is None:
        return of_market(seed, noise)
    work.mkdir(parents=True, exist_ok=True)
    names = [work / f"{code()}-{seed:03d}-{noise}-{part}.parquet" for part in ("found", "looks")]
    if not all(name.exists() for name in names):
        for name, table in zip(names, of_market(seed, noise), strict=True):
            with replacing(name) as aside:
                table.to_parquet(aside)
    found, passed = (pd.read_parquet(name) for name in names)
    return found, passed


@cache
def code() -> str:
    """Digest of this study and of what it calls."""
    root, digest = Path(__file__).resolve().parents[1], hashlib.sha256(Path(__file__).read_bytes())
    for folder in ("data", "strategies", "engine", "results/stats", "results/evidence"):
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


def of_market(seed: int, noise: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is found in one market, and which rules on skill and styles pass there."""
    prices, caps, shocks = market(seed)
    rows = [
        {"market": seed, "score": name, **measured(prices, score, StyleInputs(caps=caps))}
        for name, score in scores(prices, caps, shocks, noise, seed).items()
    ]
    return pd.DataFrame(rows), looks(seed)


def exact() -> pd.Series:
    """Whether the interval of alpha after six factors lies off 0, where all series are independent and normal."""
    rng, off = np.random.default_rng(0), []
    for _ in range(EXACT):
        line = after_factors(rng.normal(size=SESSIONS), {str(place): rng.normal(size=SESSIONS) for place in range(6)})
        assert line is not None
        off.append(abs(line.t) > line.critical)
    return pd.Series(off)


def looks(seed: int) -> pd.DataFrame:
    """A row a score of a market: which rules on skill and styles pass at the end, and at any monthly look."""
    prices, caps, shocks = market(seed)
    returns = simple_returns(prices.close)
    model, risk = style_model(returns, characteristics(prices, caps=caps)), trailing_risk(returns)
    taken = {name: frame for name, frame in model.exposures.items() if name != "beta"}
    ahead = forward_returns(prices, horizon=1, delay=1)
    rows = []
    for name, score in scores(prices, caps, shocks, 2, seed).items():
        passed = (skill_series(score, ahead, risk, styles=styles).known for styles in (None, taken))
        rows.append({"score": name, **_passes(*passed)})
    return pd.DataFrame(rows)


def _passes(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, bool]:
    both = before.join(after, how="inner", suffixes=("", "_after"))
    paths, ics = {}, {}
    for name in ("", "_after"):
        x, df = both[f"x{name}"].to_numpy(), both[f"df{name}"].to_numpy()
        paths[name], ics[name] = evidence_path(x, df) >= np.log(EVIDENCE), np.cumsum(x / np.sqrt(df))
    at = np.array([*range(FIRST - 1, len(both) - 1, STEP), len(both) - 1])
    kept = paths[""][at] & (ics["_after"][at] >= HALF * ics[""][at])
    proof = paths["_after"][at]
    t = [skill_t(both["x_after"].to_numpy()[: look + 1])[2] for look in at]
    tested = paths[""][at] & (np.array(t) >= SKILL)
    return {
        "evidence": bool(paths[""][at].any()), "share, one look": bool(kept[-1]), "share": bool(kept.any()),
        "proof": bool(proof.any()), "two tests, one look": bool(tested[-1]), "two tests": bool(tested.any()),
    }  # fmt: skip


def looks_page(table: pd.DataFrame) -> list[str]:
    """What the policy's rules on skill and styles let past, as Markdown."""
    names = {
        "evidence": "E ≥ 20 after beta, monthly", "share, one look": "and half of it left, one look",
        "share": "and half of it left, monthly", "proof": "E ≥ 20 after styles, monthly",
        "two tests, one look": "E ≥ 20, t ≥ 1.75 after styles, one look", "two tests": "the same, monthly",
    }  # fmt: skip
    groups = table["score"].str.replace(r"noise.*", "noise", regex=True)
    return [
        "## What the policy lets past",
        "",
        "`production` asks for an e-value of skill after beta of 20, of which styles leave half at whatever look",
        "(`skill_share_styles`); its other rules only lower what passes. Monthly: any look every 21 sessions from the",
        "252nd. A clone of a style with a premium has evidence after beta, and the look at which it first has is a",
        "lucky one: half of it seems to be left more often there than at one look. Who wants a bound asks for",
        "`skill_e_styles` ≥ 20: no style passes it more than one time in 20 at whatever look. The price is power where",
        "names are few (`studies/gate_power.md`).",
        "",
        f"| score | {' | '.join(names.values())} |",
        f"|---|{'---|' * len(names)}",
        *(
            f"| {name} | {' | '.join(share(table.loc[groups == name, column]) for column in names)} |"
            for name in dict.fromkeys(groups)
        ),
        "",
    ]


def share(values: pd.Series) -> str:
    """A share with Wilson's interval."""
    hits, n = int(values.sum()), len(values)
    low, high = wilson_interval(hits, n)
    return f"{hits / n:.1%} of {n} [{low:.1%}, {high:.1%}]" if n else "–"


def page(table: pd.DataFrame, passed: pd.DataFrame, real: Mapping[str, str], command: str) -> str:
    """The page as Markdown."""
    lines = [
        "# Is it new? Styles on markets whose premiums are known",
        "",
        f"Made by `{command}`.",
        f"{table['market'].nunique()} markets of {ASSETS} assets × {SESSIONS:,} sessions; quintile rule, no costs.",
        "Alpha by HAC at 95%. Found: the interval of net alpha lies above 0. Two tests: skill after styles",
        f"t ≥ {SKILL} and alpha after styles not below 0, as `production` asked before.",
        "",
        "| clone | found after beta | found after styles | explained, of those found after beta | passes two tests |",
        "|---|---|---|---|---|",
    ]
    for name in CLONES:
        part = table[table["score"] == name]
        before = part[part["found_before"] == 1]
        lines.append(
            f"| {name} | {share(part['found_before'])} | {share(part['found_after'])} | "
            f"{share(1 - before['found_after'])} | {share(part['accepted'])} |"
        )
    explained = {name: 1 - table.loc[table["score"] == name, "found_after"].mean() for name in CLONES}
    short = ", ".join(name for name, value in explained.items() if value < 0.95) or "none"
    past = {name: table.loc[table["score"] == name, "accepted"].mean() for name in CLONES}
    passing = ", ".join(name for name, value in past.items() if value > 0.05) or "none"
    signal, noise = table[table["score"] == "signal"], table[table["score"].str.startswith("noise")]
    by = {"found after beta": "found_before", "found after styles": "found_after", "passes the two tests": "accepted"}
    kept = signal["found_after"].mean() / signal["found_before"].mean()
    skill = {name: float((signal[f"skill_{name}"] >= SKILL).mean()) for name in ("before", "after")}
    lines += [
        "",
        f"Of all markets, clones not found after styles in fewer than 95 of 100: {short}. Clones of which more than 5",
        f"in 100 pass the two tests: {passing}.",
        "",
        f"A signal of IC {IC} about what no style touches: "
        + "; ".join(f"{name} {share(signal[column])}" for name, column in by.items())
        + f". After styles {kept:.0%} of the power of the alpha is kept. Skill t ≥ {SKILL}: {skill['before']:.0%} "
        f"after beta, {skill['after']:.0%} after styles.",
        "",
        (
            f"Noise: the 95% interval of alpha after styles lies off 0 in {share(noise['off'])} of cases, above it in "
            f"{share(noise['found_after'])}; the two tests let {share(noise['accepted'])} past. On independent normal "
            f"series, six of them factors, it lies off 0 in {share(exact())}."
        ),
        "",
        *looks_page(passed),
        "## Real panels",
        "",
        "| scores | after beta | after styles |",
        "|---|---|---|",
        *(f"| {name} | {row} |" for name, row in real.items()),
        "",
    ]
    return "\n".join(lines)


def told(prices: PricePanel, predictions: PredictionPanel, benchmark: pd.Series | None, strategy: str) -> str:
    """Alpha and skill of a run before and after styles, at the default costs."""
    joined, _ = align(predictions, prices)
    result = run_backtest(load_strategy(strategy), joined, prices, benchmark=benchmark)
    check, _ = against_styles(result, joined, prices, analyses=False)
    line, skill = alpha_line(result), skill_of(joined, prices)
    t, alpha, known = (check.metric(name) for name in ("alpha_t_styles_net", "alpha_ann_styles_net", "skill_t_styles"))
    before = {item.name: item.value for item in skill_metrics(skill, result)} if skill else {}
    assert line is not None
    assert t is not None
    assert alpha is not None
    return (
        f"net alpha {252 * line.alpha:.1%} a year, t {line.alpha_t:.1f}; skill t {before.get('skill_t', np.nan):.1f} | "
        f"net alpha {alpha.value:.1%}, t {t.value:.1f}; skill t {np.nan if known is None else known.value:.1f}"
    )


def real_panels(path: Path | None) -> dict[str, str]:
    """The sample's shipped predictions, and plain styles on a price file."""
    prices, index = load_sample()
    out = {
        f"sample, {name}, {strategy}": told(prices, load_sample_predictions(name), index, strategy)
        for name in ("stock_lstm_close", "ridge")
        for strategy in ("s2_filter_negative", "quintile_long_short")
    }
    if path is not None:
        panel = load_prices(path)
        market_mean = simple_returns(panel.close).mean(axis="columns").rename("equal weight")
        logs = pd.DataFrame(np.log(panel.close.to_numpy()), panel.sessions, panel.assets)
        for name, score in {
            "9-month momentum": logs.shift(10) - logs.shift(189),
            "5-session reversal": logs.shift(5) - logs,
            "low volatility": -simple_returns(panel.close).rolling(120).std(),
        }.items():
            made = PredictionPanel(score.iloc[260:], unit="rank", name=name)
            out[f"{path.stem}, {name}, quintile_long_short"] = told(panel, made, market_mean, "quintile_long_short")
    return out


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--noise", type=int, default=8)
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--work", type=Path, help="where finished markets are kept")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    table, passed = run(asked.markets, asked.noise, asked.work)
    with_file = f" --prices {asked.prices.name}" if asked.prices else ""
    command = f"python studies/styles.py --markets {asked.markets} --noise {asked.noise}{with_file} --out {asked.out}"
    asked.out.write_text(page(table, passed, real_panels(asked.prices), command), encoding="utf-8")


if __name__ == "__main__":
    main()
