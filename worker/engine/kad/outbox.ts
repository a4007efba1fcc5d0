/** Effects in the order they were decided, until the parent drains them. */
export class Outbox<Effect> {
  #effects: Effect[] = []
  #next = 0

  push(effect: Effect): void {
    this.#effects.push(effect)
  }

  poll(): Effect | undefined {
    const effect = this.#effects[this.#next]
    if (effect === undefined) return undefined
    this.#next++
    if (this.#next === this.#effects.length) {
      this.#effects = []
      this.#next = 0
    }
    return effect
  }
}
