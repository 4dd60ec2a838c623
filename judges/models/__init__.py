"""AI judges and what they were asked, one aggregate a file."""

from judges.models.attack import AttackResult, AttackRun
from judges.models.budget import Budget
from judges.models.call import CallPurpose, JudgeCall
from judges.models.judge import Judge, JudgeMode
from judges.models.key import ProviderKey
from judges.models.panel import Panel, PanelMember, PanelRule, PanelRun
from judges.models.run import UNSETTLED, BatchState, JudgeBatch, JudgeRun, RunMode, Stopped

__all__ = [
    "UNSETTLED",
    "AttackResult",
    "AttackRun",
    "BatchState",
    "Budget",
    "CallPurpose",
    "Judge",
    "JudgeBatch",
    "JudgeCall",
    "JudgeMode",
    "JudgeRun",
    "Panel",
    "PanelMember",
    "PanelRule",
    "PanelRun",
    "ProviderKey",
    "RunMode",
    "Stopped",
]
