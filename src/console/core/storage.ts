/** What this browser keeps: one store of values by name. Keys are CryptoKeys that cannot be exported. */
const DATABASE = 'mana-console';
const STORE = 'kept';

export type KeptName = 'session' | 'keys' | 'marks' | 'batches' | 'heads';

let opening: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opening ??= new Promise((done, failed) => {
    const request = indexedDB.open(DATABASE, 1);
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore(STORE));
    request.addEventListener('success', () => done(request.result));
    request.addEventListener('error', () => failed(request.error ?? new Error('no database')));
  });
  return opening;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((done, failed) => {
    request.addEventListener('success', () => done(request.result));
    request.addEventListener('error', () => failed(request.error ?? new Error('not kept')));
  });
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  return (await database()).transaction(STORE, mode).objectStore(STORE);
}

/** undefined where nothing of that name is kept. */
export async function kept<T>(name: KeptName): Promise<T | undefined> {
  return settled((await store('readonly')).get(name)) as Promise<T | undefined>;
}

export async function keep(name: KeptName, value: unknown): Promise<void> {
  await settled((await store('readwrite')).put(value, name));
}

export async function drop(name: KeptName): Promise<void> {
  await settled((await store('readwrite')).delete(name));
}

/** Reads, changes and keeps a value without anybody between. */
export async function change<T>(name: KeptName, edit: (value: T | undefined) => T): Promise<T> {
  const objects = await store('readwrite');
  const before = (await settled(objects.get(name))) as T | undefined;
  const after = edit(before);
  await settled(objects.put(after, name));
  return after;
}
