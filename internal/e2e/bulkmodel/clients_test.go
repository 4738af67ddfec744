package bulkmodel

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	opensearchgo "github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"
	"github.com/opensearch-project/opensearch-go/v4/opensearchutil"
	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/bulkmodel"
)

const documents = 500

// faults are those that both clients survive by retrying the whole request.
var faults = []bulkmodel.Fault{{Status: 503}, {Status: 429, RetryAfter: "0"}, {Status: 502}}

// TestGoElasticsearchDrivesTheModel has Elastic's own client read the model's answers: the product check, the media type,
// conflicts, and items that are refused.
func TestGoElasticsearchDrivesTheModel(t *testing.T) {
	model := bulkmodel.New(bulkmodel.Options{Flavor: bulkmodel.Elasticsearch})
	server := httptest.NewServer(model)
	defer server.Close()
	client, err := elasticsearch.NewClient(elasticsearch.Config{
		Addresses: []string{server.URL}, RetryOnStatus: []int{429, 502, 503}, RetryBackoff: func(int) time.Duration { return time.Millisecond },
	})
	require.NoError(t, err)
	model.Script(faults...)
	for round := range 2 { // the second time, everything is there already
		indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: client, Index: "i", NumWorkers: 1, FlushBytes: 5_000})
		require.NoError(t, err)
		var conflicts atomic.Int64
		for n := range documents {
			require.NoError(t, indexer.Add(t.Context(), esutil.BulkIndexerItem{
				Action: "create", DocumentID: fmt.Sprint("id-", n), Body: strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)),
				OnFailure: func(_ context.Context, _ esutil.BulkIndexerItem, r esutil.BulkIndexerResponseItem, err error) {
					if err == nil && r.Status == 409 && r.Error.Type == "version_conflict_engine_exception" {
						conflicts.Add(1)
					}
				},
			}))
		}
		require.NoError(t, indexer.Close(t.Context()))
		stats := indexer.Stats()
		require.EqualValues(t, round*documents, conflicts.Load())
		require.EqualValues(t, (1-round)*documents, stats.NumCreated)
		require.Len(t, model.Documents("i"), documents)
	}
	require.Zero(t, model.Pending())
}

// TestOpenSearchGoDrivesTheModel is the same with the other project's client, and with a reply that is lost after the
// commit, which its retry turns into conflicts.
func TestOpenSearchGoDrivesTheModel(t *testing.T) {
	model := bulkmodel.New(bulkmodel.Options{})
	server := httptest.NewServer(model)
	defer server.Close()
	client, err := opensearchapi.NewClient(opensearchapi.Config{Client: opensearchgo.Config{
		Addresses: []string{server.URL}, RetryOnStatus: []int{429, 502, 503}, RetryBackoff: func(int) time.Duration { return time.Millisecond },
	}})
	require.NoError(t, err)
	model.Script(append(faults, bulkmodel.Fault{}, bulkmodel.Fault{Items: map[int]int{0: 429, 1: 400}})...)
	indexer, err := opensearchutil.NewBulkIndexer(opensearchutil.BulkIndexerConfig{Client: client, Index: "i", NumWorkers: 1, FlushBytes: 5_000})
	require.NoError(t, err)
	failed := map[int]int{}
	for n := range documents {
		require.NoError(t, indexer.Add(t.Context(), opensearchutil.BulkIndexerItem{
			Action: "index", DocumentID: fmt.Sprint("id-", n), Body: strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)),
			OnFailure: func(_ context.Context, _ opensearchutil.BulkIndexerItem, r opensearchapi.BulkRespItem, err error) {
				if err == nil {
					failed[r.Status]++
				}
			},
		}))
	}
	require.NoError(t, indexer.Close(t.Context()))
	require.Equal(t, map[int]int{429: 1, 400: 1}, failed)
	require.Len(t, model.Documents("i"), documents-2)
	require.Zero(t, model.Pending())
}
