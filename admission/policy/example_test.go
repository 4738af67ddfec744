package policy_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/policy"
)

func Example() {
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		HostNetwork: true,
		Containers:  []corev1.Container{{Name: "app", Ports: []corev1.ContainerPort{{ContainerPort: 8080}, {ContainerPort: 22}}}},
	}}
	check, err := policy.HostPort{Allow: []string{"8080", "30000-32767"}}.Check()
	if err != nil {
		fmt.Println(err)
		return
	}
	subject, _ := policy.SubjectOf(pod)
	for _, finding := range check.Evaluate(subject) {
		fmt.Println(finding)
	}
	// Output:
	// spec.containers[app].ports[1].containerPort: containerPort 22 is a host port because of hostNetwork, and is not one of 8080, 30000-32767: use one of these, or remove hostNetwork and expose the port with a Service (host-port)
}

// What a configuration file chooses.
func ExampleNew() {
	const config = `
- name: host-path
  options: {allow: [{pathPrefix: /var/log, readOnly: true}]}
- name: image
  options: {allowed: [registry.example.com]}
- name: no-exec
`
	var policies []struct {
		Name    string         `json:"name"`
		Options map[string]any `json:"options"`
	}
	if err := yaml.UnmarshalStrict([]byte(config), &policies); err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range policies {
		options, _ := yaml.Marshal(p.Options)
		check, err := policy.New(p.Name, options)
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println("using", check.Name)
	}
	// Output:
	// using host-path
	// error: image: options: unknown field "allowed"
	// error: no check is named "no-exec": write one of host-port, host-path, host-namespaces, privileged, capabilities, probe-required, probe-handler, probe-timing, probe-host, image, resources, termination-grace
}

// A check of one's own, beside the package's. Registrations are what admission.NewHandler takes.
func ExampleRegister() {
	hostPath, err := policy.HostPath{}.Check()
	if err != nil {
		fmt.Println(err)
		return
	}
	owner := policy.Check{Name: "owner", Evaluate: func(s policy.Subject) []admission.Finding {
		if s.Meta.Labels["owner"] != "" {
			return nil
		}
		return []admission.Finding{{Rule: "owner", Message: "no label owner: write the team that is called at night"}}
	}}
	registrations := policy.Register(hostPath, owner)
	fmt.Println(len(registrations), "kinds")
	// Output:
	// 9 kinds
}

// A handler of several checks. A check has the same verdict on a Pod and on what makes such Pods.
func ExampleRegister_handler() {
	hostPort, err := policy.HostPort{Allow: []string{"8080", "30000-32767"}}.Check()
	if err != nil {
		panic(err)
	}
	image, err := policy.New("image", []byte(`{"allow": ["registry.example.com/shop"]}`))
	if err != nil {
		panic(err)
	}
	h, err := admission.NewHandler(admission.Options{}, policy.Register(hostPort, image)...)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(h.Kinds()), "kinds")
	// Output:
	// 9 kinds
}

// Walking over all containers, and naming their fields.
func ExampleSubject_Containers() {
	always := corev1.ContainerRestartPolicyAlways
	subject, _ := policy.SubjectOf(&corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "migrate"}, {Name: "proxy", RestartPolicy: &always}},
		Containers:     []corev1.Container{{Name: "app"}},
	}})
	for c := range subject.Containers() {
		fmt.Println(c.Kind, c.Field("image"))
	}
	// Output:
	// init spec.initContainers[migrate].image
	// sidecar spec.initContainers[proxy].image
	// app spec.containers[app].image
}
