// Package clientip finds the address that a request comes from, behind proxies, and the rule that an address falls
// under.
//
//	resolver, err := clientip.NewResolver(clientip.Options{TrustedProxies: []string{"10.9.0.5"}})
//	addr, err := resolver.Resolve(r.RemoteAddr, r.Header["X-Forwarded-For"])
//
//	table, err := clientip.NewTable([]clientip.Entry[string]{{Prefix: prefix, Value: "egress-proxy-a"}})
//	rule, ok := table.Lookup(addr)
//
// # Laws
//
//   - Without a trusted peer no header has any effect.
//   - Nothing that a client writes to the left of what a trusted proxy has appended has any effect.
//   - What can't be read gives no address, never another one.
//   - An address and its IPv4-mapped form are the same; an address with a zone is in no table.
//   - Table agrees with a walk over all prefixes for the longest one.
//   - A lookup takes O(log n), and the walk over X-Forwarded-For at most MaxHops steps; neither allocates.
//
// # Limits
//
// Only X-Forwarded-For is read: not Forwarded (RFC 7239), X-Real-IP, or a header with underscores. Hops are bare
// addresses, without ports. Where a PROXY protocol is spoken, wrap the listener so that RemoteAddr is right, and accept
// it from the load balancer's addresses alone.
//
// An address says where a connection came from, not who sent the request: behind one egress proxy are many callers, and
// an address that is given up is given to somebody else.
package clientip
