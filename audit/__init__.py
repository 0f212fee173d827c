"""The audit of reported figures: documents or claims in, a verdict and one sentence for each figure.

`read` drafts claims from documents, `claims` holds and stores them, `judge` applies `rules` (whose formulas stand in
`forensic`), `recompute` brings in data, `report` shows the outcome.
"""

__all__: list[str] = []
