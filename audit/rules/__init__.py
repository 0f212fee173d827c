"""The rules: each looks at a run, a family of runs or the report, and yields findings; `judge` lists which apply."""

__all__: list[str] = []
