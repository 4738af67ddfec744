package httpsig_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// A program with another HTTP client adds the fields itself.
func ExampleSign() {
	key, err := httpsig.ParseKey("ipw1.billing.2026-11.1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8.3d99259b")
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := httpsig.Sign(httpsig.Request{
		Method: "POST", Authority: "orders.svc.example.com", Target: "/v1/orders?dry=1",
	}, []byte(`{"n": 1}`), key, httpsig.Params{Created: time.Unix(1_800_000_000, 0), Nonce: "AAECAwQFBgcICQoLDA0ODw"})
	fmt.Println(signed.ContentDigest)
	fmt.Println(strings.ReplaceAll(signed.SignatureInput, ";", "\n  ;"), err)
	// Output:
	// sha-256=:5dX3wdIl/WsTYj67G1udB1xwVln4GGix43AFoJI7A0Y=:
	// ipw=("@method" "@authority" "@path" "@query" "content-digest")
	//   ;created=1800000000
	//   ;expires=1800000060
	//   ;nonce="AAECAwQFBgcICQoLDA0ODw"
	//   ;keyid="billing.2026-11.1"
	//   ;tag="ipwhitelist-v1" <nil>
}

func ExampleNewTransport() {
	key, err := httpsig.ParseKey("ipw1.billing.1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8.84dd530e")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := httpsig.Verify(httpsig.FromServer(r), key, time.Now(), httpsig.Window{})
		fmt.Println(r.URL.Path, s.KeyID, err)
	}))
	defer server.Close()

	signing, err := httpsig.NewTransport(httpsig.TransportOptions{
		Key:   func() (*httpsig.Key, error) { return key, nil },
		Hosts: []string{server.Listener.Addr().String()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: signing}
	res, err := client.Get(server.URL + "/v1/orders/42")
	if err == nil {
		err = res.Body.Close()
	}
	fmt.Println(err)
	// Output:
	// /v1/orders/42 billing.1 <nil>
	// <nil>
}
