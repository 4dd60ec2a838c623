"""JSON as a form's field, for whatever a judge or a grader takes."""

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput


class PrettyJson(json.JSONEncoder):
    """JSON as people edit it, one name a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"indent": 2}))


class StrictJson(forms.JSONField):
    """JSON that a database can hold. Django's own field fails on deep nesting and on very long numbers."""

    def to_python(self, value: Any) -> Any:
        try:
            return _storable(super().to_python(value))
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return _storable(super().bound_data(data, initial))
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


def _storable(value: Any) -> Any:
    """``value``. Raises ValueError for half of a surrogate pair in it."""
    json.dumps(value, ensure_ascii=False).encode()
    return value
