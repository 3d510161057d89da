import express from 'express';
import session from 'express-session';
import passport from 'passport';
import { Strategy } from 'passport-local';

const users = [{ id: 7, username: 'ada', password: 'correct horse' }];

passport.use(
  new Strategy((username, password, done) => {
    const user = users.find((user) => user.username === username && user.password === password);
    done(null, user ?? false);
  }),
);
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const secret = process.env.SESSION_SECRET;
const app = express();
app.use(express.json());
app.use(session({ secret, resave: false, saveUninitialized: false }));
app.use(passport.session());

app.post('/login', passport.authenticate('local'), (_req, res) => res.sendStatus(204));

app.post('/logout', (req, res, next) => {
  req.logout((error) => (error ? next(error) : res.sendStatus(204)));
});

app.get('/me', (req, res) => res.sendStatus(req.user ? 200 : 401));

app.listen(process.env.PORT);
