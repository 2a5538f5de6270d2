/** The folder of the objects as a service that takes DELETE. Self-hosted workerd alone has it. */
export type ObjectFolder = { fetch(url: string, init?: RequestInit): Promise<Response> };

/**
 * What belongs to one database: the file, what is not yet merged into it, and the index of that.
 */
const SUFFIXES = ['', '-wal', '-shm'];

/**
 * The file of one object, from outside: an object whose file is damaged cannot be opened to mend
 * itself.
 */
export class ObjectFile {
  readonly #folder: ObjectFolder;
  readonly #url: string;

  /** @param name the object's namespace (its `uniqueKey` in workerd.capnp) and its id */
  constructor(folder: ObjectFolder, { namespace, id }: { namespace: string; id: string }) {
    this.#folder = folder;
    this.#url = `http://objects/${namespace}/${id}.sqlite`;
  }

  /** Removes it; the object begins anew, as one that never was. */
  async remove(): Promise<void> {
    for (const suffix of SUFFIXES)
      await this.#folder.fetch(`${this.#url}${suffix}`, { method: 'DELETE' });
  }
}
