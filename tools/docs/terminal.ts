import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import getPort, { portNumbers } from 'get-port';
import { Shell } from '../processes.ts';
import { sortTestFiles } from './select.ts';

// In milliseconds. Some commands run many tests; a look ends sooner if a server prints what the text shows.
const [COMMAND_TIMEOUT, SERVER_TIMEOUT, LOOK_TIMEOUT] = [600_000, 120_000, 60_000];
const LISTENS = /\bhttp:\S+.*\n/;

/** The reader's terminals: servers run in some, commands in another. */
export class Terminals {
  readonly #folder: string;
  /** The servers and the real ports, by the ports of the text. */
  readonly #servers = new Map<string, Shell>();
  readonly #ports = new Map<string, string>();
  #last: Shell | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Types a command. @returns what it printed; a server, until it listens. @throws if it does not end */
  async type(command: string): Promise<string[]> {
    // What npm runs: npm itself takes half a second to start, and repeats the command.
    const [, assigned = '', name = '', words = ''] =
      /^((?:\w+=\S* )*)npm (?:run )?([\w:-]+)(.*)$/.exec(command) ?? [];
    const { scripts } = JSON.parse(readFileSync(join(this.#folder, 'package.json'), 'utf8'));
    const script: string | undefined = scripts[name];
    const pairs = [...assigned.matchAll(/(\w+)=(\S*)/g)].map((pair) => pair.slice(1));
    const variables = script ? Object.fromEntries(pairs) : {};
    const typed = script ? `${script}${words.replace(/ --(?= |$)/, '')}` : command;
    if (script && /^(start|step)$/.test(name)) return this.#serve(typed, variables);
    // curl shows its progress when its output is no terminal.
    const quiet = this.#translate(typed.replace(/^curl /, 'curl -sS '), 'real');
    const terminal = this.#open(quiet, variables);
    await terminal.printed(() => false, COMMAND_TIMEOUT);
    if (terminal.hasEnded) return sortTestFiles(this.#toLines(terminal.read()));
    await terminal.endAll('SIGKILL');
    throw new Error('This command did not end.');
  }

  async #serve(typed: string, variables: NodeJS.ProcessEnv): Promise<string[]> {
    const { PORT: port = '3000' } = variables;
    const hasEnded = (await this.#servers.get(port)?.endAll('SIGINT')) ?? true;
    if (!hasEnded) throw new Error('The server before this one did not stop on Ctrl-C.');
    // Below the ports that systems hand out themselves, so it stays free while a server restarts.
    const range = portNumbers(15_000 + Math.floor(Math.random() * 10_000), 32_000);
    const PORT = this.#ports.get(port) ?? String(await getPort({ port: range }));
    this.#ports.set(port, PORT);
    const server = this.#open(typed, { ...variables, PORT });
    this.#servers.set(port, server);
    this.#last = server;
    const listens = await server.printed(() => LISTENS.test(server.unread), SERVER_TIMEOUT);
    if (!listens && !server.hasEnded) throw new Error('This server did not start to listen.');
    return this.#toLines(server.read());
  }

  /** @returns what the most recently started server has printed since the last look. */
  async look(isEnough: (lines: string[]) => boolean): Promise<string[]> {
    const server = this.#last;
    await server?.printed(() => isEnough(this.#toLines(server.unread)), LOOK_TIMEOUT);
    return this.#toLines(server?.read() ?? '');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.endAll('SIGKILL')));
  }

  #open(command: string, variables: NodeJS.ProcessEnv): Shell {
    // Only what a reader's shell has, without the settings of this process.
    const { PATH = '', HOME = '', TMPDIR = tmpdir(), LANG = '', CHROMIUM = '' } = process.env;
    const path = [join(this.#folder, 'node_modules/.bin'), PATH].join(delimiter);
    const env = { PATH: path, HOME, TMPDIR, LANG, CHROMIUM, NO_COLOR: '1', ...variables };
    return new Shell(command, { cwd: this.#folder, env, extendEnv: false });
  }

  #toLines(printed: string): string[] {
    const text = this.#translate(printed.replaceAll('\r', '').replace(/^\n+|\s+$/g, ''), 'shown');
    // vitest adds how long some tests took.
    const trim = (line: string) => line.replace(/(?<=^\s*[✓×❯↓] .*)\s+\d+ms$/, '').trimEnd();
    return text === '' ? [] : text.split('\n').map(trim);
  }

  #translate(text: string, to: 'real' | 'shown'): string {
    const swap = (line: string, [shown, real]: [string, string]) =>
      line.replaceAll(`.1:${to === 'real' ? shown : real}`, `.1:${to === 'real' ? real : shown}`);
    return [...this.#ports].reduce(swap, text);
  }
}
