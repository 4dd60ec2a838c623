"""Failures that a person caused and can mend. Each carries one sentence: the cause and the way out."""


class Refused(Exception):
    """An action declined, with nothing changed. ``field`` names the input at fault, where there is one."""

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
