"""What a draft takes from code blocks and prose: layers, losses, targets, runs told by their figures, relations."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.audit.claims.model import Claim, ClaimSet, Group
from assay.audit.judge import audit_claims
from assay.audit.read.context import stated_layers, stated_losses
from assay.audit.read.document import read_markdown
from assay.audit.read.draft import draft_claims

CARD = (Path(__file__).parent / "samples" / "ranker_card_en.md").read_text(encoding="utf-8")


def drafted(text: str) -> ClaimSet:
    return draft_claims(text).claims


def group_of(claims: ClaimSet, printed: str) -> Group:
    return claims.group(next(claim.group for claim in claims.claims if claim.printed == printed))


def last(claims: ClaimSet, printed: str) -> Claim:
    return [claim for claim in claims.claims if claim.printed == printed][-1]


def first(claims: ClaimSet, printed: str) -> Claim:
    return next(claim for claim in claims.claims if claim.printed == printed)


def test_the_layers_of_a_module_give_its_parameter_count() -> None:
    claims = drafted(CARD)
    architecture = group_of(claims, "53,313").architecture
    assert architecture is not None
    assert [(layer.kind, layer.units) for layer in architecture.layers] == [("lstm", 64), ("lstm", 64), ("dense", 1)]
    assert (architecture.inputs, architecture.framework) == (12, "torch")
    verdicts = {v.claim.printed: str(v.arithmetic) for v in audit_claims(claims).verdicts}
    assert verdicts["53,313"] == "consistent"


HEADS = "LSTM Layer:\n  - Hidden Size: 64 units\nDropout Layer\n├─→ Head (Linear): 64 → 3\n└─→ Head (Linear): 64 → 1"


@pytest.mark.parametrize(
    ("block", "layers"),
    [
        ("LSTM(50) + BatchNorm + Dropout(0.3)\nLSTM(50) + Dropout(0.3)\nDense(25) + Dropout(0.2)\nDense(1) - output",
         [("lstm", 50), ("batch_norm", 0), ("dropout", 0), ("lstm", 50), ("dropout", 0), ("dense", 25), ("dropout", 0),
          ("dense", 1)]),
        (HEADS, [("lstm", 64), ("dropout", 0), ("dense", 3), ("dense", 1)]),
        ("GRU(32)\nDense(1)", [("gru", 32), ("dense", 1)]),
    ],
)  # fmt: skip
def test_layers_in_a_notation(block: str, layers: list[tuple[str, int]]) -> None:
    [(_, stated)] = stated_layers(read_markdown(f"# M\n\n```\n{block}\n```\n"))
    assert [(layer.kind, layer.units) for layer in stated.layers] == layers


def test_two_heads_on_one_layer_are_both_fed_by_it() -> None:
    block = "LSTM(64)\nHead (Linear): 64 → 3\nOther Head (Linear): 64 → 1"
    [(_, stated)] = stated_layers(read_markdown(f"```\n{block}\n```\n"))
    assert [layer.source for layer in stated.layers] == [-1, 0, 0]


@pytest.mark.parametrize("block", ["Dropout(0.2)", "LSTM(units)", "lstm = LSTM", "Dense(1)"])
def test_less_than_two_sized_layers_are_no_architecture(block: str) -> None:
    assert stated_layers(read_markdown(f"```\n{block}\n```\n")) == []


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("```\ntotal_loss = 0.7 * rank + 0.3 * size\nrank = soft_spearman(\nsize = F.huber_loss(a, b)\n```",
         [("one_minus_correlation", 0.7, "rank_ic"), ("huber", 0.3, "")]),
        ("```\nTotal Loss = w_a × FocalLoss + w_r × MSE\n- w_a = 20.0\n- w_r = 50.0\n```",
         [("focal", 20.0, ""), ("mse", 50.0, "")]),
        ("```\nL_total = w_a × L_a + v × L_r\n- L_a = Cross Entropy\n- L_r = MAE\n- w_a = 2\n- v = 0.5\n```",
         [("cross_entropy", 2.0, ""), ("mae", 0.5, "")]),
        ("Loss = BCE + 0.01 * L2", [("binary_cross_entropy", 1.0, ""), ("l2", 0.01, "")]),
    ],
)  # fmt: skip
def test_loss_formulas_with_their_weights(text: str, terms: list[tuple[str, float, str]]) -> None:
    [(_, stated)] = stated_losses(read_markdown(text))
    assert [(term.kind, term.weight, term.metric) for term in stated.terms] == terms


@pytest.mark.parametrize(
    "text",
    ["total_loss = w * rank + v * mse", "loss = mse", "loss += item.loss", "The loss = high + rising", "x = 1 + 2"],
)
def test_what_states_no_weights_is_no_loss_formula(text: str) -> None:
    assert stated_losses(read_markdown(f"```\n{text}\n```")) == []


def test_the_weights_an_earlier_model_had() -> None:
    text = "```\nloss = w_a × focal + w_r × MSE\nw_a = 20\nw_r = 50\n```\n\n"
    text += "- Initial imbalance (1:1000) hurt\n- Final ratio (20:50)\n"
    [(_, stated)] = stated_losses(read_markdown(text))
    assert [term.weight for term in stated.before] == [1.0, 1000.0]
    [(_, alone)] = stated_losses(read_markdown(text.replace("- Final ratio (20:50)\n", "")))
    assert alone.before == ()


def test_sections_that_print_the_same_figures_are_of_one_run() -> None:
    claims = drafted(CARD)
    initial, final = group_of(claims, "912.40").name, group_of(claims, "103.11").name
    assert initial != final
    assert {claim.group for claim in claims.claims if claim.printed in ("48.37%", "3,194.85")} == {initial}
    assert {claim.group for claim in claims.claims if claim.printed in ("54.62%", "309.85")} == {final}


def test_runs_with_one_figure_that_differs_stay_apart() -> None:
    scores = "- Accuracy: 0.5713\n- F1: 0.6127\n"
    text = f"# R\n\n## Alpha\n\n{scores}- MCC: 0.143\n\n## Beta\n\n{scores}- MCC: 0.151\n"
    assert len({claim.group for claim in drafted(text).claims}) == 2
    same = text.replace("0.151", "0.143")
    assert len({claim.group for claim in drafted(same).claims}) == 1
    assert len({claim.group for claim in drafted(text.replace("0.5713", "0.5").replace("0.6127", "0.6")).claims}) == 2


def test_rows_of_one_table_stay_apart_though_they_print_the_same() -> None:
    rows = "| a | 0.5713 | 0.6127 |\n| b | 0.5713 | 0.6127 |\n"
    claims = drafted(f"# R\n\n| Model | Accuracy | F1 |\n|---|---|---|\n{rows}")
    assert len({claim.group for claim in claims.claims}) == 2


def test_a_headline_takes_the_split_of_the_table_that_prints_it() -> None:
    table = "| Split | Accuracy | AUC |\n|---|---|---|\n| Validation | 56.13% | 0.571 |\n| Test | 54.75% | 0.552 |\n"
    claims = drafted(f"# R\n\nThe model reaches 54.75% accuracy and an AUC of 0.552.\n\n{table}")
    assert {claim.split for claim in claims.claims if claim.source_line == 3} == {"test"}


def test_gaps_multiples_and_changes_are_tied_to_what_they_fit() -> None:
    claims = drafted(CARD)
    gap = first(claims, "3,194.85")
    assert [claims.claim(name).printed for name in gap.inputs] == ["912.40", "4,107.25"]
    assert (gap.relation, first(claims, "4.5×").relation) == ("difference", "ratio")
    told = last(claims, "90.3%")
    assert told.relation == "reduction"
    assert [claims.claim(name).printed for name in told.inputs] == ["3,194.85", "309.85"]
    assert not [v for v in audit_claims(claims).verdicts if str(v.arithmetic) == "inconsistent"]


def test_a_change_that_fits_nothing_is_left_out() -> None:
    claims = drafted(CARD.replace("The overfitting fell by 90.3%.", "The overfitting fell by 71.0%."))
    assert all(claim.printed != "71.0%" for claim in claims.claims)


@pytest.mark.parametrize(
    ("words", "kind"), [("Return prediction", "return"), ("Price forecasts", "price"), ("Regression", "")]
)
def test_what_a_regression_predicts_is_said_by_its_heading(words: str, kind: str) -> None:
    claims = drafted(f"# R\n\n## {words}\n\n- R²: 0.9982\n- RMSE: 5.47\n")
    assert claims.groups[0].target.kind == kind


def test_a_gap_without_losses_is_no_loss_gap() -> None:
    assert drafted("# Scan\n\n- Gap: 8.2%\n- Sharpe: 1.2\n").claims[0].metric == "sharpe"


def test_goals_are_no_results() -> None:
    text = "# R\n\nWe reached 61% accuracy. We need a 70% win rate. A Sharpe of 2.0 is the target.\n"
    assert [(c.metric, c.target) for c in drafted(text).claims] == [
        ("accuracy", False),
        ("win_rate", True),
        ("sharpe", True),
    ]


def test_a_saved_checkpoint_states_the_epoch_of_its_figures() -> None:
    keys = "save({\n'epoch': 35,\n'state_dict': m.state(),\n'val_loss': 0.3231,\n'val_ic': 0.112}, path)"
    claims = drafted(f"# M\n\n```python\n{keys}\nlog = {{'val_ic': 0.2}}\n```\n")
    assert {c.printed: c.at for c in claims.claims} == {"35": "", "0.3231": "epoch 35", "0.112": "epoch 35", "0.2": ""}


def test_a_reduction_is_of_the_two_figures_above_it_in_the_list() -> None:
    text = "# M\n\n## Overfitting\n\n- Initial gap: 172,720\n- Final gap: 8,549\n- Reduction: {} improvement\n"
    claims = drafted(text.format("95%"))
    change = first(claims, "95%")
    assert [first(claims, printed).id for printed in ("172,720", "8,549")] == list(change.inputs)
    assert all(claim.printed != "60%" for claim in drafted(text.format("60%")).claims)
