"""The sections of the tear sheet. Import from the modules."""

__all__: list[str] = []
