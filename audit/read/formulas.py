"""Loss formulas as reports write them: weighted sums in code blocks and prose, with what their names stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.audit.claims.model import LossFormula, LossTerm
from assay.audit.read.document import Line
from assay.audit.read.vocabulary import pattern, table
from assay.audit.read.words import plain, words_of

__all__ = ["StatedLoss", "stated_losses"]

#: Longest line that is looked at, and most names that are followed to say what one term is.
_LONGEST, _DEEPEST = 300, 4


@dataclass(frozen=True)
class StatedLoss:
    """A loss formula and the line it stands on."""

    line: int
    formula: LossFormula


def stated_losses(lines: Sequence[Line]) -> list[StatedLoss]:
    """The loss formulas that a report states with all their weights.

    Notes
    -----
    A name is followed to its definition anywhere in the document: ``w_action = 20.0``, ``L_return = MSE``.

    """
    stated: dict[str, str] = {}
    formulas: list[tuple[int, str]] = []
    for line in lines:
        match = pattern("assignment").match(line.text) if len(line.text) <= _LONGEST else None
        if match is None:
            continue
        name, value = " ".join(plain(match[1]).split()), match[2].split("#")[0].strip(" `*")
        if _is_total(name) and "+" in value:
            formulas.append((line.number, value))
        elif value and name not in stated:
            stated[name] = value
    found = []
    for number, value in formulas:
        terms = [_term(part, stated) for part in value.split("+")]
        if len(terms) > 1 and all(term is not None for term in terms):
            known = tuple(term for term in terms if term is not None)
            found.append(StatedLoss(number, LossFormula(known, before=_earlier_weights(lines, known))))
    return found


def _is_total(name: str) -> bool:
    words = set(name.split())
    return bool(words & {"loss", "l"}) and words <= {
        "total",
        "loss",
        "l",
        "combined",
        "final",
        "overall",
        "multi",
        "task",
    }


def _term(text: str, stated: dict[str, str]) -> LossTerm | None:
    """One term, ``weight × name``; None where its weight is not stated."""
    factors = [factor.strip(" ()`*") for factor in pattern("times").split(text)]
    numbers = [value for factor in factors if (value := _number(factor, stated)) is not None]
    names = [factor for factor in factors if _number(factor, stated) is None]
    if len(names) != 1 or len(numbers) > 1:
        return None
    kind, metric = _kind(names[0], stated)
    return LossTerm(kind, weight=numbers[0] if numbers else 1.0, metric=metric)


def _number(text: str, stated: dict[str, str]) -> float | None:
    value = stated.get(" ".join(plain(text).split()), text)
    match = pattern("plain_number").match(value)
    return float(match[0]) if match and not any(map(str.isalpha, value[match.end() : match.end() + 1])) else None


def _kind(name: str, stated: dict[str, str]) -> tuple[str, str]:
    """The kind of a term and the metric that prints it, from its name and what the name is defined as."""
    words, key = "", " ".join(plain(name).split())
    for _ in range(_DEEPEST):
        words += " " + " ".join(words_of(plain(key.replace(".", " "))))
        following = stated.get(key, "")
        if not following or following == key:
            break
        key = " ".join(plain(following.split("(")[0]).split())
    for kind, row in table("loss_kind").items():
        if any(word in words for word in row["words"]):
            rank = any(word in words for word in row.get("rank", ()))
            return kind, row.get("rank_metric" if rank else "metric", "")
    return "other", ""


def _earlier_weights(lines: Sequence[Line], terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    """The terms under weights that an earlier model had, where the report prints the old ratio and today's alike.

    "Initial extreme imbalance (1:1000)" beside "Final ratio (20:50)": the second is the formula's own, so the first is
    in its order.
    """
    if len(terms) != 2:
        return ()
    ratios = {"initial": set[tuple[float, float]](), "final": set[tuple[float, float]]()}
    for line in lines:
        if len(line.text) <= _LONGEST and ":" in line.text:
            for match in pattern("weight_ratio").finditer(line.text):
                stage = "final" if match[1].lower() in ("final", "current") else "initial"
                ratios[stage].add((float(match[2]), float(match[3])))
    own = (terms[0].weight, terms[1].weight)
    if len(ratios["initial"]) != 1 or not any(a * own[1] == b * own[0] for a, b in ratios["final"]):
        return ()
    first, second = next(iter(ratios["initial"]))
    return (LossTerm(terms[0].kind, first, terms[0].metric), LossTerm(terms[1].kind, second, terms[1].metric))
