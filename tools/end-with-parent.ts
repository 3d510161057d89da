// Loaded into a server process before the server: whoever started it may die without a word, killed by
// SIGKILL, and a server that nobody can stop any more must not stay. The channel between them tells.
const end = () => process.exit(1);
process.once('disconnect', end);
process.channel?.unref(); // waiting for that is no reason to go on
if (!process.connected) end(); // it happened before this line
