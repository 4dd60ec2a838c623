"""Compares answers to problems of mathematics with math-verify, under a limit each: parsing can take for ever."""

import signal
from collections.abc import Callable
from typing import Any, NoReturn


class TooLong(BaseException):
    """Not to be caught by the library."""


def too_long(number: int, frame: object) -> NoReturn:
    raise TooLong


def work(job: dict[str, Any], say: Callable[[Any], None]) -> None:
    from math_verify import parse, verify  # noqa: F401  loaded before the first case's time begins

    signal.signal(signal.SIGALRM, too_long)
    for index, (answer, reference) in enumerate(job["cases"]):
        say({"case": index, **compared(answer, reference, job["seconds"])})


def compared(answer: str, reference: str, seconds: float) -> dict[str, Any]:
    """{"reward"} or {"error"}. A reference that can not be read is nobody's wrong answer."""
    from math_verify import parse, verify

    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        gold = parse(reference, parsing_timeout=None) or parse(f"${reference}$", parsing_timeout=None)
        if not gold:
            return {"error": f"The reference {reference!r:.80} holds no expression that can be read."}
        given = parse(answer, parsing_timeout=None)
        return {"reward": float(verify(gold, given, timeout_seconds=None))}
    except TooLong:
        return {"error": f"It took more than {seconds:g} seconds."}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
