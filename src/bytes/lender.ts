/**
 * Memory that its owner lets others keep past a call, so that bytes need not be copied to outlive it. Whoever keeps them
 * retains first; the owner fills the memory anew only when everybody has let go.
 */
export interface Lender {
  retain(): void;
  /** Once for each `retain`. */
  release(): void;
}
