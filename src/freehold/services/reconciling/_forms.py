"""What providers' invoices and usage exports look like: their columns, and what each of them means.

Sources: the headers of OpenAI's and Anthropic's console exports (2025-10 and 2026-08), FOCUS 1.2 (FinOps Foundation)
and the cost and usage reports of AWS. A file is told by its columns alone, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

DAY, MODEL, AMOUNT, CURRENCY, CATEGORY, CALLS, TIER, BATCH = (
    "day", "model", "amount", "currency", "category", "calls", "service_tier", "batch",
)  # fmt: skip
"""Roles of columns; others are the counts of `Usage`, and `prompt_tokens` for a prompt with its cached part."""


class Form(msgspec.Struct, frozen=True):
    """One kind of file.

    `needs`: columns that tell it. `roles`: for each role the columns that may play it, best first. `provider`: whose
    it is, as the catalogue of prices calls it, "" for anybody's.
    """

    name: str
    provider: str
    needs: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]

    def fits(self, columns: frozenset[str]) -> bool:
        """Whether a file with these columns is of this form."""
        return columns.issuperset(self.needs)


FORMS = (
    Form(
        "OpenAI usage export",
        "openai",
        ("num_model_requests", "input_tokens", "output_tokens", "model"),
        {
            DAY: ("start_time_iso", "start_time"),
            MODEL: ("model",),
            CALLS: ("num_model_requests",),
            TIER: ("service_tier",),
            BATCH: ("batch",),
            "prompt_tokens": ("input_tokens",),
            "cache_read_tokens": ("input_cached_tokens",),
            "cache_write_tokens": ("input_cache_write_tokens",),
            "output_tokens": ("output_tokens",),
            "input_audio_tokens": ("input_audio_tokens",),
            "cache_read_audio_tokens": ("input_cached_audio_tokens",),
            "output_audio_tokens": ("output_audio_tokens",),
            "input_image_tokens": ("input_image_tokens",),
            "cache_read_image_tokens": ("input_cached_image_tokens",),
            "output_image_tokens": ("output_image_tokens",),
        },
    ),
    Form(
        "OpenAI costs export",
        "openai",
        ("amount_value",),
        {
            DAY: ("start_time_iso", "start_time"),
            MODEL: ("line_item",),
            AMOUNT: ("amount_value",),
            CURRENCY: ("amount_currency",),
            CATEGORY: ("line_item",),
        },
    ),
    Form(
        "Anthropic usage export",
        "anthropic",
        ("usage_date_utc", "usage_output_tokens"),
        {
            DAY: ("usage_date_utc",),
            MODEL: ("model_version", "model"),
            TIER: ("usage_type",),
            "input_tokens": ("usage_input_tokens_no_cache",),
            "cache_write_tokens": ("usage_input_tokens_cache_write_5m",),
            "cache_write_1h_tokens": ("usage_input_tokens_cache_write_1h",),
            "cache_read_tokens": ("usage_input_tokens_cache_read",),
            "output_tokens": ("usage_output_tokens",),
            "web_searches": ("web_search_count",),
        },
    ),
    Form(
        "Anthropic cost export",
        "anthropic",
        ("usage_date_utc", "cost_usd"),
        {
            DAY: ("usage_date_utc",),
            MODEL: ("model", "model_version"),
            AMOUNT: ("cost_usd",),
            CATEGORY: ("cost_type",),
        },
    ),
    Form(
        "FOCUS billing data",
        "",
        ("chargeperiodstart", "billedcost"),
        {
            DAY: ("chargeperiodstart",),
            MODEL: ("x_model", "x_modelid", "resourcename", "skumeter", "chargedescription", "skuid", "servicename"),
            AMOUNT: ("billedcost",),
            CURRENCY: ("billingcurrency",),
            CATEGORY: ("chargecategory",),
        },
    ),
    Form(
        "AWS cost and usage report",
        "aws",
        ("line_item_usage_start_date", "line_item_unblended_cost"),
        {
            DAY: ("line_item_usage_start_date",),
            MODEL: ("product_model", "line_item_line_item_description", "line_item_usage_type"),
            AMOUNT: ("line_item_unblended_cost",),
            CURRENCY: ("line_item_currency_code",),
            CATEGORY: ("line_item_line_item_type",),
        },
    ),
    Form(
        "plain table",
        "",
        (),
        {
            DAY: ("date", "day", "start_time", "timestamp", "usage_date"),
            MODEL: ("model", "model_name", "model_id", "description"),
            AMOUNT: ("amount", "cost", "cost_usd", "amount_usd", "usd", "total"),
            CURRENCY: ("currency",),
            CATEGORY: ("category", "type"),
            CALLS: ("calls", "requests", "num_requests"),
            TIER: ("service_tier",),
            "input_tokens": ("uncached_input_tokens",),
            "prompt_tokens": ("input_tokens", "prompt_tokens"),
            "cache_read_tokens": ("cache_read_tokens", "cached_tokens"),
            "cache_write_tokens": ("cache_write_tokens",),
            "cache_write_1h_tokens": ("cache_write_1h_tokens",),
            "output_tokens": ("output_tokens", "completion_tokens"),
        },
    ),
)
"""Every form, in the order they are tried; the last fits every file."""

_TAXES = ("tax", "vat", "gst")
_CREDITS = ("credit", "discount", "refund", "promotion", "saving")


def category(text: str) -> str:
    """What a charge is: `usage`, `tax`, or `credit` (refunds and discounts too), by the words of its line."""
    words = text.lower().replace("_", " ").replace("-", " ").split()
    if any(word.startswith(_TAXES) for word in words):
        return "tax"
    return "credit" if any(word.startswith(_CREDITS) for word in words) else "usage"


def charge(text: str) -> str:
    """The same of a line that names a charge where others name a model: by a word of its own, as in `VAT 19 %`.

    The name of a model has no spaces, and `tax-reader-1` is one.
    """
    words = (word.strip("():.,") for word in text.lower().split())
    named = {part for word in words for part in (word, word.removesuffix("s"), word.removesuffix("es"))}
    if named.intersection(_TAXES):
        return "tax"
    return "credit" if named.intersection(_CREDITS) else "usage"
