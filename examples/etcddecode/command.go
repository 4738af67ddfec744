package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit codes. They are part of the interface: a script tells a dump with gaps from one that is whole.
const (
	exitOK      = 0
	exitFailed  = 1 // nothing was done, or what was asked for is not there
	exitPartial = 2 // some records could not be decoded or read
)

// streams are what a command reads and writes, so that tests run it in process.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one sub-command, with its function in a file of its own.
type command struct {
	name, args, summary string
	run                 func(ctx context.Context, args []string, s streams) error
}

func commands() []command {
	return []command{
		{"decode", "", "decode one value, or the output of etcdctl get, from stdin (the default)", decodeStdin},
		{"get", "KEY | RESOURCE [NAME]", "print objects as YAML", get},
		{"list", "", "list keys", list},
		{"dump", "", "write all objects: a directory of YAML, or NDJSON", dump},
		{"grep", "REGEXP", "find text in objects", grep},
		{"stats", "", "count and add up by kind, namespace, format, encryption and lease", stats},
		{"history", "KEY", "show what happened to one key", history},
		{"undelete", "", "print manifests of what was deleted", undelete},
		{"diff", "A B", "compare the objects of two databases", diff},
		{"verify", "", "check a database, its checksum and every value", verify},
		{"carve", "", "print what pages that nothing refers to still hold", carve},
		{"wal", "DIR", "list the entries of a write-ahead log", wal},
		{"encode", "", "turn a manifest into the bytes that etcd has to hold", encode},
	}
}

// errPartial ends a command that did its work but for some records, which it has reported.
type errPartial int

func (n errPartial) Error() string {
	return fmt.Sprintf("%d records could not be decoded or read", int(n))
}

func (n errPartial) orNil() error {
	if n == 0 {
		return nil
	}
	return n
}

func run(ctx context.Context, args []string, s streams) int {
	name, rest := "decode", args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, rest = args[0], args[1:]
	}
	if name == "help" || len(args) == 1 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help") {
		_, err := io.WriteString(s.out, overview())
		return s.exitCode(err)
	}
	for _, c := range commands() {
		if c.name == name {
			return s.exitCode(c.run(ctx, rest, s))
		}
	}
	s.say("no command is named %q; -h lists them", name)
	return exitFailed
}

func (s streams) say(format string, args ...any) {
	_, _ = fmt.Fprintln(s.err, "etcddecode: "+visible(fmt.Sprintf(format, args...))) // there is nowhere else to say it
}

func (s streams) exitCode(err error) int {
	var partial errPartial
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &partial):
		s.say("%v", err)
		return exitPartial
	}
	s.say("%v", err)
	return exitFailed
}

// newFlags makes the flags of a command. Errors are returned; -h prints usage to the output.
func newFlags(name, usage string, s streams) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(s.err)
	fs.Usage = func() {
		_, _ = fmt.Fprintf(fs.Output(), "Usage: etcddecode %s\n\n%s\n\nFlags:\n", name, usage)
		fs.PrintDefaults()
	}
	return fs
}

func overview() string {
	var b strings.Builder
	b.WriteString("etcddecode reads what the Kubernetes API server stored in etcd, without an API server.\n\nUsage: etcddecode COMMAND [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-9s %-22s %s\n", c.name, c.args, c.summary)
	}
	b.WriteString(`
Where values come from: -f names a snapshot (plain, .gz, .zip), a member/snap/db file or a data directory, all of which are
only read, also while etcd runs; --endpoints reads a live etcd. Encrypted values need --encryption-config, the file that the
API server has. Secrets are shown as <redacted> unless --show-secrets is given.

An outage, step by step:
  the API server is down, one Secret is needed now
    etcdctl get /registry/secrets/shop/db -w json | etcddecode --encryption-config enc.yaml --show-secrets
  what is in last night's snapshot, and is it whole
    etcddecode verify -f snapshot.db.gz
    etcddecode stats -f snapshot.db.gz
  all of it as files
    etcddecode dump -f snapshot.db.gz -d out/
  someone deleted a namespace ten minutes ago
    etcddecode undelete -f /var/lib/etcd -n shop --show-secrets > shop.yaml
  the deletion has been compacted away
    etcddecode carve -f /var/lib/etcd -n shop --resource configmaps
  when did this Deployment change, and what
    etcddecode history -f /var/lib/etcd --diff /registry/deployments/shop/web
  etcd does not start any more
    etcddecode dump -f broken.db --previous -o ndjson > all.json
  what changed between two snapshots
    etcddecode diff monday.db tuesday.db -n shop
  an object that no API server can read, put back by hand
    etcddecode encode -f fixed.yaml --key /registry/pods/shop/web-0 > value
    etcdctl put /registry/pods/shop/web-0 < value

Exit codes: 0 all is well, 1 failed, 2 some records could not be decoded. Each command explains itself with -h.
`)
	return b.String()
}
