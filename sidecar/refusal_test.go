package sidecar_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/sidecar"
)

// TestRefusals is every way in which an annotation can be wrong. The message has to name it and say what to write.
func TestRefusals(t *testing.T) {
	set := newSet(t)
	long := strings.Repeat("é", 200)
	for name, c := range map[string]struct {
		annotations map[string]string
		want        string
	}{
		"unknown":                      {map[string]string{"timezon": "UTC"}, `annotation sidecar.kubewright.io/timezon="UTC": there is no such annotation; did you mean sidecar.kubewright.io/timezone?`},
		"unknown, swapped":             {map[string]string{"log.ptahs": "/x"}, `did you mean sidecar.kubewright.io/log.paths?`},
		"unknown of a stream":          {map[string]string{"log.audit.path": "/x"}, `did you mean sidecar.kubewright.io/log.audit.paths?`},
		"unknown and like nothing":     {map[string]string{"frobnicate": "1"}, `="1": there is no such annotation; remove it`},
		"a stream of no name":          {map[string]string{"log.<stream>.paths": "/x/y/*.log"}, `the stream's name "<stream>" is not`},
		"a stream with a reserved one": {map[string]string{"log.default.paths": "/x/y/*.log"}, `the stream's name "default" is not`},
		"a stream with a long one":     {map[string]string{"log.a12345678901234567890.paths": "/x/y/*.log"}, `1 to 20 of a-z`},
		"a stream without paths":       {map[string]string{"log.paths": "/x/y/*", "log.b.topic": "t"}, `log.b.topic="t": it does nothing without sidecar.kubewright.io/log.b.paths`},
		"empty":                        {map[string]string{"hosts": " \n"}, "it is empty; write `10.0.0.1=a.corp,b.corp`"},
		"yes":                          {map[string]string{"lxcfs": "yes"}, `lxcfs="yes": write true or false`},
		"True":                         {map[string]string{"sidecar.agent": "True"}, `write true or false`},
		"invisible":                    {map[string]string{"timezone": "UTC\u200b"}, `it has the character U+200B, which can't be seen`},
		"no UTF-8":                     {map[string]string{"timezone": "\xff"}, `it is not UTF-8`},
		"shortened":                    {map[string]string{"timezone": long}, "éé…\": write a name of the IANA database"},
		"reserved":                     {map[string]string{"log.config": "x"}, `log.config="x": it is written by the webhook; remove it`},
		"no record":                    {map[string]string{"injected": "{}x"}, `injected="{}x": it is no record of an injection`},
		"a record of something else":   {map[string]string{"injected": `{"pods":1}`}, `it is no record`},
		"relative":                     {map[string]string{"log.paths": "logs/*.log"}, `"logs/*.log": write an absolute path`},
		"dots":                         {map[string]string{"log.paths": "/x/../etc/passwd"}, `write it without ".."`},
		"a directory":                  {map[string]string{"log.paths": "/var/log/app/"}, `such as /var/log/app/*.log`},
		"a colon":                      {map[string]string{"log.paths": "/var/log/a:b/*.log"}, `a path with ':' can't be mounted`},
		"no glob":                      {map[string]string{"log.paths": "/var/log/app/[a"}, `it is no glob`},
		"root":                         {map[string]string{"log.paths": "/*/x.log"}, `would be /; write a deeper one`},
		"the system's":                 {map[string]string{"log.paths": "/proc/self/environ"}, `/proc is the system's`},
		"a whole tree":                 {map[string]string{"log.paths": "/var/*.log"}, `/var, which has more than logs`},
		"long path":                    {map[string]string{"log.paths": "/x/" + strings.Repeat("y", 1100)}, `longer than 1024`},
		"twice":                        {map[string]string{"log.paths": "/x/y/a,/x/y/a"}, `"/x/y/a" is there twice`},
		"only commas":                  {map[string]string{"log.paths": ","}, `the list is empty`},
		"no such container":            {map[string]string{"log.paths": "/x/y/*.log", "log.container": "ap"}, `log.container="ap": the Pod has no container of that name; write one of app, proxy`},
		"no name of a container":       {map[string]string{"log.paths": "/x/y/*.log", "log.container": "A B"}, `it is not the name of a container`},
		"drain":                        {map[string]string{"log.paths": "/x/y/*.log", "log.drain": "10m"}, `write a duration from 5s to 5m`},
		"topic":                        {map[string]string{"log.paths": "/x/y/*.log", "log.topic": "%{[a]}"}, `write the name of a topic`},
		"topic of dots":                {map[string]string{"log.paths": "/x/y/*.log", "log.topic": ".."}, `write the name of a topic`},
		"index":                        {map[string]string{"log.paths": "/x/y/*.log", "log.index": "Logs"}, `write the beginning of an index's name`},
		"no regular expression":        {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "pattern:("}, `log.multiline="pattern:(": the pattern is no regular expression (RE2): missing closing ): "("`},
		"no RE2":                       {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "pattern:(?=x)"}, `no regular expression (RE2)`},
		"empty pattern":                {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "pattern:"}, `the pattern is empty, or longer`},
		"a tab in a pattern":           {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "pattern:^\tat"}, `write an escape such as \t`},
		"no preset":                    {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "perl"}, `there is no such preset; write one of none, indent, java, timestamp, or`},
		"no word":                      {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "^ "}, `write none, java, timestamp or indent`},
		"match without pattern":        {map[string]string{"log.paths": "/x/y/*.log", "log.multiline": "java", "log.multiline-match": "after"}, `it counts only for a pattern of one's own`},
		"match":                        {map[string]string{"log.paths": "/x/y/*.log", "log.multiline-match": "behind"}, `write one of after, before`},
		"encoding":                     {map[string]string{"log.paths": "/x/y/*.log", "log.encoding": "utf8"}, `write one of utf-8, plain, gbk`},
		"fields":                       {map[string]string{"log.paths": "/x/y/*.log", "log.fields": "team"}, `"team": write name=value, each name once`},
		"fields twice":                 {map[string]string{"log.paths": "/x/y/*.log", "log.fields": "a=1,a=2"}, `"a=2": write name=value, each name once`},
		"a field's name":               {map[string]string{"log.paths": "/x/y/*.log", "log.fields": "a.b=1"}, `field "a.b": write a name`},
		"a field's value":              {map[string]string{"log.paths": "/x/y/*.log", "log.fields": "a="}, `field "a" has the value ""`},
		"a field of ours":              {map[string]string{"log.paths": "/x/y/*.log", "log.fields": "topic=x"}, `other than topic and index`},
		"no paths":                     {map[string]string{"log.topic": "x"}, `log.topic="x": it does nothing without sidecar.kubewright.io/log.paths; add that, or remove this`},
		"no lxcfs":                     {map[string]string{"lxcfs.files": "stat"}, `it does nothing without sidecar.kubewright.io/lxcfs`},
		"a file that runc refuses":     {map[string]string{"lxcfs": "true", "lxcfs.files": "pressure"}, `"pressure" is none of cpuinfo, diskstats`},
		"no container to skip":         {map[string]string{"lxcfs": "true", "lxcfs.skip": "x"}, `the Pod has no container "x"; write some of app, proxy`},
		"frozen":                       {map[string]string{"faketime": "2030-01-01 00:00:00", "faketime.libc": "glibc"}, `the clock would stand still; write @ before the time`},
		"no libc":                      {map[string]string{"faketime": "+1d"}, `it needs sidecar.kubewright.io/faketime.libc to be one of glibc, musl`},
		"a file of times":              {map[string]string{"faketime": "%"}, `write an offset such as +15d`},
		"no date":                      {map[string]string{"faketime": "@2030-02-30 00:00:00"}, `write an offset such as +15d`},
		"a short date":                 {map[string]string{"faketime": "@2030-2-3 00:00:00"}, `write an offset such as +15d`},
		"a frozen speed":               {map[string]string{"faketime": "2030-01-01 00:00:00 x2"}, `write an offset such as +15d`},
		"no speed":                     {map[string]string{"faketime": "+1d x0"}, `the speed behind x is no number above 0`},
		"an infinite speed":            {map[string]string{"faketime": "+1d xInf"}, `the speed behind x is no number above 0`},
		"half a CPU":                   {map[string]string{"cpus": "0.5"}, `write auto, or a number from 1 to 1024`},
		"many CPUs":                    {map[string]string{"cpus": "1025"}, `write auto, or a number from 1 to 1024`},
		"zeros":                        {map[string]string{"cpus": "08"}, `write auto, or a number from 1 to 1024`},
		"no zone":                      {map[string]string{"timezone": "../../etc/passwd"}, `write a name of the IANA database`},
		"no address":                   {map[string]string{"hosts": "a=10.0.0.1"}, `"a=10.0.0.1": write an address, '=' and names`},
		"no names":                     {map[string]string{"hosts": "10.0.0.1="}, `10.0.0.1: the list is empty`},
		"no hosts at all":              {map[string]string{"hosts": ";"}, `write an address, '=' and names`},
		"no host":                      {map[string]string{"hosts": "10.0.0.1=A.corp"}, `"A.corp" is no host name`},
		"two addresses":                {map[string]string{"hosts": "10.0.0.1=a.corp;10.0.0.2=a.corp"}, `a.corp is given to 10.0.0.1 and 10.0.0.2`},
		"debug":                        {map[string]string{"debug": "true"}, `"true" is none of probes, hold`},
	} {
		t.Run(name, func(t *testing.T) {
			out, outcome, err := set.Apply(annotate(podOf(t, webPod), c.annotations), sidecar.Namespace{})
			require.ErrorContains(t, err, c.want)
			require.Nil(t, out)
			require.Empty(t, outcome)
			_, ok := errors.AsType[*sidecar.AnnotationError](err)
			require.True(t, ok)
		})
	}
}

// TestConflicts is what the Pod has in the way.
func TestConflicts(t *testing.T) {
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	mount := func(volume, path string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: volume, VolumeSource: empty})
			pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: path})
		}
	}
	env := func(v corev1.EnvVar) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Spec.Containers[0].Env = append(pod.Spec.Containers[0].Env, v) }
	}
	secret := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "x"}}
	logs := map[string]string{"log.paths": "/var/log/app/*.log"}
	faketime := map[string]string{"faketime": "+1d", "faketime.libc": "glibc"}
	for name, c := range map[string]struct {
		annotations map[string]string
		have        func(*corev1.Pod)
		want        string
	}{
		"a container's name":       {logs, func(pod *corev1.Pod) { pod.Spec.Containers[1].Name = "log-shipper" }, "it needs a container named log-shipper, and the Pod has another"},
		"an init container's name": {faketime, func(pod *corev1.Pod) { pod.Spec.InitContainers = []corev1.Container{{Name: "faketime"}} }, "it needs a container named faketime"},
		"a volume's name":          {logs, mount("log-shipper-data", "/d"), "it needs a volume named log-shipper-data"},
		"two containers of a name": {logs, func(pod *corev1.Pod) { pod.Spec.Containers[1].Name = "app" }, `two containers or two volumes named "app"`},
		"two volumes of a name":    {logs, func(pod *corev1.Pod) { pod.Spec.Volumes = []corev1.Volume{{Name: "v"}, {Name: "v"}} }, `two containers or two volumes named "v"`},
		"no container":             {logs, func(pod *corev1.Pod) { pod.Spec.Containers = nil }, "the Pod has no container"},
		"a volume below the logs":  {logs, mount("v", "/var/log/app/old"), "container app mounts volume v at /var/log/app/old, below the directory /var/log/app of the logs"},
		"logs in the root":         {logs, mount("v", "/"), "would have to be mounted at /, where the log shipper has /etc/log-shipper"},
		"logs in the shipper's":    {map[string]string{"log.paths": "/var/lib/log-shipper/x/*.log"}, mount("v", "/v"), "where the log shipper has /var/lib/log-shipper"},
		"logs in the image's":      {map[string]string{"log.paths": "/usr/share/filebeat/*.log"}, mount("v", "/v"), "where the log shipper has /usr/share/filebeat"},
		"volumes around volumes": {map[string]string{"log.a.paths": "/v/w/x/*.log", "log.b.paths": "/v/x/*.log"}, func(pod *corev1.Pod) {
			mount("v", "/v")(pod)
			mount("w", "/v/w")(pod)
		}, "around another volume of logs"},
		"logs on the node": {logs, func(pod *corev1.Pod) {
			mount("v", "/var/log")(pod)
			pod.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}
		}, "/var/log/app is in volume v, a hostPath, which is no place for logs; mount an emptyDir"},
		"a path of variables": {logs, func(pod *corev1.Pod) {
			mount("v", "/var/log/app")(pod)
			pod.Spec.Containers[0].VolumeMounts[0].SubPathExpr = "$(UNKNOWN)"
		}, `subPathExpr "$(UNKNOWN)", of variables that the log shipper can't have`},
		"LD_PRELOAD from elsewhere": {faketime, env(corev1.EnvVar{Name: "LD_PRELOAD", ValueFrom: secret}), "takes LD_PRELOAD from elsewhere (valueFrom)"},
		"LD_PRELOAD of nothing":     {faketime, env(corev1.EnvVar{Name: "LD_PRELOAD"}), "sets LD_PRELOAD to nothing on purpose"},
		"options from elsewhere":    {map[string]string{"cpus": "2", "cpus.java": "true"}, env(corev1.EnvVar{Name: "JAVA_TOOL_OPTIONS", ValueFrom: secret}), "takes JAVA_TOOL_OPTIONS from elsewhere"},
		"a volume at the library's": {faketime, mount("v", "/opt/faketime"), "container app has a volume at /opt/faketime"},
		"a volume at the agent's":   {map[string]string{"sidecar.agent": "true"}, mount("v", "/run/agent/"), "container app has a volume at /run/agent already"},
		"a host of another address": {map[string]string{"hosts": "10.0.0.1=a.corp"}, func(pod *corev1.Pod) {
			pod.Spec.HostAliases = []corev1.HostAlias{{IP: "10.0.0.9", Hostnames: []string{"a.corp"}}}
		}, "give a.corp to 10.0.0.9 already"},
		"too much": {logs, func(pod *corev1.Pod) {
			pod.Annotations = map[string]string{"example.com/x": strings.Repeat("x", 262144-100)}
		}, "all annotations together would have"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(t, webPod)
			c.have(pod)
			_, _, err := newSet(t).Apply(annotate(pod, c.annotations), sidecar.Namespace{})
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestAllAtOnce: a template is repaired in one go, in the order of its keys.
func TestAllAtOnce(t *testing.T) {
	pod := annotate(podOf(t, webPod), map[string]string{"timezone": "?", "cpus": "x", "log.pathss": "y"})
	_, _, err := newSet(t).Apply(pod, sidecar.Namespace{Defaults: map[string]string{prefix + "debug": "z", "example.com/other": "w"}})
	var keys []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		one, ok := errors.AsType[*sidecar.AnnotationError](e)
		require.True(t, ok)
		keys = append(keys, strings.TrimPrefix(one.Key, prefix))
	}
	require.Equal(t, []string{"cpus", "debug", "log.pathss", "timezone"}, keys)
}

// TestBounds: whoever writes annotations cannot make the work grow with the square of them.
func TestBounds(t *testing.T) {
	many := func(n int, item func(i int) string, between string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, between)
	}
	paths := many(100, func(i int) string { return fmt.Sprintf("/srv/%d/*.log", i) }, ",")
	for want, annotations := range map[string]map[string]string{
		"there are more than 128 items":                   {"log.paths": many(20000, func(i int) string { return fmt.Sprint("/srv/x/", i) }, ",")},
		"there are more than 128 addresses":               {"hosts": many(10000, func(i int) string { return fmt.Sprintf("10.0.%d.%d=h%d", i/256, i%256, i) }, ";")},
		"all streams together have more than 128 paths":   {"log.a.paths": paths, "log.b.paths": paths},
		"the pattern is empty, or longer than 1024 bytes": {"log.paths": "/x/y/z", "log.multiline": "pattern:" + strings.Repeat("x", 1025)},
		"it is no record":                                 {"injected": `{"volumes":[` + many(600, func(int) string { return `""` }, ",") + `]}`},
	} {
		_, _, err := newSet(t).Apply(annotate(podOf(t, webPod), annotations), sidecar.Namespace{})
		require.ErrorContains(t, err, want)
	}
	unknown := map[string]string{}
	for i := range 5000 {
		unknown[fmt.Sprint("lgo.paths", i)] = ""
	}
	_, _, err := newSet(t).Apply(annotate(podOf(t, webPod), unknown), sidecar.Namespace{})
	require.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 128)
}

// TestNewRefuses is wrong configuration, all of it at once.
func TestNewRefuses(t *testing.T) {
	hosts := []string{"h:1"}
	zero := 0
	secret := &corev1.SecretKeySelector{}
	for want, injectors := range map[string][]sidecar.Injector{
		"log is given twice":                      {shipper(), shipper()},
		"an injector is nil":                      {nil},
		"image is missing":                        {sidecar.Filebeat{}},
		"there are 0 outputs":                     {sidecar.Filebeat{Image: "x"}},
		"there are 2 outputs":                     {sidecar.Filebeat{Image: "x", Output: sidecar.Output{Logstash: &sidecar.Logstash{Hosts: hosts}, Kafka: &sidecar.Kafka{Hosts: hosts}}}},
		"output: hosts are missing":               {sidecar.Filebeat{Output: sidecar.Output{Logstash: &sidecar.Logstash{}}}},
		`host "x": write host:port`:               {sidecar.Filebeat{Output: sidecar.Output{Logstash: &sidecar.Logstash{Hosts: []string{"x"}}}}},
		`host "x:1": write a URL`:                 {sidecar.Filebeat{Output: sidecar.Output{Elasticsearch: &sidecar.Elasticsearch{Hosts: []string{"x:1"}}}}},
		"output: hosts are missing\n":             {sidecar.Filebeat{Output: sidecar.Output{Elasticsearch: &sidecar.Elasticsearch{Username: "u"}}}},
		`index "A"`:                               {sidecar.Filebeat{Output: sidecar.Output{Elasticsearch: &sidecar.Elasticsearch{Index: "A"}}}},
		"username and password need each other":   {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Username: "u"}}}},
		"write the name and the key of a Secret":  {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Username: "u", Password: secret}}}},
		"username has characters":                 {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Username: "\x00", Password: secret}}}},
		`topic "a b"`:                             {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Topic: "a b"}}}},
		`version "latest"`:                        {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Version: "latest"}}}},
		`compression "zip"`:                       {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Compression: "zip"}}}},
		"acks 0":                                  {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Acks: &zero}}}},
		"tls.ca: there is no PEM block":           {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, TLS: &sidecar.TLS{CA: "x"}}}}},
		"tls.ca: x509":                            {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, TLS: &sidecar.TLS{CA: "-----BEGIN X-----\n-----END X-----\n"}}}}},
		"drain 1s: write 5s to 5m0s":              {sidecar.Filebeat{Drain: metav1.Duration{Duration: 1e9}}},
		`wrapper ["drain"]: write the absolute`:   {sidecar.Filebeat{Wrapper: []string{"drain"}}},
		`wrapper ["/drain" "$(A)"]: write the`:    {sidecar.Filebeat{Wrapper: []string{"/drain", "$(A)"}}},
		"flush 1h0m0s: write 1s to 5m0s":          {sidecar.Filebeat{Flush: metav1.Duration{Duration: 3600e9}}},
		"presets.java: the name is taken":         {sidecar.Filebeat{Presets: map[string]sidecar.Multiline{"java": {Pattern: "x"}}}},
		`presets.x: match "y"`:                    {sidecar.Filebeat{Presets: map[string]sidecar.Multiline{"x": {Pattern: "x", Match: "y"}}}},
		"fields: field \"a b\"":                   {sidecar.Filebeat{Fields: map[string]string{"a b": "c"}}},
		`metadataTarget "a.b"`:                    {sidecar.Filebeat{MetadataTarget: "a.b"}},
		"imagePullSecrets: a name is empty":       {sidecar.Filebeat{ImagePullSecrets: []string{""}}},
		`dir "x": write an absolute path`:         {sidecar.LXCFS{Dir: "x"}},
		`files: "pressure" is none of`:            {sidecar.LXCFS{Files: []string{"pressure"}}},
		"parent: write a directory around dir":    {sidecar.LXCFS{Parent: "/var/lib"}},
		"faketime: image is missing":              {sidecar.FakeTime{}},
		"paths.uclibc: write glibc or musl":       {sidecar.FakeTime{Library: sidecar.Library{Image: "x", Paths: map[string]string{"uclibc": "/x"}}}},
		"paths are missing":                       {sidecar.FakeTime{Library: sidecar.Library{Image: "x"}}},
		`variables: "A B"`:                        {sidecar.CPUCount{Variables: []string{"A B"}}},
		`variables: "GOMAXPROCS"`:                 {sidecar.CPUCount{Variables: []string{"GOMAXPROCS"}}},
		"cpus: shim: image is missing":            {sidecar.CPUCount{Shim: &sidecar.Library{}}},
		"zones: x y: write":                       {sidecar.TimeZone{Zones: []string{"x y"}}},
		`name "A": write at most 40`:              {sidecar.Sidecar{Title: "A"}},
		"it adds nothing":                         {sidecar.Sidecar{Title: "a"}},
		`container "x": write a name`:             {sidecar.Sidecar{Title: "a", Containers: []corev1.Container{{Name: "x"}}}},
		`volume "v": write a name`:                {sidecar.Sidecar{Title: "a", Volumes: []corev1.Volume{{Name: "v"}, {Name: "v"}}}},
		`container "x": w is none of the volumes`: {sidecar.Sidecar{Title: "a", Containers: []corev1.Container{{Name: "x", Image: "x", VolumeMounts: []corev1.VolumeMount{{Name: "w", MountPath: "/w"}}}}}},
		`container "x": device w is none`:         {sidecar.Sidecar{Title: "a", Containers: []corev1.Container{{Name: "x", Image: "x", VolumeDevices: []corev1.VolumeDevice{{Name: "w", DevicePath: "/w"}}}}}},
		"has no probes and no lifecycle":          {sidecar.Sidecar{Title: "a", InitContainers: []corev1.Container{{Name: "x", Image: "x", StartupProbe: &corev1.Probe{}}}}},
		`mechanism "SCRAM": write PLAIN, `:        {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Username: "u", Mechanism: "SCRAM"}}}},
		`mechanism "PLAIN": write PLAIN, `:        {sidecar.Filebeat{Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: hosts, Mechanism: "PLAIN"}}}},
		"resources.claims are for the Pod":        {sidecar.Sidecar{Title: "a", Containers: []corev1.Container{{Name: "x", Image: "x", Resources: corev1.ResourceRequirements{Claims: []corev1.ResourceClaim{{Name: "gpu"}}}}}}},
		"mounts: w is none of the volumes":        {sidecar.Sidecar{Title: "a", Mounts: []corev1.VolumeMount{{Name: "w", MountPath: "/w"}}}},
		`mounts: mountPath "w/": write`:           {sidecar.Sidecar{Title: "a", Mounts: []corev1.VolumeMount{{Name: "w", MountPath: "w/"}}}},
		`env: "A=B" is no name`:                   {sidecar.Sidecar{Title: "a", Env: []corev1.EnvVar{{Name: "A=B"}}}},
		"graceSeconds -1: write 0 to 3600":        {sidecar.Sidecar{Title: "a", GraceSeconds: -1}},
		"sidecar.a: imagePullSecrets: a name":     {sidecar.Sidecar{Title: "a", ImagePullSecrets: []string{""}}},
	} {
		t.Run(want, func(t *testing.T) {
			set, err := sidecar.New("", injectors...)
			require.ErrorContains(t, err, strings.TrimSuffix(want, "\n"))
			require.Nil(t, set)
		})
	}
	_, err := sidecar.New("not a domain")
	require.ErrorContains(t, err, `prefix "not a domain"`)
}
