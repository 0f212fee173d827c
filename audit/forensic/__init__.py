"""Checks that need nothing but printed numbers: small pure functions over intervals, one area a module."""

__all__: list[str] = []
