// Package bulkmodel holds the model of the _bulk API, internal/bulkmodel, against a real node of OpenSearch, request by
// request, and has independent clients drive it: go-elasticsearch's and opensearch-go's bulk indexers.
package bulkmodel
