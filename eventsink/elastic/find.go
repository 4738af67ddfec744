package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/kubewright/kubewright/eventsink"
)

// findAtOnce is how many documents one search asks for: index.max_result_window is 10,000, and one that is there twice
// has two hits.
const findAtOnce = 5000

// Find returns the indices of the documents of a batch that are in the sink already, by a search for their _id in all
// backing indices. A data stream needs it where documents may come again: it takes a create of what an earlier backing
// index holds, since an _id is unique within one index. What is acknowledged is found, because a refresh goes first. It
// needs the index privileges read and maintenance (OpenSearch: indices:data/read/search and indices:admin/refresh); an
// error that wraps [ErrHeld] means that they are missing.
func (c *Client) Find(ctx context.Context, b *eventsink.Batch) (found []int, err error) {
	wanted := map[string]map[string]int{} // by index and _id
	for i := range b.Len() {
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if err := json.Unmarshal(b.Action(i), &action); err != nil {
			return nil, fmt.Errorf("elastic: the action of document %d: %w", i, err)
		}
		for _, a := range action {
			if wanted[a.Index] == nil {
				wanted[a.Index] = map[string]int{}
			}
			wanted[a.Index][a.ID] = i
		}
	}
	for _, index := range slices.Sorted(maps.Keys(wanted)) {
		if err := c.get(ctx, http.MethodPost, "/"+url.PathEscape(index)+"/_refresh?ignore_unavailable=true", nil, nil); err != nil {
			return nil, err
		}
		for ids := range slices.Chunk(slices.Sorted(maps.Keys(wanted[index])), findAtOnce) {
			hits, err := c.search(ctx, index, ids)
			if err != nil {
				return nil, err
			}
			for _, id := range hits {
				found = append(found, wanted[index][id])
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// Found settles documents of what Next gave, by their indices, as duplicates: [Client.Find] has found them. Next gives
// the others.
func (d *Delivery) Found(indices []int) []Settled {
	if len(d.queue) == 0 || len(indices) == 0 {
		return nil
	}
	p := &d.queue[0]
	known := make([]bool, p.batch.Len())
	settled := make([]Settled, 0, len(indices))
	for _, i := range indices {
		if i < 0 || i >= len(known) || known[i] {
			continue
		}
		known[i] = true
		settled = append(settled, settle(p.batch, Item{Index: i, Result: Duplicate, Status: http.StatusConflict}, eventsink.Duplicate))
	}
	var rest []int
	for i, k := range known {
		if !k {
			rest = append(rest, i)
		}
	}
	if p.batch = p.batch.Keep(rest); len(rest) == 0 {
		d.queue = d.queue[1:]
	}
	return settled
}

// search returns those of the ids that an index, or any backing index of a data stream, has.
func (c *Client) search(ctx context.Context, index string, ids []string) (hits []string, err error) {
	query, err := json.Marshal(map[string]any{
		"size": 2 * findAtOnce, "_source": false, "query": map[string]any{"ids": map[string]any{"values": ids}},
	})
	if err != nil {
		return nil, fmt.Errorf("elastic: %w", err)
	}
	var answer struct {
		TimedOut bool                  `json:"timed_out"`
		Shards   *struct{ Failed int } `json:"_shards"`
		Hits     struct {
			Hits []struct {
				ID string `json:"_id"`
			}
		}
	}
	path := "/" + url.PathEscape(index) + "/_search"
	if err := c.get(ctx, http.MethodPost, path+"?ignore_unavailable=true&filter_path=timed_out,_shards.failed,hits.hits._id,error,status", query, &answer); err != nil {
		return nil, err
	}
	if answer.TimedOut || answer.Shards == nil || answer.Shards.Failed > 0 {
		return nil, fmt.Errorf("elastic: POST %s: not all shards have answered", path)
	}
	for _, hit := range answer.Hits.Hits {
		hits = append(hits, hit.ID)
	}
	return hits, nil
}

// get sends a request and reads its answer, if one is wanted.
func (c *Client) get(ctx context.Context, method, path string, body []byte, answer any) error {
	r := c.do(ctx, method, path, "application/json", "", body)
	if err := r.err(method, path); err != nil {
		if ClassifyHTTP(r.Status, r.Body) != Again {
			err = fmt.Errorf("%w: %w", err, ErrHeld)
		}
		return err
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(r.Body, answer); err != nil {
		return fmt.Errorf("elastic: %s %s: %w: %q", method, path, err, clip(string(r.Body[:min(len(r.Body), 200)]), 100))
	}
	return nil
}
