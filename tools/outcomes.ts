/** What an outcome is, and how the lab tells it: `{steps}` stands for the steps that have it. */
interface Outcome {
  text: string;
  /** `bad` is what a later step improves on; `neutral` is what does not apply. */
  value: 'good' | 'bad' | 'neutral';
  news: string;
}

/** Something that happens to a login: a column of the table, and a button of the lab. */
export interface Column {
  title: string;
  button: string;
  /** What the lab says while it tries this, and before it tells the outcomes. */
  running?: string;
  done?: string;
  /** By the keys that a step's `step.json` holds. */
  outcomes: Record<string, Outcome>;
}

const good = (text: string, news: string): Outcome => ({ text, value: 'good', news });
const bad = (text: string, news: string): Outcome => ({ text, value: 'bad', news });
const neutral = (text: string, news: string): Outcome => ({ text, value: 'neutral', news });

const login = {
  lost: bad('lost', 'You are logged out of {steps}.'),
  kept: good('kept', 'You are still logged in to {steps}.'),
};

/** The columns of the table in their order, by the keys that a step's `step.json` holds. */
export const columns: Record<string, Column> = {
  userData: {
    title: 'user data stored',
    button: 'Log in everywhere',
    outcomes: {
      'id-name-hash': bad(
        'id, name, hash',
        "In {steps}, the session holds the user's id, name and hash.",
      ),
      id: good('id', "In {steps}, the session holds the user's id."),
    },
  },
  restart: {
    title: 'after a restart',
    button: 'Restart everything',
    running: 'Stopping every server …',
    outcomes: login,
  },
  crash: {
    title: 'after SIGKILL',
    button: 'Crash everything',
    running: 'Killing every server …',
    outcomes: login,
  },
  logout: {
    title: 'logout during a request',
    button: 'Log out during a request',
    running: 'Uploading a file, and logging out before the upload is complete …',
    done: 'The lab logged in once more for this, so your own login stays.',
    outcomes: {
      undone: bad('comes back', 'In {steps}, the login came back when the upload ended.'),
      final: good('stays out', 'In {steps}, the logout was final.'),
    },
  },
  reads: {
    title: 'writes per 100 reads',
    button: 'Read 100 times',
    running: 'Reading 100 times …',
    outcomes: {
      0: good('0', 'In {steps}, 100 reads caused no writes.'),
      100: bad('100', 'In {steps}, 100 reads caused 100 writes.'),
    },
  },
  day: {
    title: 'expired sessions',
    button: 'Let a day pass',
    running: 'A day passes …',
    done: 'A day has passed, and every session has expired. (Only the clocks of the steps moved, so dates there may be a day ahead.)',
    outcomes: {
      left: bad('left in the store', 'In {steps}, they are left in the store.'),
      deleted: good('deleted', 'In {steps}, they are deleted.'),
    },
  },
  theft: {
    title: 'a stolen table',
    button: 'Steal the table',
    running: 'A thief takes the sessions table and the secret, and makes cookies …',
    done: 'A thief copied every sessions table, and made cookies from it.',
    outcomes: {
      none: neutral('no table', 'In {steps}, there is no table.'),
      opens: bad('opens sessions', 'In {steps}, the cookies open the sessions.'),
      worthless: good('worthless', 'In {steps}, no cookie works.'),
    },
  },
  laptop: {
    title: 'a stolen laptop',
    button: 'Log out a stolen laptop',
    running: 'Logging in elsewhere, and ending that session from here …',
    done: 'The lab logged in twice, and asked to end the other session.',
    outcomes: {
      in: bad('stays logged in', 'In {steps}, the thief is still logged in.'),
      out: good('logged out', 'In {steps}, the thief is logged out.'),
    },
  },
  elsewhere: {
    title: 'a request from another site',
    button: 'Ask from another site',
    running: 'A page on another site tries to log the user out …',
    done: 'A page on another site asked to log out a second session, which the lab had started.',
    outcomes: {
      obeyed: bad('obeyed', 'In {steps}, the server obeyed.'),
      refused: good('refused', 'In {steps}, it refused.'),
    },
  },
  second: {
    title: 'a second machine',
    button: 'Ask a second machine',
    running: 'A second server starts, on a machine with a disk of its own …',
    done: 'A second server, on a machine with a disk of its own, got your cookie.',
    outcomes: {
      unknown: bad('unknown', 'In {steps}, it knows nobody.'),
      known: good('known', 'In {steps}, it knows you.'),
    },
  },
  failure: {
    title: 'failing database',
    button: 'Break the database',
    running: 'Breaking every database …',
    outcomes: {
      none: neutral('not affected', 'The failure did not affect {steps}.'),
      dies: bad('the process dies', 'In {steps}, the process died, and the lab started it again.'),
      503: neutral('503', 'In {steps}, requests still get a 503.'),
      survives: good(
        '503, and back',
        'In {steps}, requests got a 503 until the database was back.',
      ),
    },
  },
};

/** @returns the outcome with that key, or one that is called like the key if the table has none. */
export function outcomeOf(column: string, key: string): Outcome {
  return columns[column]?.outcomes[key] ?? bad(key, `In {steps}, ${column}: ${key}.`);
}

/** @returns the texts of a step's outcomes, in the order of the columns. */
export function textsOf(outcomes: Record<string, string>): string[] {
  return Object.keys(columns).map((column) => outcomeOf(column, outcomes[column] ?? '').text);
}
