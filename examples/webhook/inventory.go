package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/staticip"
)

// inventory is what a plan is made of, gathered from the objects of files or of a cluster.
type inventory struct {
	kinds     setKinds
	namespace string // of objects that name none
	workloads []staticip.Workload
	listed    map[setName]int // positions in workloads
	doubts    []string        // about objects that are planned for all the same
	options   staticip.Options
	network   staticip.Network
	pods      occupants
	seen      map[string]bool // IPPools come in two API groups
}

func newInventory(a *addresses, namespace string) *inventory {
	return &inventory{kinds: a.kinds, namespace: namespace, options: a.options, network: a.network, listed: map[setName]int{}, seen: map[string]bool{}}
}

// plan judges everything that was added.
func (inv *inventory) plan(opts staticip.Options) staticip.Report {
	n := inv.network
	n.InUse = inv.pods.inUse()
	return staticip.Plan(inv.workloads, n, opts)
}

// add takes from an object what a plan needs to know; kinds that have nothing to do with addresses are passed over.
func (inv *inventory) add(o object) error {
	gk := o.GroupVersionKind().GroupKind()
	if inv.kinds.has(gk) {
		return inv.addSet(o, gk)
	}
	reader := map[schema.GroupKind]func(*inventory, object) error{
		{Kind: "Pod"}:     (*inventory).addPod,
		{Kind: "Node"}:    (*inventory).addNode,
		{Kind: "Service"}: (*inventory).addService,
		{Group: "networking.k8s.io", Kind: "ServiceCIDR"}:       (*inventory).addServiceCIDR,
		{Group: "crd.projectcalico.org", Kind: "IPPool"}:        (*inventory).addIPPool,
		{Group: "projectcalico.org", Kind: "IPPool"}:            (*inventory).addIPPool,
		{Group: "crd.projectcalico.org", Kind: "IPAMConfig"}:    (*inventory).addIPAMConfig,
		{Group: "projectcalico.org", Kind: "IPAMConfiguration"}: (*inventory).addIPAMConfig,
		{Group: "kubeovn.io", Kind: "Subnet"}:                   (*inventory).addSubnet,
	}[gk]
	if reader == nil {
		return nil
	}
	if err := reader(inv, o); err != nil {
		return fmt.Errorf("%s: %w", o.String(), err)
	}
	return nil
}

func (inv *inventory) addSet(o object, gk schema.GroupKind) error {
	view, err := viewFrom(o.raw)
	if err != nil {
		return fmt.Errorf("%s: %w", o.String(), err)
	}
	w := view.Workload
	w.Namespace = orDefault(w.Namespace, inv.namespace)
	if gk != inv.kinds[0].GroupKind() {
		w.Kind = gk.Kind + "." + gk.Group
	}
	name := setName{gk.Group, gk.Kind, w.Namespace, w.Name}
	if i, ok := inv.listed[name]; ok {
		return sameSet(&inv.workloads[i], w)
	}
	if view.doubt != nil {
		inv.doubts = append(inv.doubts, fmt.Sprintf("%s: %v", w, view.doubt))
	}
	inv.listed[name] = len(inv.workloads)
	inv.workloads = append(inv.workloads, w)
	return nil
}

// sameSet refuses two objects of one name that say different things: they would conflict with each other in the plan.
// A manifest and its object in a cluster, which has a UID, are the same.
func sameSet(listed *staticip.Workload, again staticip.Workload) error {
	listed.UID, again.UID = orDefault(listed.UID, again.UID), orDefault(again.UID, listed.UID)
	if !reflect.DeepEqual(*listed, again) {
		return fmt.Errorf("%s is listed twice, and not the same; only the first is planned for", again)
	}
	return nil
}

func (inv *inventory) addPod(o object) error {
	var pod corev1.Pod
	if err := json.Unmarshal(o.raw, &pod); err != nil {
		return err
	}
	inv.pods.add(orDefault(pod.Namespace, inv.namespace), &pod, inv.options)
	return nil
}

func (inv *inventory) addNode(o object) error {
	var node corev1.Node
	if err := json.Unmarshal(o.raw, &node); err != nil {
		return err
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
			inv.reserve("node "+node.Name, a.Address)
		}
	}
	return nil
}

func (inv *inventory) addService(o object) error {
	var service corev1.Service
	if err := json.Unmarshal(o.raw, &service); err != nil {
		return err
	}
	for _, ip := range append(slices.Clone(service.Spec.ClusterIPs), service.Spec.ClusterIP) {
		inv.reserve("Service "+orDefault(service.Namespace, inv.namespace)+"/"+service.Name, ip)
	}
	return nil
}

func (inv *inventory) addServiceCIDR(o object) error {
	var c networkingv1.ServiceCIDR
	if err := json.Unmarshal(o.raw, &c); err != nil {
		return err
	}
	for _, block := range c.Spec.CIDRs {
		inv.reserve("ServiceCIDR "+c.Name, block)
	}
	return nil
}

// reserve passes over what is no address: "None", and names.
func (inv *inventory) reserve(name, text string) {
	if p, err := parseCIDR(text); err == nil {
		inv.network.Reserved = append(inv.network.Reserved, staticip.Block{Name: name, Prefix: p})
	}
}

// addIPPool takes a block of Calico's.
func (inv *inventory) addIPPool(o object) error {
	var pool struct {
		Spec struct {
			CIDR           string   `json:"cidr"`
			Disabled       bool     `json:"disabled"`
			AllowedUses    []string `json:"allowedUses"`
			AssignmentMode string   `json:"assignmentMode"`
		}
	}
	if err := json.Unmarshal(o.raw, &pool); err != nil {
		return err
	}
	s := pool.Spec
	return inv.addBlock("IPPool "+o.Name, s.CIDR, staticip.Block{
		Disabled: s.Disabled || o.DeletionTimestamp != nil || len(s.AllowedUses) > 0 && !slices.Contains(s.AllowedUses, "Workload"),
		Manual:   s.AssignmentMode == "Manual",
	})
}

func (inv *inventory) addIPAMConfig(o object) error {
	var config struct {
		Spec struct {
			StrictAffinity bool `json:"strictAffinity"`
		}
	}
	err := json.Unmarshal(o.raw, &config)
	inv.network.StrictAffinity = inv.network.StrictAffinity || config.Spec.StrictAffinity
	return err
}

// addSubnet takes the blocks of a Subnet of Kube-OVN's, and its gateways. Its excludeIps are what others may not have,
// and so where fixed addresses belong.
func (inv *inventory) addSubnet(o object) error {
	var subnet struct {
		Spec struct {
			CIDRBlock string `json:"cidrBlock"`
			Gateway   string `json:"gateway"`
		}
	}
	if err := json.Unmarshal(o.raw, &subnet); err != nil {
		return err
	}
	for block := range strings.SplitSeq(subnet.Spec.CIDRBlock, ",") {
		if err := inv.addBlock("Subnet "+o.Name, block, staticip.Block{}); err != nil {
			return err
		}
	}
	for gateway := range strings.SplitSeq(subnet.Spec.Gateway, ",") {
		inv.reserve("gateway of Subnet "+o.Name, gateway)
	}
	return nil
}

func (inv *inventory) addBlock(name, text string, b staticip.Block) error {
	p, err := parseCIDR(text)
	if err != nil {
		return err
	}
	if key := name + " " + text; !inv.seen[key] {
		inv.seen[key] = true
		b.Name, b.Prefix = name, p
		inv.network.Blocks = append(inv.network.Blocks, b)
	}
	return nil
}
