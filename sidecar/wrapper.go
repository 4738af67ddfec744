package sidecar

// wrapper is the first process of the log shipper's container, a program for any POSIX shell. Its arguments are the
// seconds to drain, and the shipper with its own arguments.
//
// Filebeat stops reading when it gets SIGTERM; what the application wrote last would be lost. So the wrapper lets it
// read on for a while, and starts it again if it is not there at that moment. And it starts it again after a crash: a
// container that ends makes the whole Pod unready, which a log shipper must not do (kubernetes/kubernetes#142145).
//
// A trap of ":" and not of "" guards the drain: the shipper, if started then, would inherit a signal that is ignored.
// The kubelet expands $(NAME) and $$ in commands, so neither is in here.
const wrapper = `drain=$1
shift
stop() {
  trap : TERM INT
  [ -n "$child" ] || start "$@"
  sleep "$drain" &
  timer=$!
  while kill -0 "$timer" 2>/dev/null; do wait "$timer"; done
  kill -TERM "$child" 2>/dev/null
  while kill -0 "$child" 2>/dev/null; do wait "$child"; done
  exit 0
}
start() {
  "$@" &
  child=$!
}
child=
trap 'stop "$@"' TERM INT
while :; do
  start "$@"
  wait "$child"
  child=
  sleep 1 &
  wait $!
done
`
