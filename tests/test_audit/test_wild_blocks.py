"""Blocks of text as programs print them: score tables, logs, series, metric files in any layout."""

from __future__ import annotations

import json
import time

import pytest

from assay.audit.claims.model import Claim
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims


def claims(text: str, form: str = "") -> tuple[Claim, ...]:
    return draft_claims(text, form=form).claims.claims


def placed(text: str, form: str = "") -> list[tuple[str, str, str, str, str, str]]:
    found = [claim for claim in claims(text, form) if claim.metric not in ("interval", "spread")]
    return [(c.metric, c.printed, c.group, c.split, c.label, c.at) for c in found]


def accused(text: str, form: str = "") -> list[tuple[str, str]]:
    verdicts = audit_claims(draft_claims(text, form=form).claims).verdicts
    return [(v.claim.printed, v.because) for v in verdicts if str(v.arithmetic) == "inconsistent"]


def doubted(text: str, form: str = "") -> list[tuple[str, str]]:
    verdicts = audit_claims(draft_claims(text, form=form).claims).verdicts
    return [(v.claim.printed, v.because) for v in verdicts if str(v.substance) == "implausible"]


def asked(text: str, form: str = "") -> list[str]:
    verdicts = audit_claims(draft_claims(text, form=form).claims).verdicts
    return [v.claim.printed for v in verdicts if str(v.arithmetic) == "check the reading"]


SESSION = """# R

```
>>> print(classification_report(y_test, y_pred))
              precision    recall  f1-score   support

           0       0.73      0.56      0.63       534
           1       0.62      0.77      0.69       495

    accuracy                           0.66      1029
   macro avg       0.67      0.67      0.66      1029
weighted avg       0.68      0.66      0.66      1029

>>> print(confusion_matrix(y_test, y_pred))
[[ 298  236]
 [ 112  383]]
>>> roc_auc_score(y_test, y_prob)
0.7604433851624862
```
"""


def test_a_score_table_with_numbered_classes_ends_where_the_next_command_begins() -> None:
    assert [(m, p, label) for m, p, _, _, label, _ in placed(SESSION)] == [
        ("precision", "0.73", "0"), ("recall", "0.56", "0"), ("f1", "0.63", "0"), ("n_samples", "534", "0"),
        ("precision", "0.62", "1"), ("recall", "0.77", "1"), ("f1", "0.69", "1"), ("n_samples", "495", "1"),
        ("accuracy", "0.66", ""), ("n_samples", "1029", ""),
        ("precision_macro", "0.67", ""), ("recall_macro", "0.67", ""), ("f1_macro", "0.66", ""),
        ("n_samples", "1029", ""),
        ("precision_weighted", "0.68", ""), ("recall_weighted", "0.66", ""), ("f1_weighted", "0.66", ""),
        ("n_samples", "1029", ""),
    ]  # fmt: skip
    assert accused(SESSION) == []


def test_columns_may_be_horizons() -> None:
    rows = ["               1D      5D     10D"]
    rows += ["IC Mean     0.016   0.010   0.028", "IC Std.     0.152   0.141   0.152"]
    text = "\n".join(["```", *rows, "```", ""])
    assert [(m, g) for m, _, g, _, _, _ in placed(text)] == [
        ("ic", "1d"), ("ic", "5d"), ("ic", "10d"), ("ic_std", "1d"), ("ic_std", "5d"), ("ic_std", "10d"),
    ]  # fmt: skip


def test_a_series_printed_by_pandas() -> None:
    text = """```
End Value                   8752.40942
Max Drawdown [%]             23.679714
Total Trades                        23
Total Closed Trades                 22
Total Open Trades                    1
Win Rate [%]                 45.454545
Avg Winning Trade [%]         2.909325
Avg Losing Trade [%]         -2.902422
Profit Factor                 0.788142
Sharpe Ratio                 -0.243299
```
"""
    found = {(c.metric, c.label): c for c in claims(text)}
    assert found["win_rate", ""].value.percent
    assert found["max_drawdown", ""].value.value < 1
    assert [found["trades", label].printed for label in ("", "closed")] == ["23", "22"]
    assert found["sharpe", ""].printed == "-0.243299"
    assert accused(text) == []
    assert doubted(text) == []


def test_a_keras_log_prints_figures_below_their_epoch() -> None:
    step = "90/90 [==============================] - 3s 41ms/step"
    line = step + " - loss: 0.7100 - accuracy: 0.5000 - val_loss: 0.6900 - val_accuracy: 0.5120 - lr: 1.0000e-03"
    assert placed(f"```\nEpoch 3/50\n{line}\n```\n") == [
        ("train_loss", "0.7100", "main", "train", "", "epoch 3"),
        ("accuracy", "0.5000", "main", "train", "", "epoch 3"),
        ("validation_loss", "0.6900", "main", "validation", "", "epoch 3"),
        ("accuracy", "0.5120", "main", "validation", "", "epoch 3"),
    ]


def test_boosting_rounds_are_positions_of_one_run() -> None:
    text = "```\n[0]\ttrain-logloss:0.69300\tvalid-logloss:0.69300\n[10]\ttrain-logloss:0.68\tvalid-logloss:0.69\n```\n"
    assert {(g, s, a) for _, _, g, s, _, a in placed(text)} == {
        ("main", "train", "round 0"), ("main", "validation", "round 0"),
        ("main", "train", "round 10"), ("main", "validation", "round 10"),
    }  # fmt: skip
    light = "```\n[100]\ttraining's auc: 0.53\tvalid_1's auc: 0.509\n```\n"
    assert [(p, s) for _, p, _, s, _, _ in placed(light)] == [("0.53", "train"), ("0.509", "validation")]


def test_json_on_one_line_keeps_its_splits_apart() -> None:
    body = {"train": {"accuracy": 0.7061, "f1": 0.7669}, "test": {"accuracy": 0.5653, "f1": 0.5711}}
    for text in (json.dumps(body), json.dumps(body, indent=2)):
        assert [(m, s) for m, _, _, s, _, _ in placed(text, "json")] == [
            ("accuracy", "train"), ("f1", "train"), ("accuracy", "test"), ("f1", "test"),
        ]  # fmt: skip
        assert doubted(text, "json") == []


def test_records_name_their_run_beside_their_figures() -> None:
    body = [{"model": "rf", "split": "test", "acc": 0.55}, {"acc": 0.58, "model": "mlp", "fold": 2}]
    found = [(g, s, a) for _, _, g, s, _, a in placed(json.dumps(body), "json")]
    assert found == [("rf", "test", ""), ("mlp", "", "fold 2")]


def test_averages_of_a_score_report_in_json() -> None:
    body = {
        "Sell": {"precision": 0.51, "recall": 0.62, "f1-score": 0.56, "support": 100},
        "macro avg": {"precision": 0.5, "recall": 0.6, "f1-score": 0.49, "support": 300},
    }
    assert [(m, label) for m, _, _, _, label, _ in placed(json.dumps(body, indent=1), "json")] == [
        ("precision", "Sell"), ("recall", "Sell"), ("f1", "Sell"), ("n_samples", "Sell"),
        ("precision_macro", ""), ("recall_macro", ""), ("f1_macro", ""), ("n_samples", ""),
    ]  # fmt: skip


def test_a_model_index_says_what_its_values_are_before_or_after_them() -> None:
    text = """---
model-index:
- name: lstm
  results:
  - metrics:
    - type: accuracy
      value: 0.61
    - type: f1
      value: 0.55
      name: Macro F1
---

# R
"""
    assert [(m, p) for m, p, _, _, _, _ in placed(text)] == [("accuracy", "0.61"), ("f1_macro", "0.55")]


def test_scores_beside_those_of_three_classes_are_averages_and_no_two_class_matrix() -> None:
    rows = ["a | 0.50 | 0.60 | 0.545 | 100", "b | 0.50 | 0.50 | 0.50 | 100", "c | 0.62 | 0.50 | 0.55 | 100"]
    table = ["| Class | Precision | Recall | F1 | Support |", "|---|---|---|---|---|", *(f"| {row} |" for row in rows)]
    text = "\n".join(["# R", "", "- Accuracy: 0.5333", "- F1: 0.5317", "", *table, "| Total | | | | 300 |", ""])
    assert doubted(text) == []


NOTEBOOK = """# R

```python
pd.DataFrame(results).round(4)
```

<div>
<table border="1" class="dataframe">
  <thead>
    <tr style="text-align: right;">
      <th></th>
      <th>accuracy</th>
      <th>R<sup>2</sup></th>
    </tr>
  </thead>
  <tbody>
    <tr>
      <th>SVM</th>
      <td>0.5160</td>
      <td>0.1000</td>
    </tr>
  </tbody>
</table>
<p>1 rows × 2 columns</p>
</div>

```python
print(df)
```

             accuracy      f1
    SVM        0.5160  0.5000

    MLP        0.7960  0.7952

That is all.
"""


def test_a_notebook_s_tables_and_outputs_are_read_where_they_stand() -> None:
    draft = draft_claims(NOTEBOOK)
    found = [(c.metric, c.printed, c.group, c.source_line) for c in draft.claims.claims]
    assert found == [
        ("accuracy", "0.5160", "svm", 19), ("r2", "0.1000", "svm", 20), ("accuracy", "0.5160", "svm", 32),
        ("f1", "0.5000", "svm", 32), ("accuracy", "0.7960", "mlp", 34), ("f1", "0.7952", "mlp", 34),
    ]  # fmt: skip
    lines = NOTEBOOK.split("\n")
    for claim, column in zip(draft.claims.claims, draft.columns, strict=True):
        assert lines[(claim.source_line or 0) - 1][column:].startswith(claim.printed)
    assert not draft.unplaced


def test_an_html_row_may_stand_on_one_line_and_entities_are_read() -> None:
    text = "<table><tr><th>Metric</th><th>Value</th></tr>\n<tr><td>MAE</td><td>0.64</td></tr></table>\n"
    text += "\nSharpe&nbsp;ratio: 0.04<br> and accuracy of 0.7&plusmn;0.1\n"
    assert [(m, p) for m, p, _, _, _, _ in placed(text)] == [("mae", "0.64"), ("sharpe", "0.04"), ("accuracy", "0.7")]


def test_a_box_drawn_with_bars_is_a_table() -> None:
    text = "```\n┏━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┓\n┃ Test metric ┃ DataLoader 0 ┃\n┡━━━━━━━━━━━━━╇━━━━━━━━━━━━━━┩\n"
    text += "│   test_mae  │   10.063485  │\n│   test_mse  │  161.287729  │\n└─────────────┴──────────────┘\n```\n"
    assert [(m, s) for m, _, _, s, _, _ in placed(text)] == [("mae", "test"), ("mse", "test")]
    rule = "+-------+----------+"
    psql = "\n".join(["```", rule, "| model | accuracy |", rule, "| rf    |   0.6100 |", rule, "```", ""])
    assert [(m, g) for m, _, g, _, _, _ in placed(psql)] == [("accuracy", "rf")]


def test_in_short_names_no_side_and_hold_out_no_class() -> None:
    text = "# R\n\nIn short: MAE 0.64 on the hold-out.\n\n## Hold-out\n\n- Precision: 0.61\n"
    assert [label for _, _, _, _, label, _ in placed(text)] == ["", ""]


def test_a_file_of_one_long_line_is_read_and_a_figure_beyond_all_bounds_is_not() -> None:
    body = [{"model": f"m{i}", "accuracy": i / 1000} for i in range(400)]
    found = placed(json.dumps(body), "json")
    assert len(json.dumps(body)) > 8000
    assert [g for _, _, g, _, _, _ in found] == [f"m{i}" for i in range(400)]
    odd = draft_claims('{"accuracy": NaN, "f1": Infinity, "sharpe": 1e400, "mae": 0.5}', form="json")
    assert [c.printed for c in odd.claims.claims] == ["0.5"]


def test_separated_files_keep_quoted_commas_and_tabs() -> None:
    assert placed('model,"accuracy",f1\n"a, b",0.61,"0.60"\n', "csv") == [
        ("accuracy", "0.61", "a, b", "", "", ""), ("f1", "0.60", "a, b", "", "", ""),
    ]  # fmt: skip
    assert placed("model\taccuracy\nA\t0.61\n", "tsv") == [("accuracy", "0.61", "a", "", "", "")]


SUMMARY = """```
Model: "sequential_1"
_________________________________________________________________
 Layer (type)                Output Shape              Param #
=================================================================
 lstm (LSTM)                 (None, 60, 64)            23040
 dropout (Dropout)           (None, 60, 64)            0
 lstm_1 (LSTM)               (None, 32)                12416
 batch_normalization (Batch  (None, 32)                128
 Normalization)
 dense (Dense)               (None, 8)                 264
 dense_1 (Dense)             (None, 1)                 9
=================================================================
Total params: 35,857 (140.07 KB)
Trainable params: 35,793 (139.82 KB)
Non-trainable params: 64 (256.00 Byte)
```
"""


def test_the_totals_of_a_model_summary_are_read() -> None:
    assert [(metric, printed) for metric, printed, *_ in placed(SUMMARY)] == [
        ("parameters", "35,857"), ("file_size", "140.07 KB"), ("parameters_trainable", "35,793"),
    ]  # fmt: skip
    assert doubted(SUMMARY) == []
    assert accused(SUMMARY) == []
    assert [p for p, _ in accused(SUMMARY.replace("35,793", "36,793"))] == ["35,857", "36,793"]


def test_a_share_above_one_beside_decimals_is_no_percentage() -> None:
    # A bound alone accuses nobody in a draft; it asks for the reading to be checked.
    assert "1.12" in asked('{"accuracy": 1.12, "precision": 0.61, "recall": 0.60}', "json")
    assert asked('{"accuracy": 61.2, "precision": 0.61, "recall": 0.60}', "json") == []
    assert accused('{"accuracy": 1.12, "precision": 0.61, "recall": 0.60}', "json") == []
    assert accused('{"accuracy": 61.2, "precision": 0.61, "recall": 0.60}', "json") == []


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a": ' + "[1, " * 20_000, "json"),
        ('{"a": "' + '\\"' * 100_000, "json"),
        ("```yaml\n" + ("a" + " " * 7_000 + "1\n") * 100 + "```\n", ""),
        ("a," * 3_000 + "b\n" + ("1," * 3_000 + "2\n") * 6, "csv"),
        ("<table>" + "<tr><td>1" * 50_000 + "\n", ""),
        ("# R\n\n" + ("5 (" + " " * 95) * 75 + "\n", ""),
    ],
    ids=["nesting", "open string", "blanks", "wide rows", "open table", "brackets"],
)
def test_what_no_report_looks_like_takes_no_time(text: str, form: str) -> None:
    begun = time.process_time()
    draft_claims(text, form=form)
    assert time.process_time() - begun < 6


def test_a_key_behind_the_last_brace_is_read_without_levels() -> None:
    assert placed('{"a": 1}\n"epoch": 3\n', "json") == []


def test_a_program_is_read_alike_whatever_was_drafted_before() -> None:
    program = '```python\n"loss": 0.61\n```\n'
    alone = placed(program)
    placed('```python\n"val_loss": 0.5\n```\n')
    assert placed(program) == alone
