import { DatabaseError } from '#database/open.ts';
import { SettingsError } from '#steps/shared/settings.ts';

/** A command was not understood. Its message is one sentence that says what to type instead. */
export class UsageError extends Error {}

/**
 * Runs a command of `package.json`. An error that its user can fix is one line on stderr, and exit code 1.
 *
 * @param usage what to type instead of an option that does not exist.
 */
export async function command(main: () => Promise<void>, usage = ''): Promise<void> {
  // The reader of the output may stop early, as in npm run diff 2 3 | head.
  process.stdout.on('error', () => process.exit());
  try {
    await main();
  } catch (error) {
    const isUserError = [UsageError, DatabaseError, SettingsError].some(
      (kind) => error instanceof kind,
    );
    if (!(error instanceof Error && (isUserError || isParseArgsError(error)))) throw error;
    console.error(isUserError ? error.message : `${describeOption(error)} ${usage}`.trim());
    process.exitCode = 1;
  }
}

/** Node's message about an unknown option ends with a hint that does not help here. */
function describeOption({ message }: Error): string {
  const [, option] = /^Unknown option '(.+?)'/.exec(message) ?? [];
  return option ? `There is no option ${option}.` : `${message}.`;
}

function isParseArgsError(error: Error): boolean {
  return 'code' in error && /^ERR_PARSE_ARGS/.test(String(error.code));
}
