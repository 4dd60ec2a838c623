"""Turns whatever ends a run into one clear sentence: what went wrong, and the way out."""

from __future__ import annotations

import errno

from trainer.spec import SpecError

_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# safetensors and torch (inline_container.cc) report a full disk in words of their own, without an errno.
_DISK_WORDS = ("No space left on device", "File too large", "Disk quota exceeded", "inline_container.cc")
_DISK_FULL = "The disk is full: free some space and start the run again; it goes on from its last checkpoint."
_MEMORY_WORDS = ("CUDA out of memory", "can't allocate memory")


class RunnerError(Exception):
    """A failure that a person can put right; its message is the sentence to show."""


def explain(error: BaseException) -> str:
    """The sentence for a `failed` event."""
    if isinstance(error, RunnerError):
        return str(error)
    if isinstance(error, SpecError):
        return f"The run spec is not valid: {error}."
    if is_disk_full(error):
        return _DISK_FULL
    if _is_out_of_memory(error):
        return (
            "Out of memory: lower batch_size (raise gradient_accumulation to make up for it) or max_length, "
            "or set lora_r to train an adapter only."
        )
    first_line = (str(error).strip().splitlines() or ["no message"])[0]
    return f"The run stopped with an unexpected {type(error).__name__}: {first_line} (see runner.log)."


def is_disk_full(error: BaseException) -> bool:
    """Whether the error, or one it came from, says that nothing more could be written."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRNOS:
        return True
    if any(words in str(error) for words in _DISK_WORDS):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_disk_full(cause)


def _is_out_of_memory(error: BaseException) -> bool:
    # By name, so that explaining an error does not import torch.
    names = {each.__name__ for each in type(error).__mro__}
    return bool(names & {"OutOfMemoryError", "MemoryError"}) or any(w in str(error) for w in _MEMORY_WORDS)
