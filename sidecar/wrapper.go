package sidecar

// wrapper is the first process of the log shipper's container, a program for any POSIX shell. Its arguments are the
// seconds to drain, and the shipper with its own arguments.
//
// Filebeat stops reading when it gets SIGTERM; what the application wrote last would be lost. So the wrapper lets it
// read on for a while. And it starts it again after a crash, during the drain too: the registry says how far it had
// read, and a container that ends makes the whole Pod unready, which a log shipper must not do
// (kubernetes/kubernetes#142145).
//
// One loop waits for the shipper. SIGTERM starts a timer beside it, which ends the loop with SIGUSR1: a POSIX shell can't
// wait for whichever of two processes ends first. The signal may come before the shipper's number is known, so the loop
// looks again behind the start. And the timer repeats it until the loop is gone: a shell sleeps on if a signal comes between
// the start of its wait and the system call of that name. The timer is started by a subshell, because the trap may run
// between a "&" of the loop and the "$!" behind it.
//
// The kubelet expands $(NAME) and $$ in commands, so neither is in here.
const wrapper = `drain=$1
shift
child= over=
drain() {
  trap : TERM INT
  ( { sleep "$drain"; while kill -USR1 "${$}" 2>/dev/null; do sleep 2; done; } & )
}
end() {
  over=1
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap drain TERM INT
trap end USR1
while [ -z "$over" ]; do
  "$@" &
  child=$!
  [ -z "$over" ] || end
  while kill -0 "$child" 2>/dev/null; do wait "$child"; done
  child=
  [ -z "$over" ] || break
  sleep 1 &
  wait $!
done
exit 0
`
