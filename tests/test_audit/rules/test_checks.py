"""Each check against hand-worked cases, libraries, and its boundary."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from assay.audit import forensic
from assay.audit.claims.intervals import Interval, parse_print
from assay.audit.forensic import (
    binary_matrices,
    called_share,
    class_shares,
    entropy,
    f1_average_range,
    f1_range,
    grim_counts,
    grim_has_power,
    largest_share_from_macro,
    macro_f1_readings,
    matrix_scores,
    prevalence_range,
)
from assay.audit.rules.names import FORMULAS


def printed(text: str) -> Interval:
    return parse_print(text).interval


class TestProportions:
    def test_a_share_possible_on_28_cases_is_impossible_on_30(self) -> None:
        assert list(grim_counts(printed("57.14%"), 28)) == [16]
        assert not grim_counts(printed("57.14%"), 30)

    def test_three_shares_have_28_as_smallest_common_sample_and_only_multiples_follow(self) -> None:
        shares = [printed(text) for text in ("57.14%", "53.57%", "39.29%")]
        sizes = [n for n in range(1, 2326) if all(grim_counts(share, n) for share in shares)]
        assert sizes[0] == 28
        assert all(n % 28 == 0 for n in sizes)
        assert [n for n in range(1, 31) if grim_counts(shares[0], n)] == [7, 14, 21, 28]

    def test_power_ends_where_every_print_fits(self) -> None:
        assert grim_has_power(printed("57.14%"), 9_000)
        assert not grim_has_power(printed("57.14%"), 10_001)

    def test_auc_moves_in_half_pairs(self) -> None:
        assert list(grim_counts(printed("0.5521"), 2 * 16 * 12)) == [212]
        assert not grim_counts(printed("0.5520"), 2 * 16 * 12)


class TestConfusion:
    def test_matrices_equal_brute_force(self) -> None:
        rng = np.random.default_rng(3)
        for _ in range(20):
            n = int(rng.integers(4, 16))
            tp, fp, fn, tn = rng.multinomial(n, rng.dirichlet(np.ones(4)))
            scores = {
                "accuracy": (tp + tn) / n,
                "precision": tp / (tp + fp) if tp + fp else 0.0,
                "recall": tp / (tp + fn) if tp + fn else 0.0,
                "f1": 2 * tp / (2 * tp + fp + fn) if tp else 0.0,
            }
            prints = {name: parse_print(f"{value:.2f}").interval for name, value in scores.items()}
            found = {(m.tp, m.fp, m.fn, m.tn) for m in binary_matrices(prints, n)}
            wanted = set()
            for a, b, c in product(range(n + 1), repeat=3):
                d = n - a - b - c
                if d < 0:
                    continue
                values = (
                    (a + d) / n,
                    a / (a + b) if a + b else 0.0,
                    a / (a + c) if a + c else 0.0,
                    2 * a / (2 * a + b + c) if a else 0.0,
                )
                if all(prints[k].holds(v) for k, v in zip(prints, values, strict=True)):
                    wanted.add((a, b, c, d))
            assert found == wanted
            assert (tp, fp, fn, tn) in found

    def test_the_report_of_28_days_has_one_matrix_each(self) -> None:
        names = ("accuracy", "precision", "recall", "f1")
        wider = dict(zip(names, map(printed, ("57.14%", "0.5714", "1.0000", "0.7273")), strict=True))
        deeper = {"accuracy": printed("39.29%"), "f1": printed("0.1053")}
        assert [(m.tp, m.fp, m.fn, m.tn) for m in binary_matrices(wider, 28)] == [(16, 12, 0, 0)]
        assert [(m.tp, m.fp, m.fn, m.tn) for m in binary_matrices(deeper, 28, 16)] == [(1, 2, 15, 10)]
        assert binary_matrices(wider, 30) == []

    def test_mcc_and_balanced_accuracy_agree_with_scikit_learn(self) -> None:
        from sklearn.metrics import (
            balanced_accuracy_score,
            cohen_kappa_score,
            confusion_matrix,
            f1_score,
            matthews_corrcoef,
        )

        rng = np.random.default_rng(0)
        truth, guess = rng.integers(0, 2, 40), rng.integers(0, 2, 40)
        scores = matrix_scores(confusion_matrix(truth, guess), "01")
        assert scores["mcc"][""] == pytest.approx(matthews_corrcoef(truth, guess))
        assert scores["kappa"][""] == pytest.approx(cohen_kappa_score(truth, guess))
        assert scores["balanced_accuracy"][""] == pytest.approx(balanced_accuracy_score(truth, guess))
        three, called = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
        scores = matrix_scores(confusion_matrix(three, called), "abc")
        by_class = f1_score(three, called, average=None)
        assert [scores["f1"][f"of {name}"] for name in "abc"] == pytest.approx(by_class)
        assert scores["f1_weighted"][""] == pytest.approx(f1_score(three, called, average="weighted"))
        assert scores["mcc"][""] == pytest.approx(matthews_corrcoef(three, called))

    def test_accuracy_floor_is_the_jaccard_index(self) -> None:
        # TP 8, FP 2, FN 4, no true negatives: accuracy 8/14.
        assert FORMULAS["Jaccard"](Interval.point(0.8), Interval.point(8 / 12)) == pytest.approx(8 / 14)
        assert FORMULAS["Jaccard"](Interval(0.0, 0.1), Interval.point(1.0)) == 0.0

    def test_prevalence_follows_from_three_scores(self) -> None:
        tp, fp, fn, tn = 30, 10, 20, 40
        implied = prevalence_range(Interval.point(0.7), Interval.point(0.75), Interval.point(0.6))
        assert implied is not None
        assert implied.low == pytest.approx((tp + fn) / (tp + fp + fn + tn))


class TestClassification:
    def test_f1_of_a_class_and_its_boundary(self) -> None:
        exact = f1_range(printed("8.0%"), printed("65.2%"))
        assert exact.meets(printed("0.143"))
        assert not exact.meets(printed("0.145"))
        assert f1_range(Interval(0.0, 0.0), Interval(0.0, 0.0)) == Interval(0.0, 0.0)

    def test_an_average_of_f1_stays_between_the_bounds(self) -> None:
        rng = np.random.default_rng(1)
        for _ in range(300):
            k = int(rng.integers(2, 6))
            p, r, w = rng.random(k), rng.random(k), rng.dirichlet(np.ones(k))
            average = float(w @ (2 * p * r / (p + r)))
            assert f1_average_range(Interval.point(float(w @ p)), Interval.point(float(w @ r))).holds(average)

    def test_macro_f1_has_two_readings(self) -> None:
        f1s = {t: printed(t) for t in ("0.143", "0.954", "0.136")}
        readings = macro_f1_readings(f1s, dict.fromkeys(f1s, printed("8.0%")), dict.fromkeys(f1s, printed("65.2%")))
        assert readings["mean of the class F1"].meets(printed("0.411"))
        assert len(readings) == 2

    def test_class_scores_force_a_majority_of_99_percent(self) -> None:
        rows = {
            "Buy": ("8.0%", "65.2%", "0.143"),
            "Sell": ("99.7%", "91.5%", "0.954"),
            "Hold": ("7.5%", "77.2%", "0.136"),
        }
        keys = ("precision", "recall", "f1")
        scores = {name: dict(zip(keys, map(printed, row), strict=True)) for name, row in rows.items()}
        answer = class_shares(scores, printed("91.3%"), printed("0.946"))
        assert answer is not None
        assert answer.majority == "Sell"
        assert answer.majority_floor > 0.988
        assert answer.shares["Sell"].high < 0.9925

    def test_class_shares_contain_the_truth_and_refuse_the_impossible(self) -> None:
        rng = np.random.default_rng(5)
        for _ in range(30):
            k = int(rng.integers(2, 5))
            matrix = rng.integers(1, 60, (k, k)).astype(float)
            support = matrix.sum(axis=1) / matrix.sum()
            p, r = np.diag(matrix) / matrix.sum(axis=0), np.diag(matrix) / matrix.sum(axis=1)
            f = 2 * p * r / (p + r)
            text = [[parse_print(f"{v:.3f}").interval for v in row] for row in (p, r, f)]
            scores = {str(i): {"precision": text[0][i], "recall": text[1][i], "f1": text[2][i]} for i in range(k)}
            accuracy = parse_print(f"{np.trace(matrix) / matrix.sum():.3f}").interval
            answer = class_shares(scores, accuracy, parse_print(f"{support @ f:.3f}").interval)
            assert answer is not None
            assert all(answer.shares[str(i)].holds(float(support[i])) for i in range(k))
            assert answer.majority_floor <= support.max() + 1e-9
            assert class_shares(scores, Interval.point(min(1.0, max(r) + 0.05)), None) is None or max(r) > 0.95

    def test_one_scored_class_still_bounds_its_share(self) -> None:
        share = largest_share_from_macro(printed("0.74"), printed("0.28"), printed("0.73"), 3)
        assert share is not None
        assert 0.96 < share.low < 0.975
        assert largest_share_from_macro(printed("0.30"), printed("0.28"), printed("0.29"), 3) is None

    def test_constant_prediction_leaves_next_to_nothing_unpredicted(self) -> None:
        called = called_share(printed("57.14%"), printed("0.5714"), printed("1.0000"))
        assert called is not None
        assert called.low > 0.999
        loose = called_share(printed("0.7"), printed("0.6"), printed("0.9"))
        assert loose is not None
        assert loose.low < 0.9
        # TP 30, FP 10, FN 20, TN 40: 40 of 100 are called positive.
        exact = called_share(*map(Interval.point, (0.7, 0.75, 0.6)))
        assert exact is not None
        assert exact.low == pytest.approx(0.4)

    def test_entropy_and_mixture(self) -> None:
        assert entropy([16 / 28, 12 / 28]) == pytest.approx(0.68291, abs=1e-5)
        assert FORMULAS["guessing"](2, 28, 16) == pytest.approx(0.68291, abs=1e-5)
        assert FORMULAS["guessing"](3, 28, 16) == pytest.approx(math.log(3))
        half = Interval.point(0.5)
        assert forensic.mixture({"a": Interval.point(0.8)}, {"a": half}) == Interval(0.4, 0.9)


class TestRegression:
    def test_error_cannot_exceed_half_the_range(self) -> None:
        ceiling = forensic.rmse_ceiling(11.495, 21.155, printed("0.1278"))
        assert ceiling == pytest.approx(4.511, abs=2e-3)
        assert ceiling < printed("7.52").low
        # Data at the two ends reach the bound exactly.
        y = np.array([0.0, 0.0, 2.0, 2.0])
        e = np.array([0.5, -0.5, 0.5, -0.5])
        r2 = 1 - (e**2).mean() / y.var()
        assert forensic.rmse_ceiling(0.0, 2.0, Interval.point(float(r2))) == pytest.approx(math.sqrt((e**2).mean()))

    def test_a_printed_mean_tightens_the_variance(self) -> None:
        assert forensic.variance_ceiling(0.0, 1.0) == pytest.approx(0.25)
        assert forensic.variance_ceiling(0.0, 1.0, Interval(0.05, 0.1)) == pytest.approx(0.09)
        assert forensic.variance_ceiling(0.0, 1.0, Interval(0.4, 0.6)) == pytest.approx(0.25)

    def test_implied_deviation_of_the_target(self) -> None:
        implied = forensic.target_std(printed("5.47"), printed("0.9982"))
        assert implied.low < 128.9 < implied.high
        assert math.isinf(forensic.target_std(printed("1.0"), Interval(0.9, 1.0)).high)

    def test_best_constant_is_the_harmonic_middle(self) -> None:
        low, high = 11.50, 21.15
        constant = 2 * low * high / (low + high)
        worst = max(abs(constant - y) / y for y in (low, high))
        assert FORMULAS["(high − low)/(high + low)"](low, high) == pytest.approx(worst)

    def test_mape_lies_between_the_scaled_errors(self) -> None:
        assert FORMULAS["a/high to a/low"](printed("7.52"), 11.5, 21.15).meets(printed("58.71%"))

    def test_persistence_mape_by_simulation(self) -> None:
        rng = np.random.default_rng(0)
        p = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 40_000)))
        measured = np.abs(p[2:] - p[:-2]) / p[2:]
        assert measured.mean() == pytest.approx(FORMULAS["0.798 σ √h"](Interval.point(0.01), 2).low, rel=0.03)


class TestSignalAndSignificance:
    def test_quantile_slopes_published(self) -> None:
        assert forensic.quantile_slope(5) == pytest.approx(1.400, abs=5e-4)
        assert forensic.quantile_slope(10) == pytest.approx(1.755, abs=5e-4)
        assert forensic.quantile_slope(3) == pytest.approx(1.091, abs=5e-4)

    def test_sign_agreement(self) -> None:
        rate = FORMULAS["1/2 + asin(ρ)/π"](Interval.point(0.112))
        assert rate.low - 0.08 == pytest.approx(0.5357, abs=1e-4)

    def test_breadth(self) -> None:
        # 80.8 names are four fifths of the 101 that a deviation of 0.1 needs.
        assert FORMULAS["1/√(N−1)"](80.8) == pytest.approx(0.1)

    def test_spread_by_simulation(self) -> None:
        rng = np.random.default_rng(2)
        score = rng.normal(size=400_000)
        gain = 0.02 * (0.3 * score + math.sqrt(1 - 0.09) * rng.normal(size=400_000))
        order = np.argsort(score)
        spread = gain[order[-80_000:]].mean() - gain[order[:80_000]].mean()
        zero, ic = Interval.point(0.0), Interval.point(0.3)
        sigma = FORMULAS["(top − bottom)/(2 κ IC)"](Interval.point(float(spread)), zero, ic, 5)
        assert sigma.low == pytest.approx(0.02, rel=0.02)

    def test_wilson_agrees_with_statsmodels(self) -> None:
        from statsmodels.stats.proportion import proportion_confint

        low, high = proportion_confint(16, 28, method="wilson")
        assert forensic.wilson(16, 28).low == pytest.approx(low)
        assert forensic.wilson(16, 28).high == pytest.approx(high)

    @pytest.mark.parametrize(("n", "wanted"), [(2, 0.564), (5, 1.163), (100, 2.508)])
    def test_expected_maximum_exact(self, n: int, wanted: float) -> None:
        assert forensic.deflated_floor(n, 252, 252) == pytest.approx(wanted, abs=1e-3)

    def test_auc_interval_of_28_days_holds_one_half(self) -> None:
        assert forensic.auc_interval(0.5521, 16, 12).holds(0.5)
        assert not forensic.auc_interval(0.9, 160, 120).holds(0.5)

    def test_sharpe_interval_is_root_years_for_small_ratios(self) -> None:
        around = forensic.sharpe_interval(0.5, 2520, 252)
        assert around.width / 2 == pytest.approx(1.96 / math.sqrt(10), rel=1e-3)
