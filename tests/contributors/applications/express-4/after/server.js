const express = require('express');
const session = require('express-session');
const createKnex = require('knex');
const {
  answerUnavailable,
  createSessions,
  keepNewerCookie,
  openStore,
  setUp,
} = require('./sessions/index.js');

const knex = createKnex({
  client: 'sqlite3',
  connection: { filename: process.env.SQLITE_FILE },
  useNullAsDefault: true,
  compileSqlOnError: false, // errors do not show session ids
  pool: { afterCreate: setUp },
});

const secret = process.env.SESSION_SECRET;
const app = express();
app.use(express.json());
const sessions = express.Router(); // main() fills it, because the store is not open yet
app.use(sessions);

app.post('/login', (req, res, next) => {
  if (req.body.password !== 'correct horse') return res.sendStatus(401);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.userId = 1;
    req.session.save((error) => (error ? next(error) : res.sendStatus(204)));
  });
});

app.get('/me', (req, res) => res.sendStatus(req.session.userId ? 200 : 401));

app.use(answerUnavailable);

async function main() {
  await createSessions.up(knex);
  const store = await openStore({ knex });
  sessions.use(keepNewerCookie('connect.sid'));
  sessions.use(session({ store, secret, resave: false, saveUninitialized: false }));
  const server = app.listen(process.env.PORT);
  process.on('SIGTERM', () =>
    server.close(async () => {
      await store.close();
      await knex.destroy(); // now nothing keeps the process running
    }),
  );
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
