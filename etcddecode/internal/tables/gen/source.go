package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// release is one version of the Kubernetes modules, unpacked.
type release struct {
	version string
	dirs    map[string]string // module path to directory
	pkgs    map[string]*source
}

// source is what the generator needs to know of one Go package.
type source struct {
	path  string
	group string // of its GroupName constant; "" also for core
	types map[string]*declared
}

// declared is a type declaration and the imports of the file it stands in.
type declared struct {
	expr    ast.Expr
	imports map[string]string
}

// download unpacks the modules of a release into the module cache.
func download(version string, modules ...string) (*release, error) {
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m+"@"+version)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("download %s: %w\n%s%s", version, err, exit.Stderr, out)
		}
		return nil, err
	}
	r := &release{version: version, dirs: map[string]string{}, pkgs: map[string]*source{}}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var m struct{ Path, Dir string }
		if err := dec.Decode(&m); err != nil {
			return nil, err
		}
		r.dirs[m.Path] = m.Dir
	}
	return r, nil
}

// find returns the paths of the packages under a directory of a module that declare API types.
func (r *release) find(module, under string) ([]string, error) {
	var paths []string
	root := filepath.Join(r.dirs[module], filepath.FromSlash(under))
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "generated.proto" {
			return err
		}
		rel, err := filepath.Rel(r.dirs[module], filepath.Dir(path))
		paths = append(paths, module+"/"+filepath.ToSlash(rel))
		return err
	})
	slices.Sort(paths)
	return paths, err
}

// load parses a package. A package outside the downloaded modules is nil.
func (r *release) load(path string) (*source, error) {
	if p, ok := r.pkgs[path]; ok {
		return p, nil
	}
	for module, dir := range r.dirs {
		if path == module || strings.HasPrefix(path, module+"/") {
			p, err := parsePackage(path, filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(path, module))))
			r.pkgs[path] = p
			return p, err
		}
	}
	return nil, nil
}

func parsePackage(path, dir string) (*source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &source{path: path, types: map[string]*declared{}}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "zz_") || strings.HasSuffix(name, ".pb.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.add(file)
	}
	return p, nil
}

func (p *source) add(file *ast.File) {
	imports := map[string]string{}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imports[name] = path
	}
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				p.types[spec.Name.Name] = &declared{spec.Type, imports}
			case *ast.ValueSpec:
				if spec.Names[0].Name == "GroupName" && len(spec.Values) == 1 {
					if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
						p.group, _ = strconv.Unquote(lit.Value)
					}
				}
			}
		}
	}
}
