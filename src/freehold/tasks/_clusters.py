"""Clusters of templates that are one task: layouts of one instruction, and its versions over time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from freehold.vocabulary import MessagePattern, Slot, Task, Template

from ._answers import Answers, Parsed, alike
from ._bare import divided
from ._families import Family, Shingled, families, shingle
from ._heads import Head, leading_systems, prompt_texts
from ._profiles import profiles
from ._templates import Draft, drafts, finish, fitted, identified
from .matching import constant_text

_KEPT = 4000
_COMPARED = 1000
_WELL_MINED = 400
_FIT = 0.7
_REPEATED = 0.3
_LISTED = 0.8
_ONE_FORM = 0.8
_PHRASE_CHARS = 60
_SAME_LABELS = 0.6
_TELLING_LETTERS = 8
_UNSPACED = 0x2E80
_SHARED = 0.5
_SHARED_IF_SAME = 0.3
_OWN_WORDING = 8.0
_JOINT = 0.6
_SEVERAL = 3
_SAME_KEYS = 0.9
_CAPTION_MARKS = (":", "\n", "\uff1a")

Run = tuple[str, ...]


class Cluster(msgspec.Struct):
    """A task in the making. `heads` is an even sample of its calls; `seen` counts all that were offered."""

    tools: str
    schema: str
    templates: list[Template]
    heads: list[Head] = []
    seen: int = 0
    mined_from: int = 0
    task_id: str = ""

    @classmethod
    def of_task(cls, task: Task) -> Cluster:
        """A cluster that stands for a task known from before."""
        first = task.templates[0] if task.templates else None
        tools, schema = (first.tools, first.schema) if first is not None else ("", "")
        return cls(tools, schema, list(task.templates), task_id=task.id)

    def take(self, head: Head) -> None:
        """Count a call, and keep it in the sample: every call at first, then every second, every fourth, …."""
        stride = 1
        while self.seen // stride >= _KEPT:
            stride *= 2
        if self.seen % stride == 0:
            if len(self.heads) >= _KEPT:
                self.heads = self.heads[::2]
            self.heads.append(head)
        self.seen += 1

    def draft_task(self, task_id: str) -> Task:
        """A task to match calls with."""
        return Task(task_id, task_id, "unknown", tuple(self.templates), self.seen, 0.0, "")

    @property
    def runs(self) -> set[Run]:
        """Three-word runs of all its templates' constant text."""
        return {run for template in self.templates for run in constant_text(template)}

    @property
    def read(self) -> bool:
        """Whether its calls hold no prompt and are known by how their inputs read."""
        return any(template.profile is not None for template in self.templates)

    def explains(self, head: Head) -> bool:
        """Whether a call that is near this cluster needs no template of its own: it is one of an input in doubt."""
        shape = (head.view.tools, head.view.schema, head.view.roles)
        return any(
            shape == (one.tools, one.schema, tuple(pattern.role for pattern in one.messages))
            for one in self.templates
            if one.profile is not None
        )

    def evidence(self) -> _Evidence:
        """What decides whether it is the same task as another."""
        answers = [head.answer for head in self.heads[:_COMPARED] if head.answer is not None]
        return _Evidence(self.runs, Answers(answers), [head.started_at_us for head in self.heads])

    def refine(self, smallest: int) -> None:
        """Align again over all calls kept, where the templates came from few of them."""
        if self.task_id or self.read or self.mined_from >= _WELL_MINED or len(self.heads) < 1.5 * self.mined_from:
            return
        every = frozenset(h.answer.text.strip() for h in self.heads if h.answer is not None and h.answer.text.strip())
        better = _templates([self.heads], self.tools, self.schema, smallest, every)
        if better:
            self.templates = better


def clustered(members: list[Head], tools: str, schema: str, smallest: int) -> list[Cluster]:
    """Cluster calls with the same tools and response schema."""
    answers = [head.answer if head.answer is not None else Parsed("", "text") for head in members]
    prompts = shingle([prompt_texts(head.view) for head in members], answers)
    found = [family for family in families(prompts, smallest) if len(family.members) >= smallest]
    least = max(5, smallest // 2)
    groups, clusters = _without_prompts(_grouped(found, prompts, members, least), tools, schema, smallest)
    every = frozenset(answer.text.strip() for answer in answers if answer.text.strip())
    for group in groups:
        templates = _templates(group.parts, tools, schema, smallest, every)
        if templates:
            own = [head for part in group.parts for head in part]
            clusters.append(Cluster(tools, schema, templates, own, 0, len(own)))
    return clusters


def _without_prompts(
    groups: list[_Group], tools: str, schema: str, smallest: int
) -> tuple[list[_Group], list[Cluster]]:
    """Take the calls that hold no prompt out of the groups, and divide them into tasks by what they are answered.

    Where tools or a schema tell a single such task already, it stays as it is.
    """
    bare = [group for group in groups if group.bare]
    core = [group for group in bare if not all(_telling(draft) for draft in group.drafts) or group.chanced]
    usual = _usual(core)
    phrased = [
        group
        for group in bare
        if group not in core and (usual.gives(group.evidence.answers) >= _SAME_LABELS or _one_of_many(group, bare))
    ]
    pool = [head for group in [*core, *phrased] for head in group.heads]
    division = divided(pool, smallest)
    if tools or schema:
        if len(division.parts) < 2:
            return groups, []
    elif not division.parts:
        return [group for group in groups if not (group.bare and group.chanced) or _formal(group.evidence.answers)], []
    rest = [group for group in groups if group not in core and group not in phrased]
    clusters: list[Cluster] = []
    learned = profiles(division.parts, division.strangers)
    for part, profile in zip(division.parts, learned, strict=True):
        role = part[0].view.roles[0]
        pattern = MessagePattern(role, (Slot(role),))
        template = identified((pattern,), open_ended=False, tools=tools, schema=schema, n=len(part), profile=profile)
        clusters.append(Cluster(tools, schema, [template], part, 0, len(part)))
    return rest, clusters


def _usual(groups: list[_Group]) -> Answers:
    return Answers([head.answer for group in groups for head in group.heads if head.answer is not None])


def _one_of_many(group: _Group, bare: list[_Group]) -> bool:
    """Whether a group's constant text is only what people often say: several others get the same labels or keys."""
    return sum(min(_gives(one, group), _gives(group, one)) >= _SAME_LABELS for one in bare) >= _SEVERAL


def _gives(group: _Group, other: _Group) -> float:
    return group.evidence.answers.gives(other.evidence.answers)


def _templates(
    parts: list[list[Head]], tools: str, schema: str, smallest: int, every: frozenset[str]
) -> list[Template]:
    """Templates of families that are one task: aligned together where that keeps most of the constant text."""
    least = max(5, smallest // 2)
    parts = sorted(parts, key=lambda part: (-len(part), part[0].id))
    together = drafts(sorted((h for part in parts for h in part), key=lambda h: (h.started_at_us, h.id)), least)
    if len(parts) > 1:
        alone = drafts(parts[0], least)
        own = sum(d.literal_chars * len(d.members) for d in alone) / max(1, sum(len(d.members) for d in alone))
        joint = sum(d.literal_chars * len(d.members) for d in together) / max(1, sum(len(d.members) for d in together))
        if joint < _JOINT * own:
            together = _one_by_one(alone, parts[1:], least)
    found = [
        finish(draft, tools, schema, every) for draft in together if _telling(draft, tools, schema) or _bare(draft)
    ]
    return list({template.id: template for template in found}.values())


def _one_by_one(found: list[Draft], parts: list[list[Head]], least: int) -> list[Draft]:
    """Drafts of further families, each only of the calls that no draft before it fits."""
    found = list(found)
    for part in parts:
        left = part
        for draft in found:
            fitting = {head.id for head in fitted(draft, left)}
            left = [head for head in left if head.id not in fitting]
        found += drafts(left, least)
    return found


def _bare(draft: Draft) -> bool:
    """Whether calls without any constant text are a task all the same: their answers are of one closed or JSON form."""
    answers = Answers([head.answer for head in draft.members if head.answer is not None])
    return not draft.open_ended and _formal(answers)


def _formal(answers: Answers) -> bool:
    return answers.closed or answers.share("json") >= _ONE_FORM


def _telling(draft: Draft, tools: str = "", schema: str = "") -> bool:
    """Whether there is enough to know a call of this prompt by: tools, a schema, or more than a few letters of text."""
    return bool(tools or schema) or _letters(draft) >= _TELLING_LETTERS


def _letters(draft: Draft) -> int:
    """Letters of constant text; those of scripts without blanks between words count twice."""
    literals = (p for pieces in draft.patterns for p in pieces if isinstance(p, str))
    return sum(c.isalpha() + c.isalpha() * (ord(c) > _UNSPACED) for literal in literals for c in literal)


class _Group(msgspec.Struct, eq=False):
    """Families that are one task. `drafts` are its first family's."""

    evidence: _Evidence
    parts: list[list[Head]]
    drafts: list[Draft]

    @property
    def heads(self) -> list[Head]:
        """All its calls."""
        return [head for part in self.parts for head in part]

    @property
    def bare(self) -> bool:
        """Whether its calls are one message each, with no more constant text than people's phrases have."""
        single = all(len(head.view.roles) == 1 for head in self.heads)
        return single and max((draft.literal_chars for draft in self.drafts), default=0) <= _PHRASE_CHARS

    @property
    def chanced(self) -> bool:
        """Whether the little text its calls share is a phrase that inputs have by chance, not words of a prompt.

        Words of a prompt stand at an end of the message, and mostly end in a colon or a line; if they do not, answers
        of a closed form are needed to say so.
        """
        literals = [p for draft in self.drafts for pieces in draft.patterns for p in pieces if isinstance(p, str)]
        if any(mark in literal for literal in literals for mark in _CAPTION_MARKS):
            return False
        at_end = [d for d in self.drafts if any(isinstance(p[end], str) for p in d.patterns for end in (0, -1))]
        if 2 * sum(len(d.members) for d in at_end) < sum(len(d.members) for d in self.drafts):
            return True
        few = max((_letters(draft) for draft in self.drafts), default=0) < 2 * _TELLING_LETTERS
        return few and _formal(self.evidence.answers)

    def fits(self, part: list[Head], answers: Answers) -> bool:
        """Whether a family's calls are in truth calls of this task whose input recurs: its templates fit them."""
        repeated = len({head.view.texts for head in part}) <= _REPEATED * len(part)
        if not repeated and not alike(self.evidence.answers, answers) and not self._lists(answers):
            return False
        fitting = {head.id for draft in self.drafts if _telling(draft) for head in fitted(draft, part)}
        return len(fitting) >= _FIT * len(part)

    def _lists(self, answers: Answers) -> bool:
        """Whether the constant text of the prompt holds these answers: it lists the labels."""
        if not answers.closed:
            return False
        constant = "\n".join(p for d in self.drafts for pieces in d.patterns for p in pieces if isinstance(p, str))
        held = sum(count for label, count in answers.short.items() if label and label in constant)
        return held >= _LISTED * answers.n


def _unprompted(group: _Group, part: list[Head], answers: Answers) -> bool:
    """Whether both are calls without any prompt, known by their labels or keys alone.

    No system message, no more constant text than people's phrases have, and the same closed set of answers.
    """
    ours = group.evidence.answers
    if any(leading_systems(heads[0].view) for heads in (part, group.parts[0])):
        return False
    same_labels = ours.closed and answers.closed and ours.explains(answers) >= _SAME_LABELS
    records = min(ours.share("json"), answers.share("json")) >= _ONE_FORM
    if not same_labels and not (records and min(ours.gives(answers), answers.gives(ours)) >= _SAME_KEYS):
        return False
    other = _Group(_Evidence(set(), answers, []), [part], drafts(part, len(part)))
    if not (group.chanced or other.chanced):
        return False  # both begin or end with words of a prompt, and with others
    return max((d.literal_chars for d in [*group.drafts, *other.drafts]), default=0) <= _PHRASE_CHARS


def _grouped(found: list[Family], prompts: Shingled, members: list[Head], least: int) -> list[_Group]:
    """Families that are one task, judged by the words they share, by their templates and by their answers."""
    weight = _weights((family.constant.tolist(), len(family.members)) for family in found)
    groups: list[_Group] = []
    for family in sorted(found, key=lambda f: (-len(f.members), int(f.members[0]))):
        part = [members[i] for i in family.members]
        answers = Answers([prompts.answers[i] for i in family.members])
        seen = _Evidence(set(family.constant.tolist()), answers, [head.started_at_us for head in part])
        home = next((g for g in groups if g.fits(part, answers)), None)
        if home is None:
            home = next(
                (g for g in groups if _one_task(g.evidence, seen, weight) or _unprompted(g, part, answers)), None
            )
            if home is None:
                home = _Group(seen, [], [])
                groups.append(home)
            home.drafts += drafts(part, least)
        home.parts.append(part)
    return groups


class _Evidence(msgspec.Struct):
    """What decides whether two sets of calls are one task."""

    runs: set[Any]
    answers: Answers
    times: list[int]


def _one_task(a: _Evidence, b: _Evidence, weight: Callable[[Any], float]) -> bool:
    """Whether most of the smaller one's constant text is the other's too, and nothing speaks against it."""

    def total(runs: set[Any]) -> float:
        return sum(weight(run) for run in runs)

    smaller = min(total(a.runs), total(b.runs))
    same_answers = _closed_alike(a.answers, b.answers) or a.answers.same_wording(b.answers)
    needed = _SHARED_IF_SAME if same_answers else _SHARED
    if smaller <= 0 or total(a.runs & b.runs) < needed * smaller or not alike(a.answers, b.answers):
        return False
    own = min(total(a.runs - b.runs), total(b.runs - a.runs))
    return own < _OWN_WORDING or same_answers or _succeeds(a.times, b.times)


def _weights(sets: Iterable[tuple[Iterable[Any], int]]) -> Callable[[Any], float]:
    """How telling a run is: the fewer of the calls hold it, the more; of all calls hardly at all."""
    spread: Counter[Any] = Counter()
    total = 0
    for runs, n in sets:
        total += n
        for run in runs:
            spread[run] += n
    return lambda run: math.log(1 + total / spread[run]) - 0.65 if spread[run] else 0.0


def _closed_alike(a: Answers, b: Answers) -> bool:
    """Whether both give answers of the same closed shape, such as two different tasks hardly would."""
    return (a.closed and b.closed) or (a.share("json") > 0.5 and b.share("json") > 0.5)


def _succeeds(a: list[int], b: list[int]) -> bool:
    """Whether one set of times is over, nearly, when the other begins."""
    if not a or not b:
        return False
    first, second = sorted((sorted(a), sorted(b)), key=lambda times: times[len(times) // 2])
    return first[int(0.95 * (len(first) - 1))] <= second[int(0.05 * (len(second) - 1))]


def _same_answers(known: Cluster, new: Cluster, ours: _Evidence) -> bool:
    """Whether two clusters without prompts are one task: their answers have the same keys or labels."""
    if not (known.read and new.read):
        return False
    theirs = known.evidence().answers
    return theirs.n > 0 and min(theirs.gives(ours.answers), ours.answers.gives(theirs)) >= _SAME_LABELS


def merged(known: list[Cluster], found: list[Cluster]) -> list[Cluster]:
    """Join new clusters with known ones where they are one task (a later version, a rarer layout)."""
    weights = {
        shape: _weights(
            (c.runs, max(1, c.seen, len(c.heads))) for c in [*known, *found] if (c.tools, c.schema) == shape
        )
        for shape in {(c.tools, c.schema) for c in found}
    }
    clusters = list(known)
    for new in found:
        shape = (new.tools, new.schema)
        ours = new.evidence()
        near = [cluster for cluster in known if (cluster.tools, cluster.schema) == shape]
        home = next(
            (c for c in near if _same_answers(c, new, ours) or _one_task(c.evidence(), ours, weights[shape])), None
        )
        if home is not None and home.read and not home.task_id:
            continue  # found in this very log: what read too unlike its other calls is no version of it
        if home is None:
            clusters.append(new)
        else:
            have = {template.id for template in home.templates}
            home.templates += [template for template in new.templates if template.id not in have]
    return clusters
