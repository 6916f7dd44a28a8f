"""The nouns of Freehold, as msgspec structs. Knows nothing else: no files, no sockets, no arithmetic beyond a sum."""

from .call import (
    DATA_CLASS_TAG,
    END_USER_TAG,
    FEATURE_TAG,
    PARENT_TAG,
    PROMPT_TAG,
    SESSION_TAG,
    SPAN_TAG,
    TEAM_TAG,
    TRACE_TAG,
    Call,
    Leg,
    Outcome,
    Owner,
    Purpose,
    Usage,
)
from .certificate import Against, Certificate, Interval
from .contract import Contract
from .feedback import Feedback, FeedbackKind
from .key import NANO_USD, Budget, KeyTable, Period, VirtualKey
from .money import ZERO, Assumption, Range, Source
from .route import Route, RouteTable, Stage
from .student import Answer, Example, LearningPoint, Manifest, Tried
from .task import NARROW_KINDS, DataClass, Match, MessagePattern, Profile, Slot, Task, TaskKind, Template
from .verdict import Flip, Option, Verdict, VerdictWord

__all__ = [
    "DATA_CLASS_TAG",
    "END_USER_TAG",
    "FEATURE_TAG",
    "NANO_USD",
    "NARROW_KINDS",
    "PARENT_TAG",
    "PROMPT_TAG",
    "SESSION_TAG",
    "SPAN_TAG",
    "TEAM_TAG",
    "TRACE_TAG",
    "ZERO",
    "Against",
    "Answer",
    "Assumption",
    "Budget",
    "Call",
    "Certificate",
    "Contract",
    "DataClass",
    "Example",
    "Feedback",
    "FeedbackKind",
    "Flip",
    "Interval",
    "KeyTable",
    "LearningPoint",
    "Leg",
    "Manifest",
    "Match",
    "MessagePattern",
    "Option",
    "Outcome",
    "Owner",
    "Period",
    "Profile",
    "Purpose",
    "Range",
    "Route",
    "RouteTable",
    "Slot",
    "Source",
    "Stage",
    "Task",
    "TaskKind",
    "Template",
    "Tried",
    "Usage",
    "Verdict",
    "VerdictWord",
    "VirtualKey",
]
