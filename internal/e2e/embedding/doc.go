// Package embedding shows the library in the hands of others: each package imported alone by a module outside the tree,
// and admission inside a controller-runtime manager on a real API server.
package embedding
