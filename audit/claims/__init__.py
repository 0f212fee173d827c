"""Claims files and the model of a claim: read, written, checked for contradictions; a print as an interval."""

__all__: list[str] = []
