package sidecar

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/sidecar"
)

// node runs the containers of a Pod as processes of this machine, with the variables and the mounts that they have in the
// Pod and no others. This machine's files are their image.
type node struct {
	pod     *corev1.Pod
	volumes string   // the directory of the emptyDir volumes
	before  string   // a shell command in the container's mount namespace, before anything is mounted
	groups  []string // the directories of the cgroups that containers are in
}

// newNode injects into a Pod of the containers "init" and "app", and runs the init containers that were added.
func newNode(t *testing.T, wishes map[string]string, injectors ...sidecar.Injector) *node {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting what a container has needs root")
	}
	set, err := sidecar.New("", injectors...)
	require.NoError(t, err)
	pod, outcome, err := set.Apply(annotate(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "app"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/app:1"}}},
	}, wishes), sidecar.Namespace{})
	require.NoError(t, err)
	require.Len(t, outcome.Applied, len(injectors))
	n := &node{pod: pod, volumes: t.TempDir()}
	for _, c := range pod.Spec.InitContainers {
		n.run(t, c, c.Command...)
	}
	return n
}

// app runs a program in the application's container and returns what it wrote.
func (n *node) app(t *testing.T, program ...string) string {
	t.Helper()
	return n.run(t, n.pod.Spec.Containers[0], program...)
}

func (n *node) run(t *testing.T, c corev1.Container, program ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for what hangs
	defer cancel()
	cmd := n.command(ctx, t, c, program...)
	out, err := cmd.Output()
	require.NoError(t, err, "%v: %s", program, cmd.Stderr)
	return strings.TrimSpace(string(out))
}

// command starts a program in a mount namespace of its own. The variables count from the program on, and not for the
// shell that makes the mounts.
func (n *node) command(ctx context.Context, t *testing.T, c corev1.Container, program ...string) *exec.Cmd {
	t.Helper()
	script := []string{"set -e", "mount -t tmpfs tmpfs /opt", "mount -t tmpfs tmpfs /dev/shm", n.before} // where a runtime would make what is missing
	for _, m := range c.VolumeMounts {
		script = append(script, "[ -e "+m.MountPath+" ] || mkdir -p "+m.MountPath, "mount --bind "+n.source(t, m.Name)+" "+m.MountPath)
		if m.ReadOnly {
			script = append(script, "mount -o remount,bind,ro "+m.MountPath)
		}
	}
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "--propagation", "slave", "/bin/sh", "-c", strings.Join(append(script, `exec env -i "$@"`), "\n"), "sh", "PATH=" + os.Getenv("PATH")}
	for _, v := range c.Env {
		require.Nil(t, v.ValueFrom)
		args = append(args, v.Name+"="+v.Value)
	}
	join := ""
	for _, dir := range n.groups {
		join += "echo $$ > " + dir + "/cgroup.procs && "
	}
	args = append([]string{"-c", join + `exec unshare "$@"`, "sh"}, args...)
	cmd := exec.CommandContext(ctx, "/bin/sh", append(args, program...)...)
	cmd.Stderr, cmd.WaitDelay = &bytes.Buffer{}, time.Second
	return cmd
}

// source is where a volume is on this machine. A volume of type File has to be one, as the kubelet sees to.
func (n *node) source(t *testing.T, volume string) string {
	t.Helper()
	i := slices.IndexFunc(n.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume })
	require.GreaterOrEqual(t, i, 0, volume)
	v := n.pod.Spec.Volumes[i]
	if h := v.HostPath; h != nil {
		if *h.Type == corev1.HostPathFile {
			require.FileExists(t, h.Path)
		}
		return h.Path
	}
	require.NotNil(t, v.EmptyDir, "%v", v)
	dir := filepath.Join(n.volumes, volume)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	return dir
}
