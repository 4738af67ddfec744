// Package bolt reads bbolt files through an [io.ReaderAt]: their meta pages, the trees of their buckets, the pages that no
// tree refers to, and what is wrong with them. It never writes, locks or maps a file, and takes no byte of it on trust.
//
// The layout is that of go.etcd.io/bbolt (internal/common: page.go, meta.go, bucket.go). Numbers are in the byte order of
// the machine that wrote the file.
package bolt
