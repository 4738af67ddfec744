// Package etcddecode reads what the Kubernetes API server stored in etcd, without an API server: it decrypts and decodes
// stored values, puts them out as JSON or YAML, compares them, and encodes manifests so that they can be put back.
//
//	d, err := etcddecode.NewDecoder(etcddecode.Options{Keyring: keyring})
//	...
//	o, err := d.Decode(ctx, etcddecode.Value{Key: key, Bytes: value, ModRevision: rev})
//	if err != nil {
//		return err // names the key, the provider that encrypted it, and what is wrong; never bytes of the value
//	}
//	yaml, err := o.AppendYAML(nil) // what kubectl get -o yaml prints
//
// Package etcddecode/etcddb finds the values: in a snapshot, a data directory or what is left of one.
//
// # Formats
//
// [Sniff] tells the formats apart. Built-in kinds are protobuf, decoded with tables made from the struct tags of the
// Kubernetes API types of all minor releases from 1.17 to 1.37: kinds and fields that are gone decode with the names they
// had. Custom resources are JSON, or CBOR as Kubernetes writes it. Kinds that no table has, those of aggregated API servers
// say, come out with typed metadata and numbers for the other fields ([Schemaless]).
//
// The package decodes the stored version. It converts nothing and sets no defaults, so an object looks other than through
// the API server where that reads another version than it stores.
//
// # Secrets
//
// Unless [Options].ShowSecrets is set, [RedactedText] stands for the values of Secrets, of OAuth and bootstrap tokens, of
// Helm releases in ConfigMaps, of the keys of Routes, for every string of any object that has a PEM private key in it, plain
// or as base64, and for the annotations of those objects that hold a copy of them. Keys of maps stay. What is redacted is
// not in any output, difference, finding or error. Other fields can be added with [Rule]; passwords in the environment of a
// Pod or in a ConfigMap are not found without one.
//
// # Laws
//
// Each is a test, on the golden objects of k8s.io/api and on generated ones:
//
//   - The YAML of a stored value is that of the golden file, byte for byte, for every kind and release there is.
//   - Nothing is dropped in silence: what the output lacks, and what a new API server would drop, is in
//     [Object.Findings], with its path.
//   - AppendYAML is what sigs.k8s.io/yaml makes of AppendJSON; AppendJSON is what encoding/json makes of Unstructured.
//   - Decode(Encode(x)) is x, or Encode refuses. Golden objects encode to the bytes they were decoded from.
//   - No input panics, hangs or takes more than 64 bytes of memory for each of its own, and 256 KiB.
//
// # Limits
//
// Values may be nested 1000 deep. Output of more than 256 MiB is an error. KMS plugins are reached through [KMS]; the
// package has no client for one. Manifests and configurations are JSON: YAML goes through sigs.k8s.io/yaml.YAMLToJSON,
// which this package does not make its importers compile.
//
// A Quantity is printed as it is stored, which is how the API server wrote it. In JSON and CBOR, as in the API server, an
// integer of more than 64 bits becomes a float64.
//
// Functions are pure, and safe for concurrent use. They do not modify their arguments, and what they return shares
// nothing with them.
package etcddecode
