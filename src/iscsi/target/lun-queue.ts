/**
 * The order in which a nexus' commands reach one logical unit: that of their arrival, whatever data they wait for, with the
 * task attributes of SAM-5, 8.2. The unit's control mode page says that each nexus has a task set of its own.
 *
 * Invariants
 * - A SIMPLE command is handed over when every command before it is, and no ORDERED one is still running.
 * - An ORDERED one when every command before it has ended. A HEAD OF QUEUE one as soon as its data are there.
 */
export interface QueuedTask {
  readonly ordered: boolean;
  readonly headOfQueue: boolean;
  /** Hands the command to the unit; resolves when it has ended. */
  run(): Promise<void>;
}

interface Entry {
  readonly task: QueuedTask;
  ready: boolean;
}

export class LunQueue {
  #waiting: Entry[] = [];
  #running = 0;
  #orderedRunning = false;

  /** A command has arrived. Call what is answered when its data are there. */
  add(task: QueuedTask): () => void {
    const entry: Entry = { task, ready: false };
    if (!task.headOfQueue) this.#waiting.push(entry);
    return () => {
      entry.ready = true;
      if (task.headOfQueue) this.#start(task);
      else this.#pump();
    };
  }

  /** A command that has not been handed over never will be. */
  remove(task: QueuedTask): void {
    this.#waiting = this.#waiting.filter((entry) => entry.task !== task);
    this.#pump();
  }

  #pump(): void {
    for (let first = this.#waiting[0]; first?.ready; first = this.#waiting[0]) {
      const { task } = first;
      if (this.#orderedRunning || (task.ordered && this.#running > 0)) return;
      this.#waiting.shift();
      this.#start(task);
    }
  }

  #start(task: QueuedTask): void {
    this.#running++;
    if (task.ordered) this.#orderedRunning = true;
    const ended = (): void => {
      this.#running--;
      if (task.ordered) this.#orderedRunning = false;
      this.#pump();
    };
    task.run().then(ended, ended);
  }
}
