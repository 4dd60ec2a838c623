"""Grades by a function of the job's source: ``grade(sample, item)``, once a case, under a limit each.

The function is the engineer's own, what it is given is not. Whatever it prints goes to standard error.
"""

import math
import signal
import traceback
from collections.abc import Callable
from typing import Any, NoReturn


class TooLong(BaseException):
    """No Exception, so that a source that catches everything does not catch this."""


def too_long(number: int, frame: object) -> NoReturn:
    raise TooLong


def work(job: dict[str, Any], say: Callable[[Any], None]) -> None:
    namespace: dict[str, Any] = {"__name__": "grader"}
    signal.signal(signal.SIGALRM, too_long)
    try:
        exec(compile(job["source"], "<grader>", "exec"), namespace)
        function = namespace["grade"]
    except BaseException as error:
        say({"unusable": describe(error)})
        return
    for index, case in enumerate(job["cases"]):
        say({"case": index, **graded(function, case, job["seconds"])})


def graded(function: Callable[..., Any], case: list[Any], seconds: float) -> dict[str, Any]:
    """{"reward"} or {"error"}."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        reward = function(*case)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return as_number(reward)
    except TooLong:
        return {"error": f"It took more than {seconds:g} seconds."}
    except BaseException as error:
        return {"error": describe(error)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def as_number(reward: Any) -> dict[str, Any]:
    if reward is None or isinstance(reward, (str, bytes)):
        return {"error": f"grade returned {reward!r:.80}, which is no number."}
    number = float(reward)
    if not math.isfinite(number):
        return {"error": f"grade returned {number}, which is no finite number."}
    return {"reward": number}


def describe(error: BaseException) -> str:
    """The exception as one line, with the line of the grader it came from."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<grader>"
    ]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}"[:400] + where
