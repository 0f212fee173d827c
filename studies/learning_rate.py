"""What the learning rate and the seed of the shipped model decide: validation and out-of-sample rank IC of each pair.

Run: ``python studies/learning_rate.py [--rates 3e-4,1e-3,3e-3,1e-2] [--seeds 0,1,2,3,4] [--epochs 50] [--minutes 15]``
     ``python studies/learning_rate.py --page learning_rate.csv``

`stock_lstm_close` with its default settings on the sample: one fit on the 1,260 sessions before 2018, the last fifth
of them validates, tested on 2018 to 2022. Each fit that ends is kept in the CSV, so that a run goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pandas as pd
from scipy import stats

from assay.data.returns import forward_returns
from assay.data.sample import load_sample
from assay.models.catalog import load_model
from assay.models.metrics import rank_metrics

START, TRAIN, SHIPPED = "2018-01-02", 1260, 1e-3


def fit(rate: float, seed: int, epochs: int) -> dict[str, float]:
    """Rank IC on the validation rows and on the sessions after training, with its HAC t."""
    prices, _ = load_sample()
    first = int(prices.sessions.searchsorted(pd.Timestamp(START)))
    train = prices.between(prices.sessions[first - TRAIN], prices.sessions[first - 1])
    start = time.process_time()
    fitted = load_model("stock_lstm_close", learning_rate=rate, epochs=epochs).fit(train, horizon=1, delay=1, seed=seed)
    log = fitted.training_log
    score = fitted.predict(prices, prices.sessions[first]).require_score("study").to_numpy()[first:]
    found = rank_metrics(score, forward_returns(prices).to_numpy()[first:])
    best = next(record["epoch"] for record in log["epochs"] if record["best"])  # type: ignore[attr-defined]
    return {
        "rate": rate, "seed": seed, "best_epoch": best, "epochs": len(log["epochs"]),  # type: ignore[arg-type]
        "validation": log["validation"]["rank_ic"], "test": found["rank_ic"],  # type: ignore[index]
        "test_t": found["rank_ic_hac_t"], "seconds": time.process_time() - start,
    }  # fmt: skip


def interval(values: pd.Series) -> str:
    """Mean and its 95% interval by Student, of values that are independent but for the market they share."""
    mean, half = values.mean(), stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{mean:.4f} [{mean - half:.4f}, {mean + half:.4f}]"


def apart_from_shipped(table: pd.DataFrame) -> list[float]:
    """Rates whose test figures differ from the shipped rate's at the same seeds, by Student's interval."""
    by_seed = table.pivot(index="seed", columns="rate", values="test")
    out = []
    for rate in by_seed.columns.drop(SHIPPED):
        apart = (by_seed[rate] - by_seed[SHIPPED]).dropna()
        if len(apart) > 1 and stats.ttest_1samp(apart, 0.0).pvalue < 0.05:
            out.append(float(rate))
    return out


def page(table: pd.DataFrame) -> str:
    """The study as Markdown."""
    seeds, epochs = sorted(table["seed"].unique()), int(table["limit"].max())
    shipped = table[table["rate"] == SHIPPED].set_index("seed")
    lines = [
        "# Learning rate and seed of the shipped model",
        "",
        f"`python studies/learning_rate.py --epochs {epochs}`, seeds {', '.join(map(str, seeds))}.",
        "",
        (__doc__ or "").split("\n\n")[2].strip().split(" Each fit")[0] + f" At most {epochs} epochs.",
        "",
        "Rank IC: the mean over seeds with a 95% interval of that mean (Student's), which says how far seeds differ",
        "and nothing of other years. Beside 1e-3: the difference of the test figure at the same seed. Significant:",
        "seeds whose test figure has a HAC |t| above 1.96.",
        "",
        "| rate | best epoch, median | validation | test | beside 1e-3 | significant | seconds a fit |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for rate, own in table.groupby("rate"):
        apart = own.set_index("seed")["test"] - shipped["test"]
        beside = "–" if rate == SHIPPED or apart.notna().sum() < 2 else interval(apart.dropna())
        cells = (
            f"{rate:g}", f"{own['best_epoch'].median():.0f}", interval(own["validation"]), interval(own["test"]),
            beside, f"{(own['test_t'].abs() > 1.96).sum()} of {len(own)}", f"{own['seconds'].median():.0f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    rank = table["validation"].corr(table["test"], method="spearman")
    best = table.loc[table["validation"].idxmax()]
    better = ", ".join(f"{rate:g}" for rate in apart_from_shipped(table)) or "none"
    lines += [
        "",
        f"Rates whose difference from 1e-3 has an interval that leaves out 0: {better}. Over all {len(table)} fits",
        f"the rank correlation of validation and test figures is {rank:.2f}. The fit with the highest validation",
        f"figure ({best['validation']:.4f}; rate {best['rate']:g}, seed {best['seed']:.0f}) has {best['test']:.4f} on",
        f"the test sessions, where all fits have {interval(table['test'])};",
        "they share those sessions, so that is no interval of skill.",
        "",
        f"Seconds are of the processor, one core; all fits took {table['seconds'].sum() / 60.0:.0f} minutes.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, run what is not in the table yet, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="3e-4,1e-3,3e-3,1e-2")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--csv", type=Path, default=Path("learning_rate.csv"))
    parser.add_argument("--page", type=Path, help="Write the page from this table instead of running.")
    options = parser.parse_args()
    if options.page:
        Path(__file__).with_suffix(".md").write_text(page(pd.read_csv(options.page)), encoding="utf-8")
        return
    rows = pd.read_csv(options.csv).to_dict("records") if options.csv.exists() else []
    done = {(row["rate"], row["seed"], row["limit"]) for row in rows}
    end = time.monotonic() + 60.0 * options.minutes
    for seed in (int(text) for text in options.seeds.split(",")):
        for rate in (float(text) for text in options.rates.split(",")):
            if (rate, seed, options.epochs) in done or time.monotonic() > end:
                continue
            rows.append({**fit(rate, seed, options.epochs), "limit": options.epochs})
            pd.DataFrame(rows).to_csv(options.csv, index=False)
            print(
                f"seed {seed}, rate {rate:g}: test {rows[-1]['test']:.4f}, {rows[-1]['seconds']:.0f} s", file=sys.stderr
            )


if __name__ == "__main__":
    main()
