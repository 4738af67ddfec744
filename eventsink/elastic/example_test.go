package elastic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad"}}}]}`)
	}))
	defer server.Close()
	client, err := elastic.NewClient(elastic.Options{URLs: []string{server.URL}})
	if err != nil {
		panic(err)
	}
	flow, err := eventsink.NewFlow(eventsink.FlowOptions{})
	if err != nil {
		panic(err)
	}
	for _, uid := range []string{"a", "b"} {
		if _, err := flow.Admit(t0, &eventsink.Record{UID: uid, ResourceVersion: "7", Created: t0, Occurrences: 1}, true); err != nil {
			panic(err)
		}
	}
	d := elastic.NewDelivery(flow.Next(t0, true), elastic.DeliveryOptions{})
	for part, _ := d.Next(); part != nil; part, _ = d.Next() {
		for _, s := range d.Settle(client.Bulk(context.Background(), part.Bytes())) {
			fmt.Printf("%d %s: status %d %q\n", s.Token, s.Outcome, s.Item.Status, s.Item.Type)
			flow.Settle(s.Token, s.Outcome, "")
		}
	}
	checkpoint, _ := flow.Checkpoint(t0)
	fmt.Println("resume from", checkpoint.ResourceVersion)
	// Output:
	// 0 delivered: status 201 ""
	// 1 dead_letter: status 400 "document_parsing_exception"
	// resume from 7
}

func ExampleSetups() {
	setups, err := elastic.Setups(elastic.TemplateOptions{Server: elastic.Server{Distribution: "opensearch", Version: "2.19.1"}})
	for _, s := range setups {
		fmt.Println("PUT", s.Path)
	}
	fmt.Println(err)
	// Output:
	// PUT /_plugins/_ism/policies/k8s-events
	// PUT /_index_template/k8s-events
	// <nil>
}
