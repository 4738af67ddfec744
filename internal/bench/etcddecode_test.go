package bench

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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
// of the process.
func BenchmarkCommand(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "db")
	require.NoError(b, writeDatabase(file, 20000))
	command := filepath.Join(dir, "etcddecode")
	build := exec.Command("go", "build", "-o", command, "./examples/etcddecode")
	build.Dir = "../.."
	require.NoError(b, build.Run())
	value := values(b, 1)[0]
	key := func() string {
		out, err := exec.Command(command, "list", "-f", file).Output()
		require.NoError(b, err)
		keys := bytes.Split(out, []byte("\n"))
		require.Len(b, keys, 20001)
		return string(keys[12345])
	}()
	for _, c := range []struct {
		name  string
		stdin []byte
		args  []string
	}{
		{"one-value", value, nil},
		{"one-key", nil, []string{"get", "-f", file, key}},
		{"list-keys", nil, []string{"list", "-f", file}},
		{"all-JSON", nil, []string{"dump", "-f", file}},
		{"all-YAML", nil, []string{"dump", "-f", file, "-o", "yaml"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cpu, rss int64
			for b.Loop() {
				cmd := exec.Command(command, c.args...)
				cmd.Stdin, cmd.Stderr = bytes.NewReader(c.stdin), os.Stderr
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				cpu += int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
				rss = max(rss, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
			}
			b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(rss<<10), "rss-B")
		})
	}
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
