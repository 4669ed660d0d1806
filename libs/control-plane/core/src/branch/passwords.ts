/** What proves a role's password, and where the password itself is kept. */
export interface KeptPassword {
  /** Postgres' text form of a SCRAM-SHA-256 verifier. */
  readonly verifier: string;
  /** Null when the project keeps no passwords. */
  readonly secretId: string | null;
}

export abstract class Passwords {
  /** @param store whether the password shall be readable again */
  abstract keep(password: string, store: boolean): Promise<KeptPassword>;
  /** Null when it is not there. */
  abstract reveal(secretId: string): Promise<string | null>;
}
