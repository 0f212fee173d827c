"""Which checks apply to which claims: each rule looks at a run, a family of runs or the report, and yields findings."""

__all__: list[str] = []
