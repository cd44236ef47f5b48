"""Exceptions that were raised, stored and read back."""

from __future__ import annotations

import pydantic
import pydantic_core


def raised_by(function) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError


class Form(pydantic.BaseModel):
    count: int
    name: str

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        if value == "odd":
            raise pydantic_core.PydanticCustomError(
                "odd_name", "odd {what}", {"what": 1}
            )
        if not value:
            raise ValueError("empty")
        return value
