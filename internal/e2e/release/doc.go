// Package release tries the scripts that guard a release.
package release
