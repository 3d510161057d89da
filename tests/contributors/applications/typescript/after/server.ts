import express from 'express';
import session from 'express-session';
import createKnex from 'knex';
import {
  answerUnavailable,
  createSessions,
  keepNewerCookie,
  openStore,
  setUp,
} from './sessions/index.ts';

declare module 'express-session' {
  interface SessionData {
    userId: number;
  }
}

const knex = createKnex({
  client: 'sqlite3',
  connection: { filename: process.env.SQLITE_FILE ?? '' },
  useNullAsDefault: true,
  compileSqlOnError: false, // errors do not show session ids
  pool: { afterCreate: setUp },
});
await createSessions.up(knex);
const store = await openStore({ knex });

const secret = process.env.SESSION_SECRET ?? '';
const app = express();
app.use(express.json());
app.use(keepNewerCookie('connect.sid'));
app.use(session({ store, secret, resave: false, saveUninitialized: false }));

app.post('/login', (req, res, next) => {
  if (req.body.password !== 'correct horse') return res.sendStatus(401);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.userId = 1;
    req.session.save((error) => (error ? next(error) : res.sendStatus(204)));
  });
});

app.get('/me', (req, res) => {
  res.sendStatus(req.session.userId ? 200 : 401);
});

app.use(answerUnavailable);
app.listen(process.env.PORT);
