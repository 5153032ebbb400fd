import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { identifyViewer, namedViewer } from "../../routes/viewer_id.ts";

function request(query: string, headers: Record<string, string> = {}, origin = "http://localhost:8000") {
  return { url: `${origin}/video/cam/mjpeg${query}`, headers: new Headers(headers) };
}

Deno.test("identifyViewer() takes ?viewer= before the cookie, and sets none then", () => {
  const cookie = "theme=dark; viewer=from-cookie; x=y";
  assertEquals(identifyViewer(request("?viewer=A.b_c-9", { cookie })), { id: "A.b_c-9", setCookie: null });
  assertEquals(identifyViewer(request("", { cookie })), { id: "from-cookie", setCookie: null });
  assertEquals(identifyViewer(request("?viewer=", { cookie })), { id: null, setCookie: null });
  assertEquals(identifyViewer(request(`?viewer=${"x".repeat(64)}`)).id, "x".repeat(64));
});

Deno.test("identifyViewer() refuses an id that is none, and replaces such a cookie", () => {
  for (const id of ["a b", "a/b", "ü", "x".repeat(65), "a%0Ab", "%00", "a;b", '"'] as const) {
    const { code, status } = assertThrows(() => identifyViewer(request(`?viewer=${id}`)), StreamError);
    assertEquals([code, status], ["invalid-viewer", 400], id);
  }
  for (const value of ["", '"quoted"', "x".repeat(65), "a b", "a/b"]) {
    const { id, setCookie } = identifyViewer(request("", { cookie: `viewer=${value}` }));
    assert(id !== null && id !== value && setCookie !== null, value);
  }
  const second = identifyViewer(request("", { cookie: "viewer=a/b; viewer=good" }));
  assertEquals(second, { id: "good", setCookie: null });
  assertEquals(identifyViewer(request("", { cookie: "viewer=a=b" })).id?.length, 22, "= is not in an id");
});

Deno.test("identifyViewer() gives a new viewer an id of 128 random bits in a cookie", () => {
  const ids = new Set<string>();
  for (let n = 0; n < 100; n++) {
    const { id, setCookie } = identifyViewer(request(""));
    assertMatch(id!, /^[A-Za-z0-9_-]{22}$/);
    assertEquals(setCookie, `viewer=${id}; Path=/video; Max-Age=34560000; SameSite=Lax; HttpOnly`);
    ids.add(id!);
  }
  assertEquals(ids.size, 100);
  for (
    const over of [
      request("", {}, "https://example.test"),
      request("", { "x-forwarded-proto": "https" }),
    ]
  ) assertMatch(identifyViewer(over).setCookie!, /; HttpOnly; Secure$/);
});

Deno.test("identifyViewer() keeps no position for frames in pages of other sites, unless they are named", () => {
  const foreign = { "sec-fetch-site": "cross-site" };
  assertEquals(identifyViewer(request("", foreign)), { id: null, setCookie: null });
  assertEquals(identifyViewer(request("?viewer=a", foreign)), { id: "a", setCookie: null });
  assertEquals(identifyViewer(request("", { ...foreign, cookie: "viewer=b" })), { id: "b", setCookie: null });
  for (const site of ["same-origin", "same-site", "none"]) {
    assert(identifyViewer(request("", { "sec-fetch-site": site })).setCookie !== null, site);
  }
});

Deno.test("namedViewer() is null for a request that names none", () => {
  const named = (query: string, cookie = "") =>
    namedViewer(new URLSearchParams(query), new Headers({ cookie }));
  assertEquals([named(""), named("viewer=", "viewer=a"), named("", "viewer=a")], [null, null, "a"]);
  assertThrows(() => named("viewer=a%20b"), StreamError);
});
