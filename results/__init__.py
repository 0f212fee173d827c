"""Evidence, stored runs, the gate, the tear sheet and the audit. Import from the modules: each is needed alone."""

__all__: list[str] = []
