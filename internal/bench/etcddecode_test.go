package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/kubewright/kubewright/etcddecode"
)

// values are stored Pods.
func values(tb testing.TB, n int) [][]byte {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for i := range n {
		_, value, err := storedPod(r, i)
		require.NoError(tb, err)
		out = append(out, value)
	}
	return out
}

// convert is the work: a stored value in, text out.
type convert func(tb testing.TB, value []byte) []byte

func oursTo(tb testing.TB, yaml bool) convert {
	d, err := etcddecode.NewDecoder(etcddecode.Options{})
	require.NoError(tb, err)
	var o etcddecode.Object
	var out []byte
	return func(tb testing.TB, value []byte) []byte {
		if err := d.DecodeInto(tb.Context(), &o, etcddecode.Value{Bytes: value}); err != nil {
			tb.Fatal(err)
		}
		if !yaml {
			out = append(o.AppendJSON(out[:0]), '\n')
			return out
		}
		var err error
		if out, err = o.AppendYAML(out[:0]); err != nil {
			tb.Fatal(err)
		}
		return out
	}
}

// theirsTo is the path of the API server's serializers, with one codec and one buffer for all values.
func theirsTo(yaml bool) convert {
	decoder := clientgoscheme.Codecs.UniversalDeserializer()
	encoder := kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, clientgoscheme.Scheme, clientgoscheme.Scheme, kubejson.SerializerOptions{Yaml: yaml})
	var out bytes.Buffer
	return func(tb testing.TB, value []byte) []byte {
		out.Reset()
		object, err := runtime.Decode(decoder, value)
		if err == nil {
			err = encoder.Encode(object, &out)
		}
		if err != nil {
			tb.Fatal(err)
		}
		return out.Bytes()
	}
}

// TestEtcddecodeEqualWork shows that both sides make the same of a value.
func TestEtcddecodeEqualWork(t *testing.T) {
	all := values(t, 50)
	oursYAML, theirsYAML := oursTo(t, true), theirsTo(true)
	oursJSON, theirsJSON := oursTo(t, false), theirsTo(false)
	size := 0
	for _, v := range all {
		size += len(v)
		require.Equal(t, string(theirsYAML(t, v)), string(oursYAML(t, v)))
		require.JSONEq(t, string(theirsJSON(t, v)), string(oursJSON(t, v)))
	}
	require.InDelta(t, 5000, size/len(all), 1000, "bytes of a Pod")
}

// BenchmarkStored makes text of a stored Pod of 5 KB.
func BenchmarkStored(b *testing.B) {
	all := values(b, 100)
	for _, c := range []struct {
		work, by string
		do       convert
	}{
		{"JSON", "kubewright", oursTo(b, false)},
		{"JSON", "serializers", theirsTo(false)},
		{"YAML", "kubewright", oursTo(b, true)},
		{"YAML", "serializers", theirsTo(true)},
	} {
		b.Run(c.work+"/"+c.by, func(b *testing.B) {
			b.ReportAllocs()
			i, start := 0, cpuTime()
			for b.Loop() {
				c.do(b, all[i%len(all)])
				i++
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkCommand runs the command on a database of 20,000 Pods, about 120 MB, and reports CPU time and peak memory
// of the process, and how large its heap grew. The command is built as its Dockerfile does, without cgo.
func BenchmarkCommand(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "db")
	require.NoError(b, writeDatabase(file, 20000))
	command, peak, nothing := filepath.Join(dir, "etcddecode"), filepath.Join(dir, "peak"), filepath.Join(dir, "nothing")
	for program, of := range map[string]string{command: "../../examples/etcddecode", peak: "peak", nothing: "nothing"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", program, ".")
		build.Dir, build.Env = of, append(os.Environ(), "CGO_ENABLED=0")
		require.NoError(b, build.Run())
	}
	value := values(b, 1)[0]
	out, err := exec.Command(command, "list", "-f", file).Output()
	require.NoError(b, err)
	keys := bytes.Split(out, []byte("\n"))
	require.Len(b, keys, 20001)
	key := string(keys[12345])
	for _, c := range []struct {
		name  string
		stdin []byte
		args  []string
	}{
		{"nothing", nil, []string{nothing}},
		{"one-value", value, []string{command}},
		{"one-key", nil, []string{command, "get", "-f", file, key}},
		{"list-keys", nil, []string{command, "list", "-f", file}},
		{"all-JSON", nil, []string{command, "dump", "-f", file}},
		{"all-YAML", nil, []string{command, "dump", "-f", file, "-o", "yaml"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cpu, rss int64
			for b.Loop() {
				used, resident := measure(b, c.stdin, peak, c.args...)
				cpu += used
				rss = max(rss, resident)
			}
			b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(rss)/1e6, "rss-MB")
			b.ReportMetric(heap(b, c.stdin, c.args[0], c.args[1:]...), "heap-MB")
		})
	}
}

// measure runs a command by way of the command peak.
func measure(b *testing.B, stdin []byte, peak string, args ...string) (cpu, rss int64) {
	r, w, err := os.Pipe()
	require.NoError(b, err)
	cmd := exec.Command(peak, args...)
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = bytes.NewReader(stdin), os.Stderr, []*os.File{w}
	require.NoError(b, cmd.Run())
	require.NoError(b, w.Close())
	_, err = fmt.Fscan(r, &cpu, &rss)
	require.NoError(b, err)
	require.NoError(b, r.Close())
	return cpu, rss
}

// heap is the largest heap that a collection of a command has met, in MB; 0 if there was none.
func heap(b *testing.B, stdin []byte, command string, args ...string) (largest float64) {
	cmd := exec.Command(command, args...)
	var trace bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.Env = bytes.NewReader(stdin), &trace, append(os.Environ(), "GODEBUG=gctrace=1")
	require.NoError(b, cmd.Run())
	for _, sizes := range regexp.MustCompile(`(\d+)->(\d+)->\d+ MB`).FindAllSubmatch(trace.Bytes(), -1) {
		for _, size := range sizes[1:] {
			n, err := strconv.ParseFloat(string(size), 64)
			require.NoError(b, err)
			largest = max(largest, n)
		}
	}
	return largest
}

func TestDatabaseIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db")
	require.NoError(t, writeDatabase(file, 200))
	cmd := exec.Command("go", "run", "./examples/etcddecode", "dump", "-f", filepath.Clean(file))
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	require.Len(t, lines, 200)
	require.True(t, json.Valid(lines[7]))
}
