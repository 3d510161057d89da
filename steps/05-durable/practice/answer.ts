/** The database did not do what a session needed: answered with a 503. */
export class StoreError extends Error {}
