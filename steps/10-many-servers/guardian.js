// Runs PostgreSQL in a process that belongs to no server, for as long as one uses it: node guardian.js FILE PORT COMMAND…
// Each server keeps a connection to this process. However the server ends, the system closes the connection.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

const [file = '', port = '', ...command] = process.argv.slice(2);

// Stops PostgreSQL when the input ends, which it also does if this process is killed.
const guard = `
  exec 3<&0
  "$@" 3<&- & postgres=$!
  (cat <&3 >/dev/null; kill -INT $postgres) & wait $postgres`;

const postgres = spawn('sh', ['-c', guard, 'sh', ...command], {
  stdio: ['pipe', 'ignore', 'pipe'],
});
let log = '';
let isReady = false;
postgres.on('error', (error) => fail(error.message)); // there is no sh
postgres.on('close', () => (isReady ? process.exit() : fail(log)));
postgres.stdin.on('error', () => {}); // it has ended by itself
postgres.stderr.setEncoding('utf8').on('data', (text) => {
  if (isReady) return;
  log += text;
  isReady = log.includes('ready to accept connections');
  if (isReady) server.listen(0, '127.0.0.1', announce);
});

const users = new Set();
// With half-open connections, the last server that closes its end sees the other end close when PostgreSQL has stopped.
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.write(port);
  addUser(socket);
});
addUser(process.stdin); // from the server that started this process, until it is connected

/** @param {import('node:net').Socket | NodeJS.ReadStream} stream */
function addUser(stream) {
  users.add(stream);
  const leave = () => {
    users.delete(stream);
    if (users.size > 0) stream.destroy();
    else {
      server.close();
      postgres.stdin.end();
    }
  };
  stream
    .on('error', () => {})
    .on('end', leave)
    .on('close', leave);
  stream.resume();
}

function announce() {
  const address = server.address();
  writeFileSync(file, String(typeof address === 'object' && address?.port));
  console.log('ready');
}

/** @param {string} reason */
function fail(reason) {
  console.error(reason);
  process.exit(1);
}
