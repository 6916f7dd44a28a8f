"""What the gateway needs to know of a task, and nothing else.

Published by the registry as one file, read without a database.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .certificate import Against
from .task import DataClass, Task

Stage = Literal["none", "shadow", "canary", "full", "demoted"]
"""`shadow` computes and records without serving, `canary` serves a share, `full` serves whatever it is sure of,
`demoted` was taken off by its audit.
"""


class Route(msgspec.Struct, frozen=True):
    """How one task is answered.

    An owned answer is served only where the call's template is in `template_ids`, its confidence reaches `threshold`
    and its scope reaches `scope_threshold`. `loss` names how audits compare answers (`evidence.losses`). `audit_share`
    of the owned answers also goes to the rented model, and `alpha` is what the audit test defends, at a false-alarm
    rate of its own (`evidence.sequential.AUDIT_DELTA`); `delta` is the certificate's. Against gold, an audit by the
    rented model is recorded and proves nothing: the teacher may be the one that errs. `paused`: a person stopped its
    owned answers; the stage stays what it is.
    """

    task_id: str
    task_name: str
    data_class: DataClass = "ordinary"
    stage: Stage = "none"
    canary_share: float = 0.1
    student_id: str = ""
    bundle: str = ""
    certificate_id: str = ""
    template_ids: tuple[str, ...] = ()
    threshold: float = 1.0
    scope_threshold: float = 1.0
    alpha: float = 0.05
    delta: float = 0.05
    audit_share: float = 0.02
    loss: str = "text"
    against: Against = "teacher"
    paused: bool = False


class RouteTable(msgspec.Struct, frozen=True):
    """Everything the gateway routes by.

    The tasks it recognises and the route of each. `version` grows with every publication. `restricted_names`: every
    name that is declared restricted, as it is declared, also those under which a task was known once or never was.
    `paused`: a person stopped all owned answers.
    """

    version: int
    tasks: tuple[Task, ...] = ()
    routes: tuple[Route, ...] = ()
    restricted_names: tuple[str, ...] = ()
    paused: bool = False
