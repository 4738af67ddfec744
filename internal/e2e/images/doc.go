// Package images proves the recipes of the examples' container images without a registry, a daemon or a base image: what
// each Dockerfile builds is a static program that starts alone in an empty root directory, as the image's user, with the
// arguments of the manifests.
package images
