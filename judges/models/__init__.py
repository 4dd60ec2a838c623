"""AI judges and what they were asked, one aggregate a file."""

from judges.models.budget import Budget
from judges.models.call import CallPurpose, JudgeCall
from judges.models.judge import Judge
from judges.models.key import ProviderKey
from judges.models.run import UNSETTLED, BatchState, JudgeBatch, JudgeRun, RunMode, Stopped

__all__ = [
    "UNSETTLED",
    "BatchState",
    "Budget",
    "CallPurpose",
    "Judge",
    "JudgeBatch",
    "JudgeCall",
    "JudgeRun",
    "ProviderKey",
    "RunMode",
    "Stopped",
]
