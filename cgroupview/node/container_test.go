package node

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
)

const (
	uid      = "9f1c2a3b-0000-4444-8888-123456789abc"
	escaped  = "9f1c2a3b_0000_4444_8888_123456789abc"
	staticID = "0123456789abcdef0123456789abcdef"
)

var id = strings.Repeat("0123456789abcdef", 4)

func TestParseContainer(t *testing.T) {
	for path, want := range map[string]Container{
		"/kubepods/burstable/pod" + uid + "/" + id:       {ID: id, PodUID: uid, QoS: "burstable"},
		"/kubepods/besteffort/pod" + uid + "/crio-" + id: {ID: id, PodUID: uid, QoS: "besteffort", Runtime: "cri-o"},
		"/kubepods/pod" + staticID + "/" + id:            {ID: id, PodUID: staticID, QoS: "guaranteed"},
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + escaped + ".slice/cri-containerd-" + id + ".scope": {
			ID: id, PodUID: uid, QoS: "burstable", Runtime: "containerd",
		},
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-" + id + ".scope/container": {ID: id, PodUID: uid, QoS: "guaranteed", Runtime: "cri-o"},
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/docker-" + id + ".scope":         {ID: id, PodUID: uid, QoS: "guaranteed", Runtime: "docker"},
		"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + escaped + ".slice/cri-containerd-" + id + ".scope": {
			ID: id, PodUID: uid, QoS: "besteffort", Runtime: "containerd",
		},
		"/system.slice/containerd.service/kubepods-burstable-pod" + escaped + ".slice:cri-containerd:" + id: {
			ID: id, PodUID: uid, QoS: "burstable", Runtime: "containerd",
		},
		"/docker/" + id:                                    {ID: id, Runtime: "docker"},
		"/system.slice/docker-" + id + ".scope":            {ID: id, Runtime: "docker"},
		"/machine.slice/libpod-" + id + ".scope":           {ID: id, Runtime: "podman"},
		"/machine.slice/libpod-" + id + ".scope/container": {ID: id, Runtime: "podman"},
	} {
		want.Path = path
		got, ok := ParseContainer(path)
		require.True(t, ok, path)
		require.Equal(t, want, got)
	}
	for _, path := range []string{
		"", "/", "/kubepods", "/kubepods/burstable/pod" + uid, "/kubepods/pod" + uid + "/" + id[1:], "/container",
		"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-conmon-" + id + ".scope",
		"/machine.slice/libpod-conmon-" + id + ".scope", "/system.slice/x" + id, "/kubepods/" + id,
		"/docker/" + strings.ToUpper(id), "/docker/" + id + "/init.scope", "/kubepods/podnot-a-uid/" + id,
	} {
		c, ok := ParseContainer(path)
		require.False(t, ok, path)
		require.Equal(t, Container{}, c)
	}
}

func FuzzParseContainer(f *testing.F) {
	f.Add("/kubepods.slice/kubepods-pod" + escaped + ".slice/cri-containerd-" + id + ".scope")
	f.Add("/system.slice/containerd.service/kubepods-burstable-pod" + escaped + ".slice:cri-containerd:" + id)
	f.Add("/machine.slice/libpod-" + id + ".scope/container")
	f.Add("container")
	f.Fuzz(func(t *testing.T, path string) {
		c, ok := ParseContainer(path)
		if !ok {
			require.Equal(t, Container{}, c)
			return
		}
		require.True(t, isID(c.ID))
		require.Equal(t, path, c.Path)
		require.Contains(t, path, c.ID)
		require.Equal(t, c.PodUID != "", c.QoS != "")
	})
}

const rootMounts = "1 0 0:1 / / rw - ext4 root rw\n"

func machine(t *testing.T, version int, files map[string]string) (fstest.MapFS, cgroupview.Mounts) {
	t.Helper()
	fsys := fstest.MapFS{}
	mounts := rootMounts + "2 1 0:2 / /cg rw - cgroup2 cgroup2 rw\n"
	if version == 1 {
		mounts = rootMounts + "2 1 0:2 / /cg rw - cgroup cgroup rw,memory\n"
	}
	files["proc/self/mountinfo"] = mounts
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := cgroupview.ReadMounts(fsys, 0)
	require.NoError(t, err)
	return fsys, m
}

func TestWalk(t *testing.T) {
	other := strings.Repeat("f", 64)
	for _, version := range []int{1, 2} {
		fsys, m := machine(t, version, map[string]string{
			"cg/kubepods/burstable/pod" + uid + "/" + id + "/memory.max":                      "max\n",
			"cg/kubepods/burstable/pod" + uid + "/" + id + "/docker/" + other + "/memory.max": "max\n", // docker in it
			"cg/system.slice/docker-" + other + ".scope/memory.max":                           "max\n",
			"cg/system.slice/run-" + id + ".mount/memory.max":                                 "max\n",
		})
		var got []string
		for c, err := range Walk(fsys, m) {
			require.NoError(t, err)
			got = append(got, c.Path)
		}
		require.Equal(t, []string{"/kubepods/burstable/pod" + uid + "/" + id, "/system.slice/docker-" + other + ".scope"}, got)
		for _, err := range Walk(fsys, m) {
			require.NoError(t, err)
			break
		}
	}
	m := cgroupview.Mounts{}
	for c, err := range Walk(fstest.MapFS{}, m) {
		require.ErrorIs(t, err, cgroupview.ErrNotVisible)
		require.Empty(t, c)
	}
}

// An error about one directory does not end the walk.
func TestWalkGoesOn(t *testing.T) {
	fsys, _ := machine(t, 2, map[string]string{"cg/a/x": "", "cg/docker/" + id + "/x": ""})
	broken := brokenDir{fsys, "cg/a"}
	m, err := cgroupview.ReadMounts(broken, 0)
	require.NoError(t, err)
	var errs, found int
	for _, err := range Walk(broken, m) {
		if err != nil {
			require.ErrorContains(t, err, "containers below /a")
			errs++
		} else {
			found++
		}
	}
	require.Equal(t, []int{1, 1}, []int{errs, found})
}

type brokenDir struct {
	fstest.MapFS
	name string
}

var errBroken = errors.New("broken")

func (b brokenDir) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == b.name {
		return nil, errBroken
	}
	return b.MapFS.ReadDir(name)
}
