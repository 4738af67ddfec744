package etcddb

// SpoolOptions bound what a compressed snapshot may take.
type SpoolOptions struct {
	// Dir is where a temporary file goes; empty is os.TempDir.
	Dir string
	// Memory is up to how many bytes are kept in memory instead; 0 is 16 MiB, -1 is none.
	Memory int64
	// MaxSize is how many bytes the content may have; 0 is 16 GiB.
	MaxSize int64
}
