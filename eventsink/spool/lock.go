package spool

// lockName is the file that says that a process has the directory. It stays; the lock on it goes with the process.
const lockName = "lock"
