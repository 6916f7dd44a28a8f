"""Harder synthetic tasks for discovery, each the kind of traffic that breaks grouping by exact prompt."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from freehold.vocabulary import Call

from .mixes import PEOPLE, PLACES, call, label_of, passage, record_of, sentence, system, tool, user


def junk(rng: random.Random, n: int) -> list[Call]:
    """One-off chats that belong to no task."""
    starts = [
        "write",
        "tell me about",
        "explain",
        "compare",
        "plan",
        "draft",
        "summarise",
        "fix",
        "why does",
        "give ideas for",
    ]
    return [
        call("junk", [user(f"{rng.choice(starts)} {sentence(rng)} {rng.random()}")], passage(rng, rng.randint(1, 9)))
        for _ in range(n)
    ]


def sorted_in_german(rng: random.Random, n: int) -> list[Call]:
    """A classification with a German prompt and a varying company."""
    prompt = "Du ordnest Nachrichten von Kunden der Firma {} zu. Antworte nur mit: billing, access, device, other."
    return [
        call("german", [system(prompt.format(rng.choice(["Alt", "Neu & Co", "Berg"]))), user(text)], label_of(text))
        for text in (sentence(rng) for _ in range(n))
    ]


def sorted_in_japanese(rng: random.Random, n: int) -> list[Call]:
    """A classification with a Japanese prompt and Japanese labels."""
    labels = {"billing": "経理", "access": "情報システム", "device": "技術", "other": "総務"}
    prompt = "次の問い合わせを読み、担当部署を一つだけ選んでください。"
    return [
        call("japanese", [system(prompt), user("問い合わせ\uff1a" + text)], labels[label_of(text)])
        for text in (sentence(rng) for _ in range(n))
    ]


def extracted_in_japanese(rng: random.Random, n: int) -> list[Call]:
    """An extraction whose prompt begins like the classification's."""
    prompt = "次の問い合わせを読み、人名と場所をJSONで抜き出してください。"
    return [
        call("japanese_json", [system(prompt), user("問い合わせ\uff1a" + text)], record_of(text))
        for text in (sentence(rng) for _ in range(n))
    ]


def replies_of_two_models(rng: random.Random, n: int) -> list[Call]:
    """One prompt, answered by two models in turn: one task."""
    prompt = "Write a short polite reply to the customer. Sign as the support team."
    return [
        call(
            "replies",
            [system(prompt), user(sentence(rng))],
            "Dear customer, " + passage(rng, 2),
            model=rng.choice(["gpt-a", "claude-b"]),
        )
        for _ in range(n)
    ]


def agent(rng: random.Random, n: int, truth: str, tools: Sequence[str]) -> list[Call]:
    """An agent that always uses its first tool."""
    found: list[Call] = []
    for _ in range(n):
        text = sentence(rng)
        arguments = json.dumps({"q": text[:10]})
        made = [{"id": "x", "type": "function", "function": {"name": tools[0], "arguments": arguments}}]
        answer = {"role": "assistant", "content": None, "tool_calls": made}
        messages = [system("You are the shop's agent. Use the tools."), user(text)]
        found.append(call(truth, messages, answer, tools=[tool(name, q="string") for name in tools]))
    return found


def changed_midway(rng: random.Random, n: int) -> list[Call]:
    """A classification whose prompt is replaced by a longer one after half of the time."""
    early = "Sort the customer's message. Answer with one word: billing, access, device or other."
    late = (
        "Sort the customer's message into a department. Think carefully. "
        "Answer with one lower-case word out of: billing, access, device or other."
    )
    return [
        call("changed", [system(early if i < n / 2 else late), user(text)], label_of(text), at_s=1 + i * 60)
        for i, text in enumerate(sentence(rng) for _ in range(n))
    ]


def asked_of_passages(rng: random.Random, n: int) -> list[Call]:
    """Questions over two to five retrieved passages; the answer is copied from one of them."""
    prompt = "Use the sources to answer the employee's question. If they do not say, say so."
    found: list[Call] = []
    for _ in range(n):
        passages = [passage(rng, 6) for _ in range(rng.randint(2, 5))]
        sources = "\n".join(f"[{i + 1}] {text}" for i, text in enumerate(passages))
        question = f"what did {rng.choice(PEOPLE)} do in {rng.choice(PLACES)}?"
        messages = [system(prompt), user(f"Sources:\n{sources}\n\nQuestion: {question}")]
        found.append(call("passages", messages, passages[0][: rng.randint(20, 80)]))
    return found


def one_message(
    rng: random.Random,
    n: int,
    truth: str,
    instruction: str,
    answer: Callable[[str], str],
    shots: tuple[int, int],
    pool: Sequence[str] = (),
) -> list[Call]:
    """Everything in one user message under a generic system prompt: data before or after, examples drawn anew."""
    found: list[Call] = []
    for _ in range(n):
        text = sentence(rng)
        drawn = [rng.choice(pool) if pool else sentence(rng) for _ in range(rng.randint(*shots))]
        examples = "\n\n".join(f"Text: {one}\nResult: {answer(one)}" for one in drawn)
        if rng.random() < 0.5:
            body = instruction + (f"\n\nSome examples:\n\n{examples}" if drawn else "") + f"\n\nText: {text}\nResult:"
        else:
            body = f"Text: {text}\n\n{instruction}" + (f"\n\nExamples of what we want:\n\n{examples}" if drawn else "")
        one = call(truth, [system("You are a helpful assistant."), user(body)], answer(text))
        one.tags["input"] = text
        found.append(one)
    return found


def shown_in_chat(rng: random.Random, n: int) -> list[Call]:
    """A classification whose two examples are earlier turns of the chat, drawn anew for each call."""
    found: list[Call] = []
    for _ in range(n):
        messages = [system("Classify the mail of the customer into one of our departments.")]
        for shown in (sentence(rng), sentence(rng)):
            messages += [user(shown), {"role": "assistant", "content": label_of(shown)}]
        text = sentence(rng)
        one = call("shown", [*messages, user(text)], label_of(text))
        one.tags["input"] = text
        found.append(one)
    return found


def concierge(rng: random.Random, n: int) -> list[Call]:
    """A conversation with a growing history."""
    found: list[Call] = []
    for _ in range(n):
        messages = [system("You are the concierge of the hotel. Be brief and friendly.")]
        for _ in range(rng.randint(0, 4)):
            messages += [user(sentence(rng)), {"role": "assistant", "content": passage(rng, 1)}]
        found.append(call("concierge", [*messages, user(sentence(rng))], passage(rng, 1)))
    return found


def without_prompt(rng: random.Random, n: int) -> list[Call]:
    """A classification of which the log holds the bare text only."""
    return [
        call("bare", [user(text)], label_of(text), temperature=0, max_tokens=5)
        for text in (sentence(rng) for _ in range(n))
    ]
