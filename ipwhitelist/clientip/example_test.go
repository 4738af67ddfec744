package clientip_test

import (
	"fmt"

	"github.com/kubewright/kubewright/ipwhitelist/clientip"
)

func ExampleResolver_Resolve() {
	resolver, err := clientip.NewResolver(clientip.Options{TrustedProxies: []string{"10.9.0.5"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resolver.Resolve("10.9.0.5:41000", []string{"127.0.0.1, 203.0.113.7"})) // the proxy appends what it sees
	fmt.Println(resolver.Resolve("198.51.100.9:41000", []string{"203.0.113.7"}))        // a stranger writes what it likes
	fmt.Println(resolver.Resolve("10.9.0.5:41000", nil))
	// Output:
	// 203.0.113.7 <nil>
	// 198.51.100.9 <nil>
	// invalid IP a trusted proxy sent no X-Forwarded-For
}

func ExampleTable_Lookup() {
	var entries []clientip.Entry[string]
	for name, s := range map[string]string{"office": "203.0.113.0/24", "egress-proxy": "203.0.113.7"} {
		prefix, err := clientip.ParsePrefix(s)
		if err != nil {
			fmt.Println(err)
			return
		}
		entries = append(entries, clientip.Entry[string]{Prefix: prefix, Value: name})
	}
	table, err := clientip.NewTable(entries)
	if err != nil {
		fmt.Println(err)
		return
	}
	resolver := clientip.Resolver{}
	addr, _ := resolver.Resolve("[::ffff:203.0.113.7]:41000", nil)
	fmt.Println(table.Lookup(addr))
	// Output: egress-proxy true
}
