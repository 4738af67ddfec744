// Command gen writes the wire tables of package tables from the struct tags of the Kubernetes API types: one table
// for all minor releases that it lists, so that a value is read with the fields and kinds of the release that wrote
// it. The sources are fetched with the go command.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
)

// releases are read oldest first. The newest decides names, omitempty and which fields are gone.
var releases = []string{
	"v0.17.17", "v0.18.19", "v0.19.16", "v0.20.15", "v0.21.14", "v0.22.17", "v0.23.17", "v0.24.17", "v0.25.16", "v0.26.15",
	"v0.27.16", "v0.28.15", "v0.29.15", "v0.30.14", "v0.31.14", "v0.32.13", "v0.33.13", "v0.34.13", "v0.35.0", "v0.36.3", "v0.37.2",
}

// roots says where the kinds of a module are.
var roots = []struct{ module, under string }{
	{"k8s.io/api", "."},
	{"k8s.io/apimachinery", "pkg/apis/meta/v1"},
	{"k8s.io/apiextensions-apiserver", "pkg/apis"},
	{"k8s.io/kube-aggregator", "pkg/apis"},
}

func main() {
	out := flag.String("o", "", "file to write")
	flag.Parse()
	log.SetFlags(0)
	u := &union{messages: map[string]*message{}, kinds: map[string]string{}}
	for i := range releases {
		if err := u.addRelease(i); err != nil {
			log.Fatal(err)
		}
	}
	source, err := u.write(len(releases) - 1)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, source, 0o644); err != nil {
		log.Fatal(err)
	}
}

func (u *union) addRelease(index int) error {
	version := releases[index]
	modules := []string{"k8s.io/api", "k8s.io/apimachinery"}
	if index == len(releases)-1 { // older servers, too, store these two groups as JSON; once is enough
		modules = append(modules, "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator")
	}
	release, err := download(version, modules...)
	if err != nil {
		return err
	}
	r := &reader{release: release, messages: map[string]*message{}}
	for _, root := range roots {
		if err := u.addModule(r, root.module, root.under); err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
	}
	if conflicts := u.add(r, index); len(conflicts) > 0 {
		return fmt.Errorf("%s: numbers with another meaning: %v", version, conflicts)
	}
	return nil
}

func (u *union) addModule(r *reader, module, under string) error {
	if r.dirs[module] == "" {
		return nil
	}
	paths, err := r.find(module, under)
	if err != nil {
		return err
	}
	for _, path := range paths {
		p, err := r.load(path)
		if err != nil {
			return err
		}
		if err := u.addKinds(r, p); err != nil {
			return err
		}
	}
	return nil
}
