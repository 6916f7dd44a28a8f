"""Clusters of templates that are one task: layouts of one instruction, and its versions over time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

from freehold.vocabulary import Task, Template

from ._answers import Answers, Parsed, alike
from ._families import Family, Shingled, families, shingle
from ._heads import Head, prompt_texts
from ._templates import drafts, finish
from .matching import constant_text

_KEPT_ANSWERS = 1000
_SHARED = 0.5
_OWN_WORDING = 8.0
_JOINT = 0.8

Run = tuple[str, ...]


class Cluster(msgspec.Struct):
    """A task in the making."""

    tools: str
    schema: str
    templates: list[Template]
    answers: list[Parsed] = []
    times: list[int] = []
    n: int = 0
    task_id: str = ""

    @classmethod
    def of_task(cls, task: Task) -> Cluster:
        """A cluster that stands for a task known from before."""
        first = task.templates[0] if task.templates else None
        tools, schema = (first.tools, first.schema) if first is not None else ("", "")
        return cls(tools, schema, list(task.templates), task_id=task.id)

    def take(self, head: Head) -> None:
        """Count a call, and keep its answer while few are kept."""
        self.n += 1
        if head.answer is not None and len(self.answers) < _KEPT_ANSWERS:
            self.answers.append(head.answer)
        self.times.append(head.started_at_us)

    def draft_task(self, task_id: str) -> Task:
        """A task to match calls with."""
        return Task(task_id, task_id, "unknown", tuple(self.templates), self.n, 0.0, "")

    @property
    def runs(self) -> set[Run]:
        """Three-word runs of all its templates' constant text."""
        return {run for template in self.templates for run in constant_text(template)}

    def why(self, templates: Sequence[Template], n: int, exact: float) -> str:
        """What its calls have in common, in words."""
        literal = max(sum(len(p) for m in t.messages for p in m.pieces if isinstance(p, str)) for t in templates)
        said = [f"{n} calls share {literal} characters of constant prompt"]
        if self.tools:
            said.append(f"the same {len(self.tools.rpartition('#')[0].split(','))} tools")
        if self.schema:
            said.append("the same response schema")
        versions = f"{len(templates)} version{'s' if len(templates) > 1 else ''} of the prompt"
        return f"{', '.join(said)}; {versions}, and {exact:.1%} of the calls fit one exactly."


def clustered(members: list[Head], tools: str, schema: str, smallest: int) -> list[Cluster]:
    """Cluster calls with the same tools and response schema."""
    answers = [head.answer if head.answer is not None else Parsed("", "text") for head in members]
    prompts = shingle([prompt_texts(head.view) for head in members], answers)
    found = [family for family in families(prompts, smallest) if len(family.members) >= smallest]
    groups = _grouped(found, prompts, members)
    every = frozenset(answer.text.strip() for answer in answers if answer.text.strip())
    clusters: list[Cluster] = []
    for group in groups:
        templates = _templates(
            [[members[i] for i in family.members] for family in group], tools, schema, smallest, every
        )
        if templates:
            clusters.append(Cluster(tools, schema, templates))
    return clusters


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
            together = alone + [d for part in parts[1:] for d in drafts(part, least)]
    found = [finish(draft, tools, schema, every) for draft in together if _telling(draft.literal_chars, tools, schema)]
    return list({template.id: template for template in found}.values())


def _telling(literal_chars: int, tools: str, schema: str) -> bool:
    return literal_chars >= 8 or bool(tools) or bool(schema)


def _grouped(found: list[Family], prompts: Shingled, members: list[Head]) -> list[list[Family]]:
    """Families that are one task, judged by the words they share and by their answers."""
    total = sum(len(family.members) for family in found)
    spread: Counter[int] = Counter()
    for family in found:
        for run in family.constant.tolist():
            spread[run] += len(family.members)
    groups: list[list[Family]] = []
    for family in sorted(found, key=lambda f: (-len(f.members), int(f.members[0]))):
        home = next((g for g in groups if _one_task(g[0], family, spread, total, prompts, members)), None)
        if home is None:
            groups.append([family])
        else:
            home.append(family)
    return groups


def _one_task(a: Family, b: Family, spread: Counter[int], total: int, prompts: Shingled, members: list[Head]) -> bool:
    left, right = set(a.constant.tolist()), set(b.constant.tolist())

    def weight(runs: set[int]) -> float:
        return sum(math.log(1 + total / spread[run]) - 0.65 for run in runs)

    shared = weight(left & right)
    smaller = min(weight(left), weight(right))
    if smaller <= 0 or shared < _SHARED * smaller:
        return False
    ours = Answers([prompts.answers[i] for i in a.members])
    theirs = Answers([prompts.answers[i] for i in b.members])
    if not alike(ours, theirs):
        return False
    own = min(weight(left - right), weight(right - left))
    if own < _OWN_WORDING or _closed_alike(ours, theirs):
        return True
    return _succeeds([members[i].started_at_us for i in a.members], [members[i].started_at_us for i in b.members])


def _closed_alike(a: Answers, b: Answers) -> bool:
    """Whether both give answers of the same closed shape, such as two different tasks hardly would."""
    return (a.closed and b.closed) or (a.share("json") > 0.5 and b.share("json") > 0.5)


def _succeeds(a: list[int], b: list[int]) -> bool:
    """Whether one set of times is over, nearly, when the other begins."""
    first, second = sorted((sorted(a), sorted(b)), key=lambda times: times[len(times) // 2])
    return first[int(0.95 * (len(first) - 1))] <= second[int(0.05 * (len(second) - 1))]


def merged(known: list[Cluster], found: list[Cluster]) -> list[Cluster]:
    """Join new clusters with known ones where they are one task (a later version, a rarer layout)."""
    clusters = list(known)
    for new in found:
        ours = new.runs
        home = None
        for cluster in clusters:
            if (cluster.tools, cluster.schema) != (new.tools, new.schema):
                continue
            theirs = cluster.runs
            if ours and theirs and len(ours & theirs) >= 0.6 * min(len(ours), len(theirs)):
                home = cluster
                break
        if home is None:
            clusters.append(new)
        else:
            have = {template.id for template in home.templates}
            home.templates += [template for template in new.templates if template.id not in have]
    return clusters
