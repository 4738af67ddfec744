// Package etcddecode tests the package and the command of that name on what a real API server stores.
package etcddecode

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
)

// stub is an object of one resource, with the key that it is stored under and the version that it is stored in, as
// Kubernetes' own test of its storage has them.
type stub struct {
	group, version, resource string
	manifest                 string
	key                      string
	storedGroup, storedAs    string
}

// loadStubs reads the table from the source of the Kubernetes version under test, which the binaries are built from.
func loadStubs(kubeModule, namespace string) ([]stub, error) {
	cmd := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes")
	cmd.Dir = kubeModule
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("find the source of Kubernetes: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(module.Dir, "test/integration/etcd/data.go"), nil, 0)
	if err != nil {
		return nil, err
	}
	var stubs []stub
	ast.Inspect(file, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		call, ok := pair.Key.(*ast.CallExpr)
		if !ok || len(call.Args) != 3 {
			return true
		}
		value, ok := pair.Value.(*ast.CompositeLit)
		if !ok {
			return true
		}
		s := stub{group: text(call.Args[0], namespace), version: text(call.Args[1], namespace), resource: text(call.Args[2], namespace)}
		s.storedGroup, s.storedAs = s.group, s.version
		for _, e := range value.Elts {
			s.set(e.(*ast.KeyValueExpr), namespace)
		}
		stubs = append(stubs, s)
		return false
	})
	return stubs, nil
}

func (s *stub) set(field *ast.KeyValueExpr, namespace string) {
	switch field.Key.(*ast.Ident).Name {
	case "Stub":
		s.manifest = text(field.Value, namespace)
	case "ExpectedEtcdPath":
		s.key = text(field.Value, namespace)
	case "ExpectedGVK":
		if call, ok := field.Value.(*ast.CallExpr); ok {
			s.storedGroup, s.storedAs = text(call.Args[0], namespace), text(call.Args[1], namespace)
		}
	}
}

// text evaluates an expression of string literals and the variables namespace and image.
func text(e ast.Expr, namespace string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			return ""
		}
		return s
	case *ast.BinaryExpr:
		return text(e.X, namespace) + text(e.Y, namespace)
	case *ast.Ident:
		if e.Name == "image" {
			return "registry.example/busybox:1"
		}
		return namespace
	}
	return ""
}
