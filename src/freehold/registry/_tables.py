"""The tables of `control.db`, as queries see them. Their definition for the database is in `_migrations`."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, Text

metadata = MetaData()


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _number(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=key, nullable=False, autoincrement=False)


meta = Table("meta", metadata, _text("name", key=True), _text("value"))
migrations = Table("migrations", metadata, _number("number", key=True), _text("name"), _text("applied_at"))
tasks = Table("tasks", metadata, _text("id", key=True), _number("position"), _text("data"), _text("updated_at"))
decisions = Table(
    "decisions",
    metadata,
    _number("seq", key=True),
    _text("kind"),
    _text("task_id"),
    _text("data"),
    _text("made_by"),
    _text("made_at"),
)
contracts = Table(
    "contracts",
    metadata,
    _number("seq", key=True),
    _text("task_id"),
    _text("version"),
    _text("data"),
    _text("saved_at"),
)
students = Table(
    "students",
    metadata,
    _number("seq", key=True),
    _text("id"),
    _text("task_id"),
    _text("bundle"),
    _text("manifest"),
    _text("added_at"),
)
certificates = Table(
    "certificates",
    metadata,
    _number("seq", key=True),
    _text("id"),
    _text("task_id"),
    _text("student_id"),
    _text("against"),
    _text("data"),
    _text("void_reason"),
    _text("added_at"),
    _text("voided_at"),
)
stages = Table(
    "stages",
    metadata,
    _number("seq", key=True),
    _text("task_id"),
    _text("stage"),
    _text("student_id"),
    _text("certificate_id"),
    _text("made_by"),
    _text("reason"),
    _text("made_at"),
)
pauses = Table(
    "pauses",
    metadata,
    _number("seq", key=True),
    _text("task_id"),
    _number("paused"),
    _text("made_by"),
    _text("reason"),
    _text("made_at"),
)
verdicts = Table(
    "verdicts", metadata, _number("seq", key=True), _text("task_id"), _text("word"), _text("data"), _text("made_at")
)
rehearsals = Table(
    "rehearsals",
    metadata,
    _number("seq", key=True),
    _text("id"),
    _text("task_id"),
    _text("model"),
    _text("data"),
    _text("made_at"),
)
workflow_certificates = Table(
    "workflow_certificates",
    metadata,
    _number("seq", key=True),
    _text("id"),
    _text("workflow_id"),
    _text("data"),
    _text("added_at"),
)
virtual_keys = Table(
    "virtual_keys",
    metadata,
    _number("seq", key=True),
    _text("id"),
    _text("name"),
    _text("data"),
    _text("made_by"),
)
audit_log = Table(
    "audit_log",
    metadata,
    _number("seq", key=True),
    _text("made_at"),
    _text("who"),
    _text("what"),
    _text("subject"),
    _text("why"),
    _text("detail"),
    _text("previous"),
    _text("hash"),
)
