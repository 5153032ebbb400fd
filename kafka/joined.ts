/** Questions that many ask at once, put to Kafka once. @module */

/** Joins who asks the same. Answers are shared, so they are not to be changed. */
export class Joined<T> {
  readonly #running = new Map<string, { readonly now: Promise<T>; next?: Promise<T> }>();

  /** An answer to what is put to Kafka after this call, never before: who comes while one is on its way shares the next. */
  fresh(key: string, ask: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (!running) return this.#start(key, ask);
    return running.next ??= running.now.then(() => {}, () => {}).then(() => this.#start(key, ask));
  }

  /** An answer, also one that is on its way already. */
  running(key: string, ask: () => Promise<T>): Promise<T> {
    return this.#running.get(key)?.now ?? this.#start(key, ask);
  }

  /** Lets go of those on their way: who asks from now on does not share them. */
  forget(isForgotten: (key: string) => boolean): void {
    for (const key of this.#running.keys()) if (isForgotten(key)) this.#running.delete(key);
  }

  #start(key: string, ask: () => Promise<T>): Promise<T> {
    const entry = { now: ask() };
    this.#running.set(key, entry);
    const done = () => {
      if (this.#running.get(key) === entry) this.#running.delete(key);
    };
    entry.now.then(done, done);
    return entry.now;
  }
}
