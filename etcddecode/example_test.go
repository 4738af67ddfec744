package etcddecode_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"

	"github.com/kubewright/kubewright/etcddecode"
)

// stored is a Secret as etcd holds it.
const stored = "azhzAAoMCgJ2MRIGU2VjcmV0Ei8KFgoCZGISABoEc2hvcCIAKgAyADgAQgASEwoIcGFzc3dvcmQSB2h1bnRlcjIaABoAIgA="

func Example() {
	d, err := etcddecode.NewDecoder(etcddecode.Options{})
	if err != nil {
		log.Fatal(err)
	}
	value, _ := base64.StdEncoding.DecodeString(stored)
	o, err := d.Decode(context.Background(), etcddecode.Value{Key: "/registry/secrets/shop/db", Bytes: value, ModRevision: 42})
	if err != nil {
		log.Fatal(err)
	}
	yaml, err := o.AppendYAML(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", yaml)
	// Output:
	// apiVersion: v1
	// data:
	//   password: <redacted>
	// kind: Secret
	// metadata:
	//   name: db
	//   namespace: shop
	//   resourceVersion: "42"
}

func ExampleEncode() {
	manifest := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"motto","namespace":"shop"},"data":{"text":"prove it"}}`
	value, err := etcddecode.Encode(context.Background(), []byte(manifest), etcddecode.EncodeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	format, _ := etcddecode.Sniff(value)
	fmt.Println(format)
	_, err = etcddecode.Encode(context.Background(), []byte(`{"apiVersion":"v1","kind":"ConfigMap","dta":{"text":"prove it"}}`), etcddecode.EncodeOptions{})
	fmt.Println(err)
	// Output:
	// protobuf
	// encode v1 ConfigMap "": the stored object would not be the same: dta of the manifest: no such field, or a value that it can't have
}

func ExampleParseKeyring() {
	config := `{"kind": "EncryptionConfiguration", "resources": [{"resources": ["secrets"], "providers": [
		{"aescbc": {"keys": [{"name": "key1", "secret": "c2l4dGVlbiBieXRlIGtleQ=="}]}}]}]}`
	keyring, err := etcddecode.ParseKeyring([]byte(config), nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = keyring.Open(context.Background(), "/registry/secrets/shop/db", []byte("k8s:enc:aesgcm:v1:key2:..."))
	fmt.Println(err)
	// Output:
	// can't be decrypted: the encryption configuration does not have aesgcm:v1:key2
}

func ExampleDiff() {
	d, err := etcddecode.NewDecoder(etcddecode.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var objects [2]*etcddecode.Object
	for i, text := range []string{`{"kind":"Widget","spec":{"size":3}}`, `{"kind":"Widget","spec":{"size":4}}`} {
		if objects[i], err = d.Decode(context.Background(), etcddecode.Value{Bytes: []byte(text)}); err != nil {
			log.Fatal(err)
		}
	}
	for _, c := range etcddecode.Diff(objects[0], objects[1]) {
		fmt.Println(c.Path, c.Old, c.New)
	}
	// Output:
	// spec.size 3 4
}

func ExampleParseKey() {
	k, ok := etcddecode.ParseKey("/registry/services/specs/shop/web")
	fmt.Println(k.Resource, k.Rest, ok)
	// Output:
	// services [shop web] true
}
