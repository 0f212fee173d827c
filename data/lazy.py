"""Fields that may be given as what makes them, which is called when they are first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, overload

__all__ = ["MadeWhenRead"]

T = TypeVar("T")


class MadeWhenRead(Generic[T]):
    """A table or series of a dataclass that may be given as a function without arguments.

    Parameters
    ----------
    default : makes it where it is not given; None = it has to be.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Result:
    ...     prices: MadeWhenRead[list] = MadeWhenRead()
    >>> Result(lambda: [1.0]).prices
    [1.0]

    """

    def __init__(self, default: Callable[[], T] | None = None) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, value: None, owner: type) -> Callable[[], T]: ...
    @overload
    def __get__(self, value: object, owner: type) -> T: ...
    def __get__(self, value: object | None, owner: type) -> T | Callable[[], T]:
        if value is None:
            if self._default is None:
                raise AttributeError(self._name)  # by which a dataclass knows that there is no default
            return self._default
        made: T | Callable[[], T] = value.__dict__[self._name]
        if callable(made):
            made = value.__dict__[self._name] = made()
        return made

    def __set__(self, value: object, made: T | Callable[[], T]) -> None:
        value.__dict__[self._name] = made
