// Package ipwhitelist proves package ipwhitelist and examples/signedapi against the real thing: nginx in front of the
// provider, Redis behind several of them, a signer that is not ours with a clock that is wrong, and wrk.
package ipwhitelist
