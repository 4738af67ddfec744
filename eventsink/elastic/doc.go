// Package elastic delivers documents to Elasticsearch and OpenSearch: what to send, what an answer means, and what to do
// about it.
//
// A [Delivery] takes one batch of a flow to its end. It is a state machine: it says what to send next and how long to
// wait, and reads the answers. [Client] is the HTTP around it.
//
//	client, err := elastic.NewClient(elastic.Options{URLs: []string{"https://search:9200"}, APIKey: key})
//	…
//	d := elastic.NewDelivery(batch, elastic.DeliveryOptions{Health: health}) // one Health for all
//	for part, wait := d.Next(); part != nil; part, wait = d.Next() {
//		… // wait
//		for _, s := range d.Settle(client.Bulk(ctx, part.Bytes())) {
//			if s.Outcome == eventsink.DeadLettered {
//				… // write s.AppendDeadLetter(nil, now)
//			}
//			flow.Settle(s.Token, s.Outcome, "")
//		}
//	}
//
// [Setups] makes the index template and the lifecycle policy that fit the documents.
//
// # What an answer means
//
//	item 2xx                       delivered; with failure_store "used" redirected
//	item 409                       duplicate: it is there, never sent again
//	item 429, 408, 5xx             again, with backoff; 500 eight times, then rejected
//	item 401, 403, 404,            held: about the index or our permissions, not about the document
//	  closed or blocked index
//	item 400 and other 4xx         rejected: a dead letter
//	request 429, 408, 5xx, none    again, with backoff, Retry-After honoured
//	request 413                    split in two
//	request 400                    some documents are tried alone; if one passes, bisected until those that spoil
//	                               the request are alone, and else held
//	request 401, 403, others       held
//	answer that is no JSON         held: a login page, a load balancer
//	answer cut or malformed        what has no answer goes again
//	another number of items        held, and nothing is settled: whose the items are is unknown
//
// # Whose fault it is
//
// A document is given up only while the sink takes others: in the same answer or, by a shared [Health], of another
// delivery since. As long as it takes none, the fault is the sink's. Then 500s are not counted, and refusals are believed
// of the first eight documents alone ([DeliveryOptions]); all others are held, in one request of the whole batch and a
// few that search, with backoff, until something passes. So an outage empties no stream into the dead letters, in
// whatever form the sink shows it, and costs it few requests. The price: a document that is bad and has no neighbour
// waits for another to be taken. With several deliveries at a time each new Event frees it.
//
// A document that goes again although it was stored, because the answer was lost, comes back as duplicate: that is what
// the identities of eventsink.Renderer are for. A data stream recognises them within its newest backing index alone: for
// documents that may be in an older one, [Client.Find] searches all of them first, and [Delivery.Found] settles what is
// there.
//
// # Limits
//
// Functions and types are pure but for [Client]. Answers are read up to 64 MiB, nest up to 1000 levels, and no answer
// makes anything panic. Errors and dead letters quote the server's reasons, which may quote documents; credentials are
// never quoted.
package elastic
