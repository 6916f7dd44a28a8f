"""Which clients there are, what each of them is asked to show, and in which words the page says it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PROGRAMS = FOLDER / "programs"
REQUIREMENTS = FOLDER / "requirements"


@dataclass(frozen=True)
class Client:
    """A client with an environment of its own, pinned by `requirements/NAME`.

    `packages` are those the page names; `needs` is what its environment holds, where that is more or narrower.
    `shortcomings` are checks that fail by the client's own doing, whatever it is pointed at, with the reason: the page
    says so, and the run does not fail for them.
    """

    name: str
    title: str
    program: str
    packages: tuple[str, ...]
    needs: tuple[str, ...] = ()
    shortcomings: dict[str, str] = field(default_factory=dict)

    @property
    def is_node(self) -> bool:
        """Whether it runs in Node rather than in Python."""
        return self.program.endswith(".mjs")

    @property
    def requirements(self) -> Path:
        """The file that pins everything in its environment."""
        return REQUIREMENTS / self.name / "package-lock.json" if self.is_node else REQUIREMENTS / f"{self.name}.txt"

    def declared(self) -> list[str]:
        """The checks that its program declares, in their order."""
        return re.findall(r'^@?check\("([a-z_.]+)"', (PROGRAMS / self.program).read_text("utf-8"), re.MULTILINE)


CLIENTS = {
    one.name: one
    for one in (
        Client("openai-python-3", "`openai` 3, Python", "openai_python.py", ("openai",), ("openai>=3,<4",)),
        Client("openai-python-2", "`openai` 2, Python", "openai_python.py", ("openai",), ("openai>=2,<3",)),
        Client("openai-js-7", "`openai` 7, JavaScript", "openai_js.mjs", ("openai",), ("openai@7",)),
        Client("openai-js-6", "`openai` 6, JavaScript", "openai_js.mjs", ("openai",), ("openai@6",)),
        Client("anthropic-python", "`anthropic`, Python", "anthropic_python.py", ("anthropic",)),
        Client("anthropic-js", "`@anthropic-ai/sdk`, JavaScript", "anthropic_js.mjs", ("@anthropic-ai/sdk",)),
        Client("langchain", "LangChain", "langchain_python.py", ("langchain-openai", "langchain-anthropic")),
        Client(
            "llamaindex",
            "LlamaIndex",
            "llamaindex_python.py",
            ("llama-index-llms-openai-like", "llama-index-embeddings-openai"),
            shortcomings={
                "openai.budget": "told as what it is, but after attempts of LlamaIndex's own, which do not look at "
                "`x-should-retry: false`"
            },
        ),
        Client("instructor", "instructor", "instructor_python.py", ("instructor",), ("instructor", "anthropic")),
        Client(
            "pydantic-ai",
            "Pydantic AI",
            "pydantic_ai_python.py",
            ("pydantic-ai-slim",),
            ("pydantic-ai-slim[openai,anthropic]",),
        ),
        Client("litellm", "LiteLLM's SDK", "litellm_python.py", ("litellm",)),
    )
}

APIS = {"openai": "OpenAI's API", "anthropic": "Anthropic's API"}

ROWS = {
    "openai.chat": "chat completions",
    "openai.chat_stream": "chat completions, streamed",
    "openai.chat_async": "chat completions by the asynchronous client",
    "openai.chat_tools": "chat completions: two tool calls at once, and their results",
    "openai.chat_tools_stream": "chat completions: two tool calls, streamed",
    "openai.chat_structured": "structured output",
    "openai.chat_logprobs": "log probabilities",
    "openai.chat_images": "images",
    "openai.chat_audio": "audio",
    "openai.chat_choices": "several choices",
    "openai.chat_unknown": "fields that nobody knows, there and back",
    "openai.responses": "responses",
    "openai.responses_stream": "responses, streamed",
    "openai.responses_tools": "responses: two tool calls at once, and their results",
    "openai.responses_reasoning": "responses: reasoning, there and back, streamed too",
    "openai.completions": "completions",
    "openai.completions_stream": "completions, streamed",
    "openai.embeddings": "embeddings",
    "openai.models": "the list of models",
    "openai.files": "files and batches",
    "openai.errors": "401, 404, 429, 5xx as typed errors",
    "openai.retry_after": "`Retry-After` is waited out",
    "openai.cut_stream": "a stream that is cut raises",
    "openai.key": "virtual key; an unknown one is a typed 401",
    "openai.budget": "an exhausted budget is told at once",
    "openai.owned": "an owned answer",
    "openai.owned_stream": "an owned answer, streamed",
    "openai.translated": "served by an Anthropic model",
    "openai.translated_stream": "served by an Anthropic model, streamed and cut",
    "openai.translated_tools": "served by an Anthropic model: tools, whole and streamed",
    "anthropic.messages": "messages",
    "anthropic.messages_stream": "messages, streamed",
    "anthropic.messages_async": "messages by the asynchronous client",
    "anthropic.messages_tools": "two tool calls at once, and their results",
    "anthropic.messages_tools_stream": "two tool calls, streamed",
    "anthropic.messages_structured": "structured output",
    "anthropic.messages_images": "images",
    "anthropic.messages_thinking": "thinking, there and back, streamed too",
    "anthropic.messages_beta": "beta features, by URL and header",
    "anthropic.messages_unknown": "fields that nobody knows, there and back",
    "anthropic.count_tokens": "token counts",
    "anthropic.models": "the list of models",
    "anthropic.batches": "batches",
    "anthropic.errors": "401, 404, 429, 5xx as typed errors",
    "anthropic.retry_after": "`Retry-After` is waited out",
    "anthropic.cut_stream": "a stream that is cut raises",
    "anthropic.key": "virtual key; an unknown one is a typed 401",
    "anthropic.budget": "an exhausted budget is told at once",
    "anthropic.owned": "an owned answer",
    "anthropic.owned_stream": "an owned answer, streamed",
    "anthropic.translated": "served by an OpenAI model",
    "anthropic.translated_stream": "served by an OpenAI model, streamed and cut",
    "anthropic.translated_tools": "served by an OpenAI model: tools, whole and streamed",
}
"""What each check shows. A check's name begins with the API that its client speaks."""
