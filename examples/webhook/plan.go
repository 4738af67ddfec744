package main

import (
	"context"
	"iter"

	"github.com/kubewright/kubewright/staticip"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const planHelp = `
Usage: webhook plan [flags] [FILE | DIRECTORY | -]...
       webhook plan -kubeconfig FILE [flags]

Shows which address each Pod of each StatefulSet has or will have, how far each set can grow, and what is wrong: an
address that two sets claim, that another Pod has, that is in no block of the CNI, or that is a node's or a Service's.
It reads the annotations that the section staticIP of the configuration is about, whether that is enabled or not.

Files hold what there is to know, as YAML, JSON or Lists: StatefulSets, Calico's IPPools and IPAMConfig, Kube-OVN's
Subnets, Pods (for the addresses in use), Nodes, Services and ServiceCIDRs. Other kinds are passed over. Of a cluster,
all of these are read, as far as it has them, and nothing is changed.

  webhook plan -f redis.yaml -rows                              one set, address by address
  kubectl get sts,pods,ippools -A -o json | webhook plan -f -   what runs already
  webhook plan -kubeconfig ~/.kube/config -o json               the same, for a program to read
  webhook plan -f deploy/ -reservations calico | kubectl apply -f -

Example: redis.yaml has the StatefulSet redis with three replicas in the namespace shop, with the annotation

  staticip.kubewright.io/pool: 10.0.0.10-10.0.0.15/24, fd00::a-fd00::f/64

  $ webhook plan -f redis.yaml -rows
  STATEFULSET  ORDINALS  FIRST  IPV4  IPV6  HEADROOM  POOL
  shop/redis   0-2       0      6     6     3         10.0.0.10-10.0.0.15/24,fd00::a-fd00::f/64

  POD           IPV4          IPV6
  shop/redis-0  10.0.0.10/24  fd00::a/64
  shop/redis-1  10.0.0.11/24  fd00::b/64
  shop/redis-2  10.0.0.12/24  fd00::c/64

  1 StatefulSet, 1 with a pool: 0 errors, 0 warnings

ORDINALS are those that have a Pod; FIRST is the one that owns the first address, IPV4 and IPV6 count addresses, and
HEADROOM is how many replicas can be added. While a Pod restarts, its address is free, and the CNI may give it to any
other: -reservations prints, instead of the table, what keeps it from that:

  calico                an IPReservation
  kube-ovn              the excludeIps of a Subnet
  spiderpool, cilium    a pool for each ordinal, which Pods need to start
  cidr                  blocks, one a line

Exit code: 0 if there is no error, 1 if there is, 2 if something can't be read, is listed twice in different words, or
would be more than 100000 rows or manifests.
`

// planLimit is how many rows or manifests are printed: how many there are, the replicas of any StatefulSet decide.
const planLimit = 100_000

// over reports whether there are more than that.
func over[T any](all iter.Seq[T]) bool {
	n := 0
	for range all {
		if n++; n > planLimit {
			return true
		}
	}
	return false
}

type planOptions struct {
	config, kubeconfig, context, namespace string

	output, reservations string
	rows                 bool
	files                []string
}

func plan(ctx context.Context, args []string, s streams) error {
	o, err := parsePlan(args, s)
	if err != nil {
		return err
	}
	c, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	a, err := c.StaticIP.addresses()
	if err != nil {
		return cli.Usage(err)
	}
	inv := newInventory(a, o.namespace)
	unread, err := o.gather(ctx, inv, s)
	if err != nil {
		return cli.Usage(err)
	}
	for _, doubt := range inv.doubts {
		s.Say("note: %s\n", doubt)
	}
	if err := o.print(inv, a.options, s); err != nil && !unread {
		return err
	}
	if unread {
		return cli.Usagef("some of the input can't be read, so the plan is not complete")
	}
	return nil
}

func parsePlan(args []string, s streams) (*planOptions, error) {
	o := &planOptions{}
	flags := newFlags("plan", s, planHelp)
	files := stringsFlag(flags, "f", "`file` or directory to plan for, - for standard input; may be repeated")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file` of the cluster to plan for")
	flags.StringVar(&o.context, "context", "", "`context` of the kubeconfig file, instead of its current one")
	flags.StringVar(&o.config, "config", "", "configuration `file`; its section staticIP is used")
	flags.StringVar(&o.namespace, "namespace", "default", "`namespace` of objects that name none")
	flags.StringVar(&o.output, "o", "text", "output: text or json")
	flags.BoolVar(&o.rows, "rows", false, "print the address of each ordinal too")
	flags.StringVar(&o.reservations, "reservations", "", "print reservations instead, for: calico, kube-ovn, spiderpool, cilium or cidr")
	names, err := flags.ParseFiles(args)
	if err != nil {
		return nil, err
	}
	o.files = append(*files, names...)
	switch {
	case o.kubeconfig == "" && len(o.files) == 0:
		return nil, cli.Usagef("nothing to plan for: give -f FILE, -f - for standard input, or -kubeconfig FILE")
	case o.kubeconfig != "" && len(o.files) > 0:
		return nil, cli.Usagef("-kubeconfig and files are two answers to one question: give one")
	case o.context != "" && o.kubeconfig == "":
		return nil, cli.Usagef("-context is one of a -kubeconfig, which is missing")
	case o.output != "text" && o.output != "json":
		return nil, cli.Usagef("-o %q: write text or json", o.output)
	}
	return o, o.checkReservations()
}

// gather fills the inventory. Documents that can't be read are named, and the others are planned for all the same.
func (o *planOptions) gather(ctx context.Context, inv *inventory, s streams) (unread bool, err error) {
	if o.kubeconfig != "" {
		restConfig, err := (&serveOptions{kubeconfig: o.kubeconfig, context: o.context}).restConfig()
		if err != nil {
			return false, err
		}
		client, err := newDynamic(restConfig)
		if err != nil {
			return false, err
		}
		return false, inv.addCluster(ctx, client, s.Say)
	}
	files, err := findFiles(o.files)
	if err != nil {
		return false, err
	}
	for object, err := range readFiles(files, s.In) {
		if err == nil {
			if err = inv.add(object); err == nil {
				continue
			}
			s.Say("webhook plan: %s: %v\n", object.source, err)
		} else {
			s.Say("webhook plan: %v\n", err)
		}
		unread = true
	}
	if len(inv.workloads) == 0 && !unread {
		return false, cli.Usagef("there is no StatefulSet in the input")
	}
	return unread, nil
}

func (o *planOptions) print(inv *inventory, opts staticip.Options, s streams) error {
	if o.reservations != "" {
		return o.printReservations(inv, opts, s)
	}
	found := inv.plan(opts)
	if o.rows && over(found.Rows()) {
		return cli.Usagef("-rows: there are more than %d Pods with an address; plan for fewer StatefulSets", planLimit)
	}
	r := newPlanReport(found, len(inv.workloads), o.rows)
	text, err := r.text(o.output)
	if err != nil {
		return err
	}
	if err := cli.Write(s.Out, text); err != nil {
		return err
	}
	return r.err()
}
