import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import session from 'express-session';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
await pool.query('create table if not exists users (id serial primary key, name text unique)');

const PgStore = connectPgSimple(session);
const store = new PgStore({ pool, createTableIfMissing: true });

const secret = process.env.SESSION_SECRET;
const app = express();
app.use(express.json());
app.use(session({ store, secret, resave: false, saveUninitialized: false }));

app.post('/login', async (req, res, next) => {
  if (req.body.password !== 'correct horse') return res.sendStatus(401);
  const insert = `insert into users (name) values ($1)
    on conflict (name) do update set name = excluded.name returning id`;
  const { rows } = await pool.query(insert, [req.body.username]);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.userId = rows[0].id;
    req.session.save((error) => (error ? next(error) : res.sendStatus(204)));
  });
});

app.get('/me', (req, res) => res.sendStatus(req.session.userId ? 200 : 401));

app.listen(process.env.PORT);
