"""Lines of training logs: Keras, PyTorch, XGBoost, LightGBM, the Hugging Face trainer."""

from __future__ import annotations

import re
from dataclasses import replace

from assay.audit.asides import put_aside, set_aside
from assay.audit.context import bare_loss
from assay.audit.roles import read_role
from assay.audit.sheet import Context, Sheet
from assay.audit.tokens import Token

__all__ = ["epoch_of", "place_log"]

_EPOCH = re.compile(r"^\s*\[?\s*(?:epoch|época|epoca)\s*[:#]?\s*(\d+)(?:\s*/\s*\d+)?", re.I)
_ROUND = re.compile(r"^\s*\[(\d+)\]\s+(?=\S)")
_BAR = re.compile(r"^\s*\d+/\d+\s*(?:\[[=>.━ ]*\]|[━╺╸]+)")
_TRAINER = re.compile(r"^\s*\{['\"].*['\"]epoch['\"]\s*:\s*([\d.]+)\s*\}\s*$")
_KEY = re.compile(r"([A-Za-zÀ-ÿ_](?:[\w/'.]|[ \-](?=\w)){0,40})['\"]?\s*[:=]?\s*$")


def epoch_of(text: str) -> str | None:
    """The epoch that a line standing alone announces (``Epoch 3/50``), or None."""
    match = _EPOCH.match(text)
    return match[1] if match and not text[match.end() :].strip(" :-") else None


def place_log(
    sheet: Sheet, number: int, text: str, tokens: list[Token], context: Context, block: int, *, epoch: str = ""
) -> bool:
    """Place the figures of a line of a training log (``Epoch 3/30 - loss: 0.61 - val_acc: 0.58``).

    Parameters
    ----------
    sheet, number, text, tokens, context, block : the draft, the line, its tokens, and where it stands.
    epoch : the epoch announced by a line above, for logs that print the figures on a line of their own.

    Returns
    -------
    Whether the line is one; if not, nothing is placed.

    """
    begins, at = _head(text, epoch)
    if begins is None:
        return False
    keys = [_KEY.search(text[max(0, token.start - 48) : token.start]) for token in tokens]
    known = [_metric(key[1], context, at) if key else ("", "") for key in keys]
    if sum(bool(metric) for metric, _ in known) < (2 if _EPOCH.match(text) else 1):
        return False
    for token, key, (metric, split) in zip(tokens, keys, known, strict=True):
        if token.start < begins or key is None:
            put_aside(sheet, number, token, "the epoch or a setting of a training log")
        elif set_aside(sheet, number, token):
            continue
        elif metric:
            local = replace(context, at=at or context.at, split=split, topic="", settings=False)
            sheet.claim(number, text, token, metric, local, block=block)
        else:
            sheet.exclude(number, token, "a setting in a training log")
    return True


def _head(text: str, epoch: str) -> tuple[int | None, str]:
    """Where the figures of a log line begin and the position they are of; None where the line is no log line."""
    if match := _EPOCH.match(text):
        return match.end(), f"epoch {int(match[1])}"
    if match := _ROUND.match(text):
        return match.end(), f"round {int(match[1])}"
    if match := _BAR.match(text):
        return match.end(), f"epoch {int(epoch)}" if epoch else ""
    if match := _TRAINER.match(text):
        return 0, f"epoch {match[1]}"
    return None, ""


def _metric(key: str, context: Context, at: str) -> tuple[str, str]:
    """The metric and split of a key of a log line; a key without a split is of the training, inside an epoch."""
    name = re.sub(r"'s\b", " ", key.replace("_", " ").replace("-", " ")).strip()
    role = read_role(name)
    evaluated = re.match(r"(?:eval|valid)\b|valid \d", name, re.I) is not None
    split = "validation" if evaluated else role.split or ("train" if at else context.split)
    stem = re.sub(r"^(?:val|valid|validation|test|train|training|eval|tr)\s+", "", name, flags=re.I)
    metric = bare_loss(stem, split) or role.metric
    if metric in ("epochs_run", "best_epoch", "training_time", "latency", "throughput", "n_samples"):
        return "", split
    return metric, split
