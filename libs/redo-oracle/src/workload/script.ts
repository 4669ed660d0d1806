/**
 * Scripts: SQL statements separated by blank lines, each run on its own, so that VACUUM and the like may be among them.
 */
export interface Script {
  readonly name: string;
  readonly statements: readonly string[];
}

export const script = (name: string, sql: string): Script => ({
  name,
  statements: sql
    .split(/\n\s*\n/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== ''),
});
