package binaries

import (
	"regexp"
	"strings"
)

// DownloadError says that a module could not be fetched. It is the one failure that a test run
// may skip for: the network is no part of what is tested.
type DownloadError struct {
	Reason string // the go command's own line about it
}

func (e *DownloadError) Error() string { return "download failed: " + e.Reason }

// fetchFailed matches what the go command prints when a proxy or a version control host does not
// deliver. It is a list of what may be skipped, so whatever the go command says that is not
// recognised here, such as a checksum that does not match, fails the run.
var fetchFailed = regexp.MustCompile(`Get "https?://|read "https?://|reading (https?|file)://|disabled by GOPROXY=off|dial tcp|i/o timeout`)

// downloadFailure returns the first line of a go command's output that tells of a failed fetch.
func downloadFailure(output string) (reason string, ok bool) {
	if strings.Contains(output, "SECURITY ERROR") {
		return "", false
	}
	for line := range strings.Lines(output) {
		if fetchFailed.MatchString(line) {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}
