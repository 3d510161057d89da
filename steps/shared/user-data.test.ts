import { expect, test } from 'vitest';
import { findUserData } from './user-data.ts';

const hash = `$2b$10$${'x'.repeat(53)}`;

test.each([
  ['the id of a user', { user: { id: 7 } }, [{ what: 'user id', path: ['user', 'id'] }]],
  ['a user id', { userId: 7 }, [{ what: 'user id', path: ['userId'] }]],
  ['a user_id', { user_id: 7 }, [{ what: 'user id', path: ['user_id'] }]],
  ['a name', { name: 'ada' }, [{ what: 'user name', path: ['name'] }]],
  ['a username', { username: 'ada' }, [{ what: 'user name', path: ['username'] }]],
  ['a hash by its format', { x: { y: hash } }, [{ what: 'password hash', path: ['x', 'y'] }]],
])('finds %s', (_what, payload, found) => {
  expect(findUserData(payload)).toEqual(found);
});

test.each([
  ['no session', undefined],
  ['the cookie', { cookie: { path: '/', expires: '2026-11-24T12:00:00.000Z', sameSite: 'lax' } }],
  ['the id of something else', { basket: { id: 7 } }],
  ['text that only begins like a hash', { text: '$2b$10$short' }],
  ['null', { basket: null }],
])('finds nothing in %s', (_what, payload) => {
  expect(findUserData(payload)).toEqual([]);
});
