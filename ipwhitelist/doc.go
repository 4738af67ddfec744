// Package ipwhitelist is access control that does not depend on addresses, and the way there from an IP whitelist, one
// caller at a time, without ever breaking one.
//
// In Kubernetes, Pods change their address, an egress proxy makes many callers look like one, and an address that is
// given up inherits trust. A [Guard] stands in front of a provider's handlers and admits requests by a signature
// ([github.com/kubewright/kubewright/ipwhitelist/httpsig]), by an API key, or by address, as the mode of each caller
// says:
//
//	config, err := ipwhitelist.LoadFile("/etc/orders/callers.json")
//	guard, err := ipwhitelist.New(config, ipwhitelist.Options{Realm: "orders"})
//	mux.Handle("/v1/", guard.Handler(orders))
//	mux.Handle("/v1/admin/", guard.Route(ipwhitelist.Route{Callers: []string{"backoffice"}}, admin))
//	go guard.Watch(ctx, 10*time.Second, func() (ipwhitelist.Config, error) { return ipwhitelist.LoadFile(path) }, logReload)
//
//	id, _ := ipwhitelist.FromContext(r.Context()) // in a handler: who called, and how it is known
//
// # Migration
//
// Phase 1: callers go through a proxy with a fixed address, which a [Rule] lists; mode ip. Callers may sign already:
// their signatures are checked and counted. Phase 2: mode either. Phase 3: mode report, in which each request that its
// address alone admitted is counted with its path and user agent, told of its end with Deprecation and Sunset, and refused
// if it is the canary; then mode signature, and the address leaves the list. [Guard.Report] is who still relies on which
// address, [Report.Readiness] whether the next step breaks anything: who replays what it has seen can't hold a step up, and
// an address that a rule gets is watched from then on. A step back is always possible, an [Override] is one
// for at most 24 hours.
//
// Back to mode ip is a step to what was before: there only the address counts again, so callers that sign from elsewhere
// are refused. The way out in need is mode either.
//
// # Behind a proxy
//
// A signature is for the Host and the request target as the caller sent them. A proxy in front of the guard must pass on
// both byte for byte; if it changes the Host, Options.Authority says what callers sign for. nginx does that with proxy_pass
// without a URI and "proxy_set_header Host $http_host". A httputil.ReverseProxy sends another Host unless Rewrite sets
// Out.Host to In.Host, encodes the path anew, and drops what it can't parse of a query, as "?a;b". Middleware in the same
// process that changes the URL, such as [http.StripPrefix], does not matter: the guard looks at RequestURI.
//
// If a signature does not match, Options.Observer is told ReasonMAC, and [httpsig.Explain] shows which part of the request
// differs from what the caller's side shows.
//
// # Laws
//
//   - A request that a signature admits is the one that was signed, and was not admitted before.
//   - Nothing is remembered, read or computed for a stranger beyond fixed bounds: no body is read and no nonce used up
//     before the MAC is right, and one MAC is computed whether the key is known or not.
//   - An unknown key, a disabled one, a wrong MAC and a wrong body get the same answer.
//   - A handler never sees the end of a body that is not the signed one.
//   - A whitelisted address proves an address: [Identity.Caller] is empty then. A bad signature from there is treated
//     like none, because it could have been left out.
//   - Whatever fails (the memory of nonces, a configuration, a header of a proxy) admits nobody that it should not.
//
// # Limits
//
// 10,000 callers and rules, 16 keys a caller, 100,000 prefixes; 1 MiB of body unless the route says otherwise. The
// nonces of [MemoryReplay] are a process's own: with several replicas, or to survive a restart, use [NewSharedReplay].
// HMAC keys are shared: whoever breaks into the provider can sign as its callers, at this provider.
//
// # When something else is better
//
// Where caller and provider run in clusters that trust each other's service accounts, and no proxy in between needs to be
// kept from replaying, bound service account tokens with an audience say who calls, without any key to hand out; they are
// bearer tokens, so whoever sees one can use it until it expires. Where nothing on the way ends TLS, mutual TLS (SPIFFE, a
// service mesh) proves both ends and needs no code. Signatures are for what remains: callers outside, proxies and load
// balancers that end TLS, and requests that must not be changed or repeated on their way.
package ipwhitelist
