import express from 'express';
import session from 'express-session';
import createKnex from 'knex';
import passport from 'passport';
import { Strategy } from 'passport-local';
import {
  answerUnavailable,
  createSessions,
  keepNewerCookie,
  openStore,
  setUp,
} from './sessions/index.js';

const knex = createKnex({
  client: 'sqlite3',
  connection: { filename: process.env.SQLITE_FILE },
  useNullAsDefault: true,
  compileSqlOnError: false, // errors do not show session ids
  pool: { afterCreate: setUp },
});
await createSessions.up(knex);
const store = await openStore({ knex });

const users = [{ id: 7, username: 'ada', password: 'correct horse' }];

passport.use(
  new Strategy((username, password, done) => {
    const user = users.find((user) => user.username === username && user.password === password);
    done(null, user ?? false);
  }),
);
passport.serializeUser((user, done) => done(null, user.id));
passport.deserializeUser((id, done) => {
  done(null, users.find((user) => user.id === id) ?? false);
});

const secret = process.env.SESSION_SECRET;
const app = express();
app.use(express.json());
app.use(keepNewerCookie('connect.sid'));
app.use(session({ store, secret, resave: false, saveUninitialized: false }));
app.use(passport.session());

app.post('/login', passport.authenticate('local'), (_req, res) => res.sendStatus(204));

app.post('/logout', (req, res, next) => {
  req.session.destroy((error) => {
    if (error) return next(error);
    res.clearCookie('connect.sid').sendStatus(204);
  });
});

app.get('/me', (req, res) => res.sendStatus(req.user ? 200 : 401));

app.use(answerUnavailable);
app.listen(process.env.PORT);
