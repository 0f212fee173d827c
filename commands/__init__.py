"""One click command a module; `cli.py` imports each only when it runs."""

__all__: list[str] = []
