// Runs before every command. It is written in old JavaScript on purpose: a Node that is too old for the
// tutorial must be able to read this file, or it would print a syntax error.
var needed = require('../package.json').engines.node.replace('>=', '');

/** @type {(version: string) => number} */
function rank(version) {
  var parts = version.split('.');
  return Number(parts[0]) * 1000 + Number(parts[1]);
}

if (rank(process.versions.node) < rank(needed)) {
  console.error(
    'This tutorial needs Node ' +
      needed +
      ' or newer, and this is Node ' +
      process.versions.node +
      '. Install a newer one from https://nodejs.org, then run npm ci again.',
  );
  process.exit(1);
}
