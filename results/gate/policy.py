"""Accept or reject a stored run by a policy.

Each rule reads one figure of the run and compares it with the policy's threshold. A figure that is not there is
*insufficient*, never passed; a rule whose subject does not exist (PBO of a single trial, a champion rule without a
champion) is *not applicable*. The verdict is fail if any rule failed, else insufficient if any is, else pass.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from assay.data.atomic import replacing
from assay.data.card import Card
from assay.data.errors import InputError, UnknownNameError
from assay.data.plugins import is_file_plugin
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.gate.evidence_rules import Estimate, Subject
from assay.results.gate.figures import RULES, Rule, metric_rule, own_rule
from assay.results.storage.chain import append_entry
from assay.results.storage.lockbox import seals_on
from assay.results.storage.runs import Run, to_json

__all__ = [
    "GateDecision",
    "Policy",
    "RuleOutcome",
    "judge",
    "load_policy",
    "note_look",
    "policy_names",
    "rule_outcome",
    "write_decision",
]

Verdict = Literal["passed", "failed", "insufficient", "not applicable"]
_FOLDER = Path(__file__).parent / "policies"
#: Rules that are e-values, which may aim at an information coefficient.
_EVIDENCE = ("skill_e", "skill_e_styles")
_KEYS = ("at_least", "at_most", "required", "on", "note", "metric", "target_ic", "path")
#: Which end of the figure must meet the threshold.
_ON = ("value", "low", "high")


@dataclass(frozen=True)
class Requirement:
    """One line of a policy.

    Parameters
    ----------
    rule : a key of `assay.results.gate.figures.RULES`.
    at_least, at_most : thresholds, or None.
    required : for rules that are true or false.
    on : ``"value"``, or the ``"low"`` or ``"high"`` end of its interval.
    note : why, for the reader; default the rule's own sentence.
    metric : the name of a metric of the run, for a rule that is not in the list; `rule` is then its label.
    target_ic : for e-values, the information coefficient that the evidence is for; None for the mixture.
    path : a person's own rule, likewise.

    """

    rule: str
    at_least: float | None = None
    at_most: float | None = None
    required: bool | None = None
    on: Literal["value", "low", "high"] = "value"
    note: str = ""
    metric: str = ""
    target_ic: float | None = None
    path: str = ""

    @property
    def kind(self) -> Rule:
        """How the rule is read."""
        return kind_of(self.rule, self.metric, self.path)


@dataclass(frozen=True)
class Policy:
    """A named list of requirements.

    Parameters
    ----------
    name, requirements, description : what a decision is made of.
    max_receipt_age : calendar days that the model behind a prediction may be old, by its receipt, when a run that was
        judged by this policy is asked for positions; None for no limit.

    """

    name: str
    requirements: tuple[Requirement, ...]
    description: str = ""
    max_receipt_age: int | None = None


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule found.

    Parameters
    ----------
    rule, threshold : as in the policy, e.g. ``"rank_ic_t"``, ``"≥ 2"``.
    value, low, high : the figure and its interval, or None.
    verdict : passed, failed, insufficient, not applicable.
    reason : one sentence, what the figure is.
    note : one sentence, why it is asked for.

    """

    rule: str
    threshold: str
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    reason: str
    note: str = ""


@dataclass(frozen=True, repr=False)
class GateDecision(Card):
    """What the gate says of a run."""

    run_id: str
    policy: str
    champion: str | None
    outcomes: tuple[RuleOutcome, ...]
    #: the ledger's last entry among the trials, and the kinds of checks, that were read: the same can be read again
    through: int = 0
    checks: tuple[str, ...] = ()
    #: of the policy, which `positions` obeys
    max_receipt_age: int | None = None

    @property
    def verdict(self) -> Literal["pass", "fail", "insufficient"]:
        """fail before insufficient before pass."""
        found = {outcome.verdict for outcome in self.outcomes}
        if "failed" in found:
            return "fail"
        return "insufficient" if "insufficient" in found or found <= {"not applicable"} else "pass"

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The verdict, then each rule with its own."""
        rows = [(item.rule, f"{item.verdict}: {item.reason}") for item in self.outcomes]
        return f"{self.verdict.upper()}: {self.run_id} by the policy {self.policy}", rows

    def to_frame(self) -> pd.DataFrame:
        """A row a rule, with the fields of `RuleOutcome`."""
        return pd.DataFrame([asdict(outcome) for outcome in self.outcomes])

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 insufficient."""
        return {"pass": 0, "fail": 1, "insufficient": 3}[self.verdict]

    @property
    def sentence(self) -> str:
        """The decision as one tells it: what decided, and what would change it."""
        failed = [outcome for outcome in self.outcomes if outcome.verdict == "failed"]
        unknown = [outcome for outcome in self.outcomes if outcome.verdict == "insufficient"]
        if failed:
            named = "; ".join(f"{_told(item)}: {item.reason}" for item in failed[:3])
            more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
            return f"Do not run it: {named}{more}."
        if unknown or self.verdict == "insufficient":
            named = "; ".join(f"{item.rule} ({item.reason})" for item in unknown[:3]) or "no rule applies"
            more = f"; and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            return f"Not decided: nothing failed, but there is no figure for {named}{more}."
        passed = {outcome.rule: outcome for outcome in self.outcomes if outcome.verdict == "passed"}
        told = [passed[name].reason for name in (*_EVIDENCE, "skill_p", "expected_alpha") if name in passed]
        return f"It may run: all {len(passed)} rules passed" + (f" ({'; '.join(told)})." if told else ".")

    def to_dict(self) -> dict[str, Any]:
        """The content of ``gate.json``: schema, run_id, policy, champion, through, checks, verdict, exit_code,
        sentence, rules; max_receipt_age where the policy has one."""
        return {
            "schema": 2,
            "run_id": self.run_id,
            "policy": self.policy,
            "champion": self.champion,
            "through": self.through,
            "checks": list(self.checks),
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "sentence": self.sentence,
            "rules": [asdict(outcome) for outcome in self.outcomes],
            **({} if self.max_receipt_age is None else {"max_receipt_age": self.max_receipt_age}),
        }


def kind_of(rule: str, metric: str, path: str) -> Rule:
    """How a line of a policy is read: as a person's own rule, as a metric, or as the rule of its name."""
    return own_rule(path) if path else metric_rule(metric) if metric else RULES[rule]


def policy_names() -> tuple[str, ...]:
    """The policies that ship."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_policy(name: str | Path) -> Policy:
    """Read a policy, shipped (by name) or from a TOML file.

    Raises
    ------
    InputError
        If the file is not TOML, or a rule, key or threshold cannot be.

    """
    path = Path(name)
    if not path.suffix:
        if str(name) not in policy_names():
            raise UnknownNameError("policy", str(name), policy_names())
        path = _FOLDER / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"policy {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"policy {path}: not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise InputError(f"policy {path}: not TOML: {reason}") from None
    strangers = set(content) - {"policy", "rules"}
    if strangers:
        raise InputError(f"policy {path}: unknown table {sorted(strangers)[0]!r}; expected [policy] and [rules.NAME]")
    rules = content.get("rules")
    if not isinstance(rules, dict) or not rules:
        raise InputError(f"policy {path}: no rules; give at least one [rules.NAME]")
    about = content.get("policy", {})
    age = about.get("max_receipt_age")
    if age is not None and (isinstance(age, bool) or not isinstance(age, int) or age < 0):
        raise InputError(f"policy {path}: [policy] max_receipt_age must be a whole number of days, got {age!r}")
    return Policy(
        str(about.get("name", path.stem)),
        tuple(_requirement(path, rule, body) for rule, body in rules.items()),
        str(about.get("description", "")),
        age,
    )


def _requirement(path: Path, rule: str, body: object) -> Requirement:
    where = f"policy {path}: [rules.{rule}]"
    if not isinstance(body, dict):
        raise InputError(f"{where}: expected a table, e.g. at_least = 2.0")
    metric, own = body.get("metric", ""), body.get("path", "")
    if not isinstance(metric, str):
        raise InputError(f"{where}: metric must be the name of a metric of the run, got {metric!r}")
    if not isinstance(own, str) or (own and metric):
        raise InputError(f"{where}: path must be your own rule, package.module:NAME or ./file.py:NAME, without metric")
    if is_file_plugin(own):  # named as seen from the policy
        own = f"{path.parent / own.rpartition(':')[0]}:{own.rpartition(':')[2]}"
    if not metric and not own and rule not in RULES:
        raise UnknownNameError(f"rule in policy {path.name}", rule, RULES)
    for key in body:
        if key not in _KEYS:
            raise UnknownNameError(f"key in [rules.{rule}] of policy {path.name}", key, _KEYS)
    kind = kind_of(rule, metric, own)
    given = {key: body[key] for key in ("at_least", "at_most", "required") if key in body}
    if kind.boolean:
        if given != {"required": True}:
            raise InputError(f"{where}: is true or false; the only threshold is required = true")
    elif not given or "required" in given:
        raise InputError(f"{where}: needs at_least or at_most, a number")
    for key in ("at_least", "at_most"):
        value = given.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e15:
            raise InputError(f"{where}: {key} must be a finite number, got {value!r}")
        if not kind.low <= value <= kind.high:
            raise InputError(
                f"{where}: {key} = {value:g} is impossible; the figure lies in [{kind.low:g}, {kind.high:g}]"
            )
    if "at_least" in given and "at_most" in given and given["at_least"] > given["at_most"]:
        raise InputError(f"{where}: at_least {given['at_least']:g} is above at_most {given['at_most']:g}")
    target = body.get("target_ic")
    if target is not None:
        if metric or rule not in _EVIDENCE:
            raise InputError(f"{where}: target_ic is of {' and '.join(_EVIDENCE)}; no other rule aims at an IC")
        if isinstance(target, bool) or not isinstance(target, (int, float)) or not 0 < target < 1:
            raise InputError(f"{where}: target_ic must lie between 0 and 1, e.g. 0.03, got {target!r}")
    on = body.get("on", "value")
    if on not in _ON:
        raise UnknownNameError(f"on in [rules.{rule}] of policy {path.name}", str(on), _ON)
    thresholds = (given.get("at_least"), given.get("at_most"), given.get("required"))
    return Requirement(rule, *thresholds, on, str(body.get("note", "")), metric, target, own)


def judge(run: Run, policy: Policy, *, champion: Run | None = None, since: Sequence[Run] = ()) -> GateDecision:
    """Apply every rule of a policy to a run.

    Parameters
    ----------
    run, champion : stored runs; the challenger's rules compare with the champion.
    policy : see `load_policy`.
    since : earlier runs of the same recipe, whose evidence this one continues: on sessions after theirs it multiplies.

    Raises
    ------
    InputError
        If a run is no backtest, or an earlier one has another horizon.

    """
    run.require_backtest("gate")
    if champion is not None:
        champion.require_backtest("gate --champion")
    subject = Subject(run, champion, tuple(since))
    for item in since:
        if (theirs := Subject(item, None).horizon) != subject.horizon:
            raise InputError(f"gate --since {item.id}: of horizon {theirs}, {run.id} of {subject.horizon}; "
                             "evidence continues over one horizon alone")  # fmt: skip

    def read(item: Requirement) -> Estimate:
        return item.kind.read(subject if item.target_ic is None else replace(subject, target_ic=item.target_ic))

    outcomes = tuple(rule_outcome(item, read(item)) for item in policy.requirements)
    # Filling at the close that was read is never acceptable, whatever a policy says.
    if run.manifest.get("config", {}).get("execution", {}).get("same_close"):
        reason = "decided and filled at the same close"
        outcomes = (*outcomes, RuleOutcome("same_close", "never", None, None, None, "failed", reason))
    outcomes = (*outcomes, *_lockbox(run))
    through = 0 if subject.trials is None else subject.trials.last
    beside = None if champion is None else champion.id
    checks = tuple(sorted(run.checks))
    return GateDecision(run.id, policy.name, beside, outcomes, through, checks, policy.max_receipt_age)


def _lockbox(run: Run) -> list[RuleOutcome]:
    """Of a run that reads sealed sessions: whether it did so at the first opening."""
    prices = run.manifest.get("fingerprints", {}).get("prices")
    out = []
    for seal in seals_on(prices) if prices is not None else ():
        if pd.Timestamp(str(run.metrics.get("end") or seal.after)[:10]) <= seal.after:
            continue
        verdict: Verdict = "passed"
        reason = f"opened once, on {seal.openings[0].when[:10]}: {seal.openings[0].reason}" if seal.openings else ""
        if not seal.openings:
            verdict, reason = "failed", f"sessions after {seal.after.date()} are sealed and were read unopened"
        elif len(seal.openings) > 1:
            first = seal.openings[0]
            verdict = "insufficient"
            reason = f"the lockbox was opened before, on {first.when[:10]}: {first.reason}"
        note = "A sealed sample is one's word only the first time it is read."
        out.append(RuleOutcome("lockbox", "opened once", None, None, None, verdict, reason, note))
    return out


def rule_outcome(requirement: Requirement, figure: Estimate) -> RuleOutcome:
    """One line of a policy applied to the figure it asks for."""
    return replace(_outcome(requirement, figure), note=requirement.note or requirement.kind.why)


def _told(outcome: RuleOutcome) -> str:
    value = "" if outcome.value is None else f" is {outcome.value:.3g}"
    return f"{outcome.rule}{value}, {outcome.threshold} is asked for"


def _outcome(requirement: Requirement, figure: Estimate) -> RuleOutcome:
    threshold = _threshold(requirement)
    if figure.absent == "not applicable":
        return RuleOutcome(requirement.rule, threshold, None, None, None, "not applicable", figure.reason)
    if figure.absent or figure.value is None or math.isnan(figure.value):
        return RuleOutcome(requirement.rule, threshold, None, None, None, "insufficient", figure.reason or "no figure")
    tested = {"value": figure.value, "low": figure.low, "high": figure.high}[requirement.on]
    if tested is None or math.isnan(tested):
        reason = f"no {requirement.on} end of an interval"
        return RuleOutcome(requirement.rule, threshold, figure.value, figure.low, figure.high, "insufficient", reason)
    if requirement.required is not None:
        good = bool(tested)
    else:
        good = (requirement.at_least is None or tested >= requirement.at_least) and (
            requirement.at_most is None or tested <= requirement.at_most
        )
    return RuleOutcome(
        requirement.rule,
        threshold,
        figure.value,
        figure.low,
        figure.high,
        "passed" if good else "failed",
        figure.reason,
    )


def _threshold(requirement: Requirement) -> str:
    parts = []
    if requirement.required:
        parts.append("required")
    if requirement.at_least is not None:
        parts.append(f"≥ {requirement.at_least:g}")
    if requirement.at_most is not None:
        parts.append(f"≤ {requirement.at_most:g}")
    return " and ".join(parts) + ("" if requirement.on == "value" else f" ({requirement.on} end)")


def note_look(run: Run, decision: GateDecision) -> None:
    """Note in the ledger that a trial was looked at with so much data, so that a first look is one only once."""
    counted = CheckOutcomes.of(run).trials
    if counted is not None and counted.trial:
        through = str(run.metrics.get("end", ""))[:10]
        body = {"trial": counted.trial, "run": run.id, "policy": decision.policy, "through": through,
                "verdict": decision.verdict}  # fmt: skip
        append_entry("look", f"{counted.trial}:{decision.policy}:{through}", body)


def write_decision(decision: GateDecision, run: Run) -> Path:
    """Write ``gate.json`` into the run's folder, atomically."""
    path = run.path / "gate.json"
    try:
        with replacing(path) as temporary:
            Path(temporary).write_text(to_json(decision.to_dict()), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    return path
