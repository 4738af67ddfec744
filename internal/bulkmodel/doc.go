// Package bulkmodel is a strict model of the _bulk API of Elasticsearch and OpenSearch, for tests. It keeps documents in
// memory by the rules of the real thing, and it shows on demand what a real server can't be told to show: 429 and 503
// for a request or for single items, replies that are lost after the commit, connections that are cut before it, 413,
// and answers that are no answers.
//
// The end-to-end tests hold it against a real node, request by request, and have independent clients drive it
// (internal/e2e/bulkmodel).
package bulkmodel
