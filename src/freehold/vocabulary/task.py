"""A recurring task, the prompt versions (templates) it is recognised by, and what its traffic looks like."""

from __future__ import annotations

from typing import Literal

import msgspec

TaskKind = Literal[
    "classification", "extraction", "structured", "tool_choice", "question_answering", "free_text", "code", "unknown"
]
NARROW_KINDS: frozenset[TaskKind] = frozenset({"classification", "extraction", "structured"})
"""Kinds whose answers can be judged right or wrong by equality, and that a small student can learn."""

DataClass = Literal["ordinary", "restricted"]
"""`restricted`: no byte of the task's calls may reach a rented provider, on any path."""


class Slot(msgspec.Struct, frozen=True, tag="slot"):
    """A part of a prompt that varies from call to call.

    `is_input` tells what the answer depends on from what merely varies (a date, a tenant's name, few-shot examples
    drawn anew). A `greedy` slot (at most one in a message) takes as much as it can: the pieces after it are matched
    from the end of the message backwards, so that a run of examples of any length fits one slot.
    """

    name: str
    is_input: bool = True
    greedy: bool = False


class MessagePattern(msgspec.Struct, frozen=True):
    """One message of a template: literal text and slots in turn, in order."""

    role: str
    pieces: tuple[str | Slot, ...]


class Profile(msgspec.Struct, frozen=True):
    """How the inputs of a task read, for prompts that hold no constant text to know them by. It holds no words.

    `weights` and `background` hold a byte for each bucket that words hash into: how much likelier such a word is than
    one never seen, in this task's inputs and in the log around it, in fixed steps of a natural logarithm; `unseen` is
    the logarithm of a word never seen. `typical` is the usual mean excess of the first over the second. An input that
    reads no less like the task than `near` may be the task's, from `sure` on it is, if it also leads every other task
    by `lead`. `senders` are the models and sampling parameters the calls came with: they count only between tasks,
    never for or against being one.
    """

    weights: bytes
    unseen: float
    background: bytes
    typical: float
    near: float
    sure: float
    lead: float = 0.0
    senders: tuple[str, ...] = ()


class Template(msgspec.Struct, frozen=True):
    """One version of a task's prompt: what stays the same in every call of it.

    `id` is a digest of everything below, so that a changed prompt, tool list or response schema is another version.
    `open_ended`: after the patterned messages any number of further messages may follow, all of them input (an agent's
    history). `profile` is set where the messages say too little to tell the task's calls from others.
    """

    id: str
    messages: tuple[MessagePattern, ...]
    open_ended: bool = False
    tools: str = ""
    schema: str = ""
    n_calls: int = 0
    profile: Profile | None = None


class Task(msgspec.Struct, frozen=True):
    """A recurring task.

    `id` never changes; `name` is a person's to change. `why` says in words what its calls have in common. `stated` is
    set where the calls came without bodies and are grouped by what their log says of them alone (`tasks.stated`): such
    a task has no templates, and nobody can tell whether its calls ask for one thing.
    """

    id: str
    name: str
    kind: TaskKind
    templates: tuple[Template, ...]
    n_calls: int
    confidence: float
    why: str
    tags: tuple[str, ...] = ()
    named_by: Literal["discovery", "person"] = "discovery"
    stated: str = ""


class Match(msgspec.Struct, frozen=True, gc=False):
    """What a request was recognised as.

    `template_id` is "" where the call is near the task but no known version of its prompt, tools or schema: such a
    call belongs to the task's statistics and restrictions, and is never answered by an owned model. `inputs` are the
    texts of the template's input slots, in order. `stated`: there is no body to look at; the call's log says so.
    """

    task_id: str
    template_id: str
    inputs: tuple[str, ...]
    how: Literal["declared", "template", "nearest", "stated"]
