package etcddb

import "crypto/sha256"

// A snapshot that etcd streams is the database and its sha256. Pages are multiples of 512 bytes, so the size tells.
const trailerSize = sha256.Size

func hasTrailer(size int64) bool { return size > trailerSize && size%512 == trailerSize }
