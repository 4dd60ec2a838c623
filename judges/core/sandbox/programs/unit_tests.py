"""Runs a response's code, then tests of it: one case a process, since nothing in it is to be trusted.

A test passes where it ends without an exception. The answer carries a word that the code was not told; code
that goes looking for it in this process can find it, which is why a reward is no proof.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any


def work(job: dict[str, Any], say: Callable[[Any], None]) -> None:
    # Ends the process; code that prevents it meets the limit of the process outside.
    signal.setitimer(signal.ITIMER_REAL, job["seconds"])
    word = job.pop("word")
    tests = job.pop("tests")
    namespace: dict[str, Any] = {"__name__": "response"}
    failed = failure(job.pop("code"), "<response>", namespace)
    if failed:
        say({"word": word, "passed": [], "failed": failed})
        return
    passed: list[bool] = []
    for index, test in enumerate(found(tests, namespace)):
        problem = test()
        passed.append(not problem)
        failed = failed or (problem and f"test {index + 1}: {problem}")
    say({"word": word, "passed": passed, "failed": failed})


def found(tests: Sequence[str], namespace: dict[str, Any]) -> Iterator[Callable[[], str]]:
    """Each text is a test; one that defines functions named test_… is as many tests as these."""
    for text in tests:
        before = set(namespace)
        problem = failure(text, "<tests>", namespace)
        functions = [
            value
            for name, value in namespace.items()
            if name not in before and name.startswith("test_") and callable(value)
        ]
        if problem or not functions:
            yield partial(str, problem)
            continue
        for function in functions:
            yield partial(called, function)


def failure(text: str, name: str, namespace: dict[str, Any]) -> str:
    """What went wrong, or nothing."""
    try:
        exec(compile(text, name, "exec"), namespace)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def called(function: Callable[[], Any]) -> str:
    try:
        function()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""
