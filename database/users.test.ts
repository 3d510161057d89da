import bcrypt from 'bcryptjs';
import { describe, expect, test, vi } from 'vitest';
import { temporaryDatabase } from '#tests/temporary.ts';
import { ada } from '#tools/browser.ts';
import { Users } from './users.ts';

describe('a user', () => {
  test('is stored with a bcrypt hash of cost 10, and without the password', async () => {
    const users = await emptyUsers({});
    await users.add(ada);
    const user = await users.find('ada');
    expect(Object.keys(user ?? {})).toEqual(['id', 'username', 'password_hash']);
    expect(user?.password_hash).toMatch(/^\$2b\$10\$.{53}$/);
  });

  test('is found by name and by id, and by no other id', async () => {
    const users = await emptyUsers();
    const added = await users.add(ada);
    expect(await users.find('ada')).toEqual(added);
    expect(await users.findById(added?.id)).toEqual(added);
    expect(await users.findById(99)).toBeUndefined();
    expect(await users.findById(undefined)).toBeUndefined();
  });

  test('has a unique name, in which upper and lower case differ', async () => {
    const users = await emptyUsers();
    await users.add(ada);
    expect(
      await users.add({ ...ada, password: 'another one' }),
      'the name is taken',
    ).toBeUndefined();
    const why = 'names are found whatever their case';
    expect(await users.verify({ ...ada, username: 'ADA' }), why).toBeUndefined();
    expect(await users.find('Ada'), why).toBeUndefined();
    expect(await users.add({ ...ada, username: 'Ada' }), why).toMatchObject({ username: 'Ada' });
    await users.add({ ...ada, username: 'zoe' });
    expect(await users.names()).toEqual(['Ada', 'ada', 'zoe']);
  });
});

describe('a password', () => {
  test('is right or wrong', async () => {
    const users = await emptyUsers();
    await users.add(ada);
    expect(await users.verify(ada)).toMatchObject({ username: 'ada' });
    const wrong = await users.verify({ ...ada, password: 'wrong horse' });
    expect(wrong).toBeUndefined();
  });

  test('for an unknown name is compared at the same cost as for a known one', async () => {
    const users = await emptyUsers();
    const user = await users.add(ada);
    const compare = vi.spyOn(bcrypt, 'compare');
    await users.verify({ ...ada, username: 'nobody' });
    const [[, dummy = ''] = []] = compare.mock.calls;
    const why = 'the time of the answer tells strangers which names exist';
    // bcrypt.compare returns at once unless the hash is well-formed.
    expect(dummy, `no comparison: ${why}`).toMatch(/^\$2b\$\d\d\$[./A-Za-z0-9]{53}$/);
    expect(bcrypt.getRounds(dummy), `a comparison of another cost: ${why}`).toBe(
      bcrypt.getRounds(user?.password_hash ?? ''),
    );
  });
});

/** The users of an empty database. Hashing is cheap. */
async function emptyUsers(options: { bcryptCost?: number } = { bcryptCost: 4 }) {
  return new Users(await temporaryDatabase(), options);
}
