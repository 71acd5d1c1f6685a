// Drives a server through the types that were generated from its description: what compiles is what it answers.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./coffer.js";

type Failure = components["schemas"]["Error"];
const ACCOUNT = "user+1@example.com";
const client = (headers: Record<string, string>) =>
  createClient<paths, "application/json">({ baseUrl: process.env.COFFER_URL, headers });
const coffer = client({ "x-api-key": process.env.COFFER_API_KEY ?? "" });

function good<T>(answer: { data?: T; error?: Failure }): T {
  assert.equal(answer.error, undefined);
  assert(answer.data !== undefined);
  return answer.data;
}

function failed(answer: { error?: Failure }, code: components["schemas"]["ErrorCode"], status: number) {
  assert.equal(answer.error?.error_code, code);
  assert.equal(answer.error?.status_code, status);
}

const secret = good(
  await coffer.POST("/api/v2/public/env/definitions", {
    body: { name: "TS_TOKEN", scope: "linked_account", encrypted: true },
  }),
).definition;
const plain = good(
  await coffer.POST("/api/v2/public/env/definitions", { body: { name: "TS_URL", scope: "org", var_format: "url" } }),
).definition;
assert.equal(secret.encrypted, true);
assert.equal(plain.required, false);

const set = (variable_definition_id: string, value: string, linked_account_id?: string) =>
  coffer.POST("/api/v2/public/env/values", { body: { variable_definition_id, value, linked_account_id } });
const stored = good(await set(plain._id, "https://example.com"));
assert.equal(stored.value, "https://example.com");
assert.equal(stored.version satisfies number, 1);
assert.notEqual(good(await set(secret._id, "s3cr3t", ACCOUNT)).value, "s3cr3t");
failed(await set(plain._id, "nowhere"), "VALUE_FORMAT_MISMATCH", 400);

const of = { params: { path: { definition_id: secret._id }, query: { linked_account_id: ACCOUNT } } };
assert.equal(good(await coffer.GET("/api/v2/public/env/value/{definition_id}", of)).value, "[REDACTED]");
const context = good(
  await coffer.GET("/api/v2/public/env/resolve", {
    params: { query: { linked_account_id: ACCOUNT, reveal: true, explain: true } },
  }),
);
const variables = Object.fromEntries(context.variables.map((one) => [one.name, one.value]));
assert.deepEqual([variables.TS_TOKEN, variables.TS_URL], ["s3cr3t", "https://example.com"]);
const listed = good(
  await coffer.GET("/api/v2/public/env/values/{scope_or_value_id}", {
    params: { path: { scope_or_value_id: "linked_account" }, query: { linked_account_id: ACCOUNT, limit: 5 } },
  }),
);
assert.deepEqual(listed.docs.map((one) => one.variable_definition_id.name), ["TS_TOKEN"]);
assert.equal(listed.nextPage satisfies number | null, null);
const rendered = good(
  await coffer.POST("/api/v2/public/env/render", { body: { template: "at {{env.org.TS_URL}}" } }),
);
assert.equal(rendered.rendered, "at https://example.com");

// What changes is told as it happens.
const events = await coffer.GET("/api/v2/public/env/watch", { parseAs: "stream" });
const told = (async () => {
  const decoder = new TextDecoder();
  let seen = "";
  for await (const some of events.data as unknown as ReadableStream<Uint8Array>) {
    seen += decoder.decode(some, { stream: true });
    if (seen.includes("event: value.deleted")) return;
  }
  assert.fail("the stream ended before the deletion was told");
})();
good(
  await coffer.DELETE("/api/v2/public/env/values/{scope_or_value_id}", {
    params: { path: { scope_or_value_id: stored._id } },
  }),
);
await told;

// The other credential, and failures.
const tokens = good(await coffer.POST("/api/v2/public/session-token", { body: { linked_account_id: ACCOUNT } }));
const theirs = client({ Authorization: `Bearer ${tokens.token}` });
assert.equal(good(await theirs.GET("/api/v2/public/session/active-linked-account")).account_id, ACCOUNT);
failed(await theirs.GET("/api/v2/public/linked-account"), "FORBIDDEN", 403);
failed(await client({}).GET("/api/v2/public/linked-account"), "INVALID_CREDENTIALS", 401);
const none = { params: { path: { definition_id: "0".repeat(24) } } };
failed(await coffer.GET("/api/v2/public/env/value/{definition_id}", none), "RESOURCE_NOT_FOUND", 404);

// @ts-expect-error: a scope that there is not
await coffer.POST("/api/v2/public/env/definitions", { body: { name: "TS_OTHER", scope: "galaxy" } });
console.log("driven");
process.exit(0);
