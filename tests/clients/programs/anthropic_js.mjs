// Anthropic's own client for JavaScript.
import Anthropic from "@anthropic-ai/sdk";
import {
  BY_GPT, CITIES, CLAUDE, HELLO, IMAGE_ANSWER, KEY, OUTPUT, OWNED_ANSWER, OWNED_TEXT, PARAMETERS, PNG_BASE64,
  POOR_KEY, SEAL, SYSTEM, THOUGHT, TOOLS_ANSWER, UNKNOWN, URL, WEATHER, check, fields, holds, main, raises, same, seconds,
} from "./_harness.mjs";

const client = new Anthropic({ baseURL: URL, apiKey: KEY });
const patient = client.withOptions({ maxRetries: 0 });
const TOOLS = [{ name: "weather", input_schema: PARAMETERS }];
const OWNED = { system: SYSTEM, messages: [{ role: "user", content: OWNED_TEXT }] };

const asked = (order) => [{ role: "user", content: `do:${order}` }];
const question = (order, more = {}) => ({ model: CLAUDE, max_tokens: 1000, messages: asked(order), ...more });
const ask = (order = "hello", more = {}, by = client) => by.messages.create(question(order, more));

async function all(stream) {
  const found = [];
  for await (const one of await stream) found.push(one);
  return found;
}

// What is there: without fields that say nothing.
const stated = (answer) => JSON.parse(JSON.stringify(answer, (_, value) => (value === null ? undefined : value)));
const textOf = (events) => events.map((one) => one.delta?.text ?? "").join("");
const cities = (content) => content.map((one) => one.input.city);

check("anthropic.messages", async () => {
  const answer = await ask();
  same([answer.content[0].text, answer.stop_reason, answer.usage.output_tokens], [HELLO, "end_turn", 7]);
  same(answer._request_id, "req_up");
});

check("anthropic.messages_stream", async () => {
  same(textOf(await all(ask("hello", { stream: true }))), HELLO);
  const message = await client.messages.stream(question("hello")).finalMessage();
  same([message.content[0].text, message.usage.output_tokens], [HELLO, 7]);
});

async function callTools(model) {
  const messages = asked("tools");
  const { content } = await ask("", { model, messages, tools: TOOLS });
  same(cities(content), CITIES);
  const results = content.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "7" }));
  messages.push({ role: "assistant", content }, { role: "user", content: results });
  same((await ask("", { model, messages, tools: TOOLS })).content[0].text, TOOLS_ANSWER);
}

async function streamTools(model) {
  const message = await client.messages.stream(question("tools", { model, tools: TOOLS })).finalMessage();
  same(cities(message.content), CITIES);
}

check("anthropic.messages_tools", () => callTools(CLAUDE));

check("anthropic.messages_tools_stream", () => streamTools(CLAUDE));

check("anthropic.messages_structured", async () => {
  const format = { type: "json_schema", schema: OUTPUT };
  const answer = await client.messages.parse(question("structured", { output_config: { format } }));
  same(answer.parsed_output ?? JSON.parse(answer.content[0].text), WEATHER);
});

check("anthropic.messages_images", async () => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG_BASE64 } };
  const messages = [{ role: "user", content: [{ type: "text", text: "do:image" }, image] }];
  same((await ask("", { messages })).content[0].text, IMAGE_ANSWER);
});

check("anthropic.messages_thinking", async () => {
  const remembered = async (content) => {
    const messages = [...asked("think"), { role: "assistant", content }, ...asked("remember")];
    return (await ask("", { messages })).content[0].text;
  };
  const thinking = { type: "adaptive" };
  const { content } = await ask("think", { thinking });
  same([content[0].thinking, content[1].text, await remembered(content)], [THOUGHT, HELLO, SEAL]);
  const streamed = await client.messages.stream(question("think", { thinking })).finalMessage();
  same(await remembered(streamed.content), SEAL);
});

check("anthropic.messages_beta", async () => {
  const beta = { ...question("beta"), betas: ["new-2099-01-01"] };
  const answer = await client.beta.messages.create(beta, { query: { beta: "true" } });
  same(answer.content[0].text, "beta=true new-2099-01-01");
});

check("anthropic.messages_unknown", async () => {
  const answer = await ask("echo", { x_new: UNKNOWN });
  same(JSON.parse(answer.content[0].text), { x_new: UNKNOWN });
  same(answer.x_of_tomorrow, UNKNOWN);
});

check("anthropic.count_tokens", async () => {
  same((await client.messages.countTokens({ model: CLAUDE, messages: asked("hello") })).input_tokens, 14);
});

check("anthropic.models", async () => {
  same((await all(client.models.list())).map((one) => one.id), [CLAUDE]);
});

check("anthropic.batches", async () => {
  const requests = [{ custom_id: "1", params: question("hello") }];
  same((await client.messages.batches.create({ requests })).id, "msgbatch_up");
});

check("anthropic.errors", async () => {
  const of = (status) => () => ask(`e${status}`, { model: `of-${status}` }, patient);
  await raises(Anthropic.AuthenticationError, { type: "authentication_error" }, of(401));
  await raises(Anthropic.NotFoundError, { type: "not_found_error" }, of(404));
  await raises(Anthropic.RateLimitError, { type: "rate_limit_error" }, of(429));
  await raises(Anthropic.InternalServerError, { type: "overloaded_error" }, of(529));
  const nonsense = () => ask("", { messages: "not a list" }, patient);
  await raises(Anthropic.BadRequestError, { type: "invalid_request_error" }, nonsense);
});

check("anthropic.retry_after", async () => {
  const took = await seconds(async () => same((await ask("busy", { model: "of-busy" })).content[0].text, HELLO));
  holds(took >= 0.99, `retried after ${took} s`);
});

check("anthropic.cut_stream", async () => {
  let events = 0;
  await raises(Anthropic.APIError, {}, async () => {
    for await (const _ of await ask("cut", { stream: true })) events += 1;
  });
  holds(events > 0, "nothing came before the cut");
});

check("anthropic.key", async () => {
  const { response } = await ask().withResponse();
  same(response.headers.get("anthropic-ratelimit-requests-limit"), "100000");
  const stranger = client.withOptions({ apiKey: "fh-unknown" });
  await raises(Anthropic.AuthenticationError, { type: "authentication_error" }, () => ask("hello", {}, stranger));
  const bearer = new Anthropic({ baseURL: URL, apiKey: null, authToken: KEY });
  same((await ask("hello", {}, bearer)).content[0].text, HELLO);
});

check("anthropic.budget", async () => {
  const poor = client.withOptions({ apiKey: POOR_KEY });
  const refused = () => ask("hello", {}, poor);
  const took = await seconds(() => raises(Anthropic.RateLimitError, { type: "rate_limit_error" }, refused));
  holds(took < 1, `took ${took} s, as if it had been tried again`);
});

check("anthropic.owned", async () => {
  const { data, response } = await ask("", OWNED).withResponse();
  same(response.headers.get("x-freehold-served-by"), "owned");
  same([data.content[0].text, data.stop_reason], [OWNED_ANSWER, "end_turn"]);
  same(fields(stated(data)), fields(stated(await ask())));
});

check("anthropic.owned_stream", async () => {
  const events = await all(ask("", { ...OWNED, stream: true }));
  same(textOf(events), OWNED_ANSWER);
  const kinds = (of) => [...new Set(of.map((one) => one.type))];
  same(kinds(events), kinds(await all(ask("hello", { stream: true }))));
  same((await client.messages.stream(question("", OWNED)).finalMessage()).content[0].text, OWNED_ANSWER);
});

check("anthropic.translated", async () => {
  const answer = await ask("hello", { model: BY_GPT });
  same([answer.content[0].text, answer.stop_reason, answer.usage.output_tokens], [HELLO, "end_turn", 7]);
});

check("anthropic.translated_stream", async () => {
  same(textOf(await all(ask("hello", { model: BY_GPT, stream: true }))), HELLO);
  await raises(Anthropic.APIError, {}, () => all(ask("cut", { model: BY_GPT, stream: true })));
});

check("anthropic.translated_tools", async () => {
  await callTools(BY_GPT);
  await streamTools(BY_GPT);
});

await main("@anthropic-ai/sdk");
