"""Whether `verify` ever names a difference in a sheet that nobody touched: 140 documents of 20 different runs.

Run as `python benchmarks/untouched_sheets.py` (about ten minutes; `--runs 2 --first 5` for a glance). Each run has a
market and a ledger of its own and seven documents: a page and an excerpt when it was made, an excerpt after a verdict,
a page and two PDFs (one by a browser where there is one, one without) after the ledger had grown by two trials and the
run had been counted again with further checks, and an excerpt after a second verdict. Each is verified at the end,
against all that: by the run's id, and by its bundle with another ledger from another folder. Exit code 1 if anything is
named or a verification takes over ten seconds of the processor (seconds on the clock stand beside them, for a machine
that does other work meanwhile).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from assay.commands import main as cli
from assay.commands.verify import bundle_of
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market
from assay.results.report.document import Document, read_document
from assay.results.report.drawn_from import read_drawn_from
from assay.results.report.tearsheet import write_tearsheet
from assay.results.storage.runs import load_run
from assay.results.workflow.proofs import Proof, recomputed, verify

__all__ = ["RUNS", "main"]

_LIMIT = 10.0
#: Options of `backtest`, or of `walk-forward` where a model is named; "sample" stands for the embedded one.
RUNS: tuple[tuple[str, ...], ...] = (
    ("sample", "--strategy", "s2_filter_negative"),
    ("sample", "--strategy", "quintile_long_short", "--param", "quantile=0.1", "--canaries", "--random-runs", "50"),
    ("--strategy", "quintile_long_short", "--styles"),
    ("--strategy", "s1_bottom_k", "--engine", "vectorbt", "--borrow-bps", "0", "--financing-bps", "0"),
    ("--strategy", "s3_vol_scaled", "--lot", "1"),
    ("--strategy", "s4_benchmark_hedge"),
    ("--strategy", "s5_long_only", "--param", "every=week"),
    ("--strategy", "s6_threshold", "--accounting", "constant_weight"),
    ("--strategy", "s7_confidence_scaled", "--delay", "2"),
    ("--strategy", "confidence"),
    ("--strategy", "multitask_action"),
    ("--strategy", "expected_return", "--sqrt-impact", "1", "--capacity"),
    ("--strategy", "equal_weight"),
    ("--strategy", "min_variance"),
    ("--strategy", "hrp"),
    ("--strategy", "s2_filter_negative", "--spread-bps", "2", "--cash-rate-bps", "200", "--canaries",
     "--random-runs", "30"),
    ("--model", "ridge", "--strategy", "quintile_long_short", "--styles"),
    ("--model", "ridge", "--strategy", "s2_filter_negative", "--no-baselines"),
    ("--model", "momentum", "--strategy", "s5_long_only", "--no-baselines"),
    ("--strategy", "./mine.py:Upper"),
)  # fmt: skip
_OWN = '''"""A rule in a person's own file."""
from dataclasses import dataclass
from typing import ClassVar
from assay.strategies.base import Overlays
@dataclass(frozen=True)
class Upper:
    name: ClassVar[str] = "upper"
    family: ClassVar[str] = "mine"
    needs: ClassVar[tuple[str, ...]] = ()
    overlays: ClassVar[Overlays] = Overlays()
    def target_weights(self, predictions, prices):
        above = predictions.score.gt(predictions.score.median(axis="columns"), axis="index")
        return above.astype(float).div(above.sum(axis="columns").clip(lower=1), axis="index")
'''


def called(*arguments: str, allowed: tuple[int, ...] = (0, 1, 3)) -> tuple[int, str]:
    """A command's exit code and what it printed; the script ends where the code is none of those allowed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(list(arguments))
    if code not in allowed:
        raise SystemExit(f"{' '.join(arguments)}: {code}\n{err.getvalue()[-2000:]}")
    return code, out.getvalue()


def market(folder: Path, number: int) -> list[str]:
    """Files of a market with opens, volume, a benchmark and predictions of every kind; the options that name them."""
    prices, oracle = synthetic_market(360, 8 + number, ic=0.1, seed=number)
    score = oracle.score.rank(axis="columns", pct=True).to_numpy()
    up = pd.DataFrame(0.2 + 0.6 * score, oracle.score.index, oracle.score.columns)
    action = {"buy": 0.7 * up, "sell": 0.7 * (1 - up), "hold": 0.3 + 0.0 * up}
    full = replace(oracle, probability_up=up, action=action)
    write_prices(prices, folder / "prices.parquet")
    write_predictions(full, folder / "preds.parquet")
    mean = prices.close.pct_change(fill_method=None).mean(axis="columns").fillna(0.0)
    mean.rename("return").rename_axis("date").to_csv(folder / "benchmark.csv")
    (folder / "mine.py").write_text(_OWN, encoding="utf-8")
    return ["--prices", "prices.parquet", "--benchmark", "benchmark.csv"]


def make(folder: Path, number: int) -> list[str]:
    """A run's seven documents and its bundle in a folder; its id and the names of the documents."""
    options = list(RUNS[number])
    files = [] if options[0] == "sample" else market(folder, number)
    options = options[1:] if not files else options
    walk = "--model" in options
    brought = [] if walk or not files else ["--predictions", "preds.parquet"]
    command = ["walk-forward" if walk else "backtest", *options, *files, *brought]
    command += ["--train", "150", "--retrain", "100", "--executor", "serial"] if walk else []
    called(*command, "--json")
    (run,) = [item.name for item in Path("results/runs").iterdir() if (item / "manifest.json").exists()]
    drawn = ["made.html", "made.md", "judged.md", "grown.html", "grown.pdf", "laid_out.pdf", "again.md"]
    called("tearsheet", run, "--output", drawn[0])
    called("tearsheet", run, "--output", drawn[1])
    called("gate", run, "--policy", "research")
    called("tearsheet", run, "--output", drawn[2])
    for quantile in ("0.3", "0.4"):
        brought = ["--predictions", "preds.parquet"] if files else []
        called("backtest", "--strategy", "quintile_long_short", "--param", f"quantile={quantile}", *files, *brought,
               "--results", "others")  # fmt: skip
    if number % 2 and not walk:
        called(*command, "--leaks", "--cross-check")
    for name in drawn[3:5]:
        called("tearsheet", run, "--output", name)
    write_tearsheet(load_run(run, root=Path("results/runs")), Path(drawn[5]), browser=False)
    called("gate", run, "--policy", "selection" if number % 3 else "research")
    called("tearsheet", run, "--output", drawn[6])
    called("runs", "export", run, "run.zip")
    return [run, *drawn]


def proofs(documents: list[Path], run: str) -> Iterator[tuple[Proof, np.ndarray]]:
    """What `verify` gives for each, and its seconds of the processor and on the clock.

    Documents of one count of the trials share the run made again, whose time is each one's; so is that of reading.
    """
    groups: dict[int, list[tuple[Document, np.ndarray]]] = {}
    for path in documents:
        start = _clocks()
        document = read_document(path)
        state = read_drawn_from(document.text)
        groups.setdefault(0 if state is None else state.through, []).append((document, _clocks() - start))
    for group in groups.values():
        start = _clocks()
        with (
            bundle_of(Path(run), Path("results/runs")) as packed,
            recomputed(packed, document=group[0][0], trust_code=True) as made,
        ):
            again = _clocks() - start
            for document, reading in group:
                start = _clocks()
                proof = verify(document, made)
                yield proof, again + reading + _clocks() - start


def _clocks() -> np.ndarray:
    """Seconds of the processor, and on the clock."""
    return np.array([time.process_time(), time.perf_counter()])


def main() -> None:
    """Make the runs, verify every document twice, print what was named and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=len(RUNS))
    parser.add_argument("--first", type=int, default=1)
    given = parser.parse_args()
    chosen = range(given.first - 1, min(given.first - 1 + given.runs, len(RUNS)))
    alarms, longest, held = [], np.zeros(2), 0
    for number in chosen:
        with tempfile.TemporaryDirectory(prefix="assay-sheets-") as place:
            folder, elsewhere = Path(place) / "here", Path(place) / "there"
            folder.mkdir(), elsewhere.mkdir()
            os.chdir(folder)
            os.environ["ASSAY_LEDGER"] = str(folder / "ledger")
            run, *documents = make(folder, number)
            seconds = []
            for way in (run, str(folder / "run.zip")):
                if way != run:
                    os.chdir(elsewhere)
                    os.environ["ASSAY_LEDGER"] = str(elsewhere / "ledger")
                for proof, taken in proofs([folder / document for document in documents], way):
                    seconds.append(taken)
                    held += 1
                    if not proof.agrees:
                        named = "; ".join(item.sentence for item in proof.differences[:5])
                        alarms.append(f"{proof.document} by {'id' if way == run else 'bundle'}: {named}")
                        print(alarms[-1], flush=True)
            longest = np.maximum(longest, np.max(seconds, axis=0))
            print(f"{number + 1:2} {' '.join(RUNS[number])}: {len(documents)} documents, each verified in"
                  f" {_told(np.median(seconds, axis=0))}, longest {_told(np.max(seconds, axis=0))}", flush=True)
    print(f"{held // 2} sheets of {len(chosen)} runs, each by id and by bundle: {len(alarms)} alarms")
    print(f"longest: {_told(longest)}")
    sys.exit(int(bool(alarms) or longest[0] > _LIMIT))


def _told(seconds: np.ndarray) -> str:
    return f"{seconds[0]:.1f} s of the processor ({seconds[1]:.1f} s on the clock)"


if __name__ == "__main__":
    main()
