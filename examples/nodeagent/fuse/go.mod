module github.com/kubewright/kubewright/examples/nodeagent/fuse

go 1.26.0

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/kubewright/kubewright v0.0.0
	github.com/stretchr/testify v1.11.1
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	golang.org/x/sys v0.38.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace github.com/kubewright/kubewright => ../../..
