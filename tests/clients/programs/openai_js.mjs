// OpenAI's own client for JavaScript.
import OpenAI, { toFile } from "openai";
import {
  BY_CLAUDE, CITIES, GPT, HELLO, IMAGE_ANSWER, KEY, OPENAI_URL, OUTPUT, OWNED_ANSWER, OWNED_TEXT, PARAMETERS,
  PNG_BASE64, POOR_KEY, SEAL, SYSTEM, THOUGHT, TOOLS_ANSWER, UNKNOWN, WEATHER, check, fields, holds, main, raises, same, seconds,
} from "./_harness.mjs";

const client = new OpenAI({ baseURL: OPENAI_URL, apiKey: KEY });
const patient = client.withOptions({ maxRetries: 0 });
const TOOLS = [{ type: "function", function: { name: "weather", parameters: PARAMETERS } }];
const FLAT_TOOLS = [{ type: "function", name: "weather", parameters: PARAMETERS, strict: false }];
const OWNED = [{ role: "system", content: SYSTEM }, { role: "user", content: OWNED_TEXT }];
const FORMAT = { type: "json_schema", json_schema: { name: "weather", strict: true, schema: OUTPUT } };

const asked = (order) => [{ role: "user", content: `do:${order}` }];
const ask = (order = "hello", more = {}, by = client) =>
  by.chat.completions.create({ model: GPT, messages: asked(order), ...more });

async function all(stream) {
  const found = [];
  for await (const one of await stream) found.push(one);
  return found;
}

const textOf = (chunks) => chunks.map((one) => one.choices[0]?.delta?.content ?? "").join("");
const cities = (calls) => calls.map((one) => JSON.parse(one.function.arguments).city);

check("openai.chat", async () => {
  const answer = await ask();
  same([answer.choices[0].message.content, answer.usage.total_tokens, answer._request_id], [HELLO, 18, "req_up"]);
});

check("openai.chat_stream", async () => {
  const chunks = await all(ask("hello", { stream: true, stream_options: { include_usage: true } }));
  same([textOf(chunks), chunks.at(-1).usage.total_tokens], [HELLO, 18]);
  same(await client.chat.completions.stream({ model: GPT, messages: asked("hello") }).finalContent(), HELLO);
});

async function callTools(model) {
  const messages = asked("tools");
  const { message } = (await client.chat.completions.create({ model, messages, tools: TOOLS })).choices[0];
  same(cities(message.tool_calls), CITIES);
  messages.push(message, ...message.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "7" })));
  const answer = await client.chat.completions.create({ model, messages, tools: TOOLS });
  same(answer.choices[0].message.content, TOOLS_ANSWER);
}

async function streamTools(model) {
  const stream = client.chat.completions.stream({ model, messages: asked("tools"), tools: TOOLS });
  same(cities((await stream.finalMessage()).tool_calls), CITIES);
}

check("openai.chat_tools", () => callTools(GPT));

check("openai.chat_tools_stream", () => streamTools(GPT));

check("openai.chat_structured", async () => {
  const question = { model: GPT, messages: asked("structured"), response_format: FORMAT };
  const answer = await client.chat.completions.parse(question);
  same(answer.choices[0].message.parsed ?? JSON.parse(answer.choices[0].message.content), WEATHER);
});

check("openai.chat_logprobs", async () => {
  const answer = await ask("logprobs", { logprobs: true, top_logprobs: 1 });
  same(answer.choices[0].logprobs.content[0].top_logprobs[0].logprob, -0.25);
});

check("openai.chat_images", async () => {
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PNG_BASE64}` } };
  const messages = [{ role: "user", content: [{ type: "text", text: "do:image" }, image] }];
  same((await ask("", { messages })).choices[0].message.content, IMAGE_ANSWER);
});

check("openai.chat_audio", async () => {
  const sound = { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } };
  const messages = [{ role: "user", content: [{ type: "text", text: "do:audio" }, sound] }];
  same((await ask("", { messages })).choices[0].message.content, "wav 4");
});

check("openai.chat_choices", async () => {
  same((await ask("hello", { n: 3 })).choices.map((one) => one.message.content), [HELLO, HELLO, HELLO]);
});

check("openai.chat_unknown", async () => {
  const answer = await ask("echo", { x_new: UNKNOWN });
  same(JSON.parse(answer.choices[0].message.content), { x_new: UNKNOWN });
  same(answer.x_of_tomorrow, UNKNOWN);
  same((await all(ask("echo", { x_new: UNKNOWN, stream: true })))[0].x_of_tomorrow, UNKNOWN);
});

check("openai.responses", async () => {
  const answer = await client.responses.create({ model: GPT, input: "do:hello" });
  same([answer.output_text, answer.status, answer.usage.total_tokens], [HELLO, "completed", 18]);
});

check("openai.responses_stream", async () => {
  const stream = client.responses.stream({ model: GPT, input: "do:hello" });
  same((await stream.finalResponse()).output_text, HELLO);
});

check("openai.responses_tools", async () => {
  const input = asked("tools");
  const first = await client.responses.create({ model: GPT, input, tools: FLAT_TOOLS });
  same(first.output.map((one) => JSON.parse(one.arguments).city), CITIES);
  input.push(...first.output);
  input.push(...first.output.map((one) => ({ type: "function_call_output", call_id: one.call_id, output: "7" })));
  same((await client.responses.create({ model: GPT, input, tools: FLAT_TOOLS })).output_text, TOOLS_ANSWER);
});

check("openai.responses_reasoning", async () => {
  const remembered = async (output) => {
    const input = [...output, ...asked("remember")];
    return (await client.responses.create({ model: GPT, input })).output_text;
  };
  const question = { model: GPT, input: "do:think", include: ["reasoning.encrypted_content"] };
  const answer = await client.responses.create(question);
  same([answer.output[0].summary[0].text, answer.output_text], [THOUGHT, HELLO]);
  same(await remembered(answer.output), SEAL);
  const streamed = await client.responses.stream(question).finalResponse();
  same(await remembered(streamed.output.map(({ parsed, ...item }) => item)), SEAL);
});

check("openai.completions", async () => {
  same((await client.completions.create({ model: GPT, prompt: "do:hello" })).choices[0].text, HELLO);
});

check("openai.completions_stream", async () => {
  const chunks = await all(client.completions.create({ model: GPT, prompt: "do:hello", stream: true }));
  same(chunks.map((one) => one.choices[0].text).join(""), HELLO);
});

check("openai.embeddings", async () => {
  const answer = await client.embeddings.create({ model: GPT, input: ["a", "b"] });
  same(answer.data.map((one) => Array.from(one.embedding)), [[0.5, -0.25, 0], [0.5, -0.25, 1]]);
});

check("openai.models", async () => {
  same((await all(client.models.list())).map((one) => one.id), ["gpt-4.1", "gpt-4.1-mini"]);
});

check("openai.files", async () => {
  const file = await toFile(Buffer.from('{"custom_id":"1"}\n'), "batch.jsonl");
  const made = await client.files.create({ file, purpose: "batch" });
  same(made.id, "file-up");
  const batch = { input_file_id: made.id, endpoint: "/v1/chat/completions", completion_window: "24h" };
  same((await client.batches.create(batch)).id, "batch_up");
});

check("openai.errors", async () => {
  const of = (status) => () => ask(`e${status}`, { model: `of-${status}` }, patient);
  await raises(OpenAI.AuthenticationError, { code: "invalid_api_key" }, of(401));
  await raises(OpenAI.NotFoundError, { code: "model_not_found" }, of(404));
  await raises(OpenAI.RateLimitError, { code: "rate_limit_exceeded" }, of(429));
  await raises(OpenAI.InternalServerError, { code: "server_error" }, of(500));
  await raises(OpenAI.BadRequestError, { code: "bad_request" }, () => ask("", { messages: "not a list" }, patient));
});

check("openai.retry_after", async () => {
  const took = await seconds(async () => same((await ask("busy", { model: "of-busy" })).choices[0].message.content, HELLO));
  holds(took >= 0.99, `retried after ${took} s`);
});

check("openai.cut_stream", async () => {
  let events = 0;
  await raises(OpenAI.APIError, {}, async () => {
    for await (const _ of await ask("cut", { stream: true })) events += 1;
  });
  holds(events > 0, "nothing came before the cut");
});

check("openai.key", async () => {
  const { response } = await ask().withResponse();
  same(response.headers.get("x-ratelimit-limit-requests"), "100000");
  const stranger = client.withOptions({ apiKey: "fh-unknown" });
  await raises(OpenAI.AuthenticationError, { code: "invalid_key" }, () => ask("hello", {}, stranger));
});

check("openai.budget", async () => {
  const poor = client.withOptions({ apiKey: POOR_KEY });
  const refused = () => ask("hello", { max_tokens: 1000 }, poor);
  const took = await seconds(() => raises(OpenAI.RateLimitError, { code: "budget_exhausted" }, refused));
  holds(took < 1, `took ${took} s, as if it had been tried again`);
});

check("openai.owned", async () => {
  const { data, response } = await ask("", { messages: OWNED }).withResponse();
  same(response.headers.get("x-freehold-served-by"), "owned");
  same([data.choices[0].message.content, data.choices[0].finish_reason], [OWNED_ANSWER, "stop"]);
  same(fields(data), fields(await ask()));
  const answer = await client.responses.create({ model: GPT, instructions: SYSTEM, input: OWNED_TEXT });
  same([answer.output_text, answer.status], [OWNED_ANSWER, "completed"]);
});

check("openai.owned_stream", async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const owned = await all(ask("", { messages: OWNED, ...options }));
  const rented = await all(ask("hello", options));
  same(textOf(owned), OWNED_ANSWER);
  for (const place of [0, -2, -1]) same(fields(owned.at(place)), fields(rented.at(place)));
});

check("openai.translated", async () => {
  const answer = await ask("hello", { model: BY_CLAUDE });
  same([answer.choices[0].message.content, answer.usage.total_tokens], [HELLO, 18]);
  same((await client.responses.create({ model: BY_CLAUDE, input: "do:hello" })).output_text, HELLO);
});

check("openai.translated_stream", async () => {
  const options = { model: BY_CLAUDE, stream: true, stream_options: { include_usage: true } };
  const chunks = await all(ask("hello", options));
  same([textOf(chunks), chunks.at(-1).usage.total_tokens], [HELLO, 18]);
  await raises(OpenAI.APIError, {}, () => all(ask("cut", options)));
});

check("openai.translated_tools", async () => {
  await callTools(BY_CLAUDE);
  await streamTools(BY_CLAUDE);
});

await main("openai");
