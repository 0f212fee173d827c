"""Rule on the parts of a squared error: its mean, its spread and its size belong together."""

from __future__ import annotations

from collections.abc import Iterator

from assay.audit.forensic.regression import decomposed_rmse
from assay.audit.intervals import Interval
from assay.audit.rules.scope import Run, broken, fits, span
from assay.audit.verdicts import Finding

__all__ = ["error_decomposition"]


def error_decomposition(run: Run) -> Iterator[Finding]:
    """MSE = bias² + variance of the errors, for any denominator between n/2 and n.

    A figure above ``bias² + s²`` is impossible, since dividing by less than n only enlarges s; one below needs more
    parameters counted out of the denominator than half of the cases.
    """
    bias, spread = run.get("bias"), run.get("residual_std")
    size = run.get("rmse") or run.get("mse")
    if bias is None or spread is None or size is None:
        return
    involved = [size, bias, spread]
    units = {claim.unit for claim in involved if claim.unit}
    if len({claim.value.percent for claim in involved}) > 1 or len(units) > 1:
        return
    rmse = run.read(size) if size.metric == "rmse" else run.read(size).power(0.5)
    allowed = decomposed_rmse(run.read(bias), run.read(spread), run.group.sample.n)
    words = f"bias {bias.printed} and errors that deviate by {spread.printed} make a root mean square"
    sentence = f"{words} of {span(allowed)}, {size.metric.upper()} printed {size.printed}."
    if rmse.meets(allowed):
        yield fits("C10 bias and variance", involved, sentence)
        return
    above = rmse.low > allowed.high
    close = rmse.meets(Interval(allowed.low / 3, allowed.high * 3))  # beyond that a scaled error is likelier
    one = run.one_sample(*involved) and run.together(*involved) and close
    stated = all(claim.unit for claim in involved) or size.metric == "rmse"
    held = "all three are of the same errors, in one unit, and centred on their own mean"
    yield broken("C10 bias and variance", involved, sentence, above and one and stated, held)
