package e2e

import "fmt"

// Specs of Pods, good and bad in one way each.
const (
	good     = `{containers: [` + container + `]}`
	hostPath = `{containers: [` + container + `], volumes: [{name: etc, hostPath: {path: /etc}}]}`
	hostPort = `{containers: [{name: app, image: "registry.example/web:1.4.2", ports: [{containerPort: 8080, hostPort: 8080}], ` + rest + `}]}`

	container = `{name: app, image: "registry.example/web:1.4.2", ports: [{containerPort: 8080}], ` + rest + `}`
	rest      = `readinessProbe: {httpGet: {path: /ready, port: 8080}}, livenessProbe: {httpGet: {path: /alive, port: 8080}}, ` +
		`resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}`
)

func pod(name, spec string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, labels: {app: web}}, spec: %s}\n", name, spec)
}

// workload is a Deployment or a StatefulSet with one replica.
func workload(kind, name, spec string) string {
	return fmt.Sprintf(`{apiVersion: apps/v1, kind: %s, metadata: {name: %s}, spec: {replicas: 1,`+
		`selector: {matchLabels: {app: %[2]s}}, template: {metadata: {labels: {app: %[2]s}}, spec: %[3]s}}}`+"\n", kind, name, spec)
}
