const connectSessionKnex = require('connect-session-knex');
const express = require('express');
const session = require('express-session');
const createKnex = require('knex');

const knex = createKnex({
  client: 'sqlite3',
  connection: { filename: process.env.SQLITE_FILE },
  useNullAsDefault: true,
});

const KnexStore = connectSessionKnex(session);
const store = new KnexStore({ knex });

const secret = process.env.SESSION_SECRET;
const app = express();
app.use(express.json());
app.use(session({ store, secret, resave: false, saveUninitialized: false }));

app.post('/login', (req, res, next) => {
  if (req.body.password !== 'correct horse') return res.sendStatus(401);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.userId = 1;
    req.session.save((error) => (error ? next(error) : res.sendStatus(204)));
  });
});

app.get('/me', (req, res) => res.sendStatus(req.session.userId ? 200 : 401));

app.listen(process.env.PORT);
