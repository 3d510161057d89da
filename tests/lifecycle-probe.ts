// Preloaded into a server: prints, among the server's own lines, that it closes its database.
import createKnex from 'knex';

const { destroy } = createKnex.Client.prototype;
createKnex.Client.prototype.destroy = function (callback) {
  console.log('probe: closes the database');
  return destroy.call(this, callback);
};
