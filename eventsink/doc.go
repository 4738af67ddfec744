// Package eventsink ships every Event of a Kubernetes cluster to where it can be searched in the morning, and folds it
// into bounded series that say how healthy the cluster is: no Event lost, none counted twice.
//
// Events expire from etcd an hour after their last write. This package is what stands between a watch of them and a
// sink, as functions and state machines that read no clock and open no socket:
//
//	Event -> Record -> Verdict -> series
//	                         \-> document -> Batch -> sink -> Outcome -> Checkpoint
//
// A [Record] is the one normal form of core/v1 and events.k8s.io/v1 Events. A [Flow] takes records and gives batches;
// told what became of each document, it gives the accounts and the checkpoint to resume from. A [Source] decides what to
// ask the API server next. The package watchcodec beside this one decodes a watch straight into records, elastic speaks
// to Elasticsearch and OpenSearch, spool keeps documents on disk, readiness measures how long Pods take to become ready.
//
//	flow, err := eventsink.NewFlow(eventsink.FlowOptions{Start: now})
//	…
//	var r eventsink.Record
//	eventsink.FromCore(&r, event) // of a frame of a watch, unless watchcodec has decoded it
//	if _, err := flow.Admit(now, &r, true); errors.Is(err, eventsink.ErrFull) {
//		… // close the watch: etcd keeps the Event until there is room
//	}
//	for b := flow.Next(now, false); b != nil; b = flow.Next(now, false) {
//		… // send b.Bytes()
//		for i := range b.Len() {
//			flow.Settle(b.Token(i), eventsink.Delivered, "")
//		}
//	}
//	checkpoint, due := flow.Checkpoint(now)
//
// # Laws
//
// Each is a test on generated histories with crashes, replays and reorderings:
//
//   - received = delivered + duplicate + redirected + dead-lettered + dropped{cause} + in flight + spooled, at every
//     instant ([Ledger]).
//   - Replaying any prefix of the stream, any number of times, leaves the same documents and the same counters.
//   - A checkpoint never passes a document that is neither settled nor on disk.
//   - Memory is bounded whatever the cluster and the sink do: Flow refuses before it grows, series fold into one that is
//     called other, the Tracker forgets.
//   - Same record, same bytes; the bytes are valid JSON in UTF-8 whatever the record holds.
//
// # Limits
//
// Delivery is at least once under deterministic identities. With Mode [Latest] any replay leaves the same documents, and
// with [History] so does any into dated indices, which follow from the document. A data stream is different: an _id is
// unique within one of its backing indices, so it takes a document again once it has rolled over. What can come again is
// what the checkpoint had not passed, of a process that died: CheckpointEvery and what was in flight, seconds as a rule;
// everything in etcd, an hour, when there is no checkpoint or etcd has compacted past it; and requests whose answer was
// lost. The package elastic finds such documents by a search before they are sent. What remains is two processes that
// write the same document at the same moment, around a rollover.
//
// What an emitter does not write is not seen. client-go's recorder folds and drops Events of one object beyond 25 and
// then one in 5 minutes, and a series is written every 30 minutes: occurrences are a lower bound.
//
// A counter counts from the start of the process, as counters do. When a source resumes from a checkpoint, the first
// repeat of each older Event counts as one, unless [Flow.Seed] was told what had been counted.
//
// No Event, answer or text makes a function panic; a nil pointer, or an index that a [Batch] does not have, does. Inputs
// are not modified.
package eventsink
