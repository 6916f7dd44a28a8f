"""What each answer means for the target and for the call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.gateway.resilience.judgement import REFUSED, judge

NO_CREDIT = b'{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}'
LOW = b'{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access"}}'
FILTERED = b'{"error":{"message":"filtered","type":"invalid_request_error","code":"content_filter"}}'
NO_MODEL = b'{"error":{"message":"The model does not exist","code":"model_not_found"}}'


def judged(status, body=b"{}", own_key=True, **headers):
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return judge(status, pairs, body, 0.0, own_key=own_key)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 431, 451])
def test_a_request_that_is_at_fault_is_never_sent_again(status):
    found = judged(status, own_key=False)
    assert found == REFUSED
    assert not judged(status).again


def test_a_filters_no_is_a_no():
    assert judged(400, FILTERED) == REFUSED
    assert judged(403, FILTERED) == REFUSED


@pytest.mark.parametrize("status", [408, 500, 502, 504, 520])
def test_what_passes_may_be_tried_again_and_elsewhere(status):
    assert judged(status, retry_after="3") == ("failed", True, True, 3.0)


@pytest.mark.parametrize("status", [503, 529])
def test_overload_is_told_from_failure(status):
    assert judged(status) == ("overloaded", True, True, None)
    assert judged(status, retry_after="2").told_s == 2.0


@pytest.mark.parametrize("status", [501, 505, 599])
def test_a_server_that_cannot_is_left_for_another(status):
    assert judged(status) == ("failed", False, True, None)


def test_a_limit_is_waited_for_only_where_it_says_how_long():
    assert judged(429, retry_after="4") == ("limited", True, True, 4.0)
    assert judged(429, retry_after="-4") == ("limited", False, True, None)


@pytest.mark.parametrize(("status", "body"), [(402, b""), (429, NO_CREDIT), (403, NO_CREDIT), (400, LOW)])
def test_no_credit_is_for_a_person_to_mend(status, body):
    assert judged(status, body) == ("spent", False, True, None)
    assert judged(status, body, own_key=False) == REFUSED


def test_a_key_of_ours_that_is_refused_sends_the_call_elsewhere():
    assert judged(401) == ("spent", False, True, None)


def test_a_limit_on_the_clients_own_key_is_no_news_of_the_target():
    assert judged(429, own_key=False, retry_after="4") == ("refused", True, True, 4.0)


@pytest.mark.parametrize(("status", "body"), [(404, NO_MODEL), (410, b"")])
def test_a_model_that_is_gone_is_looked_for_elsewhere(status, body):
    assert judged(status, body) == ("refused", False, True, None)


@given(st.integers(300, 999), st.binary(max_size=200), st.booleans())
def test_client_errors_never_count_against_a_target(status, body, own_key):
    found = judge(status, [], body, 0.0, own_key=own_key)
    if 400 <= status < 500 and status not in {401, 402, 408, 425, 429} and b"insufficient" not in body:
        assert found.verdict in {"refused", "spent"}
        assert not found.again
