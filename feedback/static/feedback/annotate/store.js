/* What this browser keeps until the server has it: answers on their way (outbox) and answers being written (drafts).

   Each row names its owner, so that another person on the same browser neither sees nor sends it. Where the browser
   has no storage (a private window may refuse it), rows live as long as the page, and `durable()` says so. */

const memory = { outbox: new Map(), drafts: new Map() };
const key = { outbox: "order", drafts: "id" };
let works = true;
let lastOrder = 0;

const database = new Promise((resolve) => {
  try {
    const opening = indexedDB.open("concord-annotate", 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("outbox", { keyPath: "order", autoIncrement: true });
      opening.result.createObjectStore("drafts", { keyPath: "id" });
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = opening.onblocked = () => resolve(null);
  } catch {
    resolve(null);
  }
});

export const durable = () => works;

/* One transaction on one table; `ask` makes the request whose result is returned once it is on the disk. */
async function act(table, mode, ask) {
  const open = await database;
  if (!open) throw new Error("this browser keeps nothing");
  return new Promise((resolve, reject) => {
    const transaction = open.transaction(table, mode, { durability: table === "outbox" ? "strict" : "default" });
    const request = ask(transaction.objectStore(table));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

async function orInMemory(work, instead) {
  try {
    return await work();
  } catch {
    works = false;
    return instead();
  }
}

export function put(table, row) {
  return orInMemory(
    () => act(table, "readwrite", (rows) => rows.put(row)),
    () => {
      const kept = { ...row, [key[table]]: row[key[table]] ?? ++lastOrder };
      memory[table].set(kept[key[table]], kept);
      return kept[key[table]];
    },
  );
}

export function remove(table, id) {
  memory[table].delete(id);
  return orInMemory(() => act(table, "readwrite", (rows) => rows.delete(id)), () => undefined);
}

export async function get(table, id) {
  return memory[table].get(id) ?? orInMemory(() => act(table, "readonly", (rows) => rows.get(id)), () => undefined);
}

/* The rows of one owner, oldest first. */
export async function rowsOf(table, owner) {
  const kept = await orInMemory(() => act(table, "readonly", (rows) => rows.getAll()), () => []);
  return [...kept, ...memory[table].values()].filter((row) => row.owner === owner);
}
