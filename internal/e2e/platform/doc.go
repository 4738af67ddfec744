// Package platform tells how the parts of this repository are used together, as one test on one real cluster. Run it with
// -v: its log is a report of what was typed, and of what came back.
package platform
