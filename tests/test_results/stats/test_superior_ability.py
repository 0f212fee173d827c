"""SPA, reality check and step-down: against arch, against plain loops, and their size on noise."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.errors import InputError, InsufficientEvidenceError
from assay.results.stats.superior_ability import adjusted_p_values, kernel_variance, reality_check, superior_ability


def noise(seed: int, n: int = 250, trials: int = 8, *, edge: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.3, 3.0, trials)
    values = 0.01 * scale * rng.normal(size=(n, trials)) + 0.002 * rng.normal(size=(n, 1))
    values[:, -1] -= 0.004  # clearly bad
    values[:, 0] += edge
    return values


def arch_draws(n: int, block: int, draws: int, seed: int) -> np.ndarray:
    from arch.bootstrap import StationaryBootstrap

    return np.stack([data[0][0] for data in StationaryBootstrap(block, np.arange(n), seed=seed).bootstrap(draws)])


@pytest.mark.parametrize("studentised", [True, False])
@pytest.mark.parametrize(("seed", "edge"), [(1, 0.0), (2, 0.002), (3, 0.004)])
def test_agrees_with_arch_on_its_own_draws(seed, edge, studentised):
    from arch.bootstrap import SPA, StepM

    values, n, block, draws = noise(seed, edge=edge), 250, 5, 999
    scaled = values / np.sqrt(kernel_variance(values, block=block)) if studentised else values
    theirs = SPA(np.zeros(n), -scaled, block_size=block, reps=draws, seed=seed)
    theirs.compute()
    mine = superior_ability(
        values, studentised=studentised, block=block, resamples=arch_draws(n, block, draws, seed)
    )
    for name in ("lower", "consistent", "upper"):
        assert getattr(mine, name) * (draws + 1) - 1 == pytest.approx(theirs.pvalues[name] * draws, abs=1e-9)
    steps = StepM(np.zeros(n), -scaled, size=0.05, block_size=block, reps=draws, seed=seed)
    steps.compute()
    assert list(mine.superior()) == list(steps.superior_models)


def test_variance_is_that_of_arch():
    from arch.bootstrap import SPA

    values = noise(4)
    theirs = SPA(np.zeros(250), -values, block_size=7, reps=10, seed=0)
    theirs.compute()
    np.testing.assert_allclose(kernel_variance(values, block=7), theirs._loss_diff_var, rtol=1e-9)


def test_agrees_with_a_plain_loop():
    values, market = noise(5, n=80, trials=5, edge=0.003), noise(6, n=80, trials=2)[:, 0]
    rows = np.random.default_rng(0).integers(0, 80, (60, 80))
    found = superior_ability(values, market, block=3.0, resamples=rows)
    difference = values - market[:, None]
    n, trials = difference.shape
    error, mean, q = np.empty(trials), difference.mean(axis=0), 1 / 3.0
    for k in range(trials):
        centred = difference[:, k] - mean[k]
        total = (centred**2).sum() / n
        for i in range(1, n):
            kappa = (1 - i / n) * (1 - q) ** i + i / n * (1 - q) ** (n - i)
            total += 2 * kappa * (centred[:-i] * centred[i:]).sum() / n
        error[k] = np.sqrt(total)
    t = np.sqrt(n) * mean / error
    np.testing.assert_allclose(found.statistics, t, rtol=1e-9)
    g = {"lower": np.maximum(mean, 0), "upper": mean,
         "consistent": np.where(t < -np.sqrt(2 * np.log(np.log(n))), 0, mean)}  # fmt: skip
    for name, centre in g.items():
        count = 0
        for row in rows:
            count += max(0, *(np.sqrt(n) * (difference[row].mean(axis=0) - centre) / error)) >= max(0, t.max())
        assert getattr(found, name) == pytest.approx((1 + count) / 61, abs=1e-9)
    last = 0.0
    for place, k in enumerate(np.argsort(-t)):
        left = np.argsort(-t)[place:]
        count = sum(
            max(0, *(np.sqrt(n) * (difference[row].mean(axis=0) - g["consistent"])[left] / error[left])) >= max(t[k], 0)
            if len(left) > 1 else max(0, np.sqrt(n) * (difference[row].mean(axis=0) - g["consistent"])[k] / error[k])
            >= max(t[k], 0)
            for row in rows
        )  # fmt: skip
        last = max(last, (1 + count) / 61)
        assert found.adjusted[k] == pytest.approx(last, abs=1e-9)


def test_size_on_noise_and_power():
    rng = np.random.default_rng(7)
    rejected, checked, named, false = 0, 0, 0, 0
    for seed in range(300):
        values = 0.01 * rng.normal(size=(250, 10)) * rng.uniform(0.5, 2, 10)
        found = superior_ability(values, draws=199, seed=seed, block=2.0)
        rejected += found.consistent <= 0.05
        checked += reality_check(values, draws=199, seed=seed, block=2.0) <= 0.05
        if seed < 60:
            values[:, 3] += 0.35 * values[:, 3].std()
            chosen = superior_ability(values, draws=199, seed=seed, block=2.0).superior()
            named += 3 in chosen
            false += len(set(chosen) - {3}) > 0
    # Binomial(300, 0.05): mean 15, deviation 3.8.
    assert 4 <= rejected <= 28
    assert 4 <= checked <= 28
    assert named >= 55
    assert false <= 8


def test_centring_a_draw_by_its_own_mean_is_another_thing():
    values = noise(8, trials=20)
    rows = np.random.default_rng(0).integers(0, 250, (200, 250))
    best = values.mean(axis=0).max()
    assert best > 0
    wrong = [np.max(values[row].mean(axis=0) - values[row].mean(axis=0)) for row in rows]
    assert np.mean(np.array(wrong) >= best) == 0.0
    assert reality_check(values, block=1.0, resamples=rows) > 0.1


def test_bad_trials_cost_the_reality_check_its_power_and_not_spa():
    rng = np.random.default_rng(9)
    good = 0.01 * rng.normal(size=(500, 1)) + 0.0012
    bad = 0.05 * rng.normal(size=(500, 30)) - 0.01
    values = np.hstack([good, bad])
    assert superior_ability(values).consistent < 0.05
    assert reality_check(values) > 0.2


def test_the_same_seed_gives_the_same_answer_and_order_does_not_matter():
    values = noise(10, edge=0.002)
    one, two = superior_ability(values, seed=3), superior_ability(values[:, ::-1], seed=3)
    assert (one.lower, one.consistent, one.upper) == (two.lower, two.consistent, two.upper)
    assert one.lower <= one.consistent <= one.upper
    np.testing.assert_array_equal(one.adjusted, two.adjusted[::-1])
    assert one.best == 7 - two.best


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda v: v[:, :1], InsufficientEvidenceError, "1 trial"),
        (lambda v: v[:29], InsufficientEvidenceError, "29 sessions"),
        (lambda v: np.where(np.arange(8) == 2, 0.001, v), InputError, "trial 2"),
        (lambda v: np.where(np.arange(8) == 2, np.nan, v), InputError, "missing"),
        (lambda v: v[:, 0], InputError, "dimensions"),
    ],
)
def test_bad_input(change, error, match):
    with pytest.raises(error, match=match):
        superior_ability(change(noise(11)))


def test_a_benchmark_of_other_sessions_is_refused():
    with pytest.raises(InputError, match="benchmark"):
        superior_ability(noise(11), np.zeros(3))
    with pytest.raises(InputError, match="size"):
        superior_ability(noise(11)).superior(1.5)


@pytest.mark.parametrize(("method", "theirs"), [("holm", "holm"), ("bh", "fdr_bh"), ("by", "fdr_by")])
def test_adjusted_p_values_against_statsmodels(method, theirs):
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(0)
    for k in (1, 2, 17):
        p = rng.random(k) ** 3
        np.testing.assert_allclose(adjusted_p_values(p, method), multipletests(p, method=theirs)[1], rtol=1e-12)
    with pytest.raises(InputError, match="method"):
        adjusted_p_values(p, "sidak")
    with pytest.raises(InputError, match="between 0 and 1"):
        adjusted_p_values(np.array([0.2, 1.2]), method)
