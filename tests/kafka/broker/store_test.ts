import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { silentBrokerLogger } from "../../../kafka/broker/logger.ts";
import { StorageError, Store } from "../../../kafka/broker/store.ts";
import { withFolder } from "./harness.ts";

function withStore(test: (store: Store, dataDir: string, lines: string[]) => Promise<void>): Promise<void> {
  return withFolder(async (dataDir) => {
    const lines: string[] = [];
    const logger = { ...silentBrokerLogger, error: (message: string) => void lines.push(message) };
    await using store = await Store.open({ dataDir, sync: "full", logger });
    store.db.exec("CREATE TABLE t (v INTEGER PRIMARY KEY)");
    await test(store, dataDir, lines);
  });
}

function values(store: Store): number[] {
  return store.db.prepare("SELECT v FROM t ORDER BY v").all().map((row) => Number(row.v));
}

function insert(store: Store, value: number): void {
  store.db.prepare("INSERT INTO t VALUES (?)").run(value);
}

Deno.test("Store.write() commits what comes together in one transaction", () =>
  withStore(async (store) => {
    const before = store.commitSeconds.snapshot().count;
    const results = await Promise.all([1, 2, 3].map((v) =>
      store.write(() => {
        insert(store, v);
        return v * 10;
      })
    ));
    assertEquals(results, [10, 20, 30]);
    assertEquals(values(store), [1, 2, 3]);
    assertEquals(store.commitSeconds.snapshot().count - before, 1);
  }));

Deno.test("Store.write() rejects only the caller whose apply throws, and takes its changes back", () =>
  withStore(async (store) => {
    const good = [store.write(() => insert(store, 1))];
    const bad = store.write(() => {
      insert(store, 2);
      throw new TypeError("no");
    });
    good.push(store.write(() => insert(store, 3)));
    await assertRejects(() => bad, TypeError, "no");
    await Promise.all(good);
    assertEquals(values(store), [1, 3]);
    await assertRejects(
      () =>
        store.write(() => {
          insert(store, 4);
          throw new TypeError("alone");
        }),
      TypeError,
      "alone",
    );
    assertEquals(values(store), [1, 3]);
  }));

Deno.test("Store.write() undoes memory from the last to the first when the commit fails", () =>
  withStore(async (store, _dataDir, lines) => {
    let failing = true;
    store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const undone: number[] = [];
    const writes = [1, 2].map((v) => store.write(() => insert(store, v), () => undone.push(v)));
    for (const write of writes) await assertRejects(() => write, StorageError, "disk full");
    assertEquals(undone, [2, 1]);
    assertEquals(values(store), []);
    assertEquals(lines, ["cannot write to the log"]);
    await assertRejects(() => store.checkWritable(), StorageError);
    failing = false;
    await store.checkWritable();
    await store.write(() => insert(store, 5));
    assertEquals(values(store), [5]);
  }));

Deno.test("Store.write() tells a full disk as StorageError and goes on when there is room", () =>
  withStore(async (store) => {
    store.db.exec("CREATE TABLE big (b BLOB)");
    const fill = (): void => void store.db.prepare("INSERT INTO big VALUES (zeroblob(1000000))").run();
    const pages = Number(store.db.prepare("PRAGMA page_count").get()?.page_count);
    store.db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    await assertRejects(() => store.write(fill), StorageError, "full");
    const [small, big] = [store.write(() => insert(store, 1)), store.write(fill)];
    await assertRejects(() => big, StorageError, "full");
    await small.catch(() => {}); // whether it shared the fate of the big one is SQLite's decision
    store.db.exec(`PRAGMA max_page_count = ${pages + 1000}`);
    await store.write(fill);
    await store.write(() => insert(store, 2));
    assertEquals(values(store).includes(2), true);
  }));

Deno.test("Store.meta() outlives the store; a closed store refuses writes", () =>
  withFolder(async (dataDir) => {
    const options = { dataDir: `${dataDir}/made/anew`, sync: "normal", logger: silentBrokerLogger } as const;
    const first = await Store.open(options);
    await first.write(() => first.setMeta("a", "1"));
    const last = first.write(() => first.setMeta("a", "2"));
    await first[Symbol.asyncDispose]();
    await last;
    await assertRejects(() => first.write(() => {}), StorageError, "closed");
    await using second = await Store.open(options);
    assertEquals(second.meta("a"), "2");
    assertEquals(second.meta("b"), undefined);
  }));

Deno.test("Store.open() refuses a folder that another store of this process holds", () =>
  withStore(async (_store, dataDir) => {
    const error = await assertRejects(
      () => Store.open({ dataDir, sync: "full", logger: silentBrokerLogger }),
      Error,
    );
    assertEquals(error.message, `Cannot use data folder ${dataDir} as another broker is running on it`);
  }));

Deno.test("Store.open() says in one line why it cannot open a folder or a file", () =>
  withFolder(async (dataDir) => {
    await Deno.writeTextFile(`${dataDir}/file`, "");
    const logger = silentBrokerLogger;
    const noFolder = await assertRejects(
      () => Store.open({ dataDir: `${dataDir}/file`, sync: "full", logger }),
      Error,
    );
    assertStringIncludes(noFolder.message, `Cannot use data folder ${dataDir}/file`);
    await Deno.writeTextFile(
      `${dataDir}/broker.db`,
      "this is no database, however long it may be. ".repeat(100),
    );
    const noDatabase = await assertRejects(() => Store.open({ dataDir, sync: "full", logger }), Error);
    assertStringIncludes(noDatabase.message, `Cannot open ${dataDir}/broker.db: file is not a database`);
    assertEquals(noDatabase.message.includes("\n"), false);
    await Deno.remove(`${dataDir}/broker.db`);
    await (await Store.open({ dataDir, sync: "full", logger }))[Symbol.asyncDispose](); // the lock is free again
  }));

Deno.test("Store.open() refuses a database of a newer schema", () =>
  withFolder(async (dataDir) => {
    const options = { dataDir, sync: "full", logger: silentBrokerLogger } as const;
    const store = await Store.open(options);
    store.db.exec("PRAGMA user_version = 99");
    await store[Symbol.asyncDispose]();
    await assertRejects(() => Store.open(options), Error, "its schema is version 99");
  }));
