"""Portfolio, trade, training, architecture and test checks against hand-worked cases and libraries."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from assay.audit import forensic
from assay.audit.claims.intervals import Interval, parse_print, sum_of
from assay.audit.claims.model import Architecture, Layer
from assay.audit.forensic import p_readings, t_of_correlation, t_of_mean
from assay.audit.rules import relations, scope
from assay.audit.rules.names import FORMULAS
from assay.audit.rules.networks import inputs_needed, layer_parameters, parameters
from assay.data.errors import InputError


def printed(text: str) -> Interval:
    return parse_print(text).interval


class TestPortfolio:
    def test_sharpe_readings_hold_a_real_series(self) -> None:
        rng = np.random.default_rng(4)
        for _ in range(100):
            r = rng.standard_t(4, 500) * rng.uniform(0.001, 0.04)
            r = np.clip(r, -0.45, 1)
            vol = float(r.std(ddof=1) * math.sqrt(252))
            grown = float(np.prod(1 + r) ** (252 / 500) - 1)
            sharpe = float(r.mean() * 252) / vol
            readings = forensic.sharpe_readings(Interval.point(grown), Interval.point(vol))
            assert any(value.holds(sharpe) for value in readings.values())

    def test_foresight_and_needed_hit_rate(self) -> None:
        assert forensic.foresight_ceiling(252) == pytest.approx(21.0, abs=0.05)
        daily = 10.67 / math.sqrt(252)
        p = forensic.needed_hit_rate(Interval.point(10.67), 252)
        assert (2 * p - 1) / math.sqrt(1 - (2 * p - 1) ** 2) == pytest.approx(daily)
        z = np.abs(np.random.default_rng(0).normal(size=1_000_000))
        assert z.mean() / z.std() * math.sqrt(252) == pytest.approx(forensic.foresight_ceiling(252), rel=0.01)

    def test_weekdays_against_numpy(self) -> None:
        for start, end in ((date(2024, 7, 1), date(2024, 12, 31)), (date(2023, 1, 7), date(2023, 1, 8))):
            wanted = int(np.busday_count(start, end)) + (end.weekday() < 5)
            assert scope.weekdays(start, end) == wanted
        assert scope.weekdays(date(2024, 1, 2), date(2024, 1, 1)) == 0

    def test_drawdown_probability_by_simulation(self) -> None:
        rng = np.random.default_rng(1)
        steps = rng.normal(0.1 / 2520, 0.2 / math.sqrt(2520), (4000, 2520))
        share = float((np.cumsum(steps, axis=1).min(axis=1) < -0.1).mean())
        assert forensic.fallen(0.5, 0.2, 1.0, 0.1) == pytest.approx(share, abs=0.03)

    def test_annualising_and_compounding(self) -> None:
        readings = forensic.mean_over_a_year(printed("0.05%"))
        assert readings["times 252"].meets(printed("12.6%"))
        assert readings["compounded over 252"].meets(printed("13.4%"))
        assert forensic.compounded_readings(printed("21.0%"), Interval.point(2.0))["compounded"].meets(
            printed("10.0%")
        )

    def test_cost_has_one_way_and_two_way_readings(self) -> None:
        readings = forensic.cost_readings(printed("20%"), Interval.point(0.0005))
        assert readings["as printed, times 252"].meets(printed("2.5%"))
        assert readings["one-way turnover, both sides pay, times 252"].meets(printed("5.0%"))


class TestTrades:
    def test_identities_on_a_real_list_of_trades(self) -> None:
        p = np.array([10.0, 20.0, -5.0, -15.0, 30.0])
        w, lose, aw, al = (Interval.point(x) for x in (3.0, 2.0, 20.0, -10.0))
        assert forensic.share_of(w, lose).holds(0.6)
        assert forensic.factor_of(Interval.point(0.6), Interval.point(2.0)).holds(3.0)
        assert FORMULAS["p·w − (1 − p)·l"](Interval.point(0.6), aw, al).holds(float(p.mean()))
        assert math.isinf(forensic.factor_of(Interval(0.9, 1.0), Interval.point(1.0)).high)


class TestTraining:
    def test_early_stopping_runs_patience_past_the_best(self) -> None:
        run = forensic.epochs_of(Interval.point(39.0), 15, None)
        assert run.holds(54.0)
        assert not run.holds(57.0)
        assert forensic.epochs_of(Interval.point(39.0), 15, 50) == Interval(50.0, 50.0)
        assert FORMULAS["patience + 3/2"](5) > 6


class TestArchitecture:
    ENHANCED = Architecture(
        (Layer("lstm", 50), Layer("batch_norm"), Layer("dropout"), Layer("lstm", 50), Layer("batch_norm"),
            Layer("dense", 25),
         Layer("dense", 1)), 1, "keras",
    )  # fmt: skip

    def test_keras_count_of_the_report_is_exact(self) -> None:
        assert parameters(self.ENHANCED, "keras") == (32_301, 32_101)

    @pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_recurrent_layers_as_pytorch_counts_them(self, kind: str, bidirectional: bool) -> None:
        torch = pytest.importorskip("torch")
        module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind]
        wanted = sum(p.numel() for p in module(7, 11, bidirectional=bidirectional).parameters())
        assert layer_parameters(Layer(kind, 11, bidirectional=bidirectional), 7, "torch")[0] == wanted

    def test_stack_heads_and_attention_as_pytorch_counts_them(self) -> None:
        torch = pytest.importorskip("torch")
        nn = torch.nn
        modules = [nn.LSTM(14, 128, 2), nn.BatchNorm1d(128), nn.LayerNorm(128), nn.MultiheadAttention(128, 4),
                   nn.Conv1d(128, 32, 3), nn.Linear(32, 3)]  # fmt: skip
        wanted = sum(p.numel() for module in modules for p in module.parameters())
        layers = (Layer("lstm", 128), Layer("lstm", 128), Layer("batch_norm"), Layer("layer_norm"),
                  Layer("attention", heads=4), Layer("conv1d", 32, kernel=3), Layer("dense", 3))  # fmt: skip
        assert parameters(Architecture(layers, 14, "torch"), "torch")[0] == wanted
        two_heads = (Layer("lstm", 64), Layer("dense", 3, source=0), Layer("dense", 1, source=0))
        heads = [nn.LSTM(9, 64), nn.Linear(64, 3), nn.Linear(64, 1)]
        assert parameters(Architecture(two_heads, 9), "torch")[0] == sum(
            p.numel() for m in heads for p in m.parameters()
        )

    def test_keras_layers_documented_counts(self) -> None:
        # 4h(i+h+1) and, with reset_after, 3h(i+h+2).
        assert layer_parameters(Layer("lstm", 32), 10, "keras")[0] == 4 * 32 * (10 + 32 + 1)
        assert layer_parameters(Layer("gru", 32), 10, "keras")[0] == 3 * 32 * (10 + 32 + 2)
        assert layer_parameters(Layer("embedding", 16, vocabulary=1000), 1, "keras")[0] == 16_000

    def test_inputs_needed_inverts_the_count(self) -> None:
        stack = Architecture((Layer("lstm", 64), Layer("dense", 3)), None, "torch")
        exact = parameters(stack, "torch", 27)[0]
        assert list(inputs_needed(stack, "torch", exact, exact)) == [27]
        assert not inputs_needed(stack, "torch", exact + 1, exact + 2)

    @pytest.mark.parametrize(
        ("layers", "framework", "message"),
        [
            ((Layer("transformer", 4),), "torch", "layer kind"),
            ((Layer("dense", 4, source=3),), "torch", "comes after"),
        ],
    )
    def test_unusable_architectures_are_named(self, layers: tuple[Layer, ...], framework: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            parameters(Architecture(layers, 3), framework)
        with pytest.raises(InputError, match="inputs is unknown"):
            parameters(Architecture((Layer("dense", 1),)), "torch")


def fitting(figure: Interval, readings: dict[str, Interval]) -> list[str]:
    return [name for name, value in readings.items() if figure.meets(value)]


class TestArithmetic:
    def test_54_percent_is_the_relative_reading(self) -> None:
        readings = relations.change_readings(printed("59.1%"), printed("91.3%"))
        assert fitting(printed("54%"), readings) == ["relative to the start"]
        assert fitting(printed("32.2%"), readings) == ["in percentage points"]
        assert fitting(printed("60%"), readings) == []

    def test_35_times_and_60_times(self) -> None:
        assert "second / first" in fitting(
            printed("35×"), relations.ratio_readings(printed("253.35"), printed("8,802.48"))
        )
        early = relations.ratio_readings(printed("2,839.81"), printed("175,560.08"))
        assert fitting(printed("60×"), early) == []
        assert fitting(parse_print("60×").either, early) == ["(second - first) / first"]

    def test_subtraction_of_prints_is_not_an_error(self) -> None:
        difference = {"second - first": printed("175,560.08") - printed("2,839.81")}
        assert fitting(printed("172,720.26"), difference)
        assert not fitting(printed("172,720.25"), difference)

    def test_means_and_sums(self) -> None:
        values = [printed(t) for t in ("0.125", "0.115", "0.118", "0.122")]
        assert "mean" in fitting(printed("0.120"), relations.mean_readings(values))
        assert sum_of([printed("60%"), printed("20%"), printed("20%")]).holds(1.0)
        assert not sum_of([printed("60%"), printed("20%"), printed("10%")]).holds(1.0)

    def test_a_weighted_mean_lies_between_its_parts(self) -> None:
        parts = [printed("0.50"), printed("0.80"), printed("0.60")]
        assert relations.mean_readings(parts, weighted=True)["weighted mean"] == Interval(parts[0].low, parts[1].high)
        assert "weighted mean" not in relations.mean_readings(parts)


class TestMomentsAndTests:
    def test_samuelson_and_bhatia_davis_hold_on_data(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(100):
            x = rng.standard_t(2, int(rng.integers(3, 40)))
            mean, low, high = (Interval.point(float(value)) for value in (x.mean(), x.min(), x.max()))
            assert forensic.std_floor(mean, low, high, len(x)) <= x.std() + 1e-9
            assert forensic.std_ceiling(mean, low, high, len(x)) >= x.std(ddof=1) - 1e-9

    def test_grimmer_accepts_real_samples_and_refuses_an_impossible_one(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(60):
            x = rng.integers(1, 8, int(rng.integers(3, 40)))
            mean, std = parse_print(f"{x.mean():.2f}").interval, parse_print(f"{x.std(ddof=1):.2f}").interval
            assert forensic.grimmer(std, mean, len(x))
        assert not forensic.grimmer(printed("0.10"), printed("2.55"), 10)

    def test_grimmer_refuses_exactly_what_no_small_sample_reaches(self) -> None:
        from itertools import combinations_with_replacement

        reached = {
            (f"{np.mean(x):.2f}", f"{np.std(x, ddof=1):.2f}") for x in combinations_with_replacement(range(-6, 12), 4)
        }
        assert all(forensic.grimmer(printed(s), printed(m), 4) for m, s in reached)
        refused = [
            f"{s / 100:.2f}" for s in range(300) if not forensic.grimmer(printed(f"{s / 100:.2f}"), printed("2.50"), 4)
        ]
        assert len(refused) > 250
        assert not {("2.50", s) for s in refused} & reached

    def test_debit_and_kurtosis(self) -> None:
        x = np.array([0, 1, 1, 0, 1])
        readings = forensic.debit_readings(Interval.point(0.6), 5)
        assert readings["denominator n - 1"].holds(float(x.std(ddof=1)))
        assert readings["denominator n"].holds(float(x.std()))
        assert not forensic.debit_readings(printed("0.60"), 5)["denominator n"].meets(printed("0.40"))
        assert FORMULAS["skew² − 2"](printed("-2.0")) == pytest.approx(1.95**2 - 2)

    def test_p_values_agree_with_scipy(self) -> None:
        from scipy import stats

        assert p_readings(printed("2.20"), Interval.point(30))["two-sided"].holds(float(2 * stats.t.sf(2.20, 30)))
        assert p_readings(printed("1.96"))["two-sided"].holds(float(2 * stats.norm.sf(1.96)))
        assert not p_readings(printed("2.20"), Interval.point(30))["two-sided"].meets(printed("0.01"))

    def test_t_of_a_correlation_and_of_a_mean(self) -> None:
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=30), rng.normal(size=30)
        r = float(np.corrcoef(x, y)[0, 1])
        wanted = r * math.sqrt(28 / (1 - r * r))
        assert t_of_correlation(Interval.point(r), 30)["n - 2"].holds(wanted)
        t = float(x.mean() / (x.std(ddof=1) / math.sqrt(30)))
        assert t_of_mean(Interval.point(float(x.mean())), Interval.point(float(x.std(ddof=1))), 30).holds(t)
