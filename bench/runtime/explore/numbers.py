"""Numbers for what is large and met often, so that states are tuples of integers."""

from __future__ import annotations

from typing import Any


class Numbers:
    """Numbers for tuples, and back."""

    __slots__ = ("_numbers", "_values")

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._values: list[tuple[Any, ...]] = []

    def __getitem__(self, value: tuple[Any, ...]) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self._values)
            self._values.append(value)
        return number

    def of(self, number: int) -> tuple[Any, ...]:
        """The tuple of that number."""
        return self._values[number]
