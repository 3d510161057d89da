// Preloaded into a child process: it must not survive a parent that was killed by SIGKILL. The IPC channel
// between the two closes when the parent ends, however it ends.
const end = () => process.exit(1);
process.once('disconnect', end);
process.channel?.unref(); // the channel alone must not keep the process running
if (!process.connected) end(); // the parent ended before this line ran
