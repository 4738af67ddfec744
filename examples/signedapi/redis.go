package main

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// redisReplay remembers nonces for all replicas. Give it a Redis of its own with maxmemory-policy noeviction: under any
// other policy nonces vanish when memory is short, and replays pass.
type redisReplay struct {
	ipwhitelist.Replay
	client *redis.Client
}

func newRedisReplay(addr, prefix string) *redisReplay {
	client := redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, // a second SET NX of the same nonce would find the first one
		DialTimeout: 200 * time.Millisecond, ReadTimeout: 200 * time.Millisecond, WriteTimeout: 200 * time.Millisecond,
		ContextTimeoutEnabled: true, DisableIdentity: true,
	})
	setNX := func(ctx context.Context, key string, until time.Time) (bool, error) {
		// Not PXAT: with a clock that is ahead, Redis would take the key and forget it at once.
		err := client.Do(ctx, "SET", key, 1, "NX", "PX", time.Until(until).Milliseconds()).Err()
		if errors.Is(err, redis.Nil) { // it is there
			return false, nil
		}
		return err == nil, err
	}
	return &redisReplay{ipwhitelist.NewSharedReplay(prefix, setNX), client}
}

func (r *redisReplay) close() error { return r.client.Close() }
