// Package httpsig signs HTTP requests with a shared key and verifies them: the profile ipwhitelist-v1 of HTTP Message
// Signatures (RFC 9421), with nothing to choose.
//
// The algorithm is hmac-sha256. A signature covers @method, @authority, @path and @query; content-digest (RFC 9530,
// sha-256) if there is a body; content-type, content-encoding, authorization, idempotency-key and
// x-http-method-override if the request has them. Its parameters are created, expires, nonce, keyid and tag. Anything
// else (unknown components, parameters of components, other algorithms, missing parameters) is refused.
//
// A caller signs with a transport:
//
//	key, err := httpsig.ParseKey(text) // "ipw1.billing.2026-11.1.…"
//	signing, err := httpsig.NewTransport(httpsig.TransportOptions{
//		Key:   func() (*httpsig.Key, error) { return key, nil },
//		Hosts: []string{"orders.svc.example.com"},
//	})
//	client := &http.Client{Transport: signing}
//
// or, with another client, adds what [Sign] returns. Servers use package ipwhitelist; [Verify] is what it and others
// build on.
//
// # Laws
//
//   - A signature verifies only for the method, authority, path, query, covered fields and digest that were signed, byte
//     for byte as on the wire but for the case of the host and the ports 80 and 443.
//   - What Parse accepts has one meaning: other parsers of structured fields read the same.
//   - Nothing of the body is read, and at most 8 KiB of signature headers and 32 KiB of the request are looked at, before
//     the MAC is known to be right.
//   - Sign changes neither the request nor its header. No input panics.
//
// # Limits
//
// 4 signatures in a request, 16 components, 64 bytes of key id, 16 to 64 of nonce. A signed field must stand on one line
// and be ASCII. The scheme and the fragment are not covered; nor are trailers, so requests with trailers are refused.
// The key is shared: a server that is broken into can sign as its callers. Give each pair of caller and provider a key
// of its own.
package httpsig
