"""What a call used, in tokens by kind: between a provider's reply and the price table."""

from typing import NamedTuple


class Usage(NamedTuple):
    """Tokens that do not overlap: the prompt is ``input`` + ``cache_read`` + ``cache_write`` + ``cache_write_1h``.

    ``input`` and ``output`` are None where the provider did not say. ``cache_write`` is the provider's ordinary
    write to its cache, ``cache_write_1h`` the one that lasts an hour.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0

    @property
    def prompt(self) -> int | None:
        """All tokens of the prompt, cached or not; None where they are not known."""
        if self.input is None:
            return None
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h

    @property
    def total(self) -> int | None:
        """Prompt and output; None where either is not known."""
        return None if self.prompt is None or self.output is None else self.prompt + self.output

    def plus(self, other: "Usage") -> "Usage":
        """Both together; what one of them does not know is not known of both."""
        return Usage(
            None if self.input is None or other.input is None else self.input + other.input,
            None if self.output is None or other.output is None else self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.cache_write_1h + other.cache_write_1h,
        )


NOTHING = Usage(0, 0)
UNKNOWN = Usage()
