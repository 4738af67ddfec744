package main

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// Redis is told how long to keep a nonce, not until when: its clock may be wrong.
func TestNoncesDoNotDependOnTheClockOfRedis(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	sets := make(chan []string, 10_000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerSets(c, sets)
		}
	}()
	r := newRedisReplay(l.Addr().String(), "nonces:")
	defer func() { require.NoError(t, r.close()) }()
	now := time.Now()
	require.Eventually(t, func() bool { // the client waits for 200 ms, and the machine may be busy
		added, err := r.Add(t.Context(), ipwhitelist.Nonce{Key: "billing.1", Value: "AAECAwQFBgcICQoLDA0ODw", Now: now, Until: now.Add(time.Hour)})
		return added && err == nil
	}, 20*time.Second, time.Millisecond)
	set := <-sets
	require.Len(t, set, 6)
	require.Equal(t, []string{"nonces:", "1", "NX", "PX"}, []string{set[1][:7], set[2], set[3], set[4]})
	kept, err := strconv.Atoi(set[5])
	require.NoError(t, err)
	require.Greater(t, kept, 3_000_000, "milliseconds from now")
	require.LessOrEqual(t, kept, 3_630_000)
	_, err = r.Add(t.Context(), ipwhitelist.Nonce{Key: "billing.1", Value: "BBECAwQFBgcICQoLDA0ODw", Now: now, Until: now.Add(-time.Hour)})
	require.Error(t, err, "a time that is over is refused, as by Redis")
}

// answerSets speaks as much of Redis' protocol as it takes to see SET.
func answerSets(c net.Conn, sets chan<- []string) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	line := func() string {
		text, err := in.ReadString('\n')
		if err != nil {
			return ""
		}
		return strings.TrimSpace(text)
	}
	for {
		n, err := strconv.Atoi(strings.TrimPrefix(line(), "*"))
		if err != nil {
			return
		}
		words := make([]string, n)
		for i := range words {
			line() // the length
			words[i] = line()
		}
		answer := "-ERR unknown command\r\n"
		if strings.EqualFold(words[0], "SET") {
			sets <- words
			if answer = "+OK\r\n"; strings.HasPrefix(words[len(words)-1], "-") {
				answer = "-ERR invalid expire time in 'set' command\r\n"
			}
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}
