// Package readme runs the commands of every README as a newcomer would: in a copy of the tree, one after the other, with
// a cluster behind ~/.kube/config.
package readme
