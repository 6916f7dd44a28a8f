"""The ledger as everybody but the gateway uses it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from freehold.errors import LedgerUnavailable, NotFound, UsageError
from freehold.settings import LedgerSettings
from freehold.vocabulary import Call, Feedback

from . import feedback
from ._append import Appended, Appender
from ._erase import WAIT_S, Erased, Eraser, Whose
from ._exclusive import alone
from ._expire import NEVER_US, Expired, Expirer, Rules
from ._layout import ORPHAN_AFTER_S, REMOVE_AFTER_S, Layout
from ._manifest import Listing, Manifest
from ._marks import SUFFIX, peek
from ._recovery import recover, recover_quietly
from ._rollup_files import RollupFiles
from ._rollup_read import RollupQuery, Rollups, TaskNames
from ._rows import GOLD, ID, to_call
from ._snapshot import Filter, Snapshot, read_calls, read_gold, retried
from ._sqlite import Vanished
from ._state import state
from ._views import Sources, prepare_views
from .doctor import Finding, examine
from .recognised import Recognised
from .sealing import Sealed, seal

if TYPE_CHECKING:
    import duckdb


class QueryResult(msgspec.Struct, frozen=True):
    """Rows of a query with the names of their columns; `truncated`: there were more rows than were asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


class Losses(msgspec.Struct, frozen=True):
    """Answered calls that are not in the ledger.

    `dropped` is exact for writers that ended, what living ones have given up so far, and what was written off;
    `unknown_writers` counts writers that ended without anybody knowing how many calls they had answered.
    """

    dropped: int
    unknown_writers: int


class Ledger:
    """Reads, imports and seals the calls of one home. Opening it touches nothing.

    `settings` say where segments go and how to reach those that lie elsewhere; left out, they are read from the home
    and the environment when they are needed.

    Every read sees one consistent snapshot of sealed and hot files, whoever else reads, writes or seals meanwhile, and
    every file's rows are checked against the manifest. What a read does not promise: calls that a gateway still holds
    in memory (some milliseconds' worth) are not in it.

    All methods raise `LedgerUnavailable` where the ledger cannot be read or written whole. Not for sharing between
    threads while an iteration runs.
    """

    def __init__(self, home: Path, settings: LedgerSettings | None = None) -> None:
        self.home = home
        self._layout = Layout.of(home, settings)
        self._manifest = Manifest(self._layout)
        self._lock = threading.Lock()
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._rolling = threading.Lock()
        self._rollup_files = RollupFiles(self._layout, self._engine, self.recognised.carry)
        self._rollups = Rollups(self._rollup_files)

    def append(self, calls: Iterable[Call]) -> Appended:
        """Add calls; those whose id the ledger already holds are counted and left as they are.

        A kill midway loses at most what was not added yet: append the same calls again. Constant memory. Where a
        million calls wait to be sealed, they are sealed first: searching their files for duplicates would take longer.
        """
        try:
            self._manifest.create()
            appender = Appender(self._layout, self._manifest, self._engine)
            if appender.crowded():
                with suppress(LedgerUnavailable):  # whoever seals next says what is wrong
                    self.seal()
            return appender.append(calls)
        except self._failures() as error:
            raise self._layout.unwritable(error) from error

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the ledger holds a call of."""
        return retried(lambda: Appender(self._layout, self._manifest, self._engine).known(ids))

    def calls(
        self,
        *,
        task: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        sources: Iterable[str] | None = None,
        bodies: bool = True,
        templates: Iterable[str] | None = None,
    ) -> Iterator[Call]:
        """Calls by time, then id, in constant memory.

        `task` selects by the task recorded with the call (most calls have none: recognising it is `tasks`' work),
        `since_us` is inclusive, `until_us` is not. Without `bodies`, request and response are empty and reading is
        several times faster. `templates` leaves out sealed calls that were recognised (`recognised`) by a template
        which is none of these; those that were recognised by none, or that nobody has looked at, are given.
        """
        known = None if templates is None else tuple(templates)
        wanted = Filter(task, since_us, until_us, tuple(sources or ()), bodies, templates=known)
        return read_calls(self._layout, self._manifest, self._engine, wanted)

    def get(self, call_id: str) -> Call:
        """One call.

        Raises:
            NotFound: the ledger holds no such call.
        """
        call = retried(lambda: self._find(call_id))
        if call is None:
            raise NotFound("the ledger holds no call of that id", hint="freehold calls lists what there is")
        return call

    def starting_with(self, prefix: str, *, limit: int = 5) -> list[str]:
        """Ids of calls that begin with `prefix`, ascending; at most `limit`."""

        def read() -> list[str]:
            with self._snapshot() as snapshot:
                found: set[str] = set()
                for hot in snapshot.hot_connections():
                    sql = "SELECT id FROM calls WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?"
                    found.update(row[0] for row in hot.execute(sql, (len(prefix), prefix, limit)))
                paths = snapshot.segment_paths()
                if paths:
                    with closing(self._engine().cursor()) as cursor:
                        sql = "SELECT id FROM read_parquet(?) WHERE starts_with(id, ?) ORDER BY id LIMIT ?"
                        found.update(row[0] for row in cursor.execute(sql, [paths, prefix, limit]).fetchall())
            return sorted(found)[:limit]

        return retried(read)

    def count(self) -> int:
        """How many calls there are; checks the rows of every file against the manifest."""

        def read() -> int:
            with self._snapshot() as snapshot:
                return snapshot.count()

        return retried(read)

    def query(
        self,
        sql: str,
        parameters: Iterable[Any] = (),
        *,
        max_rows: int | None = None,
        timeout_s: float | None = None,
        memory_mb: int = 1500,
    ) -> QueryResult:
        """Run a read-only SQL query (DuckDB's dialect) over some views, without bodies; it sees nothing else.

        `calls` has one row per call: the columns of `ledger._rows.COLUMNS`, among them `id`, `started_at_us`,
        `latency_ms`, `ttft_ms`, `provider`, `model`, `outcome`, `status`, `owner`, `task`, `template`, `source`,
        `error`, `key`, `reason`, the token counts (NULL: unknown), `tags` and `legs` (JSON); besides `started_at`
        (timestamp, UTC), `gold`, and what tags say: `end_user`, `team`, `feature`, `session`, `trace`, `span`,
        `parent`, `prompt` and `stated_cost_usd`. `attempts` has one row per request to a model, `feedback` one per
        thing that was said (`id`, `kind`, `name`, `score`, `text`, `given_by`, `via`, `said_at`). `recognised_calls`
        says what sealed calls were recognised as (`id`, `task`, `template`, `how`). `rollup_calls`, `rollup_attempts`,
        `rollup_latency` and `rollup_users` are the tables of `rollup`, unsummed.

        At most `max_rows` rows come back (`truncated` says that there were more). The engine takes `memory_mb` and
        spills what does not fit to disk. Ctrl-C ends a query too.

        Raises:
            UsageError: the query is wrong, or took longer than `timeout_s`.
        """
        import duckdb

        values = list(parameters)
        config = self._config() | {"memory_limit": f"{memory_mb}MB"}
        sources = Sources(lambda: read_gold(self._layout, None), self._said, self._rollup_files)

        def read() -> QueryResult:
            with self._snapshot() as snapshot, closing(duckdb.connect(":memory:", config=config)) as engine:
                engine.execute("SET enable_progress_bar = false")  # it would go to stdout, among the data
                prepare_views(engine, snapshot, sources, sql)
                watch = threading.Timer(timeout_s or 0, engine.interrupt)
                watch.daemon = True
                if timeout_s is not None:
                    watch.start()
                try:
                    found = engine.execute(sql, values)
                    rows = found.fetchall() if max_rows is None else found.fetchmany(max_rows + 1)
                except duckdb.InterruptException:
                    raise UsageError(
                        f"the query took longer than {timeout_s:g} s", hint="ask the rollups, or for less time"
                    ) from None
                except (duckdb.ProgrammingError, duckdb.DataError, duckdb.PermissionException) as error:
                    why = str(error).splitlines()[0]
                    raise UsageError(
                        f"the query is refused: {why}", hint="freehold sql, alone, lists what there is to ask"
                    ) from error
                finally:
                    watch.cancel()
                columns = tuple(c[0] for c in found.description or ())
                truncated = max_rows is not None and len(rows) > max_rows
                return QueryResult(columns, tuple(rows[:max_rows]), truncated)

        return retried(read)

    def rollup(
        self,
        table: str,
        by: Sequence[str] = (),
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        where: Mapping[str, Sequence[Any]] | None = None,
        quantiles: Sequence[float] = (0.5, 0.9, 0.99),
        names: TaskNames | None = None,
    ) -> QueryResult:
        """Sums over all calls up to now, from tables kept beside the segments, without reading a call.

        `table` is one of these; `by` says what to group by: columns of it, and `half_hour`, `hour`, `day` or `month`
        (UTC) as far as it counts so finely. `where` keeps rows whose column has one of some values. `since_us` is
        inclusive, `until_us` is not; both lie on a step of the table.

            calls      by half hour: task, template, recognised, key, team, feature, provider, model, owner, outcome,
                       error, status, reason, dialect, streamed, source; sums calls, unknown_usage and estimated_usage
                       (calls), latency_ms and the token counts
            attempts   by half hour: requests to models, by task, template, recognised, key, team, feature, provider,
                       asked_model, model, purpose, owner, service_tier, prompt_over (tokens; see `PROMPT_BANDS`),
                       estimated, outcome and error; sums attempts, unknown_usage and the token counts. What money is
                       reckoned from
            users      by day: the same by end_user, provider, asked_model, model, purpose, owner, service_tier,
                       prompt_over, estimated and outcome
            latency    by hour: task, template, recognised, provider, model, owner, ok, streamed and phase (total,
                       first_token, generation); gives n and a column for each quantile, p50_ms and so on, or with
                       `bucket` (`bucket_ms`) the counts that these are read from

        `task` and `template` are what was recorded with the call; where nothing was, what a sealed call was recognised
        as (`recognised`): the id that its task had then. The column `recognised` says how, "" for what was recorded.
        With `names` the tasks are those of today, by name (`services.summing` asks so).

        Counts and sums are exact. A quantile lies within 2.5 % of the value of that rank (DDSketch). Within one segment
        the rarer values of a column with more than 500 (end users: 1000) are counted as `(other)`, from 50 (100) or 5
        (10) on where the table would otherwise have more than 200,000 rows: what is shown of a rare value is then a
        lower bound, and the total stays exact. The first question after calls were sealed, or
        recognised as something else, may take longer, because their tables are made for it.

        Raises:
            UsageError: the table cannot tell that.
        """
        asked = RollupQuery(table, tuple(by), since_us, until_us, dict(where or {}), tuple(quantiles), names)
        asked.check()

        def read() -> QueryResult:
            with self._rolling, self._snapshot() as snapshot, closing(self._engine().cursor()) as cursor:
                columns, rows = self._rollups.answer(cursor, snapshot, asked)
                return QueryResult(tuple(columns), tuple(rows))

        return retried(read)

    def sum_up(self, most: int = 200) -> int:
        """Make the rollups that segments lack, the newest first, so that no question has to; returns how many.

        Lacking are those that are older than what the calls were recognised as, too; the old ones go an hour later. At
        most `most` at a time. May be killed anywhere and run by several processes at once.
        """

        def make() -> int:
            with self._snapshot() as snapshot:
                lacking = self._rollup_files.missing(reversed(snapshot.listing.segments))[:most]
                for segment in lacking:
                    self._rollup_files.make(snapshot, segment)
            if lacking:
                self._rollup_files.sweep(self._manifest.known_files())
            return len(lacking)

        return retried(make)

    def state(self) -> str:
        """A short text that changes whenever readers of calls would see something else (`ledger._state`)."""

        def read() -> str:
            with self._snapshot() as snapshot:
                return state(self._layout, snapshot)

        return retried(read)

    @property
    def recognised(self) -> Recognised:
        """What sealed calls were recognised as, so that a later read need not recognise them again."""
        return Recognised(self._layout, self._manifest, self._engine)

    def attach_gold(self, call_id: str, gold: str) -> None:
        """Record the right answer of a call, as a person gave it; the latest one holds in every later read.

        `freehold.ledger.feedback.attach` keeps everything else that can be said of a call, and who said it.

        Raises:
            NotFound: the ledger holds no such call.
        """
        feedback.attach_golds(self.home, {call_id: gold})

    def attach_golds(self, golds: Mapping[str, str]) -> None:
        """`attach_gold` of many calls, by call id, all of them or none: one write to the disk instead of one for each.

        Raises:
            NotFound: the ledger holds no call of one of the ids.
        """
        feedback.attach_golds(self.home, golds)

    def feedback(self, call_ids: Sequence[str]) -> dict[str, list[Feedback]]:
        """What people said of calls, oldest first, by call id; calls of which nothing was said are left out."""
        return retried(lambda: feedback.read_feedback(self._layout, call_ids))

    def recover(self) -> int:
        """Account for writers that were killed; returns the answered calls they lost. `seal` and `doctor` do it too."""
        try:
            return recover(self._layout, self._manifest)
        except self._failures() as error:
            raise self._layout.unwritable(error) from error

    def seal(self, *, remove_after_s: float = REMOVE_AFTER_S, orphans_after_s: float = ORPHAN_AFTER_S) -> Sealed:
        """Turn closed hot files into Parquet segments and sweep what is no longer used.

        May be killed anywhere and run by several processes at once. Files of living writers are left alone.
        `remove_after_s` must be longer than the longest read.
        """
        return seal(self.home, self._layout.settings, remove_after_s=remove_after_s, orphans_after_s=orphans_after_s)

    def to_erase(self, whose: Whose) -> list[str]:
        """Ids of the calls whose content `erase` would erase; changes nothing."""
        return retried(lambda: Eraser(self._layout, self._manifest, self._engine).find(whose))

    def erase(
        self, whose: Whose, *, noted: Callable[[Call], Call] = lambda call: call, wait_s: float = WAIT_S
    ) -> Erased:
        """Erase the content of calls for good, and every tag that may say whose they were; numbers stay.

        `noted` writes down with a call what its content shows and nothing will later, such as its task.

        Covers what was recorded when it began. May be killed anywhere: asked for again, it goes on. Readers that are in
        the middle of a read start again. It knows nothing of backups, old versions that a bucket keeps, and what the
        disk itself remembers.
        """
        try:
            self._manifest.create()
            with alone(self._layout):
                eraser = Eraser(self._layout, self._manifest, self._engine)
                begun = eraser.begin(whose)
                held = eraser.rotate(wait_s)
                eraser.words(eraser.find(whose))
                eraser.seal(whose, begun.id, noted)
                eraser.sweep()
                self._rollup_files.sweep(self._manifest.known_files(), at_once=True)
                return eraser.end(whose, begun, held)
        except self._failures() as error:
            raise self._layout.unwritable(error) from error

    def expire(self, rules: Rules, now_us: int, *, dry_run: bool = False) -> Expired:
        """Let content and calls go whose time is over, from sealed segments; hot ones are sealed soon enough.

        May be killed anywhere. A call goes within a day of being due, and its file an hour later. With `dry_run` only
        says what would go.
        """
        segments = contents = calls = 0
        following: list[int] = []
        try:
            if not self._layout.manifest.exists():
                return Expired()
            with alone(self._layout) if not dry_run else nullcontext():
                expirer = Expirer(self._layout, self._manifest, self._engine, rules, now_us)
                for segment, due in expirer.look(note=not dry_run):
                    if due.at_us > now_us:
                        following.append(due.at_us)
                        continue
                    segments, contents, calls = segments + 1, contents + due.contents, calls + due.calls
                    if not dry_run:
                        expirer.write(segment)
        except self._failures() as error:
            raise self._layout.unwritable(error) from error
        coming = min(following, default=NEVER_US)
        return Expired(segments, contents, calls, coming if coming < NEVER_US else None)

    def rekey(self) -> int:
        """Put every file's data key under the master key that is set now; returns how many were under another.

        Files themselves are not touched. Needs the old master key beside the new one in the settings.

        Raises:
            LedgerUnavailable: a file's key is under a master key that is not there; nothing was changed.
        """
        from ._vault import vault_of

        try:
            if not self._layout.manifest.exists():
                return 0
            return self._manifest.rekey(vault_of(self._layout).rewrapped)
        except self._failures() as error:
            raise self._layout.unwritable(error) from error

    def write_off(self, name: str) -> int | None:
        """Give up a hot file or segment that is missing or damaged, so that the rest can be read again.

        The file itself is left where it is, unread. Returns how many calls went with it, None where nobody knows.

        Raises:
            NotFound: the ledger lists no such file.
        """
        try:
            return self._manifest.write_off(name)
        except KeyError:
            raise NotFound(f"the ledger lists no file {name}", hint="freehold doctor names them") from None
        except self._failures() as error:
            raise self._layout.unwritable(error) from error

    def losses(self) -> Losses:
        """Answered calls that are known not to be in the ledger. Dead writers are accounted for first."""
        recover_quietly(self._layout, self._manifest)

        def read() -> Losses:
            listing = self._manifest.listing()
            ended = {writer.writer for writer in listing.writers if writer.ended_us is not None}
            dropped = sum(writer.dropped or 0 for writer in listing.writers)
            dropped += sum(file.rows or 0 for file in listing.written_off)
            for path in self._layout.marks.glob(f"*{SUFFIX}"):
                counts = peek(path)
                if counts is not None and path.name.removesuffix(SUFFIX) not in ended:
                    dropped += counts.dropped
            return Losses(dropped, sum(writer.answered == -1 for writer in listing.writers))

        return retried(read)

    def doctor(self) -> list[Finding]:
        """What is wrong with this ledger, each with what mends it. Empty: nothing. Never raises for a broken ledger."""
        recover_quietly(self._layout, self._manifest)
        return examine(self._layout, self._manifest, self._engine())

    def _said(self) -> list[Feedback]:
        return [one for said in feedback.read_feedback(self._layout, None).values() for one in said]

    def _find(self, call_id: str) -> Call | None:
        with self._snapshot() as snapshot:
            row = snapshot.find(call_id)
            if row is None:
                return None
            return to_call(row, read_gold(self._layout, [call_id]).get(row[ID], row[GOLD]))

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._layout, self._listing(), self._engine)

    def _listing(self) -> Listing:
        return self._manifest.listing()

    def _engine(self) -> duckdb.DuckDBPyConnection:
        """The in-memory query engine of this object; nothing of the ledger ever lives in it."""
        import duckdb

        with self._lock:
            if self._duckdb is None:
                self._duckdb = duckdb.connect(":memory:", config=self._config())
            return self._duckdb

    def _config(self) -> dict[str, Any]:
        # What does not fit into memory spills here and not, as it would by default, into the working folder.
        return {"threads": 2, "temp_directory": str(self._layout.root / "spill")}

    @staticmethod
    def _failures() -> tuple[type[Exception], ...]:
        import duckdb

        return (sqlite3.Error, OSError, Vanished, duckdb.Error)
