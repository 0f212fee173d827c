"""The audit of reported figures: claims in, a verdict and one sentence for each.

`claims` reads and writes claims files, `draft` makes one from Markdown, `engine` judges with the checks of `forensic`,
`recompute`, `resolver` and `retrain` bring in data, `report` shows the outcome. Import from the modules.
"""

__all__: list[str] = []
