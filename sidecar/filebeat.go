package sidecar

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Filebeat ships the files that an application writes, from a container beside it. The Pod names them in log.paths.
//
// The configuration of the shipper is rendered into an annotation of the Pod, from where a downwardAPI volume brings it
// into the container: there is no ConfigMap to be made or collected, nothing is quoted for a shell, and kubectl shows it.
type Filebeat struct {
	// Image is that of Filebeat, 8.15 or later, with /bin/sh, sleep and kill, or Wrapper. It may run as any user of group 0.
	Image            string            `json:"image"`
	ImagePullPolicy  corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	ImagePullSecrets []string          `json:"imagePullSecrets,omitempty"` // added to those of the Pod
	Output           Output            `json:"output"`

	// Classic runs an ordinary container, for clusters before Kubernetes 1.29, instead of a native sidecar (KEP-753). It
	// gets SIGTERM together with the application and has to wait out its grace period, and it would keep a Job from
	// ending, so Pods that do not always restart are refused, or skipped where only a default asks for it.
	Classic bool `json:"classic,omitempty"`
	// Drain is how long the shipper reads on after the application has ended, so that the last lines are found: 5 s if zero,
	// and no less, because it looks for new files and for new lines every 2 s. Where lines are joined, it takes 3 s more,
	// which is how long the shipper waits for what may belong to the last one.
	Drain metav1.Duration `json:"drain,omitzero"`
	// Flush is how long it then waits for what was read to be acknowledged. 10 s if zero.
	Flush metav1.Duration `json:"flush,omitzero"`
	// Wrapper is a program of the image, and arguments, for images without a shell: it does what the shell program does
	// that is the container's first process otherwise. Behind its own arguments it gets the seconds to drain, and the
	// shipper with its arguments. It runs the shipper, and again a second after it ended by itself, also while it drains.
	// On SIGTERM or SIGINT it waits for that many seconds, passes SIGTERM on, waits for the shipper to end, and exits
	// with 0; more of these signals change nothing. internal/e2e/sidecar/testdata/drain in this repository is such a
	// program, in Go.
	Wrapper []string `json:"wrapper,omitempty"`
	// Resources of the container. Requests of 20m and 64Mi and a limit of 256Mi if empty. In a Pod of class BestEffort it
	// gets none, in a Guaranteed one requests equal to limits: where there is no limit for cpu, its request, and at least
	// 200m. A namespace whose quota counts limits.cpu wants a limit here, or a LimitRange.
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`
	// Presets are patterns for log.multiline by name, in addition to java, timestamp and indent.
	Presets map[string]Multiline `json:"presets,omitempty"`
	// Fields are added to every event, under "fields".
	Fields map[string]string `json:"fields,omitempty"`
	// MetadataTarget is where namespace, Pod, node and container are written in events. "kubernetes" if empty.
	MetadataTarget string `json:"metadataTarget,omitempty"`
	// ReadUntilEOF has the shipper read open files to their end when it is stopped. For images from 9.5.
	ReadUntilEOF bool `json:"readUntilEOF,omitempty"`
}

// Names in a Pod.
const (
	shipperName   = "log-shipper"
	shipperConfig = "log-shipper-config"
	shipperData   = "log-shipper-data"
	shipperLogs   = "log-shipper-logs"

	configDir  = "/etc/log-shipper"
	configFile = "filebeat.yml"
	dataDir    = "/var/lib/log-shipper"
)

const (
	defaultDrain = 5 * time.Second
	defaultFlush = 10 * time.Second
	minDrain     = 5 * time.Second
	maxDrain     = 5 * time.Minute
	// joinTimeout is how long a multiline event waits for another line.
	joinTimeout = 3 * time.Second
	// stopMargin is for what drain and flush do not count: the start of processes, and the last batch on the wire.
	stopMargin = 2
)

// Name is "log".
func (Filebeat) Name() string { return "log" }

func (Filebeat) rank() int { return 9 } // native sidecars stop in reverse order, and logs come until the end

func (f Filebeat) drain() time.Duration { return cmp.Or(f.Drain.Duration, defaultDrain) }

func (f Filebeat) flush() time.Duration { return cmp.Or(f.Flush.Duration, defaultFlush) }

func (f Filebeat) validate() []error {
	errs := f.Output.validate()
	if f.Image == "" {
		errs = append(errs, errors.New("image is missing"))
	}
	if d := f.drain(); d < minDrain || d > maxDrain {
		errs = append(errs, fmt.Errorf("drain %s: write %s to %s", d, minDrain, maxDrain))
	}
	if d := f.flush(); d < time.Second || d > maxDrain {
		errs = append(errs, fmt.Errorf("flush %s: write 1s to %s", d, maxDrain))
	}
	for _, name := range sortedKeys(f.Presets) {
		if err := f.Presets[name].check(); err != nil {
			errs = append(errs, fmt.Errorf("presets.%s: %w", name, err))
		}
		if _, ok := presets()[name]; ok || !presetName.MatchString(name) {
			errs = append(errs, fmt.Errorf("presets.%s: the name is taken or not one of a-z, 0-9 and '-'", name))
		}
	}
	for _, name := range sortedKeys(f.Fields) {
		if err := checkField(name, f.Fields[name]); err != nil {
			errs = append(errs, fmt.Errorf("fields: %w", err))
		}
	}
	if t := f.target(); !fieldName.MatchString(t) {
		errs = append(errs, fmt.Errorf("metadataTarget %q: write a field name such as kubernetes", t))
	}
	if w := f.Wrapper; len(w) > 0 && (!path.IsAbs(w[0]) || strings.Contains(strings.Join(w, " "), "$")) {
		errs = append(errs, fmt.Errorf("wrapper %q: write the absolute path of a program, and arguments without dollars, which the kubelet would expand", w))
	}
	return append(errs, checkSecretNames(f.ImagePullSecrets)...)
}

func (f Filebeat) target() string { return cmp.Or(f.MetadataTarget, "kubernetes") }

func (f Filebeat) asked(v *values) bool { return len(streamsOf(v)) > 0 }

func (f Filebeat) inject(e *edit) {
	spec := e.values.logSpec(f.Presets)
	if spec == nil {
		return // what is wrong is among the problems
	}
	serves := f.serves(e, spec)
	if serves == nil {
		return
	}
	if f.Classic && e.wouldHang(f.Name(), pathsOf(spec.Streams[0].Name)) {
		return
	}
	config, err := f.Render(*spec)
	if err != nil {
		e.refuse(pathsKey, "%v", err)
		return
	}
	before := len(e.problems)
	c := f.container(e, spec, serves)
	f.mountLogs(e, spec, serves, &c)
	if len(e.problems) > before {
		return
	}
	e.addVolume(pathsKey, f.configVolume(e.prefix))
	e.addVolume(pathsKey, emptyDir(shipperData))
	if f.Classic {
		e.addContainer(pathsKey, c)
	} else {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
		e.addInitContainer(pathsKey, c)
	}
	f.doubts(e, spec, serves)
	e.annotate(configKey, string(config))
	e.addPullSecrets(f.ImagePullSecrets)
	e.addGrace(ceilSeconds(f.drainOf(spec)) + ceilSeconds(f.flush()) + stopMargin)
	e.applied(f.Name())
}

// doubts warns of what is valid and yet hardly meant.
func (f Filebeat) doubts(e *edit, spec *LogSpec, serves *corev1.Container) {
	if always := serves.RestartPolicy; always != nil && *always == corev1.ContainerRestartPolicyAlways && !e.isApp(serves.Name) {
		e.warn("log: container " + serves.Name + " is a native sidecar, which ends after the log shipper: what it writes last is not shipped")
	}
	for _, s := range spec.Streams {
		for _, p := range s.Paths {
			if !strings.ContainsAny(path.Base(p), `.*?[\`) {
				e.warn(fmt.Sprintf("log: %s counts as a file, and the log shipper gets the directory %s; if it is a directory, write %s/*.log", p, globDir(p), p))
			}
		}
	}
}

// serves is the container whose logs are shipped.
func (f Filebeat) serves(e *edit, spec *LogSpec) *corev1.Container {
	if spec.Container == "" {
		if e.main() == nil {
			e.refuse(pathsKey, "the Pod has no container")
			return nil
		}
		spec.Container = e.record.Main
	}
	c := e.container(spec.Container)
	if c == nil {
		e.refuse(containerKey, "the Pod has no container of that name; write one of %s", containerNames(e))
	}
	return c
}

func containerNames(e *edit) string {
	var names []string
	for _, c := range e.allContainers() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

func (f Filebeat) drainOf(spec *LogSpec) time.Duration {
	d := cmp.Or(spec.Drain, f.drain())
	if slices.ContainsFunc(spec.Streams, func(s LogStream) bool { return s.Multiline != nil }) {
		d += joinTimeout
	}
	return d
}

func ceilSeconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

func (f Filebeat) container(e *edit, spec *LogSpec, serves *corev1.Container) corev1.Container {
	drain := ceilSeconds(f.drainOf(spec))
	if f.Classic { // its SIGTERM comes with the application's
		drain += min(e.appGrace(), math.MaxInt32)
	}
	field := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}
	}
	c := corev1.Container{
		Name:            shipperName,
		Image:           f.Image,
		ImagePullPolicy: f.ImagePullPolicy,
		Command:         append(f.wrapper(), strconv.FormatInt(drain, 10)),
		Args:            []string{"filebeat", "-e", "--strict.perms=false", "-c", configDir + "/" + configFile},
		Env: []corev1.EnvVar{
			{Name: "SHIPPER_NAMESPACE", ValueFrom: field("metadata.namespace")},
			{Name: "SHIPPER_POD", ValueFrom: field("metadata.name")},
			{Name: "SHIPPER_NODE", ValueFrom: field("spec.nodeName")},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: shipperConfig, MountPath: configDir, ReadOnly: true},
			{Name: shipperData, MountPath: dataDir},
		},
		SecurityContext: e.confined(serves),
	}
	c.Env = append(c.Env, f.Output.env()...)
	want := f.Resources
	if len(want.Limits)+len(want.Requests) == 0 {
		want = defaultResources()
	}
	c.Resources = e.resources(want)
	e.anyUser(c.SecurityContext)
	if e.runsAs(c.SecurityContext) != nil {
		root := int64(0) // the group alone may read the image's files, whoever the user is
		c.SecurityContext.RunAsGroup = &root
	}
	return c
}

// wrapper is the command of the container's first process, but for what it runs.
func (f Filebeat) wrapper() []string {
	if len(f.Wrapper) > 0 {
		return slices.Clone(f.Wrapper)
	}
	return []string{"/bin/sh", "-c", wrapper, shipperName}
}

func (f Filebeat) configVolume(prefix string) corev1.Volume {
	mode := int32(0o644)
	return corev1.Volume{Name: shipperConfig, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		DefaultMode: &mode,
		Items: []corev1.DownwardAPIVolumeFile{{
			Path:     configFile,
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.annotations['" + prefix + "/" + configKey + "']"},
		}},
	}}}
}

func checkSecretNames(names []string) (errs []error) {
	if slices.Contains(names, "") {
		errs = append(errs, errors.New("imagePullSecrets: a name is empty"))
	}
	return errs
}
