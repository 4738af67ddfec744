package sidecar_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/sidecar"
)

func Example() {
	set, err := sidecar.New("sidecar.example.com",
		sidecar.Filebeat{
			Image:  "registry.example.com/filebeat:8.15.0",
			Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: []string{"kafka.example.com:9092"}, Topic: "logs"}},
		},
		sidecar.TimeZone{})
	if err != nil {
		fmt.Println(err)
		return
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			"sidecar.example.com/log.paths": "/var/log/orders/*.log",
			"sidecar.example.com/timezone":  "Europe/Berlin",
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "orders", Image: "registry.example.com/orders:1"}}},
	}
	out, outcome, err := set.Apply(pod, sidecar.Namespace{Level: sidecar.LevelRestricted})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("applied:", outcome.Applied)
	fmt.Println("sidecar:", out.Spec.InitContainers[0].Name)
	fmt.Println("mount:  ", out.Spec.Containers[0].VolumeMounts[0].MountPath)
	fmt.Println("grace:  ", *out.Spec.TerminationGracePeriodSeconds)
	// Output:
	// applied: [timezone log]
	// sidecar: log-shipper
	// mount:   /var/log/orders
	// grace:   47
}

// A template is checked in CI, without a cluster.
func ExampleSet_Apply_errors() {
	set, _ := sidecar.New("", sidecar.TimeZone{}, sidecar.CPUCount{})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
		"sidecar.kubewright.io/timezne": "UTC",
		"sidecar.kubewright.io/cpus":    "half",
	}}}
	_, _, err := set.Apply(pod, sidecar.Namespace{})
	fmt.Println(err)
	// Output:
	// annotation sidecar.kubewright.io/cpus="half": write auto, or a number from 1 to 1024
	// annotation sidecar.kubewright.io/timezne="UTC": there is no such annotation; did you mean sidecar.kubewright.io/timezone?
}

func ExampleSet_Eject() {
	set, _ := sidecar.New("", sidecar.HostAliases{})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"sidecar.kubewright.io/hosts": "10.0.0.1=db.corp"}}}
	out, _, _ := set.Apply(pod, sidecar.Namespace{})
	fmt.Println(out.Spec.HostAliases)
	out, _ = set.Eject(out)
	fmt.Println(out.Spec.HostAliases)
	// Output:
	// [{10.0.0.1 [db.corp]}]
	// []
}

func ExampleFilebeat_Render() {
	f := sidecar.Filebeat{Image: "filebeat:8.15.0", Output: sidecar.Output{Logstash: &sidecar.Logstash{Hosts: []string{"logstash:5044"}}}}
	set, _ := sidecar.New("", f)
	spec, err := set.ParseLog(map[string]string{"sidecar.kubewright.io/log.paths": "/var/log/orders/*.log"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	config, _ := f.Render(spec)
	fmt.Println(string(config[:94]))
	// Output:
	// filebeat.inputs:
	// - type: filestream
	//   id: 'app-default'
	//   paths:
	//   - '/var/log/orders/*.log'
}
