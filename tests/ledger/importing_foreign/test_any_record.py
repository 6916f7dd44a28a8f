"""Whatever a record holds: a reader gives a call that can be kept, says that it is none, or rejects it."""

import json
import string
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.importing_foreign import test_helicone, test_langfuse, test_litellm, test_otel

from freehold.ledger._rows import to_row
from freehold.ledger.importing.foreign import helicone, langfuse, litellm, otel
from freehold.ledger.importing.foreign._fields import money, traceparent
from freehold.ledger.importing.foreign._usage import disjoint, usage_of
from freehold.ledger.importing.protocol import Rejected
from freehold.vocabulary import Call, Usage

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["{}", "[]", '"', "{", "1", "assistant", "text", "\x00", "\ud800", "2025-01-01", "NaN"]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "parts",
                    "messages",
                    "choices",
                    "message",
                    "error",
                    "usage",
                    "prompt_tokens",
                    "input",
                    "output",
                    "data",
                    "id",
                    "system",
                    "key",
                    "value",
                    "stringValue",
                    "arrayValue",
                    "kvlistValue",
                    "values",
                    "intValue",
                    "body",
                    "url",
                    "observations",
                ]
            ),
            inside,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def _attributes(**changed: Any) -> dict[str, Any]:
    return {**test_otel.span({}), "attributes": {**test_otel.TODAY, **changed}}


READERS: dict[str, tuple[Callable[..., dict[str, Any]], Callable[[dict[str, Any]], Call | None]]] = {
    "litellm": (test_litellm.row, litellm.read),
    "helicone": (test_helicone.request, helicone.read),
    "langfuse": (test_langfuse.v2, langfuse.read),
    "otel": (lambda **f: {**test_otel.span(test_otel.TODAY), **f}, otel.read),
    "attributes": (_attributes, otel.read),
}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@unhurried
def test_no_record_breaks_a_reader(name: str, data: st.DataObject) -> None:
    whole, read = READERS[name]
    known = [*whole(), *(test_otel.TODAY if name == "attributes" else ())]
    changed = data.draw(st.dictionaries(st.sampled_from(known), ANYTHING, min_size=1, max_size=4))
    reason, call = "", None
    try:
        call = read(whole(**changed))
    except Rejected as error:
        reason = str(error)
    assert set(reason) <= {*string.ascii_letters, *string.digits, *" ._"}
    if call is None:
        return
    row = to_row(1, call)
    assert all(value is None or isinstance(value, (str, int, float)) for value in row)
    for body in (call.request, call.response):
        assert not body or isinstance(json.loads(body), dict)
    for text in (call.id, call.model, call.provider, call.key, *call.tags, *call.tags.values()):
        assert "\x00" not in text
    assert call.id
    assert call.started_at_us >= 0
    assert call.latency_ms >= 0


COUNT = st.integers(0, 10**6)


@given(st.builds(Usage, *[COUNT] * 5), st.booleans())
def test_disjoint_counts_come_to_what_was_stated(stated: Usage, inclusive: bool) -> None:
    found = disjoint(stated, inclusive=inclusive)
    cached = stated.cache_read_tokens + stated.cache_write_tokens
    whole = stated.input_tokens if inclusive and stated.input_tokens >= cached else stated.input_tokens + cached
    assert found.prompt_tokens == whole
    assert (found.output_tokens, found.cache_read_tokens) == (stated.output_tokens, stated.cache_read_tokens)
    assert found.reasoning_tokens <= found.output_tokens


@given(COUNT, COUNT, COUNT, COUNT)
def test_both_ways_of_counting_mean_the_same(uncached: int, read: int, written: int, output: int) -> None:
    openai = {
        "prompt_tokens": uncached + read + written,
        "completion_tokens": output,
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
    }
    anthropic = {
        "input_tokens": uncached,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
    }
    responses = {
        "input_tokens": uncached + read,
        "output_tokens": output,
        "input_tokens_details": {"cached_tokens": read},
    }
    expected = Usage(uncached, read, written, output)
    assert usage_of(openai) == usage_of(anthropic) == expected
    assert usage_of(responses) == msgspec.structs.replace(expected, cache_write_tokens=0)


@given(st.decimals(0, 10**6, allow_nan=False, places=12))
def test_money_is_exact(amount: Any) -> None:
    assert type(amount)(money({"cost": str(amount)}, "cost")) == amount


@given(st.text(), st.text())
def test_any_names_make_a_trace_context(trace: str, parent: str) -> None:
    found = traceparent(trace, parent)
    assert found == "" if not trace else [len(part) for part in found.split("-")] == [2, 32, 16, 2]
    assert found == traceparent(trace, parent)
