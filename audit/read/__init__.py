"""Reading: documents in, figures with the labels they stand under, claims out; every digit accounted for."""

__all__: list[str] = []
