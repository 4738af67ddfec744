package sidecar

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// CPUCount tells programs how many CPUs they have, in variables. The number is computed from the container's own limit,
// rounded up, or its request where there is none. A resourceFieldRef would be the size of the node where there is no
// limit.
type CPUCount struct {
	// Variables get the number. NUM_CPUS if empty.
	Variables []string `json:"variables,omitempty"`
	// Shim is a library that replaces JVM_ActiveProcessorCount, for a JVM older than 8u191, and reads the variables.
	Shim *Library `json:"shim,omitempty"`
}

const (
	cpusKey  = "cpus"
	shimName = "cpu-shim"
	shimDir  = "/opt/cpu-shim"
	shimFile = shimDir + "/libcpus.so"
)

// Name is "cpus".
func (CPUCount) Name() string { return "cpus" }

func (CPUCount) rank() int { return 3 }

func (CPUCount) keys() []Key {
	return []Key{
		{Name: cpusKey, Values: "`auto`, or a number from 1 to 1024", Doc: "The number of CPUs in variables of all containers. `auto` is each container's limit, rounded up, or its request.", parse: parseCPUs},
		{Name: "cpus.java", Values: boolWords, Doc: "Appends `-XX:ActiveProcessorCount` to `JAVA_TOOL_OPTIONS`.", parse: parseBool},
		{Name: "cpus.go", Values: boolWords, Doc: "Sets `GOMAXPROCS`, for programs made with Go before 1.25.", parse: parseBool},
		{Name: "cpus.shim", Values: "`glibc` or `musl`", Doc: "Preloads the platform's library for old JVMs, made for the C library of the images.", parse: oneOf(libcs()...)},
	}
}

func parseCPUs(text string) (any, error) {
	if text == "auto" {
		return int64(0), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > 1024 || strconv.FormatInt(n, 10) != text {
		return nil, errors.New("write auto, or a number from 1 to 1024")
	}
	return n, nil
}

func (n CPUCount) variables() []string {
	if len(n.Variables) == 0 {
		return []string{"NUM_CPUS"}
	}
	return n.Variables
}

func (n CPUCount) validate() (errs []error) {
	seen := map[string]bool{preload: true, javaOptions: true, goMaxProcs: true}
	for _, v := range n.variables() {
		if len(validation.IsEnvVarName(v)) > 0 || seen[v] {
			errs = append(errs, fmt.Errorf("variables: %q is no name of a variable of its own", v))
		}
		seen[v] = true
	}
	if n.Shim != nil {
		for _, err := range n.Shim.validate() {
			errs = append(errs, fmt.Errorf("shim: %w", err))
		}
	}
	return errs
}

func (CPUCount) asked(v *values) bool { return v.has(cpusKey) }

const (
	javaOptions = "JAVA_TOOL_OPTIONS"
	goMaxProcs  = "GOMAXPROCS"

	processorCountFlag = "-XX:ActiveProcessorCount="
)

var processorCount = regexp.MustCompile(`(^|\s)-XX:ActiveProcessorCount=`)

func (n CPUCount) inject(e *edit) {
	libc := get(e.values, "cpus.shim", "")
	if libc != "" && (n.Shim == nil || n.Shim.Paths[libc] == "") {
		e.refuse("cpus.shim", "this platform has no such library; remove the annotation")
		return
	}
	done := false
	for _, c := range e.allContainers() {
		count := get(e.values, cpusKey, int64(0))
		if count == 0 {
			count = countOf(&e.pod.Spec, c)
		}
		if count == 0 {
			e.warn("cpus: container " + c.Name + " has neither a limit nor a request of cpu, so there is no number for it")
			continue
		}
		done = true
		n.tell(e, c, strconv.FormatInt(count, 10))
		if libc != "" && e.isApp(c.Name) {
			e.preloadIn("cpus.shim", c, shimName, shimDir, shimFile)
		}
	}
	if !done {
		e.skip(n.Name(), ReasonNoTarget, "no container has a limit or request of cpu")
		return
	}
	if libc != "" {
		e.copyIn("cpus.shim", copied{name: shimName, image: n.Shim.Image, from: n.Shim.Paths[libc], to: shimFile, dir: shimDir})
	}
	e.applied(n.Name())
}

// countOf is the number of CPUs of a container, or 0 if nothing says how many. The limit of the Pod as a whole bounds
// all of its containers.
func countOf(spec *corev1.PodSpec, c *corev1.Container) int64 {
	limit, whole := c.Resources.Limits.Cpu().MilliValue(), int64(0)
	if spec.Resources != nil {
		whole = spec.Resources.Limits.Cpu().MilliValue()
	}
	if limit <= 0 || whole > 0 && whole < limit {
		limit = whole
	}
	if limit <= 0 {
		limit = c.Resources.Requests.Cpu().MilliValue()
	}
	if limit <= 0 {
		return 0
	}
	return (limit-1)/1000 + 1
}

func (n CPUCount) tell(e *edit, c *corev1.Container, count string) {
	names := n.variables()
	if get(e.values, "cpus.go", false) {
		names = append(slices.Clip(names), goMaxProcs)
	}
	for _, name := range names {
		if own := lastEnv(c, name); own != nil && (own.Value != count || own.ValueFrom != nil) {
			e.warn("cpus: container " + c.Name + " sets " + name + " itself, which stays")
		}
		e.setEnv(c, corev1.EnvVar{Name: name, Value: count})
	}
	if !get(e.values, "cpus.java", false) {
		return
	}
	if own := lastEnv(c, javaOptions); own != nil && processorCount.MatchString(strings.TrimSpace(own.Value)) {
		e.warn("cpus: container " + c.Name + " sets -XX:ActiveProcessorCount itself, which stays")
		return
	}
	e.addWord("cpus.java", c, javaOptions, processorCountFlag+count)
}
