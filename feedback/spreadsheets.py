"""Texts in files that people open in a spreadsheet."""

_STARTS = tuple("=+-@＝＋－＠")


def inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula, in letters of full width neither."""
    return f"'{text}" if text[:1].isspace() or text.lstrip()[:1] in _STARTS else text
