/** Seeds whose runs broke a promise once; they are run for good. */
export const SEEDS: readonly number[] = [];
