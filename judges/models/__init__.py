"""AI judges and what they were asked, one aggregate a file."""

from judges.models.call import JudgeCall
from judges.models.judge import Judge
from judges.models.run import JudgeRun

__all__ = ["Judge", "JudgeCall", "JudgeRun"]
